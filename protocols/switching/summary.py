"""From fits of devices to cells and to the array: mean, spread, correlations, error of measurement taken off.

Both polarities of a cell share Delta and the stray field h (+1 sees -h, -1 sees +h): in exponents a law with
a field is that without one at Delta (1 + h)^2 and V_c0 (1 + h), which is how separate fits are joined.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ...drivers.contract import Floats
from ..selection import TO_AP, TO_P
from .fit import DeviceFit
from .joint import DELTA, TIME, VOLTAGE_DOWN, VOLTAGE_UP, JointFit
from .likelihood import LOG_DELTA, LOG_TIME, LOG_VOLTAGE

_SIGNIFICANT = 0.01
"""Chance below which the two polarities are taken to differ by a stray field and not by error."""
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
    joint: Mapping[tuple[int, int, int], JointFit] | None = None,
) -> tuple[list[FittedCell], float]:
    """Join the polarities of every cell.

    Args:
        fits: of devices.
        resistances: by tile, R_P at zero bias in ohm and TMR at zero bias, (rows, columns) each.
        joint: fits of both polarities by cell, which are taken as they are; other cells are joined from
            their separate fits.

    Returns:
        Cells, and the chance that the polarities differ as they do without any stray field.
    """
    by_cell: dict[tuple[int, int, int], dict[int, DeviceFit]] = {}
    for fit in fits:
        by_cell.setdefault((fit.tile, fit.row, fit.column), {})[fit.polarity] = fit
    pairs = [each for each in by_cell.values() if len(each) == 2]
    chance = _no_field(pairs)
    known = joint or {}
    joined = [
        _cell(place, each, chance < _SIGNIFICANT, resistances, known.get(place))
        for place, each in sorted(by_cell.items())
    ]
    return joined, chance


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


def _no_field(pairs: Sequence[Mapping[int, DeviceFit]]) -> float:
    """Chance that Delta of both polarities differ by more than found, in mean or scatter, without a field."""
    if not pairs:
        return 1.0
    difference = np.array([p[TO_AP].theta[LOG_DELTA] - p[TO_P].theta[LOG_DELTA] for p in pairs])
    variance = np.array(
        [p[TO_AP].spread[LOG_DELTA, LOG_DELTA] + p[TO_P].spread[LOG_DELTA, LOG_DELTA] for p in pairs]
    )
    good = variance > 0.0
    if not good.any():
        return 1.0
    difference, variance = difference[good], variance[good]
    mean = float((difference / variance).sum() / math.sqrt((1.0 / variance).sum()))
    scatter = float((difference**2 / variance).sum())
    by_mean = 2.0 * float(stats.norm.sf(abs(mean)))
    by_scatter = float(stats.chi2.sf(scatter, len(difference)))
    return min(1.0, 2.0 * min(by_mean, by_scatter))


def _cell(
    place: tuple[int, int, int],
    fits: Mapping[int, DeviceFit],
    with_field: bool,
    resistances: Mapping[int, tuple[Floats, Floats]],
    joint: JointFit | None,
) -> FittedCell:
    tile, row, column = place
    resistance = tmr = math.nan
    if tile in resistances:
        resistance, tmr = (float(each[row, column]) for each in resistances[tile])
    error = np.zeros((4, 4))
    up, down = fits.get(TO_P), fits.get(TO_AP)
    one = up or down
    if one is None:
        raise ValueError("a cell without a fit")
    blank = FittedCell(
        tile, row, column, math.nan, math.nan, math.nan, 0.0, math.exp(float(one.theta[LOG_TIME])),
        resistance, tmr, error,
    )  # fmt: skip
    if up is None or down is None:
        k = 2 if up is not None else 3
        place_of = {LOG_DELTA: 1, LOG_VOLTAGE: k}
        for a, i in place_of.items():
            for b, j in place_of.items():
                error[i, j] = one.spread[a, b]
        voltage = math.exp(float(one.theta[LOG_VOLTAGE]))
        return replace(
            blank,
            delta=math.exp(float(one.theta[LOG_DELTA])),
            voltage_up=voltage if up is not None else math.nan,
            voltage_down=voltage if up is None else math.nan,
        )
    if joint is not None:
        return _from_joint(blank, joint)
    return _with_field(blank, up, down) if with_field else _without_field(blank, up, down)


def _from_joint(blank: FittedCell, joint: JointFit) -> FittedCell:
    """As fitted to both polarities at once."""
    error = np.zeros((4, 4))
    places = (DELTA, VOLTAGE_UP, VOLTAGE_DOWN)
    error[1:, 1:] = joint.spread[np.ix_(places, places)]
    delta, up, down = (math.exp(float(joint.theta[place])) for place in places)
    return replace(
        blank, delta=delta, voltage_up=up, voltage_down=down, field=joint.stray_field, error=error,
        time_unit=math.exp(float(joint.theta[TIME])),
    )  # fmt: skip


def _without_field(blank: FittedCell, up: DeviceFit, down: DeviceFit) -> FittedCell:
    """One Delta for both polarities, weighted by precision; each V_c0 follows along its own ridge."""
    error = np.zeros((4, 4))
    variances = [max(float(fit.spread[LOG_DELTA, LOG_DELTA]), 1e-12) for fit in (up, down)]
    weights = [1.0 / variance for variance in variances]
    shared = sum(w * float(fit.theta[LOG_DELTA]) for w, fit in zip(weights, (up, down), strict=True))
    shared /= sum(weights)
    variance = 1.0 / sum(weights)
    error[1, 1] = variance
    voltages, slopes = [], []
    for k, fit in ((2, up), (3, down)):
        own = max(float(fit.spread[LOG_DELTA, LOG_DELTA]), 1e-12)
        slope = float(fit.spread[LOG_VOLTAGE, LOG_DELTA]) / own
        voltages.append(
            math.exp(float(fit.theta[LOG_VOLTAGE]) + slope * (shared - float(fit.theta[LOG_DELTA])))
        )
        slopes.append(slope)
        rest = max(float(fit.spread[LOG_VOLTAGE, LOG_VOLTAGE]) - slope * slope * own, 0.0)
        error[k, k] = rest + slope * slope * variance
        error[1, k] = error[k, 1] = slope * variance
    error[2, 3] = error[3, 2] = slopes[0] * slopes[1] * variance
    return replace(
        blank, delta=math.exp(shared), voltage_up=voltages[0], voltage_down=voltages[1], error=error
    )


def _with_field(blank: FittedCell, up: DeviceFit, down: DeviceFit) -> FittedCell:
    """Delta (1 - h)^2 was seen by AP -> P and Delta (1 + h)^2 by P -> AP."""
    roots = [math.exp(0.5 * float(fit.theta[LOG_DELTA])) for fit in (up, down)]
    field = float(np.clip((roots[1] - roots[0]) / (roots[1] + roots[0]), -0.3, 0.3))
    error = np.zeros((4, 4))
    for k, fit in ((2, up), (3, down)):
        error[k, k] = fit.spread[LOG_VOLTAGE, LOG_VOLTAGE]
        error[1, 1] += 0.25 * fit.spread[LOG_DELTA, LOG_DELTA]
        error[1, k] = error[k, 1] = 0.5 * fit.spread[LOG_VOLTAGE, LOG_DELTA]
    return replace(
        blank,
        delta=0.25 * (roots[0] + roots[1]) ** 2,
        voltage_up=math.exp(float(up.theta[LOG_VOLTAGE])) / (1.0 - field),
        voltage_down=math.exp(float(down.theta[LOG_VOLTAGE])) / (1.0 + field),
        field=field,
        error=error,
    )
