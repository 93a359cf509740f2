"""A file of every byte that crossed a link, with times, for the bench notebook and for bug reports."""

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from ..errors import RecordError


class Transcript:
    """A transcript file: one JSON object a line, flushed at once, appended to if the file exists.

    The first line of a session gives its UTC time and the monotonic clock at that moment; later lines have
    `t` (monotonic, s), `link` (resource name) and `sent`, `received` or `note`. Bytes are written as the
    characters of the same code (Latin-1), so `text.encode("latin-1")` gives them back exactly. Several
    links may share one transcript.

    Raises:
        RecordError: the file cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        try:
            self._file: TextIO = Path(path).open("a", encoding="utf-8", newline="\n")  # noqa: SIM115 - closed by close
        except OSError as error:
            raise RecordError(f"{path}: no transcript can be written ({error}); name another file") from error
        self._line({"t": time.monotonic(), "utc": datetime.now(UTC).isoformat(), "note": "transcript opened"})

    def sent(self, link: str, data: bytes) -> None:
        """Note bytes that go out."""
        self._line({"t": time.monotonic(), "link": link, "sent": data.decode("latin-1")})

    def received(self, link: str, data: bytes) -> None:
        """Note bytes that came in."""
        self._line({"t": time.monotonic(), "link": link, "received": data.decode("latin-1")})

    def note(self, link: str, text: str) -> None:
        """Note an event of the link: opened, timeout, lost, cleared, closed."""
        self._line({"t": time.monotonic(), "link": link, "note": text})

    def close(self) -> None:
        """Close the file; links that still use the transcript fail loudly."""
        self._file.close()

    def __enter__(self) -> Self:
        """The transcript itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _line(self, entry: dict[str, object]) -> None:
        with self._lock:
            self._file.write(json.dumps(entry, ensure_ascii=True) + "\n")
            self._file.flush()
