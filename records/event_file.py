"""The SQLite file of a run and its one writing connection."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import RecordError
from . import schema
from .batch import Batch


class EventFile:
    """Creates `events.sqlite` and commits batches to it, as its only writer.

    Raises:
        RecordError: from any method, naming the file and the next step.
    """

    def __init__(self, path: Path, durable: bool):
        self._path = path
        self._durable = durable
        self._process = os.getpid()
        with _told(path):
            self._database = sqlite3.connect(path, isolation_level=None)
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                self._set_synchronous("FULL" if durable else "NORMAL")
                self._database.executescript(f"BEGIN;{schema.TABLES}COMMIT;")
                self._data_version = self._read_data_version()
            except sqlite3.Error:
                self._database.close()
                raise
        self._identity = self._identify()

    @property
    def mine(self) -> bool:
        """Whether this process made the file; a forked child did not."""
        return os.getpid() == self._process

    def commit(self, batch: Batch, lightly: bool) -> None:
        """Write the batch in one transaction; on an error it keeps its rows.

        Args:
            batch: what to write.
            lightly: of a durable file, proof against the end of this process but not against power loss.
        """
        self._check_ownership()
        lighter = lightly and self._durable
        with _told(self._path):
            if lighter:
                self._set_synchronous("NORMAL")
            try:
                batch.write(self._database, self._check_sole_writer)
            finally:
                if lighter:
                    self._set_synchronous("FULL")

    def close(self, finished: bool) -> None:
        """Close; a finished file leaves WAL mode, so that it opens from read-only media too."""
        with suppress(sqlite3.Error):
            if finished:
                # A reader at work may prevent it; the file then simply stays in WAL mode.
                self._database.execute("PRAGMA busy_timeout = 0")
                self._database.execute("PRAGMA journal_mode = DELETE")
        with suppress(sqlite3.Error):
            self._database.close()

    def _set_synchronous(self, level: str) -> None:
        self._database.execute(f"PRAGMA synchronous = {level}")

    def _check_ownership(self) -> None:
        if not self.mine:
            raise RecordError(
                f"{self._path} was opened by process {self._process} and process {os.getpid()} writes to it; "
                "a run has one writer. Give each process a run of its own."
            )
        # SQLite goes on writing into a file that was unlinked, so ask for it by name.
        if self._identify() != self._identity:
            raise RecordError(
                f"{self._path} was removed or replaced while the run was written. Stop the run, restore the "
                "directory if it is needed, and start a new run."
            )

    def _check_sole_writer(self) -> None:
        if self._read_data_version() != self._data_version:
            raise RecordError(
                f"{self._path} was changed by another program during the run; a run has one writer. "
                "Close the other program and start a new run."
            )

    def _read_data_version(self) -> int:
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the file system or SQLite says into a RecordError that names the file and the next step."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise RecordError(
            f"cannot write {path}: {error}. Check that the disk has room, that the directory still exists "
            "and is writable, and that one thread of one process writes the run; then start a new run."
        ) from error
