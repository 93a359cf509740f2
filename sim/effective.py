"""Reads at the cost of a dense product: what every line carries when one side is driven, as one matrix.

Between flips an array whose lines are all driven is linear but for TMR(V), so the currents of a read are
I = K v with the effective conductances K: wires, drivers and sneak paths inside. Column k of K is one solve
with 1 V on line k. When a cell changes its conductance by d, with t the line currents of a unit current
injected across it (by reciprocity also the voltage of the cell for a unit voltage on each line) and z the
resistance seen there, K changes by d/(1 + d z) t t^T (Sherman and Morrison, 1950): one solve.

TMR(V) adds to the current of a cell in AP the small odd part N(V) = I(V) - g V, g its slope at zero bias;
`odd_currents` finds what that adds to K v, and what it leaves out is compared with an exact solve when K is
made.

Lines are ordered sensed first, then driven; each part is padded to whole lanes. Sensed currents are those of
a `Reading`, driven ones flow into the array.
"""

from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, Integers, States
from .cell_panels import BiasWorkspace
from .lanes import (
    LANES,
    TURNED,
    fma,
    load,
    load_wide,
    minus,
    plus,
    splat,
    store,
    store_wide,
    times,
    turned,
)
from .line_solver import TINY, Network, change_cell, factor_column, factor_row
from .lines import Lines
from .network_solver import solve_deviations, solve_network, sum_currents
from .odd_currents import OddParts, inject_odd_currents, new_odd_parts
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
SPARE = 1.05
"""Largest level at which reads are compared with exact ones, over that of the read at hand."""

KNOWN, SAVED, UPDATES, USELESS = 0, 1, 2, 3
"""Places of `Effective.counts`: 1 if the matrix is at hand, solves that it would have saved, or has saved,
updates since it was made, reads to solve before it is tried again after reads with it missed `ERROR`."""
RETRY = 30
"""Times as many reads are solved before a matrix that missed `ERROR` is tried again as making it costs: other
states may suit it, as those of a written tile where all cells in AP did not."""


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
    added: Floats
    """Scratch, as `lines`."""
    levels: Floats32
    """Scratch, (driven,), V."""
    odd: OddParts
    """What TMR(V) adds needs these."""


@kernel
def new_effective(rows: int, columns: int, forward: bool) -> Effective:
    """Room for the matrix of one orientation; none where it would not be used."""
    driven, sensed = (rows, columns) if forward else (columns, rows)
    panels = (padded(sensed) + padded(driven)) // LANES
    if rows * columns < LEAST_CELLS or panels * driven * LANES * 4 > MOST_BYTES:
        panels = 0
    return Effective(
        np.empty((panels * driven, LANES), np.float32), np.zeros((rows, columns), np.int8),
        np.zeros(4, np.int64), np.zeros(1), np.zeros((panels, LANES)), np.zeros((panels, LANES)),
        np.zeros(driven, np.float32), new_odd_parts(driven if panels > 0 else 0, sensed if panels > 0 else 0),
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
    net: Network, half_voltage: float, forward: bool, effective: Effective, levels: Floats
) -> None:
    """Add to `effective.lines`, currents of all lines of the linear array, what TMR(V) changes, A.

    Args:
        net: factored lines.
        half_voltage: V_h of TMR(V), V.
        forward: whether rows are driven.
        effective: with the currents of the linear array for these levels.
        levels: (driven lines,), V.
    """
    largest = 0.0
    for level in levels:
        largest = max(largest, abs(level))
    # N is at most this share of g V.
    if largest * (largest / half_voltage) ** 2 < 0.1 * ERROR:
        return
    odd, lines = effective.odd, effective.lines
    driven = odd.emf.shape[0]
    first = lines.shape[0] - driven
    inject_odd_currents(odd, net, forward, levels, lines[first:], effective.added[:first])
    lines[:first] += effective.added[:first]
    multiply(effective.matrix, odd.emf.reshape(-1)[: levels.size], 0, lines.shape[0], effective.added)
    lines += effective.added
