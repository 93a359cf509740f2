"""Beta-binomial fit: P of a device varies from block to block beyond what binomial trials do.

Within a block and point k of n trials switch with a P of its own, beta-distributed about that of the law with
the variance rho P (1 - P): rho is the correlation of two trials of one block, 0 for steady devices. Then
var k = n P (1 - P) (1 + (n - 1) rho), and intervals of Delta and V_c0 are wider than those of a binomial fit.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...compiled import kernel
from ...drivers.contract import Floats
from ...records.tallies import BlockCount
from .checks import binomial_deviance
from .fit import CONFIDENCE, DeviceFit, FitSettings, Points, fit_warnings
from .law import Law, fitted_law
from .likelihood import (
    HIGHEST,
    LOG_DELTA,
    LOG_TIME,
    LOG_VOLTAGE,
    LOWEST,
    PARAMETERS,
    Flags,
    gradients,
    probabilities,
)
from .newton import Local, Problem, interval, maximum, spread_at

Integers = NDArray[np.int64]
LOG_RHO = PARAMETERS
"""Place of ln rho behind (ln Delta, ln V_c0, ln tau, h)."""
NO_RHO, MOST_RHO = 1e-7, 0.5
"""Range of rho; at its lower end trials are binomial."""
_START_RHO = 0.01
_LOWEST = np.append(LOWEST, math.log(NO_RHO))
_HIGHEST = np.append(HIGHEST, math.log(MOST_RHO))
_LARGEST_STEP = np.array([0.3, 0.1, 2.0, 0.1, 2.0])
_LEAST_INFORMATION = 0.05
"""About ln rho, so that a rho near 0, of which the likelihood says nothing, moves in steps all the same."""


@dataclass(frozen=True)
class ScatterFit:
    """A device and polarity whose blocks may scatter.

    Attributes:
        fit: with the parameters and intervals of the beta-binomial fit; its log likelihood is that of the
            counts by block, without the constant.
        rho: correlation of two trials of one block and point.
        rho_interval: profile likelihood; its lower end is 0 where steady trials are not excluded.
        binomial: log likelihood of the same counts at rho = 0.
        steady: the binomial trials that would tell as much: counts pooled over blocks, each over what rho
            widens its variance by.
    """

    fit: DeviceFit
    rho: float
    rho_interval: tuple[float, float]
    binomial: float
    steady: Points

    @property
    def aic_gain(self) -> float:
        """By how much AIC is less than that of the binomial fit; below 0 the binomial one is preferred."""
        return 2.0 * (self.fit.log_likelihood - self.binomial) - 2.0


def fit_scatter(
    counts: Iterable[BlockCount], fits: Sequence[DeviceFit], settings: FitSettings
) -> list[ScatterFit]:
    """Beta-binomial fits of the devices and polarities of `fits`.

    Args:
        counts: of all devices by block and point, those of one device and polarity next to each other.
        fits: binomial fits, which they start from.
        settings: of these.
    """
    law = fitted_law(settings.law)
    known = {(fit.tile, fit.row, fit.column, fit.polarity): fit for fit in fits}
    found = []
    for key, members in groupby(counts, key=lambda one: (one.tile, one.row, one.column, one.polarity)):
        if key in known:
            found.append(_fit_device(law, list(members), known[key], settings))
    return found


def _fit_device(law: Law, counts: Sequence[BlockCount], fit: DeviceFit, settings: FitSettings) -> ScatterFit:
    voltages = np.array([each.voltage for each in counts])
    widths = np.array([each.width for each in counts])
    switched = np.array([each.switched for each in counts], dtype=np.int64)
    trials = np.array([each.trials for each in counts], dtype=np.int64)
    own: Flags = np.array([True, True, settings.fit_time, False])

    def at(theta: Floats) -> Local:
        p = probabilities(law, theta[:PARAMETERS], voltages, widths)
        rho = math.exp(float(theta[LOG_RHO]))
        value, by_p, by_rho, curve = beta_binomial(np.clip(p, 1e-12, 1 - 1e-12), rho, switched, trials)
        # dP/d eta = (1 - P) h with h = -ln(1 - P).
        slopes = (
            gradients(law, theta[:PARAMETERS], own, voltages, widths)
            * ((1.0 - p) * -np.log1p(-np.minimum(p, 1 - 1e-15)))[:, None]
        )
        weight = trials / (np.maximum(p * (1.0 - p), 1e-12) * (1.0 + (trials - 1) * rho))
        score, matrix = np.zeros(PARAMETERS + 1), np.zeros((PARAMETERS + 1, PARAMETERS + 1))
        score[:PARAMETERS] = slopes.T @ by_p
        matrix[:PARAMETERS, :PARAMETERS] = slopes.T @ (weight[:, None] * slopes)
        score[LOG_RHO] = rho * by_rho
        matrix[LOG_RHO, LOG_RHO] = max(-rho * rho * curve - rho * by_rho, _LEAST_INFORMATION)
        return value, score, matrix

    problem = Problem(at, _LOWEST, _HIGHEST, _LARGEST_STEP)
    free: Flags = np.append(own, True)
    steady = np.append(fit.theta, math.log(NO_RHO))
    _, binomial = maximum(problem, steady, np.append(own, False))
    start = np.append(fit.theta, math.log(_START_RHO))
    theta, value = maximum(problem, start, free)
    if value < binomial:
        theta, value = maximum(problem, steady, np.append(own, False))
    spread = spread_at(problem, theta, free)
    root = float(stats.norm.ppf(0.5 + 0.5 * CONFIDENCE))

    def ends(parameter: int) -> tuple[float, float]:
        if spread is None:
            return math.exp(_LOWEST[parameter]), math.exp(_HIGHEST[parameter])
        low, high = interval(problem, theta, value, free, spread, parameter, root)
        return math.exp(low), math.exp(high)

    low, high = ends(LOG_RHO)
    rho = _told(math.exp(float(theta[LOG_RHO])))
    found, points, delta = theta[:PARAMETERS], _steady(counts, fit.points, rho), ends(LOG_DELTA)
    p = probabilities(law, found, points.voltages, points.widths)
    deviance = binomial_deviance(points.switched, points.trials, p)
    freedom = len(points.trials) - int(own.sum())
    own_spread = fit.spread if spread is None else spread[:PARAMETERS, :PARAMETERS]
    widened = replace(
        fit,
        theta=found,
        spread=own_spread,
        delta=delta,
        critical_voltage=ends(LOG_VOLTAGE),
        time_unit=ends(LOG_TIME) if settings.fit_time else None,
        log_likelihood=value,
        parameters=int(free.sum()),
        checks=replace(
            fit.checks,
            deviance=deviance,
            degrees_of_freedom=freedom,
            goodness_p=float(stats.chi2.sf(deviance, freedom)) if freedom > 0 else math.nan,
        ),
        warnings=fit_warnings(settings, found, own_spread, delta, spread is not None, fit.points),
    )
    return ScatterFit(widened, rho, (_told(low), high), binomial, points)


def _steady(counts: Sequence[BlockCount], points: Points, rho: float) -> Points:
    """Pooled counts over the widening of their variance, 1 + rho (sum of n^2 over blocks/sum of n - 1)."""
    squares: dict[tuple[float, float], float] = {}
    for each in counts:
        key = each.asked_width, each.asked_voltage
        squares[key] = squares.get(key, 0.0) + float(each.trials) ** 2
    sizes = np.array([squares[key] for key in sorted(squares)]) / points.trials
    widening = 1.0 + rho * (sizes - 1.0)
    return replace(points, switched=points.switched / widening, trials=points.trials / widening)


def _told(rho: float) -> float:
    return 0.0 if rho <= 2.0 * NO_RHO else rho


@kernel
def beta_binomial(
    p: Floats, rho: float, switched: Integers, trials: Integers
) -> tuple[float, Floats, float, float]:
    """Log likelihood of beta-binomial counts, without its constant, and its derivatives. Compiled.

    ln L = sum ln(P (1 - rho) + j rho) over j < k, and likewise for the trials that stayed and for all.

    Args:
        p: (counts,), inside (0, 1).
        rho: correlation within a count, > 0.
        switched: (counts,).
        trials: (counts,).

    Returns:
        Value, derivative by each P (counts,), first and second derivative by rho.
    """
    value, first, second = 0.0, 0.0, 0.0
    by_p = np.zeros(p.size)
    for m in range(p.size):
        for part in range(2):
            share = p[m] if part == 0 else 1.0 - p[m]
            count = switched[m] if part == 0 else trials[m] - switched[m]
            for j in range(count):
                term = share * (1.0 - rho) + j * rho
                slope = (j - share) / term
                value += math.log(term)
                by_p[m] += (1.0 - rho) / term if part == 0 else -(1.0 - rho) / term
                first += slope
                second -= slope * slope
        for j in range(trials[m]):
            term = 1.0 - rho + j * rho
            slope = (j - 1.0) / term
            value -= math.log(term)
            first -= slope
            second += slope * slope
    return value, by_p, first, second
