"""Passive checks of benches, kept beside the runs: arming asks for the last one of a bench file."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import RecordError

DIRECTORY = "checks"
FORMAT = 1


@dataclass(frozen=True)
class StoredCheck:
    """A check as it was stored.

    Attributes:
        file: where it is kept.
        bench_path: of the bench file, absolute.
        bench_hash: SHA-256 of its text.
        hash: of the text and the identities of the instruments.
        identities: of the instruments, by name.
        passed: whether everything was in order.
        checked_utc: when, ISO 8601.
        content: everything that was stored.
    """

    file: Path
    bench_path: str
    bench_hash: str
    hash: str
    identities: Mapping[str, str]
    passed: bool
    checked_utc: str
    content: Mapping[str, Any]


def store_check(runs: Path, content: Mapping[str, Any]) -> Path:
    """Keep a check; all or nothing.

    Args:
        runs: directory of the runs; the check goes into its directory `checks`.
        content: as JSON goes, with at least the fields of `StoredCheck` but for `file` and `content`.

    Raises:
        RecordError: it cannot be written.
    """
    directory = runs / DIRECTORY
    time = datetime.fromisoformat(content["checked_utc"])
    file = directory / f"{time:%Y%m%dT%H%M%S}{time.microsecond // 1000:03d}Z-{content['hash'][:12]}.json"
    text = json.dumps({"format": FORMAT, **content}, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        draft = directory / f".{file.name}.part"
        try:
            with draft.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)  # there only if it could not be written or put in place
    except OSError as error:
        raise RecordError(
            f"{directory}: the check cannot be kept ({error}); free space or give --runs"
        ) from error
    return file


def last_check(runs: Path, bench_hash: str) -> StoredCheck | None:
    """The last check of a bench file with this very text, passed or not; None if there is none.

    Raises:
        RecordError: a stored check is damaged.
    """
    return next((one for one in _newest_first(runs) if one.bench_hash == bench_hash), None)


def last_check_at(runs: Path, bench_path: Path) -> StoredCheck | None:
    """The last check of whatever stood in a bench file then; None if there is none.

    Raises:
        RecordError: a stored check is damaged.
    """
    path = str(bench_path.resolve())
    return next((one for one in _newest_first(runs) if one.bench_path == path), None)


def _newest_first(runs: Path) -> list[StoredCheck]:
    try:
        files = [
            one for one in (runs / DIRECTORY).iterdir() if re.fullmatch(r"\d{8}T\d{9}Z-.*\.json", one.name)
        ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(f"{runs / DIRECTORY}: checks cannot be listed ({error})") from error
    return sorted(
        (_read(one) for one in files), key=lambda one: (one.checked_utc, one.file.name), reverse=True
    )


def _read(file: Path) -> StoredCheck:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        identities = {str(name): str(identity) for name, identity in content["identities"].items()}
        texts = [content[key] for key in ("bench_path", "bench_hash", "hash", "checked_utc")]
        if content["format"] != FORMAT or not all(isinstance(one, str) for one in texts):
            raise ValueError("it is none of this version")
        return StoredCheck(
            file, texts[0], texts[1], texts[2], identities, content["passed"] is True, texts[3], content
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{file}: no stored check ({error}); delete it and run `mtjloop check` again"
        ) from error
