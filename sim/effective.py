"""Reads at the cost of a dense product: what every line carries when one side is driven, as one matrix.

Between flips an array whose lines are all driven is linear but for TMR(V), so the currents of a read are
I = K v with the effective conductances K: wires, drivers and sneak paths inside. Column k of K is one solve
with 1 V on line k. When a cell changes its conductance by d, with t the line currents of a unit current
injected across it (by reciprocity also the voltage of the cell for a unit voltage on each line) and z the
resistance seen there, K changes by d/(1 + d z) t t^T (Sherman and Morrison, 1950): one solve.

TMR(V) adds to the current of a cell in AP the small odd part N(V) = I(V) - g V, g its slope at zero bias.
Cell voltages of the linear array, solved roughly, give N; what the lines carry when N is injected at all
cells, solved roughly, is added to K v. What this leaves out is of second order in N and is compared with an
exact solve when K is made.

Lines are ordered sensed first, then driven; each part is padded to whole lanes. Sensed currents are those of
a `Reading`, driven ones flow into the array.
"""

from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, Integers, States
from .bias import BiasWorkspace, cell_current, clear_padding
from .cells import Access
from .lanes import (
    LANES,
    TURNED,
    fma,
    load,
    load_wide,
    minus,
    plus,
    reciprocal,
    splat,
    store,
    store_wide,
    times,
    turned,
)
from .line_solver import TINY, Network, change_cell, factor_column, factor_row
from .lines import Lines
from .network_solver import drive, solve_deviations, solve_network, sum_currents
from .panels import padded, turn

LEAST_CELLS = 1_000
"""Smaller arrays are solved: a solve costs little more than all that surrounds it."""
MOST_BYTES = 2**28
"""Of one matrix; larger arrays are solved."""
UNIT_TOLERANCE = 1e-6
"""Of solves for 1 V on a line or across a cell, V."""
ERROR = 5e-6
"""Accepted error of a read, as a voltage across all cells of the sensed line, V."""
MOST_UPDATES = 2_000
"""Updates of a matrix, each rounded to float32, before it is made anew."""
ROUGH = 0.5
"""Share of `ERROR` in the tolerance of solves that find N and its effect; true errors are far smaller."""
SPARE = 1.05
"""Largest level at which reads are compared with exact ones, over that of the read at hand."""
_JUNCTION_STEPS = 6

KNOWN, SAVED, UPDATES, USELESS = 0, 1, 2, 3
"""Places of `Effective.counts`: 1 if the matrix is at hand, solves that it would have saved, or has saved,
updates since it was made, 1 if reads with it miss `ERROR`."""


class Effective(NamedTuple):
    """The matrix of one orientation, kept in place."""

    matrix: Floats32
    """(line panels * driven, 16): record p * driven + k is what lines 16 p to 16 p + 15 carry for 1 V on
    driven line k, S."""
    held: States
    """States (rows, columns) that the matrix and the network are for."""
    counts: Integers
    """See `KNOWN`."""
    span: Floats
    """(1,): largest level, V, at which reads were compared with exact ones."""
    lines: Floats
    """Scratch for currents of all lines, (line panels, 16), A."""
    levels: Floats32
    """Scratch, (driven,), V."""


@kernel
def new_effective(rows: int, columns: int, forward: bool) -> Effective:
    """Room for the matrix of one orientation; none where it would not be used."""
    driven, sensed = (rows, columns) if forward else (columns, rows)
    panels = (padded(sensed) + padded(driven)) // LANES
    if rows * columns < LEAST_CELLS or panels * driven * LANES * 4 > MOST_BYTES:
        panels = 0
    return Effective(
        np.empty((panels * driven, LANES), np.float32), np.zeros((rows, columns), np.int8),
        np.zeros(4, np.int64), np.zeros(1), np.zeros((panels, LANES)), np.zeros(driven, np.float32),
    )  # fmt: skip


@kernel
def forget(effective: Effective) -> None:
    """The cells themselves changed: nothing of the matrix holds."""
    effective.counts[:] = 0


