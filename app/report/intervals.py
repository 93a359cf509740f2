"""Confidence intervals of proportions and of means, for display."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def wilson(
    switched: ArrayLike, cells: ArrayLike, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The Wilson score interval; NaN where nothing was tried.

    Args:
        switched: number of successes, any shape.
        cells: number of trials, of the same shape.
        confidence: nominal coverage, for instance 0.95.

    Returns:
        Lower and upper bounds, of that shape.
    """
    successes = np.asarray(switched, np.float64)
    trials = np.asarray(cells, np.float64)
    trials = np.where(trials > 0, trials, np.nan)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    spread = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / spread
    half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / spread
    # At the ends rounding could leave 1e-17 where the interval touches 0 or 1.
    lower = np.where(successes == 0, 0.0 * trials, centre - half)
    upper = np.where(successes == trials, 0.0 * trials + 1.0, centre + half)
    return lower, upper


def student(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent values and the ends of its Student interval; one value has no interval to tell.

    Args:
        values: at least one.
        confidence: nominal coverage, for instance 0.95.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, mean, mean
    t = float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1))
    half = t * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, mean - half, mean + half
