"""What is wired to what on a bench of instruments, checked before anything is opened."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import ConfigurationError
from .smu_file import ModelName, SmuSection

SOURCES: Mapping[ModelName, tuple[str, ...]] = {"keithley-2600b": ("a", "b"), "keysight-b2900": ("1", "2")}
"""Channels of each family of source-measure units; a model with one channel has the first."""
MATRIX_ROWS: Mapping[ModelName, str] = {"keithley-707b": "ABCDEFGH", "keithley-3706a": "123456"}
"""Names of the rows of each family of switch matrices (those of its largest card)."""
TSP: tuple[ModelName, ...] = ("keithley-2600b", "keithley-707b", "keithley-3706a")
"""Families that have a TSP-Link."""
MOST_SLOTS, MOST_COLUMNS = 6, 99
GROUND = "ground"

_COLUMN = re.compile(r"([^.]+)\.(\d+)\.(\d+)(?:-(\d+))?")
_EXAMPLE = "'matrix.1.3', 'matrix.1.1-12' (slot and columns of a switch matrix) or 'smu.a' (a channel)"


@dataclass(frozen=True, order=True)
class Channel:
    """A channel of a source-measure unit; its low terminal is the common of the bench."""

    instrument: str
    name: str

    def __str__(self) -> str:
        return f"{self.instrument}.{self.name}"


@dataclass(frozen=True, order=True)
class MatrixColumn:
    """A column terminal of a card of a switch matrix; slots and columns from 1."""

    matrix: str
    slot: int
    column: int

    def __str__(self) -> str:
        return f"{self.matrix}.{self.slot}.{self.column}"


Terminal = Channel | MatrixColumn
"""What a line of the die is wired to."""


@dataclass(frozen=True)
class TileWiring:
    """What the lines of one crossbar are wired to."""

    rows: tuple[Terminal, ...]
    columns: tuple[Terminal, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.rows), len(self.columns)

    @property
    def lines(self) -> tuple[Terminal, ...]:
        """Rows, then columns."""
        return self.rows + self.columns


@dataclass(frozen=True)
class Wiring:
    """All wires of a bench.

    Attributes:
        models: family of each instrument.
        matrix_rows: (matrix, row name) -> channel, or None for ground.
        tiles: crossbars.
        tsp_link: instruments by node, from 1.
    """

    models: Mapping[str, ModelName]
    matrix_rows: Mapping[tuple[str, str], Channel | None]
    tiles: tuple[TileWiring, ...]
    tsp_link: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the source-measure units."""
        return tuple(name for name, model in self.models.items() if model in SOURCES)

    @property
    def matrices(self) -> tuple[str, ...]:
        """Names of the switch matrices."""
        return tuple(name for name, model in self.models.items() if model in MATRIX_ROWS)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Every channel that is wired to something, in the order of the bench file."""
        straight = (line for tile in self.tiles for line in tile.lines if isinstance(line, Channel))
        on_rows = (channel for channel in self.matrix_rows.values() if channel is not None)
        return tuple(dict.fromkeys([*on_rows, *straight]))

    @property
    def routed(self) -> str | None:
        """The source whose scripts can switch all relays: the only one, linked with the only matrix."""
        (source, *more), matrices = self.sources or ("",), self.matrices
        straight = any(isinstance(line, Channel) for tile in self.tiles for line in tile.lines)
        if more or straight or len(matrices) != 1 or not {source, *matrices} <= set(self.tsp_link):
            return None
        return source

    def row_of(self, matrix: str, channel: Channel | None) -> str | None:
        """The row of a matrix that a channel, or ground (None), is wired to; None if it is on no row."""
        for (name, row), wired in self.matrix_rows.items():
            if name == matrix and wired == channel:
                return row
        return None

    def crosspoint(self, row: str, column: MatrixColumn) -> str:
        """The relay between a row and a column, as its instrument names it: `1A03`, or `1103`."""
        return f"{column.slot}{row}{column.column:02d}"


def read_wiring(section: SmuSection) -> Wiring:
    """The wires of a bench file.

    Raises:
        ConfigurationError: a terminal does not exist, is used twice, leads nowhere or is missing. All
            problems are listed, one a line.
    """
    reader = _Reader(section)
    wiring = reader.read()
    if reader.problems:
        raise ConfigurationError("\n".join(f"smu.{problem}" for problem in reader.problems))
    return wiring


class _Reader:
    """Reads the section and collects what is wrong with it."""

    def __init__(self, section: SmuSection) -> None:
        self._section = section
        self._models: dict[str, ModelName] = {name: one.model for name, one in section.instruments.items()}
        self._used: dict[Terminal, str] = {}
        self.problems: list[str] = []

    def read(self) -> Wiring:
        rows = self._matrix_rows()
        tiles = tuple(
            TileWiring(
                self._lines(f"tiles.{number}.rows", tile.rows),
                self._lines(f"tiles.{number}.columns", tile.columns),
            )
            for number, tile in enumerate(self._section.tiles)
        )
        wiring = Wiring(self._models, rows, tiles, self._section.tsp_link)
        self._check_link()
        if not self.problems:
            self._find_gaps(wiring)
        return wiring

    def _matrix_rows(self) -> dict[tuple[str, str], Channel | None]:
        matrices = [name for name, model in self._models.items() if model in MATRIX_ROWS]
        rows: dict[tuple[str, str], Channel | None] = {}
        for key, value in self._section.matrix_rows.items():
            where = f"matrix_rows.{key}"
            matrix, dot, row = key.rpartition(".")
            if not dot:
                if len(matrices) != 1:
                    self._wrong(where, key, f"with {len(matrices)} switch matrices, such as 'matrix.A'")
                    continue
                matrix = matrices[0]
            names = MATRIX_ROWS.get(self._models[matrix], "") if matrix in self._models else ""
            if len(row) != 1 or row not in names:
                self._wrong(where, key, f"a row of a switch matrix, {' '.join(names) or 'such as A'}")
                continue
            channel = None if value == GROUND else self._channel(where, value)
            if value != GROUND and channel is None:
                continue
            if channel in [one for (name, _), one in rows.items() if name == matrix]:
                self.problems.append(
                    f"{where}: {value} is on another row of {matrix} already; wire each channel, and ground, "
                    "to one row"
                )
                continue
            rows[matrix, row] = channel
        return rows

    def _lines(self, where: str, texts: Iterable[str]) -> tuple[Terminal, ...]:
        lines: list[Terminal] = []
        for text in texts:
            for terminal in self._terminals(f"{where}", text):
                name = f"{where}, line {len(lines)}"
                if terminal in self._used:
                    self.problems.append(
                        f"{name}: {terminal} is wired to {self._used[terminal]} already; give each line "
                        "its own"
                    )
                self._used.setdefault(terminal, name)
                lines.append(terminal)
        return tuple(lines)

    def _terminals(self, where: str, text: str) -> Iterable[Terminal]:
        match = _COLUMN.fullmatch(text.strip())
        if match is None:
            channel = self._channel(where, text.strip())
            return () if channel is None else (channel,)
        matrix, slot, first = match[1], int(match[2]), int(match[3])
        last = int(match[4] or first)
        if self._models.get(matrix) not in MATRIX_ROWS:
            self._wrong(where, text, self._named("switch matrix", MATRIX_ROWS))
            return ()
        if not (1 <= slot <= MOST_SLOTS and 1 <= first <= last <= MOST_COLUMNS):
            self._wrong(where, text, f"slots 1 to {MOST_SLOTS} and rising columns 1 to {MOST_COLUMNS}")
            return ()
        return tuple(MatrixColumn(matrix, slot, column) for column in range(first, last + 1))

    def _channel(self, where: str, text: str) -> Channel | None:
        instrument, dot, name = text.partition(".")
        model = self._models.get(instrument)
        if not dot or (model is None and "." in name):
            self._wrong(where, text, _EXAMPLE)
            return None
        if model is None or model not in SOURCES:
            self._wrong(where, text, self._named("source-measure unit", SOURCES))
            return None
        if name not in SOURCES[model]:
            names = ", ".join(f"{instrument}.{one}" for one in SOURCES[model])
            self._wrong(where, text, f"{names} (channels of a {model})")
            return None
        return Channel(instrument, name)

    def _check_link(self) -> None:
        link = self._section.tsp_link
        for name in link:
            if self._models.get(name) not in TSP:
                self._wrong("tsp_link", name, self._named("instrument with TSP-Link", TSP))
        if len(set(link)) < len(link):
            self.problems.append(f"tsp_link: found {', '.join(link)}; each instrument has one node")
        if link and self._models.get(link[0]) not in SOURCES:
            self._wrong("tsp_link", link[0], "a Keithley 2600B as the first: it is the one spoken to")

    def _find_gaps(self, wiring: Wiring) -> None:
        for channel in wiring.channels:
            on_rows = [f"{m}.{row}" for (m, row), one in wiring.matrix_rows.items() if one == channel]
            if on_rows and channel in self._used:
                self.problems.append(
                    f"{self._used[channel]}: {channel} is on row {on_rows[0]} too; a channel is either on "
                    "matrix rows or straight on one line"
                )
        used = {channel.instrument for channel in wiring.channels}
        used |= {
            line.matrix for tile in wiring.tiles for line in tile.lines if isinstance(line, MatrixColumn)
        }
        for name in wiring.models:
            if name not in used:
                self.problems.append(
                    f"instruments.{name}: it is wired to nothing; name it in matrix_rows or tiles, or take "
                    "it out"
                )
        for matrix in wiring.matrices:
            if matrix in used and not any(name == matrix for name, _ in wiring.matrix_rows):
                self.problems.append(
                    f"matrix_rows: no row of {matrix} is wired to a channel, so its lines lead nowhere"
                )

    def _named(self, what: str, families: Iterable[ModelName]) -> str:
        names = [name for name, model in self._models.items() if model in tuple(families)]
        return f"a {what} of this file ({', '.join(names) or 'there is none'}): {_EXAMPLE}"

    def _wrong(self, where: str, found: str, accepted: str) -> None:
        self.problems.append(f"{where}: found {found!r}; accepted: {accepted}")
