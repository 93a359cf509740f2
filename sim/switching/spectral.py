"""A second, independent solution of the same Fokker-Planck equation, by Legendre polynomials.

It shares neither grid, fluxes nor time stepping with `direct`, converges exponentially, and exists to check
it. Its floor is absolute, near 1e-12 in P, which is why it is not the reference for small probabilities.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.linalg import expm

from .arguments import checked

Floats: TypeAlias = NDArray[np.float64]


def solve_by_legendre(
    overdrive: float, delta: float, field: float, reduced_time: float, *, terms: int = 160
) -> float:
    """Occupancy of x < -h after a reduced time, from thermal equilibrium in the initial well under the field.

    With r_l the mean of P_l(x), the equation of `direct` becomes dr/dtau = A r (derived here):

        dr_l/dtau = l(l+1)/(2l+1) <(x + h - i)(P_{l-1} - P_{l+1})> - l(l+1)/(2 Delta) r_l

    Args:
        overdrive: i = V/V_c0.
        delta: thermal stability factor, > 0.
        field: h, |h| < 1.
        reduced_time: tau in [0, 1e4]; the matrix exponential loses accuracy beyond.
        terms: number of polynomials; about 15 sqrt(delta (1 + |i|)) are needed.

    Raises:
        ArgumentError: (a ValueError) an argument is NaN or out of range.
    """
    i = float(checked("overdrive", overdrive, -100.0, 100.0))
    d = float(checked("delta", delta, 0.0, 1000.0, low_open=True))
    h = float(checked("field", field, -1.0, 1.0, low_open=True, high_open=True))
    tau = float(checked("reduced_time", reduced_time, 0.0, 1e4))
    moments = expm(_generator(i, d, h, terms) * tau) @ _equilibrium_moments(d, h, terms)
    at_edge = legendre.legvander(np.array([-h]), terms)[0]
    beyond = np.empty(terms)  # half the integral of (2l+1) P_l from -1 to -h
    beyond[0] = (1 - h) / 2
    beyond[1:] = (at_edge[2:] - at_edge[:-2]) / 2
    return float(beyond @ moments)


def _generator(i: float, delta: float, h: float, terms: int) -> Floats:
    a = np.zeros((terms, terms + 2))
    for n in range(1, terms):
        weight = n * (n + 1) / (2 * n + 1)
        for neighbour, sign in ((n - 1, 1), (n + 1, -1)):
            # x P_k = [(k + 1) P_{k+1} + k P_{k-1}]/(2k + 1)
            a[n, neighbour + 1] += sign * weight * (neighbour + 1) / (2 * neighbour + 1)
            if neighbour:
                a[n, neighbour - 1] += sign * weight * neighbour / (2 * neighbour + 1)
            a[n, neighbour] += sign * weight * (h - i)
        a[n, n] -= n * (n + 1) / (2 * delta)
    return a[:, :terms]


def _equilibrium_moments(delta: float, h: float, terms: int) -> Floats:
    nodes, weights = legendre.leggauss(400)
    x = -h + 0.5 * (1 + h) * (nodes + 1)
    mass = weights * np.exp(delta * (x**2 + 2 * h * x - 1 - 2 * h))
    return np.asarray((mass / mass.sum()) @ legendre.legvander(x, terms - 1))


def terms_needed(overdrive: float, delta: float) -> int:
    """Number of polynomials that resolves the narrowest density met on the way."""
    return int(40 + 15 * math.sqrt(delta * (1 + abs(overdrive))))
