"""Which terminal is joined to which: wires that stay, crosspoints that close, and the nets they make."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ...errors import ConfigurationError

Side = Literal["row", "column"]


@dataclass(frozen=True, order=True)
class Port:
    """The HI terminal of one source-measure channel; its LO terminal is the common of the bench.

    Attributes:
        instrument: name of the instrument on the bench.
        channel: number of the channel, from 1 (channel 1 of a Keithley 2600B is `smua`).
    """

    instrument: str
    channel: int


@dataclass(frozen=True, order=True)
class MatrixRow:
    """A row terminal of a switch matrix; slot None is the row shared by all slots through the backplane."""

    matrix: str
    letter: str
    slot: int | None = None


@dataclass(frozen=True, order=True)
class MatrixColumn:
    """A column terminal of one card of a switch matrix, slots and columns from 1."""

    matrix: str
    slot: int
    column: int


@dataclass(frozen=True, order=True)
class DieLine:
    """A row or a column of an array of the die, from 0."""

    side: Side
    number: int
    array: int = 0


@dataclass(frozen=True)
class Ground:
    """The common of the bench, 0 V."""


Terminal = Port | MatrixRow | MatrixColumn | DieLine | Ground


@dataclass(frozen=True)
class Wire:
    """A wire that is always there."""

    a: Terminal
    b: Terminal


@dataclass(frozen=True, order=True)
class Crosspoint:
    """A relay of a switch matrix; `1A03` is slot 1, row A, column 3."""

    matrix: str
    slot: int
    letter: str
    column: int

    def __str__(self) -> str:
        return f"{self.slot}{self.letter}{self.column:02d}"


@dataclass(frozen=True, order=True)
class TriggerPin:
    """A digital I/O line of an instrument, from 1."""

    instrument: str
    line: int


@dataclass(frozen=True)
class Wiring:
    """All of the bench that does not change while it runs.

    Attributes:
        wires: joined terminals.
        backplane: whether rows of the same letter are joined across the slots of a matrix.
        trigger_lines: groups of digital I/O lines joined together.
        tsp_link: names of the instruments on one TSP-Link, in the order of their node numbers.
    """

    wires: tuple[Wire, ...]
    backplane: bool = True
    trigger_lines: tuple[tuple[TriggerPin, ...], ...] = ()
    tsp_link: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[Terminal] = set()
        for wire in self.wires:
            ends = {type(wire.a), type(wire.b)}
            if ends != {DieLine, MatrixColumn}:
                continue
            for terminal in (wire.a, wire.b):
                if terminal in seen:
                    raise ConfigurationError(
                        f"{terminal} is wired twice; give each line of the die its own column of the matrix"
                    )
                seen.add(terminal)


@dataclass(frozen=True)
class Net:
    """Terminals that are one electrical node now."""

    ports: tuple[Port, ...]
    lines: tuple[DieLine, ...]
    grounded: bool


class Netlist:
    """The nets that wires and closed crosspoints make.

    Args:
        wiring: the wires.
        closed: crosspoints that are closed.
    """

    def __init__(self, wiring: Wiring, closed: Iterable[Crosspoint]) -> None:
        self._parent: dict[Terminal, Terminal] = {}
        self._backplane = wiring.backplane
        for wire in wiring.wires:
            self._join(wire.a, wire.b)
        for crosspoint in closed:
            self._join(self.row_of(crosspoint), self.column_of(crosspoint))
        members: dict[Terminal, list[Terminal]] = {}
        for terminal in self._parent:
            members.setdefault(self._root(terminal), []).append(terminal)
        self._number = {root: number for number, root in enumerate(members)}
        self.nets = tuple(_net(group) for group in members.values())

    def net_of(self, terminal: Terminal) -> int | None:
        """Number of the net of a terminal in `nets`, or None if it is joined to nothing."""
        return self._number[self._root(terminal)] if terminal in self._parent else None

    def row_of(self, crosspoint: Crosspoint) -> MatrixRow:
        """The row terminal of a crosspoint."""
        return MatrixRow(crosspoint.matrix, crosspoint.letter, None if self._backplane else crosspoint.slot)

    @staticmethod
    def column_of(crosspoint: Crosspoint) -> MatrixColumn:
        """The column terminal of a crosspoint."""
        return MatrixColumn(crosspoint.matrix, crosspoint.slot, crosspoint.column)

    def _root(self, terminal: Terminal) -> Terminal:
        parent = self._parent
        while parent[terminal] is not terminal:
            parent[terminal] = parent[parent[terminal]]
            terminal = parent[terminal]
        return terminal

    def _join(self, a: Terminal, b: Terminal) -> None:
        self._parent.setdefault(a, a)
        self._parent.setdefault(b, b)
        # Keys may be equal without being one object, so look up the stored ones.
        self._parent[self._root(self._parent[a])] = self._root(self._parent[b])


def _net(group: list[Terminal]) -> Net:
    return Net(
        ports=tuple(sorted(t for t in group if isinstance(t, Port))),
        lines=tuple(sorted(t for t in group if isinstance(t, DieLine))),
        grounded=any(isinstance(t, Ground) for t in group),
    )


def matrix_wiring(
    sources: Mapping[str, Port | Ground],
    rows: int,
    columns: int,
    *,
    matrix: str = "matrix",
    columns_a_slot: int = 12,
    trigger_lines: tuple[tuple[TriggerPin, ...], ...] = (),
    tsp_link: tuple[str, ...] = (),
) -> Wiring:
    """The usual bench: channels on matrix rows, the lines of one array on matrix columns.

    Die row i sits on matrix column i + 1 counted through the slots, die column j on column
    rows + j + 1, so with 12 columns a slot `1A03` joins the channel on row A to die row 2.

    Args:
        sources: what is wired to each matrix row, by its letter.
        rows: rows of the array.
        columns: columns of the array.
        matrix: name of the switch matrix.
        columns_a_slot: columns of each card.
        trigger_lines: groups of digital I/O lines joined together.
        tsp_link: names of the instruments on one TSP-Link, in the order of their node numbers.
    """
    lines = [DieLine("row", i) for i in range(rows)] + [DieLine("column", j) for j in range(columns)]
    wires = [Wire(source, MatrixRow(matrix, letter)) for letter, source in sources.items()]
    for place, line in enumerate(lines):
        slot, column = divmod(place, columns_a_slot)
        wires.append(Wire(MatrixColumn(matrix, slot + 1, column + 1), line))
    return Wiring(tuple(wires), trigger_lines=trigger_lines, tsp_link=tsp_link)
