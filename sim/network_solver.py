"""The compiled solve of a factored crossbar for one set of levels: choice of method, refinement, currents.

The method follows from how fast plain line sweeps converge. A half sweep over rows is (T + D)^-1 D, whose
eigenvalues are b/(1 + b) with those b of sqrt(D) T^-1 sqrt(D), at most R, the `reach` of the worst row
(uniform lines: 0.41 x^2 with x = N sqrt(R_wire G)); likewise C of the columns. Since both are symmetric
between square roots of D, a full sweep keeps at most rho = R/(1 + R) C/(1 + C) of an error. Small rho is
accelerated with Chebyshev polynomials, which need neither inner products nor more arrays; beyond,
`two_level` takes over. Where rounding to float32 could be amplified beyond the tolerance, as when rows and
columns float, the residual is taken in float64 and solved for again.
"""

import math
from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32
from .coarse import MODES
from .imbalance import add_panels, imbalance
from .lanes import (
    LANES,
    TURNED,
    fma,
    larger,
    load,
    load_wide,
    load_wide_line,
    minus,
    plus,
    splat,
    store,
    times,
    turned,
)
from .level_sweeps import solve_at_levels
from .line_solver import TINY, Network, accelerated_sweep, largest_of, sweep_rows
from .lines import Lines
from .panels import clear, copy, new_panels, new_records, pack, padded, turn, unpack
from .two_level import conjugate_gradients

MOST_SWEEPS = 7
"""Chebyshev sweeps beyond which conjugate gradients with a coarse correction are faster."""
ROUNDING = 1e-6
"""Of the largest level: no tolerance is taken smaller."""
WEAK = 1e-4
"""1 - rho below which errors may decay too slowly for float32: some rows and some columns float."""
FEW_DRIVEN = 64
"""Cells a cell on a driven line may hold in place without a solution being refined."""
MOST_REFINEMENTS = 12


class Workspace(NamedTuple):
    """Scratch arrays of a solve, so that none is allocated while solving."""

    c: Floats32
    """Column deviations, over columns."""
    z: Floats32
    r: Floats32
    p: Floats32
    sp: Floats32
    b_col: Floats32
    """Right-hand sides of the columns, over columns."""
    dr: Floats32
    """Row deviations, over rows."""
    b_row: Floats32
    scratch: Floats32
    level_row: Floats32
    """Row levels, (row panels, 16)."""
    level_col: Floats32
    held: Floats32
    """Of sixteen columns, (padded rows, 16)."""
    start: Floats32
    """Row potentials guessed, later deviations at the drivers, (row panels, 16)."""
    drive: Floats32
    drop: Floats32
    """Drop of all rows along the columns, later deviations at the drivers, (column panels, 16)."""


