"""Keithley 2600B source-measure units: two channels, trigger model, status, in the instrument's own Lua."""

from collections.abc import Callable

from .bench import Bench
from .k2600_measure import Measure
from .k2600_models import MODELS, Model
from .k2600_pulse import add_pulse_scripts
from .k2600_source import Source
from .k2600_sweep import Sweep
from .tsp import Identity, TspInstrument
from .tsp_buffer import CAPACITY, ReadingBuffer
from .tsp_common import add_common
from .tsp_errors import TspError
from .tsp_status import add_status, register
from .tsp_tree import Group, as_number, choice, number, whole
from .tsp_trigger import Triggers
from .wiring import Port

INTERLOCK_BIT = 2048
INTERLOCK_BIT_WHEN_CLOSED = True
"""The manual says that the bit is set when the interlock is asserted; taken as closed (unverified)."""


class Channel:
    """One channel, `smua` or `smub`."""

    def __init__(self, instrument: "Keithley2600B", number_: int, model: Model) -> None:
        self.letter = "AB"[number_ - 1]
        bench, port = instrument.bench, Port(instrument.name, number_)
        self._instrument = instrument
        self.source = Source(bench, port, model, self.letter)
        self.measure = Measure(bench, port, model, self.source, instrument.linefreq)
        self.sweep = Sweep(bench, instrument.triggers, self.source, self.measure, instrument.refuse)
        self.buffers = (ReadingBuffer(), ReadingBuffer())
        self.group = self._build()
        self.source.apply()

    def reset(self) -> None:
        """Defaults; the output goes off, the dedicated buffers are emptied."""
        self.sweep.reset()
        self.source.reset()
        self.measure.reset()
        self._sense.reset()
        for buffer in self.buffers:
            buffer.clear()
            buffer.group.reset()

    def condition(self) -> int:
        """Bits of the measurement condition of this channel."""
        if not self.source.compliance():
            return 0
        return 2 if self.source.is_voltage else 1

    def operation(self) -> int:
        """Bits of the operation condition of this channel."""
        return 8 if self.sweep.sweeping else 0

    def _build(self) -> Group:
        group = Group()
        group.constants(
            OUTPUT_OFF=0, OUTPUT_ON=1, OUTPUT_HIGH_Z=2, OUTPUT_NORMAL=0, OUTPUT_ZERO=1, OUTPUT_DCAMPS=0,
            OUTPUT_DCVOLTS=1, SENSE_LOCAL=0, SENSE_REMOTE=1, SENSE_CALA=3, AUTORANGE_OFF=0, AUTORANGE_ON=1,
            AUTORANGE_FOLLOW_LIMIT=2, AUTOZERO_OFF=0, AUTOZERO_ONCE=1, AUTOZERO_AUTO=2, ENABLE=1, DISABLE=0,
            ASYNC=2, SOURCE_HOLD=0, SOURCE_IDLE=1, LIMIT_AUTO=0, DELAY_OFF=0, DELAY_AUTO=-1, OE_NONE=0,
            OE_OUTPUT_OFF=1, FILTER_MOVING_AVG=0, FILTER_REPEAT_AVG=1, FILTER_MEDIAN=2, OFF=0, ON=1,
            SETTLE_SMOOTH=0, SETTLE_FAST_RANGE=1, SETTLE_FAST_POLARITY=2, SETTLE_DIRECT_IRANGE=3,
            SETTLE_SMOOTH_100NA=4, SETTLE_FAST_ALL=128,
        )  # fmt: skip
        self._sense = group.setting("sense", 0, choice((0, 1, 3)))
        group.child("source", self.source.group)
        group.child("measure", self.measure.group)
        group.child("trigger", self.sweep.group)
        for place, buffer in enumerate(self.buffers, 1):
            group.child(f"nvbuffer{place}", buffer.group)
        group.function("reset", self.reset)
        group.function("abort", self.sweep.abort)
        group.function("makebuffer", lambda size: ReadingBuffer(int(as_number(_SIZE(size)))).group)
        group.ignored("savebuffer")
        for what in ("v", "i", "r", "p", "iv"):
            group.function(f"measure{what}andstep", self._stepping(what))
        contact = group.child("contact")
        contact.setting("speed", 0, choice((0, 1, 2)))
        contact.setting("threshold", 50.0, number(0.0, 1e6))
        contact.function("check", lambda: True)
        contact.function("r", lambda: (0.0, 0.0))
        return group

    def _stepping(self, what: str) -> Callable[..., object]:
        def measure_and_step(*arguments: object) -> object:
            if not arguments:
                raise TspError(-109)
            values = self.measure.now(what, arguments[:-1])
            self.source.set_level("v" if self.source.is_voltage else "i", arguments[-1])
            return values

        return measure_and_step


_SIZE = whole(1, CAPACITY * 4)


