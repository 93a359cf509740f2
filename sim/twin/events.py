"""Trigger events inside an instrument: who fires, who waits, timers and blenders."""

import itertools
from collections.abc import Callable
from functools import partial

from .clock import Timeline

Action = Callable[[], None]


def all_of(*actions: Action) -> Action:
    """One action that does several in turn."""

    def act() -> None:
        for action in actions:
            action()

    return act


class EventHub:
    """All events of one instrument; each has a number, `EVENT_ID`, above 0."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._listeners: dict[int, dict[object, Action]] = {}

    def new(self) -> int:
        """The number of a new event."""
        return next(self._numbers)

    def fire(self, event: int) -> None:
        """Let everybody who listens to an event know."""
        for action in list(self._listeners.get(event, {}).values()):
            action()

    def listen(self, event: int, who: object, action: Action) -> None:
        """Call `action` whenever the event fires; once for each `who`."""
        self._listeners.setdefault(event, {})[who] = action

    def ignore(self, event: int, who: object) -> None:
        """Undo `listen`."""
        self._listeners.get(event, {}).pop(who, None)


class Detector:
    """Waits for the event called its stimulus; remembers one that came while nobody waited.

    Args:
        hub: events of the instrument.
        seen: called with every event in place of remembering it.
    """

    def __init__(self, hub: EventHub, seen: Action | None = None) -> None:
        self._hub, self._seen = hub, seen
        self._stimulus = 0
        self._latched = False
        self._waiting: Action | None = None
        self.overrun = False

    @property
    def stimulus(self) -> int:
        """Number of the event, 0 for none."""
        return self._stimulus

    def set_stimulus(self, event: int) -> None:
        """Choose the event; 0 for none."""
        if self._stimulus:
            self._hub.ignore(self._stimulus, self)
        self._stimulus = event
        if event:
            self._hub.listen(event, self, self.notice)

    def notice(self) -> None:
        """The event happened."""
        if self._seen is not None:
            self._seen()
        elif self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting()
        elif self._latched:
            self.overrun = True
        else:
            self._latched = True

    def wait(self, resume: Action) -> None:
        """Call `resume` when the event comes, at once if it came already or there is no stimulus."""
        if self._stimulus == 0 or self._latched:
            self._latched = False
            resume()
        else:
            self._waiting = resume

    def take(self) -> bool:
        """Whether the event came since it was last taken."""
        came, self._latched = self._latched, False
        return came

    def clear(self) -> None:
        """Forget an event that came, and stop waiting."""
        self._latched = self.overrun = False
        self._waiting = None


class Timer:
    """Fires `count` times, each `delay` after the one before, once its stimulus came.

    A count of 0 goes on for as long as `wanted` says that somebody may be waiting.

    Args:
        hub: events of the instrument.
        timeline: bench time.
        wanted: whether anything on the instrument still waits for events.
    """

    def __init__(self, hub: EventHub, timeline: Timeline, wanted: Callable[[], bool]) -> None:
        self._hub, self._timeline, self._wanted = hub, timeline, wanted
        self.event = hub.new()
        self.detector = Detector(hub, self._start)
        self.count = 1
        self.delays = [10e-6]
        self.passthrough = False
        self._run = 0
        self._left = 0
        self.running = False

    def clear(self) -> None:
        """Stop; what was scheduled does not fire."""
        self._run += 1
        self.running = False
        self.detector.clear()

    def _start(self) -> None:
        if self.running:
            self.detector.overrun = True
            return
        self._run += 1
        self.running, self._left = True, self.count
        if self.passthrough:
            self._hub.fire(self.event)
        self._schedule(self._run, 0)

    def _schedule(self, run: int, fired: int) -> None:
        delay = self.delays[fired % len(self.delays)]
        self._timeline.after(delay, lambda: self._fire(run, fired))

    def _fire(self, run: int, fired: int) -> None:
        if run != self._run:
            return
        last = fired + 1 == self.count if self.count else not self._wanted()
        if last:
            self.running = False
        self._hub.fire(self.event)
        if not last and run == self._run:
            self._schedule(run, fired + 1)


class Blender:
    """Fires when any (or) or all (and) of up to four events came."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self.event = hub.new()
        self.any = True
        self.overrun = False
        self.inputs = [Detector(hub, partial(self._came, k)) for k in range(4)]
        self._have: set[int] = set()

    def clear(self) -> None:
        """Forget the events that came."""
        self._have.clear()
        self.overrun = False

    def _came(self, place: int) -> None:
        if self.any:
            self._hub.fire(self.event)
            return
        self.overrun |= place in self._have
        self._have.add(place)
        if self._have == {k for k, one in enumerate(self.inputs) if one.stimulus}:
            self._have.clear()
            self._hub.fire(self.event)
