"""Naming, claiming, listing and finding runs below a root directory."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RecordError
from .schema import EVENTS_FILE, MANIFEST_FILE

if TYPE_CHECKING:  # a manifest is YAML, whose import takes longer than finding a run by its path
    from .manifest import Manifest

_RUN_ID = re.compile(r"\d{8}T\d{6}Z-")
_SHOWN = 10


def new_run_id(command: str, name: str, now: datetime) -> str:
    """UTC time, command, short name and a random suffix, safe as a file name everywhere."""
    import secrets

    words = [re.sub(r"[^a-z0-9]+", "-", part.lower())[:24].strip("-") for part in (command, name)]
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return "-".join([stamp, *(word for word in words if word), secrets.token_hex(2)])


def claim(root: Path, run_id: str) -> Path:
    """Make the directory of a new run: of two processes that want the same one, only one gets it.

    Raises:
        RecordError: it exists already or cannot be made.
    """
    directory = root / run_id
    try:
        root.mkdir(parents=True, exist_ok=True)
        directory.mkdir()
    except OSError as error:
        if directory.exists():
            raise RecordError(
                f"the run {directory} exists already and may be written by another process; a run has one "
                "writer. Start a new run."
            ) from error
        raise RecordError(
            f"cannot make the run directory {directory}: {error}. Give a writable directory for runs."
        ) from error
    return directory


class RunEntry(NamedTuple):
    """A run directory as listed: its manifest, or the problem that hides it."""

    directory: Path
    manifest: "Manifest | None"
    problem: str | None

    @property
    def started_utc(self) -> datetime:
        """Aware UTC time of the start; of a damaged run, what its name says, or the beginning of time."""
        if self.manifest is not None:
            return self.manifest.started_utc
        try:
            return datetime.strptime(self.directory.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            return datetime.min.replace(tzinfo=UTC)


def list_runs(root: Path) -> list[RunEntry]:
    """Runs below `root`, newest first; a damaged one is listed with its problem. No root, no runs.

    Raises:
        RecordError: the root cannot be listed.
    """
    entries = [_entry(directory) for directory in _candidates(root)]
    return sorted(entries, key=_age, reverse=True)


def find_run(root: Path, text: str) -> Path:
    """The directory of the run that `text` means: a path, a run id, the beginning of one, or `last`.

    Raises:
        RecordError: no run or several fit; the message lists candidates.
    """
    if text and (Path(text) / MANIFEST_FILE).is_file():
        return Path(text)
    candidates = _candidates(root)
    if not candidates:
        raise RecordError(
            f"no run fits {text!r}: {root} holds no runs. Start one, or give the path of a run."
        )
    if text == "last":
        newest = _newest(candidates)
        if newest is not None:
            return newest
        raise RecordError(
            f"{root} holds only damaged runs: {_named(candidates)}. Give the path of another run."
        )
    exact = [directory for directory in candidates if directory.name == text]
    fitting = exact or [directory for directory in candidates if text and directory.name.startswith(text)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise RecordError(
            f"{len(fitting)} runs in {root} begin with {text!r}: {_named(fitting)}. Give more of the run id."
        )
    raise RecordError(
        f"no run in {root} fits {text!r}; it holds {_named(candidates)}. "
        "Give a path, a run id, the beginning of one, or `last`."
    )


def _newest(candidates: list[Path]) -> Path | None:
    """The newest run whose manifest can be read; None if there is none.

    The name of a run begins with the second of its start, so of all that are so named few manifests are read.
    """
    named = [directory for directory in candidates if _RUN_ID.match(directory.name)]
    readable = [_entry(directory) for directory in candidates if directory not in named]
    second = ""
    for directory in sorted(named, key=lambda path: path.name, reverse=True):
        if second and not directory.name.startswith(second):
            break
        entry = _entry(directory)
        if entry.manifest is not None:
            readable.append(entry)
            second = directory.name[:16]
    readable = [entry for entry in readable if entry.manifest is not None]
    return max(readable, key=_age).directory if readable else None


def _age(entry: RunEntry) -> tuple[datetime, str]:
    return entry.started_utc, entry.directory.name


def _candidates(root: Path) -> list[Path]:
    try:
        return [path for path in root.iterdir() if path.is_dir() and _looks_like_run(path)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(
            f"cannot list the runs in {root}: {error}. Give the directory that holds runs."
        ) from error


def _looks_like_run(path: Path) -> bool:
    return bool(_RUN_ID.match(path.name)) or (path / MANIFEST_FILE).exists() or (path / EVENTS_FILE).exists()


def _entry(directory: Path) -> RunEntry:
    from .manifest import read_manifest

    try:
        manifest = read_manifest(directory)
    except RecordError as error:
        return RunEntry(directory, None, str(error))
    missing = not (directory / EVENTS_FILE).is_file()
    return RunEntry(directory, manifest, f"{EVENTS_FILE} is absent" if missing else None)


def _named(directories: list[Path]) -> str:
    names = sorted((directory.name for directory in directories), reverse=True)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
