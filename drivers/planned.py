"""Benches that are only planned: the same plans as the real one makes, added up, and nothing is opened."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from ..errors import CapabilityError, ConfigurationError
from .bench import BenchDescription, open_bench
from .checks import check_bias, check_pulse
from .contract import Applied, Bias, Capabilities, Pulse, Reading, SafeState, Timing
from .guard import Limits
from .planner import Plan, Planner, Step
from .routes import Point, Routes
from .wiring import Channel, MatrixColumn, TileWiring, Wiring

__all__ = ["PlannedCrossbar", "Relays", "Spent", "planned_crossbars", "planned_square"]


class Plans(Protocol):
    """What makes plans for one crossbar."""

    def pulse(self, pulse: Pulse, closed: frozenset[Point] = frozenset()) -> Plan:
        """How to give a pulse."""
        ...

    def read(self, bias: Bias, closed: frozenset[Point] = frozenset()) -> Plan:
        """How to make reads."""
        ...


_WHOLE = Step(frozenset(), {})
"""A step of a bench without relays and shared channels."""


class DirectPlans:
    """Plans of a bench that drives and senses every line at once, such as the simulated one."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing

    def pulse(self, pulse: Pulse, closed: frozenset[Point] = frozenset()) -> Plan:
        """One step of all repeats."""
        timing, width = self._timing, float(np.max(pulse.width))
        seconds = timing.pulse_overhead + pulse.repeat * (width + timing.repeat_gap) - timing.repeat_gap
        return Plan((_WHOLE,), seconds, closed=closed)

    def read(self, bias: Bias, closed: frozenset[Point] = frozenset()) -> Plan:
        """One step for each read."""
        reads = len(np.atleast_2d(bias.levels))
        return Plan((_WHOLE,) * reads, self._timing.read_time * reads, closed=closed)


@dataclass
class Relays:
    """Which relays are closed; shared by all crossbars of a bench."""

    closed: frozenset[Point] = frozenset()


@dataclass(frozen=True)
class Spent:
    """What some operations come to.

    Attributes:
        pulses: given, repeats counted.
        reads: vectors of levels driven.
        steps: settings of relays and levels.
        seconds: bench time.
        relay_operations: relays that open or close.
        round_trips: messages sent and answered, by instrument.
    """

    pulses: int = 0
    reads: int = 0
    steps: int = 0
    seconds: float = 0.0
    relay_operations: int = 0
    round_trips: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.pulses + other.pulses,
            self.reads + other.reads,
            self.steps + other.steps,
            self.seconds + other.seconds,
            self.relay_operations + other.relay_operations,
            dict(Counter(self.round_trips) + Counter(other.round_trips)),
        )


class PlannedCrossbar:
    """A crossbar that plans what it is asked and does nothing; its reads are all 0 A.

    Args:
        capabilities: of the bench.
        plans: of the bench.
        relays: shared with the other crossbars of the bench.
    """

    def __init__(self, capabilities: Capabilities, plans: Plans, relays: Relays) -> None:
        self._capabilities, self._plans, self._relays = capabilities, plans, relays
        self._spent = Spent()

    @property
    def capabilities(self) -> Capabilities:
        """As on the bench."""
        return self._capabilities

    def apply(self, pulse: Pulse) -> Applied:
        """Plan a pulse; refuses what the bench would refuse."""
        check_pulse(pulse, self._capabilities)
        plan = self._take(self._plans.pulse(pulse, self._relays.closed), pulses=pulse.repeat)
        return Applied(width=float(np.max(pulse.width)), elapsed=plan.seconds)

    def read(self, bias: Bias) -> Reading:
        """Plan reads; refuses what the bench would refuse."""
        check_bias(bias, self._capabilities)
        reads = len(np.atleast_2d(bias.levels))
        plan = self._take(self._plans.read(bias, self._relays.closed), reads=reads)
        rows, columns = self._capabilities.shape
        sensed = columns if bias.orientation == "forward" else rows
        return Reading(np.zeros((*bias.levels.shape[:-1], sensed)), noise=0.0, elapsed=plan.seconds)

    def safe(self) -> SafeState:
        """Nothing was ever on."""
        return SafeState(proven=True, detail="nothing was opened")

    def spent(self) -> Spent:
        """What was spent since this was last asked."""
        spent, self._spent = self._spent, Spent()
        return spent

    def _take(self, plan: Plan, pulses: int = 0, reads: int = 0) -> Plan:
        if plan.reason is not None:
            raise CapabilityError(plan.reason)
        self._relays.closed = plan.closed
        self._spent += Spent(
            pulses, reads, len(plan.steps), plan.seconds, plan.relay_operations, plan.round_trips
        )
        return plan


def planned_crossbars(description: BenchDescription, seed: int = 0) -> tuple[PlannedCrossbar, ...]:
    """Every crossbar of a bench, planned; the seed is that of a simulated die whose file leaves it open."""
    relays = Relays()
    if description.content.backend == "smu":
        wiring = description.wiring
        tiles = range(len(wiring.tiles))
        return tuple(_planned_tile(description, wiring, tile, relays) for tile in tiles)
    capabilities = [crossbar.capabilities for crossbar in open_bench(description, seed).crossbars]
    return tuple(PlannedCrossbar(one, DirectPlans(one.timing), relays) for one in capabilities)


def planned_square(description: BenchDescription, size: int, seed: int = 0) -> PlannedCrossbar | None:
    """The first crossbar of a bench as if it had `size` rows and columns, whether or not so many lines fit.

    None if its lines are straight on channels, so that it cannot grow.
    """
    if description.content.backend != "smu":
        capabilities = replace(
            open_bench(description, seed).crossbars[0].capabilities, rows=size, columns=size
        )
        return PlannedCrossbar(capabilities, DirectPlans(capabilities.timing), Relays())
    wiring = description.wiring
    tile = wiring.tiles[0]
    if any(isinstance(line, Channel) for line in tile.lines):
        return None
    (matrix, *_) = sorted({line.matrix for line in tile.lines if isinstance(line, MatrixColumn)})
    lines = [MatrixColumn(matrix, 1 + place // 99, 1 + place % 99) for place in range(2 * size)]
    grown = replace(wiring, tiles=(TileWiring(tuple(lines[:size]), tuple(lines[size:])),))
    return _planned_tile(description, grown, 0, Relays())


def _planned_tile(
    description: BenchDescription, wiring: Wiring, tile: int, relays: Relays
) -> PlannedCrossbar:
    from .smu_bench import capabilities_of, costs_of

    section = description.content.smu
    if section is None:
        raise ConfigurationError(f"{description.path}: smu: this key is missing")
    limits = Limits(**dict(description.content.limits))
    planner = Planner(Routes(wiring, tile), costs_of(section, wiring))
    return PlannedCrossbar(capabilities_of(section, limits, wiring, tile), planner, relays)
