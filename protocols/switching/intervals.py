"""Confidence intervals of a switching probability: Wilson for display, Clopper-Pearson for claims.

Plain Python without numpy or scipy, so that `mtjloop probabilities` answers at once; each pair (k, n) is
computed once.
"""

import math
from functools import cache

CONFIDENCE = 0.95


@cache
def wilson(switched: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The Wilson score interval of `switched` of `trials`; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    z = _normal_quantile(0.5 + 0.5 * confidence)
    share = switched / trials
    spread = 1.0 + z * z / trials
    centre = (share + z * z / (2 * trials)) / spread
    half = z * math.sqrt(share * (1.0 - share) / trials + z * z / (4 * trials * trials)) / spread
    return (0.0 if switched == 0 else centre - half, 1.0 if switched == trials else centre + half)


@cache
def clopper_pearson(switched: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval: it covers with at least `confidence`; (0, 1) without trials."""
    tail = 0.5 * (1.0 - confidence)
    low = 0.0 if switched == 0 else beta_quantile(tail, switched, trials - switched + 1)
    high = 1.0 if switched == trials else beta_quantile(1.0 - tail, switched + 1, trials - switched)
    return low, high


def beta_quantile(probability: float, a: float, b: float) -> float:
    """x at which the regularised incomplete beta function I_x(a, b) is `probability`, in (0, 1); a, b >= 1.

    Halley steps on I_x, kept inside a bracket; right to 1e-9 of itself.
    """
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    low, high = 0.0, 1.0
    x = _first_guess(probability, a, b)
    for _ in range(200):
        value = incomplete_beta(x, a, b, log_beta) - probability
        if value < 0.0:
            low = x
        else:
            high = x
        slope = math.exp((a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x) - log_beta)
        newton = value / slope if slope > 0.0 else math.inf
        bend = 0.5 * newton * ((a - 1.0) / x - (b - 1.0) / (1.0 - x))
        following = x - newton / max(1.0 - bend, 0.2)
        if not low <= following <= high:
            following = 0.5 * (low + high)
        # Halley triples the digits, so the next step would be below 1e-10.
        if abs(following - x) <= 1e-5 * min(following, 1.0 - following) or high - low <= 1e-15:
            return following
        x = following
    return x


def incomplete_beta(x: float, a: float, b: float, log_beta: float) -> float:
    """Regularised incomplete beta function I_x(a, b), by its continued fraction (modified Lentz).

    Args:
        x: in (0, 1).
        a: > 0.
        b: > 0.
        log_beta: ln B(a, b).
    """
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta)
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    found = d
    for m in range(1, 10_000):
        for number in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + number * d
            c = 1.0 + number / c
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            change = c * d
            found *= change
        if abs(change - 1.0) < 1e-12:
            break
    return found


def _first_guess(probability: float, a: float, b: float) -> float:
    """Abramowitz and Stegun 26.5.22, inside (0, 1); for a or b of 1 the exact quantile."""
    if b == 1.0:
        return math.exp(math.log(probability) / a)
    if a == 1.0:
        return -math.expm1(math.log1p(-probability) / b)
    z = -_normal_quantile(probability)
    one, other = 1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0)
    lift, mean = (z * z - 3.0) / 6.0, 2.0 / (one + other)
    root = math.sqrt(max(mean + lift, 0.0))
    w = z * root / mean - (other - one) * (lift + 5.0 / 6.0 - 2.0 / (3.0 * mean))
    x = a / (a + b * math.exp(min(max(2.0 * w, -600.0), 600.0)))
    return min(max(x, 1e-12), 1.0 - 1e-12)


@cache
def _normal_quantile(probability: float) -> float:
    if probability == 0.975:  # nearly always; the module it is from takes longer to import than all else here
        return 1.959963984540054
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)
