"""Switching trials: one narrow row a trial, and counts by device, point and block in the same transaction.

A *point* is what was asked of one device: polarity, voltage, width. Its counts answer questions about a
million trials in milliseconds; its counts by block tell whether the device was steady; the single trials stay
for whoever wants to look at them.
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

_COUNTS = """
    switched INTEGER NOT NULL,
    stayed INTEGER NOT NULL,
    reset_failed INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    applied_voltage REAL NOT NULL,
    applied_width REAL NOT NULL,
    resistance_before REAL NOT NULL,
    time REAL NOT NULL"""
"""Sums (applied voltage and width, resistance before, time) run over switched and stayed trials."""

TABLES = f"""
CREATE TABLE trial_points (
    id INTEGER PRIMARY KEY,
    tile INTEGER NOT NULL,
    row INTEGER NOT NULL,
    col INTEGER NOT NULL,
    polarity INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    voltage REAL NOT NULL,
    width REAL NOT NULL,
    repeat INTEGER NOT NULL,{_COUNTS}
) STRICT;
CREATE TABLE trial_blocks (
    id INTEGER PRIMARY KEY,
    point INTEGER NOT NULL,
    block INTEGER NOT NULL,{_COUNTS}
) STRICT;
CREATE TABLE trials (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    part INTEGER NOT NULL,
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
FROM trials JOIN trial_blocks ON trial_blocks.id = part JOIN trial_points ON trial_points.id = point;
"""

_INSERT_TRIAL = "INSERT INTO trials VALUES (NULL,?,?,?,?,?,?,?,?,?,?)"
_PUT_POINT = f"INSERT OR REPLACE INTO trial_points VALUES ({','.join('?' * 17)})"
_PUT_BLOCK = f"INSERT OR REPLACE INTO trial_blocks VALUES ({','.join('?' * 11)})"

# tile, row, column, polarity, kind, voltage, width, repeat
Point = tuple[int, int, int, int, int, float, float, int]


class _Count:
    """Counts and sums of a point, or of the part of it that lies in one block; `number` is its row."""

    __slots__ = ("number", "outcomes", "sums")

    def __init__(self, number: int) -> None:
        self.number = number
        self.outcomes = [0, 0, 0, 0]
        self.sums = [0.0, 0.0, 0.0, 0.0]

    def add(self, outcome: int, voltage: float, width: float, ohm: float, time: float) -> None:
        """Count one trial; only switched and stayed ones enter the sums."""
        self.outcomes[outcome] += 1
        if outcome <= _STAYED:
            sums = self.sums
            sums[0] += voltage
            sums[1] += width
            sums[2] += ohm
            sums[3] += time


class TrialRows:
    """Trials waiting for the next commit, and the counts of every point so far.

    Args:
        single: keep one row a trial; otherwise only the counts.
    """

    def __init__(self, single: bool) -> None:
        self._single = single
        self._rows: list[tuple[object, ...]] = []
        self._points: dict[Point, _Count] = {}
        self._blocks: dict[tuple[int, Point], _Count] = {}
        self._touched: dict[tuple[int, Point], None] = {}

    def __bool__(self) -> bool:
        return bool(self._touched)

    def add(
        self,
        time: float,
        pulse: int | None,
        block: int,
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
        each = zip(
            points, applied_voltages, before, after, states_before, states_after, outcomes, strict=True
        )
        for point, voltage, ohm_before, ohm_after, state_before, state_after, outcome in each:
            whole = self._points.get(point)
            if whole is None:
                whole = self._points[point] = _Count(len(self._points) + 1)
            key = (block, point)
            part = self._blocks.get(key)
            if part is None:
                part = self._blocks[key] = _Count(len(self._blocks) + 1)
            whole.add(outcome, voltage, applied_width, ohm_before, time)
            part.add(outcome, voltage, applied_width, ohm_before, time)
            self._touched[key] = None
            if self._single:
                self._rows.append(
                    (
                        time, part.number, pulse, voltage, applied_width, ohm_before, ohm_after, state_before,
                        state_after, outcome,
                    )
                )  # fmt: skip

    def insert(self, database: sqlite3.Connection) -> None:
        """Write everything new, within the transaction of the caller."""
        if self._rows:
            database.executemany(_INSERT_TRIAL, self._rows)
        points = {point: self._points[point] for _, point in self._touched}
        if not points:
            return
        database.executemany(
            _PUT_POINT, [(each.number, *point, *each.outcomes, *each.sums) for point, each in points.items()]
        )
        parts = [(block, points[point].number, self._blocks[block, point]) for block, point in self._touched]
        database.executemany(
            _PUT_BLOCK,
            [(part.number, point, block, *part.outcomes, *part.sums) for block, point, part in parts],
        )

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