@kernel
def multiply(matrix: Floats32, levels: Floats32, first: int, last: int, currents: Floats) -> None:
    """Currents, A, of the lines in panels `first` to `last` (not included) for levels (driven,), V;
    `currents` is (line panels, 16)."""
    driven = levels.size
    for panel in range(first, last):
        base = panel * driven
        # Four sums, so that no addition waits for the one before.
        a = b = c = d = splat(np.float32(0.0))
        k = 0
        while k + 4 <= driven:
            a = fma(load(matrix, base + k), splat(levels[k]), a)
            b = fma(load(matrix, base + k + 1), splat(levels[k + 1]), b)
            c = fma(load(matrix, base + k + 2), splat(levels[k + 2]), c)
            d = fma(load(matrix, base + k + 3), splat(levels[k + 3]), d)
            k += 4
        while k < driven:
            a = fma(load(matrix, base + k), splat(levels[k]), a)
            k += 1
        store_wide(currents, panel, 0, plus(plus(a, b), plus(c, d)))


@kernel
def make_matrix(
    net: Network, work: BiasWorkspace, lines: Lines, forward: bool, effective: Effective, most: int,
    row_current: Floats, column_current: Floats,
) -> float:  # fmt: skip
    """Fill the matrix for the conductances in `net`, one solve a driven line; the levels of `lines` are
    overwritten.

    Returns:
        The residual of a solve that did not converge, V; 0 if all did.
    """
    nothing = np.empty((0, 0))
    driven = net.rows if forward else net.columns
    levels = lines.v_row if forward else lines.v_col
    for k in range(driven):
        levels[:] = 0.0
        levels[k] = 1.0
        sweeps, residual = solve_network(
            net, work.network, lines, nothing, UNIT_TOLERANCE, most, nothing, row_current, column_current
        )
        if sweeps < 0:
            return max(residual, UNIT_TOLERANCE)
        order_lines(forward, row_current, column_current, effective.lines)
        for panel in range(effective.lines.shape[0]):
            store(effective.matrix, panel * driven + k, load_wide(effective.lines, panel, 0))
    effective.counts[UPDATES] = 0
    return 0.0


@kernel
def order_lines(forward: bool, row_current: Floats, column_current: Floats, ordered: Floats) -> None:
    """Currents of rows (into the array) and columns (out of it) as sensed and driven ones, padded with 0."""
    sensed = column_current if forward else row_current
    driven = row_current if forward else column_current
    sign, start = (1.0 if forward else -1.0), padded(sensed.size)
    ordered[:] = 0.0
    flat = ordered.reshape(-1)
    for k in range(sensed.size):
        flat[k] = sign * sensed[k]
    for k in range(driven.size):
        flat[start + k] = sign * driven[k]


@kernel
def change_matrix(
    net: Network, work: BiasWorkspace, forward: bool, effective: Effective, i: int, j: int,
    conductance: float, most: int, row_current: Floats, column_current: Floats,
) -> float:  # fmt: skip
    """Give cell (i, j) another conductance, S, in matrix and network.

    Returns:
        The residual of a solve that did not converge, V; 0 if it did.
    """
    down, across = j // LANES * padded(net.rows) + i, i // LANES * padded(net.columns) + j
    solver = work.network
    solver.b_col[:] = TINY
    turn(net.rows, net.columns, solver.b_col, -net.wire_row / net.wire_col, solver.b_row)
    # 1 V across the cell: its own conductance times that is what is injected.
    solver.b_col[down, j % LANES] = net.g_col[down, j % LANES]
    solver.b_row[across, i % LANES] = -net.g_row[across, i % LANES]
    sweeps, residual = solve_deviations(net, UNIT_TOLERANCE, most, solver)
    if sweeps < 0:
        return max(residual, UNIT_TOLERANCE)
    before = np.float64(net.g_col[down, j % LANES]) / net.wire_col
    drop = np.float64(solver.dr[across, i % LANES]) - np.float64(solver.c[down, j % LANES])
    cell_currents(net, work)
    solver.z[down, j % LANES] += net.g_col[down, j % LANES]
    sum_currents(net, solver.z, solver.scratch, row_current, column_current)
    order_lines(forward, row_current, column_current, effective.lines)
    change = conductance - before
    scale = change / (1.0 - change * drop / before) / before**2
    driven = net.rows if forward else net.columns
    first = effective.lines.size - padded(driven)
    flat = effective.lines.reshape(-1)
    for panel in range(effective.lines.shape[0]):
        part = load_wide(effective.lines, panel, 0)
        for k in range(driven):
            record = panel * driven + k
            weight = splat(np.float32(scale * flat[first + k]))
            store(effective.matrix, record, fma(weight, part, load(effective.matrix, record)))
    change_cell(net, i, j, conductance)
    factor_row(net, i)
    factor_column(net, j)
    effective.counts[UPDATES] += 1
    return 0.0


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
def read_linear(effective: Effective, levels: Floats, sensed: int, all_lines: bool) -> None:
    """Currents of a read into `effective.lines`: of the sensed lines, and of the driven ones if wanted."""
    for k in range(levels.size):
        effective.levels[k] = np.float32(levels[k])
    last = effective.lines.shape[0] if all_lines else padded(sensed) // LANES
    multiply(effective.matrix, effective.levels, 0, last, effective.lines)


