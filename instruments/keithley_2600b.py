"""Keithley Series 2600B source-measure units, in TSP.

Commands are from the maker's pulsed sweep example (KE26XXB_Pulsed_Sweep_Dual) and the Series 2600B
reference manual (2600BS-901-01), where no other source is named.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from ..errors import CapabilityError, InstrumentError, ReadbackError
from .capabilities import (
    ChannelLimits,
    ChannelSettings,
    PulseLimits,
    PulseTrain,
    Reading,
    Readings,
    SourceCosts,
    same_length,
)
from .declare import reads
from .keithley_2600b_script import SCRIPT, VERSION
from .link import Link
from .tsp import ABORT, TspInstrument
from .values import doubles, flag, floats, in_range, number, one_of, range_for, stepped, whole

MINIMUM_WIDTH = 100e-6
"""Shortest pulse by the trigger model, s. Unverified: the maker's own factory script refuses less than 200
us."""

MAXIMUM_WIDTH = 10.0
"""Longest pulse this driver gives, s; the timers go further."""

WIDTH_RESOLUTION = 1e-6
"""Step of the timers, s. Unverified: taken from the resolution of the time stamps."""

MINIMUM_REST = 100e-6
"""Shortest rest between two pulses, s. Unverified."""

SETTLING = 60e-6
"""How long before the end of a pulse its measurement is over, s (maker's example)."""

SHORTEST_WAIT = 10e-6
"""Shortest delay from the start of a pulse to its measurement, s (default of the timers in the manual)."""

RESOLUTION = 5e-6
"""Step of the voltage source on its smallest range, V. Unverified: from memory of the data sheet."""

NOISE = 1.5e-7
"""Noise of a current over 1 s in parts of its range: 1e-6 in one cycle of the mains. Unverified: assumed."""

MOST_STEPS = 1000
"""Most levels in one call. Unverified: the length of line and the memory that hold them."""

COSTS = SourceCosts(call=400e-6, measurement=50e-6, in_turn=True)
"""Time of a call (two lines) and of a measurement beside its integration, s. Unverified: assumed."""

INTERLOCK_BIT = 2048
"""Bit 11 of `status.measurement.condition`: interlock (2601B/02B/04B: output enable) asserted, by the
manual's status tables. Unverified: that a closed safety circuit is what asserts it."""

COMPLIANCE_BIT = 0x40
"""Bit 6 of a buffer status: the source was in compliance (manual, buffer status bits)."""

_V40 = (0.1, 1.0, 6.0, 40.0)
_V200 = (0.2, 2.0, 20.0, 200.0)
CURRENT_RANGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
"""Those that all models have."""
_LOW = (1e-9, 1e-8)
MODELS: Mapping[str, tuple[int, tuple[float, ...], tuple[float, ...], float]] = {
    "2601B": (1, _V40, (*CURRENT_RANGES, 3.0), 3.0),
    "2602B": (2, _V40, (*CURRENT_RANGES, 3.0), 3.0),
    "2604B": (2, _V40, (*CURRENT_RANGES, 3.0), 3.0),
    "2611B": (1, _V200, (*CURRENT_RANGES, 1.5), 1.5),
    "2612B": (2, _V200, (*CURRENT_RANGES, 1.5), 1.5),
    "2614B": (2, _V200, (*CURRENT_RANGES, 1.5), 1.5),
    "2634B": (2, _V200, (*_LOW, *CURRENT_RANGES, 1.5), 1.5),
    "2635B": (1, _V200, (1e-10, *_LOW, *CURRENT_RANGES, 1.5), 1.5),
    "2636B": (2, _V200, (1e-10, *_LOW, *CURRENT_RANGES, 1.5), 1.5),
}
"""Model -> channels, voltage ranges, current ranges, largest current (manual, available ranges)."""

SMALLEST_LIMIT = 10e-9
"""Smallest current limit, A. Unverified for each model. Ten per cent of the limit range is the least that
is enforced (manual, smuX.trigger.source.limitY), so limits inside and outside of pulses are set equal
here."""


NORMAL, VOLTS = 0.0, 1.0
"""Values of `OUTPUT_NORMAL` and `OUTPUT_DCVOLTS` as they read back."""

OFF_LIMIT = 1e-3
"""Largest current with which an output that is off holds 0 V, A (the instrument's own default)."""


class Keithley2600B(TspInstrument):
    """A Keithley 2600B with channels `a` and, if it has two, `b`.

    Off means the normal output-off mode with the voltage function: 0 V, held with `OFF_LIMIT` at most. It is
    set and read back, since the two others are no good here. High impedance opens a relay in the instrument
    at every off, thousands of times in a run, which the manual advises against, and leaves a line to float.
    The current function would drive an open line to its limit of up to 40 V, to be discharged through a
    junction when a matrix relay closes.

    Opening loads a script that defines functions; outputs stay as they were found (`found.live`).

    Args:
        link: open, its identity verified.
        numbers: "ascii" reads measurements as text with 16 digits, "real64" as exact doubles.
    """

    COSTS: ClassVar[SourceCosts] = COSTS
    PULSES: ClassVar[PulseLimits] = PulseLimits(
        MINIMUM_WIDTH, MAXIMUM_WIDTH, WIDTH_RESOLUTION, MINIMUM_REST, MOST_STEPS
    )
    MODEL: ClassVar[str] = "Keithley Series 2600B"
    IDENTITY: ClassVar[str] = r"Keithley Instruments.*Model (26(?:0[124]|1[124]|3[456])B)\b"

    interlock_asserted = reads(
        "print(status.measurement.condition)",
        lambda text: bool(whole(text) & INTERLOCK_BIT),
        "Whether the interlock (or output enable) line is asserted; see `INTERLOCK_BIT`.",
    )
    line_frequency = reads(
        "print(localnode.linefreq)", float, "Frequency of the mains as the instrument takes it, Hz."
    )
    script_version = reads(
        "print(mtjloop_version)", str, "Version of the loaded helper script, `nil` if there is none."
    )

    def __init__(self, link: Link, *, numbers: Literal["ascii", "real64"] = "ascii") -> None:
        self._numbers = numbers
        self._settings: dict[str, ChannelSettings] = {}
        self._mains = 50.0
        super().__init__(link)

    # What it is.

    @property
    def model(self) -> str:
        """Such as `2636B`."""
        return self._match[1].upper()

    @property
    def channels(self) -> tuple[str, ...]:
        """`a`, or `a` and `b`."""
        return ("a", "b")[: MODELS[self.model][0]]

    def limits(self, channel: str) -> ChannelLimits:
        """Ranges of a channel; see `SourceMeasure.limits`."""
        self._smu(channel)
        _, volts, amperes, most = MODELS[self.model]
        integration = (0.001 / self._mains, 25.0 / self._mains)
        return ChannelLimits(volts, RESOLUTION, amperes, SMALLEST_LIMIT, most, integration, MOST_STEPS, NOISE)

    @property
    def pulse_limits(self) -> PulseLimits:
        """What trains the trigger model gives; see the constants of this module."""
        return self.PULSES

    # Static source and measure.

    def configure(self, channel: str, settings: ChannelSettings) -> None:
        """Turn a channel off and set it up; see `SourceMeasure.configure`.

        Ranges are fixed and auto-zero is done once, as in the maker's example, so that no range change or
        zero measurement falls into a pulse. The limit inside pulses equals that outside: the larger of the
        two would set the limit range, and a tenth of that range is the least that is enforced.
        """
        smu = self._smu(channel)
        able = self.limits(channel)
        volts = range_for(f"voltage_range of {smu}", settings.voltage_range, able.voltage_ranges, "V")
        amperes = range_for(f"current_range of {smu}", settings.current_range, able.current_ranges, "A")
        limit = in_range(
            f"current_limit of {smu}",
            settings.current_limit,
            able.smallest_limit,
            self._largest_limit(volts),
            "A",
        )
        time = in_range(f"integration of {smu}", settings.integration, *able.integration, "s")
        in_range(f"pulse_integration of {smu}", settings.within_pulse, *able.integration, "s")
        off = min(limit, OFF_LIMIT)
        self._settings.pop(channel, None)
        lines, _ = self.call(
            [
                f"{smu}.reset()",
                f"{smu}.source.output = {smu}.OUTPUT_OFF",
                *_off_mode(smu),
                f"{smu}.source.offlimiti = {number(off)}",
                f"{smu}.source.func = {smu}.OUTPUT_DCVOLTS",
                f"{smu}.sense = {smu}.{'SENSE_REMOTE' if settings.remote_sense else 'SENSE_LOCAL'}",
                f"{smu}.source.autorangev = {smu}.AUTORANGE_OFF",
                f"{smu}.source.rangev = {number(volts)}",
                f"{smu}.source.levelv = 0",
                f"{smu}.source.limiti = {number(limit)}",
                f"{smu}.trigger.source.limiti = {number(limit)}",
                f"{smu}.measure.autozero = {smu}.AUTOZERO_ONCE",
                f"{smu}.measure.autorangei = {smu}.AUTORANGE_OFF",
                f"{smu}.measure.rangei = {number(amperes)}",
                f"{smu}.measure.nplc = {self._nplc(time)}",
                f"{smu}.measure.delay = 0",
                f"{smu}.nvbuffer1.clear() {smu}.nvbuffer2.clear()",
                f"{smu}.nvbuffer1.appendmode = 1 {smu}.nvbuffer2.appendmode = 1",
                f"print({smu}.source.output, {smu}.source.levelv, {smu}.source.rangev, {smu}.source.limiti, "
                f"{smu}.measure.rangei, {smu}.source.offmode, {smu}.source.offfunc, {smu}.source.offlimiti)",
            ]
        )
        self._check_setup(smu, lines, volts, limit, amperes, off)
        self._settings[channel] = settings

    def set_voltage(self, channel: str, volts: float) -> None:
        """Set the level of a configured channel, V (`smuX.source.levelv`)."""
        smu = self._smu(channel)
        self.tell(f"{smu}.source.levelv = {number(self._level(channel, volts))}")

    def measure(self, channel: str) -> Reading:
        """One measurement of current and voltage (`smuX.measure.iv()` gives the current first)."""
        smu = self._smu(channel)
        lines, _ = self.call([f"print({smu}.measure.iv())", f"print({smu}.source.compliance)"])
        if len(lines) != 2:
            raise self._nonsense("measure.iv", "\n".join(lines), "two lines were expected")
        current, volts = self._parsed(
            "measure.iv", lines[0], lambda text: [float(one) for one in text.split("\t")]
        )
        return Reading(current, volts, self._parsed("source.compliance", lines[1], flag))

    def source_and_measure(
        self, levels: Mapping[str, Sequence[float]], settle: float, *, cycle_output: bool = True
    ) -> Readings:
        """Step channels through levels and measure at each; see `SourceMeasure.source_and_measure`.

        Channels are measured one after another at each step.
        """
        count = same_length(levels)
        in_range("steps", count, 1, MOST_STEPS, "")
        in_range("settle", settle, 0.0, 100.0, "s")
        times = {channel: self._configured(channel).integration for channel in levels}
        duration = count * (4.0 * sum(times.values()) + settle + 0.01)
        return self._run(
            ["mtjloop_steps"], levels, count, [number(settle)], times, cycle_output, duration, None
        )

    def set_output(self, channel: str, on: bool) -> None:
        """Switch an output and read it back; see `SourceMeasure.set_output`."""
        smu = self._smu(channel)
        if on:
            self._configured(channel)
        lines, _ = self.call(
            [
                f"{smu}.source.output = {smu}.{'OUTPUT_ON' if on else 'OUTPUT_OFF'}",
                f"print({smu}.source.output)",
            ]
        )
        if [self._parsed("source.output", line, _is_on) for line in lines] != [on]:
            raise ReadbackError(
                f"{smu} of {self._link.resource} reads back output {' '.join(lines)!r} after it was switched "
                f"{'on' if on else 'off'}; check interlock and output enable"
            )

    def output_on(self, channel: str) -> bool:
        """Whether an output is on (`smuX.source.output`)."""
        return self.ask(f"print({self._smu(channel)}.source.output)", _is_on)

    def in_compliance(self, channel: str) -> bool:
        """Whether a limit is in control (`smuX.source.compliance`, prints `true` or `false`)."""
        return self.ask(f"print({self._smu(channel)}.source.compliance)", flag)

    # Pulses.

    def pulse(self, train: PulseTrain, *, cycle_output: bool = True) -> Readings:
        """Give a train by the trigger model and read it back, in one round trip; see `PulseSource.pulse`.

        Both channels start from one timer. The measurement of each pulse is over `SETTLING` before its end.
        """
        return self._pulse(["mtjloop_pulse"], train, cycle_output)

    # Inside.

    def _pulse(self, function: Sequence[str], train: PulseTrain, cycle: bool) -> Readings:
        """Give a train by a function of the script, named with the arguments that come first."""
        able = self.pulse_limits
        width = in_range("pulse width", train.width, able.minimum_width, able.maximum_width, "s")
        width = stepped(width, able.width_resolution)
        in_range("pulses", train.count, 1, able.most_pulses, "")
        in_range("pulse period", train.period, width + able.minimum_rest, 1000.0, "s", "rest between pulses")
        times = {channel: self._configured(channel).within_pulse for channel in train.levels}
        slowest = max(times.values())
        wait = in_range(
            "wait between the start of a pulse and its measurement",
            stepped(width - slowest - SETTLING, 1e-9),
            SHORTEST_WAIT, able.maximum_width, "s",
            f"width less integration less {SETTLING:g} s: shorten the integration",
        )  # fmt: skip
        arguments = [number(width), number(train.period), number(wait)]
        duration = train.count * train.period
        return self._run(function, train.levels, train.count, arguments, times, cycle, duration, width)

    def live(self) -> tuple[str, ...]:
        """Channels whose output is on."""
        return tuple(channel for channel in self.channels if self.output_on(channel))

    def _prepare(self) -> None:
        super()._prepare()
        data = "format.REAL64" if self._numbers == "real64" else "format.ASCII"
        self.call(
            [f"format.data = {data}", "format.asciiprecision = 16", "format.byteorder = format.LITTLEENDIAN"]
        )
        self._mains = self.line_frequency()
        if self.script_version() != VERSION:
            self.load_script(SCRIPT)

    def _off_commands(self) -> tuple[str, ...]:
        smus = [self._smu(channel) for channel in self.channels]
        return (
            ABORT,
            *(f"{smu}.source.output = {smu}.OUTPUT_OFF" for smu in smus),
            *(line for smu in smus for line in _off_mode(smu)),
            *(f"{smu}.abort()" for smu in smus),
            *(f"{smu}.source.levelv = 0" for smu in smus),
        )

    def _forget(self) -> None:
        self._settings.clear()

    def _smu(self, channel: str) -> str:
        return f"smu{one_of('channel', channel, self.channels)}"

    def _configured(self, channel: str) -> ChannelSettings:
        self._smu(channel)
        if channel not in self._settings:
            raise CapabilityError(
                f"channel {channel} of {self._link.resource} is not configured; configure it first"
            )
        return self._settings[channel]

    def _level(self, channel: str, volts: float) -> float:
        most = self._configured(channel).voltage_range
        return in_range(
            f"level of channel {channel}", volts, -most, most, "V", "raise voltage_range if it is safe"
        )

    def _largest_limit(self, volts: float) -> float:
        most = MODELS[self.model][3]
        return {40.0: 1.0, 200.0: 0.1}.get(volts, most)

    def _check_setup(
        self, smu: str, lines: list[str], volts: float, limit: float, amperes: float, off: float
    ) -> None:
        values = self._parsed(
            "configure", "\t".join(lines), lambda text: [float(one) for one in text.split("\t")]
        )
        wanted = (0.0, 0.0, volts, limit, amperes, NORMAL, VOLTS, off)
        names = ("output", "levelv", "rangev", "limiti", "rangei", "offmode", "offfunc", "offlimiti")
        if len(values) != len(wanted):
            raise self._nonsense("configure", "\t".join(lines), f"{len(wanted)} numbers were expected")
        for name, found, asked in zip(names, values, wanted, strict=True):
            if abs(found - asked) > 1e-3 * asked:
                raise ReadbackError(
                    f"{smu}.{name} of {self._link.resource} reads back {found:g}; it was set to {asked:g}. "
                    "The channel stays off; check its limits"
                )

    def _run(
        self,
        function: Sequence[str],
        levels: Mapping[str, Sequence[float]],
        count: int,
        arguments: Sequence[str],
        times: Mapping[str, float],
        cycle: bool,
        duration: float,
        width: float | None,
    ) -> Readings:
        """Call a function of the script, named with the arguments that come first; sort what it prints."""
        names = [channel for channel in self.channels if channel in levels]
        unknown = set(levels) - set(names)
        if unknown:
            one_of("channel", sorted(unknown)[0], self.channels)
        lists = ", ".join(self._list(channel, levels[channel]) for channel in names)
        smus = ", ".join(self._smu(channel) for channel in names)
        nplc = ", ".join(self._nplc(times[channel]) for channel in names)
        name, *first = function
        command = (
            f"{name}({''.join(f'{one}, ' for one in first)}{{{smus}}}, {{{lists}}}, {len(names)}, {count}, "
            f"{', '.join(arguments)}, {{{nplc}}}, {'true' if cycle else 'false'})"
        )
        fields = 3 * len(names)
        block = 8 * fields * count if self._numbers == "real64" else 0
        lines, data = self.call([command], timeout=duration + self._link.timeout, block=block)
        if data is not None and not lines:
            values = doubles(data)
        elif len(lines) == 1 and not lines[0].startswith("mtjloop "):
            values = self._parsed(name, lines[0], floats)
        else:
            self._refuse_relays(lines)
            raise InstrumentError(
                0, f"{name} gave {' '.join(lines) or 'nothing'!r} instead of {count} measurements",
                "an output was off, or a trigger came too early; read the chip before going on",
            )  # fmt: skip
        if len(values) != fields * count:
            raise self._nonsense(
                name, lines[0] if lines else "binary block", f"{fields * count} numbers expected"
            )
        return Readings(
            {name: tuple(values[3 * k :: fields]) for k, name in enumerate(names)},
            {name: tuple(values[3 * k + 1 :: fields]) for k, name in enumerate(names)},
            {
                name: tuple(bool(int(one) & COMPLIANCE_BIT) for one in values[3 * k + 2 :: fields])
                for k, name in enumerate(names)
            },
            width,
        )

    def _nplc(self, time: float) -> str:
        """An integration time in cycles of the mains, in the steps of `measure.nplc`."""
        return number(round(time * self._mains, 3))

    def _refuse_relays(self, lines: Sequence[str]) -> None:
        """Raise if a script found relays in its way and stopped before it switched an output on."""
        if lines and lines[0].startswith("mtjloop relays"):
            raise ReadbackError(
                f"{self._link.resource} stopped before it switched an output on: "
                f"{lines[0].partition(chr(9))[2]}; keep the sources off and look for a stuck relay or a "
                "forbidden crosspoint"
            )

    def _list(self, channel: str, levels: Sequence[float]) -> str:
        checked = [number(self._level(channel, one)) for one in levels]
        if len(checked) > 3 and len(set(checked)) == 1:
            return f"mtjloop_fill({len(checked)}, {checked[0]})"
        return "{" + ", ".join(checked) + "}"


def _off_mode(smu: str) -> tuple[str, str]:
    """What off means; see `Keithley2600B`."""
    return f"{smu}.source.offmode = {smu}.OUTPUT_NORMAL", f"{smu}.source.offfunc = {smu}.OUTPUT_DCVOLTS"


def _is_on(text: str) -> bool:
    """`source.output`: 0 is off, 1 on, 2 off with the output relay open."""
    return whole(text) == 1
