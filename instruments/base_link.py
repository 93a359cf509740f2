"""What all links share: terminations, dirty state, identity, transcript."""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self

from ..errors import IdentityError, LinkDirty, LinkLost, LinkTimeout, RecordError, ReplyError
from .link import LinkState
from .transcript import Transcript

QUIET = 0.1
"""How long nothing may arrive before a cleared line counts as silent, s."""


class BaseLink(ABC):
    """A link on top of four small operations of a transport.

    Args:
        resource: name for messages and the transcript.
        expected: regular expression that the identity must contain, case ignored.
        timeout: for one reply, s, > 0.
        termination: ends every message, both ways.
        identity_query: asks for the identity.
        transcript: file that every byte goes to.
    """

    def __init__(
        self,
        resource: str,
        expected: str,
        *,
        timeout: float = 2.0,
        termination: str = "\n",
        identity_query: str = "*IDN?",
        transcript: Transcript | None = None,
    ) -> None:
        if not timeout > 0.0:
            raise ValueError(f"timeout of {resource} is {timeout:g} s; more than 0 is accepted")
        if not termination:
            raise ValueError(f"{resource} needs an explicit termination, such as '\\n'")
        self._resource = resource
        self._expected = re.compile(expected, re.IGNORECASE)
        self._timeout = timeout
        self._termination = termination.encode("ascii")
        self._identity_query = identity_query
        self._transcript = transcript
        self._identity: str | None = None
        self._buffer = bytearray()
        self._state = LinkState.CLOSED
        self._why = "it was never opened"
        self._open()

    # What a transport gives. All map every failure of their library to LinkLost.

    @abstractmethod
    def _connect(self) -> None:
        """Open the transport."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the transport; idempotent; never raises for a peer that is gone."""

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """Send all bytes."""

    @abstractmethod
    def _receive(self, count: int, timeout: float) -> bytes:
        """Some bytes (at most `count`) as soon as there are any; none if none came in `timeout` s.

        A transport with message boundaries ends a message that lacks its termination with one.
        """

    def _device_clear(self) -> None:  # noqa: B027 - not every transport can
        """Tell the instrument to drop its pending output, where the transport can; raises LinkLost."""

    def _unread(self) -> bool:
        """Whether input is waiting already, where the transport can tell without waiting; raises LinkLost."""
        return False

    # Protocol.

    @property
    def resource(self) -> str:
        """Where the instrument is."""
        return self._resource

    @property
    def identity(self) -> str:
        """Reply to the identity query when the link was first opened."""
        return self._identity or ""

    @property
    def timeout(self) -> float:
        """For a reply that the instrument gives at once, s."""
        return self._timeout

    @property
    def state(self) -> LinkState:
        """READY, DIRTY, LOST or CLOSED."""
        return self._state

    def write(self, message: str, *, urgent: bool = False) -> None:
        """Send one line; see `Link.write`."""
        self._refuse_unless_ready(message, urgent=urgent)
        data = message.encode("ascii") + self._termination
        before = self._state, self._why
        self._state, self._why = LinkState.DIRTY, f"sending {message!r} was interrupted"
        if not urgent:
            self._record("sent", data)
        self._send(data)
        if urgent:  # switching off comes before writing it down
            self._record("sent", data, quiet=True)
        self._state, self._why = before

    def read(self, timeout: float | None = None) -> str:
        """One line; see `Link.read`."""
        line = self._take(None, timeout)
        return line.decode("latin-1")

    def read_bytes(self, count: int, timeout: float | None = None) -> bytes:
        """Exactly `count` bytes; see `Link.read_bytes`."""
        return self._take(count, timeout)

    def query(self, message: str, timeout: float | None = None) -> str:
        """Send one line and read one; see `Link.query`."""
        with self.exchange():
            self.write(message)
            return self.read(timeout)

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Writes and the reads of their replies; see `Link.exchange`."""
        if self._state is LinkState.READY and (self._buffer or self._unread()):
            self.taint(f"an earlier reply was left unread, {bytes(self._buffer[:40])!r}...")
        try:
            yield
        except BaseException as error:
            self.taint(f"an exchange ended early: {type(error).__name__}: {error}")
            raise

    def taint(self, reason: str) -> None:
        """Mark the link dirty; see `Link.taint`."""
        if self._state is LinkState.READY:
            self._become(LinkState.DIRTY, reason)

    def clear(self) -> None:
        """Drop what is pending and verify the identity again; see `Link.clear`.

        Bytes are dropped until the line is silent; then the identity is asked for, stale lines before its
        answer are dropped, and the line must be silent again, so that a reply that is later still is met.
        """
        if self._state in (LinkState.LOST, LinkState.CLOSED):
            raise LinkLost(f"{self._resource} is {self._state.value} ({self._why}); reopen it")
        self._note("clear")
        self._device_clear()
        self._drain()
        self._state = LinkState.READY
        self.write(self._identity_query)
        deadline = time.monotonic() + self._timeout
        while True:
            line = self.read(max(deadline - time.monotonic(), 1e-3))
            if line == self.identity:
                break
        stale = self._drain()
        if stale.strip(self._termination) not in (b"", self.identity.encode("latin-1")):
            self.taint(f"{stale[:40]!r} came after the identity")
            raise ReplyError(f"{self._resource} still sends {stale[:40]!r} after a clear; reopen it")

    def reopen(self) -> None:
        """Close, open and verify; see `Link.reopen`."""
        self.close()
        self._open()

    def close(self) -> None:
        """Give up the connection; see `Link.close`."""
        if self._state is not LinkState.CLOSED:
            self._disconnect()
            self._become(LinkState.CLOSED, "it was closed")
        self._buffer.clear()

    def __enter__(self) -> Self:
        """The open link."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside.

    def _open(self) -> None:
        self._buffer.clear()
        try:
            self._connect()
            self._become(LinkState.READY, "opened")
            self._verify_identity()
        except BaseException as error:
            self._disconnect()
            if self._state is not LinkState.LOST:
                self._become(LinkState.LOST, f"opening failed: {error}")
            raise

    def _verify_identity(self) -> None:
        found = self.query(self._identity_query)
        if not self._expected.search(found):
            raise IdentityError(
                f"{self._resource} answers {self._identity_query} with {found!r}; expected "
                f"/{self._expected.pattern}/. Check the address; nothing else was sent"
            )
        if self._identity is not None and found != self._identity:
            raise IdentityError(
                f"{self._resource} now answers {found!r}; it was {self._identity!r} before. "
                "Check cables and addresses, then open the bench anew"
            )
        self._identity = found

    def _take(self, count: int | None, timeout: float | None) -> bytes:
        """A line without its termination (count None), or `count` bytes."""
        if self._state in (LinkState.LOST, LinkState.CLOSED):
            raise LinkLost(f"{self._resource} is {self._state.value} ({self._why}); reopen it")
        if self._state is LinkState.DIRTY:
            raise LinkDirty(f"{self._resource} is dirty ({self._why}); clear or reopen it before reading")
        limit = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        self._state, self._why = LinkState.DIRTY, "waiting for a reply was interrupted"
        while True:
            found = self._from_buffer(count)
            if found is not None:
                self._state = LinkState.READY
                return found
            left = deadline - time.monotonic()
            if left <= 0.0:
                break
            wanted = 65536 if count is None else count - len(self._buffer)
            data = self._receive(wanted, left)
            if data:
                self._record("received", data)
                self._buffer += data
        partial = f"only {bytes(self._buffer[:40])!r} came" if self._buffer else "nothing came"
        self._become(LinkState.DIRTY, f"no complete reply in {limit:g} s, {partial}")
        raise LinkTimeout(
            f"{self._resource} gave no complete reply in {limit:g} s ({partial}); the link is dirty: "
            "clear or reopen it, and read the state back before going on"
        )

    def _from_buffer(self, count: int | None) -> bytes | None:
        if count is None:
            end = self._buffer.find(self._termination)
            if end < 0:
                return None
            taken, skip = bytes(self._buffer[:end]), end + len(self._termination)
        else:
            if len(self._buffer) < count:
                return None
            taken, skip = bytes(self._buffer[:count]), count
        del self._buffer[:skip]
        return taken

    def _drain(self) -> bytes:
        """Drop what arrives until nothing does for `QUIET` s; a peer that never stops is LinkTimeout."""
        dropped = bytes(self._buffer)
        self._buffer.clear()
        deadline = time.monotonic() + max(self._timeout, 10.0 * QUIET)
        while True:
            data = self._receive(65536, QUIET)
            if not data:
                return dropped
            self._record("received", data)
            dropped += data
            if time.monotonic() > deadline:
                self._become(LinkState.DIRTY, "it does not stop sending")
                raise LinkTimeout(f"{self._resource} does not stop sending; reopen it or power it off")

    def _refuse_unless_ready(self, message: str, *, urgent: bool) -> None:
        if self._state in (LinkState.LOST, LinkState.CLOSED):
            raise LinkLost(f"{self._resource} is {self._state.value} ({self._why}); {message!r} was not sent")
        if self._state is LinkState.DIRTY and not urgent:
            raise LinkDirty(
                f"{self._resource} is dirty ({self._why}); {message!r} was not sent. Clear or reopen the "
                "link and read the state back first"
            )

    def _lost(self, cause: object) -> LinkLost:
        """The error to raise when the peer is gone; the link is LOST from here on."""
        text = f"{type(cause).__name__}: {cause}" if isinstance(cause, BaseException) else str(cause)
        self._become(LinkState.LOST, text)
        return LinkLost(
            f"{self._resource} is lost ({text}); what it did with the last command is unknown. Reopen the "
            "link and read the state back"
        )

    def _become(self, state: LinkState, why: str) -> None:
        self._note(f"{state.value}: {why}")
        self._state, self._why = state, why

    def _note(self, text: str) -> None:
        self._record("note", text.encode("utf-8"), quiet=True)

    def _record(self, kind: Literal["sent", "received", "note"], data: bytes, *, quiet: bool = False) -> None:
        """Write to the transcript. One that fails is given up after one error, so that off still works."""
        if self._transcript is None:
            return
        try:
            match kind:
                case "sent":
                    self._transcript.sent(self._resource, data)
                case "received":
                    self._transcript.received(self._resource, data)
                case "note":
                    self._transcript.note(self._resource, data.decode("utf-8"))
        except (OSError, ValueError) as error:
            self._transcript = None
            if not quiet:
                raise RecordError(
                    f"the transcript of {self._resource} cannot be written ({error}); nothing more is "
                    "recorded. Make the bench safe, free the disk, and open the bench anew"
                ) from error
