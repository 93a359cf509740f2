"""What an experiment may use of an instrument: small protocols, and the values that pass through them.

Channels are named by the instrument (`a`, `b` or `1`, `2`). Voltages in V, currents in A, times in s. A
current is positive when it flows out of the channel.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ..errors import CapabilityError


@dataclass(frozen=True)
class SafeOff:
    """Answer of `make_safe`.

    Attributes:
        proven: whether the instrument itself reads back off (or open). False means UNKNOWN.
        detail: what was read back, or why nothing could be.
    """

    proven: bool
    detail: str


@dataclass(frozen=True)
class ChannelLimits:
    """What one source-measure channel can do.

    Attributes:
        voltage_ranges: full scales of the voltage source, V, ascending.
        voltage_resolution: step of the source on its smallest range, V; larger ranges have larger steps.
        current_ranges: full scales of the current measurement, A, ascending.
        smallest_limit: smallest current limit that can be programmed, A.
        largest_limit: largest current limit on the smallest voltage range, A.
        integration: shortest and longest integration time of a measurement, s.
        steps: most levels in one `source_and_measure`.
        noise: standard deviation of a current integrated for 1 s, in parts of its range; it falls with the
            square root of the integration time.
    """

    voltage_ranges: tuple[float, ...]
    voltage_resolution: float
    current_ranges: tuple[float, ...]
    smallest_limit: float
    largest_limit: float
    integration: tuple[float, float]
    steps: int
    noise: float


@dataclass(frozen=True)
class ChannelSettings:
    """How a channel is set up, once, with its output off.

    Attributes:
        voltage_range: largest magnitude the channel will be asked for, V; the instrument's next range is
            taken and held, so that no range change happens under a junction.
        current_limit: compliance, A, for static levels and within pulses alike.
        current_range: largest current to measure, A; the next range is taken and held.
        integration: time of one static measurement, s.
        pulse_integration: time of the measurement within a pulse, s; None takes `integration`.
        remote_sense: four wires instead of two.
    """

    voltage_range: float
    current_limit: float
    current_range: float
    integration: float
    pulse_integration: float | None = None
    remote_sense: bool = False

    @property
    def within_pulse(self) -> float:
        """Time of the measurement within a pulse, s."""
        return self.integration if self.pulse_integration is None else self.pulse_integration


@dataclass(frozen=True)
class Reading:
    """One measurement of one channel.

    Attributes:
        current: A.
        voltage: at the channel, V, or None if it was not measured.
        compliance: whether the current limit was in control; None if unknown.
    """

    current: float
    voltage: float | None
    compliance: bool | None


@dataclass(frozen=True)
class Readings:
    """Measurements of several channels, step by step.

    Attributes:
        currents: channel -> one current a step, A.
        voltages: channel -> one voltage a step, V; NaN where it was not measured.
        compliance: channel -> one flag a step.
        width: programmed width of each pulse, s; None for static steps.
    """

    currents: Mapping[str, tuple[float, ...]]
    voltages: Mapping[str, tuple[float, ...]]
    compliance: Mapping[str, tuple[bool, ...]]
    width: float | None = None


@dataclass(frozen=True)
class PulseLimits:
    """What trains a pulse source can give.

    Attributes:
        minimum_width: shortest pulse, s.
        maximum_width: longest pulse, s.
        width_resolution: step of the width, s.
        minimum_rest: shortest time between the end of a pulse and the start of the next, s.
        most_pulses: in one train.
    """

    minimum_width: float
    maximum_width: float
    width_resolution: float
    minimum_rest: float
    most_pulses: int


@dataclass(frozen=True)
class PulseTrain:
    """Pulses that several channels give in step, from 0 V and back to 0 V.

    Attributes:
        levels: channel -> one level a pulse, V; all channels have as many.
        width: of each pulse, s.
        period: start to start, s.
    """

    levels: Mapping[str, Sequence[float]]
    width: float
    period: float
    count: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", same_length(self.levels))


@dataclass(frozen=True)
class RoutedReads:
    """Reads through a matrix by one driving and one measuring channel, which is at 0 V.

    Every read is made once with each way of measuring: the relays of both are the only ones closed then.
    Ways go up in one read and down in the next, so that fewer relays move.

    Attributes:
        drive: channel that drives.
        meter: channel that measures.
        levels: of the driving channel in each read, V.
        driven: relays of each read.
        sensed: relays of each way of measuring.
    """

    drive: str
    meter: str
    levels: Sequence[float]
    driven: Sequence[Collection[str]]
    sensed: Sequence[Collection[str]]

    def __post_init__(self) -> None:
        if len(self.levels) != len(self.driven) or not self.levels or not self.sensed:
            raise CapabilityError(
                f"{len(self.levels)} levels, {len(self.driven)} reads and {len(self.sensed)} ways of "
                "measuring; as many levels as reads, and one way at least, are accepted"
            )

    def order(self) -> Iterator[tuple[int, int]]:
        """(read, way of measuring) in the order in which they are made."""
        ways = range(len(self.sensed))
        for read in range(len(self.levels)):
            for way in ways if read % 2 == 0 else reversed(ways):
                yield read, way


@dataclass(frozen=True)
class RoutedReadings:
    """What routed reads measured.

    Attributes:
        currents: of the measuring channel, A: one tuple a read, one value a way of measuring.
        limited: measurements during which a channel was at its current limit.
    """

    currents: tuple[tuple[float, ...], ...]
    limited: int


@dataclass(frozen=True)
class SourceCosts:
    """How long a source-measure unit takes, for plans; nothing is asked of the instrument.

    Attributes:
        call: one call with a few short commands, s.
        measurement: one measurement beside its integration, s.
        in_turn: whether channels are measured one after another instead of together.
        shortest_step: of a list of static levels, s.
        before_pulses: from the start of a train to its first pulse, s.
    """

    call: float
    measurement: float
    in_turn: bool
    shortest_step: float = 0.0
    before_pulses: float = 0.0


def same_length(levels: Mapping[str, Sequence[float]]) -> int:
    """How many levels each channel has.

    Raises:
        CapabilityError: there are none, or channels differ.
    """
    lengths = {len(one) for one in levels.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise CapabilityError(
            "every channel needs the same number of levels, at least 1; found "
            + (", ".join(f"{channel}: {len(one)}" for channel, one in levels.items()) or "no channel")
        )
    return lengths.pop()


@runtime_checkable
class SourceMeasure(Protocol):
    """Channels that source a voltage and measure the current.

    All methods raise `LinkError` if the instrument cannot be reached, `InstrumentError` if it reports an
    error, and `CapabilityError` before anything is sent if a value is out of range.
    """

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        ...

    def limits(self, channel: str) -> ChannelLimits:
        """What a channel can do; asks nothing of the instrument."""
        ...

    def configure(self, channel: str, settings: ChannelSettings) -> None:
        """Turn the channel off, set it up, and read the current limit and the range back.

        Raises:
            ReadbackError: it reads back anything else.
        """
        ...

    def set_voltage(self, channel: str, volts: float) -> None:
        """Set the level; it appears at the terminals at once if the output is on."""
        ...

    def measure(self, channel: str) -> Reading:
        """One measurement at the present level."""
        ...

    def source_and_measure(
        self, levels: Mapping[str, Sequence[float]], settle: float, *, cycle_output: bool = True
    ) -> Readings:
        """Step the channels through levels together and measure all at each step, in one round trip.

        Args:
            levels: channel -> one level a step, V.
            settle: wait between setting the levels and measuring, s.
            cycle_output: turn the outputs on before and off after; otherwise they must be on and stay on.
                The level is 0 V afterwards either way.
        """
        ...

    def set_output(self, channel: str, on: bool) -> None:
        """Switch an output and read it back.

        Raises:
            ReadbackError: it did not follow.
        """
        ...

    def output_on(self, channel: str) -> bool:
        """Whether the output is on, read from the instrument."""
        ...

    def in_compliance(self, channel: str) -> bool:
        """Whether the current limit is in control now."""
        ...

    def make_safe(self) -> SafeOff:
        """All levels 0 V and outputs off, read back. Idempotent; never raises for a dead link."""
        ...


@runtime_checkable
class PulseSource(Protocol):
    """Channels that pulse in step. Raises as `SourceMeasure`."""

    @property
    def pulse_limits(self) -> PulseLimits:
        """What trains can be given; asks nothing of the instrument."""
        ...

    def pulse(self, train: PulseTrain, *, cycle_output: bool = True) -> Readings:
        """Give a train, timed by the instrument, and fetch what it measured, in one round trip.

        A train that fails half-way is never repeated: after any error the outputs may be on and the pulses
        may have been given, so call `make_safe`, and read the chip before going on.

        Args:
            train: levels, width and period.
            cycle_output: turn the outputs on before and off after; otherwise they must be on and stay on.
        """
        ...


@runtime_checkable
class RoutedSource(Protocol):
    """A source whose own scripts switch the relays of a matrix, so that no round trip falls between.

    Relays move with all outputs of the source off, and are read back before an output goes on. Raises as
    `PulseSource`, and `ReadbackError` if other relays are closed than asked; then no output went on.
    """

    def routed_pulse(self, points: Collection[str], train: PulseTrain) -> Readings:
        """Make these the only closed crosspoints and give a train, in one round trip."""
        ...

    def routed_reads(self, reads: RoutedReads, settle: float) -> RoutedReadings:
        """Make reads through the matrix, all in one round trip.

        Args:
            reads: what to drive, close and measure.
            settle: wait between switching the outputs on and measuring, s.
        """
        ...


@runtime_checkable
class SwitchMatrix(Protocol):
    """Relays between instrument channels and lines. Raises as `SourceMeasure`.

    A matrix cannot know what the sources do: switch only with all outputs off.
    """

    @property
    def operate_time(self) -> float:
        """Longest time one change of relays takes, opening, closing and settling included, s."""
        ...

    def closed(self) -> frozenset[str]:
        """Crosspoints that the instrument reports closed."""
        ...

    def set_closed(self, points: Collection[str]) -> None:
        """Make these the only closed crosspoints, broken before made, read back in the same round trip.

        Raises:
            ReadbackError: other crosspoints are closed now than asked.
        """
        ...

    def close_points(self, points: Collection[str]) -> None:
        """Close crosspoints in addition; all of them read back closed. Raises as `set_closed`."""
        ...

    def open_points(self, points: Collection[str]) -> None:
        """Open crosspoints; all of them read back open. Raises as `set_closed`."""
        ...

    def make_safe(self) -> SafeOff:
        """All crosspoints open, read back. Idempotent; never raises for a dead link."""
        ...
