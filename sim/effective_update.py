"""Flips carried into the effective conductances: several cells at once, one solve each, factored once.

With the cells that change taken together, t_a the currents of all lines for a unit current across cell a,
Z_ab the voltage across cell a of a unit current across cell b, and D their changes, K changes by
T (1/D + Z)^-1 T^T (Woodbury, 1950). All t belong to the network before, so no line is factored in between.
"""

import numpy as np

from ..compiled import kernel
from ._types import Floats, Integers
from .cell_panels import BiasWorkspace
from .effective import UNIT_TOLERANCE, UPDATES, Effective, order_lines
from .lanes import LANES, TURNED, fma, load, minus, splat, store, times, turned
from .line_solver import TINY, Network, change_cell, factor_column, factor_row
from .network_solver import solve_deviations, sum_currents
from .panels import padded, turn


@kernel
def change_matrix(
    net: Network, work: BiasWorkspace, forward: bool, effective: Effective, cells: Integers, first: int,
    count: int, conductances: Floats, most: int, row_current: Floats, column_current: Floats,
) -> float:  # fmt: skip
    """Give some cells other conductances, in matrix and network.

    Args:
        net: factored lines, changed.
        work: scratch.
        forward: whether rows are driven.
        effective: of the same array, changed.
        cells: numbers of cells in row order.
        first: place of the first of them.
        count: of them, up to `TOGETHER`.
        conductances: of these cells from now on, (TOGETHER,), S.
        most: sweeps of each solve.
        row_current: scratch, (rows,).
        column_current: scratch, (columns,).

    Returns:
        The residual of a solve that did not converge, V; 0 if all did.
    """
    update, panels = effective.update, effective.lines.shape[0]
    for b in range(count):
        i, j = cells[first + b] // net.columns, cells[first + b] % net.columns
        residual = solve_across(net, work, i, j, most)
        if residual > 0.0:
            return residual
        before = conductance_of(net, i, j)
        for a in range(count):
            u, v = cells[first + a] // net.columns, cells[first + a] % net.columns
            change = conductances[a] - conductance_of(net, u, v)
            update.system[a, b] = -change * drop_of(net, work, u, v) / before
            update.answer[a, b] = change if a == b else 0.0
        update.system[b, b] += 1.0
        cell_currents(net, work)
        down = j // LANES * padded(net.rows) + i
        work.network.z[down, j % LANES] += net.g_col[down, j % LANES]
        sum_currents(net, work.network.z, work.network.scratch, row_current, column_current)
        order_lines(forward, row_current, column_current, effective.lines)
        scale = splat(np.float32(1.0 / before))
        for panel in range(panels):
            store(update.lines, b * panels + panel, times(scale, load(effective.lines, panel)))
    eliminate(update.system, update.answer, count)
    add_products(effective, count, net.rows if forward else net.columns)
    take_up(net, cells, first, count, conductances)
    effective.counts[UPDATES] += count
    return 0.0


@kernel
def conductance_of(net: Network, i: int, j: int) -> float:
    """Conductance of a cell, S, as rounded to float32."""
    return np.float64(net.g_col[j // LANES * padded(net.rows) + i, j % LANES]) / net.wire_col


@kernel
def drop_of(net: Network, work: BiasWorkspace, i: int, j: int) -> float:
    """Voltage that the deviations just solved put across cell (i, j), V."""
    row = work.network.dr[i // LANES * padded(net.columns) + j, i % LANES]
    return np.float64(row) - np.float64(work.network.c[j // LANES * padded(net.rows) + i, j % LANES])


@kernel
def solve_across(net: Network, work: BiasWorkspace, i: int, j: int, most: int) -> float:
    """Solve for an emf of 1 V in cell (i, j), all drivers at 0 V: its conductance times that is injected.

    Returns:
        The residual of a solve that did not converge, V; 0 if it did.
    """
    down, across = j // LANES * padded(net.rows) + i, i // LANES * padded(net.columns) + j
    solver = work.network
    solver.b_col[:] = TINY
    turn(net.rows, net.columns, solver.b_col, -net.wire_row / net.wire_col, solver.b_row)
    solver.b_col[down, j % LANES] = net.g_col[down, j % LANES]
    solver.b_row[across, i % LANES] = -net.g_row[across, i % LANES]
    sweeps, residual = solve_deviations(net, UNIT_TOLERANCE, most, solver)
    return max(residual, UNIT_TOLERANCE) if sweeps < 0 else 0.0


@kernel
def cell_currents(net: Network, work: BiasWorkspace) -> None:
    """Currents g (dr - dc) of all cells, times the column segment, into `work.network.z`."""
    solver, depth, height = work.network, padded(net.rows), padded(net.columns)
    for j0 in range(0, net.columns, LANES):
        base = j0 // LANES * depth
        for i0 in range(0, net.rows, TURNED):
            across = turned(solver.dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, net.rows)):
                drop = minus(across[i - i0], load(solver.c, base + i))
                store(solver.z, base + i, times(load(net.g_col, base + i), drop))


@kernel
def eliminate(system: Floats, answer: Floats, count: int) -> None:
    """Solve system X = answer in place of `answer`, both (count, count) at least, by Gauss and Jordan.

    Cells resist each other by far less than by themselves, so the diagonal leads and no rows are exchanged.
    """
    for k in range(count):
        scale = 1.0 / system[k, k]
        for b in range(count):
            system[k, b] *= scale
            answer[k, b] *= scale
        for a in range(count):
            if a == k:
                continue
            share = system[a, k]
            for b in range(count):
                system[a, b] -= share * system[k, b]
                answer[a, b] -= share * answer[k, b]


@kernel
def add_products(effective: Effective, count: int, driven: int) -> None:
    """Add to the matrix the sum over cells a, b of t_a S_ab t_b, with t in `update.lines`, S in `answer`."""
    update, panels = effective.update, effective.lines.shape[0]
    first = panels - padded(driven) // LANES
    for panel in range(panels):
        for b in range(count):
            mixed = splat(np.float32(0.0))
            for a in range(count):
                own = splat(np.float32(update.answer[a, b]))
                mixed = fma(own, load(update.lines, a * panels + panel), mixed)
            store(update.mixed, b, mixed)
        for k in range(driven):
            found = load(effective.matrix, panel * driven + k)
            for b in range(count):
                own = splat(update.lines[b * panels + first + k // LANES, k % LANES])
                found = fma(own, load(update.mixed, b), found)
            store(effective.matrix, panel * driven + k, found)


@kernel
def take_up(net: Network, cells: Integers, first: int, count: int, conductances: Floats) -> None:
    """Set the conductances of some cells, S, and factor the lines they lie on, each panel once."""
    for b in range(count):
        change_cell(net, cells[first + b] // net.columns, cells[first + b] % net.columns, conductances[b])
    for panel in range(net.reach_row.shape[0]):
        for b in range(count):
            if cells[first + b] // net.columns // LANES == panel:
                factor_row(net, panel * LANES)
                break
    for panel in range(net.reach_col.shape[0]):
        for b in range(count):
            if cells[first + b] % net.columns // LANES == panel:
                factor_column(net, panel * LANES)
                break
