"""Stochastic Landau-Lifshitz-Gilbert macrospin with spin-transfer torque, to check the law and to explore.

Reduced units of `sim.switching` plus the damping alpha. With the field in units of H_k and time tau,

    dm/dtau = -(1/alpha) m x h_eff - m x (m x h_eff) + i [m x (m x z) - alpha m x z]
    h_eff   = (m_z + h) z + thermal field,

the Landau-Lifshitz form of Gilbert's equation with Slonczewski's torque of a polariser along z. The thermal
field is a vector of three independent white noises that enters through both cross products (Brown 1963),
each of variance alpha^2/((1 + alpha^2) Delta) per unit of tau; in SI units that is sigma_H = sqrt(2 alpha k
T/(mu0^2 gamma Ms V dt)). Heun's predictor-corrector with the same noise in both stages converges to the
Stratonovich solution.

It costs about a million times one evaluation of the law. Every trajectory has its own random stream, made
from the seed and the trajectory's number: results do not depend on how many run, or in which order.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..compiled import kernel
from .switching.arguments import ArgumentError, checked

Floats: TypeAlias = NDArray[np.float64]
Words: TypeAlias = NDArray[np.uint64]

STEP_OVER_ALPHA = 0.026
"""Default step in units of alpha: 0.5 ps at mu0 H_k = 0.3 T, a turn of 0.026 rad a step."""


class Ensemble(NamedTuple):
    """Where the trajectories of one pulse were found."""

    switched: NDArray[np.int64]
    """Number of trajectories with m_z < -h at each time asked for."""
    trajectories: int
    positions: Floats
    """m_z of every trajectory at the last time."""

    def probability(self) -> Floats:
        """Fraction switched at each time."""
        return np.asarray(self.switched / self.trajectories)

    def interval(self, z: float = 1.959963984540054) -> tuple[Floats, Floats]:
        """Wilson score interval of the switching probability at each time; z = 1.96 is 95 %."""
        n, p = self.trajectories, self.probability()
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * np.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2) / (1 + z * z / n)
        return middle - half, middle + half


def simulate(
    overdrive: float,
    reduced_times: ArrayLike,
    delta: float,
    field: float = 0.0,
    *,
    alpha: float = 0.01,
    trajectories: int = 10_000,
    seed: int = 0,
    first: int = 0,
    step: float | None = None,
) -> Ensemble:
    """Run macrospins from thermal equilibrium in the initial well and count the switched ones at each time.

    Args:
        overdrive: i = V/V_c0.
        reduced_times: increasing reduced times > 0 at which to look, shape (n,) or a scalar.
        delta: thermal stability factor, > 0.
        field: h, |h| < 1.
        alpha: damping, 0 < alpha <= 1. In reduced time the law does not depend on it; cost falls as 1/alpha.
        trajectories: number of macrospins.
        seed: any non-negative integer below 2^63.
        first: number of the first trajectory, to continue an ensemble.
        step: time step in reduced time; by default 0.026 alpha, less under a strong drive.

    Raises:
        ArgumentError: (a ValueError) an argument is NaN or out of range.
    """
    i = float(checked("overdrive", overdrive, -100.0, 100.0))
    times = np.atleast_1d(
        checked("reduced_times", reduced_times, 0.0, math.inf, low_open=True, high_open=True)
    )
    barrier = float(checked("delta", delta, 0.0, math.inf, low_open=True, high_open=True))
    h = float(checked("field", field, -1.0, 1.0, low_open=True, high_open=True))
    damping = float(checked("alpha", alpha, 0.0, 1.0, low_open=True))
    count = int(checked("trajectories", trajectories, 1, 10**9))
    if times.ndim != 1 or (np.diff(times) <= 0).any():
        raise ArgumentError("reduced_times is not one increasing series")
    if not (0 <= seed < 2**63 and 0 <= first < 2**63):
        raise ArgumentError(f"seed = {seed}, first = {first}: both lie in [0, 2^63)")
    longest = min(STEP_OVER_ALPHA * damping, 0.02 / (1 + abs(i)))
    dt = longest if step is None else float(checked("step", step, 0.0, math.inf, low_open=True))
    switched = np.zeros(times.size, np.int64)
    positions = np.empty(count)
    _run(i, times, barrier, h, damping, dt, seed, first, switched, positions)
    return Ensemble(switched, count, positions)


@kernel
def _run(
    i: float,
    times: Floats,
    delta: float,
    h: float,
    alpha: float,
    longest: float,
    seed: int,
    first: int,
    switched: NDArray[np.int64],
    positions: Floats,
) -> None:
    state = np.empty(4, np.uint64)
    strength = alpha / math.sqrt((1.0 + alpha * alpha) * delta)
    for k in range(positions.size):
        _seed(state, seed, first + k)
        z = _equilibrium(state, delta, h)
        angle = 2.0 * math.pi * _uniform(state)
        planar = math.sqrt(max(0.0, 1.0 - z * z))
        x, y = planar * math.cos(angle), planar * math.sin(angle)
        now = 0.0
        spare = math.nan
        for n in range(times.size):
            steps = math.ceil((times[n] - now) / longest)
            dt = (times[n] - now) / steps
            noise = strength / math.sqrt(dt)
            for _ in range(steps):
                bx, by = _normal_pair(state)
                if spare == spare:
                    bz = spare
                    spare = math.nan
                else:
                    bz, spare = _normal_pair(state)
                x, y, z = _heun(x, y, z, noise * bx, noise * by, noise * bz, i, h, alpha, dt)
            now = times[n]
            if z < -h:
                switched[n] += 1
        positions[k] = z


@kernel
def _heun(
    x: float,
    y: float,
    z: float,
    bx: float,
    by: float,
    bz: float,
    i: float,
    h: float,
    alpha: float,
    dt: float,
) -> tuple[float, float, float]:
    """One Stratonovich-Heun step with the thermal field (bx, by, bz) held through it; keeps |m| = 1."""
    ax, ay, az = _slope(x, y, z, bx, by, bz + z + h, i, alpha)
    px, py, pz = x + dt * ax, y + dt * ay, z + dt * az
    cx, cy, cz = _slope(px, py, pz, bx, by, bz + pz + h, i, alpha)
    x += 0.5 * dt * (ax + cx)
    y += 0.5 * dt * (ay + cy)
    z += 0.5 * dt * (az + cz)
    scale = 1.0 / math.sqrt(x * x + y * y + z * z)
    return x * scale, y * scale, z * scale


@kernel
def _slope(
    x: float, y: float, z: float, bx: float, by: float, bz: float, i: float, alpha: float
) -> tuple[float, float, float]:
    """dm/dtau = -(m x A) - m x (m x D): A, D collect what precesses and what damps."""
    # m x (m x B) and the torque i m x (m x z) share one double product; so do the precessions
    ax, ay, az = bx / alpha, by / alpha, bz / alpha + alpha * i
    dx, dy, dz = bx, by, bz - i
    ux, uy, uz = y * dz - z * dy, z * dx - x * dz, x * dy - y * dx
    return (
        -(y * az - z * ay) - (y * uz - z * uy),
        -(z * ax - x * az) - (z * ux - x * uz),
        -(x * ay - y * ax) - (x * uy - y * ux),
    )


@kernel
def _equilibrium(state: Words, delta: float, h: float) -> float:
    """m_z drawn from exp(Delta (z^2 + 2 h z)) on z > -h, by rejection from an exponential in 1 - z."""
    reach = 1.0 + h
    while True:
        depth = -math.log(1.0 - _uniform(state)) / (delta * reach)
        if depth < reach and _uniform(state) < math.exp(-delta * depth * (reach - depth)):
            return 1.0 - depth


@kernel
def _seed(state: Words, seed: int, stream: int) -> None:
    """Fill the state of xoshiro256++ by SplitMix64 from a seed and a stream number."""
    word = _mixed(np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + _mixed(np.uint64(stream)))
    for k in range(4):
        word += np.uint64(0x9E3779B97F4A7C15)
        state[k] = _mixed(word)


@kernel
def _mixed(word: np.uint64) -> np.uint64:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@kernel
def _uniform(state: Words) -> float:
    """The next number of xoshiro256++ (Blackman and Vigna 2019) in [0, 1)."""
    total = state[0] + state[3]
    result = ((total << np.uint64(23)) | (total >> np.uint64(41))) + state[0]
    shifted = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = (state[3] << np.uint64(45)) | (state[3] >> np.uint64(19))
    return float(result >> np.uint64(11)) * 2.0**-53


@kernel
def _normal_pair(state: Words) -> tuple[float, float]:
    """Two independent standard normal numbers (Box-Muller)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - _uniform(state)))
    angle = 2.0 * math.pi * _uniform(state)
    return radius * math.cos(angle), radius * math.sin(angle)
