"""Trigger objects of TSP instruments: interface trigger, timers, blenders, digital I/O and TSP-Link lines."""

from collections.abc import Callable

from .bench import Bench
from .events import Blender, Detector, EventHub, Timer, all_of
from .tsp_errors import TspError
from .tsp_tree import Group, any_number, as_number, number, whole

TIMERS, BLENDERS, GENERATORS, LINES, LINK_LINES = 8, 6, 2, 14, 3
_MODES = {
    "TRIG_BYPASS": 0, "TRIG_FALLING": 1, "TRIG_RISING": 2, "TRIG_EITHER": 3, "TRIG_SYNCHRONOUSA": 4,
    "TRIG_SYNCHRONOUS": 5, "TRIG_SYNCHRONOUSM": 6, "TRIG_RISINGA": 7, "TRIG_RISINGM": 8,
}  # fmt: skip


class Triggers:
    """The trigger objects of one instrument.

    Args:
        bench: what it stands on.
        name: of the instrument.
        wanted: whether anything on the instrument still waits for events.
    """

    def __init__(self, bench: Bench, name: str, wanted: Callable[[], bool]) -> None:
        self._bench, self._name = bench, name
        self.hub = EventHub()
        self.command = self.hub.new()
        self._command = Detector(self.hub)
        self._command.set_stimulus(self.command)
        self._resets: list[Callable[[], None]] = []
        self.group = Group()
        self.group.constants(EVENT_ID=self.command)
        self.group.function("clear", self._command.clear)
        self.group.function("wait", self._waiter(self._command))
        timers = self.group.child("timer")
        for k in range(1, TIMERS + 1):
            timers.child(k, self._timer(Timer(self.hub, bench.timeline, wanted)))
        blenders = self.group.child("blender")
        for k in range(1, BLENDERS + 1):
            blenders.child(k, self._blender(Blender(self.hub)))
        generators = self.group.child("generator")
        for k in range(1, GENERATORS + 1):
            generators.child(k, self._generator())
        self.digital = Group()
        self.digital.constants(**_MODES)
        lines = self.digital.child("trigger")
        for k in range(1, LINES + 1):
            lines.child(k, self._line(k, bench.triggers.listen, bench.triggers.pulse))
        self._pins = 0
        self.digital.function("readport", lambda: self._pins)
        self.digital.function("writeport", self._write_port)
        self.digital.function("readbit", lambda bit: self._pins >> int(as_number(bit)) - 1 & 1)
        self.digital.function("writebit", self._write_bit)
        self.digital.setting("writeprotect", 0, any_number)
        self.link = Group()
        self.link.constants(**_MODES, MASTER=0)
        link_lines = self.link.child("trigger")
        for k in range(1, LINK_LINES + 1):
            link_lines.child(k, self._line(k, bench.triggers.listen_link, bench.triggers.pulse_link))
        link = bench.wiring.tsp_link
        node = link.index(name) + 1 if name in link else 1
        self.link.attribute("state", lambda: "online" if name in link else "offline")
        self.link.setting("node", node, whole(1, 64))
        self.link.attribute("master", lambda: 1)
        self.link.setting("group", 0, any_number)
        self.link.function("reset", lambda *_: max(len(link), 1))
        self.link.function("readport", lambda: 0)
        self.link.ignored("writeport", "writebit")

    def fire_command(self) -> None:
        """A trigger came over the interface (`*TRG`)."""
        self.hub.fire(self.command)

    def reset(self) -> None:
        """Every trigger object back to its default."""
        self.group.reset()
        self.digital.reset()
        self.link.reset()
        self._command.clear()
        for reset in self._resets:
            reset()

    def detector_attributes(self, group: Group, detector: Detector) -> None:
        """Add `stimulus` and `overrun` of a detector to a group."""
        check = whole(0, 100_000)
        group.attribute(
            "stimulus",
            lambda: detector.stimulus,
            lambda value: detector.set_stimulus(int(as_number(check(value)))),
        )
        group.attribute("overrun", lambda: detector.overrun)
        self._resets.append(all_of(lambda: detector.set_stimulus(0), detector.clear))

    def _waiter(self, detector: Detector) -> Callable[[object], object]:
        def wait(timeout: object) -> object:
            timeline = self._bench.timeline
            deadline = timeline.now + round(as_number(timeout) * 1e9)
            timeline.at(deadline, lambda: None)
            came = False

            def done() -> bool:
                nonlocal came
                came = came or detector.take()
                return came or timeline.now >= deadline

            timeline.run_until(done)
            return came

        return wait

    def _own_detector(self, event: int) -> Detector:
        """A detector for the `wait` and `clear` of a trigger object."""
        detector = Detector(self.hub)
        detector.set_stimulus(event)
        self._resets.append(detector.clear)
        return detector

    def _timer(self, timer: Timer) -> Group:
        group = Group()
        group.constants(EVENT_ID=timer.event)
        delay, count = number(0.0, 100_000.0), whole(0, 1_048_575)

        def write_delays(value: object) -> None:
            if not isinstance(value, list) or not value:
                raise TspError(-104)
            timer.delays = [as_number(delay(one)) for one in value]

        def write_passthrough(value: object) -> None:
            timer.passthrough = bool(value)

        def write_count(value: object) -> None:
            timer.count = int(as_number(count(value)))

        group.attribute("delay", lambda: timer.delays[0], lambda value: write_delays([value]))
        group.attribute("delaylist", lambda: list(timer.delays), write_delays)
        group.attribute("count", lambda: timer.count, write_count)
        group.attribute("passthrough", lambda: timer.passthrough, write_passthrough)
        self.detector_attributes(group, timer.detector)
        own = self._own_detector(timer.event)
        group.function("wait", self._waiter(own))
        group.function("clear", all_of(timer.clear, own.clear))

        def reset() -> None:
            timer.clear()
            timer.count, timer.delays, timer.passthrough = 1, [10e-6], False

        group.function("reset", reset)
        self._resets.append(reset)
        return group

    def _blender(self, blender: Blender) -> Group:
        group = Group()
        group.constants(EVENT_ID=blender.event)
        inputs = group.child("stimulus", Group("synchronous_table"))

        def place(key: int) -> Detector:
            if not 1 <= key <= len(blender.inputs):
                raise TspError(-222)
            return blender.inputs[key - 1]

        def write_or(value: object) -> None:
            blender.any = bool(value)

        inputs.indexer = lambda key: place(key).stimulus
        inputs.assigner = lambda key, value: place(key).set_stimulus(int(as_number(value)))
        group.attribute("orenable", lambda: blender.any, write_or)
        group.attribute("overrun", lambda: blender.overrun)
        own = self._own_detector(blender.event)
        group.function("wait", self._waiter(own))
        group.function("clear", all_of(blender.clear, own.clear))

        def reset() -> None:
            blender.clear()
            blender.any = False  # the instrument's default is "all"
            for one in blender.inputs:
                one.set_stimulus(0)

        reset()
        group.function("reset", reset)
        self._resets.append(reset)
        return group

    def _generator(self) -> Group:
        group, event = Group(), self.hub.new()
        group.constants(EVENT_ID=event)
        group.function("assert", lambda: self.hub.fire(event))
        return group

    def _line(
        self,
        line: int,
        listen: Callable[[str, int, Callable[[], None]], None],
        pulse: Callable[[str, int], bool],
    ) -> Group:
        group, event = Group(), self.hub.new()

        def send() -> None:
            if not pulse(self._name, line):
                self.hub.fire(event)  # nothing else on the wire: the instrument sees its own pulse

        listen(self._name, line, lambda: self.hub.fire(event))
        output = Detector(self.hub, send)
        group.constants(EVENT_ID=event)
        group.setting("mode", 0, whole(0, 8))
        group.setting("pulsewidth", 10e-6, number(0.0, 1.0))
        self.detector_attributes(group, output)
        own = self._own_detector(event)
        group.function("assert", send)
        group.function("wait", self._waiter(own))
        group.function("clear", own.clear)
        group.function("reset", lambda: output.set_stimulus(0))
        group.ignored("release")
        return group

    def _write_port(self, value: object) -> None:
        self._pins = int(as_number(value)) & (1 << LINES) - 1

    def _write_bit(self, bit: object, value: object) -> None:
        mask = 1 << int(as_number(bit)) - 1
        self._pins = self._pins | mask if as_number(value) else self._pins & ~mask
