"""What was recorded and not yet committed, and how it becomes rows in one transaction."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from . import schema
from .levels import amplitudes, narrow, rounded_widths, widen_native
from .trials import TrialRows

# tile, purpose, epoch
Place = tuple[int, str, int | None]
# time, place, row levels, column levels, width, repeat; levels and a width per row are native float64 blobs
Asked = tuple[float, Place, bytes, bytes, float | bytes, int]
# pulse, what was asked, status, width, energy, elapsed, compliance, peak current, reason
Done = tuple[
    int, Asked, str, float | None, float | None, float | None, bool | None, float | None, str | None
]  # fmt: skip


class Batch:
    """Rows waiting for the next commit. The recorder appends to the public members on its hot path.

    Attributes:
        asked: open pulses by number.
        done: ended pulses.
        others: statement and values of everything rare.
        trials: switching trials.
    """

    def __init__(self, tally: bool):
        self.asked: dict[int, Asked] = {}
        self.done: list[Done] = []
        self.others: list[tuple[str, tuple[object, ...]]] = []
        self.trials = TrialRows(single=not tally)
        self._reads: dict[Place, list[float]] = {}
        self._on_disk: set[int] = set()
        self._places: dict[Place, int] = {}
        self._places_on_disk = 0
        self._tally = tally

    def add_reads(
        self, tile: int, purpose: str, epoch: int | None, reads: int, elapsed: float, energy: float | None
    ) -> None:
        """Add reads to their count; elapsed in seconds, energy in joules."""
        place = (tile, purpose, epoch)
        total = self._reads.get(place)
        if total is None:
            total = self._reads[place] = [0, 0, 0.0, 0.0]
        total[0] += reads
        total[3] += elapsed
        if energy is not None:
            total[1] += reads
            total[2] += energy

    def write(self, database: sqlite3.Connection, check: Callable[[], None]) -> None:
        """Commit everything in one transaction and forget it; on an error it is all kept.

        Args:
            database: autocommitting connection.
            check: called inside the transaction; what it raises undoes the transaction.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        fresh = [pulse for pulse in self.asked if pulse not in self._on_disk]
        if not (fresh or self.done or self.others or self._reads or self.trials):
            return
        committing = False
        try:
            database.execute("BEGIN IMMEDIATE")
            check()
            self._insert(database, fresh)
            committing = True
            database.execute("COMMIT")
        except BaseException as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            elif committing and not isinstance(error, sqlite3.Error):
                # Interrupted just after the commit: the rows are safe and must not be written twice.
                self._forget(fresh)
            raise
        self._forget(fresh)

    def _forget(self, fresh: Sequence[int]) -> None:
        self._places_on_disk = len(self._places)
        self._on_disk.update(fresh)
        self._on_disk.difference_update([pulse for pulse, *_ in self.done])
        self.done.clear()
        self.others.clear()
        self._reads.clear()
        self.trials.forget()

    def _insert(self, database: sqlite3.Connection, fresh: Sequence[int]) -> None:
        if fresh:
            columns = self._asked_columns([self.asked[pulse] for pulse in fresh])
            database.executemany(schema.INSERT_ASKED, zip(fresh, *columns, strict=True))
        if self.done:
            self._insert_done(database)
        for statement, values in self.others:
            database.execute(statement, values)
        self.trials.insert(database)
        if self._reads:
            rows = [
                (self._place(place), int(reads), int(known), float(energy), float(elapsed))
                for place, (reads, known, energy, elapsed) in self._reads.items()
            ]
            database.executemany(schema.ADD_READ_TOTALS, rows)
        new = list(self._places.items())[self._places_on_disk :]
        if new:
            database.executemany(
                schema.INSERT_PLACE,
                [
                    (number, int(tile), purpose, None if epoch is None else int(epoch))
                    for (tile, purpose, epoch), number in new
                ],
            )

    def _insert_done(self, database: sqlite3.Connection) -> None:
        ids, asked, status, *applied, reason = zip(*self.done, strict=True)
        moved = [(pulse,) for pulse in ids if pulse in self._on_disk]
        if moved:
            database.executemany(schema.DELETE_ASKED, moved)
        codes = [schema.STATUS_CODES[word] for word in status]
        if self._tally:
            counts = Counter(self._tally_keys(asked, codes))
            database.executemany(schema.ADD_PULSE_TALLY, [(*key, count) for key, count in counts.items()])
        else:
            rows = zip(ids, *self._asked_columns(asked), codes, *map(_reals, applied), strict=True)
            database.executemany(schema.INSERT_PULSE, rows)
        reasons = [(pulse, text) for pulse, text in zip(ids, reason, strict=True) if text is not None]
        if reasons:
            database.executemany(schema.INSERT_REASON, reasons)
        database.executemany(schema.ADD_PULSE_TOTALS, self._totals())

    def _totals(self) -> list[tuple[object, ...]]:
        sums: dict[Place, list[float]] = {}
        for _, asked, status, _, energy, elapsed, _, _, _ in self.done:
            total = sums.get(asked[1])
            if total is None:
                total = sums[asked[1]] = [0, 0, 0, 0, 0, 0.0, 0.0]
            if status == "applied":
                total[0] += 1
                total[1] += asked[5]
                if energy is not None:
                    total[4] += 1
                    total[5] += energy
                if elapsed is not None:
                    total[6] += elapsed
            else:
                total[2 if status == "refused" else 3] += 1
        return [
            (self._place(place), *map(int, total[:5]), *map(float, total[5:]))
            for place, total in sums.items()
        ]

    def _tally_keys(
        self, asked: Sequence[Asked], codes: Sequence[int]
    ) -> list[tuple[int, float, float, int, int]]:
        amplitude, polarity = amplitudes([entry[2] for entry in asked], [entry[3] for entry in asked])
        width = rounded_widths([_longest(entry[4]) for entry in asked])
        places = [self._place(entry[1]) for entry in asked]
        return list(zip(places, amplitude, width, polarity, codes, strict=True))

    def _asked_columns(self, asked: Sequence[Asked]) -> list[Sequence[object]]:
        """The columns of the table `asked` after its id, as plain numbers and narrow blobs."""
        times, places, rows, columns, width, repeats = zip(*asked, strict=True)
        return [
            times,
            [self._place(place) for place in places],
            narrow(rows),
            narrow(columns),
            [narrow([each])[0] if isinstance(each, bytes) else each for each in width],
            np.array(repeats, np.int64).tolist(),
        ]

    def _place(self, place: Place) -> int:
        number = self._places.get(place)
        if number is None:
            number = self._places[place] = len(self._places) + 1
        return number


def _longest(width: float | bytes) -> float:
    return float(widen_native(width).max()) if isinstance(width, bytes) else width


def _reals(column: Sequence[float | None]) -> list[float]:
    # None becomes NaN, which SQLite stores as NULL; numpy numbers become plain ones.
    values: list[float] = np.array(column, np.float64).tolist()
    return values
