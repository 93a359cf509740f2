"""Both polarities of a cell in one likelihood: they share Delta, the unit of time and the stray field.

A field h > 0 favours P: it holds a cell in P and helps it out of AP, so the law of AP -> P is taken at the
field -h and that of P -> AP at +h. Three models are compared: *separate*, a Delta for each polarity;
*shared*, one Delta and no field; *field*, one Delta and a field. Cells are made of one of the last two.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from ...drivers.contract import Floats
from ..selection import TO_AP, TO_P
from .checks import binomial_deviance, combined_chance
from .fit import CONFIDENCE, DeviceFit, FitSettings, Points, fit_warnings
from .law import Law, fitted_law
from .likelihood import (
    FIELD,
    HIGHEST,
    LOG_DELTA,
    LOG_TIME,
    LOG_VOLTAGE,
    LOWEST,
    PARAMETERS,
    Flags,
    log_likelihood,
    probabilities,
    score_and_information,
)
from .newton import Local, Problem, interval, maximum, spread_at

Joint = Literal["shared", "field"]
Place = tuple[int, int, int]
"""Tile, row, column."""
_SIGNIFICANT = 0.01
"""Chance below which the polarities of an array are taken to differ by stray fields and not by error."""
JOINED = 5
DELTA, VOLTAGE_UP, VOLTAGE_DOWN, TIME, STRAY = range(JOINED)
"""Places in the parameters of a cell: ln Delta, ln V_c0 of AP -> P and of P -> AP, ln tau, h."""
_LOWEST = np.array(
    [LOWEST[LOG_DELTA], LOWEST[LOG_VOLTAGE], LOWEST[LOG_VOLTAGE], LOWEST[LOG_TIME], LOWEST[FIELD]]
)
_HIGHEST = np.array(
    [HIGHEST[LOG_DELTA], HIGHEST[LOG_VOLTAGE], HIGHEST[LOG_VOLTAGE], HIGHEST[LOG_TIME], HIGHEST[FIELD]]
)
_LARGEST_STEP = np.array([0.3, 0.1, 0.1, 2.0, 0.05])


def _jacobian(polarity: int) -> Floats:
    """d(parameters of one polarity)/d(parameters of the cell), (4, 5)."""
    found = np.zeros((PARAMETERS, JOINED))
    found[LOG_DELTA, DELTA] = found[LOG_TIME, TIME] = 1.0
    found[LOG_VOLTAGE, VOLTAGE_UP if polarity == TO_P else VOLTAGE_DOWN] = 1.0
    found[FIELD, STRAY] = -float(polarity)
    return found


_JACOBIANS = {polarity: _jacobian(polarity) for polarity in (TO_P, TO_AP)}


@dataclass(frozen=True)
class JointFit:
    """One cell, both polarities.

    Attributes:
        tile: of the cell.
        row: of the cell.
        column: of the cell.
        model: shared or field.
        theta: (ln Delta, ln V_c0 up, ln V_c0 down, ln tau, h), (5,); V_c0 and Delta are those without field.
        spread: covariance of theta by its information, (5, 5).
        delta: interval (low, high), profile likelihood.
        voltage_up: interval of V_c0 of AP -> P, V.
        voltage_down: interval of V_c0 of P -> AP, V.
        time_unit: interval of tau in s; None if it was held fixed.
        field: interval of h; (0, 0) where none was fitted.
        log_likelihood: at the maximum.
        parameters: how many were fitted.
        deviance: of the counts of both polarities, pooled over blocks.
        degrees_of_freedom: points less parameters.
    """

    tile: int
    row: int
    column: int
    model: Joint
    theta: Floats
    spread: Floats
    delta: tuple[float, float]
    voltage_up: tuple[float, float]
    voltage_down: tuple[float, float]
    time_unit: tuple[float, float] | None
    field: tuple[float, float]
    log_likelihood: float
    parameters: int
    deviance: float
    degrees_of_freedom: int

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return 2.0 * self.parameters - 2.0 * self.log_likelihood

    @property
    def stray_field(self) -> float:
        """h, positive favours P."""
        return float(self.theta[STRAY])


@dataclass(frozen=True)
class CellFits:
    """Cells of an array fitted by both polarities, without and with a stray field.

    Attributes:
        shared: fits without, one a cell.
        field: fits with, one a cell in the same order.
        field_chance: of as much sign of a field if no cell has any; 1 without cells.
    """

    shared: tuple[JointFit, ...]
    field: tuple[JointFit, ...]
    field_chance: float

    def by_cell(self, model: Joint | None = None) -> dict[Place, JointFit]:
        """Fits by cell; where no model is named, those with a field if there is one beyond chance."""
        if model is None:
            model = "field" if self.field_chance < _SIGNIFICANT else "shared"
        chosen = self.field if model == "field" else self.shared
        return {(one.tile, one.row, one.column): one for one in chosen}


@dataclass(frozen=True)
class PolarityModel:
    """How one model of both polarities does, summed over the cells that have both.

    Attributes:
        model: separate, shared or field.
        deviance: of the pooled counts.
        degrees_of_freedom: points less parameters.
        aic: the least is preferred.
        cells: with both polarities.
    """

    model: str
    deviance: float
    degrees_of_freedom: int
    aic: float
    cells: int


def pairs_of(fits: Iterable[DeviceFit]) -> list[tuple[DeviceFit, DeviceFit]]:
    """Fits of AP -> P and of P -> AP of the cells that have both."""
    found: dict[tuple[int, int, int], dict[int, DeviceFit]] = {}
    for fit in fits:
        found.setdefault((fit.tile, fit.row, fit.column), {})[fit.polarity] = fit
    return [(each[TO_P], each[TO_AP]) for _, each in sorted(found.items()) if len(each) == 2]


def fit_cells(pairs: Sequence[tuple[DeviceFit, DeviceFit]], settings: FitSettings) -> CellFits:
    """Fit cells by the counts of both polarities, without and with a field; see `fit_jointly`."""
    shared, field = (tuple(fit_jointly(pairs, settings, model)) for model in ("shared", "field"))
    return CellFits(shared, field, field_chance(shared, field))


def fit_jointly(
    pairs: Sequence[tuple[DeviceFit, DeviceFit]], settings: FitSettings, model: Joint
) -> list[JointFit]:
    """Fit cells by the counts of both polarities.

    Args:
        pairs: separate fits of both polarities, whose points and maxima are taken up.
        settings: of the separate fits.
        model: whether a field is fitted.
    """
    law = fitted_law(settings.law)
    return [_fit_cell(law, up, down, settings, model) for up, down in pairs]


def compare_polarities(pairs: Sequence[tuple[DeviceFit, DeviceFit]], cells: CellFits) -> list[PolarityModel]:
    """The three models of the same cells; `cells` are those of `pairs`."""
    both = [fit for pair in pairs for fit in pair]
    separate = PolarityModel(
        "separate",
        sum(fit.checks.deviance for fit in both),
        sum(fit.checks.degrees_of_freedom for fit in both),
        sum(fit.aic for fit in both),
        len(pairs),
    )
    joined = [
        PolarityModel(
            name,
            sum(fit.deviance for fit in fits),
            sum(fit.degrees_of_freedom for fit in fits),
            sum(fit.aic for fit in fits),
            len(fits),
        )
        for name, fits in (("shared", cells.shared), ("field", cells.field))
    ]
    return [separate, *joined]


def field_chance(shared: Sequence[JointFit], field: Sequence[JointFit]) -> float:
    """Chance of as much sign of stray fields if no cell has any: 1 without cells.

    Two tests in one: the mean field, which sees a small one that all cells have, and the gain of likelihood
    over all cells, which sees fields of either sign.
    """
    if not field:
        return 1.0
    gain = sum(two.log_likelihood - one.log_likelihood for one, two in zip(shared, field, strict=True))
    by_gain = float(stats.chi2.sf(2.0 * max(gain, 0.0), len(field)))
    fields = np.array([one.stray_field for one in field])
    variances = np.array([float(one.spread[STRAY, STRAY]) for one in field])
    told = variances > 0.0
    weights = 1.0 / variances[told]
    by_mean = math.nan
    if told.any():
        by_mean = 2.0 * float(stats.norm.sf(abs(weights @ fields[told]) / math.sqrt(weights.sum())))
    return combined_chance((by_gain, by_mean), (1.0, 1.0))


def as_joint(fit: DeviceFit, joint: JointFit, law: Law, settings: FitSettings) -> DeviceFit:
    """The fit of one polarity with the parameters and intervals of its whole cell.

    Delta and V_c0 are those without field. Its parameters are half of those of the cell, rounded up; the
    degrees of freedom are its points less these. Tests of drift stay those of the separate fit.
    """
    jacobian, points = _JACOBIANS[fit.polarity], fit.points
    theta, spread = np.asarray(jacobian @ joint.theta), np.asarray(jacobian @ joint.spread @ jacobian.T)
    p = probabilities(law, theta, points.voltages, points.widths)
    deviance = binomial_deviance(points.switched, points.trials, p)
    parameters = -(-joint.parameters // 2)
    freedom = len(points.trials) - parameters
    goodness = float(stats.chi2.sf(deviance, freedom)) if freedom > 0 else math.nan
    return replace(
        fit,
        theta=theta,
        spread=spread,
        delta=joint.delta,
        critical_voltage=joint.voltage_up if fit.polarity == TO_P else joint.voltage_down,
        time_unit=joint.time_unit,
        log_likelihood=_value(law, theta, points),
        parameters=parameters,
        checks=replace(fit.checks, deviance=deviance, degrees_of_freedom=freedom, goodness_p=goodness),
        warnings=fit_warnings(settings, theta, spread, joint.delta, bool(joint.spread.any()), points),
    )


def _value(law: Law, theta: Floats, points: Points) -> float:
    return float(log_likelihood(law, theta, points.voltages, points.widths, points.switched, points.trials))


def _problem(law: Law, up: Points, down: Points, free: Flags) -> Problem:
    """The likelihood of a cell."""
    own: Flags = np.array([True, True, bool(free[TIME]), bool(free[STRAY])])

    def at(theta: Floats) -> Local:
        value, score, matrix = 0.0, np.zeros(JOINED), np.zeros((JOINED, JOINED))
        for polarity, points in ((TO_P, up), (TO_AP, down)):
            jacobian = _JACOBIANS[polarity]
            one = np.asarray(jacobian @ theta)
            pull, information = np.empty(PARAMETERS), np.empty((PARAMETERS, PARAMETERS))
            data = points.voltages, points.widths, points.switched, points.trials
            score_and_information(law, one, own, *data, pull, information)
            value += float(log_likelihood(law, one, *data))
            score += jacobian.T @ pull
            matrix += jacobian.T @ information @ jacobian
        return value, score, matrix

    return Problem(at, _LOWEST, _HIGHEST, _LARGEST_STEP)


def _fit_cell(law: Law, up: DeviceFit, down: DeviceFit, settings: FitSettings, model: Joint) -> JointFit:
    free: Flags = np.array([True, True, True, settings.fit_time, model == "field"])
    problem = _problem(law, up.points, down.points, free)
    start = np.array(
        [
            0.5 * (up.theta[LOG_DELTA] + down.theta[LOG_DELTA]),
            up.theta[LOG_VOLTAGE],
            down.theta[LOG_VOLTAGE],
            0.5 * (up.theta[LOG_TIME] + down.theta[LOG_TIME]),
            0.0,
        ]
    )
    theta, value = maximum(problem, np.clip(start, _LOWEST, _HIGHEST), free)
    spread = spread_at(problem, theta, free)
    root = float(stats.norm.ppf(0.5 + 0.5 * CONFIDENCE))

    def ends(parameter: int) -> tuple[float, float]:
        if spread is None:
            return float(_LOWEST[parameter]), float(_HIGHEST[parameter])
        return interval(problem, theta, value, free, spread, parameter, root)

    def logarithmic(parameter: int) -> tuple[float, float]:
        low, high = ends(parameter)
        return math.exp(low), math.exp(high)

    deviance = points = 0.0
    for polarity, fit in ((TO_P, up), (TO_AP, down)):
        own = fit.points
        p = probabilities(law, np.asarray(_JACOBIANS[polarity] @ theta), own.voltages, own.widths)
        deviance += binomial_deviance(own.switched, own.trials, p)
        points += len(own.trials)
    return JointFit(
        tile=up.tile,
        row=up.row,
        column=up.column,
        model=model,
        theta=theta,
        spread=np.zeros((JOINED, JOINED)) if spread is None else spread,
        delta=logarithmic(DELTA),
        voltage_up=logarithmic(VOLTAGE_UP),
        voltage_down=logarithmic(VOLTAGE_DOWN),
        time_unit=logarithmic(TIME) if settings.fit_time else None,
        field=ends(STRAY) if model == "field" else (0.0, 0.0),
        log_likelihood=value,
        parameters=int(free.sum()),
        deviance=deviance,
        degrees_of_freedom=int(points) - int(free.sum()),
    )
