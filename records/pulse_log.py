"""Recording pulses and reads: the part of the recorder that must not slow a training run."""

import time
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import RecordError
from .batch import Asked, Batch
from .event_file import EventFile
from .levels import FLOAT64

BATCH_ROWS = 2000
BATCH_SECONDS = 0.5


class PulseLog:
    """Collects pulses and reads and commits them in batches, or each pulse at once when durable."""

    def __init__(self, directory: Path, events: EventFile, *, durable: bool, tally: bool):
        self._directory = directory
        self._events = events
        self._durable = durable
        self._closed = False
        self._pulse = 0
        self._due = time.monotonic() + BATCH_SECONDS
        self._batch = Batch(tally=tally)
        # The hot path goes straight to these two; they live as long as the batch.
        self._asked = self._batch.asked
        self._done = self._batch.done

    @property
    def directory(self) -> Path:
        """The run directory; protocols may add files to it."""
        return self._directory

    def begin_pulse(
        self,
        tile: int,
        purpose: str,
        epoch: int | None,
        row_levels: NDArray[np.float64],
        column_levels: NDArray[np.float64],
        widths: float | NDArray[np.float64],
        repeat: int,
    ) -> int:
        """Record a pulse before it is sent; the arrays are copied.

        Args:
            tile: which crossbar tile.
            purpose: why, for instance `train`, `program` or `map`.
            epoch: of the training, None outside one.
            row_levels: float64[rows] in volts, NaN = floating.
            column_levels: float64[columns] in volts, NaN = floating.
            widths: seconds, one for all or float64[rows].
            repeat: how often the pulse is sent.

        Returns:
            The number by which to complete or fail it.

        Raises:
            RecordError: the record could not be written; the pulse must then not be sent.
        """
        if self._closed:
            raise self._finished_already()
        if row_levels.dtype is not FLOAT64:
            row_levels = row_levels.astype(FLOAT64)
        if column_levels.dtype is not FLOAT64:
            column_levels = column_levels.astype(FLOAT64)
        rows, columns = row_levels.tobytes(), column_levels.tobytes()
        if not (rows and columns):
            raise RecordError(
                f"a pulse on tile {tile} has {len(rows) // 8} rows and {len(columns) // 8} columns; "
                "give the level of every line."
            )
        width = widths.astype(FLOAT64).tobytes() if isinstance(widths, np.ndarray) else float(widths)
        entry: Asked = (time.time(), (tile, purpose, epoch), rows, columns, width, repeat)
        self._pulse = pulse = self._pulse + 1
        self._asked[pulse] = entry
        if self._durable:
            try:
                self.flush()
            except RecordError:
                # It was not recorded, so it will not be sent, so it is not in doubt.
                self._asked.pop(pulse, None)
                raise
        return pulse

    def complete_pulse(
        self,
        pulse: int,
        *,
        width: float,
        energy: float | None,
        elapsed: float,
        compliance: bool | None,
        peak_current: float | None,
    ) -> None:
        """Say what a recorded pulse really was.

        Args:
            pulse: number given by `begin_pulse`.
            width: applied, seconds; with a width per row, the longest.
            energy: joules, None if unknown.
            elapsed: bench time, seconds.
            compliance: whether a source hit its limit, None if unknown.
            peak_current: amperes, None if unknown.

        Raises:
            RecordError: no such open pulse, or the record cannot be written.
        """
        try:
            asked = self._asked.pop(pulse)
        except KeyError:
            raise self._not_open(pulse) from None
        self._done.append((pulse, asked, "applied", width, energy, elapsed, compliance, peak_current, None))
        if self._durable:
            # It need only outlive this process: losing it to a power cut leaves it in doubt, never unsent.
            self._commit(lightly=True)
        elif len(self._done) >= BATCH_ROWS or time.monotonic() >= self._due:
            self.flush()

    def fail_pulse(self, pulse: int, status: Literal["refused", "doubtful"], reason: str) -> None:
        """Say that a recorded pulse was refused before it was sent, or that its outcome is unknown.

        Raises:
            RecordError: no such open pulse, an unknown status, or the record cannot be written.
        """
        if status not in ("refused", "doubtful"):
            raise RecordError(f"pulse {pulse} cannot end as {status!r}; give `refused` or `doubtful`.")
        try:
            asked = self._asked.pop(pulse)
        except KeyError:
            raise self._not_open(pulse) from None
        self._done.append((pulse, asked, status, None, None, None, None, None, reason))
        # Rare and worth keeping: commit at once.
        self.flush()

    def count_reads(
        self, tile: int, purpose: str, epoch: int | None, reads: int, elapsed: float, energy: float | None
    ) -> None:
        """Add reads to the count of (tile, purpose, epoch); elapsed in seconds, energy in joules or None.

        Raises:
            RecordError: the run is finished, or the record cannot be written.
        """
        if self._closed:
            raise self._finished_already()
        self._batch.add_reads(tile, purpose, epoch, reads, elapsed, energy)
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Commit everything recorded so far; on an error nothing is lost and it may be called again.

        Raises:
            RecordError: the file cannot be written, was removed, or has a second writer.
        """
        self._commit(lightly=False)

    def _add(self, statement: str, values: tuple[object, ...]) -> None:
        if self._closed:
            raise self._finished_already()
        self._batch.others.append((statement, values))

    def _commit(self, lightly: bool) -> None:
        if self._closed:
            raise self._finished_already()
        self._events.commit(self._batch, lightly)
        self._due = time.monotonic() + BATCH_SECONDS

    def _close(self, finished: bool) -> None:
        self._closed = True
        self._events.close(finished)

    def _finished_already(self) -> RecordError:
        return RecordError(f"the run {self._directory} is finished; start a new run to record more.")

    def _not_open(self, pulse: int) -> RecordError:
        if self._closed:
            return self._finished_already()
        return RecordError(
            f"pulse {pulse} is not open in {self._directory}: it was never begun or has ended already. "
            "Complete each pulse once, by the number begin_pulse gave."
        )
