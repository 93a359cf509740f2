"""Audited updates as trials of single devices: cells that saw one full select pulse, and how they ended."""

import numpy as np
from numpy.typing import NDArray

from ..mapping import ResistanceMap
from ..recorded import RecordedCrossbar
from ..selection import TO_P, Flags
from .block import Block
from .coincidence import Phase

_SWITCHED, _STAYED = 0, 1


class SelectCounts:
    """How many full select pulses each cell of a tile saw within one update, by polarity."""

    def __init__(self, block: Block) -> None:
        shape = block.crossbar.capabilities.shape
        self.counts = {polarity: np.zeros(shape, dtype=np.int64) for polarity in (1, -1)}

    def add(self, phase: Phase) -> None:
        """Count the cells that a phase selects."""
        rows, columns = len(phase.rows), len(phase.columns)
        self.counts[phase.polarity][:rows, :columns] += np.outer(phase.rows, phase.columns)


def record_selected(
    crossbar: RecordedCrossbar,
    selected: SelectCounts,
    polarity: int,
    amplitude: float,
    width: float,
    working: Flags,
    before: ResistanceMap,
    after: ResistanceMap,
    epoch: int,
) -> None:
    """Record a trial of every cell that could switch and saw exactly one full select pulse.

    The voltage is the asked one: with many lines active the drop along them is not known cell by cell.

    Args:
        crossbar: with the journal.
        selected: pulses of the update.
        polarity: of the trials.
        amplitude: of the select pulse, V.
        width: s.
        working: cells that are not stuck, (rows, columns).
        before: map before the update.
        after: map after it.
        epoch: of training; the block of the trials.
    """
    if crossbar.journal is None:
        return
    start = 0 if polarity == TO_P else 1
    tried: NDArray[np.bool_] = (selected.counts[polarity] == 1) & (selected.counts[-polarity] == 0)
    tried &= working & (before.state == start) & (after.state >= 0)
    where = np.argwhere(tried)
    if not len(where):
        return
    ended = after.state[tried]
    asked = np.full(len(where), amplitude)
    crossbar.journal.record_trials(
        crossbar.tile, polarity, epoch, None, rows=where[:, 0], columns=where[:, 1],
        kinds=("audit",) * len(where), voltages=asked, applied_voltages=asked, width=width,
        applied_width=width, repeat=1, resistances_before=before.resistance[tried],
        resistances_after=after.resistance[tried],
        states_before=before.state[tried], states_after=ended,
        outcomes=np.where(ended == start, _STAYED, _SWITCHED).astype(np.int8),
    )  # fmt: skip