@kernel
def add_odd_currents(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, lines: Lines, forward: bool,
    effective: Effective, most: int, row_current: Floats, column_current: Floats,
) -> float:  # fmt: skip
    """Add to `effective.lines` what TMR(V) changes, to first order, for the levels in `lines`.

    Returns:
        The residual of a solve that did not converge, V; 0 if both did.
    """
    solver, nothing = work.network, np.empty((0, 0))
    largest = 0.0
    for level in lines.v_row:
        largest = max(largest, abs(level))
    for level in lines.v_col:
        largest = max(largest, abs(level))
    # N is at most this share of g V, so an error dV in the voltage of a cell is one of 3 share dV in N/g.
    share = min((largest / half_voltage) ** 2, 1.0)
    if share * largest < 0.1 * ERROR:
        return 0.0
    drive(net, lines, nothing, solver)
    sweeps, residual = solve_deviations(net, ROUGH * ERROR / share, most, solver)
    if sweeps >= 0:
        inject_odd_currents(net, work, access, half_voltage)
        sweeps, residual = solve_deviations(net, ROUGH * ERROR, most, solver)
    if sweeps < 0:
        return max(residual, ERROR)
    cell_currents(net, work)
    for record in range(solver.z.shape[0]):
        store(solver.z, record, plus(load(solver.z, record), load(work.current, record)))
    clear_padding(solver.z, net.rows, net.columns)
    sum_currents(net, solver.z, solver.scratch, row_current, column_current)
    sign = 1.0 if forward else -1.0
    sensed = column_current if forward else row_current
    driven = row_current if forward else column_current
    start = padded(sensed.size)
    flat = effective.lines.reshape(-1)
    for k in range(sensed.size):
        flat[k] += sign * sensed[k]
    for k in range(driven.size):
        flat[start + k] += sign * driven[k]
    return 0.0


@kernel
def inject_odd_currents(net: Network, work: BiasWorkspace, access: Access, half_voltage: float) -> None:
    """Right-hand sides N(V) at the voltages in `work.network`; N, times the column segment, stays in
    `work.current`."""
    solver, rows, columns = work.network, net.rows, net.columns
    depth, height = padded(rows), padded(columns)
    one, tiny = splat(np.float32(1.0)), splat(TINY)
    scale, ohms = splat(np.float32(1.0 / half_voltage**2)), splat(np.float32(access.resistance))
    wire = splat(np.float32(net.wire_col))
    for j0 in range(0, columns, LANES):
        base, level = j0 // LANES * depth, load(solver.level_col, j0 // LANES)
        for i0 in range(0, rows, TURNED):
            across = turned(solver.dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, rows)):
                record = base + i
                drop = minus(across[i - i0], load(solver.c, record))
                volt = plus(minus(splat(solver.level_row[i // LANES, i % LANES]), level), drop)
                barrier, g = load(work.barrier, record), load(net.g_col, record)
                if access.resistance == 0.0:
                    # I - g V = g V s T/(1 + s + T) with s = (V/V_h)^2 and T the barrier.
                    square = times(times(volt, volt), scale)
                    bent = times(times(square, barrier), reciprocal(plus(plus(one, square), barrier)))
                    odd = times(times(g, volt), bent)
                else:
                    own = load(work.conductance_p, record)
                    current, _, _ = cell_current(own, barrier, volt, volt, scale, ohms, _JUNCTION_STEPS)
                    odd = minus(times(wire, current), times(g, volt))
                store(work.current, record, odd)
                store(solver.b_col, record, plus(odd, tiny))
    clear_padding(solver.b_col, rows, columns)
    turn(rows, columns, solver.b_col, -net.wire_row / net.wire_col, solver.b_row)
