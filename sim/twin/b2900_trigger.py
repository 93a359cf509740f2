"""The trigger system of a Keysight B2900: arm and trigger layers of the transient and acquire actions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from .b2900_channel import Channel
from .bench import Bench
from .clock import nanoseconds
from .scpi_errors import ScpiError

SHORTEST_INTERVAL = 20e-6
"""Shortest time between two triggers, s."""
Action = Literal["TRAN", "ACQ"]
BOTH: tuple[Action, Action] = ("TRAN", "ACQ")


@dataclass
class Layer:
    """One layer (arm or trigger) of one action."""

    source: str = "AINT"
    count: int = 1
    delay: float = 0.0
    timer: float = SHORTEST_INTERVAL


@dataclass
class Plan:
    """Layers of both actions of a channel."""

    arm: dict[Action, Layer] = field(default_factory=lambda: {"TRAN": Layer(), "ACQ": Layer()})
    trigger: dict[Action, Layer] = field(default_factory=lambda: {"TRAN": Layer(), "ACQ": Layer()})


class TriggerSystem:
    """Starts channels together and runs their actions in the background.

    Args:
        bench: what it stands on.
        channels: of the instrument.
    """

    def __init__(self, bench: Bench, channels: tuple[Channel, ...]) -> None:
        self._bench, self._channels = bench, channels
        self.plans = [Plan() for _ in channels]
        self._pending: list[dict[Action, int]] = [{"TRAN": 0, "ACQ": 0} for _ in channels]
        self._runs = [0 for _ in channels]
        self._began = [0.0 for _ in channels]
        self._waiting: list[tuple[int, Action, int, int]] = []

    def reset(self) -> None:
        """Default layers; what runs is aborted."""
        self.abort(range(1, len(self._channels) + 1), BOTH)
        self.plans = [Plan() for _ in self._channels]

    def idle(self, number: int, actions: Iterable[Action] = BOTH) -> bool:
        """Whether the actions of a channel, from 1, have ended."""
        return not any(self._pending[number - 1][action] for action in actions)

    def busy(self) -> bool:
        """Whether anything runs or waits for a trigger."""
        return not all(self.idle(number) for number in range(1, len(self._channels) + 1))

    def began(self, number: int) -> float:
        """Bench time when a channel was last initiated, s."""
        return self._began[number - 1]

    def initiate(self, numbers: Iterable[int], actions: tuple[Action, ...]) -> None:
        """Start channels at one and the same time.

        Raises:
            ScpiError: -213 if one of them is running.
        """
        numbers = tuple(numbers)
        if not all(self.idle(number, actions) for number in numbers):
            raise ScpiError(-213)
        for number in numbers:
            channel = self._channels[number - 1]
            if not channel.output and channel.auto_on:
                channel.switch(True)
        for number in numbers:
            self._runs[number - 1] += 1
            self._began[number - 1] = self._bench.timeline.seconds
            if "ACQ" in actions:
                self._channels[number - 1].samples = []
            for action in actions:
                self._start(number, action, actions)

    def abort(self, numbers: Iterable[int], actions: Iterable[Action]) -> None:
        """Stop at once; a pulse that is being given ends."""
        actions = tuple(actions)
        for number in numbers:
            if self.idle(number, actions):
                continue
            self._runs[number - 1] += 1
            self._pending[number - 1].update(dict.fromkeys(actions, 0))
            self._waiting = [one for one in self._waiting if one[0] != number or one[1] not in actions]
            self._channels[number - 1].rest()

    def bus_trigger(self) -> bool:
        """`*TRG`: every action that waits for the bus does its next point; False if none waits."""
        waiting, self._waiting = self._waiting, []
        for number, action, point, run in waiting:
            if run == self._runs[number - 1]:
                self._schedule(number, action, point, self._bench.timeline.now)
        return bool(waiting)

    def _start(self, number: int, action: Action, actions: tuple[Action, ...]) -> None:
        plan = self.plans[number - 1]
        arm, trigger = plan.arm[action], plan.trigger[action]
        points = arm.count * trigger.count
        self._pending[number - 1][action] = points
        if self._by_bus(number, action):
            self._waiting.append((number, action, 0, self._runs[number - 1]))
            return
        start = self._bench.timeline.now
        pace = trigger.timer if trigger.source == "TIM" else self._pace(number, actions)
        round_time = pace * trigger.count
        if arm.source == "TIM":
            round_time = max(round_time, arm.timer)
        for point in range(points):
            turn, place = divmod(point, trigger.count)
            offset = arm.delay + turn * round_time + place * pace
            self._schedule(number, action, point, start + nanoseconds(offset))

    def _by_bus(self, number: int, action: Action) -> bool:
        plan = self.plans[number - 1]
        return "BUS" in (plan.arm[action].source, plan.trigger[action].source)

    def _pace(self, number: int, actions: tuple[Action, ...]) -> float:
        """Time of one automatic trigger: until all actions have finished."""
        channel, plan = self._channels[number - 1], self.plans[number - 1]
        times = [SHORTEST_INTERVAL]
        if "TRAN" in actions:
            pulse = channel.pulse_delay + channel.pulse_width if channel.shape == "PULS" else 0.0
            times.append(plan.trigger["TRAN"].delay + pulse)
        if "ACQ" in actions:
            times.append(plan.trigger["ACQ"].delay + channel.aperture)
        return max(times)

    def _schedule(self, number: int, action: Action, point: int, when: int) -> None:
        channel, run = self._channels[number - 1], self._runs[number - 1]
        timeline = self._bench.timeline
        when += nanoseconds(self.plans[number - 1].trigger[action].delay)

        def at(time: int, step: Callable[[], None]) -> None:
            timeline.at(time, lambda: step() if run == self._runs[number - 1] else None)

        def done() -> None:
            self._pending[number - 1][action] -= 1
            if self._by_bus(number, action) and self._pending[number - 1][action]:
                self._waiting.append((number, action, point + 1, run))

        if action == "ACQ":
            half = nanoseconds(channel.aperture / 2.0)
            at(when + half, lambda: channel.samples.append(channel.sample()))
            at(when + 2 * half, done)
            return
        levels = channel.points()
        level = levels[point % len(levels)]
        if channel.shape == "PULS":
            rise = when + nanoseconds(channel.pulse_delay)
            fall = rise + nanoseconds(channel.pulse_width)
            at(rise, lambda: channel.go(level, True))
            at(fall, channel.rest)
            at(fall, done)
        else:
            at(when, lambda: channel.go(level, False))
            at(when, done)
