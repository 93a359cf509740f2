"""Counts of switching by device and point, read without numpy so that a question is answered at once."""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RecordError
from .schema import EVENTS_FILE, SCHEMA_VERSION
from .trials import KIND_CODES

MEASURED = ("trial", "reference", "audit")
"""Kinds of trials that tell the switching probability of the pulsed device itself."""
POLARITY_NAMES = {1: "AP to P", -1: "P to AP"}
"""What a pulse of each polarity does to a device."""
_KINDS = {code: kind for kind, code in KIND_CODES.items()}


class PointCount(NamedTuple):
    """What became of the trials of one device at one point.

    Attributes:
        tile: of the device.
        row: of the device; None where only a whole layer was counted.
        column: of the device; None where only a whole layer was counted.
        polarity: +1 AP -> P, -1 P -> AP.
        kind: trial, reference, control, disturb or audit.
        voltage: asked, magnitude, V; None where only a probability was asked for.
        width: asked, s; None where only a probability was asked for.
        repeat: pulses of one trial.
        switched: trials that ended switched.
        trials: trials that ended switched or stayed.
        reset_failed: trials discarded because the device was not in its start state.
        unreadable: trials discarded because a state could not be told.
        applied_voltage: mean that the junction is believed to have seen, V; None without trials.
        applied_width: mean, s; None without trials.
        requested: mean probability that training asked for; None in a measurement.
    """

    tile: int
    row: int | None
    column: int | None
    polarity: int
    kind: str
    voltage: float | None
    width: float | None
    repeat: int
    switched: int
    trials: int
    reset_failed: int
    unreadable: int
    applied_voltage: float | None
    applied_width: float | None
    requested: float | None = None


class BlockCount(NamedTuple):
    """Trials of one device at one point within one block, as fits take them.

    Attributes:
        tile: of the device.
        row: of the device.
        column: of the device.
        polarity: +1 AP -> P, -1 P -> AP.
        block: number of the block.
        voltage: mean that the junction is believed to have seen, magnitude, V.
        width: mean applied, s.
        asked_voltage: magnitude, V.
        asked_width: s.
        switched: trials that ended switched.
        trials: trials that ended switched or stayed, >= 1.
        resistance: mean before the pulse, ohm.
        time: mean, seconds since 1970 UTC.
    """

    tile: int
    row: int
    column: int
    polarity: int
    block: int
    voltage: float
    width: float
    asked_voltage: float
    asked_width: float
    switched: int
    trials: int
    resistance: float
    time: float


_POINTS = """
SELECT tile, row, col, polarity, kind, voltage, width, repeat, switched, switched + stayed,
    reset_failed, unreadable, applied_voltage / nullif(switched + stayed, 0),
    applied_width / nullif(switched + stayed, 0)
FROM trial_points WHERE kind IN ({kinds})
ORDER BY tile, row, col, polarity DESC, kind, width, voltage"""
_BLOCKS = """
SELECT tile, row, col, polarity, block, parts.applied_voltage / (parts.switched + parts.stayed),
    parts.applied_width / (parts.switched + parts.stayed), voltage, width, parts.switched,
    parts.switched + parts.stayed, parts.resistance_before / (parts.switched + parts.stayed),
    parts.time / (parts.switched + parts.stayed)
FROM trial_blocks AS parts JOIN trial_points ON trial_points.id = point
WHERE kind IN ({kinds}) AND parts.switched + parts.stayed > 0 AND repeat = 1
ORDER BY tile, row, col, polarity DESC, block, parts.id"""
_AUDITS = """
SELECT tile, polarity, requested, cells, switched FROM switching ORDER BY tile, polarity DESC, requested"""


def point_counts(run: Path, kinds: Sequence[str] = MEASURED) -> list[PointCount]:
    """Counts of every device and point of a run, ordered by device, polarity, width and voltage.

    A training run recorded before single devices were counted yields its audits instead: one row a layer,
    polarity and half decade of requested probability.

    Args:
        run: run directory.
        kinds: of trials to be counted.

    Raises:
        RecordError: the run cannot be read.
    """
    with closing(_opened(run)) as database:
        found = [
            PointCount(tile, row, column, polarity, _KINDS[kind], *rest)
            for tile, row, column, polarity, kind, *rest in _rows(run, database, _POINTS, kinds)
        ]
        return found or _audits(run, database)


def block_counts(run: Path, kinds: Sequence[str] = MEASURED) -> list[BlockCount]:
    """Counts of every device, block and point of a run that hold a trial, ordered by device and block.

    Raises:
        RecordError: the run cannot be read.
    """
    with closing(_opened(run)) as database:
        return [BlockCount(*row) for row in _rows(run, database, _BLOCKS, kinds)]


def _opened(run: Path) -> sqlite3.Connection:
    path = run / EVENTS_FILE
    if not path.is_file():
        raise RecordError(f"{path} is absent: the run is damaged. Restore it from a copy of the run.")
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            version = int(database.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error:
            database.close()
            raise
    except sqlite3.Error as error:
        raise _unreadable(run, error) from error
    if not 1 <= version <= SCHEMA_VERSION:
        database.close()
        raise RecordError(
            f"{path} has schema version {version}; this mtjloop reads 1 to {SCHEMA_VERSION}. Update mtjloop."
        )
    return database


def _rows(
    run: Path, database: sqlite3.Connection, query: str, kinds: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    numbers = ",".join(str(KIND_CODES[kind]) for kind in kinds)
    try:
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'trial_points'").fetchone() is None:
            return
        yield from database.execute(query.format(kinds=numbers)).fetchall()
    except sqlite3.Error as error:
        raise _unreadable(run, error) from error


def _audits(run: Path, database: sqlite3.Connection) -> list[PointCount]:
    """Audits of a training run by tile, polarity and half decade of requested probability."""
    sums: dict[tuple[int, int, float], list[float]] = {}
    try:
        for tile, polarity, requested, cells, switched in database.execute(_AUDITS):
            total = sums.setdefault((tile, -polarity, half_decade(requested)), [0, 0, 0.0])
            total[0] += switched
            total[1] += cells
            total[2] += requested * cells
    except sqlite3.Error as error:
        raise _unreadable(run, error) from error
    found = []
    for (tile, turned, _), (switched, cells, wanted) in sorted(sums.items()):
        requested = wanted / cells if cells else 0.0
        counts = int(switched), int(cells), 0, 0
        found.append(
            PointCount(tile, None, None, -turned, "audit", None, None, 1, *counts, None, None, requested)
        )
    return found


def half_decade(probability: float) -> float:
    """The half decade that a requested probability falls into: log10 of its upper end; -inf for 0."""
    return -math.inf if probability <= 0.0 else math.ceil(2.0 * math.log10(probability)) / 2.0


def _unreadable(run: Path, error: sqlite3.Error) -> RecordError:
    return RecordError(
        f"cannot read {run / EVENTS_FILE}: {error}. A killed run can only be read in a writable directory: "
        "copy it to one, or restore it from a copy if it is damaged."
    )
