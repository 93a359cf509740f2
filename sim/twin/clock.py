"""Bench time in whole nanoseconds: a virtual clock, or the wall clock, with actions scheduled on it."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

Action = Callable[[], None]
_PER_SECOND = 1_000_000_000


def nanoseconds(duration: float) -> int:
    """A duration in s as whole nanoseconds, to the nearest."""
    return round(duration * _PER_SECOND)


def in_seconds(duration: int) -> float:
    """Whole nanoseconds as s; the nearest number, so 100,000 ns is exactly the literal 1e-4."""
    return duration / _PER_SECOND


class Timeline:
    """One clock for all instruments of a bench, and what is due on it.

    Args:
        realtime: whether time passes by the wall clock; otherwise it passes only when told to, at once.
    """

    def __init__(self, realtime: bool = False) -> None:
        self.realtime = realtime
        self._now = 0
        self._began = time.monotonic_ns()
        self._due: list[tuple[int, int, Action]] = []
        self._order = itertools.count()
        self._stopped = threading.Event()

    @property
    def now(self) -> int:
        """Bench time, ns since the bench was switched on."""
        return self._now

    @property
    def seconds(self) -> float:
        """Bench time, s."""
        return in_seconds(self._now)

    def at(self, when: int, action: Action) -> None:
        """Schedule an action; actions due at the same time run in the order they were scheduled.

        Args:
            when: ns; a time already past means now.
            action: runs when the clock gets there.
        """
        heapq.heappush(self._due, (max(when, self._now), next(self._order), action))

    def after(self, duration: float, action: Action) -> None:
        """Schedule an action `duration` seconds from now."""
        self.at(self._now + nanoseconds(duration), action)

    def advance(self, duration: float) -> None:
        """Let `duration` seconds pass, running what comes due.

        Raises:
            ValueError: the duration is negative.
        """
        if duration < 0.0:
            raise ValueError(f"a duration of {duration} s; time passes forwards only")
        self._advance_to(self._now + nanoseconds(duration))

    def run_until(self, done: Callable[[], bool]) -> bool:
        """Let time pass from one scheduled action to the next until `done`.

        Returns:
            False if nothing is left that could bring it about.
        """
        while not done():
            if not self._due or self._stopped.is_set():
                return False
            self._run_next()
        return True

    def catch_up(self) -> None:
        """With the wall clock: run what came due since the last call. With a virtual clock: nothing."""
        if self.realtime:
            self._advance_to(max(self._now, time.monotonic_ns() - self._began))

    def stop(self) -> None:
        """End every wait now; the bench is being switched off."""
        self._stopped.set()

    def _advance_to(self, when: int) -> None:
        while self._due and self._due[0][0] <= when and not self._stopped.is_set():
            self._run_next()
        self._pass(when)

    def _run_next(self) -> None:
        when, _, action = heapq.heappop(self._due)
        self._pass(when)
        action()

    def _pass(self, when: int) -> None:
        if self.realtime:
            wait = when - (time.monotonic_ns() - self._began)
            if wait > 0:
                self._stopped.wait(wait / _PER_SECOND)
        self._now = max(self._now, when)
