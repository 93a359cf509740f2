"""The Fokker-Planck law of one device from the tables: compiled, no Python objects.

The tables hold the forward hazard X; the closed-form equilibrium occupancy P_eq turns it into a probability,
P = P_eq (1 - exp(-X/P_eq)), so that P stops at the occupancy a lasting drive really leaves (1/2 at rest).
Below half of the critical overdrive into the initial state, i < -(1 - h)/2, P is the thermal tail beyond
x = -h and follows P_eq; the relaxation toward it is then taken from that edge of the "hold" table.
"""

import math

from ...compiled import kernel
from .equilibrium import equilibrium_log_odds
from .grids import HOLD_AXES, HOLD_GRID, HOLD_OFFSET, SWITCH_GRID
from .table import Coefficients, Place, interpolated, place_in

CERTAIN = 37.0
"""Log odds from which P_eq counts as 1; hazards above this (1 - P < 1e-16) do not see what returns."""
TIME_TOLERANCE = 1e-6
"""Relative error of an equivalent time: the rounding of the tables."""
HELD_MOST = HOLD_AXES.overdrive_last
LOG_FIRST = math.log(SWITCH_GRID.time_first)  # both tables share their span of time
LOG_LAST = math.log(SWITCH_GRID.time_last)


@kernel
def place_of(overdrive: float, reduced_time: float, delta: float, field: float) -> Place:
    """Place of one device in the shipped tables. Compiled."""
    if overdrive >= 0.0:
        return place_in(SWITCH_GRID, 0, overdrive / (1.0 + field), reduced_time, delta, field)
    held = min(-overdrive / (1.0 - field), HELD_MOST)
    return place_in(HOLD_GRID, HOLD_OFFSET, held, reduced_time, delta, field)


@kernel
def log_hazard_of(log_forward: float, overdrive: float, delta: float, field: float) -> float:
    """ln(-ln(1 - P)) from ln X: what returns from the other well is taken into account. Compiled."""
    edge = -HELD_MOST * (1.0 - field)
    if _returns_not(log_forward, _stay_exponent(overdrive, delta, field)) and overdrive >= edge:
        return log_forward
    log_odds = equilibrium_log_odds(overdrive, delta, field)
    log_occupancy = -_log1p_exp(-log_odds)
    # beyond the edge of "hold" the table was entered at the edge, so X there belongs to the occupancy there
    tabulated = log_occupancy
    if overdrive < edge:
        tabulated = -_log1p_exp(-equilibrium_log_odds(edge, delta, field))
    relaxed = math.exp(log_forward - tabulated)
    log_p = log_occupancy + math.log(-math.expm1(-relaxed))
    if log_p < -30.0:
        return log_p
    if log_p < -0.7:
        return math.log(-math.log1p(-math.exp(log_p)))
    remaining = math.exp(-_log1p_exp(log_odds)) + math.exp(log_occupancy - relaxed)
    return math.log(-math.log(remaining))


@kernel
def fokker_planck_equivalent_time(
    table: Coefficients, log_hazard: float, overdrive: float, delta: float, field: float
) -> float:
    """Reduced time with the given ln(-ln(1 - P)); inf where P stays below that for ever. Compiled."""
    check = log_hazard + overdrive + delta + field
    if check != check:
        return check
    if log_hazard == -math.inf:
        return 0.0
    target = log_hazard
    if _stay_exponent(overdrive, delta, field) <= CERTAIN:
        log_odds = equilibrium_log_odds(overdrive, delta, field)
        log_occupancy = -_log1p_exp(-log_odds)
        hazard = math.exp(log_hazard)
        if hazard < 0.5:
            log_p = log_hazard if hazard < 1e-14 else math.log(-math.expm1(-hazard))
            if log_p >= log_occupancy:
                return math.inf
            relaxed = -math.log1p(-math.exp(log_p - log_occupancy))
        else:
            gap = math.exp(-hazard) - math.exp(-_log1p_exp(log_odds))
            if gap <= 0.0:
                return math.inf
            relaxed = log_occupancy - math.log(gap)
        if relaxed <= 0.0:
            return 0.0
        edge = -HELD_MOST * (1.0 - field)
        if overdrive < edge:
            log_occupancy = -_log1p_exp(-equilibrium_log_odds(edge, delta, field))
        target = math.log(relaxed) + log_occupancy
    return _time_of_log_forward(table, target, overdrive, delta, field)


@kernel
def _time_of_log_forward(
    table: Coefficients, target: float, overdrive: float, delta: float, field: float
) -> float:
    """Invert ln X(ln tau), increasing with tau, by the Illinois variant of false position."""
    low, high = LOG_FIRST, LOG_LAST
    below = interpolated(table, place_of(overdrive, SWITCH_GRID.time_first, delta, field)) - target
    above = interpolated(table, place_of(overdrive, SWITCH_GRID.time_last, delta, field)) - target
    if below >= 0.0:
        return math.exp(low - below)
    if above <= 0.0:
        return math.exp(high - above)
    side = 0
    for _ in range(100):
        middle = low + (high - low) * below / (below - above)
        if not low < middle < high:
            middle = 0.5 * (low + high)
        value = interpolated(table, place_of(overdrive, math.exp(middle), delta, field)) - target
        if abs(value) < TIME_TOLERANCE or high - low < TIME_TOLERANCE:
            return math.exp(middle)
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
    return math.exp(0.5 * (low + high))


@kernel
def _stay_exponent(overdrive: float, delta: float, field: float) -> float:
    """About -ln(1 - P_eq), from what stays in the well or hangs below the barrier; < 0: about ln P_eq."""
    wells = 4.0 * (overdrive - field)
    barrier = (1.0 - field) * (1.0 - field + 2.0 * overdrive)
    return delta * min(wells, barrier)


@kernel
def _returns_not(log_forward: float, stay: float) -> bool:
    """Whether returning from the other well changes the hazard X by less than 1e-7 of it."""
    if stay > CERTAIN:
        return True
    if log_forward <= 0.0:
        return log_forward < stay - 18.0
    return log_forward < 4.0 and math.exp(log_forward) < stay - 16.0


@kernel
def _log1p_exp(x: float) -> float:
    return x if x > 36.0 else math.log1p(math.exp(x))
