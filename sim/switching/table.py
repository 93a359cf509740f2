"""Interpolation of the tabulated forward hazard: ln X on a grid, by cubic splines in four coordinates.

ln X (see `direct.Solution.log_forward`) is smooth in every argument, through the ballistic and thermal
regimes alike, in the coordinates of `grids`.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...compiled import kernel
from .grids import Grid

Floats: TypeAlias = NDArray[np.float64]
Coefficients: TypeAlias = NDArray[np.float32]
Four: TypeAlias = tuple[float, float, float, float]


def fitted(log_forward: Floats) -> Coefficients:
    """Uniform cubic B-spline coefficients through node values of shape (fields, deltas, times, overdrives).

    In C order and flat, two more than nodes along each axis.
    """
    coefficients = log_forward
    for axis in range(4):
        solve = _spline_matrix(log_forward.shape[axis])
        coefficients = np.moveaxis(np.tensordot(solve, coefficients, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(coefficients, dtype=np.float32).ravel()


def _spline_matrix(nodes: int) -> Floats:
    """Matrix from node values to nodes + 2 coefficients: interpolation, not-a-knot at both ends."""
    system = np.zeros((nodes + 2, nodes + 2))
    for k in range(nodes):
        system[k, k : k + 3] = 1 / 6, 4 / 6, 1 / 6
    system[nodes, :5] = 1, -4, 6, -4, 1
    system[nodes + 1, -5:] = 1, -4, 6, -4, 1
    return np.asarray(np.linalg.inv(system)[:, :nodes])


class Place(NamedTuple):
    """Where a device falls in a table: first coefficient, strides and weights along each axis."""

    corner: int
    per_field: int
    per_delta: int
    per_time: int
    along_field: Four
    along_delta: Four
    along_time: Four
    along_overdrive: Four
    shift: float
    """What to add to ln X for a time outside the table."""


@kernel
def place_in(
    grid: Grid, offset: int, scaled_overdrive: float, reduced_time: float, delta: float, field: float
) -> Place:
    """Place of one device in the table that starts at `offset`. Compiled.

    Arguments outside are moved to the edge; time is continued. Past the last time X is proportional to it
    (exact: one slow mode is left); before the first one too (a convention: X is then a part of what the
    first tabulated time gives).
    """
    tau = min(max(reduced_time, grid.time_first), grid.time_last)
    shift = math.log(reduced_time / tau) if reduced_time != tau else 0.0
    q = math.log(tau / grid.time_first)
    a, along_field = spline_weights((field - grid.field_first) * grid.fields_per_unit, grid.fields - 3)
    d, along_delta = spline_weights(
        (math.sqrt(math.sqrt(delta)) - grid.delta_first) * grid.deltas_per_unit, grid.deltas - 3
    )
    t, along_time = spline_weights(q / (q + grid.time_bend) * grid.times_per_unit, grid.times - 3)
    p, along_overdrive = spline_weights(
        scaled_overdrive / (scaled_overdrive + grid.overdrive_bend) * grid.overdrives_per_unit,
        grid.overdrives - 3,
    )
    per_delta = grid.times * grid.overdrives
    per_field = grid.deltas * per_delta
    corner = offset + a * per_field + d * per_delta + t * grid.overdrives + p
    return Place(
        corner,
        per_field,
        per_delta,
        grid.overdrives,
        along_field,
        along_delta,
        along_time,
        along_overdrive,
        shift,
    )


@kernel
def interpolated(c: Coefficients, place: Place) -> float:
    """ln X at a place: the sum of 256 coefficients, weighted along each axis. Compiled.

    In single precision and with unsigned indices, because conversions and checks for negative indices would
    cost as much as the arithmetic; rounding stays below 1e-5.
    """
    along_time = place.along_time
    one, two, three, row = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(place.per_time)
    t0, t1 = np.float32(along_time[0]), np.float32(along_time[1])
    t2, t3 = np.float32(along_time[2]), np.float32(along_time[3])
    sum0 = sum1 = sum2 = sum3 = np.float32(0.0)
    for m in range(4):
        for n in range(4):
            pair = np.float32(place.along_field[m] * place.along_delta[n])
            k0 = np.uint64(place.corner + m * place.per_field + n * place.per_delta)
            k1 = k0 + row
            k2 = k1 + row
            k3 = k2 + row
            sum0 += pair * (t0 * c[k0] + t1 * c[k1] + t2 * c[k2] + t3 * c[k3])
            sum1 += pair * (t0 * c[k0 + one] + t1 * c[k1 + one] + t2 * c[k2 + one] + t3 * c[k3 + one])
            sum2 += pair * (t0 * c[k0 + two] + t1 * c[k1 + two] + t2 * c[k2 + two] + t3 * c[k3 + two])
            sum3 += pair * (t0 * c[k0 + three] + t1 * c[k1 + three] + t2 * c[k2 + three] + t3 * c[k3 + three])
    w0, w1, w2, w3 = place.along_overdrive
    return place.shift + float(w0 * sum0 + w1 * sum1 + w2 * sum2 + w3 * sum3)


@kernel
def spline_weights(position: float, intervals: int) -> tuple[int, Four]:
    """First coefficient and four B-spline weights at a position counted in nodes, kept inside the grid."""
    inside = min(position, float(intervals)) if position > 0.0 else 0.0  # NaN must not become an index
    first = min(int(inside), intervals - 1)
    u = inside - first
    v = 1.0 - u
    return first, (
        v * v * v / 6.0,
        (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0,
        (4.0 - 6.0 * v * v + 3.0 * v * v * v) / 6.0,
        u * u * u / 6.0,
    )
