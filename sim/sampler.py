"""Draws the flips of pulses of one array, keeping what makes draws fast: windows, fits, drift."""

import math
from dataclasses import dataclass

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, States
from .blocks import BLOCK, PLANES, SHAPE
from .cells import Cells, Dynamics
from .device import Die
from .draws import draw_pulse
from .drives import FAINT, FAINTER, LIKELY, TERMS, drives_at, fill_windows, fit_hazards, sketch_hazards
from .philox import EXTRA_STREAM, Word, normal

_EVALUATIONS = 40.0
"""Evaluations of the law a cell, of one width, from which fits for that width pay."""
_RUNG = 1e-9
"""Windows are made for widths of this times a power of two, s."""
_DRIFT_STEPS = 64
"""Steps in which drift moves over its memory."""


@dataclass(frozen=True)
class _Fits:
    """Fits for pulses of one width and bounds of their errors, see `drives`."""

    fits: Floats32
    margin: float
    shape: Floats32
    sketches: Floats32
    margins: Floats


@dataclass(frozen=True)
class _Windows:
    """Drives up to which cells are unlikely to flip, or most unlikely, and the smallest of each block."""

    windows: Floats32
    faint: Floats32
    bounds: Floats


@dataclass
class _Width:
    """What is known of pulses of one width."""

    evaluated: int
    fits: _Fits


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
        self._blocks = -(-cells.delta.size // BLOCK)
        self._drift = die.drift
        self.headroom = math.exp(6.0 * die.drift.sigma)
        self._log_rate = np.log(cells.rate)
        self._windows: dict[int, _Windows] = {}
        self._near: dict[float, _Windows] = {}
        self._widths: dict[float, _Width] = {}
        self._no_fits = _Fits(
            np.empty((2, 0, 2 + TERMS), np.float32), 0.0, np.empty((2, SHAPE), np.float32),
            np.empty(0, np.float32), np.empty((2, 0)),
        )  # fmt: skip
        self._scratch = np.empty(cells.delta.size, np.int64)
        self._can_fit = not die.back_hopping.on

    @property
    def log_rate(self) -> Floats:
        """ln(rate) of each cell by drift, (rows, columns)."""
        return self._log_rate.copy()

    def restore_drift(self, log_rate: Floats) -> None:
        """Take up a stored drift."""
        self._log_rate[:] = log_rate
        self._cells.rate[:] = np.exp(log_rate)

    def cells_changed(self) -> None:
        """A junction broke: what was computed of the cells no longer holds."""
        self._windows.clear()
        self._near.clear()
        self._widths.clear()

    def draw(self, state: States, volts: Floats, edges: Floats, event: int) -> int:
        """Flip cells; returns how many.

        Args:
            state: (rows, columns), changed in place.
            volts: of the junctions in each interval, (intervals, rows, columns), V.
            edges: ends of the intervals, s, rising.
            event: number of the pulse.
        """
        width = float(edges[-1])
        near = self.prepare(width)
        if len(edges) == 1:
            lowest = highest = volts.reshape(-1)
        else:
            lowest, highest = volts.min(axis=0).reshape(-1), volts.max(axis=0).reshape(-1)
        known = self._known(width) if len(edges) == 1 and self._can_fit else None
        fits = known.fits if known else self._no_fits
        flips, evaluated = draw_pulse(
            self._cells, self._dynamics, state, volts, edges, lowest, highest, near.windows, near.faint,
            near.bounds, fits.fits, fits.margin, fits.shape, fits.sketches, fits.margins,
            self._drift.sigma > 0.0,
            self._seed, self._number, event, self._scratch,
        )  # fmt: skip
        if known:
            known.evaluated += evaluated
        return flips

    def prepare(self, width: float) -> _Windows:
        """Have the windows for pulses of `width` s ready."""
        near = self._near.get(width)
        if near is None:
            rung = max(math.ceil(math.log2(width / _RUNG)), 0)
            near = self._windows.get(rung) or self._windows_at(_RUNG * 2.0**rung)
            self._windows[rung] = near
            if len(self._near) < 64:
                self._near[width] = near
        return near

    def _windows_at(self, width: float) -> _Windows:
        drives = np.empty((2, self._cells.delta.size))
        windows = np.empty(2 * self._blocks * BLOCK, np.float32)
        faint = np.empty((2, windows.size), np.float32)
        bounds = np.empty(self._blocks)
        for chance, found in ((FAINTER, faint[1]), (FAINT, faint[0]), (LIKELY, windows)):
            drives_at(self._cells, self._dynamics, width, chance / self.headroom, drives)
            fill_windows(drives, found, bounds)
        return _Windows(windows, faint, bounds)

    def fitted(self, width: float) -> bool:
        """Whether pulses of this width are drawn with fits."""
        return width in self._widths and self._widths[width].fits.fits.size > 0

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
            known = self._widths[width] = _Width(0, self._no_fits)
        if not known.fits.fits.size and known.evaluated > _EVALUATIONS * self._cells.delta.size:
            known.fits = self._fitted_to(width)
        return known

    def _fitted_to(self, width: float) -> _Fits:
        fits = np.empty((2, self._cells.delta.size, 2 + TERMS), np.float32)
        error = fit_hazards(self._cells, self._dynamics, width, fits)
        margin = 2.0 * error + 1e-5
        shape = np.empty((2, SHAPE), np.float32)
        sketches = np.empty(2 * self._blocks * PLANES * BLOCK, np.float32)
        margins = np.empty((2, self._blocks))
        sketch_hazards(fits, margin, shape, sketches, margins)
        return _Fits(fits, margin, shape, sketches, margins)


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
