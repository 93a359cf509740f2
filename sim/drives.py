"""Voltages at which a cell reaches a given hazard, and fast fits of the hazard between them.

The law costs most of a microsecond a cell. Two things computed once a pulse width make a draw cost
nanoseconds: the voltage window inside which a cell is unlikely to flip (`fill_windows`), and a polynomial of
the log hazard in voltage over the range where the outcome is open (`fit_hazards`). Neither changes a result:
see `draws`.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, States
from .cells import Cells, Dynamics, cell_hazard

LIKELY = 2.0**-13
"""Probability below which a cell is drawn by thinning."""
STRONGEST = 5.0
"""Overdrives beyond +-5 are outside the Fokker-Planck table."""
FIT_LOW, FIT_HIGH = -6.0, 2.0
"""Log hazards between which it is fitted: P from 0.25 % to 99.94 %."""
TERMS = 6

_NODES = np.cos(math.pi * (np.arange(TERMS) + 0.5) / TERMS)
_INVERSE = np.linalg.inv(np.vander(_NODES, TERMS, increasing=True))


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
def likely_drives(cells: Cells, dynamics: Dynamics, duration: float, headroom: float, drives: Floats) -> None:
    """Drive out of AP and out of P above which P may exceed LIKELY: `drives` is (2, cells).

    Args:
        cells: parameters.
        dynamics: law.
        duration: of the longest pulse to be covered, s.
        headroom: factor that covers a rate that drifts.
        drives: returned, V.
    """
    n = cells.delta.shape[1]
    for cell in range(cells.delta.size):
        i, j = cell // n, cell % n
        for state in range(2):
            if cells.stuck[i, j] == 1:
                drives[state, cell] = math.inf
            else:
                target = math.log(LIKELY / headroom)
                drives[state, cell] = drive_at(cells, dynamics, state, target, i, j, duration)


@kernel
def scale_of(drives: Floats, state: int, cell: int) -> float:
    """Scale that makes a voltage V an unlikely one, for this cell in `state`, if V times it is at most 1.

    0 if every voltage is, NaN (which no comparison passes) if none is. A little large, for 32 bits.
    """
    drive = drives[state, cell]
    if drive <= 0.0:
        return math.nan
    scale = (1.0 + 1e-6) / drive
    return float(scale if state == 0 else -scale)


@kernel
def fill_windows(drives: Floats, state: States, scales: Floats32) -> None:
    """`scale_of` for every cell in its present state."""
    states = state.ravel()
    for cell in range(states.size):
        scales[cell] = scale_of(drives, states[cell], cell)


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
            for x in (-1.0, -0.866, 0.5, 0.866, 1.0):
                drive = fit[0] + x / fit[1]
                true = log_hazard_of(cells, dynamics, state, drive, i, j, duration)
                worst = max(worst, abs(true - evaluate_fit(fit, x)))
    return worst


@kernel
def evaluate_fit(fit: Floats32, x: float) -> float:
    """A fit at the reduced drive x in [-1, 1]."""
    return float(fit[2] + x * (fit[3] + x * (fit[4] + x * (fit[5] + x * (fit[6] + x * fit[7])))))
