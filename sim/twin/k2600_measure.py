"""The measure half of a Keithley 2600B channel: integration, ranges, autozero, buffers."""

from collections.abc import Callable
from dataclasses import dataclass

from .bench import Bench
from .k2600_models import ACCURACY, AUTOZERO_FACTOR, MEASURE_OVERHEAD, Model
from .k2600_source import Source
from .readings import range_for
from .tsp_buffer import Entry, ReadingBuffer
from .tsp_errors import TspError
from .tsp_tree import SWITCH, Group, any_number, as_number, choice, number, of_kind, whole
from .wiring import Port

OVERFLOW = 9.91e37
"""What a reading beyond its range shows."""
AUTOZERO_OFF, AUTOZERO_ONCE, AUTOZERO_AUTO = 0, 1, 2
STATUS_COMPLIANCE, STATUS_OVERTEMP, STATUS_AUTORANGED, STATUS_OVERFLOW = 64, 2, 4, 8
_LOW_CURRENT, _LOW_CURRENT_DELAY = 1e-6, 1e-3
"""Ranges at or below this get an automatic measure delay (unverified on hardware)."""


@dataclass(frozen=True)
class Reading:
    """Voltage and current of one integration, V and A, with ranges and status bits."""

    volts: float
    amperes: float
    volt_range: float
    amp_range: float
    status: int

    def of(self, what: str) -> tuple[float, float]:
        """Value and full scale of `v`, `i`, `r` or `p`."""
        if what == "v":
            return self.volts, self.volt_range
        if what == "i":
            return self.amperes, self.amp_range
        if OVERFLOW in (self.volts, self.amperes):
            return OVERFLOW, self.amp_range
        if what == "r":
            return (self.volts / self.amperes if self.amperes else OVERFLOW), self.amp_range
        return self.volts * self.amperes, self.amp_range


