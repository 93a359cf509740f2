"""Sweeps over the lines of an array that take up the bias of its cells as they go.

With conductances g for which the lines were factored, deviations dr and dc, V = V0 + dr - dc and the current
I(V) of a cell, b = I(V) - g (dr - dc) is what the cell carries beyond g. A sweep solves every row line and
every column line for the b at hand and finds b anew at the voltages that result, so bias and wires converge
together: an error shrinks by the larger of what a sweep of a linear array keeps and what b does, see `bias`.
Chebyshev acceleration is that of `network_solver.chebyshev`. Lines want b in volts: times the resistance of
their wire segment. `rest`, in `work.network.b_col`, is g dc - b over columns: right-hand sides of the rows.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, States
from .cell_panels import BiasWorkspace, current_at
from .cells import Access
from .lanes import (
    LANES,
    TURNED,
    fma,
    higher,
    kept,
    larger,
    load,
    magnitude,
    minus,
    minus_product,
    plus,
    product_minus,
    splat,
    spread,
    store,
    times,
    turned,
)
from .line_currents import TOGETHER, add_lanes, take_row_currents
from .line_solver import TINY, Network, largest_of, substitute_back
from .network_solver import MOST_SWEEPS
from .panels import clear, copy, padded, unpack


@kernel
def sweep_rows_for(lines: int, nodes: int, e: Floats32, rest: Floats32, ratio: float, out: Floats32) -> None:
    """out = (T + D)^-1 (ratio `rest`) on every line; `rest` in the layout across, `out` in that along."""
    depth, height = padded(nodes), padded(lines)
    scale = splat(np.float32(ratio))
    for first in range(0, lines, LANES):
        base = first // LANES * depth
        y = splat(np.float32(0.0))
        # Whole tiles: beyond the last node e is 0.
        for k0 in range(0, nodes, TURNED):
            across = turned(rest, k0 // LANES * height + first, k0 % LANES != 0)
            for k in range(TURNED):
                own = load(e, base + k0 + k)
                y = fma(own, y, times(own, times(scale, across[k])))
                store(out, base + k0 + k, y)
        substitute_back(e, out, base, nodes)


@kernel
def sweep_columns(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, now: Floats32,
    old: Floats32, shift: float, omega: float, small: float,
) -> tuple[float, float]:  # fmt: skip
    """Solve every column line for the dr at hand, take a Chebyshev step, and find b anew.

    Args:
        net: factored lines.
        work: cells; dr, b, `rest` and scratch.
        access: transistors.
        half_voltage: V_h of TMR(V), V.
        opened: (rows,), 1 where the gate is open.
        now: column deviations.
        old: those before; returned, the next ones: old + omega (now + shift (new - now) - old).
        shift: of the step.
        omega: of the step.
        small: emf, V.

    Returns:
        The largest |new - now|, V, and by how much the change of b goes beyond what `small` would carry, in
        volts along the column wire; 0 or less: by nothing.
    """
    rows, columns = net.rows, net.columns
    depth, height = padded(rows), padded(columns)
    g_col, e_col, wire = net.g_col, net.e_col, splat(np.float32(net.wire_col))
    dr, b, rest, rows_across, scratch = (
        work.network.dr, work.current, work.network.b_col, work.drop, work.network.scratch,
    )  # fmt: skip
    level_row, level_col = work.network.level_row, work.network.level_col
    conductances, barriers, junctions = work.conductance_p, work.barrier, work.junction
    step, weight = splat(np.float32(shift)), splat(np.float32(omega))
    scale, ohms = splat(np.float32(1.0 / half_voltage**2)), splat(np.float32(access.resistance))
    tiny, least = splat(TINY), splat(np.float32(small))
    zero, passive = splat(np.float32(0.0)), access.resistance == 0.0
    size = excess = zero
    for j0 in range(0, columns, LANES):
        base, level = j0 // LANES * depth, load(level_col, j0 // LANES)
        leak = kept(splat(np.float32(access.leak)), columns - j0)
        y = zero
        for i0 in range(0, rows, TURNED):
            across = turned(dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(TURNED):
                own = load(e_col, base + i0 + i)
                right = fma(load(g_col, base + i0 + i), across[i], load(b, base + i0 + i))
                y = fma(own, y, times(own, right))
                store(scratch, i0 + i, y)
                store(rows_across, base + i0 + i, across[i])
        y = zero
        for i in range(rows - 1, -1, -1):
            record = base + i
            # The last node has nothing behind it: y is still 0.
            y = fma(load(e_col, record), y, load(scratch, i))
            before, last = load(old, record), load(now, record)
            change = minus(y, last)
            size = larger(size, change)
            column = fma(weight, minus(fma(step, change, last), before), before)
            store(old, record, column)
            drop = minus(load(rows_across, record), column)
            volt = plus(minus(spread(level_row, i), level), drop)
            current, found = current_at(
                conductances, barriers, junctions, record, volt, opened[i], passive, leak, scale, ohms
            )
            if not passive:
                store(junctions, record, found)
            g = load(g_col, record)
            fresh = minus_product(g, drop, fma(wire, current, tiny))
            excess = higher(excess, minus_product(least, g, magnitude(minus(fresh, load(b, record)))))
            store(b, record, fresh)
            store(rest, record, product_minus(g, column, fresh))
    return largest_of(size), largest_of(excess)


@kernel
def follow(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, rho: float,
    tolerance: float, small: float,
) -> tuple[int, float]:  # fmt: skip
    """Sweep until neither voltages nor b change any more, from the deviations, b and `rest` at hand.

    Args:
        net: factored lines.
        work: cells, and where the sweeps start; returns dc, and the b that belongs to it.
        access: transistors.
        half_voltage: V_h of TMR(V), V.
        opened: (rows,), 1 where the gate is open.
        rho: of `network_solver.contraction`.
        tolerance: estimated error of a cell voltage at which to stop, V.
        small: emf below which a change of b is accepted, V; infinite for any.

    Returns:
        Sweeps (-1: not converged) and the estimated error, V. The rows are one sweep behind.
    """
    root = math.sqrt(1.0 - rho)
    gain = (1.0 - root) / (1.0 + root) / (1.0 - rho)  # error after a sweep over its change
    sigma, shift = rho / (2.0 - rho), 2.0 / (2.0 - rho)
    now, old = work.network.c, work.network.z
    rest, e_row, dr, ratio = work.network.b_col, net.e_row, work.network.dr, net.wire_row / net.wire_col
    omega, size, sweeps = 1.0, math.inf, 0
    clear(old)
    while sweeps < 4 * MOST_SWEEPS:
        sweep_rows_for(net.rows, net.columns, e_row, rest, ratio, dr)
        change, excess = sweep_columns(
            net, work, access, half_voltage, opened, now, old, shift, omega, min(small, 1e6)
        )
        now, old = old, now
        sweeps += 1
        omega = 1.0 / (1.0 - sigma * sigma * (0.5 if sweeps == 1 else 0.25 * omega))
        size = gain * change
        if size <= tolerance and excess <= 0.0:
            break
    else:
        return -1, size
    if sweeps % 2 == 1:
        copy(work.network.z, work.network.c)
    return sweeps, size


@kernel
def take_followed(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, volts: Floats,
    junction: Floats, row_current: Floats, column_current: Floats,
) -> None:  # fmt: skip
    """Solve the rows once more, and return voltages and currents as `bias.solve_biased` does."""
    rows, columns = net.rows, net.columns
    depth, height = padded(rows), padded(columns)
    dr, c, level_row, level_col = (
        work.network.dr, work.network.c, work.network.level_row, work.network.level_col,
    )  # fmt: skip
    conductances, barriers, junctions = work.conductance_p, work.barrier, work.junction
    seen, sums = work.network.r, work.network.scratch
    scale, ohms = splat(np.float32(1.0 / half_voltage**2)), splat(np.float32(access.resistance))
    zero, passive = splat(np.float32(0.0)), access.resistance == 0.0
    sweep_rows_for(rows, columns, net.e_row, work.network.b_col, net.wire_row / net.wire_col, dr)
    clear(sums)
    column_current[:] = 0.0
    for j0 in range(0, columns, LANES):
        base, level = j0 // LANES * depth, load(level_col, j0 // LANES)
        leak, down = kept(splat(np.float32(access.leak)), columns - j0), zero
        for i0 in range(0, rows, TURNED):
            if i0 % TOGETHER == 0:
                add_lanes(down, 1.0, j0, column_current)
                down = zero
            across = turned(dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, rows)):
                record = base + i
                drop = minus(across[i - i0], load(c, record))
                volt = plus(minus(spread(level_row, i), level), drop)
                current, found = current_at(
                    conductances, barriers, junctions, record, volt, opened[i], passive, leak, scale, ohms
                )
                down = plus(down, current)
                store(sums, i, plus(load(sums, i), current))
                store(seen, record, volt)
                store(junctions, record, found)
        add_lanes(down, 1.0, j0, column_current)
    take_row_currents(net, sums, 1.0, row_current, column_current)
    if volts.size > 0:
        unpack(seen, volts)
    if junction.size > 0:
        unpack(junctions, junction)
