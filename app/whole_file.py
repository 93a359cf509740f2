"""Text files written whole or not at all."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file in UTF-8: whoever reads it meanwhile finds what was there before, or all of the new text.

    Raises:
        OSError: the directory cannot be made, or the file cannot be written.
    """
    path = path.resolve()  # what a link points to is replaced, not the link
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # such as /dev/null, which must stay what it is
        path.write_text(text, encoding="utf-8")
        return
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)  # there only if it could not be written or put in place