class Keithley2600B(TspInstrument):
    """An emulated Series 2600B instrument.

    Args:
        bench: what it stands on.
        name: of the instrument, as the wiring names it.
        model: `2601B` to `2636B`.
        identity: serial number and firmware to show; those of an example unless given.

    Raises:
        KeyError: the model is not known.
    """

    def __init__(
        self, bench: Bench, name: str = "smu", *, model: str = "2636B", identity: Identity | None = None
    ) -> None:
        super().__init__(bench, name, identity or Identity(model, "4012345", "3.2.2"))
        described = MODELS[model]
        self.triggers = Triggers(bench, name, self.busy)
        self._formatter = add_common(self)
        self.channels = tuple(Channel(self, k, described) for k in range(1, described.channels + 1))
        for channel in self.channels:
            self.root.child(f"smu{channel.letter.lower()}", channel.group)
        self.root.child("trigger", self.triggers.group)
        self.root.child("digio", self.triggers.digital)
        self.root.child("tsplink", self.triggers.link)
        self._add_status()
        self.machine.show(self.root)
        node = Group()
        nodes = bench.wiring.tsp_link
        node.child(nodes.index(name) + 1 if name in nodes else 1, self.as_node())
        node.indexer = self._remote_node
        self.machine.set_global("node", node)
        add_pulse_scripts(self.machine)

    def linefreq(self) -> float:
        """Frequency of the power line, Hz."""
        node = self.root.objects["localnode"]
        return as_number(node.getters["linefreq"]()) if isinstance(node, Group) else 60.0

    def busy(self) -> bool:
        """Whether a sweep runs or waits for its trigger."""
        return any(channel.sweep.running for channel in self.channels)

    def trigger(self) -> None:
        """A trigger came over the interface."""
        self.triggers.fire_command()

    def reset(self) -> None:
        """Every setting back to its default, outputs off."""
        super().reset()
        for channel in self.channels:
            channel.reset()
        self.triggers.reset()
        self._formatter.reset()

    def set_interlock(self, closed: bool) -> None:
        """Close or open the interlock."""
        for channel in self.channels:
            try:
                channel.source.set_interlock(closed)
            except TspError as error:
                self.refuse(error)

    def squeeze(self, factor: float) -> None:
        """Multiply every limit of every channel."""
        for channel in self.channels:
            channel.source.squeeze(factor)

    def _remote_node(self, number_: int) -> object:
        nodes = self.bench.wiring.tsp_link
        if self.name in nodes and 1 <= number_ <= len(nodes):
            other = self.bench.emulators.get(nodes[int(number_) - 1])
            if isinstance(other, TspInstrument):
                return other.as_node()
        raise TspError(1212)

    def _sweeping(self) -> int:
        """Bits of the channels that sweep. A host that polls would see them fall only once time passed,
        and on a virtual clock nothing but the poll itself can let it pass."""
        bits = sum(2 << k for k, channel in enumerate(self.channels) if channel.sweep.sweeping)
        if bits and not self.bench.timeline.realtime:
            self.wait_complete()
        return bits

    def _add_status(self) -> None:
        status = add_status(self)
        measurement = status.child("measurement", register(self._measurement, VLMT=1, ILMT=2, INTERLOCK=2048))
        measurement.constants(VOLTAGE_LIMIT=1, CURRENT_LIMIT=2, READING_OVERFLOW=128, BUFFER_AVAILABLE=256)
        measurement.constants(
            ROF=128, BAV=256, INT=2048, OUTPUT_ENABLE=2048, OE=2048, INSTRUMENT_SUMMARY=8192
        )
        measurement.child("current_limit", register(lambda: self._limited(2), SMUA=2, SMUB=4))
        measurement.child("voltage_limit", register(lambda: self._limited(1), SMUA=2, SMUB=4))
        measurement.child("reading_overflow", register(lambda: 0, SMUA=2, SMUB=4))
        measurement.child("buffer_available", register(lambda: 0, SMUA=2, SMUB=4))
        instrument = measurement.child("instrument")
        operation = status.child("operation", register(lambda: 8 if self._sweeping() else 0, SWEEPING=8))
        operation.child("sweeping", register(self._sweeping, SMUA=2, SMUB=4))
        operation.child("measuring", register(lambda: 0, SMUA=2, SMUB=4))
        running = operation.child("instrument")
        status.child("questionable", register(lambda: 0, OTEMP=4096, UO=512))
        for channel in self.channels:
            name = f"smu{channel.letter.lower()}"
            instrument.child(name, register(channel.condition, VLMT=1, ILMT=2, ROF=128, BAV=256))
            running.child(name, register(channel.operation, SWEEPING=8))

    def _limited(self, bit: int) -> int:
        return sum(2 << k for k, channel in enumerate(self.channels) if channel.condition() & bit)

    def _measurement(self) -> int:
        bits = 0
        for channel in self.channels:
            bits |= channel.condition()
        closed = all(channel.source.interlock for channel in self.channels)
        return bits | (INTERLOCK_BIT if closed == INTERLOCK_BIT_WHEN_CLOSED else 0)
