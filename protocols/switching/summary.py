"""From fits of devices to cells and to the array: mean, spread, correlations, error of measurement taken off.

Both polarities of a cell share Delta and the stray field: a cell that has both is one joint fit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Floats
from ..selection import TO_P
from .fit import DeviceFit
from .joint import DELTA, TIME, VOLTAGE_DOWN, VOLTAGE_UP, JointFit, Place
from .likelihood import LOG_DELTA, LOG_TIME, LOG_VOLTAGE

QUANTITIES = ("resistance", "delta", "critical_voltage_up", "critical_voltage_down")


@dataclass(frozen=True)
class FittedCell:
    """What is known of one cell.

    Attributes:
        tile: of the cell.
        row: of the cell.
        column: of the cell.
        delta: without field; NaN if no polarity was fitted.
        voltage_up: V_c0 of AP -> P, V; NaN if not fitted.
        voltage_down: V_c0 of P -> AP, V; NaN if not fitted.
        field: stray field, positive favours P.
        time_unit: s.
        resistance: R_P at zero bias, ohm; NaN if not known.
        tmr: at zero bias; NaN if not known.
        error: covariance of the logarithms of `QUANTITIES` by measurement, (4, 4).
    """

    tile: int
    row: int
    column: int
    delta: float
    voltage_up: float
    voltage_down: float
    field: float
    time_unit: float
    resistance: float
    tmr: float
    error: Floats


@dataclass(frozen=True)
class Summary:
    """Cells of an array.

    Attributes:
        cells: how many.
        mean: of each of `QUANTITIES`, SI.
        spread: relative standard deviation from cell to cell, the error of measurement taken off.
        measured_spread: with it.
        error: relative standard deviation of a measurement, root mean square.
        correlations: of the logarithms of each pair, the error of measurement taken off; None if unknown.
        field: mean stray field, and its chance under none.
    """

    cells: int
    mean: Mapping[str, float]
    spread: Mapping[str, float]
    measured_spread: Mapping[str, float]
    error: Mapping[str, float]
    correlations: Mapping[str, float | None]
    field: tuple[float, float]


def fitted_cells(
    fits: Sequence[DeviceFit],
    resistances: Mapping[int, tuple[Floats, Floats]],
    joint: Mapping[Place, JointFit],
) -> list[FittedCell]:
    """Cells from the fits of their polarities.

    Args:
        fits: of devices.
        resistances: by tile, R_P at zero bias in ohm and TMR at zero bias, (rows, columns) each.
        joint: fits of the cells that have both polarities.
    """
    by_cell: dict[Place, list[DeviceFit]] = {}
    for fit in fits:
        by_cell.setdefault((fit.tile, fit.row, fit.column), []).append(fit)
    return [
        _from_joint(joint[place], resistances) if place in joint else _from_one(each[0], resistances)
        for place, each in sorted(by_cell.items())
    ]


def summarise(cells: Sequence[FittedCell], field_chance: float) -> Summary:
    """Mean, spread and correlations over the cells, by moments of logarithms."""
    values = np.array(
        [[each.resistance, each.delta, each.voltage_up, each.voltage_down] for each in cells],
        dtype=np.float64,
    ).reshape(len(cells), len(QUANTITIES))
    logs = np.log(values)
    errors = np.array([each.error for each in cells]).reshape(len(cells), 4, 4)
    mean: dict[str, float] = {}
    spread: dict[str, float] = {}
    measured: dict[str, float] = {}
    error: dict[str, float] = {}
    own: dict[str, float] = {}
    for k, name in enumerate(QUANTITIES):
        known = np.isfinite(logs[:, k])
        mean[name] = float(values[known, k].mean()) if known.any() else math.nan
        several = known.sum() > 1
        total = float(logs[known, k].var(ddof=1)) if several else math.nan
        noise = float(errors[known, k, k].mean()) if known.any() else math.nan
        own[name] = max(total - noise, 0.0) if several else math.nan
        measured[name] = _relative(total)
        error[name] = math.sqrt(noise) if noise >= 0.0 else math.nan
        spread[name] = _relative(own[name])
    correlations: dict[str, float | None] = {}
    for a in range(len(QUANTITIES)):
        for b in range(a):
            known = np.isfinite(logs[:, a]) & np.isfinite(logs[:, b])
            one, other = own[QUANTITIES[a]], own[QUANTITIES[b]]
            pair = f"{QUANTITIES[b]}, {QUANTITIES[a]}"
            if known.sum() < 3 or not min(one, other) > 0.0:
                correlations[pair] = None
                continue
            shared = float(np.cov(logs[known, a], logs[known, b])[0, 1]) - float(errors[known, a, b].mean())
            correlations[pair] = float(np.clip(shared / math.sqrt(one * other), -1.0, 1.0))
    fields = [each.field for each in cells]
    return Summary(
        len(cells), mean, spread, measured, error, correlations,
        (float(np.mean(fields)) if fields else 0.0, field_chance),
    )  # fmt: skip


def _relative(log_variance: float) -> float:
    """Relative standard deviation of a log-normal quantity."""
    return math.sqrt(math.expm1(log_variance)) if log_variance >= 0.0 else math.nan


def _from_one(fit: DeviceFit, resistances: Mapping[int, tuple[Floats, Floats]]) -> FittedCell:
    """A cell of which one polarity was fitted."""
    error = np.zeros((4, 4))
    places = (1, 2 if fit.polarity == TO_P else 3)
    error[np.ix_(places, places)] = fit.spread[np.ix_((LOG_DELTA, LOG_VOLTAGE), (LOG_DELTA, LOG_VOLTAGE))]
    delta, voltage, time = (math.exp(float(fit.theta[k])) for k in (LOG_DELTA, LOG_VOLTAGE, LOG_TIME))
    up, down = (voltage, math.nan) if fit.polarity == TO_P else (math.nan, voltage)
    place = fit.tile, fit.row, fit.column
    return FittedCell(*place, delta, up, down, 0.0, time, *_resistance(place, resistances), error)


def _from_joint(joint: JointFit, resistances: Mapping[int, tuple[Floats, Floats]]) -> FittedCell:
    """A cell as fitted to both polarities at once."""
    error = np.zeros((4, 4))
    places = (DELTA, VOLTAGE_UP, VOLTAGE_DOWN)
    error[1:, 1:] = joint.spread[np.ix_(places, places)]
    delta, up, down, time = (math.exp(float(joint.theta[k])) for k in (*places, TIME))
    place = joint.tile, joint.row, joint.column
    known = _resistance(place, resistances)
    return FittedCell(*place, delta, up, down, joint.stray_field, time, *known, error)


def _resistance(place: Place, resistances: Mapping[int, tuple[Floats, Floats]]) -> tuple[float, float]:
    """R_P and TMR of a cell; NaN where they are not known."""
    tile, row, column = place
    if tile not in resistances:
        return math.nan, math.nan
    parallel, tmr = resistances[tile]
    return float(parallel[row, column]), float(tmr[row, column])
