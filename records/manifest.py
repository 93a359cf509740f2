"""The manifest of a run, `run.yaml`: what was run, by whom, on what, with which texts and versions."""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import yaml

from ..errors import RecordError
from .schema import MANIFEST_FILE

MANIFEST_FORMAT = 1
RUNNING = "running"
COMPLETED = "completed"
INTERRUPTED = "interrupted"

Value = TypeVar("Value")


@dataclass(frozen=True)
class Configuration:
    """A file that steered a run: its path as it was given, its whole text and the text's SHA-256."""

    path: str
    text: str
    sha256: str

    @classmethod
    def of(cls, path: Path | str, text: str) -> "Configuration":
        """The configuration with this text; `path` is kept as it was given."""
        return cls(path=str(path), text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


@dataclass(frozen=True)
class Manifest:
    """Everything about a run that is not a measurement.

    Attributes:
        run_id: name of the run directory.
        command: what was run, for instance `train`.
        name: short name given by the experiment.
        started_utc: aware UTC time.
        finished_utc: aware UTC time; None while running and after a kill.
        stop_reason: `running`, `completed`, `interrupted` or `failed: <why>`.
        backend: kind of crossbar, for instance `simulated`.
        hardware: True when real hardware was driven.
        seed: of all random numbers, None if there was none.
        detail: `full` (one row a pulse) or `tally` (counts).
        configurations: file name -> what it said.
        versions: package -> version.
        git_commit: of the working directory, None outside a checkout.
        git_dirty: tracked files differed from the commit; None if unknown.
        operator: who ran it.
        die_id: which die was in the socket.
        temperature: kelvin.
        identities: `*IDN?` answers; empty for the simulator.
        wiring_hash: of the verified wiring.
        result: JSON-like; empty until the run is finished.
    """

    run_id: str
    command: str
    name: str
    started_utc: datetime
    backend: str
    hardware: bool
    seed: int | None = None
    finished_utc: datetime | None = None
    stop_reason: str = RUNNING
    detail: str = "full"
    configurations: Mapping[str, Configuration] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    git_dirty: bool | None = None
    operator: str | None = None
    die_id: str | None = None
    temperature: float | None = None
    identities: tuple[str, ...] = ()
    wiring_hash: str | None = None
    result: Mapping[str, object] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """The stop reason in words that stay true after a kill: a run still marked running may be dead."""
        return "running or killed" if self.stop_reason == RUNNING else self.stop_reason


def plain(value: object, where: str = "result") -> object:
    """The value with numpy scalars, arrays, tuples and paths turned into what YAML and JSON hold.

    Raises:
        RecordError: a value of another kind, named by its place.
    """
    # By what they can do, not by their class: a question about a run should not wait for numpy.
    as_list = getattr(value, "tolist", None)
    if callable(as_list):
        return plain(as_list(), where)
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise RecordError(
        f"{where} is a {type(value).__name__}, which a run manifest cannot hold. "
        "Give numbers, text, lists, mappings or numpy arrays."
    )


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The compiled one takes a tenth of the time, where PyYAML has it."""


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a person can read a configuration in run.yaml."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # YAML takes these for line ends too; only a quoted text keeps them.
    unusual = any(letter in text for letter in "\x85\u2028\u2029")
    style = '"' if unusual else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write `run.yaml` atomically: a reader sees the old or the new one, never half of it.

    Raises:
        RecordError: the file cannot be written, or the result holds what YAML cannot.
    """
    document = {
        "format": MANIFEST_FORMAT,
        "run_id": manifest.run_id,
        "command": manifest.command,
        "name": manifest.name,
        "started_utc": _stamp(manifest.started_utc),
        "finished_utc": None if manifest.finished_utc is None else _stamp(manifest.finished_utc),
        "stop_reason": manifest.stop_reason,
        "backend": manifest.backend,
        "driven": "hardware" if manifest.hardware else "simulated",
        "seed": plain(manifest.seed, "seed"),
        "detail": manifest.detail,
        "operator": manifest.operator,
        "die_id": manifest.die_id,
        "temperature": plain(manifest.temperature, "temperature"),
        "identities": list(manifest.identities),
        "wiring_hash": manifest.wiring_hash,
        "git": {"commit": manifest.git_commit, "dirty": manifest.git_dirty},
        "versions": dict(manifest.versions),
        "result": plain(manifest.result),
        "configurations": {
            name: {"path": item.path, "sha256": item.sha256, "text": item.text}
            for name, item in manifest.configurations.items()
        },
    }
    path = directory / MANIFEST_FILE
    draft = directory / f"{MANIFEST_FILE}.part"
    try:
        with draft.open("w", encoding="utf-8") as stream:
            yaml.dump(document, stream, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except (OSError, UnicodeEncodeError, yaml.YAMLError) as error:
        raise RecordError(
            f"cannot write {path}: {error}. Check that the disk has room and the directory still exists "
            "and is writable, then run again."
        ) from error
    finally:
        # There only if it could not be written or put in place; what went wrong is told above.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the run in this directory.

    Raises:
        RecordError: no such file, not a manifest, or written by a later mtjloop.
    """
    path = directory / MANIFEST_FILE
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError as error:
        raise RecordError(
            f"{directory} is not a run: it has no {MANIFEST_FILE}. Give a run directory, a run id or `last`."
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecordError(f"cannot read {path}: {error}. Restore the file from a copy of the run.") from error
    if not isinstance(document, dict):
        raise RecordError(f"{path} is damaged: it holds no mapping. Restore it from a copy of the run.")
    written_as = document.get("format")
    if isinstance(written_as, int) and written_as > MANIFEST_FORMAT:
        raise RecordError(
            f"{path} has format {written_as}; this mtjloop reads up to {MANIFEST_FORMAT}. Update mtjloop."
        )
    try:
        return _manifest(document)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path} is damaged: {type(error).__name__}: {error}. Restore it from a copy of the run."
        ) from error


def _manifest(document: Mapping[str, object]) -> Manifest:
    git = _of(document.get("git", {}), dict, "git")
    finished = _optional(document.get("finished_utc"), str, "finished_utc")
    temperature = document.get("temperature")
    driven = document["driven"]
    if driven not in ("hardware", "simulated"):
        raise ValueError(f"driven is {driven!r}, not hardware or simulated")
    return Manifest(
        run_id=_of(document["run_id"], str, "run_id"),
        command=_of(document["command"], str, "command"),
        name=_of(document["name"], str, "name"),
        started_utc=_time(_of(document["started_utc"], str, "started_utc")),
        finished_utc=None if finished is None else _time(finished),
        stop_reason=_of(document["stop_reason"], str, "stop_reason"),
        backend=_of(document["backend"], str, "backend"),
        hardware=driven == "hardware",
        seed=_optional(document.get("seed"), int, "seed"),
        detail=_of(document.get("detail", "full"), str, "detail"),
        configurations={
            str(name): Configuration(
                path=str(item["path"]), text=str(item["text"]), sha256=str(item["sha256"])
            )
            for name, item in _of(document.get("configurations", {}), dict, "configurations").items()
        },
        versions={str(k): str(v) for k, v in _of(document.get("versions", {}), dict, "versions").items()},
        git_commit=_optional(git.get("commit"), str, "git.commit"),
        git_dirty=_optional(git.get("dirty"), bool, "git.dirty"),
        operator=_optional(document.get("operator"), str, "operator"),
        die_id=_optional(document.get("die_id"), str, "die_id"),
        temperature=float(temperature) if isinstance(temperature, int | float) else None,
        identities=tuple(str(item) for item in _of(document.get("identities", []), list, "identities")),
        wiring_hash=_optional(document.get("wiring_hash"), str, "wiring_hash"),
        result=_of(document.get("result", {}), dict, "result"),
    )


def _of(value: object, kind: type[Value], name: str) -> Value:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r}, not a {kind.__name__}")
    return value


def _optional(value: object, kind: type[Value], name: str) -> Value | None:
    return None if value is None else _of(value, kind, name)


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
