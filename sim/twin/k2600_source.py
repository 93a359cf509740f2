"""The source half of a Keithley 2600B channel: levels, limits, ranges, output and what it drives."""

from collections.abc import Callable
from typing import Literal

from .bench import Bench
from .circuit import Drive
from .k2600_models import SOURCE_STEP, Model
from .readings import range_for, rounded
from .tsp_errors import TspError
from .tsp_tree import SWITCH, Group, any_number, as_number, choice, number
from .wiring import Port

AMPS, VOLTS = 0, 1
OFF_NORMAL, OFF_ZERO, OFF_HIGH_Z = 0, 1, 2
OUTPUT_OFF, OUTPUT_ON, OUTPUT_HIGH_Z = 0, 1, 2
Quantity = Literal["v", "i"]


class Source:
    """Levels, limits, ranges and output of one channel.

    Args:
        bench: what it stands on.
        port: its terminal.
        model: of the instrument.
        letter: `A` or `B`, for error texts.
    """

    def __init__(self, bench: Bench, port: Port, model: Model, letter: str) -> None:
        self._bench, self._port, self._model = bench, port, model
        self._prefix = f"SMU {letter}: "
        self._interlock = True
        self._squeeze = 1.0
        self._output = OUTPUT_OFF
        self._pulse: float | None = None
        self._pulsing = False
        self.trigger_limits: dict[Quantity, float] = {"i": 0.0, "v": 0.0}
        self._levels: dict[Quantity, float] = {}
        self._limits: dict[Quantity, float] = {}
        self._ranges: dict[Quantity, float] = {}
        self._auto: dict[Quantity, bool] = {}
        self._scales: dict[Quantity, tuple[float, ...]] = {"v": model.volt_ranges, "i": model.amp_ranges}
        self._defaults()
        self.group = self._build()

    @property
    def output(self) -> bool:
        """Whether the output is on."""
        return self._output == OUTPUT_ON

    @property
    def is_voltage(self) -> bool:
        """Whether the channel sources voltage."""
        return self._function.value == VOLTS

    @property
    def level(self) -> float:
        """What the source is programmed to now, V or A, rounded as the source rounds."""
        quantity: Quantity = "v" if self.is_voltage else "i"
        return self._levels[quantity] if self._pulse is None else self._pulse

    def set_interlock(self, closed: bool) -> None:
        """Close or open the interlock; opening it takes the high range off the terminals."""
        self._interlock = closed
        if not closed and self.output and self._needs_interlock():
            self.switch_off()
            raise TspError(802)

    @property
    def interlock(self) -> bool:
        """Whether the interlock is closed."""
        return self._interlock

    def squeeze(self, factor: float) -> None:
        """Multiply every limit, as a failing output stage would."""
        self._squeeze = factor
        self.apply()

    def reset(self) -> None:
        """Defaults; the output goes off."""
        self.group.reset()
        self._pulse, self._pulsing = None, False
        self._output = OUTPUT_OFF
        self._defaults()
        self.apply()

    def switch_off(self) -> None:
        """Output off."""
        self._output = OUTPUT_OFF
        self._pulse, self._pulsing = None, False
        self.apply()

    def set_level(self, quantity: Quantity, value: object) -> None:
        """Program a level, V or A.

        Raises:
            TspError: beyond the range, the model or its safe operating area.
        """
        wanted = self._checked(quantity, value)
        if quantity == ("v" if self.is_voltage else "i"):
            self._check_area(quantity, wanted)
        self._levels[quantity] = wanted
        self.apply()

    def set_limit(self, quantity: Quantity, value: object) -> None:
        """Program a limit: A while sourcing voltage, V while sourcing current; its sign is ignored."""
        wanted = abs(as_number(value))
        most = self._model.most_amperes if quantity == "i" else self._model.most_volts
        least = 1e-3 * self._scales[quantity][0]
        wanted = as_number(number(least, most)(wanted))
        if quantity == "i" and self.is_voltage and not self._model.allows(self._levels["v"], wanted):
            raise TspError(5007, prefix=self._prefix)
        self._limits[quantity] = wanted
        self.apply()

    def begin_pulse(self, level: float, pulsing: bool) -> None:
        """Go to a level of the trigger model.

        Args:
            level: V or A; rounded and checked as any level.
            pulsing: whether it will return to the programmed level by itself.
        """
        quantity: Quantity = "v" if self.is_voltage else "i"
        self._pulse, self._pulsing = self._checked(quantity, level), pulsing
        self.apply()

    def end_pulse(self) -> None:
        """Back to the programmed level (the bias)."""
        self._pulse, self._pulsing = None, False
        self.apply()

    def keep_level(self) -> None:
        """Stay where the trigger model left the source, as the new programmed level."""
        if self._pulse is not None:
            self._levels["v" if self.is_voltage else "i"] = self._pulse
        self.end_pulse()

    def apply(self) -> None:
        """Drive the terminal as programmed."""
        self._bench.drive(self._port, self._drive())

    def _drive(self) -> Drive:
        if not self.output:
            return self._off_drive()
        limiting: Quantity = "i" if self.is_voltage else "v"
        limit = self._limits[limiting]
        if self._pulse is not None and self.trigger_limits[limiting]:
            limit = self.trigger_limits[limiting]
        kind: Literal["voltage", "current"] = "voltage" if self.is_voltage else "current"
        return Drive(kind, self.level, limit * self._squeeze, self._pulsing, output=True)

    def _off_drive(self) -> Drive:
        """What the terminal does while the output is off: open, or 0 V or 0 A with the limit of its mode."""
        mode = self._off_mode.value
        if self._output == OUTPUT_HIGH_Z or mode == OFF_HIGH_Z:
            return Drive("open")
        if mode == OFF_ZERO:
            smallest = 0.1 * self._ranges["i"]
            limit = self._limits["i"] if self.is_voltage else max(abs(self._levels["i"]), smallest)
            return Drive("voltage", 0.0, limit)
        if self._off_function.value == AMPS:
            return Drive("current", 0.0, self._off_limit_volts.number)
        return Drive("voltage", 0.0, self._off_limit.number)

    def _defaults(self) -> None:
        self._levels.update({"v": 0.0, "i": 0.0})
        self._limits.update({"i": 100e-3, "v": self._model.volt_ranges[-2]})
        self._ranges.update({"v": self._model.volt_ranges[0], "i": self._model.amp_ranges[0]})
        self._auto.update({"v": True, "i": True})
        self.trigger_limits.update({"v": 0.0, "i": 0.0})

    def _checked(self, quantity: Quantity, value: object) -> float:
        most = self._model.most_volts if quantity == "v" else self._model.most_amperes
        wanted = as_number(number(-most, most)(value))
        scales = self._scales[quantity]
        if self._auto[quantity]:
            self._ranges[quantity] = range_for(wanted, scales, 1.01)
        elif abs(wanted) > 1.01 * self._ranges[quantity] * (1.0 + 1e-12):
            raise TspError(5005, prefix=self._prefix)
        return rounded(wanted, self._bench.source_step(SOURCE_STEP * self._ranges[quantity]))

    def _check_area(self, quantity: Quantity, wanted: float) -> None:
        volts = wanted if quantity == "v" else self._limits["v"]
        amperes = wanted if quantity == "i" else self._limits["i"]
        if not self._model.allows(volts, amperes):
            raise TspError(5007, prefix=self._prefix)

    def _needs_interlock(self) -> bool:
        high = self._model.interlocked
        reach = self._ranges["v"] if self.is_voltage else range_for(self._limits["v"], self._scales["v"])
        return high is not None and reach >= high

    def _build(self) -> Group:
        group = Group()
        self._function = group.setting("func", VOLTS, choice((AMPS, VOLTS)))
        group.setters["func"] = self._after(self._function.write)
        self._off_mode = group.setting("offmode", OFF_NORMAL, choice((0, 1, 2)))
        group.setters["offmode"] = self._after(self._off_mode.write)
        self._off_limit = group.setting("offlimiti", 1e-3, number(1e-9, self._model.most_amperes))
        group.setters["offlimiti"] = self._after(self._off_limit.write)
        self._off_limit_volts = group.setting("offlimitv", 40.0, number(1e-3, self._model.most_volts))
        group.setters["offlimitv"] = self._after(self._off_limit_volts.write)
        self._off_function = group.setting("offfunc", VOLTS, choice((AMPS, VOLTS)))
        group.setters["offfunc"] = self._after(self._off_function.write)
        group.setting("delay", 0.0, number(-1.0, 1e5))
        group.setting("settling", 0, any_number)
        group.setting("sink", 0, SWITCH)
        group.setting("highc", 0, SWITCH)
        group.setting("limitp", 0.0, number(0.0, 1e3))
        group.setting("outputenableaction", 0, choice((0, 1)))
        group.attribute("output", lambda: self._output, self._set_output)
        group.attribute("compliance", self.compliance)
        both: tuple[Quantity, Quantity] = ("v", "i")
        for quantity in both:
            self._add_quantity(group, quantity)
        return group

    def compliance(self) -> bool:
        """Whether the channel is at its limit now."""
        return self.output and self._bench.limited(self._port)

    def _add_quantity(self, group: Group, quantity: Quantity) -> None:
        scales = self._scales[quantity]

        def set_range(value: object) -> None:
            most = 1.01 * scales[-1]
            self._ranges[quantity] = range_for(as_number(number(-most, most)(value)), scales, 1.01)
            self._auto[quantity] = False
            if abs(self._levels[quantity]) > 1.01 * self._ranges[quantity]:
                self._levels[quantity] = 0.0
            self.apply()

        def set_auto(value: object) -> None:
            self._auto[quantity] = bool(as_number(choice((0, 1))(value)))

        group.attribute(
            f"level{quantity}",
            lambda: self._levels[quantity],
            lambda value: self.set_level(quantity, value),
        )
        group.attribute(
            f"limit{quantity}",
            lambda: self._limits[quantity],
            lambda value: self.set_limit(quantity, value),
        )
        group.attribute(f"range{quantity}", lambda: self._ranges[quantity], set_range)
        group.attribute(f"autorange{quantity}", lambda: int(self._auto[quantity]), set_auto)
        group.setting(f"lowrange{quantity}", scales[0], number(0.0, 1.01 * scales[-1]))

    def _after(self, write: Callable[[object], None]) -> Callable[[object], None]:
        def written(value: object) -> None:
            write(value)
            self.apply()

        return written

    def _set_output(self, value: object) -> None:
        wanted = int(as_number(choice((OUTPUT_OFF, OUTPUT_ON, OUTPUT_HIGH_Z))(value)))
        if wanted == OUTPUT_ON:
            if not self._interlock and self._needs_interlock():
                raise TspError(802)
            quantity: Quantity = "v" if self.is_voltage else "i"
            self._check_area(quantity, self._levels[quantity])
        self._output = wanted
        if wanted != OUTPUT_ON:
            self._pulse, self._pulsing = None, False
        self.apply()
