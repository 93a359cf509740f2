"""Pulses in which a device that flips changes the voltages of all others at once (`resolve: event`).

A cell flips when its accumulated hazard reaches a threshold -ln(1 - u) drawn for the pulse; u is the uniform
that the frozen way (`draws`) uses for likely cells. The next flip of all cells is found by inverting the law,
the hazard of every cell is carried to that time, the cell flips, the network is solved again, and so on until
the interval ends. A cell that flipped draws a new threshold for its new state.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Integers, States
from .array_kernels import driver_power, solve_interval
from .blocks import BLOCK, first_bits, step_of
from .cell_panels import BiasWorkspace
from .cells import Access, Cells, Dynamics, cell_hazard, reduced_drive
from .draws import uniform_of
from .line_solver import Network
from .lines import Lines
from .philox import EXTRA_STREAM, Word, uniform_pair
from .switching import equivalent_time_at

_MOST_FLIPS = 200
_CELLS = 2**24


@kernel
def draw_thresholds(seed: Word, tile: int, event: int, thresholds: Floats) -> None:
    """-ln(1 - u) of every cell for its first flip in this pulse."""
    n = thresholds.shape[1]
    words = np.empty(BLOCK // 4, np.uint64)
    bits = words.view(np.uint16)
    for first in range(0, thresholds.size, BLOCK):
        first_bits(seed, tile, event, first // BLOCK, words)
        for cell in range(first, min(first + BLOCK, thresholds.size)):
            u = uniform_of(seed, tile, event, cell, step_of(bits, cell - first))
            thresholds[cell // n, cell % n] = -math.log1p(-u)


@kernel
def time_to_flip(
    dynamics: Dynamics, cells: Cells, state: int, volt: float, i: int, j: int, before: float,
    threshold: float, remaining: float,
) -> float:  # fmt: skip
    """Seconds from now until the hazard of a cell reaches its threshold at this voltage; infinite if it
    does not."""
    if cells.stuck[i, j] == 1:
        return math.inf
    if cell_hazard(dynamics, cells, state, volt, i, j, remaining, before) < threshold:
        return math.inf
    overdrive, delta, field, unit = reduced_drive(dynamics, cells, state, volt, i, j, remaining)
    rate = cells.rate[i, j]
    total = equivalent_time_at(dynamics.law, math.log(threshold / rate), overdrive, delta, field)
    spent = 0.0
    if before > 0.0:
        spent = equivalent_time_at(dynamics.law, math.log(before / rate), overdrive, delta, field)
    return min(max((total - spent) * unit, 0.0), remaining)


@kernel
def pulse_events(
    cells: Cells, state: States, dynamics: Dynamics, access: Access, lines: Lines, widths: Floats,
    edges: Floats, tolerance: float, most: int, empty: Network, work: BiasWorkspace,
    seed: Word, tile: int, event: int, row_current: Floats, column_current: Floats, volts: Floats,
    flipped: Integers,
) -> tuple[float, float, int]:  # fmt: skip
    """Give one pulse, solving the network again after every flip. `state` changes in place.

    `volts`, (rows, columns), returns the largest magnitude each junction saw; `flipped`, (cells,), is
    scratch.

    Returns:
        Energy in J (NaN if a solve did not converge; the states are then those at the start), the last
        residual in V, and the number of flips.
    """
    m, n = state.shape
    start = state.copy()
    thresholds, hazard, now = np.empty((m, n)), np.zeros((m, n)), np.empty((m, n))
    draw_thresholds(seed, tile, event, thresholds)
    flipped[:] = 0
    volts[:] = 0.0
    opened = np.ones(m, dtype=np.int8)
    rows_now, columns_now = np.empty(m), np.empty(n)
    energy, began, flips, first = 0.0, 0.0, 0, True
    for k in range(edges.size):
        for i in range(m):
            opened[i] = 1 if widths[i] >= edges[k] else 0
        while began < edges[k]:
            outer, residual = solve_interval(
                cells, state, dynamics, access, lines, opened, tolerance, most, empty, work, now, rows_now,
                columns_now,
            )  # fmt: skip
            if outer < 0:
                state[:] = start
                return math.nan, residual, 0
            if first:
                row_current[:] = rows_now
                column_current[:] = columns_now
                first = False
            remaining = edges[k] - began
            step, at_i, at_j = math.inf, -1, -1
            for i in range(m):
                for j in range(n):
                    volts[i, j] = max(volts[i, j], abs(now[i, j]))
                    wait = time_to_flip(
                        dynamics,
                        cells,
                        state[i, j],
                        now[i, j],
                        i,
                        j,
                        hazard[i, j],
                        thresholds[i, j],
                        remaining,
                    )
                    if wait < step:
                        step, at_i, at_j = wait, i, j
            taken = min(step, remaining)
            energy += driver_power(lines, rows_now, columns_now) * taken
            if taken > 0.0:
                for i in range(m):
                    for j in range(n):
                        hazard[i, j] = cell_hazard(
                            dynamics, cells, state[i, j], now[i, j], i, j, taken, hazard[i, j]
                        )
            began = edges[k] if at_i < 0 else began + taken
            if at_i >= 0:
                cell = at_i * n + at_j
                state[at_i, at_j] = 1 - state[at_i, at_j]
                hazard[at_i, at_j] = 0.0
                flipped[cell] += 1
                flips += 1
                u, _ = uniform_pair(seed, EXTRA_STREAM + 4 * tile, event, cell + _CELLS * flipped[cell])
                thresholds[at_i, at_j] = -math.log1p(-u) if flipped[cell] < _MOST_FLIPS else math.inf
    changed = 0
    for i in range(m):
        for j in range(n):
            changed += int(state[i, j] != start[i, j])
    return energy, 0.0, changed
