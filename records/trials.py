"""Switching trials: one narrow row a trial, and counts by device, point and block in the same transaction.

A *point* is what was asked of one device within one block: polarity, voltage, width. Counts answer questions
about a million trials in milliseconds; the single trials stay for whoever wants to look at them.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from ..errors import RecordError

KIND_CODES = {"trial": 0, "reference": 1, "control": 2, "disturb": 3, "audit": 4}
"""Why a trial was made: of the design, at the reference point of its block, at 0 V, of a half-selected
neighbour, or while a network was trained."""
OUTCOMES = ("switched", "stayed", "reset failed", "unreadable")
"""By their number in the file."""
_SWITCHED, _STAYED = 0, 1

TABLES = """
CREATE TABLE trial_points (
    id INTEGER PRIMARY KEY,
    tile INTEGER NOT NULL,
    row INTEGER NOT NULL,
    col INTEGER NOT NULL,
    polarity INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    block INTEGER NOT NULL,
    voltage REAL NOT NULL,
    width REAL NOT NULL,
    repeat INTEGER NOT NULL,
    switched INTEGER NOT NULL,
    stayed INTEGER NOT NULL,
    reset_failed INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    applied_voltage REAL NOT NULL,
    applied_width REAL NOT NULL,
    resistance_before REAL NOT NULL,
    time REAL NOT NULL
) STRICT;
CREATE TABLE trials (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    point INTEGER NOT NULL,
    pulse INTEGER,
    applied_voltage REAL NOT NULL,
    applied_width REAL NOT NULL,
    resistance_before REAL,
    resistance_after REAL,
    state_before INTEGER NOT NULL,
    state_after INTEGER NOT NULL,
    outcome INTEGER NOT NULL
) STRICT;
CREATE VIEW trial_log AS
SELECT trials.id, datetime(trials.time, 'unixepoch') AS utc, tile, row, col,
    CASE kind WHEN 0 THEN 'trial' WHEN 1 THEN 'reference' WHEN 2 THEN 'control' WHEN 3 THEN 'disturb'
        ELSE 'audit' END AS kind,
    polarity, block, voltage, width, repeat, trials.applied_voltage, trials.applied_width,
    trials.resistance_before, resistance_after, state_before, state_after,
    CASE outcome WHEN 0 THEN 'switched' WHEN 1 THEN 'stayed' WHEN 2 THEN 'reset failed'
        ELSE 'unreadable' END AS outcome, pulse
FROM trials JOIN trial_points ON trial_points.id = point;
"""
"""Sums of a point (applied voltage and width, resistance before, time) run over its switched and stayed
trials."""

_INSERT_TRIAL = "INSERT INTO trials VALUES (NULL,?,?,?,?,?,?,?,?,?,?)"
_PUT_POINT = f"INSERT OR REPLACE INTO trial_points VALUES ({','.join('?' * 18)})"

# tile, row, column, polarity, kind, block, voltage, width, repeat
Point = tuple[int, int, int, int, int, int, float, float, int]


class TrialRows:
    """Trials waiting for the next commit, and the counts of every point so far.

    Args:
        single: keep one row a trial; otherwise only the counts.
    """

    def __init__(self, single: bool) -> None:
        self._single = single
        self._rows: list[tuple[object, ...]] = []
        self._counts: dict[Point, list[float]] = {}
        self._touched: dict[Point, None] = {}

    def __bool__(self) -> bool:
        return bool(self._touched)

    def add(
        self,
        time: float,
        pulse: int | None,
        points: Iterable[Point],
        applied_voltages: Sequence[float],
        applied_width: float,
        before: Sequence[float],
        after: Sequence[float],
        states_before: Sequence[int],
        states_after: Sequence[int],
        outcomes: Sequence[int],
    ) -> None:
        """Add the trials of one pulse, one entry a device; plain numbers only."""
        counts = self._counts
        each = zip(
            points, applied_voltages, before, after, states_before, states_after, outcomes, strict=True
        )
        for point, voltage, ohm_before, ohm_after, state_before, state_after, outcome in each:
            total = counts.get(point)
            if total is None:
                total = counts[point] = [len(counts) + 1, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0]
            total[1 + outcome] += 1
            if outcome <= _STAYED:
                total[5] += voltage
                total[6] += applied_width
                total[7] += ohm_before
                total[8] += time
            self._touched[point] = None
            if self._single:
                self._rows.append(
                    (
                        time, int(total[0]), pulse, voltage, applied_width, ohm_before, ohm_after,
                        state_before, state_after, outcome,
                    )
                )  # fmt: skip

    def insert(self, database: sqlite3.Connection) -> None:
        """Write everything new, within the transaction of the caller."""
        if self._rows:
            database.executemany(_INSERT_TRIAL, self._rows)
        if self._touched:
            rows = []
            for point in self._touched:
                number, *rest = self._counts[point]
                rows.append((int(number), *point, *map(int, rest[:4]), *rest[4:]))
            database.executemany(_PUT_POINT, rows)

    def forget(self) -> None:
        """Everything new is on the disk."""
        self._rows.clear()
        self._touched.clear()


def kind_code(kind: str) -> int:
    """Number of a kind in the file.

    Raises:
        RecordError: there is no such kind.
    """
    try:
        return KIND_CODES[kind]
    except KeyError:
        raise RecordError(f"kind of trial {kind!r} is none of {', '.join(KIND_CODES)}.") from None
