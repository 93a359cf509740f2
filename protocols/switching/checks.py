"""Whether a fitted law with constant parameters describes the trials: fit, scatter over blocks, drift."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...drivers.contract import Floats
from ...records.tallies import BlockCount
from .law import Law
from .likelihood import Flags, gradients, information_weights, log_hazards

SIGNIFICANT = 0.02
"""A device is flagged when `Checks.change_p` falls below; that happens to as many steady ones."""
_SCATTER_WEIGHT, _TIME_WEIGHT, _RESISTANCE_WEIGHT = 0.45, 0.45, 0.1
"""Of the three tests in `Checks.change_p`. A drift shows in the scatter of blocks or over time, whichever its
memory; few devices change along with their resistance."""
_WAVES, _CORNER = 24, 8.0
"""Cosines over the time of the campaign that stand for a drift, and the half waves beyond which they count
for less: a drift with a memory has a spectrum of 1/(1 + (f/f0)^2)."""
_HIGHEST = 1.0 - 1e-6
"""Chance that counts as 1 in a combination, where 1 itself would outweigh every other test."""


@dataclass(frozen=True)
class Checks:
    """Tests of one fit.

    Attributes:
        deviance: of the counts pooled over blocks.
        degrees_of_freedom: points less fitted parameters.
        goodness_p: chance of a larger deviance if the law holds; NaN without degrees of freedom.
        dispersion: scatter of blocks over that of binomial trials, 1 if they are steady.
        overdispersion_p: chance of more scatter from steady trials.
        time_p: chance of more change over time from steady trials, slow change counting most.
        resistance_p: chance of more change along with the resistance before the pulse.
        drift_p: the smaller of both, corrected for looking at two.
        change_p: the tests of scatter, time and resistance in one, see `combined_chance`.
    """

    deviance: float
    degrees_of_freedom: int
    goodness_p: float
    dispersion: float
    overdispersion_p: float
    time_p: float
    resistance_p: float
    drift_p: float
    change_p: float

    @property
    def flagged(self) -> bool:
        """Whether blocks scatter or drift beyond chance."""
        return self.change_p < SIGNIFICANT


def check_fit(
    counts: Sequence[BlockCount],
    voltages: Floats,
    widths: Floats,
    switched: Floats,
    trials: Floats,
    law: Law,
    theta: Floats,
    free: Flags,
) -> Checks:
    """Test one fit.

    Args:
        counts: trials of the device by block and point.
        voltages: of the pooled points, (points,), V.
        widths: (points,), s.
        switched: (points,).
        trials: (points,).
        law: switching law.
        theta: maximum, (4,).
        free: which parameters were fitted, (4,).
    """
    fitted = int(free.sum())
    eta = _etas(law, theta, voltages, widths)
    deviance = binomial_deviance(switched, trials, -np.expm1(-np.exp(eta)))
    freedom = len(trials) - fitted
    goodness = float(stats.chi2.sf(deviance, freedom)) if freedom > 0 else math.nan
    blocks = _Blocks.of(counts, law, theta, free)
    numbers = np.array([each.block for each in counts], dtype=np.int64)
    scatter, rank = blocks.score(_members(numbers))
    dispersion = scatter / rank if rank else math.nan
    over = float(stats.chi2.sf(scatter, rank)) if rank else math.nan
    time = blocks.weighted_chance(*_waves(blocks.time, len(set(numbers.tolist()))))
    resistance = blocks.chance(_centred(np.log(blocks.resistance)))
    found = [p for p in (time, resistance) if not math.isnan(p)]
    drift = min(1.0, len(found) * min(found)) if found else math.nan
    change = combined_chance((over, time, resistance), (_SCATTER_WEIGHT, _TIME_WEIGHT, _RESISTANCE_WEIGHT))
    return Checks(deviance, freedom, goodness, dispersion, over, time, resistance, drift, change)


def combined_chance(chances: Sequence[float], weights: Sequence[float]) -> float:
    """Several tests in one by the Cauchy combination: Liu and Xie 2020, doi 10.1080/01621459.2018.1554485.

    The weighted mean of cot(pi p) is a standard Cauchy variate if every p is uniform and independent; its
    upper tail hardly moves if they depend on each other, as the tests of one device do.

    Args:
        chances: of each test, 0 to 1; NaN where it says nothing, and then the others decide.
        weights: of each test, positive.

    Returns:
        The chance of as much evidence in all of them; NaN if none says anything.
    """
    said = [(p, weight) for p, weight in zip(chances, weights, strict=True) if not math.isnan(p)]
    if not said:
        return math.nan
    if min(p for p, _ in said) <= 0.0:
        return 0.0
    total = sum(weight for _, weight in said)
    mean = sum(weight / math.tan(math.pi * min(p, _HIGHEST)) for p, weight in said) / total
    return math.atan2(1.0, mean) / math.pi


def binomial_deviance(switched: Floats, trials: Floats, p: Floats) -> float:
    """Twice the log likelihood that counts lose from their own shares to p; arrays (points,)."""
    k, n = switched, trials
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(k > 0, k * np.log(k / (n * p)), 0.0)
        terms += np.where(k < n, (n - k) * np.log((n - k) / (n * (1.0 - p))), 0.0)
    return float(2.0 * terms.sum())


@dataclass(frozen=True)
class _Blocks:
    """Counts by block and point beside what the fit expects there, (cells,) each.

    Attributes:
        pull: derivative of the log likelihood by the log hazard.
        weight: information about the log hazard.
        slopes: derivatives of the log hazard by the fitted parameters, (cells, fitted).
        time: mean of the trials, s.
        resistance: mean before the pulse, ohm.
    """

    pull: Floats
    weight: Floats
    slopes: Floats
    time: Floats
    resistance: Floats

    @staticmethod
    def of(counts: Sequence[BlockCount], law: Law, theta: Floats, free: Flags) -> "_Blocks":
        voltages = np.array([each.voltage for each in counts])
        widths = np.array([each.width for each in counts])
        switched = np.array([each.switched for each in counts], dtype=np.float64)
        trials = np.array([each.trials for each in counts], dtype=np.float64)
        eta = _etas(law, theta, voltages, widths)
        hazard = np.exp(np.minimum(eta, 50.0))
        p = -np.expm1(-hazard)
        return _Blocks(
            (switched - trials * p) * np.where(hazard > 1e-12, hazard / p, 1.0),
            trials * information_weights(eta),
            gradients(law, theta, free, voltages, widths)[:, free],
            np.array([each.time for each in counts]),
            np.array([each.resistance for each in counts]),
        )

    def scores(self, covariates: Floats) -> tuple[Floats, Floats] | None:
        """Scores of some covariates, (cells, q), beside the fitted parameters, (q,), and their covariance."""
        w, j = self.weight, self.slopes
        own = j.T @ (w[:, None] * j)
        if covariates.shape[1] == 0 or not np.linalg.cond(own) < 1e12:
            return None
        beside = covariates - j @ np.linalg.solve(own, j.T @ (w[:, None] * covariates))
        return beside.T @ self.pull, beside.T @ (w[:, None] * beside)

    def score(self, covariates: Floats) -> tuple[float, int]:
        """Score statistic of some covariates, (cells, q), beside the fitted parameters, and its rank.

        If the covariates do not matter it is a chi-square of that many degrees of freedom.
        """
        found = self.scores(covariates)
        if found is None:
            return math.nan, 0
        score, spread = found
        values, vectors = np.linalg.eigh(spread)
        told = values > 1e-6 * max(float(values[-1]), 1e-300)
        along = vectors[:, told].T @ score
        return float((along**2 / values[told]).sum()), int(told.sum())

    def chance(self, covariates: Floats) -> float:
        """Chance of a larger score of these covariates; NaN if they cannot be told."""
        value, rank = self.score(covariates)
        return float(stats.chi2.sf(value, rank)) if rank else math.nan

    def weighted_chance(self, covariates: Floats, weights: Floats) -> float:
        """Chance of a larger weighted sum of squared scores: the most powerful test of small effects whose
        variances are as the weights. NaN if they cannot be told.

        The sum is a mixture of chi-squares, taken as one chi-square of the same mean and variance.
        """
        found = self.scores(covariates)
        if found is None:
            return math.nan
        score, spread = found
        root = np.sqrt(weights)
        mixed = root[:, None] * spread * root[None, :]
        mean, variance = float(np.trace(mixed)), 2.0 * float((mixed**2).sum())
        if not (mean > 0.0 and variance > 0.0):
            return math.nan
        value = float(weights @ score**2)
        return float(stats.chi2.sf(2.0 * mean * value / variance, 2.0 * mean**2 / variance))


def _members(blocks: NDArray[np.int64]) -> NDArray[np.float64]:
    """One covariate a block, 1 for its own cells: a shift of the log hazard there, (cells, blocks)."""
    return np.asarray((blocks[:, None] == np.unique(blocks)[None, :]).astype(np.float64))


def _etas(law: Law, theta: Floats, voltages: Floats, widths: Floats) -> Floats:
    return np.asarray(np.minimum(log_hazards(law, theta, voltages, widths), 50.0))


def _waves(time: Floats, blocks: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosines over the time of the campaign, (cells, waves), and their weights, (waves,)."""
    span = float(np.ptp(time))
    count = min(_WAVES, blocks - 1)
    if count < 1 or not span > 0.0:
        return np.empty((len(time), 0)), np.empty(0)
    halves = np.arange(1, count + 1)
    phase = np.pi * (time - time.min()) / span
    return np.cos(phase[:, None] * halves[None, :]), 1.0 / (1.0 + (halves / _CORNER) ** 2)


def _centred(values: Floats) -> NDArray[np.float64]:
    """One covariate of unit variance, (cells, 1); none if the values are all alike."""
    spread = float(values.std())
    if not (np.isfinite(spread) and spread > 1e-9):
        return np.empty((len(values), 0))
    return np.asarray(((values - values.mean()) / spread)[:, None])
