"""A file that one process at a time holds, on Windows, macOS and Linux."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_HELD_BY_ANOTHER = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What systems answer to a lock that is taken: POSIX the first, Windows one of the others."""


def hold(path: Path) -> Callable[[], None] | None:
    """Hold a lock file until the returned function is called, or the process ends in any way.

    The file is made if it is absent and stays for good: one that was deleted could be held twice.

    Returns:
        What lets go of it; None if another process holds it.

    Raises:
        OSError: the file cannot be opened, or its file system knows no locks.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(file)
    except OSError as error:
        os.close(file)
        if error.errno in _HELD_BY_ANOTHER:
            return None
        raise
    return lambda: os.close(file)
