"""Keysight (Agilent) B2900A/B source-measure units, in SCPI.

Commands are from the B2900 SCPI command reference (B2910-90030), limits from the user's guide and the data
sheet.
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
from .link import Link
from .scpi import ERRORS, ScpiInstrument
from .values import doubles, flag, floats, in_range, number, one_of, range_for, stepped

MINIMUM_WIDTH = 50e-6
"""Shortest programmable pulse, s (user's guide, pulse source supplemental characteristics)."""

MAXIMUM_WIDTH = 10.0
"""Longest pulse this driver gives, s."""

WIDTH_RESOLUTION = 1e-6
"""Step of the width, s (user's guide)."""

MINIMUM_REST = 50e-6
"""Shortest rest between two pulses, s. Unverified."""

PULSE_DELAY = 20e-6
"""From the trigger to the pulse, s (bench code)."""

AFTER = 10e-6
"""How long before the end of a pulse its measurement is over, s. Unverified."""

MOST_STEPS = 2500
"""Longest list. Unverified: from memory of the data sheet."""

NOISE = 1.5e-7
"""Noise of a current over 1 s in parts of its range: 1e-6 in one cycle of the mains. Unverified: assumed."""

STEP_REST = 50e-6
"""From the end of a static measurement to the next level, s. Unverified: how fast a list can follow."""

SHORTEST_STEP = 100e-6
"""Shortest period of a list of static levels, s. Unverified."""

COSTS = SourceCosts(
    call=200e-6,
    measurement=STEP_REST,
    in_turn=False,
    shortest_step=SHORTEST_STEP,
    before_pulses=PULSE_DELAY,
)
"""Time of a call and of a measurement beside its integration, s. Unverified: assumed."""

COMPLIANCE_BITS = 6
"""Bits 1 and 2 of the status element: in compliance if either is set (command reference, table 1-2)."""

NOT_A_NUMBER = 9.91e37
"""What a measurement that is not there reads as (command reference, data output format)."""

VOLTAGE_RANGES = (0.2, 2.0, 20.0, 200.0)
CURRENT_RANGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 1.5)
LOW_CURRENT_RANGES = (1e-8, *CURRENT_RANGES)
"""Of the B2911 and B2912, which also resolve 100 nV instead of 1 uV."""

SMALLEST_LIMIT = 1e-9
"""Smallest current limit, A. Unverified."""

ELEMENTS = ("VOLT", "CURR", "STAT")
"""What each measurement is fetched with; the instrument gives them in this order (command reference)."""


