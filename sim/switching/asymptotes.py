"""Closed forms that the Fokker-Planck law tends to: for checks and for intuition, not for simulation.

Reduced time throughout; all are at zero field.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import dawsn

from .arguments import checked

Floats: TypeAlias = NDArray[np.float64]


def thermal_rate(overdrive: ArrayLike, delta: ArrayLike) -> Floats:
    """Escape rate per unit of reduced time below the critical overdrive (Brown 1963, with a spin torque).

        sqrt(Delta/pi) (1 - i)(1 - i^2) exp[-Delta (1 - i)^2],    0 <= i < 1

    It presumes a high barrier, Delta (1 - i)^2 >> 1, and a time past the relaxation within the well, tau >>
    1; then it is right to about 1/(Delta (1 - i)^2).

    Raises:
        ArgumentError: (a ValueError) overdrive outside [0, 1) or delta not positive.
    """
    i = checked("overdrive", overdrive, 0.0, 1.0, high_open=True)
    d = checked("delta", delta, 0.0, math.inf, low_open=True, high_open=True)
    return np.asarray(np.sqrt(d / math.pi) * (1 - i) * (1 - i**2) * np.exp(-d * (1 - i) ** 2))


def thermal_probability(overdrive: ArrayLike, reduced_time: ArrayLike, delta: ArrayLike) -> Floats:
    """1 - exp(-rate tau) with `thermal_rate`. Takes and raises the same, with reduced_time >= 0."""
    tau = checked("reduced_time", reduced_time, 0.0, math.inf, high_open=True)
    return np.asarray(-np.expm1(-thermal_rate(overdrive, delta) * tau))


def overdrive_error(overdrive: ArrayLike, reduced_time: ArrayLike, delta: ArrayLike) -> Floats:
    """Probability of *not* switching well above the critical overdrive.

        1 - exp{-(pi^2/4) Delta (i - 1)/[i exp(2 (i - 1) tau) - 1]},    i > 1

    The decay exp[-2 (i - 1) tau] is Butler's (2012, arXiv 1202.2621). The factor pi^2/4 is not right: beside
    `ballistic_error` this is 1.6 times high at i = 2 and 0.84 times at i = 5.

    Raises:
        ArgumentError: (a ValueError) overdrive not above 1, negative time, or delta not positive.
    """
    return _few_left(math.pi**2 / 4, overdrive, reduced_time, delta)


def ballistic_error(overdrive: ArrayLike, reduced_time: ArrayLike, delta: ArrayLike) -> Floats:
    """Probability of *not* switching well above the critical overdrive, in the limit of a high barrier.

        1 - exp{-2 C Delta (i - 1)/[i exp(2 (i - 1) tau) - 1]},
        C = 2^((i - 1)/(i + 1)) ((i - 1)/i)^(2/(i + 1)),    i > 1

    Derived here: the angle grows from thermal noise as exp[(i - 1) tau] while it is small, with the variance
    of the start and of the noise on the way together i/(i - 1) times that of the start; from there on it
    follows dx/dtau = (1 - x^2)(x - i), whose integral gives C. Right to a few per cent for Delta (i - 1)^2
    >> 1.

    Raises:
        ArgumentError: (a ValueError) overdrive not above 1, negative time, or delta not positive.
    """
    i = checked("overdrive", overdrive, 1.0, math.inf, low_open=True, high_open=True)
    c = 2 ** ((i - 1) / (i + 1)) * ((i - 1) / i) ** (2 / (i + 1))
    return _few_left(2 * c, i, reduced_time, delta)


def _few_left(
    factor: float | Floats, overdrive: ArrayLike, reduced_time: ArrayLike, delta: ArrayLike
) -> Floats:
    i = checked("overdrive", overdrive, 1.0, math.inf, low_open=True, high_open=True)
    tau = checked("reduced_time", reduced_time, 0.0, math.inf, high_open=True)
    d = checked("delta", delta, 0.0, math.inf, low_open=True, high_open=True)
    with np.errstate(over="ignore"):
        growth = i * np.exp(2 * (i - 1) * tau) - 1
    return np.asarray(-np.expm1(-factor * d * (i - 1) / growth))


def escape_rate(overdrive: float, delta: float, field: float = 0.0) -> float:
    """Escape rate per unit of reduced time over a high barrier: 1 over the mean first-passage time.

        T = 2 Delta int dx exp(-Delta (x - b)^2)/(1 - x^2) int_x^1 dy exp(Delta (y - b)^2),    b = i - h

    from the bottom of the well, x = 1, to nine tenths of the way from the barrier at x = b to the other
    bottom (Gardiner, Stochastic Methods, section 5.5, applied here to the Fokker-Planck equation). An
    integral, free of the expansions behind `thermal_rate`.

    Raises:
        ArgumentError: (a ValueError) no barrier (overdrive - field not in (-1, 1)), or delta not positive.
    """
    i = float(checked("overdrive", overdrive, -100.0, 100.0))
    h = float(checked("field", field, -1.0, 1.0, low_open=True, high_open=True))
    b = float(checked("overdrive - field", i - h, -1.0, 1.0, low_open=True, high_open=True))
    d = float(checked("delta", delta, 0.0, 1000.0, low_open=True))
    root = math.sqrt(d)
    top, end = root * (1 - b), -0.9 * root * (1 + b)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    v = end + 0.5 * (top - end) * (nodes + 1)  # v = Delta^(1/2) (x - b)
    x = b + v / root
    # The inner integral is a difference of Dawson functions; the factor exp(top^2) is taken out of both.
    inner = dawsn(top) * np.exp(-(v**2)) - math.exp(-(top**2)) * dawsn(v)
    time_over_exponential = 2 * (0.5 * (top - end) * weights * inner / (1 - x**2)).sum()
    return float(math.exp(-(top**2)) / time_over_exponential)
