"""Interpolation of the tabulated forward hazard: ln X on a grid, by cubic splines in four coordinates.

ln X (see `direct.Solution.log_forward`) is smooth in every argument, through the ballistic and thermal
regimes alike, if the coordinates follow the physics:

    overdrive   p/(p + bend), p = i/(1 + h): the critical overdrive stays at p = 1 whatever the field
    time        q/(q + bend), q = ln(tau/tau_min): fine where switching is ballistic, coarse where X ~ tau
    barrier     Delta^(1/4)
    field       h

The grids are uniform in these coordinates, so a cell is found without a search.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...compiled import kernel

Floats: TypeAlias = NDArray[np.float64]
Coefficients: TypeAlias = NDArray[np.float32]


class Table(NamedTuple):
    """Spline coefficients and the coordinates they stand on; axes are field, barrier, time, overdrive."""

    coefficients: Coefficients
    """Uniform cubic B-spline coefficients of ln X, two more than nodes along each axis."""
    overdrive_bend: float
    overdrive_step: float
    time_bend: float
    time_step: float
    time_first: float
    time_last: float
    delta_first: float
    """Delta^(1/4) of the first node."""
    delta_step: float
    field_first: float
    field_step: float


class Axes(NamedTuple):
    """Ends, bends and node numbers from which a `Table` is laid out."""

    overdrive_last: float
    overdrive_bend: float
    overdrive_nodes: int
    time_first: float
    time_last: float
    time_bend: float
    time_nodes: int
    delta_first: float
    delta_last: float
    delta_nodes: int
    field_last: float
    field_nodes: int

    def overdrives(self) -> Floats:
        """Nodes p of the overdrive axis (the scaled overdrive, >= 0)."""
        end = self.overdrive_last / (self.overdrive_last + self.overdrive_bend)
        s = np.linspace(0, end, self.overdrive_nodes)
        return np.asarray(self.overdrive_bend * s / (1 - s))

    def times(self) -> Floats:
        """Nodes of the reduced-time axis."""
        q = math.log(self.time_last / self.time_first)
        s = np.linspace(0, q / (q + self.time_bend), self.time_nodes)
        return np.asarray(self.time_first * np.exp(self.time_bend * s / (1 - s)))

    def deltas(self) -> Floats:
        """Nodes of the barrier axis."""
        return np.asarray(np.linspace(self.delta_first**0.25, self.delta_last**0.25, self.delta_nodes) ** 4)

    def fields(self) -> Floats:
        """Nodes of the field axis, symmetric about zero."""
        return np.linspace(-self.field_last, self.field_last, self.field_nodes)


def fitted(axes: Axes, log_forward: Floats) -> Table:
    """Spline through `log_forward` given at the nodes, shape (fields, deltas, times, overdrives)."""
    coefficients = log_forward
    for axis in range(4):
        solve = _spline_matrix(log_forward.shape[axis])
        coefficients = np.moveaxis(np.tensordot(solve, coefficients, axes=(1, axis)), 0, axis)
    q = math.log(axes.time_last / axes.time_first)
    overdrive_end = axes.overdrive_last / (axes.overdrive_last + axes.overdrive_bend)
    return Table(
        coefficients=np.ascontiguousarray(coefficients, dtype=np.float32),
        overdrive_bend=axes.overdrive_bend,
        overdrive_step=overdrive_end / (axes.overdrive_nodes - 1),
        time_bend=axes.time_bend,
        time_step=q / (q + axes.time_bend) / (axes.time_nodes - 1),
        time_first=axes.time_first,
        time_last=axes.time_last,
        delta_first=axes.delta_first**0.25,
        delta_step=(axes.delta_last**0.25 - axes.delta_first**0.25) / (axes.delta_nodes - 1),
        field_first=-axes.field_last,
        field_step=2 * axes.field_last / (axes.field_nodes - 1),
    )


def no_table() -> Table:
    """A stub that holds nothing, where a type asks for a table."""
    return Table(np.zeros((1, 1, 1, 1), np.float32), 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


def _spline_matrix(nodes: int) -> Floats:
    """Matrix from node values to nodes + 2 coefficients: interpolation, not-a-knot at both ends."""
    system = np.zeros((nodes + 2, nodes + 2))
    for k in range(nodes):
        system[k, k : k + 3] = 1 / 6, 4 / 6, 1 / 6
    system[nodes, :5] = 1, -4, 6, -4, 1
    system[nodes + 1, -5:] = 1, -4, 6, -4, 1
    return np.asarray(np.linalg.inv(system)[:, :nodes])


@kernel
def log_forward_at(
    table: Table, scaled_overdrive: float, reduced_time: float, delta: float, field: float
) -> float:
    """ln X of one device; arguments outside the table are moved to its edge, times are continued. Compiled.

    Past the last time X is proportional to it (exact: one slow mode is left); before the first one too (a
    convention: X is then a part of what the first tabulated time gives).
    """
    coefficients = table.coefficients
    fields, deltas, times, overdrives = coefficients.shape
    tau = min(max(reduced_time, table.time_first), table.time_last)
    q = math.log(tau / table.time_first)
    a, a0, a1, a2, a3 = _weights((field - table.field_first) / table.field_step, fields - 3)
    d, d0, d1, d2, d3 = _weights(
        (math.sqrt(math.sqrt(delta)) - table.delta_first) / table.delta_step, deltas - 3
    )
    t, t0, t1, t2, t3 = _weights(q / (q + table.time_bend) / table.time_step, times - 3)
    p, p0, p1, p2, p3 = _weights(
        scaled_overdrive / (scaled_overdrive + table.overdrive_bend) / table.overdrive_step, overdrives - 3
    )
    sum0 = sum1 = sum2 = sum3 = 0.0
    for m in range(4):
        along_field = a0 if m == 0 else a1 if m == 1 else a2 if m == 2 else a3
        for n in range(4):
            pair = along_field * (d0 if n == 0 else d1 if n == 1 else d2 if n == 2 else d3)
            plane = coefficients[a + m, d + n]
            w0, w1, w2, w3 = pair * t0, pair * t1, pair * t2, pair * t3
            sum0 += w0 * plane[t, p] + w1 * plane[t + 1, p] + w2 * plane[t + 2, p] + w3 * plane[t + 3, p]
            sum1 += (
                w0 * plane[t, p + 1]
                + w1 * plane[t + 1, p + 1]
                + w2 * plane[t + 2, p + 1]
                + w3 * plane[t + 3, p + 1]
            )
            sum2 += (
                w0 * plane[t, p + 2]
                + w1 * plane[t + 1, p + 2]
                + w2 * plane[t + 2, p + 2]
                + w3 * plane[t + 3, p + 2]
            )
            sum3 += (
                w0 * plane[t, p + 3]
                + w1 * plane[t + 1, p + 3]
                + w2 * plane[t + 2, p + 3]
                + w3 * plane[t + 3, p + 3]
            )
    value = p0 * sum0 + p1 * sum1 + p2 * sum2 + p3 * sum3
    if reduced_time != tau:
        value += math.log(reduced_time / tau)
    return value


@kernel
def _weights(position: float, intervals: int) -> tuple[int, float, float, float, float]:
    """First coefficient and four B-spline weights at a position counted in nodes, kept inside the grid."""
    inside = min(position, float(intervals)) if position > 0.0 else 0.0  # NaN must not become an index
    first = min(int(inside), intervals - 1)
    u = inside - first
    v = 1.0 - u
    return (
        first,
        v * v * v / 6.0,
        (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0,
        (4.0 - 6.0 * v * v + 3.0 * v * v * v) / 6.0,
        u * u * u / 6.0,
    )
