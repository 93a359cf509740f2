"""One channel of a Keysight B2900: what it sources, limits, measures and shows."""

from dataclasses import dataclass
from typing import Literal

from .bench import Bench
from .circuit import Drive
from .readings import Accuracy, range_for, rounded
from .scpi_errors import ScpiError
from .wiring import Port

VOLT_RANGES = (0.2, 2.0, 20.0, 200.0)
AMP_RANGES = (100e-9, 1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0, 1.5, 3.0)
MOST_VOLTS, MOST_AMPERES = 210.0, 3.03
LOW_VOLTS = 42.0
"""More than this needs the interlock, V."""
SOURCE_STEP = 5e-6
"""Step of a source level in parts of its range: 10 uV on 2 V."""
ACCURACY = Accuracy(noise=1e-6, resolution=5e-7)
NOT_A_NUMBER = 9.91e37
OFF_LIMIT = 100e-6
"""Current limit of an output that is off at 0 V (off mode ZERO), A."""
Quantity = Literal["V", "I"]


@dataclass(frozen=True)
class Sample:
    """One measurement: V, A, bench time in s, source level, status bits."""

    volts: float
    amperes: float
    time: float
    source: float
    status: int


class Channel:
    """Source and measurement settings of one channel, and what they do to its terminal.

    Args:
        bench: what it stands on.
        port: its terminal.
        linefreq: of the power line, Hz.
    """

    def __init__(self, bench: Bench, port: Port, linefreq: float) -> None:
        self._bench, self._port = bench, port
        self.linefreq = linefreq
        self._meter = bench.meter(ACCURACY)
        self.interlock = True
        self._squeeze = 1.0
        self.reset()

    def reset(self) -> None:
        """Defaults; output off."""
        self.function: Quantity = "V"
        self.shape = "DC"
        self.mode: dict[Quantity, str] = {"V": "FIX", "I": "FIX"}
        self.levels: dict[Quantity, float] = {"V": 0.0, "I": 0.0}
        self.triggered: dict[Quantity, float | None] = {"V": None, "I": None}
        self.lists: dict[Quantity, list[float]] = {"V": [0.0], "I": [0.0]}
        self.sweep: dict[Quantity, list[float]] = {"V": [0.0, 0.0], "I": [0.0, 0.0]}
        self.sweep_points = 1
        self.ranges: dict[Quantity, float] = {"V": VOLT_RANGES[1], "I": AMP_RANGES[4]}
        self.auto: dict[Quantity, bool] = {"V": True, "I": True}
        self.limits: dict[Quantity, float] = {"V": 2.0, "I": 100e-6}
        self.pulse_delay, self.pulse_width = 0.0, 50e-6
        self.output = False
        self.off_mode = "NORM"
        self.auto_on, self.protection = True, False
        self.remote_sense = False
        self.measured: set[str] = {"VOLT", "CURR"}
        self.aperture = 0.1 / self.linefreq
        self.sense_ranges: dict[Quantity, float] = {"V": VOLT_RANGES[1], "I": AMP_RANGES[4]}
        self.sense_auto: dict[Quantity, bool] = {"V": True, "I": True}
        self.samples: list[Sample] = []
        self._now: float | None = None
        self._pulsing = False
        self.apply()

    @property
    def level(self) -> float:
        """What the source is programmed to now, V or A."""
        return self.levels[self.function] if self._now is None else self._now

    def points(self) -> list[float]:
        """Levels of the transient action, one for each trigger, repeated if there are more triggers."""
        quantity = self.function
        if self.mode[quantity] == "LIST":
            return self.lists[quantity]
        if self.mode[quantity] == "SWE":
            start, stop = self.sweep[quantity]
            last = max(self.sweep_points - 1, 1)
            return [start + (stop - start) * k / last for k in range(self.sweep_points)]
        triggered = self.triggered[quantity]
        return [self.levels[quantity] if triggered is None else triggered]

    def set_level(self, quantity: Quantity, value: float) -> None:
        """Program the immediate level.

        Raises:
            ScpiError: beyond a fixed range.
        """
        self.levels[quantity] = self.rounded(quantity, value)
        self._now, self._pulsing = None, False
        self.apply()

    def rounded(self, quantity: Quantity, value: float) -> float:
        """A level as the source makes it; picks the range if that is automatic.

        Raises:
            ScpiError: beyond a fixed range.
        """
        scales = VOLT_RANGES if quantity == "V" else AMP_RANGES
        full_scale = self.ranges[quantity]
        if self.auto[quantity]:
            full_scale = range_for(value, scales, 1.05)
        elif abs(value) > 1.05 * full_scale:
            raise ScpiError(-222)
        return rounded(value, self._bench.source_step(SOURCE_STEP * full_scale))

    def go(self, level: float, pulsing: bool) -> None:
        """Go to a level of the transient action."""
        self._now, self._pulsing = self.rounded(self.function, level), pulsing
        self.apply()
        if self.protection and self.limited():
            self.switch(False)

    def rest(self) -> None:
        """Back to the immediate level."""
        self._now, self._pulsing = None, False
        self.apply()

    def switch(self, on: bool) -> None:
        """Output on or off.

        Raises:
            ScpiError: the interlock is open and the level needs it.
        """
        if on and not self.interlock and self._needs_interlock():
            raise ScpiError(302)
        self.output = on
        if not on:
            self._now, self._pulsing = None, False
        self.apply()
        if on and self.protection and self.limited():
            self.switch(False)

    def set_interlock(self, closed: bool) -> None:
        """Close or open the interlock; opening it switches a high voltage off."""
        self.interlock = closed
        if not closed and self.output and self._needs_interlock():
            self.switch(False)
            raise ScpiError(302)

    def squeeze(self, factor: float) -> None:
        """Multiply every limit, as a failing output stage would."""
        self._squeeze = factor
        self.apply()

    def limited(self) -> bool:
        """Whether the channel is at its limit now."""
        return self.output and self._bench.limited(self._port)

    def apply(self) -> None:
        """Drive the terminal as programmed."""
        if not self.output:
            drive = Drive("voltage", 0.0, OFF_LIMIT) if self.off_mode == "ZERO" else Drive("open")
        elif self.function == "V":
            limit = self.limits["I"] * self._squeeze
            drive = Drive("voltage", self.level, limit, self._pulsing, output=True)
        else:
            limit = self.limits["V"] * self._squeeze
            drive = Drive("current", self.level, limit, self._pulsing, output=True)
        self._bench.drive(self._port, drive)

    def sample(self) -> Sample:
        """Measure now."""
        status = 2 if self.limited() else 0
        shown: dict[Quantity, float] = {}
        quantities: tuple[Quantity, Quantity] = ("V", "I")
        for quantity in quantities:
            truth = (self._bench.voltage if quantity == "V" else self._bench.current)(self._port)
            scales = VOLT_RANGES if quantity == "V" else AMP_RANGES
            if self.sense_auto[quantity]:
                self.sense_ranges[quantity] = range_for(truth, scales, 1.05)
            full_scale = self.sense_ranges[quantity]
            value = self._meter.show(truth, full_scale, self.aperture * self.linefreq)
            shown[quantity] = NOT_A_NUMBER if abs(truth) > 1.05 * full_scale else value
        return Sample(shown["V"], shown["I"], self._bench.timeline.seconds, self.level, status)

    def _needs_interlock(self) -> bool:
        reach = abs(self.level) if self.function == "V" else self.limits["V"]
        return reach > LOW_VOLTS
