"""The `smu` backend: a crossbar behind source-measure units and, usually, a switch matrix.

A pulse closes its relays with all outputs off, is timed by the instrument, and takes one round trip to each
instrument at most. Whatever goes wrong, nothing is sent again: the guard makes the bench safe.
"""

import time
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from ..errors import CapabilityError
from ..instruments import PulseTrain, Readings
from ..instruments.values import stepped
from .checks import check_bias, check_pulse
from .contract import Applied, Bias, Capabilities, Pulse, Reading, SafeState
from .planner import Plan, Planner, Step
from .smu_instruments import SmuInstruments
from .wiring import Channel


class SmuCrossbar:
    """A crossbar of a bench of instruments. Several crossbars may share the instruments.

    Args:
        instruments: open and set up.
        planner: for this crossbar.
        capabilities: of the bench with this crossbar.
        settle: from outputs on to the measurement of a read, s.
        repeat_gap: rest between two repeats of a pulse, s.
        noise: standard deviation of one current of a read, A.
    """

    def __init__(
        self,
        instruments: SmuInstruments,
        planner: Planner,
        capabilities: Capabilities,
        settle: float,
        repeat_gap: float,
        noise: float,
    ) -> None:
        self._instruments, self._planner = instruments, planner
        self._capabilities = capabilities
        self._settle, self._repeat_gap, self._noise = settle, repeat_gap, noise

    @property
    def capabilities(self) -> Capabilities:
        """Constant while the crossbar is open."""
        return self._capabilities

    def apply(self, pulse: Pulse) -> Applied:
        """Give a pulse; see `Crossbar.apply`. Currents are known of lines with a channel of their own."""
        check_pulse(pulse, self._capabilities)
        width = stepped(float(np.max(pulse.width)), self._capabilities.width_resolution)
        with self._instruments.operation("pulse"):
            plan = _possible(self._planner.pulse(pulse, self._instruments.closed or frozenset()))
            given = [self._give(step, width) for step in plan.steps]
        rows, columns = _alone(pulse, plan.steps[0], given[0])
        return Applied(
            some_rows=rows,
            some_columns=columns,
            width=next((one.width for one in given if one.width is not None), width),
            elapsed=plan.seconds,
            compliance=any(any(flags) for one in given for flags in one.compliance.values()),
            energy=sum(_energy(step, one, width) for step, one in zip(plan.steps, given, strict=True)),
        )

    def read(self, bias: Bias) -> Reading:
        """Drive one side and sense the other; see `Crossbar.read`."""
        check_bias(bias, self._capabilities)
        with self._instruments.operation("read"):
            plan = _possible(self._planner.read(bias, self._instruments.closed or frozenset()))
            currents, limited = self._routed(plan) if plan.routed else self._step_by_step(plan.steps)
        rows, columns = self._capabilities.shape
        sensed = columns if bias.orientation == "forward" else rows
        found = np.full((np.atleast_2d(bias.levels).shape[0], sensed), np.nan)
        for step, values in zip(plan.steps, currents, strict=True):
            for (_, line), value in zip(step.sensed.items(), values, strict=True):
                found[step.read, line] = -value  # what the line gives goes into the channel
        return Reading(
            currents=found[0] if bias.levels.ndim == 1 else found,
            noise=self._noise,
            elapsed=plan.seconds,
            compliance=limited,
            peak_current=float(np.abs(found).max()),
        )

    def safe(self) -> SafeState:
        """All outputs off, then all relays open, read back."""
        return self._instruments.safe()

    def _give(self, step: Step, width: float) -> Readings:
        """Give the pulses of one step."""
        levels = {channel.name: (level,) * step.pulses for channel, level in step.levels.items()}
        train = PulseTrain(levels, width, width + self._repeat_gap)
        source = next(iter(step.levels)).instrument
        routed = self._instruments.routed
        if routed is not None:
            self._instruments.closed = None
            readings = routed.routed_pulse([point for _, point in step.points], train)
            self._instruments.closed = step.points
            return readings
        self._instruments.route(step.points)
        return self._instruments.sources[source].pulse(train)

    def _routed(self, plan: Plan) -> tuple[list[tuple[float, ...]], bool]:
        """All steps of a read by one script of the source, which also switches the relays."""
        reads, source = plan.routed, self._instruments.routed
        if reads is None or source is None:
            raise CapabilityError("no source of this bench switches relays; set smu.tsp_link")
        self._instruments.closed = None
        measured = source.routed_reads(reads, self._settle)
        self._instruments.closed = plan.closed
        return [(measured.currents[read][way],) for read, way in reads.order()], measured.limited > 0

    def _step_by_step(self, steps: Sequence[Step]) -> tuple[list[tuple[float, ...]], bool]:
        """Switch relays, drive and measure; steps with the same relays go together."""
        currents: list[tuple[float, ...]] = []
        limited = False
        for points, group in groupby(steps, key=lambda step: (step.points, frozenset(step.levels))):
            together = list(group)
            self._instruments.route(points[0])
            if len({channel.instrument for channel in together[0].levels}) == 1:
                found, met = self._measure(together)
                currents += found
                limited |= met
                continue
            for step in together:
                one, met = self._measure_across(step)
                currents.append(one)
                limited |= met
        return currents, limited

    def _measure(self, steps: Sequence[Step]) -> tuple[list[tuple[float, ...]], bool]:
        """Levels of one instrument, in one round trip."""
        channels = list(steps[0].levels)
        source = self._instruments.sources[channels[0].instrument]
        levels = {channel.name: [step.levels[channel] for step in steps] for channel in channels}
        found = source.source_and_measure(levels, self._settle)
        currents = [
            tuple(found.currents[channel.name][place] for channel in step.sensed)
            for place, step in enumerate(steps)
        ]
        return currents, any(any(flags) for flags in found.compliance.values())

    def _measure_across(self, step: Step) -> tuple[tuple[float, ...], bool]:
        """Levels of several instruments: all on, those that sense first; measured; off in reverse."""
        order = sorted(step.levels, key=lambda channel: channel not in step.sensed)
        try:
            for channel in order:
                self._on(channel, step.levels[channel])
            time.sleep(self._settle)
            found = {channel: self._instruments.sources[channel.instrument].measure(channel.name)
                     for channel in order}  # fmt: skip
        finally:
            for channel in reversed(order):
                self._off(channel)
        return tuple(found[channel].current for channel in step.sensed), any(
            one.compliance for one in found.values()
        )

    def _on(self, channel: Channel, level: float) -> None:
        source = self._instruments.sources[channel.instrument]
        source.set_voltage(channel.name, level)
        source.set_output(channel.name, True)

    def _off(self, channel: Channel) -> None:
        source = self._instruments.sources[channel.instrument]
        source.set_output(channel.name, False)
        source.set_voltage(channel.name, 0.0)


def _possible(plan: Plan) -> Plan:
    if plan.reason is not None:
        raise CapabilityError(f"{plan.reason}; nothing was sent")
    return plan


def _alone(pulse: Pulse, step: Step, readings: Readings) -> tuple[dict[int, float], dict[int, float]]:
    """Currents out of the rows and into the columns whose level no other line has, A, in the first pulse."""
    found: tuple[dict[int, float], dict[int, float]] = {}, {}
    levels = np.concatenate([pulse.rows, pulse.columns]).tolist()
    for channel, level in step.levels.items():
        lines = [line for line, own in enumerate(levels) if own == level]
        if len(lines) == 1 and list(step.levels.values()).count(level) == 1:
            (line,), current = lines, readings.currents[channel.name][0]
            if line < len(pulse.rows):
                found[0][line] = current
            else:
                found[1][line - len(pulse.rows)] = -current
    return found


def _energy(step: Step, readings: Readings, width: float) -> float:
    """Given by all channels over all pulses of a step, J."""
    return width * sum(level * sum(readings.currents[channel.name]) for channel, level in step.levels.items())
