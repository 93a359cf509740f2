"""Requested against measured switching: maps before and after some updates of training."""

from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Floats
from ..journal import Journal, States
from .coincidence import requested
from .fidelity import CELLS, REQUESTED, SWITCHED
from .rule import Factor

_EDGES = 10.0 ** np.arange(-6.0, 0.51, 0.5)
_POLARITIES = (1, -1)
AUDIT_SHAPE = (len(_POLARITIES), len(_EDGES), 3)
"""Of what `Audit.add` returns."""


@dataclass(frozen=True)
class Tally:
    """Cells that were asked to switch and did, summed over audits.

    Attributes:
        requested: sum of the requested probabilities.
        cells: cells asked.
        switched: cells that switched.
        unasked: cells that were not asked and switched all the same (disturb).
        resting: cells that were not asked.
    """

    requested: float = 0.0
    cells: int = 0
    switched: int = 0
    unasked: int = 0
    resting: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.requested + other.requested,
            self.cells + other.cells,
            self.switched + other.switched,
            self.unasked + other.unasked,
            self.resting + other.resting,
        )


class Audit:
    """Counts of one block in one epoch, by polarity and by requested probability (half decades)."""

    def __init__(self) -> None:
        shape = (len(_POLARITIES), len(_EDGES))
        self._requested = np.zeros(shape)
        self._cells = np.zeros(shape, dtype=np.int64)
        self._switched = np.zeros(shape, dtype=np.int64)
        self._unasked = np.zeros(len(_POLARITIES), dtype=np.int64)
        self._resting = np.zeros(len(_POLARITIES), dtype=np.int64)

    def add(self, factor: Factor, cell_signs: Floats, before: States, after: States, known: States) -> Floats:
        """Compare the states of the block's cells before and after an update.

        Args:
            factor: what was asked.
            cell_signs: +1 for columns of plus cells, -1 for those of minus cells, (cell columns,).
            before: states (inputs, cell columns).
            after: the same after the update.
            known: 1 where both states can be trusted.

        Returns:
            What this update came to, AP -> P first: sum of requested probabilities, cells, and cells that
            switched, for cells of similar requested probability, (2, groups, 3).
        """
        found = np.zeros(AUDIT_SHAPE)
        each = len(cell_signs) // len(factor.columns)
        wanted = np.repeat(requested(factor), each, axis=1)
        direction = np.repeat(np.outer(factor.rows, factor.columns), each, axis=1) * cell_signs
        target = (direction > 0.0).astype(np.int8)
        trusted = known == 1
        asked = trusted & (wanted > 0.0) & (before != target)
        flipped = before != after
        bins = np.clip(np.searchsorted(_EDGES, wanted), 0, len(_EDGES) - 1)
        for index, polarity in enumerate(_POLARITIES):
            chosen = asked & (target == (1 if polarity > 0 else 0))
            found[index, :, REQUESTED] = np.bincount(bins[chosen], wanted[chosen], len(_EDGES))
            found[index, :, CELLS] = np.bincount(bins[chosen], minlength=len(_EDGES))
            found[index, :, SWITCHED] = np.bincount(bins[chosen & flipped], minlength=len(_EDGES))
            resting = trusted & ~asked & (before == (0 if polarity > 0 else 1))
            self._resting[index] += resting.sum()
            self._unasked[index] += (resting & flipped).sum()
        self._requested += found[:, :, REQUESTED]
        self._cells += found[:, :, CELLS].astype(np.int64)
        self._switched += found[:, :, SWITCHED].astype(np.int64)
        return found

    def by_polarity(self, polarity: int) -> Tally:
        """Sums over the bins of a polarity; cells at rest are those that could switch in it."""
        index = _POLARITIES.index(polarity)
        return Tally(
            float(self._requested[index].sum()),
            int(self._cells[index].sum()),
            int(self._switched[index].sum()),
            int(self._unasked[index].sum()),
            int(self._resting[index].sum()),
        )

    def total(self) -> Tally:
        """Sums over polarities and bins."""
        return sum((self.by_polarity(polarity) for polarity in _POLARITIES), Tally())

    def write(self, journal: Journal, tile: int, layer: int, epoch: int) -> None:
        """Record every bin that holds cells, and cells that were asked to stay as requested 0.

        The polarity of a cell at rest is the one in which it could switch.

        Args:
            journal: where to.
            tile: of the block.
            layer: of the block.
            epoch: from 0 on.
        """
        for index, polarity in enumerate(_POLARITIES):
            if self._resting[index]:
                journal.record_switching(
                    tile, layer, epoch, polarity, 0.0, int(self._resting[index]), int(self._unasked[index])
                )
        for index, polarity in enumerate(_POLARITIES):
            for k in np.flatnonzero(self._cells[index]):
                cells = int(self._cells[index, k])
                journal.record_switching(
                    tile, layer, epoch, polarity, float(self._requested[index, k]) / cells, cells,
                    int(self._switched[index, k]),
                )  # fmt: skip
