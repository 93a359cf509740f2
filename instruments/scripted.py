"""A link for tests of instrument classes: it plays literal (command, reply) pairs; a deviation fails."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..errors import LinkDirty, LinkLost, LinkTimeout
from .link import LinkState

Pair = tuple[str, str | bytes | None]
"""What must be sent, and what is answered: lines joined by newlines, bytes as they are, None for nothing."""


class ScriptedLink:
    """A link that answers from a script. The pairs read like a page of the instrument's manual.

    Args:
        identity: reply to the identity query, which is taken as verified.
        pairs: in the order in which they must be sent.

    Raises:
        AssertionError: something else was sent, or read, than the script has.
    """

    def __init__(self, identity: str, pairs: Iterable[Pair] = ()) -> None:
        self._identity = identity
        self._pairs = deque(pairs)
        self._pending = b""
        self._state = LinkState.READY
        self.broken = False
        """Set to make every further traffic fail as on a lost link."""

    @property
    def resource(self) -> str:
        """The name `scripted`."""
        return "scripted"

    @property
    def identity(self) -> str:
        """As given."""
        return self._identity

    @property
    def timeout(self) -> float:
        """Nothing waits here."""
        return 2.0

    @property
    def state(self) -> LinkState:
        """READY, DIRTY, LOST or CLOSED."""
        return self._state

    def expect(self, *pairs: Pair) -> None:
        """Add to the script."""
        self._pairs.extend(pairs)

    def done(self) -> None:
        """Fail if the script has not been played to its end."""
        if self._pairs or self._pending:
            raise AssertionError(f"never sent: {list(self._pairs)[:3]}; never read: {self._pending!r}")

    def write(self, message: str, *, urgent: bool = False) -> None:
        """Compare with the script; see `Link.write`."""
        if self.broken or self._state in (LinkState.LOST, LinkState.CLOSED):
            self._state = LinkState.LOST
            raise LinkLost("scripted link is lost")
        if self._state is LinkState.DIRTY and not urgent:
            raise LinkDirty("scripted link is dirty")
        for line in message.split("\n"):
            wanted, reply = self._pairs.popleft() if self._pairs else ("nothing", None)
            if line != wanted:
                raise AssertionError(f"sent\n  {line!r}\nbut the script wants\n  {wanted!r}")
            if reply is not None:
                self._pending += reply if isinstance(reply, bytes) else reply.encode("latin-1") + b"\n"

    def read(self, timeout: float | None = None) -> str:  # noqa: ARG002 - nothing to wait for
        """The next line; see `Link.read`."""
        line, newline, rest = self._pending.partition(b"\n")
        if not newline:
            self._state = LinkState.DIRTY
            raise LinkTimeout(f"the script has no reply; pending {self._pending!r}")
        self._pending = rest
        return line.decode("latin-1")

    def read_bytes(self, count: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as read
        """Some bytes; see `Link.read_bytes`."""
        if len(self._pending) < count:
            self._state = LinkState.DIRTY
            raise LinkTimeout(f"the script has {len(self._pending)} of {count} bytes")
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken

    def query(self, message: str, timeout: float | None = None) -> str:
        """Write and read; see `Link.query`."""
        with self.exchange():
            self.write(message)
            return self.read(timeout)

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """See `Link.exchange`."""
        try:
            yield
        except BaseException as error:
            self.taint(str(error))
            raise

    def taint(self, reason: str) -> None:  # noqa: ARG002 - a script needs no reason
        """See `Link.taint`."""
        if self._state is LinkState.READY:
            self._state = LinkState.DIRTY

    def clear(self) -> None:
        """Ready again, pending replies dropped."""
        self._refuse_broken()
        self._pending = b""
        self._state = LinkState.READY

    def reopen(self) -> None:
        """Ready again, pending replies dropped."""
        self._refuse_broken()
        self._pending = b""
        self._state = LinkState.READY

    def close(self) -> None:
        """Closed."""
        self._state = LinkState.CLOSED

    def _refuse_broken(self) -> None:
        if self.broken:
            self._state = LinkState.LOST
            raise LinkLost("scripted link is lost")
