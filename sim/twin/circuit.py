"""The operating point of a bench: sources with limits, joined through nets to the arrays of a die."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from .._types import Floats
from .die_array import DieArray, LineCurrents
from .wiring import Net, Netlist, Port

_MOST_ROUNDS = 40
_MOST_NEWTON_STEPS = 12
_SMALLEST_STEP = 1e-7
"""Newton step below which a net has found its voltage, V; array solves are no finer."""
_PROBE = 0.01
"""Voltage step that probes how the current of a net depends on the voltage of another, V."""


class Drive(NamedTuple):
    """What a channel does to its HI terminal.

    Attributes:
        kind: a voltage source, a current source, or nothing.
        level: V or A.
        limit: largest current of a voltage source, A, or largest voltage of a current source, V; > 0.
        pulsing: whether the level is the top of a pulse.
        output: whether the output is switched on.
    """

    kind: Literal["voltage", "current", "open"]
    level: float = 0.0
    limit: float = math.inf
    pulsing: bool = False
    output: bool = False


OPEN = Drive("open")
_Levels = dict[int, tuple[Floats, Floats]]
_GROUND = Drive("voltage")


@dataclass(frozen=True)
class OperatingPoint:
    """A solved bench.

    Attributes:
        volts: of each net, V; NaN where it floats.
        currents: out of the HI terminal of each wired port, A.
        limited: ports at their limit.
        conflicts: nets with more than one source of voltage.
        levels: (row levels, column levels) of each array that is driven, V; NaN floats.
    """

    volts: tuple[float, ...]
    currents: Mapping[Port, float]
    limited: frozenset[Port]
    conflicts: tuple[int, ...]
    levels: Mapping[int, tuple[Floats, Floats]]


@dataclass
class _Node:
    """A net while its operating point is being found: held at a voltage, or given a current."""

    net: Net
    strongest: tuple[Port | None, Drive] | None = None
    others: list[tuple[Port | None, Drive]] = field(default_factory=list)
    currents: list[tuple[Port, Drive]] = field(default_factory=list)
    held: bool = True
    volts: float = 0.0
    own: float = 0.0
    """Current of the strongest voltage source while it is at its limit, A."""

    @property
    def alive(self) -> bool:
        """Whether any source of it gives other than 0 V."""
        levels = any(drive.level != 0.0 for _, drive in self.others)
        return bool(abs(self.volts) > 0.0 or self.currents or levels)

    def pulls(self) -> dict[Port | None, float]:
        """Current of every source but the strongest, A: weaker voltage sources give all they have."""
        pulls: dict[Port | None, float] = {port: drive.level for port, drive in self.currents}
        for port, drive in self.others:
            difference = drive.level - self.volts
            pulls[port] = math.copysign(drive.limit, difference) if difference else 0.0
        return pulls

    def target(self) -> float:
        """Current into the net while it is not held at a voltage, A."""
        return sum(self.pulls().values()) + (self.own if self.strongest else 0.0)

    def clamp(self) -> float:
        """Largest voltage that the current sources allow, V."""
        return min((drive.limit for _, drive in self.currents), default=math.inf)


def operating_point(
    netlist: Netlist, drives: Mapping[Port, Drive], arrays: Mapping[int, DieArray]
) -> OperatingPoint:
    """Solve the bench: every voltage source holds its level until its current reaches its limit.

    Two voltage sources on one net are in conflict: the one with the higher limit holds the net and the
    other gives its limit.

    Args:
        netlist: electrical nodes.
        drives: what each port does; a port not named does nothing.
        arrays: arrays of the die by number.

    Raises:
        ConvergenceError: an array solve failed.
    """
    simple = _held_everywhere(netlist, drives, arrays)
    if simple is not None:
        return simple
    nodes = {place: _node(net, drives) for place, net in netlist.joined}
    live = list(nodes.values())
    loads, levels = [0.0] * len(live), None
    for _ in range(_MOST_ROUNDS if any(node.alive for node in live) else 0):
        loads, levels = _find_free(live, arrays)
        revised = [_revise(node, load) for node, load in zip(live, loads, strict=True)]
        if not any(revised):
            break
    else:
        levels = None
    currents: dict[Port, float] = {}
    limited: set[Port] = set()
    volts = [math.nan] * len(netlist.nets)
    for (place, node), load in zip(nodes.items(), loads, strict=True):
        volts[place] = node.volts
        _attribute(node, load, currents, limited)
    return OperatingPoint(
        volts=tuple(volts),
        currents=currents,
        limited=frozenset(limited),
        conflicts=tuple(place for place, node in nodes.items() if node.strongest and node.others),
        levels=levels or _levels(live, arrays),
    )


def _held_everywhere(
    netlist: Netlist, drives: Mapping[Port, Drive], arrays: Mapping[int, DieArray]
) -> OperatingPoint | None:
    """The operating point if one voltage source within its limit holds each net; else None.

    Nearly all that experiments do is of this kind; the same numbers as by the general way, sooner.
    """
    held: list[tuple[int, Net, Port | None, Drive]] = []
    driven: set[int] = set()
    for place, net in netlist.joined:
        port, drive = None, _GROUND if net.grounded else OPEN
        for one in net.ports:
            own = drives.get(one, OPEN)
            if own.kind == "open":
                continue
            if own.kind != "voltage" or drive is not OPEN:
                return None
            port, drive = one, own
        if drive.kind == "open":
            return None
        held.append((place, net, port, drive))
        driven.update([group.array for group in net.groups])
    if not any(drive.level for _, _, _, drive in held):
        return None
    levels = {number: _floating(arrays[number].shape) for number in driven}
    for _, net, _, drive in held:
        for group in net.groups:
            levels[group.array][0 if group.side == "row" else 1][group.numbers] = drive.level
    lines = {number: arrays[number].currents(*levels[number]) for number in driven}
    volts = [math.nan] * len(netlist.nets)
    currents: dict[Port, float] = {}
    for place, net, port, drive in held:
        load = _load(net, lines)
        if abs(load) > drive.limit:
            return None
        volts[place] = drive.level
        for one in net.ports:
            currents[one] = 0.0
        if port is not None:
            currents[port] = load
    return OperatingPoint(tuple(volts), currents, frozenset(), (), levels)


def _node(net: Net, drives: Mapping[Port, Drive]) -> _Node:
    node = _Node(net)
    voltages: list[tuple[Port | None, Drive]] = [(None, _GROUND)] if net.grounded else []
    for port in net.ports:
        drive = drives.get(port, OPEN)
        if drive.kind == "voltage":
            voltages.append((port, drive))
        elif drive.kind == "current":
            node.currents.append((port, drive))
    if voltages:
        node.strongest = max(voltages, key=lambda pair: pair[1].limit)
        node.others = [pair for pair in voltages if pair is not node.strongest]
        node.volts = node.strongest[1].level
    else:
        node.held = False
        if not node.currents and len(net.lines) < 2:
            node.volts = math.nan  # a floating line that nothing drives; joined ones share an unknown voltage
    return node


def _revise(node: _Node, load: float) -> bool:
    """Let a source leave or regain its level; returns whether anything changed."""
    if math.isnan(node.volts):
        return False
    if node.strongest is None:
        clamp = node.clamp()
        if not node.held and abs(node.volts) > clamp:
            node.held, node.volts = True, math.copysign(clamp, node.volts)
            return True
        if node.held and math.copysign(1.0, node.volts) * (load - node.target()) > 0.0:
            node.held = False
            return True
        return False
    drive = node.strongest[1]
    if node.held:
        wanted = load - sum(node.pulls().values())
        if abs(wanted) > drive.limit:
            node.held, node.own = False, math.copysign(drive.limit, wanted)
            return True
        return False
    if (drive.level - node.volts) * node.own < 0.0:
        node.held, node.volts = True, drive.level
        return True
    return False


def _find_free(nodes: list[_Node], arrays: Mapping[int, DieArray]) -> tuple[list[float], _Levels]:
    """Find the voltages of all nets that are given a current (Newton).

    Returns:
        The current of each net, A, and the levels of all lines.
    """
    free = [k for k, node in enumerate(nodes) if not node.held and not math.isnan(node.volts)]
    for k in list(free):
        if not nodes[k].net.lines:  # open circuit: the voltage runs to its clamp
            target = nodes[k].target()
            nodes[k].volts = math.copysign(min(nodes[k].clamp(), 1e6), target) if target else 0.0
            free.remove(k)
    loads, levels = _loads(nodes, arrays)
    for _ in range(_MOST_NEWTON_STEPS if free else 0):
        wrong = np.array([nodes[k].target() - loads[k] for k in free])
        scale = max(max(abs(loads[k]) for k in free), 1e-12)
        if np.abs(wrong).max() <= 1e-10 * scale:
            break
        slopes = np.empty((len(free), len(free)))
        for column, k in enumerate(free):
            nodes[k].volts += _PROBE
            moved, _ = _loads(nodes, arrays)
            nodes[k].volts -= _PROBE
            slopes[:, column] = [(moved[other] - loads[other]) / _PROBE for other in free]
        steps = np.linalg.lstsq(slopes, wrong, rcond=None)[0]
        for k, step in zip(free, steps, strict=True):
            nodes[k].volts += float(step)
        loads, levels = _loads(nodes, arrays)
        if np.abs(steps).max() <= _SMALLEST_STEP:
            break
    return loads, levels


def _loads(nodes: list[_Node], arrays: Mapping[int, DieArray]) -> tuple[list[float], _Levels]:
    """Current of each net into the arrays, A, and the levels of all lines."""
    levels = _levels(nodes, arrays)
    joined = {group.array for node in nodes for group in node.net.groups}
    currents = {number: arrays[number].currents(*levels[number]) for number in joined}
    return [_load(node.net, currents) for node in nodes], levels


def _load(net: Net, currents: Mapping[int, LineCurrents]) -> float:
    """Current of a net into the arrays, A."""
    total = 0.0
    for group in net.groups:
        lines = currents[group.array].of(group.side)
        numbers = group.numbers
        total += float(lines[numbers[0]] if len(numbers) == 1 else lines[numbers].sum())
    return total


def _floating(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    rows, columns = np.empty(shape[0]), np.empty(shape[1])
    rows.fill(np.nan)
    columns.fill(np.nan)
    return rows, columns


def _levels(nodes: list[_Node], arrays: Mapping[int, DieArray]) -> _Levels:
    levels = {number: _floating(array.shape) for number, array in arrays.items()}
    for node in nodes:
        for group in node.net.groups:
            levels[group.array][0 if group.side == "row" else 1][group.numbers] = node.volts
    return levels


def _attribute(node: _Node, load: float, currents: dict[Port, float], limited: set[Port]) -> None:
    """Share the current of a net among its ports and find which are at their limit."""
    currents.update(dict.fromkeys(node.net.ports, 0.0))
    pulls = node.pulls()
    for port, drive in node.others:
        if port is not None:
            currents[port] = pulls[port]
            if drive.level != node.volts:
                limited.add(port)
    clamped = node.strongest is None and node.held
    for port, drive in node.currents:
        # A clamped current source gives what the net takes, shared by level.
        total = sum(one.level for _, one in node.currents)
        currents[port] = load * drive.level / total if clamped and total else drive.level
        if clamped or (not node.net.lines and drive.level):
            limited.add(port)
            currents[port] = currents[port] if node.net.lines else 0.0
    if node.strongest is not None and node.strongest[0] is not None:
        port = node.strongest[0]
        currents[port] = load - sum(pulls.values()) if node.held else node.own
        if not node.held:
            limited.add(port)