@kernel
def new_workspace(rows: int, columns: int) -> Workspace:
    """Scratch for arrays of this size."""
    return Workspace(
        new_panels(columns, rows, 4), new_panels(columns, rows), new_panels(columns, rows),
        new_panels(columns, rows), new_panels(columns, rows), new_panels(columns, rows),
        new_panels(rows, columns, 5), new_panels(rows, columns),
        new_records(max(padded(rows), 2 * MODES), 6), new_records(padded(rows) // LANES),
        new_records(padded(columns) // LANES), new_records(padded(rows), 7),
        new_records(padded(rows) // LANES), new_records(padded(rows) // LANES),
        new_records(padded(columns) // LANES),
    )  # fmt: skip


@kernel
def largest_in(panels: Floats32) -> float:
    """Largest magnitude in an array of panels."""
    size = splat(np.float32(0.0))
    for record in range(panels.shape[0]):
        size = larger(size, load(panels, record))
    return largest_of(size)


@kernel
def largest_of_all(values: Floats) -> float:
    """Largest magnitude in an array (rows, columns), C-ordered, rounded to float32."""
    columns, most = values.shape[1], splat(np.float32(0.0))
    whole = values.size // LANES * LANES
    for start in range(0, whole, LANES):
        most = larger(most, load_wide(values, 0, start))
    largest = largest_of(most)
    for place in range(whole, values.size):
        largest = max(largest, abs(values[place // columns, place % columns]))
    return largest


@kernel
def few_sweeps(rho: float) -> bool:
    """Whether Chebyshev sweeps that keep `rho` of an error without acceleration are the fastest way."""
    root = math.sqrt(1.0 - rho)
    return ((1.0 - root) / (1.0 + root)) ** MOST_SWEEPS < 3e-6


@kernel
def contraction(net: Network) -> float:
    """Upper bound on the share of an error that one full sweep keeps; 1 if rows and columns float."""
    return share_kept(net.reach_row) * share_kept(net.reach_col)


@kernel
def share_kept(reach: Floats32) -> float:
    """Upper bound on the share of an error that a half sweep keeps; 1 if any of its lines floats."""
    return 1.0 - 1.0 / (1.0 + largest_in(reach))


@kernel
def fill_levels(levels: Floats, panels: Floats32) -> None:
    """Store one number a line as (panels, 16)."""
    whole = levels.size // LANES
    for panel in range(whole):
        store(panels, panel, load_wide_line(levels, panel * LANES))
    for k in range(whole * LANES, levels.size):
        panels[whole, k % LANES] = np.float32(levels[k])


@kernel
def set_levels(lines: Lines, work: Workspace) -> None:
    """Take up the levels."""
    fill_levels(lines.v_row, work.level_row)
    fill_levels(lines.v_col, work.level_col)


@kernel
def reachable(lines: Lines, tolerance: float) -> float:
    """The tolerance, or what rounding of the levels to float32 leaves of it if that is more, V."""
    row, column = lines.v_row.reshape((1, -1)), lines.v_col.reshape((1, -1))
    return max(tolerance, ROUNDING * max(largest_of_all(row), largest_of_all(column)))


@kernel
def drive(net: Network, lines: Lines, emf: Floats, work: Workspace) -> None:
    """Right-hand sides of all nodes; `emf` is (rows, columns), V, or (0, 0) for none."""
    set_levels(lines, work)
    depth, height = padded(net.rows), padded(net.columns)
    tiny, minus_one = splat(TINY), splat(np.float32(-1.0))
    for j0 in range(0, net.columns, LANES):
        column = load(work.level_col, j0 // LANES)
        for i in range(net.rows):
            record = j0 // LANES * depth + i
            seen = minus(splat(work.level_row[i // LANES, i % LANES]), column)
            store(work.b_col, record, fma(load(net.g_col, record), seen, tiny))
    for i0 in range(0, net.rows, LANES):
        row = load(work.level_row, i0 // LANES)
        for j in range(net.columns):
            record = i0 // LANES * height + j
            seen = minus(splat(work.level_col[j // LANES, j % LANES]), row)
            store(work.b_row, record, fma(load(net.g_row, record), seen, tiny))
    if emf.size > 0:
        pack(emf, 1.0, work.p)
        for record in range(work.p.shape[0]):
            own = fma(load(net.g_col, record), load(work.p, record), load(work.b_col, record))
            store(work.b_col, record, own)
        for i0 in range(0, net.rows, LANES):
            for j0 in range(0, net.columns, TURNED):
                across = turned(work.p, j0 // LANES * depth + i0, j0 % LANES != 0)
                for j in range(j0, min(j0 + TURNED, net.columns)):
                    record = i0 // LANES * height + j
                    own = times(load(net.g_row, record), minus_one)
                    store(work.b_row, record, fma(own, across[j - j0], load(work.b_row, record)))


@kernel
def chebyshev(net: Network, rho: float, tolerance: float, most: int, work: Workspace) -> tuple[int, float]:
    """Accelerated sweeps from 0; leaves the column deviations in work.c. Returns sweeps and the error, V."""
    now, old = work.c, work.z
    clear(now)
    clear(old)
    root = math.sqrt(1.0 - rho)
    gain = (1.0 - root) / (1.0 + root) / (1.0 - rho)  # error after a sweep over its change
    sigma, shift = rho / (2.0 - rho), 2.0 / (2.0 - rho)
    omega, size, sweeps = 1.0, math.inf, 0
    while size > tolerance and sweeps < most:
        sweep_rows(net, now, work.b_row, True, work.dr)
        change = accelerated_sweep(
            net.columns,
            net.rows,
            net.g_col,
            net.e_col,
            work.dr,
            work.b_col,
            now,
            old,
            shift,
            omega,
            work.scratch,
        )
        now, old = old, now
        sweeps += 1
        omega = 1.0 / (1.0 - sigma * sigma * (0.5 if sweeps == 1 else 0.25 * omega))
        size = gain * change
    if sweeps % 2 == 1:
        copy(work.z, work.c)
    return sweeps, size


@kernel
def solve_once(net: Network, tolerance: float, most: int, work: Workspace) -> tuple[int, float]:
    """Solve in float32 for the right-hand sides in `work`; leaves deviations in work.c and work.dr.

    Returns:
        Sweeps (-1: not converged) and the estimated error, V.
    """
    rho = contraction(net)
    iterations, size = -1, math.inf
    if few_sweeps(rho):
        iterations, size = chebyshev(net, rho, tolerance, min(4 * MOST_SWEEPS, most), work)
    if not size <= tolerance:
        iterations, size = conjugate_gradients(
            net, work.b_row, work.b_col, tolerance, most, work.c, work.dr, work.r, work.z, work.p, work.sp,
            work.scratch,
        )  # fmt: skip
    sweep_rows(net, work.c, work.b_row, True, work.dr)
    return (iterations if size <= tolerance else -1), size


@kernel
def solve_deviations(net: Network, tolerance: float, most: int, work: Workspace) -> tuple[int, float]:
    """As `solve_once`, refined in float64 where float32 is not enough."""
    if barely_held(net):
        return refine(net, tolerance, most, work)
    return solve_once(net, tolerance, most, work)


@kernel
def solve_network(
    net: Network, work: Workspace, lines: Lines, emf: Floats, tolerance: float, most: int, volts: Floats,
    row_current: Floats, column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """Solve a factored crossbar for one set of levels; allocates nothing unless it has to refine.

    Args:
        net: factored network; its drivers say which lines float.
        work: scratch of the same size.
        lines: levels; those of floating lines are any finite numbers.
        emf: in series with each device, (rows, columns), V, or (0, 0) for none: the current of a cell is
            g (V + emf).
        tolerance: estimated error of a cell voltage at which to stop, V; at least 1e-6 of the largest level.
        most: sweeps allowed.
        volts: returned cell voltages, row minus column, (rows, columns).
        row_current: returned current out of each row driver, A.
        column_current: returned current into each column driver, A.

    Returns:
        Sweeps used (-1 if it did not converge) and the last estimate of the error, V.
    """
    accuracy, rho = reachable(lines, tolerance), contraction(net)
    if emf.size == 0 and few_sweeps(rho):
        set_levels(lines, work)
        iterations, size = solve_at_levels(
            net, work.level_row, work.level_col, share_kept(net.reach_row), rho, accuracy, most, work.dr,
            work.c, work.held, work.start, work.drive, work.drop, work.scratch, volts,
            row_current, column_current,
        )  # fmt: skip
        if size <= accuracy:
            return iterations, size
    drive(net, lines, emf, work)
    iterations, size = solve_deviations(net, accuracy, most, work)
    take_results(net, work, emf, volts, row_current, column_current)
    return iterations, size


@kernel
def barely_held(net: Network) -> bool:
    """Whether few driven lines hold so many cells that rounding to float32 would show."""
    if contraction(net) < 1.0 - WEAK:
        return False
    rows, columns = count_driven(net.drive_row), count_driven(net.drive_col)
    held = rows * net.columns + columns * net.rows - rows * columns
    return rows == 0 or columns == 0 or held * FEW_DRIVEN < net.rows * net.columns


@kernel
def count_driven(drive: Floats32) -> int:
    """Number of lines with a driver."""
    driven = 0
    for panel in range(drive.shape[0]):
        for line in range(LANES):
            if drive[panel, line] > 0.0:
                driven += 1
    return driven


@kernel
def take_results(
    net: Network, work: Workspace, emf: Floats, volts: Floats, row_current: Floats, column_current: Floats
) -> None:
    """Cell voltages and line currents from the deviations in `work`, as `solve_network` returns them."""
    depth, height = padded(net.rows), padded(net.columns)
    for j0 in range(0, net.columns, LANES):
        base, level = j0 // LANES * depth, load(work.level_col, j0 // LANES)
        for i0 in range(0, net.rows, TURNED):
            across = turned(work.dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, net.rows)):
                ideal = minus(splat(work.level_row[i // LANES, i % LANES]), level)
                store(work.z, base + i, plus(ideal, minus(across[i - i0], load(work.c, base + i))))
    if volts.size > 0:
        unpack(work.z, volts)
    if emf.size > 0:
        pack(emf, 1.0, work.p)
        for record in range(work.z.shape[0]):
            store(work.z, record, plus(load(work.z, record), load(work.p, record)))
    for record in range(work.z.shape[0]):
        store(work.z, record, times(load(net.g_col, record), load(work.z, record)))
    sum_currents(net, work.z, work.scratch, row_current, column_current)


@kernel
def sum_currents(
    net: Network, currents: Floats32, scratch: Floats32, row_current: Floats, column_current: Floats
) -> None:
    """Currents of all lines from those of all cells (over columns, times the column segment resistance).

    They are summed over cells: a driver may be too good for its drop to be told. A tile is summed in float32,
    tiles in float64; floating lines carry 0.
    """
    depth = padded(net.rows)
    scale = 1.0 / net.wire_col
    column_current[:] = 0.0
    row_current[:] = 0.0
    down, across = scratch[0], scratch[1]
    for j0 in range(0, net.columns, LANES):
        columns = min(LANES, net.columns - j0)
        for i0 in range(0, net.rows, LANES):
            record = j0 // LANES * depth + i0
            total = load(currents, record)
            for k in range(1, LANES):
                total = plus(total, load(currents, record + k))
            store(scratch, 0, total)
            first, second = turned(currents, record, False), turned(currents, record, True)
            total = plus(first[0], second[0])
            for k in range(1, TURNED):
                total = plus(total, plus(first[k], second[k]))
            store(scratch, 1, total)
            for lane in range(columns):
                column_current[j0 + lane] += scale * np.float64(down[lane])
            for lane in range(min(LANES, net.rows - i0)):
                row_current[i0 + lane] += scale * np.float64(across[lane])
    for i in range(net.rows):
        if net.drive_row[i // LANES, i % LANES] == 0.0:
            row_current[i] = 0.0
    for j in range(net.columns):
        if net.drive_col[j // LANES, j % LANES] == 0.0:
            column_current[j] = 0.0


@kernel
def refine(net: Network, tolerance: float, most: int, work: Workspace) -> tuple[int, float]:
    """As `solve_once`, with corrections from float64 residuals until one is below the tolerance."""
    m, n = net.rows, net.columns
    b_row, b_col, dr, dc = np.zeros((m, n)), np.zeros((m, n)), np.zeros((m, n)), np.zeros((m, n))
    rows, columns = np.empty((m, n)), np.empty((m, n))
    turn(n, m, work.b_row, 1.0, work.p)
    unpack(work.p, b_row)
    unpack(work.b_col, b_col)
    sweeps = -1
    for _ in range(MOST_REFINEMENTS):
        solved, size = solve_once(net, tolerance if sweeps < 0 else 0.05 * tolerance, most, work)
        if solved < 0:
            return -1, size
        turn(n, m, work.dr, 1.0, work.p)
        size = add_panels(work.p, dr) + add_panels(work.c, dc)
        sweeps += 1 + solved
        if size < tolerance:
            pack(dc, 1.0, work.c)
            pack(dr, 1.0, work.p)
            turn(m, n, work.p, 1.0, work.dr)
            return sweeps, size
        for i in range(m):
            for j in range(n):
                rows[i, j] = b_row[i, j] / net.wire_row
                columns[i, j] = b_col[i, j] / net.wire_col
        imbalance(net, dr, dc, rows, columns)
        pack(rows, net.wire_row, work.p)
        turn(m, n, work.p, 1.0, work.b_row)
        pack(columns, net.wire_col, work.b_col)
    return -1, size
