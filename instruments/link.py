"""The link protocol: what an instrument class needs of the line it talks on.

A link is in one of four states:

- READY: no reply is due; commands and queries may go out.
- DIRTY: a reply may still be on its way (timeout, garbage, an interrupt while waiting). The next query
  would read the answer to an earlier one, so all traffic is refused until `clear` or `reopen`; only an
  urgent write (outputs off) goes out.
- LOST: the peer is gone; only `reopen` helps.
- CLOSED.

Nothing is ever sent twice by a link. A link belongs to one thread.
"""

import re
from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol, runtime_checkable

from ..errors import IdentityError


class LinkState(Enum):
    """See the module text."""

    READY = "ready"
    DIRTY = "dirty"
    LOST = "lost"
    CLOSED = "closed"


@runtime_checkable
class Link(Protocol):
    """What an instrument class needs of its link."""

    @property
    def resource(self) -> str:
        """Where the instrument is, for messages."""
        ...

    @property
    def identity(self) -> str:
        """Reply to the identity query, verified when the link was opened."""
        ...

    @property
    def timeout(self) -> float:
        """For a reply that the instrument gives at once, s."""
        ...

    @property
    def state(self) -> LinkState:
        """Whether a query may go out now."""
        ...

    def write(self, message: str, *, urgent: bool = False) -> None:
        """Send one message; the termination is added.

        Args:
            message: ASCII text without final termination; lines within it are separate commands to TSP.
            urgent: sent even on a dirty link, for commands that only switch off.

        Raises:
            LinkDirty: a reply may still be on its way (not raised for urgent messages).
            LinkLost: the instrument is gone.
        """
        ...

    def read(self, timeout: float | None = None) -> str:
        """One line of a reply, without its termination.

        Args:
            timeout: for the whole line, s; None takes that of the link.

        Raises:
            LinkTimeout: no complete line in time; the link is dirty now.
            LinkLost: the instrument is gone.
        """
        ...

    def read_bytes(self, count: int, timeout: float | None = None) -> bytes:
        """Exactly `count` bytes of a reply, for binary blocks; raises as `read`."""
        ...

    def query(self, message: str, timeout: float | None = None) -> str:
        """Send one line and read one; raises as `write` and `read`."""
        ...

    def exchange(self) -> AbstractContextManager[None]:
        """Around writes and the reads of their replies: leaving it by an exception makes the link dirty.

        If something is left unread on entry, the link is dirty at once, and the first write says so.
        An interrupt between two reads would otherwise leave a reply to be taken for that of a later query.
        """
        ...

    def taint(self, reason: str) -> None:
        """Mark the link dirty, because a reply made no sense."""
        ...

    def clear(self) -> None:
        """Drop what is pending and verify the identity again; ready afterwards, or `LinkError`."""
        ...

    def reopen(self) -> None:
        """Close, open, and verify that the same instrument answers; ready afterwards, or `LinkError`."""
        ...

    def close(self) -> None:
        """Give up the connection. Idempotent, never raises for a peer that is gone."""
        ...


def check_identity(link: Link, pattern: str, model: str) -> re.Match[str]:
    """The match of an instrument's own pattern in the identity of its link.

    Raises:
        IdentityError: the link leads to another model.
    """
    match = re.search(pattern, link.identity, re.IGNORECASE)
    if match is None:
        raise IdentityError(
            f"{link.resource} is {link.identity!r}, which is no {model} (/{pattern}/). Check the bench file"
        )
    return match
