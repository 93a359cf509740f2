"""Faults on demand: what a bench does when it misbehaves, by name, for the next messages."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from .bench import Bench, Emulator

FaultName = Literal[
    "drop",
    "delay",
    "late-reply",
    "truncated-line",
    "garbage",
    "error-queue-overflow",
    "interlock-open",
    "compliance-hit",
    "stuck-relay",
    "process-death",
]
FAULT_NAMES: tuple[str, ...] = get_args(FaultName)
MESSAGE_AVAILABLE = 16
"""Bit 4 of the status byte (IEEE 488.2)."""
_GARBAGE = bytes(range(128, 160)) + b"?;\x00\n"
_SQUEEZED = 1e-6


@dataclass(frozen=True)
class Delivery:
    """What goes back over the link.

    Attributes:
        data: bytes to send, maybe none.
        late: reply to an earlier message, which goes out before `data`.
        ends: whether the reply ends as the instrument ends one; a truncated one has no end.
        delay: wall time to wait before sending, s.
        died: whether the link is cut and never comes back.
    """

    data: bytes = b""
    late: bytes = b""
    ends: bool = True
    delay: float = 0.0
    died: bool = False


@dataclass
class _Armed:
    name: str
    messages: int
    skip: int
    duration: float
    crosspoint: str
    closed: bool


@dataclass
class Endpoint:
    """An emulator with the faults armed for it; every link to it speaks through one endpoint.

    Attributes:
        bench: what it stands on.
        emulator: the instrument.
        stick: makes a relay of the instrument stick, None if it has no relays.
    """

    bench: Bench
    emulator: Emulator
    stick: Callable[[str, bool], None] | None = None
    dead: bool = False
    _armed: list[_Armed] = field(default_factory=list)
    _held: bytes = b""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(
        self,
        name: FaultName,
        messages: int = 1,
        *,
        skip: int = 0,
        duration: float = 0.2,
        crosspoint: str = "1A01",
        closed: bool = True,
    ) -> None:
        """Let a fault happen with the next messages.

        drop: the message is lost. delay: the reply comes late by `duration`. late-reply: the reply comes
        only with that to the next message. truncated-line: half of the reply, no terminator. garbage: other
        bytes instead. error-queue-overflow: the queue is full. interlock-open, compliance-hit: for these
        messages the interlock is open, every limit is a millionth. stuck-relay: `crosspoint` stays closed or
        open for ever. process-death: the link is cut, nothing listens any more.

        Args:
            name: one of `FAULT_NAMES`.
            messages: how many messages it lasts.
            skip: how many messages pass untouched before.
            duration: of a delay, s of wall time.
            crosspoint: of a stuck relay.
            closed: whether the relay sticks closed.

        Raises:
            ValueError: the name is not known, or the instrument has no relays to stick.
        """
        if name not in FAULT_NAMES:
            raise ValueError(f"fault {name!r}; one of {', '.join(FAULT_NAMES)} is accepted")
        if name == "stuck-relay" and self.stick is None:
            raise ValueError(f"{self.emulator.name} has no relays; arm stuck-relay on a switch matrix")
        with self._lock:
            self._armed.append(_Armed(name, messages, skip, duration, crosspoint, closed))

    def disarm(self) -> None:
        """Forget what is armed and did not happen yet."""
        with self._lock:
            self._armed.clear()

    def handle(self, message: bytes) -> Delivery:
        """Give a message to the instrument, and what comes of it with the faults armed now."""
        active = self._due()
        names = {one.name for one in active}
        if self.dead or "process-death" in names:
            self.dead = True
            return Delivery(died=True)
        if "drop" in names:
            return Delivery()
        reply = self._exchange(message, active)
        late, self._held = self._held, b""
        if "late-reply" in names:
            self._held = late + reply
            return Delivery()
        if "garbage" in names and reply:
            reply = _GARBAGE
        ends = "truncated-line" not in names
        if not ends:
            reply = reply[: len(reply) // 2]
        delay = sum(one.duration for one in active if one.name == "delay")
        return Delivery(reply, late, ends, delay)

    def clear(self) -> None:
        """A device clear, on links that have one: a reply that is held back is dropped."""
        self._held = b""

    def status_byte(self) -> int:
        """What a serial poll finds, but for bit 4 (message available), which only the link knows."""
        return self.emulator.status_byte() & ~MESSAGE_AVAILABLE

    def _due(self) -> list[_Armed]:
        """The faults of this message; counts them down."""
        active = []
        with self._lock:
            for one in list(self._armed):
                if one.skip:
                    one.skip -= 1
                    continue
                active.append(one)
                one.messages -= 1
                if one.messages <= 0:
                    self._armed.remove(one)
        return active

    def _exchange(self, message: bytes, active: list[_Armed]) -> bytes:
        names = {one.name for one in active}
        with self.bench.lock:
            if "error-queue-overflow" in names:
                self.emulator.overflow_errors()
            for one in active:
                if one.name == "stuck-relay" and self.stick is not None:
                    self.stick(one.crosspoint, one.closed)
            if "interlock-open" in names:
                self.emulator.set_interlock(False)
            if "compliance-hit" in names:
                self.emulator.squeeze(_SQUEEZED)
            reply = self.emulator.receive(message)
            if "interlock-open" in names:
                self.emulator.set_interlock(True)
            if "compliance-hit" in names:
                self.emulator.squeeze(1.0)
        return reply
