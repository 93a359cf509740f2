"""Delta, V_c0 and the unit of time of each device and polarity, by maximum likelihood over all its trials."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from scipy import stats

from ...drivers.contract import Floats
from ...records.tallies import BlockCount
from .checks import Checks, check_fit
from .law import Law, LawName, fitted_law
from .likelihood import (
    HIGHEST,
    LOG_DELTA,
    LOG_TIME,
    LOG_VOLTAGE,
    LOWEST,
    PARAMETERS,
    Flags,
    covariance,
    device_log_hazard,
    information,
    maximise,
)
from .profile import profile_end

CONFIDENCE = 0.95
_START_DELTA = 45.0
_START_WEIGHT = np.array([0.5**-2, 0.5**-2, 4.0**-2, 0.05**-2])
"""Of a prior that only leads to the neighbourhood of the maximum; the last steps are taken without it."""
_CONFOUNDED = 0.98
"""Correlation of the estimates of ln Delta and ln tau from which they are not told apart."""
_WIDE = 0.5
"""Relative half width of an interval of Delta from which it says little."""


@dataclass(frozen=True)
class FitSettings:
    """How devices are fitted.

    Attributes:
        law: fokker-planck, neel-brown-1 or neel-brown-2.
        time_unit: tau_D of the Fokker-Planck law or tau0 of the others, s; the start where it is fitted.
        fit_time: whether the unit of time is fitted too.
    """

    law: LawName = "fokker-planck"
    time_unit: float = 1.9e-9
    fit_time: bool = False


@dataclass(frozen=True)
class Points:
    """Counts of one device and polarity, (points,) each: voltage seen in V, width in s, switched, trials."""

    voltages: Floats
    widths: Floats
    switched: Floats
    trials: Floats


@dataclass(frozen=True)
class DeviceFit:
    """What the trials of one device and polarity say.

    Attributes:
        tile: of the device.
        row: of the device.
        column: of the device.
        polarity: +1 AP -> P, -1 P -> AP.
        theta: (ln Delta, ln V_c0, ln tau, h), (4,).
        spread: covariance of theta by its information, (4, 4); 0 for what was held fixed.
        delta: interval of Delta (low, high), profile likelihood.
        critical_voltage: interval of V_c0 in V.
        time_unit: interval of tau in s; None if it was held fixed.
        log_likelihood: at the maximum, without the constant of the counts.
        parameters: how many were fitted.
        points: counts pooled over blocks.
        checks: how well the law and constant parameters describe the trials.
        delta_by_time: d ln Delta/d ln tau while the likelihood stays at its maximum.
        warnings: what to know before the numbers are used.
    """

    tile: int
    row: int
    column: int
    polarity: int
    theta: Floats
    spread: Floats
    delta: tuple[float, float]
    critical_voltage: tuple[float, float]
    time_unit: tuple[float, float] | None
    log_likelihood: float
    parameters: int
    points: Points
    checks: Checks
    delta_by_time: float
    warnings: tuple[str, ...] = field(default=())

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return 2.0 * self.parameters - 2.0 * self.log_likelihood

    @property
    def flagged(self) -> bool:
        """Whether the device drifted or scattered more than binomial trials do."""
        return self.checks.flagged


def fit_devices(counts: Iterable[BlockCount], settings: FitSettings) -> list[DeviceFit]:
    """Fit every device and polarity that switched at least once and stayed at least once.

    Args:
        counts: of all devices, those of one device and polarity next to each other.
        settings: of the fit.
    """
    law = fitted_law(settings.law)
    fits = []
    for _, members in groupby(counts, key=_device):
        own = list(members)
        switched, trials = sum(each.switched for each in own), sum(each.trials for each in own)
        if 0 < switched < trials:
            fits.append(fit_device(own, law, settings))
    return fits


def fit_device(counts: Sequence[BlockCount], law: Law, settings: FitSettings) -> DeviceFit:
    """Fit one device and polarity.

    Args:
        counts: its trials by block and point.
        law: from `fitted_law`.
        settings: of the fit.
    """
    first = counts[0]
    points = pooled(counts)
    data = points.voltages, points.widths, points.switched, points.trials
    free: Flags = np.array([True, True, settings.fit_time, False])
    theta, value = best_theta(law, points, free, settings)
    matrix, spread = np.empty((PARAMETERS, PARAMETERS)), np.zeros((PARAMETERS, PARAMETERS))
    information(law, theta, free, points.voltages, points.widths, points.trials, matrix)
    told = covariance(matrix, free, spread)
    root = float(stats.norm.ppf(0.5 + 0.5 * CONFIDENCE))

    def interval(parameter: int) -> tuple[float, float]:
        if not told:
            return math.exp(LOWEST[parameter]), math.exp(HIGHEST[parameter])
        low, high = (
            profile_end(law, theta, value, free, spread, parameter, side, root, *data) for side in (-1.0, 1.0)
        )
        return math.exp(low), math.exp(high)

    delta, voltage = interval(LOG_DELTA), interval(LOG_VOLTAGE)
    time = interval(LOG_TIME) if settings.fit_time else None
    by_time = _delta_by_time(law, theta, points)
    return DeviceFit(
        tile=first.tile,
        row=first.row,
        column=first.column,
        polarity=first.polarity,
        theta=theta,
        spread=spread,
        delta=delta,
        critical_voltage=voltage,
        time_unit=time,
        log_likelihood=value,
        parameters=int(free.sum()),
        points=points,
        checks=check_fit(
            counts, points.voltages, points.widths, points.switched, points.trials, law, theta, free
        ),
        delta_by_time=by_time,
        warnings=fit_warnings(settings, theta, spread, delta, told, points),
    )


def pooled(counts: Iterable[BlockCount]) -> Points:
    """Counts of one device and polarity pooled over blocks; voltages are means over trials."""
    sums: dict[tuple[float, float], list[float]] = {}
    for each in counts:
        total = sums.setdefault((each.asked_width, each.asked_voltage), [0.0, 0.0, 0.0, 0.0])
        total[0] += each.switched
        total[1] += each.trials
        total[2] += each.trials * each.voltage
        total[3] += each.trials * each.width
    table = np.array([sums[key] for key in sorted(sums)])
    return Points(table[:, 2] / table[:, 1], table[:, 3] / table[:, 1], table[:, 0], table[:, 1])


def best_theta(law: Law, points: Points, free: Flags, settings: FitSettings) -> tuple[Floats, float]:
    """Maximum of the likelihood, (4,), and its logarithm there."""
    data = points.voltages, points.widths, points.switched, points.trials
    theta = np.array([math.log(_START_DELTA), 0.0, math.log(settings.time_unit), 0.0])
    theta[LOG_VOLTAGE] = _start_voltage(law, theta, points)
    start = theta.copy()
    maximise(law, theta, free, start, _START_WEIGHT, *data)
    none = np.zeros(PARAMETERS)
    value = float(maximise(law, theta, free, none, none, *data))
    return theta, value


@dataclass(frozen=True)
class LawComparison:
    """One law on all devices.

    Attributes:
        law: its name.
        fit_time: whether the unit of time was fitted for every device.
        deviance: summed over devices.
        degrees_of_freedom: summed over devices.
        aic: summed over devices; the least is preferred.
        devices: device and polarity pairs fitted.
    """

    law: LawName
    fit_time: bool
    deviance: float
    degrees_of_freedom: int
    aic: float
    devices: int


_COMPARED: tuple[tuple[LawName, bool, float], ...] = (
    ("fokker-planck", False, 1.9e-9),
    ("fokker-planck", True, 1.9e-9),
    ("neel-brown-2", False, 1e-9),
    ("neel-brown-2", True, 1e-9),
    ("neel-brown-1", False, 1e-9),
)
"""Law, whether time is fitted, unit of time in s. That of neel-brown-1 cannot be: Delta and ln tau0 enter it
only through their sum, whatever the widths."""


def compare_laws(counts: Sequence[BlockCount], settings: FitSettings) -> list[LawComparison]:
    """Every law on the same trials.

    Args:
        counts: of all devices, those of one device and polarity next to each other.
        settings: the unit of time of its law is used for that law.
    """
    found = []
    for name, fit_time, unit in _COMPARED:
        chosen = FitSettings(name, settings.time_unit if name == settings.law else unit, fit_time)
        law, free = fitted_law(name), np.array([True, True, fit_time, False])
        deviance = aic = 0.0
        freedom = devices = 0
        for _, members in groupby(counts, key=_device):
            points = pooled(members)
            if not 0 < points.switched.sum() < points.trials.sum():
                continue
            _, value = best_theta(law, points, free, chosen)
            deviance += 2.0 * (_saturated(points) - value)
            aic += 2.0 * int(free.sum()) - 2.0 * value
            freedom += len(points.trials) - int(free.sum())
            devices += 1
        found.append(LawComparison(name, fit_time, deviance, freedom, aic, devices))
    return found


def _device(each: BlockCount) -> tuple[int, int, int, int]:
    return each.tile, each.row, each.column, each.polarity


def _saturated(points: Points) -> float:
    k, n = points.switched, points.trials
    share = k / n
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(k > 0, k * np.log(share), 0.0) + np.where(k < n, (n - k) * np.log1p(-share), 0.0)
    return float(terms.sum())


def _start_voltage(law: Law, theta: Floats, points: Points) -> float:
    """ln V_c0 that puts the law through the point nearest to P = 1/2."""
    share = (points.switched + 0.5) / (points.trials + 1.0)
    nearest = int(np.argmin(np.abs(share - 0.5) + 1.0 / np.sqrt(points.trials)))
    eta = math.log(-math.log1p(-float(share[nearest])))
    unit = theta.copy()
    low, high = 1e-3, 4.9
    for _ in range(60):
        middle = 0.5 * (low + high)
        if device_log_hazard(law, unit, middle, float(points.widths[nearest])) < eta:
            low = middle
        else:
            high = middle
    return math.log(float(points.voltages[nearest]) / (0.5 * (low + high)))


def _delta_by_time(law: Law, theta: Floats, points: Points) -> float:
    """d ln Delta/d ln tau along the ridge of the likelihood; NaN if the data tell nothing."""
    free: Flags = np.array([True, True, True, False])
    matrix = np.empty((PARAMETERS, PARAMETERS))
    information(law, theta, free, points.voltages, points.widths, points.trials, matrix)
    own = matrix[:2, :2]
    if not np.linalg.cond(own) < 1e12:
        return math.nan
    return float(-np.linalg.solve(own, matrix[:2, LOG_TIME])[LOG_DELTA])


def fit_warnings(
    settings: FitSettings,
    theta: Floats,
    spread: Floats,
    delta: tuple[float, float],
    told: bool,
    points: Points,
) -> tuple[str, ...]:
    """What to know before the numbers of a fit are used.

    Args:
        settings: of the fit.
        theta: maximum, (4,).
        spread: covariance there, (4, 4).
        delta: interval of Delta.
        told: whether the information has an inverse.
        points: counts of the device and polarity.
    """
    found = []
    if not told:
        found.append("the trials do not tell Delta from V_c0: measure more voltages and widths")
    if settings.fit_time and told:
        sigmas = np.sqrt(np.diag(spread))
        correlation = spread[LOG_DELTA, LOG_TIME] / max(sigmas[LOG_DELTA] * sigmas[LOG_TIME], 1e-300)
        wide = delta[1] - delta[0] > 2.0 * _WIDE * math.exp(theta[LOG_DELTA])
        if wide or abs(correlation) > _CONFOUNDED:
            found.append(
                "the trials cannot separate Delta from tau0: fix the unit of time, or measure widths over "
                "more decades"
            )
    elif settings.fit_time:
        found.append("the trials cannot separate Delta from tau0: fix the unit of time")
    if not settings.fit_time and points.widths.max() < 3.0 * points.widths.min():
        found.append("one width only: Delta rests on the unit of time that was taken as known")
    for parameter, name in ((LOG_DELTA, "Delta"), (LOG_VOLTAGE, "V_c0")):
        if not LOWEST[parameter] + 1e-6 < theta[parameter] < HIGHEST[parameter] - 1e-6:
            found.append(f"{name} ended at the edge of its range")
    return tuple(found)
