"""Read-only access to a run, also while it is being written."""

import io
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import RecordError
from . import schema
from .levels import STORED, amplitudes, rounded_widths, widen
from .manifest import Manifest, read_manifest
from .values import (
    MapRecord,
    MessageRecord,
    PulseRecord,
    PulseTally,
    PulseTotal,
    ReadTotal,
    SwitchingRecord,
)

STATUS_WORDS = {code: word for word, code in schema.STATUS_CODES.items()}


class RunReader:
    """Reads a run directory through a read-only connection; use it as a context manager or call `close`.

    Every method sees what was committed when it is called. The manifest is that of the moment of opening.

    Raises:
        RecordError: from any method, when the run cannot be read; the message names the file.
    """

    def __init__(self, path: Path):
        self._directory = Path(path)
        self._path = self._directory / schema.EVENTS_FILE
        self._manifest = read_manifest(self._directory)
        if not self._path.is_file():
            raise RecordError(
                f"{self._path} is absent: the run is damaged. Restore it from a copy of the run."
            )
        with self._told():
            self._database = sqlite3.connect(
                f"{self._path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
        try:
            with self._told():
                version = int(self._database.execute("PRAGMA user_version").fetchone()[0])
            if version > schema.SCHEMA_VERSION or version < 1:
                raise RecordError(
                    f"{self._path} has schema version {version}; this mtjloop reads 1 to "
                    f"{schema.SCHEMA_VERSION}. Update mtjloop, or restore a file that was never whole."
                )
        except RecordError:
            self._database.close()
            raise

    @property
    def directory(self) -> Path:
        """The run directory."""
        return self._directory

    @property
    def manifest(self) -> Manifest:
        """The manifest as it was when the reader was opened."""
        return self._manifest

    def metrics(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Name -> (int64[n] epochs, float64[n] values) by epoch; of two values of an epoch the later."""
        found: dict[str, dict[int, float]] = {}
        for name, epoch, value in self._rows("SELECT name, epoch, value FROM metrics ORDER BY id"):
            found.setdefault(name, {})[epoch] = float("nan") if value is None else value
        return {
            name: (
                np.array(sorted(values), np.int64),
                np.array([values[epoch] for epoch in sorted(values)], np.float64),
            )
            for name, values in found.items()
        }

    def maps(self, label: str | None = None) -> list[MapRecord]:
        """Resistance maps in order of time; only those of one label if given."""
        query = "SELECT tile, label, epoch, rows, columns, resistance, state, time FROM maps"
        rows = (
            self._rows(f"{query} ORDER BY id")
            if label is None
            else self._rows(f"{query} WHERE label = ? ORDER BY id", label)
        )
        return [
            MapRecord(
                tile=tile,
                label=name,
                epoch=epoch,
                resistance=np.frombuffer(resistance, "<f8").reshape(height, width).astype(np.float64),
                state=np.frombuffer(state, np.int8).reshape(height, width).copy(),
                time=_utc(time),
            )
            for tile, name, epoch, height, width, resistance, state, time in rows
        ]

    def switching(self) -> list[SwitchingRecord]:
        """Requested against measured switching, in order of recording."""
        columns = "tile, layer, epoch, polarity, requested, cells, switched"
        return [SwitchingRecord(*row) for row in self._rows(f"SELECT {columns} FROM switching ORDER BY id")]

    def pulses(self, limit: int | None = None) -> Iterator[PulseRecord]:
        """Pulses in order of number, at most `limit` of them.

        Of a run with detail `tally` only the pulses of unknown outcome that were never completed are left.
        """
        query = """SELECT logged.*, tile, purpose, epoch, reasons.text FROM (
                SELECT * FROM pulses
                UNION ALL SELECT *, 2, NULL, NULL, NULL, NULL, NULL FROM asked
                ORDER BY id LIMIT ?
            ) AS logged
            JOIN places ON places.id = place LEFT JOIN reasons ON reasons.pulse = logged.id
            ORDER BY logged.id"""
        for row in self._rows(query, -1 if limit is None else limit):
            yield _pulse(row)

    def pulse_totals(self) -> list[PulseTotal]:
        """Pulses by tile, purpose and epoch; fast at any length of the run."""
        query = """SELECT tile, purpose, epoch,
                coalesce(applied, 0), coalesce(repeats, 0), coalesce(refused, 0),
                coalesce(doubtful, 0) + coalesce(open, 0),
                iif(with_energy > 0, energy, NULL), coalesce(elapsed, 0.0)
            FROM places
            LEFT JOIN pulse_totals ON pulse_totals.place = places.id
            LEFT JOIN (SELECT place, count(*) AS open FROM asked GROUP BY place) AS unknown
                ON unknown.place = places.id
            WHERE applied IS NOT NULL OR open IS NOT NULL
            ORDER BY tile, purpose, epoch"""
        return [PulseTotal(*row) for row in self._rows(query)]

    def read_totals(self) -> list[ReadTotal]:
        """Reads by tile, purpose and epoch."""
        query = """SELECT tile, purpose, epoch, reads, iif(with_energy > 0, energy, NULL), elapsed
            FROM read_totals JOIN places ON places.id = place ORDER BY tile, purpose, epoch"""
        return [ReadTotal(*row) for row in self._rows(query)]

    def pulse_tally(self) -> list[PulseTally]:
        """Ended pulses by amplitude, width and polarity: as kept by `tally`, counted anew from `full`."""
        if self._manifest.detail == "tally":
            counts = {tuple(row[:-1]): row[-1] for row in self._rows("SELECT * FROM pulse_tally")}
        else:
            counts = self._count_pulses()
        places = {row[0]: row[1:] for row in self._rows("SELECT * FROM places")}
        return [
            PulseTally(tile, purpose, epoch, amplitude, width, polarity, STATUS_WORDS[code], count)
            for (number, amplitude, width, polarity, code), count in sorted(counts.items())
            for tile, purpose, epoch in [places[number]]
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name."""
        found = {}
        for name, blob in self._rows("SELECT name, npy FROM arrays ORDER BY name"):
            try:
                found[name] = np.load(io.BytesIO(blob), allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise RecordError(
                    f"array {name!r} in {self._path} is damaged: {error}. Restore the run from a copy."
                ) from error
        return found

    def messages(self) -> list[MessageRecord]:
        """Remarks in order of recording."""
        rows = self._rows("SELECT time, level, text FROM messages ORDER BY id")
        return [MessageRecord(_utc(time), level, text) for time, level, text in rows]

    def close(self) -> None:
        """Close the connection; more than once is harmless."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _count_pulses(self) -> dict[tuple[Any, ...], int]:
        counts: Counter[tuple[Any, ...]] = Counter()
        columns = "place, status, row_levels, column_levels, width"
        with self._told():
            cursor = self._database.execute(f"SELECT {columns} FROM pulses")
            # In chunks, so that a night's pulses need not fit in memory at once.
            while chunk := cursor.fetchmany(10_000):
                place, status, rows, lines, width = zip(*chunk, strict=True)
                amplitude, polarity = amplitudes(rows, lines, STORED)
                longest = [float(widen(each).max()) if isinstance(each, bytes) else each for each in width]
                counts.update(zip(place, amplitude, rounded_widths(longest), polarity, status, strict=True))
        return dict(counts)

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with self._told():
            # Not from the cursor itself: an abandoned iterator would close it after the connection.
            yield from iter(self._database.execute(query, values).fetchone, None)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RecordError(
                f"cannot read {self._path}: {error}. A killed run can only be read in a writable "
                "directory: copy it to one, or restore it from a copy if it is damaged."
            ) from error


def _pulse(row: tuple[Any, ...]) -> PulseRecord:
    pulse, time, _, rows, columns, asked, repeat, *applied = row
    code, width, energy, elapsed, compliance, peak, tile, purpose, epoch, reason = applied
    return PulseRecord(
        pulse=pulse,
        time=_utc(time),
        tile=tile,
        purpose=purpose,
        epoch=epoch,
        status=STATUS_WORDS[code],
        row_levels=widen(rows),
        column_levels=widen(columns),
        widths=widen(asked) if isinstance(asked, bytes) else asked,
        repeat=repeat,
        width=width,
        energy=energy,
        elapsed=elapsed,
        compliance=None if compliance is None else bool(compliance),
        peak_current=peak,
        reason=reason,
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
