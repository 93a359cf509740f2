"""The trigger model of a Keithley 2600B channel: arm, source, measure, end of pulse, end of sweep."""

from collections.abc import Callable, Generator

from .bench import Bench
from .clock import nanoseconds
from .events import Detector
from .k2600_measure import Measure
from .k2600_models import MINIMUM_PULSE
from .k2600_source import Quantity, Source
from .tsp_buffer import ReadingBuffer
from .tsp_errors import TspError
from .tsp_tree import Group, as_number, choice, number, of_kind, whole
from .tsp_trigger import Triggers

DISABLE, ENABLE, ASYNC = 0, 1, 2
SOURCE_HOLD, SOURCE_IDLE = 0, 1
Step = Detector | int
"""What the trigger model waits for: an event, or so many nanoseconds."""
_EVENTS = (
    "ARMED", "SOURCE_COMPLETE", "MEASURE_COMPLETE", "PULSE_COMPLETE", "SWEEP_COMPLETE", "IDLE", "SWEEPING",
)  # fmt: skip


class Sweep:
    """Runs sweeps and pulse trains in the background.

    Args:
        bench: what it stands on.
        triggers: events of the instrument.
        source: of the channel.
        measure: of the channel.
        failed: takes what goes wrong in the background.
    """

    def __init__(
        self,
        bench: Bench,
        triggers: Triggers,
        source: Source,
        measure: Measure,
        failed: Callable[[TspError], None],
    ) -> None:
        self._bench, self._triggers, self._failed = bench, triggers, failed
        self._source, self._measure = source, measure
        self._events = {name: triggers.hub.new() for name in _EVENTS}
        self._levels: list[float] | None = None
        self._buffers: list[tuple[ReadingBuffer, str]] = []
        self._measuring_configured = False
        self._run = 0
        self.running = False
        self.sweeping = False
        self._source_at = 0
        self.group = self._build()

    def reset(self) -> None:
        """Defaults; what runs is aborted."""
        self.abort()
        self.group.reset()
        self._levels, self._buffers, self._measuring_configured = None, [], False

    def abort(self) -> None:
        """Stop at once; the source goes to its idle level."""
        self._run += 1
        if self.running:
            self._source.end_pulse()
        self.running = self.sweeping = False

    def initiate(self) -> None:
        """Start in the background.

        Raises:
            TspError: an enabled action has no configuration.
        """
        if self._source_action.value and self._levels is None:
            raise TspError(5059)
        if self._measure_action.value and not self._measuring_configured:
            raise TspError(5060)
        self._run += 1
        self.running = True
        for buffer, _ in self._buffers:
            buffer.begin()
        for detector in self._detectors:
            detector.clear()
        self._proceed(self._run, self._steps())

    def _proceed(self, run: int, steps: Generator[Step]) -> None:
        if run != self._run:
            return
        step = next(steps, None)
        if step is None:
            self.running = self.sweeping = False
            self._fire("IDLE")
        elif isinstance(step, Detector):
            step.wait(lambda: self._proceed(run, steps))
        else:
            timeline = self._bench.timeline
            timeline.at(timeline.now + step, lambda: self._proceed(run, steps))

    def _steps(self) -> Generator[Step]:
        arms = int(self._arm_count.number)
        done = 0
        while not arms or done < arms:
            yield self._arm
            self.sweeping = True
            self._fire("ARMED")
            for point in range(int(self._count.number)):
                yield from self._point(point)
            if self._end_sweep.value == SOURCE_IDLE:
                self._source.end_pulse()
            else:
                self._source.keep_level()
            self.sweeping = False
            self._fire("SWEEP_COMPLETE")
            done += 1

    def _point(self, point: int) -> Generator[Step]:
        yield self._start_source
        if self._source_action.value and self._levels:
            level = self._levels[point % len(self._levels)]
            self._source_at = self._bench.timeline.now
            try:
                self._source.begin_pulse(level, self._end_pulse.value == SOURCE_IDLE)
            except TspError as error:
                self._failed(error)
            yield nanoseconds(max(0.0, as_number(self._source.group.getters["delay"]())))
        self._fire("SOURCE_COMPLETE")
        yield self._start_measure
        if self._measure_action.value:
            yield nanoseconds(self._measure.delay() + self._measure.integration())
            reading = self._measure.take()
            for buffer, what in self._buffers:
                self._measure.store(buffer, reading, what)
        self._fire("MEASURE_COMPLETE")
        yield self._start_end
        if self._end_pulse.value == SOURCE_IDLE:
            shortest = self._source_at + nanoseconds(MINIMUM_PULSE)
            yield max(0, shortest - self._bench.timeline.now)
            self._source.end_pulse()
        self._fire("PULSE_COMPLETE")

    def _fire(self, name: str) -> None:
        self._triggers.hub.fire(self._events[name])

    def _build(self) -> Group:
        group = Group()
        hub = self._triggers.hub
        self._arm, self._start_source = Detector(hub), Detector(hub)
        self._start_measure, self._start_end = Detector(hub), Detector(hub)
        self._detectors = (self._arm, self._start_source, self._start_measure, self._start_end)
        group.constants(**{f"{name}_EVENT_ID": event for name, event in self._events.items()})
        self._count = group.setting("count", 1, whole(1, 1_000_000))
        group.setting("autoclear", 1, choice((0, 1)))
        group.function("initiate", self.initiate)
        arm = group.child("arm")
        self._arm_count = arm.setting("count", 1, whole(0, 1_000_000))
        self._detector(arm, self._arm)
        source = group.child("source")
        self._source_action = source.setting("action", DISABLE, choice((0, 1)))
        self._detector(source, self._start_source)
        quantities: tuple[Quantity, Quantity] = ("v", "i")
        for quantity in quantities:
            source.function(f"list{quantity}", self._set_list)
            source.function(f"linear{quantity}", self._set_linear)
            source.function(f"log{quantity}", self._set_log)
            self._add_limit(source, quantity)
        measure = group.child("measure")
        self._measure_action = measure.setting("action", DISABLE, choice((0, 1, 2)))
        self._detector(measure, self._start_measure)
        for what in ("v", "i", "r", "p", "iv"):
            measure.function(what, lambda *buffers, what=what: self._set_buffers(what, buffers))
        end_pulse = group.child("endpulse")
        self._end_pulse = end_pulse.setting("action", SOURCE_HOLD, choice((0, 1)))
        self._detector(end_pulse, self._start_end)
        end_sweep = group.child("endsweep")
        self._end_sweep = end_sweep.setting("action", SOURCE_IDLE, choice((0, 1)))
        return group

    def _detector(self, group: Group, detector: Detector) -> None:
        self._triggers.detector_attributes(group, detector)
        group.function("set", detector.notice)
        group.function("clear", detector.clear)

    def _add_limit(self, group: Group, quantity: Quantity) -> None:
        limits = self._source.trigger_limits

        def write(value: object) -> None:
            limits[quantity] = abs(as_number(number(-1e3, 1e3)(value)))

        group.attribute(f"limit{quantity}", lambda: limits[quantity], write)

    def _set_list(self, values: object) -> None:
        if not isinstance(values, list) or not values:
            raise TspError(-104)
        self._levels = [as_number(value) for value in values]

    def _set_linear(self, start: object, stop: object, points: object) -> None:
        low, high, count = as_number(start), as_number(stop), int(as_number(whole(1, 1_000_000)(points)))
        self._levels = [low + (high - low) * k / max(count - 1, 1) for k in range(count)]

    def _set_log(self, start: object, stop: object, points: object, asymptote: object = 0.0) -> None:
        low, high, shift = as_number(start), as_number(stop), as_number(asymptote)
        count = int(as_number(whole(1, 1_000_000)(points)))
        if (low - shift) * (high - shift) <= 0.0:
            raise TspError(-222)
        ratio = (high - shift) / (low - shift)
        self._levels = [shift + (low - shift) * ratio ** (k / max(count - 1, 1)) for k in range(count)]

    def _set_buffers(self, what: str, buffers: tuple[object, ...]) -> None:
        if len(buffers) < len(what):
            raise TspError(-109)
        self._buffers = [
            (of_kind(one, ReadingBuffer), letter) for one, letter in zip(buffers, what, strict=False)
        ]
        self._measuring_configured = True
