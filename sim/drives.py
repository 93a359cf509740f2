"""Voltages at which a cell reaches a given hazard, and fast fits of the hazard between them.

The law costs most of a microsecond a cell. Three things computed once a pulse width make a draw cost
nanoseconds: the voltage window inside which a cell is unlikely to flip (`fill_windows`), a polynomial of the
log hazard in voltage over the range where the outcome is open (`fit_hazards`), and its short form
(`sketch_hazards`). None changes a result: see `draws`.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32
from .blocks import BLOCK, PLANES, SHAPE
from .cells import Cells, Dynamics, cell_hazard

LIKELY = 2.0**-10
"""Probability below which a cell is drawn by thinning."""
FAINT, FAINTER = 2.0**-14, 2.0**-18
"""Probabilities below which most candidates of thinning need no look at the law."""
STRONGEST = 5.0
"""Overdrives beyond +-5 are outside the Fokker-Planck table."""
FIT_LOW, FIT_HIGH = -6.0, 2.0
"""Log hazards between which it is fitted: P from 0.25 % to 99.94 %."""
TERMS = 10

_NODES = np.cos(math.pi * (np.arange(TERMS) + 0.5) / TERMS)
_INVERSE = np.linalg.inv(np.vander(_NODES, TERMS, increasing=True))

_BENDS = np.linspace(-1.0, 1.0, 33)
_BASIS = (1.0 - _BENDS**2)[:, None] * np.vander(_BENDS, 3, increasing=True)
_TO_BENDS = np.linalg.pinv(_BASIS)
_TO_SHAPE = np.linalg.pinv(np.vander(_BENDS, SHAPE, increasing=True))
_MET = 0.02
"""How far the ends of a fit may be off the range of fits in a sketch."""
_ROUNDING = 1e-4
"""Of a sketch in 32 bits."""


@kernel
def log_hazard_of(
    cells: Cells, dynamics: Dynamics, state: int, drive: float, i: int, j: int, duration: float
) -> float:
    """ln hazard of one pulse at this drive (V, positive drives out of `state`), without drift."""
    volt = drive if state == 0 else -drive
    hazard = cell_hazard(dynamics, cells, state, volt, i, j, duration, 0.0) / cells.rate[i, j]
    return math.log(hazard) if hazard > 0.0 else -1e3


@kernel
def drive_at(
    cells: Cells, dynamics: Dynamics, state: int, log_hazard: float, i: int, j: int, duration: float
) -> float:
    """Drive, V, at which a pulse has this log hazard, from below within 1e-5 of V_c0.

    Infinite if no tabulated drive reaches it, minus infinity if every one does.
    """
    critical = cells.voltage_up[i, j] if state == 0 else cells.voltage_down[i, j]
    low, high = 0.0, critical
    below = log_hazard_of(cells, dynamics, state, low, i, j, duration) - log_hazard
    if below >= 0.0:
        low, high, above = -STRONGEST * critical, low, below
        below = log_hazard_of(cells, dynamics, state, low, i, j, duration) - log_hazard
        if below >= 0.0:
            return -math.inf
    else:
        above = log_hazard_of(cells, dynamics, state, high, i, j, duration) - log_hazard
        if above < 0.0:
            low, below = high, above
            high = STRONGEST * critical
            above = log_hazard_of(cells, dynamics, state, high, i, j, duration) - log_hazard
            if above < 0.0:
                return math.inf
    side = 0
    for _ in range(60):  # Illinois variant of false position
        if high - low < 1e-5 * critical or below > -1e-5:
            break
        middle = low + (high - low) * below / (below - above)
        if not low < middle < high:
            middle = 0.5 * (low + high)
        value = log_hazard_of(cells, dynamics, state, middle, i, j, duration) - log_hazard
        if value < 0.0:
            low, below = middle, value
            if side == -1:
                above *= 0.5
            side = -1
        else:
            high, above = middle, value
            if side == 1:
                below *= 0.5
            side = 1
    return low


@kernel
def drives_at(cells: Cells, dynamics: Dynamics, duration: float, chance: float, drives: Floats) -> None:
    """Drive out of AP and out of P above which P may exceed `chance`: `drives` is (2, cells).

    Args:
        cells: parameters.
        dynamics: law.
        duration: of the longest pulse to be covered, s.
        chance: probability, small, less where a rate that drifts needs room.
        drives: returned, V.
    """
    n = cells.delta.shape[1]
    for cell in range(cells.delta.size):
        i, j = cell // n, cell % n
        for state in range(2):
            if cells.stuck[i, j] == 1:
                drives[state, cell] = math.inf
            else:
                drives[state, cell] = drive_at(cells, dynamics, state, math.log(chance), i, j, duration)


@kernel
def fill_windows(drives: Floats, windows: Floats32, bounds: Floats) -> None:
    """Largest drives at which cells are unlikely to flip, and the smallest of each block.

    Args:
        drives: (2, cells) of `drives_at`.
        windows: flat (2, padded cells), returned, V; a little low, for 32 bits.
        bounds: (blocks,), smallest of both states, returned, V.
    """
    size, padded = drives.shape[1], windows.size // 2
    windows[:] = math.inf
    bounds[:] = math.inf
    for side in range(2):
        for cell in range(size):
            drive = drives[side, cell]
            if math.isfinite(drive):
                drive -= 1e-6 * abs(drive)
            windows[side * padded + cell] = drive
            bounds[cell // BLOCK] = min(bounds[cell // BLOCK], drive)


@kernel
def fit_hazards(cells: Cells, dynamics: Dynamics, duration: float, fits: Floats32) -> float:
    """Polynomials of the log hazard of one pulse in the drive: `fits` is (2, cells, 2 + TERMS).

    A fit is (middle, 1/half width, coefficients) in the drive out of AP (first) and out of P.

    Returns:
        Largest error found at points between the nodes.
    """
    n = cells.delta.shape[1]
    values = np.empty(TERMS)
    worst = 0.0
    for cell in range(cells.delta.size):
        i, j = cell // n, cell % n
        for state in range(2):
            fit = fits[state, cell]
            low = drive_at(cells, dynamics, state, FIT_LOW, i, j, duration)
            high = drive_at(cells, dynamics, state, FIT_HIGH, i, j, duration)
            critical = cells.voltage_up[i, j] if state == 0 else cells.voltage_down[i, j]
            low = max(low, -STRONGEST * critical)
            high = min(high, STRONGEST * critical)
            if cells.stuck[i, j] == 1 or not low < high:
                fit[:] = math.nan  # every comparison fails, so the exact law is asked
                continue
            middle, half = 0.5 * (low + high), 0.5 * (high - low)
            for k in range(TERMS):
                values[k] = log_hazard_of(cells, dynamics, state, middle + half * _NODES[k], i, j, duration)
            fit[0], fit[1] = middle, 1.0 / half
            for k in range(TERMS):
                term = 0.0
                for node in range(TERMS):
                    term += _INVERSE[k, node] * values[node]
                fit[2 + k] = term
            for x in (-1.0, -0.95, -0.81, -0.59, -0.31, 0.0, 0.31, 0.59, 0.81, 0.95, 1.0):
                drive = fit[0] + x / fit[1]
                true = log_hazard_of(cells, dynamics, state, drive, i, j, duration)
                worst = max(worst, abs(true - evaluate_fit(fit, x)))
    return worst


@kernel
def evaluate_fit(fit: Floats32, x: float) -> float:
    """A fit at the reduced drive x in [-1, 1]."""
    low = fit[2] + x * (fit[3] + x * (fit[4] + x * (fit[5] + x * fit[6])))
    return float(low + x**5 * (fit[7] + x * (fit[8] + x * (fit[9] + x * (fit[10] + x * fit[11])))))


@kernel
def sketch_hazards(
    fits: Floats32, margin: float, shape: Floats32, sketches: Floats32, margins: Floats
) -> None:
    """Short forms of fits: a shape common to all cells, and (1 - x^2)(b + c x + d x^2) in the reduced
    drive x.

    Args:
        fits: (2, cells, 2 + TERMS) of `fit_hazards`.
        margin: bound of their error.
        shape: (2, SHAPE), returned: coefficients, fitted to the mean.
        sketches: flat (2, blocks, PLANES, BLOCK), returned: middle, 1/half width, b, c, d. NaN, which judges
            nothing, where a fit does not span the whole range.
        margins: (2, blocks), returned: bound of the error of the sketches of each block.
    """
    sketches[:] = math.nan
    margins[:] = 0.0
    common, rest, bends = np.zeros(_BENDS.size), np.zeros(_BENDS.size), np.zeros(3)
    for side in range(2):
        _mean_fit(fits[side], common)
        shape[side] = (_TO_SHAPE @ common).astype(np.float32)
        for k in range(_BENDS.size):
            common[k] = 0.0
            for m in range(SHAPE):
                common[k] += shape[side, m] * _BENDS[k] ** m
        for cell in range(fits.shape[1]):
            fit = fits[side, cell]
            if not _spans(fit):
                continue
            for k in range(_BENDS.size):
                rest[k] = evaluate_fit(fit, _BENDS[k]) - common[k]
            worst = 0.0
            for m in range(3):
                bends[m] = (_TO_BENDS[m] * rest).sum()
            for k in range(_BENDS.size):
                worst = max(worst, abs(rest[k] - (_BASIS[k] * bends).sum()))
            block = cell // BLOCK
            base = (side * margins.shape[1] + block) * PLANES * BLOCK + cell % BLOCK
            sketches[base], sketches[base + BLOCK] = fit[0], fit[1]
            for m in range(3):
                sketches[base + (2 + m) * BLOCK] = bends[m]
            margins[side, block] = max(margins[side, block], 1.1 * worst + margin + _ROUNDING)


@kernel
def _spans(fit: Floats32) -> bool:
    """Whether a fit goes from one end of the range of log hazards to the other; not so for NaN."""
    low, high = evaluate_fit(fit, -1.0) - FIT_LOW, evaluate_fit(fit, 1.0) - FIT_HIGH
    return abs(low) < _MET and abs(high) < _MET


@kernel
def _mean_fit(fits: Floats32, mean: Floats) -> None:
    """Mean of the fits (cells, 2 + TERMS) that span the range, at _BENDS."""
    mean[:] = 0.0
    count = 0
    for cell in range(fits.shape[0]):
        if _spans(fits[cell]):
            count += 1
            for k in range(_BENDS.size):
                mean[k] += evaluate_fit(fits[cell], _BENDS[k])
    mean /= max(count, 1)
