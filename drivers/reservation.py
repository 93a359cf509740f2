"""One process a bench: instruments that a process has open are refused to every other on this computer."""

import hashlib
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from pyvisa import rname

from ..errors import LinkError
from .file_lock import hold


def reserve(resources: Iterable[str]) -> ExitStack:
    """Keep instruments to this process until the returned stack is closed, or the process ends in any way.

    Another computer can still reach an instrument on the network; nothing here keeps it out.

    Args:
        resources: addresses as in the bench file.

    Raises:
        LinkError: another process has one of them open, or it cannot be told; nothing was opened.
    """
    with ExitStack() as stack:
        for name, resource in sorted({canonical(one): one for one in resources}.items()):
            path = lock_file(name)
            try:
                release = hold(path)
            except OSError as error:
                raise LinkError(
                    f"{resource}: whether another process has it open cannot be told, because {path} "
                    f"cannot be locked ({error.strerror}); nothing was opened. If another user of this "
                    "computer left that file, have it deleted while no mtjloop is running"
                ) from error
            if release is None:
                raise LinkError(
                    f"{resource} is in use by another mtjloop process on this computer (lock {path}); "
                    "nothing was opened. Wait for it to end, or stop it"
                )
            stack.callback(release)
        return stack.pop_all()


def canonical(resource: str) -> str:
    """An address as all its spellings are locked: VISA names with what they leave out, in lower case.

    A serial port is locked by its own name, whether VISA or pyserial opens it.
    """
    try:
        parsed = rname.ResourceName.from_string(resource.strip())
    except rname.InvalidResourceName:  # a serial port
        return resource.strip().lower()
    port = str(getattr(parsed, "board", ""))
    if parsed.interface_type == "ASRL":
        return f"com{port}" if port.isdecimal() else port.lower()
    return str(parsed).lower()


def lock_file(address: str) -> Path:
    """Where the lock of a canonical address lies; the file stays, the lock ends with its process."""
    name = hashlib.sha256(address.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mtjloop-{name}.lock"
