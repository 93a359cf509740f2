"""Chebyshev sweeps of a linear array for given levels, with as few arrays as they need.

As `network_solver.chebyshev`, but right-hand sides are made from the levels on the way, g (dr - dc + V0) at
once: a large array is limited by what its sweeps read and write. Deviations before the first sweep are 0 and
are not read.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32
from .lanes import (
    LANES,
    TURNED,
    fma,
    larger,
    load,
    minus,
    plus,
    splat,
    spread,
    store,
    store_wide,
    times,
    turned,
)
from .line_currents import TOGETHER, add_lanes, take_row_currents
from .line_solver import TINY, Network, largest_of, substitute_back
from .panels import clear, padded, whole_nodes


@kernel
def sweep_rows_at(
    lines: int, nodes: int, g: Floats32, e: Floats32, level: Floats32, opposite: Floats32, w: Floats32,
    fresh: bool, out: Floats32,
) -> None:  # fmt: skip
    """Solve every line for deviations w at the far ends of the devices, or for none if `fresh`.

    Args:
        lines: lines to solve.
        nodes: of each.
        g: scaled conductances.
        e: elimination factors.
        level: of the lines, V, (panels, 16).
        opposite: of the lines across, V, (panels, 16).
        w: deviations in the layout across.
        fresh: whether to take w for 0.
        out: returned deviations.
    """
    depth, height = padded(nodes), padded(lines)
    tiny = splat(TINY)
    for first in range(0, lines, LANES):
        base, own_level = first // LANES * depth, load(level, first // LANES)
        y = splat(np.float32(0.0))
        if fresh:
            for k in range(nodes):
                own, seen = load(e, base + k), minus(spread(opposite, k), own_level)
                y = fma(own, y, times(own, fma(load(g, base + k), seen, tiny)))
                store(out, base + k, y)
        else:
            # Whole tiles: beyond the last node e is 0.
            for k0 in range(0, nodes, TURNED):
                across = turned(w, k0 // LANES * height + first, k0 % LANES != 0)
                for k in range(TURNED):
                    own = load(e, base + k0 + k)
                    seen = plus(across[k], minus(spread(opposite, k0 + k), own_level))
                    y = fma(own, y, times(own, fma(load(g, base + k0 + k), seen, tiny)))
                    store(out, base + k0 + k, y)
        substitute_back(e, out, base, nodes)


@kernel
def sweep_columns_at(
    net: Network, level_row: Floats32, level_col: Floats32, dr: Floats32, now: Floats32, old: Floats32,
    done: int, shift: float, omega: float, scratch: Floats32,
) -> float:  # fmt: skip
    """Solve every column line for dr and take a Chebyshev step: old becomes old + omega (now + shift (new -
    now) - old), where `now` is 0 with no sweep done before, and `old` with at most one.

    Returns the largest |new - now|, V; `scratch` is (rows, 16).
    """
    rows, columns, g, e = net.rows, net.columns, net.g_col, net.e_col
    depth, height = padded(rows), padded(columns)
    step, weight = splat(np.float32(shift)), splat(np.float32(omega))
    tiny, zero = splat(TINY), splat(np.float32(0.0))
    size = zero
    for j0 in range(0, columns, LANES):
        base, level = j0 // LANES * depth, load(level_col, j0 // LANES)
        y = zero
        for i0 in range(0, rows, TURNED):
            across = turned(dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(TURNED):
                own = load(e, base + i0 + i)
                seen = plus(across[i], minus(spread(level_row, i0 + i), level))
                y = fma(own, y, times(own, fma(load(g, base + i0 + i), seen, tiny)))
                store(scratch, i0 + i, y)
        y = zero
        for i in range(rows - 1, -1, -1):
            y = fma(load(e, base + i), y, load(scratch, i))
            last = load(now, base + i) if done > 0 else zero
            before = load(old, base + i) if done > 1 else zero
            change = minus(y, last)
            size = larger(size, change)
            store(old, base + i, fma(weight, minus(fma(step, change, last), before), before))
    return largest_of(size)


@kernel
def sweep_at_levels(
    net: Network, level_row: Floats32, level_col: Floats32, rho: float, tolerance: float, most: int,
    dr: Floats32, c: Floats32, other: Floats32, scratch: Floats32,
) -> tuple[int, float]:  # fmt: skip
    """Accelerated sweeps from 0 until the estimated error is below `tolerance`, V, or `most` are done.

    Column deviations are left in `c` after an even number of sweeps, in `other` after an odd one.

    Returns:
        Sweeps and the estimated error, V.
    """
    root = math.sqrt(1.0 - rho)
    gain = (1.0 - root) / (1.0 + root) / (1.0 - rho)  # error after a sweep over its change
    sigma, shift = rho / (2.0 - rho), 2.0 / (2.0 - rho)
    now, old = c, other
    omega, size, sweeps = 1.0, math.inf, 0
    while size > tolerance and sweeps < most:
        sweep_rows_at(net.rows, net.columns, net.g_row, net.e_row, level_row, level_col, now, sweeps == 0, dr)
        change = sweep_columns_at(net, level_row, level_col, dr, now, old, sweeps, shift, omega, scratch)
        now, old = old, now
        sweeps += 1
        omega = 1.0 / (1.0 - sigma * sigma * (0.5 if sweeps == 1 else 0.25 * omega))
        size = gain * change
    return sweeps, size


@kernel
def take_levels_solved(
    net: Network, level_row: Floats32, level_col: Floats32, dr: Floats32, c: Floats32, volts: Floats,
    seen: Floats32, sums: Floats32, row_current: Floats, column_current: Floats,
) -> None:  # fmt: skip
    """Voltages of all cells, V, (rows, columns) or (0, 0) if not wanted, and currents of all lines, A.

    `seen`, over columns, and `sums`, (padded rows, 16), are scratch.
    """
    rows, columns, g, scale = net.rows, net.columns, net.g_col, 1.0 / net.wire_col
    depth, height, zero = padded(rows), padded(columns), splat(np.float32(0.0))
    clear(sums)
    column_current[:] = 0.0
    # From the last panel to the first: what is written beyond the last line is written over.
    for panel in range((columns - 1) // LANES, -1, -1):
        j0, base, level = panel * LANES, panel * depth, load(level_col, panel)
        whole = min(whole_nodes(rows, columns, j0), rows) if volts.size > 0 else 0
        down = zero
        for i0 in range(0, rows, TURNED):
            if i0 % TOGETHER == 0:
                add_lanes(down, scale, j0, column_current)
                down = zero
            across = turned(dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, rows)):
                drop = minus(across[i - i0], load(c, base + i))
                volt = plus(minus(spread(level_row, i), level), drop)
                current = times(load(g, base + i), volt)
                down = plus(down, current)
                store(sums, i, plus(load(sums, i), current))
                if i < whole:
                    store_wide(volts, i, j0, volt)
                else:
                    store(seen, base + i, volt)
        add_lanes(down, scale, j0, column_current)
        if volts.size > 0:
            for i in range(whole, rows):
                for k in range(min(LANES, columns - j0)):
                    volts[i, j0 + k] = np.float64(seen[base + i, k])
    take_row_currents(net, sums, scale, row_current, column_current)
