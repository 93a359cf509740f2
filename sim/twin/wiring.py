"""Which terminal is joined to which: wires that stay, crosspoints that close, and the nets they make."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigurationError

Side = Literal["row", "column"]


class Port(NamedTuple):
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


class Crosspoint(NamedTuple):
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
class LinesOfSide:
    """Lines of one side of one array, as numbers (lines,)."""

    array: int
    side: Side
    numbers: NDArray[np.intp]


@dataclass(frozen=True)
class Net:
    """Terminals that are one electrical node now.

    Attributes:
        ports: channels of it.
        lines: lines of the die of it.
        grounded: whether it is joined to the common.
        groups: the same lines by array and side.
    """

    ports: tuple[Port, ...]
    lines: tuple[DieLine, ...]
    grounded: bool
    groups: tuple[LinesOfSide, ...] = field(compare=False)

    @property
    def lone(self) -> bool:
        """Whether it is one line, or none, that nothing drives."""
        return not self.ports and not self.grounded and len(self.lines) < 2


class Netlist:
    """The nets that wires and closed crosspoints make: `nets`, and in `joined` those that are not lone, with
    their numbers.

    Args:
        wiring: the wires.
        closed: crosspoints that are closed.
    """

    def __init__(self, wiring: Wiring, closed: Iterable[Crosspoint]) -> None:
        self._frame = _Frame(wiring)
        self._join(closed)

    def rewired(self, closed: Iterable[Crosspoint]) -> "Netlist":
        """The nets of the same wires with other crosspoints closed."""
        other = Netlist.__new__(Netlist)
        other._frame = self._frame
        other._join(closed)
        return other

    def net_of(self, terminal: Terminal) -> int | None:
        """Number of the net of a terminal in `nets`, or None if it is joined to nothing."""
        place = self._frame.places.get(terminal)
        # A terminal that only a crosspoint names is known from when that was first closed.
        if place is None or place >= len(self._parent):
            return None
        return self._number[_root(self._parent, place)]

    def row_of(self, crosspoint: Crosspoint) -> MatrixRow:
        """The row terminal of a crosspoint."""
        return self._frame.row_of(crosspoint)

    @staticmethod
    def column_of(crosspoint: Crosspoint) -> MatrixColumn:
        """The column terminal of a crosspoint."""
        return MatrixColumn(crosspoint.matrix, crosspoint.slot, crosspoint.column)

    def _join(self, closed: Iterable[Crosspoint]) -> None:
        frame = self._frame
        pairs = [frame.ends(crosspoint) for crosspoint in closed]
        self._parent = parent = frame.parent.copy()
        for a, b in pairs:
            parent[_root(parent, a)] = _root(parent, b)
        # Groups of wires that are one piece are what crosspoints join.
        joined: dict[int, list[int]] = {}
        for piece in frame.roots:
            joined.setdefault(_root(parent, piece), []).append(piece)
        self._number = {root: number for number, root in enumerate(joined)}
        self.nets = tuple(
            frame.nets[pieces[0]] if len(pieces) == 1 else frame.merged(pieces) for pieces in joined.values()
        )
        self.joined = tuple((place, net) for place, net in enumerate(self.nets) if not net.lone)


class _Frame:
    """What wires alone make: terminals by number, the pieces they belong to, and the net of each piece."""

    def __init__(self, wiring: Wiring) -> None:
        self.places: dict[Terminal, int] = {}
        self.parent: list[int] = []
        self._backplane = wiring.backplane
        self._ends: dict[Crosspoint, tuple[int, int]] = {}
        for wire in wiring.wires:
            a, b = self._place(wire.a), self._place(wire.b)
            self.parent[_root(self.parent, a)] = _root(self.parent, b)
        members: dict[int, list[Terminal]] = {}
        for terminal, place in self.places.items():
            members.setdefault(_root(self.parent, place), []).append(terminal)
        lines = sorted(one for one in self.places if isinstance(one, DieLine))
        self._lines, self._rank = lines, {line: rank for rank, line in enumerate(lines)}
        self.roots = list(members)
        self.nets = {root: self._net(group) for root, group in members.items()}

    def row_of(self, crosspoint: Crosspoint) -> MatrixRow:
        return MatrixRow(crosspoint.matrix, crosspoint.letter, None if self._backplane else crosspoint.slot)

    def ends(self, crosspoint: Crosspoint) -> tuple[int, int]:
        """Numbers of the two terminals of a crosspoint."""
        known = self._ends.get(crosspoint)
        if known is None:
            known = self._place(self.row_of(crosspoint)), self._place(Netlist.column_of(crosspoint))
            for place in known:
                if place not in self.nets and self.parent[place] == place:
                    self.roots.append(place)
                    self.nets[place] = Net((), (), False, ())
            self._ends[crosspoint] = known
        return known

    def merged(self, pieces: list[int]) -> Net:
        """One net of several pieces."""
        nets = [self.nets[piece] for piece in pieces]
        ports = sorted(port for net in nets for port in net.ports)
        ranks = sorted([self._rank[line] for net in nets for line in net.lines])
        return self._made(ports, [self._lines[rank] for rank in ranks], any(net.grounded for net in nets))

    def _net(self, group: list[Terminal]) -> Net:
        return self._made(
            sorted(t for t in group if isinstance(t, Port)),
            sorted(t for t in group if isinstance(t, DieLine)),
            any(isinstance(t, Ground) for t in group),
        )

    @staticmethod
    def _made(ports: list[Port], lines: list[DieLine], grounded: bool) -> Net:
        groups: dict[tuple[int, Side], list[int]] = {}
        for line in lines:
            groups.setdefault((line.array, line.side), []).append(line.number)
        return Net(
            tuple(ports),
            tuple(lines),
            grounded,
            tuple(LinesOfSide(*key, np.array(numbers, dtype=np.intp)) for key, numbers in groups.items()),
        )

    def _place(self, terminal: Terminal) -> int:
        place = self.places.setdefault(terminal, len(self.parent))
        if place == len(self.parent):
            self.parent.append(place)
        return place


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place


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
