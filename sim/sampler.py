"""Draws the flips of pulses of one array, keeping what makes draws fast: windows, fits, drift."""

import math
from dataclasses import dataclass

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, States
from .cells import Cells, Dynamics
from .device import Die
from .draws import draw_pulse
from .drives import TERMS, fill_windows, fit_hazards, likely_drives
from .philox import EXTRA_STREAM, Word, normal

_EVALUATIONS = 40.0
"""Evaluations of the law a cell, of one width, from which fits for that width pay."""
_RUNG = 1e-9
"""Windows are made for widths of this times a power of two, s."""
_DRIFT_STEPS = 64
"""Steps in which drift moves over its memory."""


@dataclass
class _Width:
    """What is known of pulses of one width."""

    evaluated: int
    fits: Floats32
    margin: float


class Sampler:
    """Flips cells of one array after each pulse.

    Args:
        die: effects; the drift decides how much room the windows leave.
        cells: parameters, shared with the array.
        dynamics: law.
        seed: key of all draws.
        number: number of the array on its die.
    """

    def __init__(self, die: Die, cells: Cells, dynamics: Dynamics, seed: Word, number: int) -> None:
        self._cells, self._dynamics, self._seed, self._number = cells, dynamics, seed, number
        size = cells.delta.size
        self._drift = die.drift
        self.headroom = math.exp(6.0 * die.drift.sigma)
        self._log_rate = np.log(cells.rate)
        self._drives: dict[int, Floats] = {}
        self._scales: Floats32 = np.empty(size, np.float32)
        self._windows_of: int | None = None
        self._widths: dict[float, _Width] = {}
        self._no_fits: Floats32 = np.empty((2, 0, 2 + TERMS), np.float32)
        self._scratch = np.empty(size, np.int64)
        self._can_fit = not die.back_hopping.on

    @property
    def log_rate(self) -> Floats:
        """ln(rate) of each cell by drift, (rows, columns)."""
        return self._log_rate.copy()

    def restore_drift(self, log_rate: Floats) -> None:
        """Take up a stored drift."""
        self._log_rate[:] = log_rate
        self._cells.rate[:] = np.exp(log_rate)

    def states_changed(self) -> None:
        """States changed otherwise than by `draw`."""
        self._windows_of = None

    def cells_changed(self) -> None:
        """A junction broke: what was computed of the cells no longer holds."""
        self._drives.clear()
        self._widths.clear()
        self._windows_of = None

    def draw(self, state: States, volts: Floats, edges: Floats, event: int) -> int:
        """Flip cells; returns how many.

        Args:
            state: (rows, columns), changed in place.
            volts: of the junctions in each interval, (intervals, rows, columns), V.
            edges: ends of the intervals, s, rising.
            event: number of the pulse.
        """
        width = float(edges[-1])
        drives = self.prepare(state, width)
        if len(edges) == 1:
            lowest = highest = volts.reshape(-1)
        else:
            lowest, highest = volts.min(axis=0).reshape(-1), volts.max(axis=0).reshape(-1)
        known = self._known(width) if len(edges) == 1 and self._can_fit else None
        flips, evaluated = draw_pulse(
            self._cells, self._dynamics, state, volts, edges, lowest, highest, drives, self._scales,
            known.fits if known else self._no_fits, known.margin if known else 0.0,
            self._drift.sigma > 0.0,
            self._seed, self._number, event, self._scratch,
        )  # fmt: skip
        if known:
            known.evaluated += evaluated
        return flips

    def prepare(self, state: States, width: float) -> Floats:
        """Have the windows of these states ready for pulses of `width` s; returns the likely drives."""
        rung = max(math.ceil(math.log2(width / _RUNG)), 0)
        drives = self._drives.get(rung)
        if drives is None:
            drives = self._drives[rung] = np.empty((2, state.size))
            likely_drives(self._cells, self._dynamics, _RUNG * 2.0**rung, self.headroom, drives)
        if self._windows_of != rung:
            fill_windows(drives, state, self._scales)
            self._windows_of = rung
        return drives

    def fitted(self, width: float) -> bool:
        """Whether pulses of this width are drawn with fits."""
        return width in self._widths and self._widths[width].fits.size > 0

    def drift(self, event: int) -> bool:
        """Let the rates drift before pulse number `event`; returns whether they moved."""
        if self._drift.sigma == 0.0:
            return False
        every = max(round(self._drift.pulses / _DRIFT_STEPS), 1)
        if event % every or event == 0:
            return False
        keep = math.exp(-every / self._drift.pulses)
        spread = self._drift.sigma * math.sqrt(-math.expm1(-2.0 * every / self._drift.pulses))
        _move(self._log_rate, self._cells.rate, keep, spread, self._seed, self._number, event)
        return True

    def _known(self, width: float) -> _Width:
        known = self._widths.get(width)
        if known is None:
            if len(self._widths) >= 64:
                self._widths.clear()
            known = self._widths[width] = _Width(0, self._no_fits, 0.0)
        size = self._cells.delta.size
        if not known.fits.size and known.evaluated > _EVALUATIONS * size:
            known.fits = np.empty((2, size, 2 + TERMS), np.float32)
            error = fit_hazards(self._cells, self._dynamics, width, known.fits)
            known.margin = 2.0 * error + 1e-5
        return known


@kernel
def _move(
    log_rate: Floats, rate: Floats, keep: float, spread: float, seed: Word, number: int, event: int
) -> None:
    m, n = log_rate.shape
    for i in range(m):
        for j in range(n):
            draw = normal(seed, EXTRA_STREAM + 4 * number, event, i * n + j)
            log_rate[i, j] = keep * log_rate[i, j] + spread * draw
            rate[i, j] = math.exp(log_rate[i, j])