class Measure:
    """Measurements of one channel.

    Args:
        bench: what it stands on.
        port: its terminal.
        model: of the instrument.
        source: the source half.
        linefreq: frequency of the power line, Hz.
    """

    def __init__(
        self, bench: Bench, port: Port, model: Model, source: Source, linefreq: Callable[[], float]
    ) -> None:
        self._bench, self._port, self._model = bench, port, model
        self._source, self._linefreq = source, linefreq
        self._meter = bench.meter(ACCURACY)
        self._ranges = {"v": model.volt_ranges[0], "i": model.amp_ranges[0]}
        self._auto = {"v": True, "i": True}
        self.group = self._build()

    def reset(self) -> None:
        """Defaults."""
        self.group.reset()
        self._ranges.update(v=self._model.volt_ranges[0], i=self._model.amp_ranges[0])
        self._auto.update(v=True, i=True)

    def delay(self) -> float:
        """Time before an integration begins, s."""
        programmed = self._delay.number
        if programmed >= 0.0:
            return programmed
        return _LOW_CURRENT_DELAY * self._delay_factor.number if self._ranges["i"] <= _LOW_CURRENT else 0.0

    def integration(self) -> float:
        """Time one reading integrates, s; voltage and current are taken together."""
        return self._nplc.number / self._linefreq() * self._average()

    def take(self) -> Reading:
        """What the channel sees now, as it would show it."""
        self._bench.operating_point()
        compliance = self._source.compliance()
        shown = {}
        cycles = self._nplc.number * self._average()
        status = STATUS_COMPLIANCE if compliance else 0
        truths = (("v", self._bench.voltage(self._port)), ("i", self._bench.current(self._port)))
        for quantity, truth in truths:
            scales = self._model.volt_ranges if quantity == "v" else self._model.amp_ranges
            if self._auto[quantity]:
                self._ranges[quantity] = range_for(truth, scales, 1.02)
            full_scale = self._ranges[quantity]
            value = self._meter.show(truth, full_scale, cycles)
            if abs(truth) > 1.02 * full_scale:
                value, status = OVERFLOW, status | STATUS_OVERFLOW
            relative = self._relative[quantity]
            shown[quantity] = value - relative[1].number if relative[0].value else value
        return Reading(shown["v"], shown["i"], self._ranges["v"], self._ranges["i"], status)

    def store(self, buffer: ReadingBuffer, reading: Reading, what: str) -> None:
        """Put one quantity of a reading into a buffer."""
        value, full_scale = reading.of(what)
        time = self._bench.timeline.seconds
        buffer.store(Entry(value, time, self._source.level, full_scale, reading.status))

    def now(self, what: str, buffers: tuple[object, ...]) -> tuple[float, ...]:
        """Measure `measure.count` times; returns the last values, one for each letter of `what`."""
        into = [of_kind(one, ReadingBuffer) for one in buffers[: len(what)] if one is not None]
        for buffer in into:
            buffer.begin()
        timeline = self._bench.timeline
        factor = AUTOZERO_FACTOR if self._autozero.value == AUTOZERO_AUTO else 1
        reading = None
        for _ in range(int(self._count.number)):
            began = timeline.seconds
            timeline.advance(self.delay() + MEASURE_OVERHEAD + factor * self.integration())
            self._bench.settle()
            reading = self.take()
            for buffer, letter in zip(into, what, strict=False):
                self.store(buffer, reading, letter)
            timeline.advance(max(0.0, began + self._interval.number - timeline.seconds))
        if reading is None:
            raise TspError(-222)
        return tuple(reading.of(letter)[0] for letter in what)

    def _average(self) -> float:
        return self._filter_count.number if self._filter.value else 1.0

    def _build(self) -> Group:
        group = Group()
        self._nplc = group.setting("nplc", 1.0, number(0.001, 25.0))
        self._delay = group.setting("delay", -1.0, number(-1.0, 1e5))
        self._delay_factor = group.setting("delayfactor", 1.0, number(0.0, 1e3))
        group.setting("highcrangedelayfactor", 10.0, number(1.0, 99.0))
        self._count = group.setting("count", 1, whole(1, 100_000))
        self._interval = group.setting("interval", 0.0, number(0.0, 1.0))
        self._autozero = group.setting("autozero", AUTOZERO_AUTO, choice((0, 1, 2)))
        group.setters["autozero"] = self._set_autozero
        averaging = group.child("filter")
        self._filter = averaging.setting("enable", 0, SWITCH)
        self._filter_count = averaging.setting("count", 1, whole(1, 100))
        averaging.setting("type", 0, choice((0, 1, 2)))
        relative = group.child("rel")
        self._relative = {}
        for quantity in "virp":
            enable = relative.setting(f"enable{quantity}", 0, SWITCH)
            self._relative[quantity] = (enable, relative.setting(f"level{quantity}", 0.0, any_number))
        for quantity in "vi":
            self._add_range(group, quantity)
        for what in ("v", "i", "r", "p", "iv"):
            group.function(what, lambda *buffers, what=what: self.now(what, buffers))
            group.function(
                f"overlapped{what}", lambda *buffers, what=what: (self.now(what, buffers), None)[1]
            )
        return group

    def _set_autozero(self, value: object) -> None:
        self._autozero.write(value)
        if self._autozero.value == AUTOZERO_ONCE:
            self._bench.timeline.advance(2.0 * self.integration())

    def _add_range(self, group: Group, quantity: str) -> None:
        scales = self._model.volt_ranges if quantity == "v" else self._model.amp_ranges

        def set_range(value: object) -> None:
            most = 1.02 * scales[-1]
            self._ranges[quantity] = range_for(as_number(number(-most, most)(value)), scales, 1.02)
            self._auto[quantity] = False

        def set_auto(value: object) -> None:
            self._auto[quantity] = bool(as_number(choice((0, 1, 2))(value)))

        group.attribute(f"range{quantity}", lambda: self._ranges[quantity], set_range)
        group.attribute(f"autorange{quantity}", lambda: int(self._auto[quantity]), set_auto)
        group.setting(f"lowrange{quantity}", scales[0], number(0.0, 1.02 * scales[-1]))
