"""Direct solution of the Fokker-Planck equation of an axisymmetric macrospin: the reference of the law.

    d rho/d tau = -d/dx[(1 - x^2)(x + h - i) rho] + (1/(2 Delta)) d/dx[(1 - x^2) d rho/dx],   x = cos(theta)

with the initial well at x = +1 (Brown 1963 with a spin torque; same generator as Tzoufras, arXiv 1708.01671,
up to signs). Finite volumes with Scharfetter-Gummel fluxes in the potential U = -Delta (x^2 + 2 (h - i) x),
second order in the cell size. Time: an L-stable rational approximation of the exponential with one real pole
(five tridiagonal solves a step, order five), on steps that grow with time.

Why not eigenvalues: a sum over modes loses every digit of P below 1e-12. Here each tridiagonal solve adds and
multiplies positive numbers only, and no digit is lost however small P is.
"""

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...compiled import kernel
from .arguments import ArgumentError, checked

Floats: TypeAlias = NDArray[np.float64]

# exp(z) ~ sum_j WEIGHTS[j] / (1 - POLE z)^(j+1): this pole makes the five-term approximation L-stable with
# order five (Hairer and Wanner, Solving ODEs II, section IV.6; a test checks both).
POLE = 0.27805384
STAGES = 5
WEIGHTS: Floats = np.linalg.solve(
    [[math.comb(n + j, n) * POLE**n for j in range(STAGES)] for n in range(STAGES)],
    [1 / math.factorial(n) for n in range(STAGES)],
).astype(np.float64)
FIRST_STEP = 2e-5
STEP_RATIO = 0.02
RELAXED = 18.0


class Solution(NamedTuple):
    """Occupancies after each reduced time, all of the shape of the times asked for."""

    switched: Floats
    """P: probability of x < -h, relatively accurate however small."""
    remaining: Floats
    """1 - P, relatively accurate however small."""
    log_forward: Floats
    """ln X of the forward hazard X in P = P_eq (1 - exp(-X/P_eq)), with P_eq the occupancy that P tends to.

    X is the rate out of the initial well times the time once that well is quasi-stationary; where P_eq is 1
    it is the hazard -ln(1 - P) itself. Unlike P it never saturates, and it is smooth in every argument.
    -inf where P_eq is below the range of floating point."""


def solve_fokker_planck(
    overdrive: float,
    delta: float,
    field: float,
    reduced_times: ArrayLike,
    *,
    cells: int = 3200,
    step: float = STEP_RATIO,
    start: Literal["field", "pulse"] = "field",
) -> Solution:
    """Occupancy of the other well after each reduced time, from thermal equilibrium in the initial well.

    Second order in 1/cells and always high; use `extrapolated` for the converged value.

    Args:
        overdrive: i = V/V_c0.
        delta: thermal stability factor, > 0.
        field: h, |h| < 1.
        reduced_times: increasing reduced times > 0, shape (n,).
        cells: even number of finite volumes, the middle edge lying at x = -h.
        step: time step over elapsed time.
        start: equilibrium in the initial well under the field alone ("field"), or with the pulse already on.

    Raises:
        ArgumentError: (a ValueError) an argument is NaN or out of range.
    """
    i = float(checked("overdrive", overdrive, -100.0, 100.0))
    barrier = float(checked("delta", delta, 0.0, 1000.0, low_open=True))
    h = float(checked("field", field, -1.0, 1.0, low_open=True, high_open=True))
    times = np.atleast_1d(
        checked("reduced_times", reduced_times, 0.0, math.inf, low_open=True, high_open=True)
    )
    if times.ndim != 1 or (np.diff(times) <= 0).any():
        raise ArgumentError("reduced_times is not one increasing series")
    if cells < 8 or cells % 2:
        raise ArgumentError(f"cells = {cells} is not an even number from 8 on")
    edges, centres = _grid(h, cells)
    energy = -barrier * (centres**2 + 2 * (h - i) * centres)
    forward, back = _rates(edges, centres, energy, barrier)
    log_volume = np.log(edges[:-1] - edges[1:])
    stationary = _normalised(log_volume - energy)
    middle = cells // 2
    held = energy if start == "pulse" else -barrier * (centres**2 + 2 * h * centres)
    mass = np.zeros(cells)
    mass[:middle] = _normalised((log_volume - held)[:middle])
    stay, leave = float(stationary[:middle].sum()), float(stationary[middle:].sum())
    # stops of our own in between, so that the slowest relaxation is seen before it is over
    stops = np.union1d(times, np.geomspace(min(0.05, times[0]), times[-1], 80))
    switched, remaining = np.empty(stops.size), np.empty(stops.size)
    _march(forward, back, mass, stops, step, WEIGHTS, stay, leave, switched, remaining)
    log_forward = _log_forward(stops, switched, remaining, stay, leave)
    asked = np.searchsorted(stops, times)
    return Solution(switched[asked], remaining[asked], log_forward[asked])


