"""Plans: how a pulse or a read is made with few channels, step by step, and what it costs.

Lines are grouped by level. Each group is routed through the switch matrix to one channel, or to ground. A
read senses as many lines at once as there are channels left, the others wait at ground, so it takes several
steps. Relays move only between steps, with all outputs off.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..instruments import RoutedReads, SourceCosts
from .contract import Bias, Floats, Orientation, Pulse
from .routes import Point, Routes
from .wiring import Channel


@dataclass(frozen=True)
class Costs:
    """What operations of a bench take, s; nothing is asked of any instrument.

    Attributes:
        sources: costs of each source-measure unit.
        matrix_call: one change of relays beside the relays.
        relays: time for relays to open, or to close, and settle.
        settle: from outputs on to the measurement of a read.
        integration: of one measurement of a read.
        repeat_gap: rest between repeats of a pulse.
        most_pulses: in one train.
        break_before_make: whether relays open before others close, or move together.
        routed: source-measure unit whose scripts switch the relays; None if the controller does.
        most_reads: in one message of a routed read.
    """

    sources: Mapping[str, SourceCosts]
    matrix_call: float
    relays: float
    settle: float
    integration: float
    repeat_gap: float
    most_pulses: int
    break_before_make: bool = True
    routed: str | None = None
    most_reads: int = 1


@dataclass(frozen=True)
class Step:
    """Relays and levels that stand together.

    Attributes:
        points: the only closed relays.
        levels: of every channel that takes part, V; the others are off.
        read: number of the read in its sequence.
        sensed: channel -> line whose current it measures, numbered within its side.
        pulses: pulses given in this step; 0 for a static level.
    """

    points: frozenset[Point]
    levels: Mapping[Channel, float]
    read: int = 0
    sensed: Mapping[Channel, int] = field(default_factory=dict)
    pulses: int = 0


@dataclass(frozen=True)
class Plan:
    """How an operation is made, and what it costs.

    Attributes:
        steps: in order; none if it is impossible.
        seconds: bench time.
        round_trips: messages sent and answered, by instrument.
        relay_operations: relays that open or close.
        closed: relays closed at the end.
        routed: a read as a script of the source makes it, where scripts switch the relays.
        reason: why it is impossible; None if it is possible.
    """

    steps: tuple[Step, ...] = ()
    seconds: float = 0.0
    round_trips: Mapping[str, int] = field(default_factory=dict)
    relay_operations: int = 0
    closed: frozenset[Point] = frozenset()
    routed: RoutedReads | None = None
    reason: str | None = None


class Planner:
    """Makes plans for one crossbar of a bench.

    Args:
        routes: of its lines.
        costs: of the bench.
    """

    def __init__(self, routes: Routes, costs: Costs) -> None:
        self._routes, self._costs = routes, costs
        self._pulsing = routes.pulsing()
        self._known_ways: dict[tuple[Orientation, tuple[Channel, ...]], list[_Way] | str] = {}
        # Lines at 0 V in a read that no matrix row grounds are held by the last channel.
        spare = routes.channels[-1:] if not routes.ground and routes.lines > 2 else ()
        self._zero = spare[0] if spare else None
        self._reading = routes.channels[:-1] if spare else routes.channels

    def pulse(self, pulse: Pulse, closed: frozenset[Point] = frozenset()) -> Plan:
        """How to give a pulse.

        Args:
            pulse: one width for all rows.
            closed: relays closed before.
        """
        levels = np.concatenate([pulse.rows, pulse.columns])
        shared = self._share(levels, self._pulsing)
        if isinstance(shared, str):
            return Plan(closed=closed, reason=f"a pulse {shared}")
        points, channels = shared
        width = float(np.max(pulse.width))
        trains = _split(pulse.repeat, self._costs.most_pulses)
        steps = tuple(Step(points, channels, pulses=count) for count in trains)
        source = next(iter(channels)).instrument
        costs = self._costs.sources[source]
        seconds = sum(
            costs.call + costs.before_pulses + count * width + (count - 1) * self._costs.repeat_gap
            for count in trains
        )
        return self._priced(steps, seconds, {source: len(trains)}, closed)

    def read(self, bias: Bias, closed: frozenset[Point] = frozenset()) -> Plan:
        """How to make a read or a sequence of reads.

        Args:
            bias: levels and orientation.
            closed: relays closed before.
        """
        rows = np.atleast_2d(bias.levels)
        most = max(1, *(len(_levels(row)) for row in rows))
        asked = bias.orientation, self._reading[most:]
        if asked not in self._known_ways:
            self._known_ways[asked] = self._ways(*asked)
        ways = self._known_ways[asked]
        if isinstance(ways, str):
            return Plan(closed=closed, reason=f"a read {ways}")
        steps: list[Step] = []
        driven: list[frozenset[Point]] = []
        drive = self._reading[0] if self._reading else None
        levels_of_drive: list[float] = []
        for read, row in enumerate(rows):
            shared = self._share(self._all_lines(row, bias.orientation), self._reading[:most], static=True)
            if isinstance(shared, str):
                return Plan(closed=closed, reason=f"a read {shared}")
            points, levels = shared
            driven.append(points)
            if drive is not None:
                levels_of_drive.append(levels[drive])
            steps += [
                Step(points | way.points, {**levels, **way.levels}, read, way.sensed)
                for way in (ways if read % 2 == 0 else reversed(ways))
            ]
        plan = self._priced_read(tuple(steps), closed)
        if self._costs.routed is None or drive is None:
            return plan
        (meter,) = ways[0].sensed
        names = [_names(way.points) for way in ways]
        reads = RoutedReads(drive.name, meter.name, levels_of_drive, [_names(one) for one in driven], names)
        return replace(plan, routed=reads)

    def _all_lines(self, driven: Floats, orientation: Orientation) -> Floats:
        """Levels of all lines, those of the sensed side left out (NaN)."""
        levels = np.full(self._routes.lines, np.nan)
        side = self._routes.side(orientation != "forward")
        levels[side.start : side.stop] = driven
        return levels

    def _share(
        self, levels: Floats, channels: tuple[Channel, ...], *, static: bool = False
    ) -> tuple[frozenset[Point], dict[Channel, float]] | str:
        """Give every level a channel, in the order of their first lines; NaN is connected to nothing.

        Returns:
            Relays and the level of each channel, or why not.
        """
        routes = self._routes
        given: dict[Channel, float] = {}
        groups: dict[float, list[int]] = {}
        for line, level in enumerate(levels.tolist()):
            if level != level:
                continue
            if line in routes.straight:
                given[routes.straight[line]] = level
            else:
                groups.setdefault(level + 0.0, []).append(line)
        points: frozenset[Point] = frozenset()
        if static and self._zero is not None:
            points |= routes.points(self._zero, groups.pop(0.0, []))
            given[self._zero] = 0.0
        elif routes.ground and (static or given or len(groups) > 1):
            points |= routes.points(None, groups.pop(0.0, []))
        # Else only 0 V is left: a pulse of 0 V everywhere is a pulse all the same, so a channel gives it.
        if len(groups) > len(channels):
            volts = ", ".join(f"{level:g} V" for level in groups)
            names = ", ".join(map(str, channels)) or "none"
            return (
                f"with {volts} at once needs {len(groups)} channels; {names} "
                f"can be used{'' if routes.ground else ' and no matrix row is grounded'}"
            )
        for channel, (level, lines) in zip(channels, groups.items(), strict=False):
            points |= routes.points(channel, lines)
            given[channel] = level
        if static and channels:
            given.setdefault(channels[0], 0.0)
        return points, given

    def _ways(self, orientation: Orientation, free: tuple[Channel, ...]) -> "list[_Way] | str":
        """Ways of connecting the sensed side, so that each of its lines is measured once; or why not."""
        routes = self._routes
        side = routes.side(orientation == "forward")
        straight = {routes.straight[line]: line - side.start for line in side if line in routes.straight}
        lines = [line for line in side if line not in routes.straight]
        if not lines:
            return [_Way(frozenset(), dict.fromkeys(straight, 0.0), straight)]
        if not free:
            return "has no channel left to sense with; drive fewer levels at once"
        ways = []
        for start in range(0, len(lines), len(free)):
            sensing = dict(zip(free, lines[start : start + len(free)], strict=False))
            rest = [line for line in lines if line not in sensing.values()]
            points = routes.points(self._zero, rest) if rest else frozenset()
            points = points.union(*(routes.points(channel, [line]) for channel, line in sensing.items()))
            sensed = {channel: line - side.start for channel, line in sensing.items()}
            ways.append(
                _Way(
                    points,
                    dict.fromkeys([*sensed, *straight], 0.0),
                    sensed if start else {**sensed, **straight},
                )
            )
        return ways

    def _priced_read(self, steps: tuple[Step, ...], closed: frozenset[Point]) -> Plan:
        costs, seconds = self._costs, 0.0
        trips: dict[str, int] = {}
        before: frozenset[Point] | None = None
        for step in steps:
            seconds += costs.settle
            instruments = _by_instrument(step.levels)
            for name, channels in instruments.items():
                source = costs.sources[name]
                measured = len(step.sensed) if costs.routed else len(channels)
                one = (source.measurement + costs.integration) * (measured if source.in_turn else 1)
                seconds += max(one, source.shortest_step - costs.settle)
                if (
                    len(instruments) > 1
                ):  # each channel is set, switched on, measured, switched off, set to 0 V
                    calls = 5 * len(channels)
                elif (
                    costs.routed is None and step.points != before
                ):  # steps with the same relays are one call
                    calls = 1
                else:
                    calls = 0
                seconds += calls * source.call
                trips[name] = trips.get(name, 0) + calls
            before = step.points
        if costs.routed:
            trips[costs.routed] = -(-(steps[-1].read + 1) // costs.most_reads)
            seconds += trips[costs.routed] * costs.sources[costs.routed].call
        return self._priced(steps, seconds, trips, closed)

    def _priced(
        self, steps: tuple[Step, ...], seconds: float, trips: Mapping[str, int], before: frozenset[Point]
    ) -> Plan:
        """Add what the relays cost."""
        trips, closed, operations = dict(trips), before, 0
        for step in steps:
            moved = step.points ^ closed
            if not moved:
                continue
            operations += len(moved)
            for matrix in sorted({name for name, _ in moved}):
                mine = {point for point in moved if point[0] == matrix}
                moves = bool(mine & closed) + bool(mine & step.points)
                seconds += self._costs.relays * (moves if self._costs.break_before_make else 1)
                if self._costs.routed is None:
                    seconds += self._costs.matrix_call
                    trips[matrix] = trips.get(matrix, 0) + 1
            closed = step.points
        return Plan(steps, seconds, trips, operations, closed)


@dataclass(frozen=True)
class _Way:
    """One way of connecting the sensed side: relays, channels at their 0 V, which line each measures."""

    points: frozenset[Point]
    levels: Mapping[Channel, float]
    sensed: Mapping[Channel, int]


def _names(points: Iterable[Point]) -> tuple[str, ...]:
    return tuple(point for _, point in points)


def _levels(levels: Floats) -> set[float]:
    """Levels besides 0 V."""
    return {level for level in levels.tolist() if level == level and level != 0.0}


def _split(repeat: int, most: int) -> list[int]:
    """Trains that make up a number of repeats."""
    return [min(most, repeat - start) for start in range(0, repeat, most)]


def _by_instrument(channels: Iterable[Channel]) -> dict[str, list[Channel]]:
    found: dict[str, list[Channel]] = {}
    for channel in channels:
        found.setdefault(channel.instrument, []).append(channel)
    return found
