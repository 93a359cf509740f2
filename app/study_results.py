"""Results of a study: Parquet parts of one schema, appended to as tasks end; nothing finished is lost."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from ..drivers.file_lock import hold
from ..errors import RecordError
from .format import slug
from .whole_file import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

DESCRIPTION, PARTS = "study.json", "parts"
DIRECTORY = "studies"
"""Beside the runs."""
Row = dict[str, Any]
Kind = Literal["text", "whole", "number"]
COLUMNS: Mapping[str, Kind] = {
    "hash": "text", "method": "text", "die": "whole", "seed": "whole", "test_accuracy": "number",
    "train_accuracy": "number", "pulses": "whole", "reads": "whole", "energy_J": "number",
    "bench_time_s": "number", "failed_cells": "whole", "chosen": "text", "error": "text",
    "wall_time_s": "number", "host": "text", "finished_utc": "text", "version": "text",
}  # fmt: skip
"""Of every study; each swept parameter adds one of its own."""
_LOCK = ".lock"


class StudyResults:
    """The directory of a study, open for one process to add rows; leaving the context writes what waits.

    Args:
        directory: made if absent.
        description: kept as `study.json`, see `read_description`.
        swept: kind of each swept parameter: `text` if one of its values is none.

    Raises:
        RecordError: it cannot be written, another study lies there, another process writes to it, or a part
            is damaged.
    """

    def __init__(
        self, directory: Path, description: Mapping[str, object], swept: Mapping[str, Kind] | None = None
    ) -> None:
        self.directory = directory
        self._waiting: list[Row] = []
        with ExitStack() as stack:
            try:
                (directory / PARTS).mkdir(parents=True, exist_ok=True)
                release = hold(directory / _LOCK)
            except OSError as error:
                raise _unwritable(directory, error) from error
            if release is None:
                raise RecordError(
                    f"{directory}: another process writes to this study; wait for it to end, or give another "
                    "--results"
                )
            stack.callback(release)
            self._refuse_another(description["name"])
            self._take_schema(swept or {})
            try:
                write_whole(directory / DESCRIPTION, json.dumps(description, indent=1) + "\n")
            except OSError as error:
                raise _unwritable(directory, error) from error
            self._open = stack.pop_all()

    def __enter__(self) -> "StudyResults":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            self.flush()

    def add(self, row: Row) -> None:
        """Take a row, to be written with the next part."""
        self._waiting.append(row)

    @property
    def waiting(self) -> int:
        """Rows not written yet."""
        return len(self._waiting)

    def flush(self) -> None:
        """Write the rows taken as a part of its own, whole or not at all.

        Raises:
            RecordError: it cannot be written; the rows stay waiting.
        """
        if not self._waiting:
            return
        name = f"part-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.parquet"
        self._write(self.directory / PARTS / name, self._waiting)
        self._waiting = []

    def _refuse_another(self, name: object) -> None:
        if not (self.directory / DESCRIPTION).is_file():
            return
        there = read_description(self.directory)["name"]
        if there != name:
            raise RecordError(
                f"{self.directory}: holds the results of the study {there!r}, not of {name!r}; give another "
                "--results"
            )

    def _take_schema(self, swept: Mapping[str, Kind]) -> None:
        """Settle the schema of all parts; those of an earlier sweep with other columns are written anew."""
        import pyarrow as pa

        kinds = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64()}
        parts = {path: _read(path) for path in _parts(self.directory)}
        columns = {**COLUMNS, **swept}
        for table in parts.values():
            for field in table.schema:
                # A column that held text once keeps all its values as text.
                if field.name not in columns or field.type == pa.string():
                    columns[field.name] = "text" if field.type == pa.string() else "number"
        self._columns = columns
        self._schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        for path, table in parts.items():
            if table.schema != self._schema:
                self._write(path, table.to_pylist())

    def _write(self, path: Path, rows: Sequence[Row]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        alike = [
            {name: _as_kind(row.get(name), kind) for name, kind in self._columns.items()} for row in rows
        ]
        draft = path.with_name(f".{path.name}.draft")
        try:
            pq.write_table(pa.Table.from_pylist(alike, self._schema), draft)
            draft.replace(path)
        except (OSError, pa.ArrowException) as error:
            raise RecordError(f"{path}: the part cannot be written ({error}); free space") from error


def read_rows(directory: Path) -> list[Row]:
    """All rows of a study, part by part.

    Raises:
        RecordError: a part is damaged.
    """
    return [row for path in _parts(directory) for row in _read(path).to_pylist()]


def finished(rows: Iterable[Row]) -> dict[str, Row]:
    """Rows of tasks that succeeded, by the hash of their configuration."""
    return {row["hash"]: row for row in rows if row.get("error") is None}


def results_directory(name: str, runs: Path) -> Path:
    """Where the results of a study are, unless it is told otherwise; two names never share a directory."""
    short = slug(name)
    if short != name:
        short = f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return runs / DIRECTORY / short


def find_study(text: str, runs: Path) -> Path | None:
    """The results that `text` means: their directory, or a study file; None if it means no study.

    Raises:
        ConfigurationError: a study file is absent or cannot be read.
        RecordError: the study of a file was not begun.
    """
    path = Path(text)
    if (path / DESCRIPTION).is_file():
        return path
    if path.suffix.lower() not in (".yaml", ".yml"):
        return None
    from ..drivers.yaml_file import parse_yaml, read_text
    from .study_file import StudyFile

    directory = results_directory(parse_yaml(read_text(path), str(path), StudyFile).name, runs)
    if not (directory / DESCRIPTION).is_file():
        raise RecordError(f"{path}: no results in {directory}; run `mtjloop study {path}` first")
    return directory


def read_description(directory: Path) -> Mapping[str, Any]:
    """What `study.json` says.

    Keys: `name`; `parameters`, swept; `points`, the values of each; `tasks`, the number of its point by the
    hash of each task as the files stand now; `sampling`; `text`, `bench` and `experiment`, the files.

    Raises:
        RecordError: absent or damaged.
    """
    path = directory / DESCRIPTION
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"{directory}: no study there; `mtjloop study STUDY.yaml` makes one") from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: damaged ({error})") from error
    if not isinstance(found, dict) or not {"name", "parameters", "points", "tasks"} <= set(found):
        raise RecordError(f"{path}: damaged, or of an earlier mtjloop; delete it and run the study again")
    return found


def _parts(directory: Path) -> list[Path]:
    return sorted((directory / PARTS).glob("part-*.parquet"))


def _read(path: Path) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise RecordError(f"{path}: the part is damaged ({error}); delete it, its tasks run again") from None


def _as_kind(value: object, kind: Kind) -> object:
    if value is None or kind != "text" or isinstance(value, str):
        return value
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _unwritable(directory: Path, error: OSError) -> RecordError:
    return RecordError(f"{directory}: results cannot be written there ({error}); give another --results")
