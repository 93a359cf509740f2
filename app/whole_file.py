"""Text files written whole or not at all."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file in UTF-8: whoever reads it meanwhile finds what was there before, or all of the new text.

    Raises:
        OSError: the directory cannot be made, or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
