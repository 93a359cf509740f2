"""Results of a study: a directory of Parquet parts, appended to as tasks end and never rewritten."""

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import RecordError

DESCRIPTION = "study.json"
DIRECTORY = "studies"
"""Beside the runs."""
Row = dict[str, Any]


class StudyResults:
    """The directory of a study.

    Args:
        directory: made if absent.
        description: kept as `study.json`: name, swept parameters, text of the study file.

    Raises:
        RecordError: it cannot be written.
    """

    def __init__(self, directory: Path, description: Mapping[str, object]) -> None:
        self.directory = directory
        self._waiting: list[Row] = []
        try:
            directory.mkdir(parents=True, exist_ok=True)
            draft = directory / f"{DESCRIPTION}.part"
            draft.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
            draft.replace(directory / DESCRIPTION)
        except OSError as error:
            raise RecordError(f"{directory}: results cannot be written there ({error})") from error

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
        import pyarrow as pa
        import pyarrow.parquet as pq

        name = f"part-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.parquet"
        draft = self.directory / f".{name}.draft"
        try:
            pq.write_table(pa.Table.from_pylist(_alike(self._waiting)), draft)
            draft.replace(self.directory / name)
        except OSError as error:
            raise RecordError(f"{self.directory}: a part cannot be written ({error}); free space") from error
        self._waiting = []


def read_rows(directory: Path) -> list[Row]:
    """All rows of a study, part by part.

    Raises:
        RecordError: a part is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[Row] = []
    for path in sorted(directory.glob("part-*.parquet")):
        try:
            rows.extend(pq.read_table(path).to_pylist())
        except (OSError, pa.ArrowException) as error:
            raise RecordError(
                f"{path}: the part is damaged ({error}); delete it, its tasks run again"
            ) from None
    return rows


def finished(rows: Iterable[Row]) -> dict[str, Row]:
    """Rows of tasks that succeeded, by the hash of their configuration."""
    return {row["hash"]: row for row in rows if row.get("error") is None}


def results_directory(name: str, runs: Path) -> Path:
    """Where the results of a study are, unless it is told otherwise."""
    return runs / DIRECTORY / re.sub(r"[^\w.-]+", "-", name)


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
    if not isinstance(found, dict):
        raise RecordError(f"{path}: damaged (no object)")
    return found


def _alike(rows: Sequence[Row]) -> list[Row]:
    """Rows with the same columns in the same order: the columns of a part are those of all its rows."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: row.get(key) for key in columns} for row in rows]
