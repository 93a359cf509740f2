"""Feedback against drift: a few reference cells are measured again now and then; the select voltage follows.

At first the cells are measured at the calibrated voltage. Whatever their log hazard ln(-ln(1 - P)) has moved
by since then, beyond what the present correction explains, is taken for a drift of the whole tile.
"""

import numpy as np

from ..journal import States
from ..selection import TO_AP, TO_P, row_pulse
from ..settings import PulseSettings, ReadSettings
from ..switching.settings import LineResistances
from ..switching.shots import Integers, Shot
from ..switching.trial import STAYED, SWITCHED, TrialTile
from ..switching_curve import counted_log_hazard
from .block import Block
from .settings import FeedbackSettings

_FIRST = 4
"""Times as many trials at first: every later correction leans on them."""
_MOST = 0.1
"""Largest share by which a voltage is ever corrected."""


class Feedback:
    """Follows the drift of one tile.

    Args:
        block: calibrated.
        settings: of the feedback.
        amplitudes: calibrated select voltage by polarity, V.
        read: how states are told.
        pulse: width and limits.
        rng: chooses the reference cells.
    """

    def __init__(
        self,
        block: Block,
        settings: FeedbackSettings,
        amplitudes: dict[int, float],
        read: ReadSettings,
        pulse: PulseSettings,
        rng: np.random.Generator,
    ) -> None:
        self._block, self._settings, self._pulse = block, settings, pulse
        self._first = dict(amplitudes)
        self._since = 0
        self._rows = _reference_cells(block, settings.cells, rng)
        self.drift = dict.fromkeys((TO_P, TO_AP), 0.0)
        """Of the log hazard by polarity, as corrected for at present."""
        with block.crossbar.during("feedback"):
            self._tile = TrialTile(
                block.crossbar, block.calibration, read, pulse, LineResistances(), block.crossbar.journal
            )
            self._base = self._measured(_FIRST * settings.trials, 0)

    def amplitudes(self, epoch: int) -> dict[int, float]:
        """Select voltage by polarity for the next update, V; the cells are measured when they are due."""
        self._since += 1
        if self._since >= self._settings.every:
            self._since = 0
            with self._block.crossbar.during("feedback", epoch):
                found = self._measured(self._settings.trials, epoch)
            for polarity, eta in found.items():
                explained = self._slope(polarity) * (self._corrected(polarity) - self._first[polarity])
                seen = eta - self._base[polarity] - explained
                self.drift[polarity] += self._settings.gain * (seen - self.drift[polarity])
        return {polarity: self._corrected(polarity) for polarity in self._first}

    def _slope(self, polarity: int) -> float:
        return self._block.calibration.curve(polarity).slope

    def _corrected(self, polarity: int) -> float:
        """Calibrated voltage less the drift, within what may be asked of the die, V."""
        first = self._first[polarity]
        wanted = first - self.drift[polarity] / self._slope(polarity)
        low = max(first * (1.0 - _MOST), self._pulse.search_from)
        return min(max(wanted, low), first * (1.0 + _MOST), self._pulse.search_to)

    def _measured(self, trials: int, epoch: int) -> dict[int, float]:
        """Log hazard of the reference cells at the present voltages, by polarity; states are put back."""
        counts = {polarity: [0, 0] for polarity in self._first}
        for row, columns in self._rows.items():
            before = self._tile.levels.states(self._tile.read_row(row, columns), row, columns)
            for polarity, total in counts.items():
                volts = np.full(len(columns), self._corrected(polarity))
                shot = Shot(row, columns, ("reference",) * len(columns), volts, self._pulse.width)
                for _ in range(trials):
                    outcomes = self._tile.shot(shot, polarity, epoch).outcomes
                    total[0] += int((outcomes == SWITCHED).sum())
                    total[1] += int((outcomes <= STAYED).sum())
            self._put_back(row, columns, before)
        return {polarity: counted_log_hazard(k, n) for polarity, (k, n) in counts.items()}

    def _put_back(self, row: int, columns: Integers, states: States) -> None:
        """Bring cells of a row back to the states they had."""
        rows, wide = self._block.crossbar.capabilities.shape
        for polarity, state in ((TO_P, 1), (TO_AP, 0)):
            chosen = np.zeros(wide, dtype=np.bool_)
            chosen[columns[states == state]] = True
            if chosen.any():
                self._block.crossbar.apply(
                    row_pulse(
                        row, chosen, polarity, self._block.calibration.strong, self._pulse.width,
                        self._pulse.program_unselected, rows, self._block.gated,
                    )
                )  # fmt: skip


def _reference_cells(block: Block, count: int, rng: np.random.Generator) -> dict[int, Integers]:
    """Columns of the reference cells by row: unused working cells, else working cells at random."""
    working = block.calibration.levels.stuck < 0
    places = np.argwhere(working & ~block.used())
    if len(places) < count:
        places = np.argwhere(working)
    chosen = places[rng.permutation(len(places))[:count]]
    return {int(row): np.sort(chosen[chosen[:, 0] == row, 1]) for row in np.unique(chosen[:, 0])}
