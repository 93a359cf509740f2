"""Text files written whole or not at all."""

from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8: whoever reads it meanwhile finds what was there before, or all of the new.

    Where it cannot be written, what was there stays and nothing else is left behind. A link is followed; a
    pipe or a device is written to as it is. What UTF-8 cannot hold becomes a `?`.

    Raises:
        OSError: the directory cannot be made, or the file cannot be written.
    """
    data = content.encode("utf-8", errors="replace") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # a pipe or device must stay what it is
        path.write_bytes(data)
        return
    path = path.resolve()  # what a link points to is replaced, not the link
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)  # there only if it could not be written or put in place