class KeysightB2900(ScpiInstrument):
    """A Keysight or Agilent B2901/02/11/12, A or B, with channels `1` and, if it has two, `2`.

    Opening sets the data format and leaves outputs as they were found (`found.live`).

    Args:
        link: open, its identity verified.
        numbers: "ascii" reads measurements as text with 7 digits, "real64" as exact doubles.
    """

    COSTS: ClassVar[SourceCosts] = COSTS
    PULSES: ClassVar[PulseLimits] = PulseLimits(
        MINIMUM_WIDTH, MAXIMUM_WIDTH, WIDTH_RESOLUTION, MINIMUM_REST, MOST_STEPS
    )
    MODEL: ClassVar[str] = "Keysight B2900"
    IDENTITY: ClassVar[str] = r"(?:Keysight|Agilent) Technologies,\s*B29([01][12])(?:A|B|BL)\b"

    interlock_open = reads(
        ":SYST:INT:TRIP?", flag, "Whether the interlock circuit is open (1) or closed (0)."
    )

    def __init__(self, link: Link, *, numbers: Literal["ascii", "real64"] = "ascii") -> None:
        self._numbers = numbers
        self._settings: dict[str, ChannelSettings] = {}
        super().__init__(link)

    # What it is.

    @property
    def channels(self) -> tuple[str, ...]:
        """`1`, or `1` and `2`."""
        return ("1", "2") if self._match[1].endswith("2") else ("1",)

    def limits(self, channel: str) -> ChannelLimits:
        """Ranges of a channel; see `SourceMeasure.limits`."""
        one_of("channel", channel, self.channels)
        fine = self._match[1].startswith("1")
        amperes = LOW_CURRENT_RANGES if fine else CURRENT_RANGES
        return ChannelLimits(
            VOLTAGE_RANGES,
            1e-7 if fine else 1e-6,
            amperes,
            SMALLEST_LIMIT,
            1.515,
            (2e-5, 2.0),
            MOST_STEPS,
            NOISE,
        )

    @property
    def pulse_limits(self) -> PulseLimits:
        """What trains can be given; see the constants of this module."""
        return self.PULSES

    # Static source and measure.

    def configure(self, channel: str, settings: ChannelSettings) -> None:
        """Turn a channel off and set it up; see `SourceMeasure.configure`.

        `:OUTP:ON:AUTO OFF` matters: by default a measurement or `:INIT` turns an output on by itself.
        """
        one_of("channel", channel, self.channels)
        able = self.limits(channel)
        volts = range_for(
            f"voltage_range of channel {channel}", settings.voltage_range, able.voltage_ranges, "V"
        )
        amperes = range_for(
            f"current_range of channel {channel}", settings.current_range, able.current_ranges, "A"
        )
        most = 0.105 if volts > 20.0 else able.largest_limit
        limit = in_range(
            f"current_limit of channel {channel}", settings.current_limit, able.smallest_limit, most, "A"
        )
        time = in_range(f"integration of channel {channel}", settings.integration, *able.integration, "s")
        in_range(f"pulse_integration of channel {channel}", settings.within_pulse, *able.integration, "s")
        self._settings.pop(channel, None)
        c = channel
        answers = self.call(
            [
                f":OUTP{c} OFF",
                f":OUTP{c}:ON:AUTO OFF",
                f":SOUR{c}:FUNC:MODE VOLT",
                f":SOUR{c}:FUNC:SHAP DC",
                f":SOUR{c}:VOLT:MODE FIX",
                f":SOUR{c}:VOLT:RANG:AUTO OFF",
                f":SOUR{c}:VOLT:RANG {number(volts)}",
                f":SOUR{c}:VOLT 0",
                f":SOUR{c}:WAIT OFF",
                f':SENS{c}:FUNC "CURR"',
                f":SENS{c}:REM {'ON' if settings.remote_sense else 'OFF'}",
                f":SENS{c}:CURR:RANG:AUTO OFF",
                f":SENS{c}:CURR:RANG {number(amperes)}",
                f":SENS{c}:CURR:PROT {number(limit)}",
                f":SENS{c}:CURR:APER {number(time)}",
                f":SENS{c}:WAIT OFF",
                f":OUTP{c}?",
                f":OUTP{c}:ON:AUTO?",
                f":SOUR{c}:VOLT?",
                f":SOUR{c}:VOLT:RANG?",
                f":SENS{c}:CURR:PROT?",
                f":SENS{c}:CURR:RANG?",
            ]
        )
        values = self._parsed("configure", ",".join(answers), floats)
        wanted = {"output": 0.0, "automatic output": 0.0, "level": 0.0, "voltage range": volts,
                  "current limit": limit, "current range": amperes}  # fmt: skip
        if len(values) != len(wanted):
            raise self._nonsense("configure", ";".join(answers), f"{len(wanted)} numbers were expected")
        for (name, asked), found in zip(wanted.items(), values, strict=True):
            if abs(found - asked) > 1e-3 * asked:
                raise ReadbackError(
                    f"{name} of channel {c} of {self._link.resource} reads back {found:g}; it was set to "
                    f"{asked:g}. The channel stays off; check its limits"
                )
        self._settings[channel] = settings

    def set_voltage(self, channel: str, volts: float) -> None:
        """Set the level of a configured channel, V (`:SOUR:VOLT`)."""
        self.tell(f":SOUR{channel}:VOLT {number(self._level(channel, volts))}")

    def measure(self, channel: str) -> Reading:
        """One measurement at the present level (`:MEAS?` with voltage, current and status)."""
        self._configured(channel)
        values = self._fetch(
            [f":MEAS? (@{channel})"],
            len(ELEMENTS),
            self._link.timeout + 2.0 * self._configured(channel).integration,
        )
        (volts,), (current,), (status,) = values[0::3], values[1::3], values[2::3]
        return Reading(current, None if _absent(volts) else volts, bool(int(status) & COMPLIANCE_BITS))

    def source_and_measure(
        self, levels: Mapping[str, Sequence[float]], settle: float, *, cycle_output: bool = True
    ) -> Readings:
        """Step channels through lists and measure at each; see `SourceMeasure.source_and_measure`."""
        count = same_length(levels)
        in_range("steps", count, 1, MOST_STEPS, "")
        in_range("settle", settle, 0.0, 100.0, "s")
        slowest = max(self._configured(channel).integration for channel in levels)
        period = max(stepped(settle + slowest + STEP_REST, 1e-9), SHORTEST_STEP)
        shape = {
            c: [f":SOUR{c}:FUNC:SHAP DC", f":SENS{c}:CURR:APER {number(self._configured(c).integration)}"]
            for c in levels
        }
        return self._run(levels, count, shape, period, settle, cycle_output, None)

    def set_output(self, channel: str, on: bool) -> None:
        """Switch an output and read it back; see `SourceMeasure.set_output`."""
        one_of("channel", channel, self.channels)
        if on:
            self._configured(channel)
        answers = self.call([f":OUTP{channel} {'ON' if on else 'OFF'}", f":OUTP{channel}?"])
        if [self._parsed(":OUTP?", one, flag) for one in answers] != [on]:
            raise ReadbackError(
                f"channel {channel} of {self._link.resource} reads back output {' '.join(answers)!r} "
                f"after it was switched {'on' if on else 'off'}; check the interlock"
            )

    def output_on(self, channel: str) -> bool:
        """Whether an output is on (`:OUTP?`)."""
        return self.ask(f":OUTP{one_of('channel', channel, self.channels)}?", flag)

    def in_compliance(self, channel: str) -> bool:
        """Whether the current limit is in control (`:SENS:CURR:PROT:TRIP?`)."""
        return self.ask(f":SENS{one_of('channel', channel, self.channels)}:CURR:PROT:TRIP?", flag)

    # Pulses.

    def pulse(self, train: PulseTrain, *, cycle_output: bool = True) -> Readings:
        """Give a train, both channels started by one `:INIT (@1,2)`, and fetch it; see
        `PulseSource.pulse`."""
        able = self.pulse_limits
        width = in_range("pulse width", train.width, able.minimum_width, able.maximum_width, "s")
        width = stepped(width, able.width_resolution)
        in_range("pulses", train.count, 1, able.most_pulses, "")
        in_range("pulse period", train.period, width + able.minimum_rest, 1000.0, "s", "rest between pulses")
        slowest = max(self._configured(channel).within_pulse for channel in train.levels)
        wait = in_range(
            "wait between the start of a pulse and its measurement",
            stepped(width - slowest - AFTER, 1e-9), 0.0,
            able.maximum_width, "s", f"width less integration less {AFTER:g} s: shorten the integration",
        )  # fmt: skip
        shape = {
            c: [
                f":SOUR{c}:FUNC:SHAP PULS",
                f":SOUR{c}:PULS:DEL {number(PULSE_DELAY)}",
                f":SOUR{c}:PULS:WIDT {number(width)}",
                f":SENS{c}:CURR:APER {number(self._configured(c).within_pulse)}",
            ]
            for c in train.levels
        }
        return self._run(
            train.levels,
            train.count,
            shape,
            train.period,
            stepped(PULSE_DELAY + wait, 1e-9),
            cycle_output,
            width,
        )

    # Inside.

    def live(self) -> tuple[str, ...]:
        """Channels whose output is on."""
        return tuple(channel for channel in self.channels if self.output_on(channel))

    def _prepare(self) -> None:
        data = "REAL,64" if self._numbers == "real64" else "ASC"
        self.call([f":FORM {data}", ":FORM:BORD SWAP", f":FORM:ELEM:SENS {','.join(ELEMENTS)}"])

    def _off_commands(self) -> tuple[str, ...]:
        return (
            *(f":OUTP{channel} OFF" for channel in self.channels),
            f":ABOR (@{','.join(self.channels)})",
            *(f":SOUR{channel}:VOLT 0" for channel in self.channels),
        )

    def _forget(self) -> None:
        self._settings.clear()

    def _configured(self, channel: str) -> ChannelSettings:
        one_of("channel", channel, self.channels)
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

    def _run(
        self,
        levels: Mapping[str, Sequence[float]],
        count: int,
        shape: Mapping[str, Sequence[str]],
        period: float,
        acquire: float,
        cycle: bool,
        width: float | None,
    ) -> Readings:
        """Load lists, start all channels by one `:INIT`, fetch, and return to a static 0 V."""
        names = [channel for channel in self.channels if channel in levels]
        commands = []
        for c in names:
            listed = ",".join(number(self._level(c, one)) for one in levels[c])
            commands += [
                f":SOUR{c}:VOLT 0",
                *shape[c],
                f":SOUR{c}:VOLT:MODE LIST",
                f":SOUR{c}:LIST:VOLT {listed}",
                f":TRIG{c}:TRAN:DEL 0",
                f":TRIG{c}:ACQ:DEL {number(acquire)}",
                f":TRIG{c}:SOUR TIM",
                f":TRIG{c}:TRAN:TIM {number(period)}",
                f":TRIG{c}:ACQ:TIM {number(period)}",
                f":TRIG{c}:TRAN:COUN {count}",
                f":TRIG{c}:ACQ:COUN {count}",
            ]
        both = ",".join(names)
        commands += [f":OUTP{c} ON" for c in names] if cycle else []
        commands += [f":INIT (@{both})", "*WAI", f":FETC:ARR? (@{both})"]
        commands += [f":OUTP{c} OFF" for c in names] if cycle else []
        for c in names:
            commands += [f":SOUR{c}:VOLT 0", f":SOUR{c}:VOLT:MODE FIX", f":SOUR{c}:FUNC:SHAP DC"]
        fields = len(ELEMENTS) * len(names)
        values = self._fetch(commands, fields * count, count * period + self._link.timeout)
        currents = {c: tuple(values[3 * k + 1 :: fields]) for k, c in enumerate(names)}
        if any(_absent(one) for measured in currents.values() for one in measured):
            raise InstrumentError(0, "measurements are missing", "read the chip before going on")
        return Readings(
            currents,
            {
                c: tuple(float("nan") if _absent(one) else one for one in values[3 * k :: fields])
                for k, c in enumerate(names)
            },
            {
                c: tuple(bool(int(one) & COMPLIANCE_BITS) for one in values[3 * k + 2 :: fields])
                for k, c in enumerate(names)
            },
            width,
        )

    def _fetch(self, commands: Sequence[str], count: int, timeout: float) -> list[float]:
        """Send commands with one measurement query among them; its numbers."""
        if self._numbers == "ascii":
            (answer,) = self._one(commands, self.call(commands, timeout=timeout))
            values = self._parsed(commands[0], answer, floats)
        else:
            values = self._fetch_block(commands, timeout)
        if len(values) != count:
            raise self._nonsense(commands[0], f"{len(values)} numbers", f"{count} were expected")
        return values

    def _fetch_block(self, commands: Sequence[str], timeout: float) -> list[float]:
        """A definite-length block `#<digits><length><doubles>` and the error queue after it."""
        with self._link.exchange():
            self._link.write(";".join([*commands, ERRORS]))
            head = self._link.read_bytes(2, timeout).decode("latin-1")
            if not (head[0] == "#" and head[1] in "123456789"):
                rest = head + self._link.read(timeout)
                self._answers(commands, rest)
                raise self._nonsense(commands[0], rest, "a binary block was expected")
            length = self._link.read_bytes(int(head[1]), timeout).decode("latin-1")
            size = self._parsed(commands[0], length, int)
            values = self._parsed_block(commands[0], self._link.read_bytes(size, timeout))
            tail = self._link.read(timeout)
        self._answers(commands, tail.lstrip(";"))
        return values

    def _parsed_block(self, command: str, data: bytes) -> list[float]:
        try:
            return doubles(data)
        except ValueError as error:
            raise self._nonsense(command, "binary block", str(error)) from error

    def _one(self, commands: Sequence[str], answers: list[str]) -> list[str]:
        if len(answers) != 1:
            raise self._nonsense(commands[0], ";".join(answers), "one answer was expected")
        return answers


def _absent(value: float) -> bool:
    return value != value or value > 0.99 * NOT_A_NUMBER