def extrapolated(
    overdrive: float,
    delta: float,
    field: float,
    reduced_times: ArrayLike,
    *,
    cells: int = 3200,
    step: float = STEP_RATIO,
    start: Literal["field", "pulse"] = "field",
) -> Floats:
    """`log_forward` of `solve_fokker_planck` extrapolated to infinitely many cells.

    Romberg on `cells`, a half and a quarter of them (the error is a series in 1/cells^2): sixth order once 2
    pi delta (1 + |i - h|)/cells, the steepest step of the potential in kT, is below one. Takes the arguments
    of `solve_fokker_planck`, `cells` being a multiple of 8, and raises the same errors.
    """
    if cells % 8:
        raise ArgumentError(f"cells = {cells} is not a multiple of 8")
    first, second, third = (
        solve_fokker_planck(
            overdrive, delta, field, reduced_times, cells=n, step=step, start=start
        ).log_forward
        for n in (cells // 4, cells // 2, cells)
    )
    once, again = (4 * second - first) / 3, (4 * third - second) / 3
    return np.asarray((16 * again - once) / 15)


def _grid(field: float, cells: int) -> tuple[Floats, Floats]:
    """Edges and centres in x, from +1 down to -1: near uniform in theta, the middle edge at x = -field."""
    s = np.linspace(0, math.pi, cells + 1)
    edges = np.cos(s + math.asin(field) * np.sin(s) ** 2)
    edges[0], edges[-1], edges[cells // 2] = 1.0, -1.0, -field
    return edges, 0.5 * (edges[1:] + edges[:-1])


def _rates(edges: Floats, centres: Floats, energy: Floats, delta: float) -> tuple[Floats, Floats]:
    """Scharfetter-Gummel rates per cell: from k to k + 1, and from k + 1 to k; shape (cells - 1,)."""
    diffusion = (1 - edges[1:-1] ** 2) / (2 * delta) / (centres[:-1] - centres[1:])
    climb = np.diff(energy)
    volume = edges[:-1] - edges[1:]
    return diffusion * _bernoulli(climb) / volume[:-1], diffusion * _bernoulli(-climb) / volume[1:]


def _bernoulli(z: Floats) -> Floats:
    small = np.abs(z) < 1e-10
    safe = np.where(small, 1.0, z)
    return np.where(small, 1 - z / 2, safe / np.expm1(safe))


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _log_forward(times: Floats, switched: Floats, remaining: Floats, stay: float, leave: float) -> Floats:
    """ln X from whichever occupancy is accurate; X linear in time once the start is forgotten."""
    if leave == 0.0:
        return np.full(times.size, -np.inf)
    # of the two equal differences, the one of the smaller numbers is sharper
    gap = leave - switched if leave < stay else remaining - stay
    with np.errstate(divide="ignore", invalid="ignore"):
        relaxed = np.where(switched < 0.5 * leave, -np.log1p(-switched / leave), -np.log(gap / leave))
    done = np.flatnonzero(~(relaxed < RELAXED))
    if done.size and done[0] >= 2:
        k = int(done[0])
        slope = (relaxed[k - 1] - relaxed[k - 2]) / (times[k - 1] - times[k - 2])
        relaxed[k:] = relaxed[k - 1] + slope * (times[k:] - times[k - 1])
    return np.asarray(np.log(relaxed) + math.log(leave))


@kernel
def _march(
    forward: Floats,
    back: Floats,
    mass: Floats,
    times: Floats,
    step: float,
    weights: Floats,
    stay: float,
    leave: float,
    switched: Floats,
    remaining: Floats,
) -> None:
    """Advance `mass` (changed) through all `times`; stop computing once it is stationary to RELAXED."""
    now = 0.0
    middle = mass.size // 2
    for n in range(times.size):
        while now < times[n]:
            if now < times[0]:
                dt = min(max(FIRST_STEP, 4 * step * now), times[0] - now)
                steps = 1
            else:
                # equal steps share one elimination, as long as they stay short beside the elapsed time
                span = min(times[n] - now, now * 0.25)
                steps = math.ceil(span / (step * now))
                dt = span / steps
            _advance(forward, back, mass, dt, steps, weights)
            now = now + dt * steps
            if times[n] - now < 1e-12 * times[n]:
                now = times[n]
        switched[n] = mass[middle:].sum()
        remaining[n] = mass[:middle].sum()
        gap = leave - switched[n] if leave < stay else remaining[n] - stay
        if gap < math.exp(-RELAXED) * leave:
            switched[n + 1 :] = leave
            remaining[n + 1 :] = stay
            return


@kernel
def _advance(forward: Floats, back: Floats, mass: Floats, dt: float, steps: int, weights: Floats) -> None:
    """Apply exp(G dt) `steps` times; every operation of a solve is a sum or product of positive numbers."""
    cells = mass.size
    reach = POLE * dt
    down = np.empty(cells)
    up = np.empty(cells)
    inverse = np.empty(cells)
    # elimination without subtraction: pivot = reach * forward + left, left = 1 + (what flows back and stays)
    left = 1.0
    for k in range(cells):
        pivot = left + (reach * forward[k] if k < cells - 1 else 0.0)
        inverse[k] = 1.0 / pivot
        if k < cells - 1:
            down[k] = reach * forward[k] * inverse[k]
            up[k] = reach * back[k] * inverse[k]
            left = 1.0 + reach * back[k] * (left * inverse[k])
    solved = np.empty(cells)
    total = np.empty(cells)
    for _ in range(steps):
        solved[:] = mass
        for stage in range(weights.size):
            for k in range(1, cells):
                solved[k] += down[k - 1] * solved[k - 1]
            solved[cells - 1] *= inverse[cells - 1]
            for k in range(cells - 2, -1, -1):
                solved[k] = solved[k] * inverse[k] + up[k] * solved[k + 1]
            if stage == 0:
                for k in range(cells):
                    total[k] = weights[0] * solved[k]
            else:
                for k in range(cells):
                    total[k] += weights[stage] * solved[k]
        # very long steps lose a part in 1e12 or so of the mass to rounding; without this it adds up
        mass[:] = total / total.sum()
