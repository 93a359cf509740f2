"""Which channels can reach which lines of a crossbar, and what follows from that."""

from collections.abc import Iterable
from dataclasses import dataclass

from .contract import Orientation
from .wiring import Channel, MatrixColumn, Wiring

Point = tuple[str, str]
"""A relay: name of the matrix, and the crosspoint as that matrix names it."""


@dataclass(frozen=True)
class Abilities:
    """What a bench can do with one crossbar.

    Attributes:
        distinct_levels: different levels besides 0 V at once in a pulse; None if every line has a channel.
        read_levels: the same for the driven side of a read, least of both orientations.
        floating: whether every line can be left unconnected.
        transposed: whether rows can be sensed.
        problem: why the crossbar cannot be used at all; None if it can.
    """

    distinct_levels: int | None
    read_levels: int | None
    floating: bool
    transposed: bool
    problem: str | None


class Routes:
    """Routes between channels and the lines of one tile. Lines are numbered rows first, then columns.

    Attributes:
        rows: number of rows.
        lines: number of lines.
        straight: line -> channel that it is wired to without a matrix.
        channels: that reach every line on a matrix, in the order of the bench file.
        ground: whether every line on a matrix can be grounded without a channel.
        matrices: on which it has lines.
    """

    def __init__(self, wiring: Wiring, tile: int) -> None:
        wires = wiring.tiles[tile]
        self.rows, self.lines = len(wires.rows), len(wires.lines)
        on_matrix = {k: one for k, one in enumerate(wires.lines) if isinstance(one, MatrixColumn)}
        self.straight = {k: one for k, one in enumerate(wires.lines) if isinstance(one, Channel)}
        self.matrices = tuple(sorted({one.matrix for one in on_matrix.values()}))
        self.channels = tuple(
            channel
            for channel in wiring.channels
            if self.matrices and all(wiring.row_of(matrix, channel) for matrix in self.matrices)
        )
        self.ground = all(wiring.row_of(matrix, None) for matrix in self.matrices)
        self._points: dict[Channel | None, dict[int, Point]] = {}
        for source in (*self.channels, *([None] if self.ground else [])):
            self._points[source] = {
                line: (column.matrix, wiring.crosspoint(wiring.row_of(column.matrix, source) or "", column))
                for line, column in on_matrix.items()
            }

    def points(self, source: Channel | None, lines: Iterable[int]) -> frozenset[Point]:
        """Relays that join lines on a matrix to a channel, or to ground (None)."""
        table = self._points[source]
        return frozenset(table[line] for line in lines)

    def side(self, columns: bool) -> range:
        """Numbers of the rows, or of the columns."""
        return range(self.rows, self.lines) if columns else range(self.rows)

    def pulsing(self) -> tuple[Channel, ...]:
        """Channels for pulses: only those of one instrument pulse in step, so the one with most of them."""
        names = [channel.instrument for channel in self.straight.values()] or [
            channel.instrument for channel in self.channels
        ]
        best = max(dict.fromkeys(names), key=names.count, default="")
        return tuple(channel for channel in self.channels if channel.instrument == best)

    def reading(self, orientation: Orientation) -> int | None:
        """Levels besides 0 V that a read can drive at once: None for any, 0 if the read is impossible."""
        forward = orientation == "forward"
        driven, sensed = self.side(not forward), self.side(forward)
        free = len(self.channels) - self._zero_channels()
        if any(line not in self.straight for line in sensed):
            free -= 1
        if all(line in self.straight for line in driven):
            return None if free >= 0 else 0
        return max(free, 0)

    def abilities(self) -> Abilities:
        """What follows from the routes."""
        forward, transposed = self.reading("forward"), self.reading("transposed")
        levels = [one for one in (forward, transposed) if one]
        pulsed = None if not self.matrices else len(self.pulsing()) - self._zero_channels()
        return Abilities(
            distinct_levels=pulsed,
            read_levels=min(levels, default=None),
            floating=not self.straight,
            transposed=transposed != 0,
            problem=self._problem(forward, pulsed),
        )

    def _problem(self, forward: int | None, pulsed: int | None) -> str | None:
        instruments = {channel.instrument for channel in self.straight.values()}
        if len(instruments) > 1:
            return (
                f"its lines are straight on channels of {' and '.join(sorted(instruments))}, and channels of "
                "several instruments do not pulse in step; use one instrument, or a switch matrix"
            )
        if pulsed is not None and pulsed < 1 and not self.straight:
            return f"no channel is left to pulse with; {self._missing()}"
        if forward == 0:
            return f"rows cannot be driven and columns sensed at once; {self._missing()}"
        return None

    def _zero_channels(self) -> int:
        """Channels that are needed to hold lines at 0 V because no matrix row is grounded."""
        alone = self.rows == 1 and self.lines == 2
        return 0 if self.ground or alone else 1

    def _missing(self) -> str:
        names = ", ".join(map(str, self.channels)) or "none"
        ground = "ground is on a row" if self.ground else "no row is grounded"
        where = " and ".join(self.matrices) or "no matrix"
        return (
            f"channels on rows of {where}: {names}; {ground}. A channel to drive, one to sense and a "
            "grounded row are needed: add them to smu.matrix_rows"
        )
