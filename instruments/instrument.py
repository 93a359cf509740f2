"""What all instrument classes share: questions, recovery, and a safe-off that never raises for a dead
link."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self, TypeVar

from ..errors import InstrumentError, LinkError, RecordError, ReplyError
from .capabilities import SafeOff
from .link import Link, LinkState, check_identity

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """What an instrument was found like when it was opened or recovered; opening changes no output.

    Attributes:
        errors: that were waiting in its error queue, oldest first; they are drained.
        live: outputs that are on, or crosspoints that are closed.
    """

    errors: tuple[str, ...]
    live: tuple[str, ...]


class Instrument(ABC):
    """An instrument of one model on an open link.

    Args:
        link: open, its identity verified.

    Raises:
        IdentityError: the link leads to another model.
        LinkError: the instrument stopped answering.
    """

    MODEL: ClassVar[str]
    """Name of the model family, for messages."""
    IDENTITY: ClassVar[str]
    """Regular expression that the reply to `*IDN?` must contain."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._match = check_identity(link, self.IDENTITY, self.MODEL)
        self.found = self._attach()

    @property
    def link(self) -> Link:
        """The link, for its state and transcript."""
        return self._link

    @property
    def identity(self) -> str:
        """Maker, model, serial number and firmware, as the instrument gave them."""
        return self._link.identity

    def ask(self, command: str, parse: Callable[[str], T], timeout: float | None = None) -> T:
        """The parsed reply to one query.

        Raises:
            ReplyError: the reply makes no sense; the link is dirty.
            LinkError: see `Link.query`.
        """
        reply = self._link.query(command, timeout)
        return self._parsed(command, reply, parse)

    @abstractmethod
    def tell(self, command: str) -> None:
        """Send a command and ask for errors, in one round trip.

        Raises:
            InstrumentError: the instrument has something against it.
        """

    @abstractmethod
    def drain_errors(self) -> tuple[InstrumentError, ...]:
        """Empty the error queue; oldest first, nothing raised."""

    @abstractmethod
    def live(self) -> tuple[str, ...]:
        """Outputs that are on, or crosspoints that are closed, read from the instrument."""

    @abstractmethod
    def _prepare(self) -> None:
        """Formats and helper scripts; must not touch an output or a relay."""

    @abstractmethod
    def _off_commands(self) -> tuple[str, ...]:
        """Commands that switch everything off, safe to send at any time."""

    def _forget(self) -> None:  # noqa: B027 - a matrix has nothing to forget
        """Forget what the instrument was set to, because it may have been power-cycled."""

    def recover(self) -> Found:
        """Make a dirty or lost link usable again: identity verified, formats set, state re-read.

        Nothing is repeated. Channels must be configured again.

        Raises:
            LinkError: the instrument does not come back.
        """
        if self._link.state is LinkState.DIRTY:
            self._link.clear()
        elif self._link.state is not LinkState.READY:
            self._link.reopen()
        self._forget()
        self.found = self._attach()
        return self.found

    def make_safe(self) -> SafeOff:
        """Everything off, read back. Idempotent; never raises for a dead link.

        The commands go out at once, also on a dirty link. If the state cannot be read back, the link is
        reopened once and they are sent again: they only switch off.
        """
        if self._link.state is LinkState.CLOSED:
            return SafeOff(False, f"{self._link.resource} is closed; its state is unknown")
        failures: list[str] = []
        for again in (False, True):
            try:
                if again:
                    self._link.reopen()
                    self._forget()
                for command in self._off_commands():
                    self._link.write(command, urgent=True)
                if self._link.state is LinkState.DIRTY:
                    self._link.clear()
                live = self.live()
                errors = self.drain_errors()
            except (LinkError, InstrumentError, RecordError) as error:
                failures.append(str(error))
                continue
            noted = f"; error queue had {', '.join(map(str, errors))}" if errors else ""
            if live:
                return SafeOff(False, f"{self._link.resource} reads back {', '.join(live)} still on{noted}")
            return SafeOff(True, f"{self._link.resource} reads back off{noted}")
        return SafeOff(False, f"{self._link.resource}: state UNKNOWN; " + "; then ".join(failures))

    def close(self) -> None:
        """Close the link; outputs stay as they are, so call `make_safe` first."""
        self._link.close()

    def __enter__(self) -> Self:
        """The instrument; `make_safe` and `close` follow at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.make_safe()
        finally:
            self.close()

    def _attach(self) -> Found:
        errors = self.drain_errors()
        self._prepare()
        return Found(tuple(map(str, errors)), self.live())

    def _parsed(self, command: str, reply: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(reply)
        except ValueError as error:
            raise self._nonsense(command, reply, str(error)) from error

    def _nonsense(self, command: str, reply: str, why: str) -> ReplyError:
        self._link.taint(f"{reply[:60]!r} in answer to {command!r}")
        return ReplyError(
            f"{self._link.resource} answers {command[:80]!r} with {reply[:60]!r} ({why}); the link is dirty: "
            "recover it and read the state back"
        )
