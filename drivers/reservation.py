"""One process a bench: instruments that a process has open are refused to every other on this computer."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ..errors import LinkError

if sys.platform == "win32":
    import msvcrt

    def lock(file: int) -> None:
        """Lock an open file for this process alone, until it is closed; `OSError` if another one has it."""
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: int) -> None:
        """Lock an open file for this process alone, until it is closed; `OSError` if another one has it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def reserve(resources: Iterable[str]) -> ExitStack:
    """Keep instruments to this process until the returned stack is closed, or the process ends in any way.

    Another computer can still reach an instrument on the network; nothing here keeps it out.

    Args:
        resources: addresses as in the bench file.

    Raises:
        LinkError: another process has one of them open; nothing was opened.
    """
    with ExitStack() as stack:
        for name, resource in sorted({one.strip().lower(): one for one in resources}.items()):
            path = lock_file(name)
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
                stack.callback(os.close, file)
                lock(file)
            except OSError as error:
                raise LinkError(
                    f"{resource} is in use by another mtjloop process on this computer (lock {path}: "
                    f"{error.strerror}); nothing was opened. Wait for it to end, or stop it"
                ) from error
        return stack.pop_all()


def lock_file(resource: str) -> Path:
    """Where the lock of an address lies; the file stays, the lock ends with its process."""
    name = hashlib.sha256(resource.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mtjloop-{name}.lock"
