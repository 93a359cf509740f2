"""Voltages of an array whose conductances depend on bias: outer iterations around one factored linear solve.

The lines are factored once, for conductances g of the cells: the slopes dI/dV at the voltages of ideal
lines, or those of another bias. With the drops delta = dr - dc and V = V0 + delta, a cell of true current
I(V) is the conductance g in parallel with the current b = I(V) - g delta. Where few sweeps suffice, each of
them takes up b anew (`bias_sweeps`); else each outer iteration solves the factored network for the change of
b alone. Slopes at the ideal voltages make the first solve wrong only by the square of the drop; any other g
shrinks the error by the drop along the lines over the voltage of a cell, times the relative change of
conductance: far below 1, and below 0.7 even on a dead line.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, States
from .bias_sweeps import follow, take_followed
from .cell_panels import JUNCTION_STEPS, BiasWorkspace, cell_current, current_at, junction_slope
from .cells import Access
from .lanes import (
    LANES,
    TURNED,
    fma,
    kept,
    larger,
    load,
    minus,
    plus,
    reciprocal,
    splat,
    spread,
    store,
    times,
    turned,
)
from .line_solver import TINY, Network, factor_again, largest_of
from .lines import Lines
from .network_solver import (
    contraction,
    few_sweeps,
    reachable,
    set_levels,
    solve_deviations,
    sum_currents,
)
from .panels import clear, copy, padded, turn, unpack

BIAS_TOLERANCE = 5e-6
"""Change of the emf of every cell below which the outer iteration stops, V; what it would still change in a
voltage is smaller."""
CORRECTION_TOLERANCE = 3e-7
"""Of the linear solve of one correction, V."""
MOST_OUTER = 100
ROUGH_FIRST = 0.03
"""Share of an error that a sweep keeps above which the drops of a pulse are worth a second factoring."""
ROUGH_TOLERANCE = 2e-3
"""Of the solve that finds where, V."""


@kernel
def linearise(
    net: Network, slopes: Floats32, work: BiasWorkspace, access: Access, half_voltage: float, opened: States,
    fresh: bool,
) -> None:  # fmt: skip
    """Set `slopes`, scaled conductances over columns, to those of all cells, and b and `rest` to match.

    The slopes are those at the voltages of ideal lines if `fresh`, else at those with the drops in
    `work.network`. Lines whose conductances these are must be factored again.
    """
    lines, rows, columns = work.network, net.rows, net.columns
    depth, height = padded(rows), padded(columns)
    scale, ohms = splat(np.float32(1.0 / half_voltage**2)), splat(np.float32(access.resistance))
    along, zero, tiny = splat(np.float32(net.wire_col)), splat(np.float32(0.0)), splat(TINY)
    dr, c, rest, level_row, level_col = lines.dr, lines.c, lines.b_col, lines.level_row, lines.level_col
    conductances, barriers, junctions = work.conductance_p, work.barrier, work.junction
    drops, currents = work.drop, work.current
    passive = access.resistance == 0.0
    for j0 in range(0, columns, LANES):
        base, level = j0 // LANES * depth, load(level_col, j0 // LANES)
        leak = kept(splat(np.float32(access.leak)), columns - j0)
        for i0 in range(0, rows, TURNED):
            across = turned(dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, rows)):
                record = base + i
                dropped = zero if fresh else across[i - i0]
                drop = zero if fresh else minus(dropped, load(c, record))
                volt = plus(minus(spread(level_row, i), level), drop)
                if opened[i] == 0:
                    current, slope, found = times(leak, volt), leak, zero
                elif passive:
                    current, slope = junction_slope(
                        load(conductances, record), load(barriers, record), volt, scale
                    )
                    found = volt
                else:
                    current, slope, found = cell_current(
                        load(conductances, record), load(barriers, record), volt, volt, scale, ohms,
                        2 * JUNCTION_STEPS,
                    )  # fmt: skip
                g, carried = times(along, slope), times(along, current)
                store(slopes, record, g)
                store(drops, record, drop)
                store(junctions, record, found)
                store(currents, record, plus(minus(carried, times(g, drop)), tiny))
                store(rest, record, minus(minus(times(g, dropped), carried), tiny))


@kernel
def factor_biased(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, lines: Lines
) -> None:
    """Factor the lines, in place, for the slopes of all cells at the voltages of ideal lines.

    Zero levels give those at zero bias. The cells are those of `load_cells`; a row with a closed gate
    (`opened` 0) leaks.
    """
    set_levels(lines, work.network)
    linearise(net, net.g_col, work, access, half_voltage, opened, True)
    factor_again(net, lines.s_row, lines.s_col)


@kernel
def clear_padding(panels: Floats32, nodes: int, lines: int) -> None:
    """Set to 0 what lies beyond the last line."""
    if lines % LANES == 0:
        return
    base = lines // LANES * padded(nodes)
    for k in range(nodes):
        panels[base + k, lines % LANES :] = np.float32(0.0)


@kernel
def send(net: Network, work: BiasWorkspace) -> None:
    """Make `work.current` the right-hand sides of the next linear solve."""
    copy(work.current, work.network.b_col)
    clear_padding(work.network.b_col, net.rows, net.columns)
    turn(net.rows, net.columns, work.network.b_col, -net.wire_row / net.wire_col, work.network.b_row)


@kernel
def bias_cells(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, known: bool
) -> float:
    """Take up the deviations in `work.network` and find the change of b, the next right-hand sides.

    The deviations are added to the drops so far, or replace them if these are not `known`. Returns the
    largest change as an emf b/g, V.
    """
    lines, rows, columns = work.network, net.rows, net.columns
    depth, height = padded(rows), padded(columns)
    tiny, size = splat(TINY), splat(np.float32(0.0))
    scale, ohms = splat(np.float32(1.0 / half_voltage**2)), splat(np.float32(access.resistance))
    wire, passive = splat(np.float32(net.wire_col)), access.resistance == 0.0
    dr, c, b_col, level_row, level_col = lines.dr, lines.c, lines.b_col, lines.level_row, lines.level_col
    conductances, barriers, junctions = work.conductance_p, work.barrier, work.junction
    g_col, drops, currents = net.g_col, work.drop, work.current
    for j0 in range(0, columns, LANES):
        base, level = j0 // LANES * depth, load(level_col, j0 // LANES)
        leak = kept(splat(np.float32(access.leak)), columns - j0)
        for i0 in range(0, rows, TURNED):
            across = turned(dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, rows)):
                record = base + i
                drop = minus(across[i - i0], load(c, record))
                if known:
                    drop = plus(load(drops, record), drop)
                volt = plus(minus(spread(level_row, i), level), drop)
                current, found = current_at(
                    conductances, barriers, junctions, record, volt, opened[i], passive, leak, scale, ohms
                )
                g = load(g_col, record)
                now = minus(times(wire, current), times(g, drop))
                change = minus(now, load(currents, record))
                size = larger(size, times(change, reciprocal(g)))
                store(drops, record, drop)
                store(junctions, record, found)
                store(currents, record, now)
                store(b_col, record, plus(change, tiny))
    clear_padding(b_col, rows, columns)
    turn(rows, columns, b_col, -net.wire_row / net.wire_col, lines.b_row)
    return largest_of(size)


@kernel
def solve_biased(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, lines: Lines,
    tolerance: float, most: int, volts: Floats, junction: Floats, row_current: Floats, column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """Solve a factored array with conductances that follow their bias; allocates nothing unless it refines.

    Args:
        net: the lines factored for some conductances of the cells, with the drivers of `lines`.
        work: cells as of `load_cells`.
        access: transistors.
        half_voltage: V_h of TMR(V), V.
        opened: (rows,), 1 where the gate is open.
        lines: wires, drivers and levels.
        tolerance: of the first linear solve, V.
        most: sweeps of each linear solve.
        volts: returned, of each cell, V; (0, 0) if not wanted.
        junction: returned, of each junction alone, V, 0 behind closed gates; (0, 0) if not wanted.
        row_current: returned, A.
        column_current: returned, A.

    Returns:
        Sweeps or outer iterations (-1 if they did not converge) and the last residual, V.
    """
    set_levels(lines, work.network)
    linearise(net, work.network.r, work, access, half_voltage, opened, True)
    clear(work.network.c)
    return converge(
        net, work, access, half_voltage, opened, lines, tolerance, most, volts, junction, row_current,
        column_current,
    )  # fmt: skip


@kernel
def solve_pulse(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, lines: Lines,
    tolerance: float, most: int, volts: Floats, junction: Floats, row_current: Floats, column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """As `solve_biased` for levels given once: the lines are factored on the way, and where drops are large
    factored again at the voltages of a rough solve. `net` need know no more than its wires."""
    factor_biased(net, work, access, half_voltage, opened, lines)
    clear(work.network.c)
    rho = contraction(net)
    if rho > ROUGH_FIRST:
        rough = reachable(lines, ROUGH_TOLERANCE)
        if few_sweeps(rho):
            sweeps, residual = follow(net, work, access, half_voltage, opened, rho, rough, math.inf)
        else:
            send(net, work)
            sweeps, residual = solve_deviations(net, rough, most, work.network)
        if sweeps < 0:
            return -1, residual
        linearise(net, net.g_col, work, access, half_voltage, opened, False)
        factor_again(net, lines.s_row, lines.s_col)
    return converge(
        net, work, access, half_voltage, opened, lines, tolerance, most, volts, junction, row_current,
        column_current,
    )  # fmt: skip


@kernel
def converge(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, lines: Lines,
    tolerance: float, most: int, volts: Floats, junction: Floats, row_current: Floats, column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """Solve from the deviations and b at hand; arguments and returns as of `solve_biased`."""
    rho = contraction(net)
    if few_sweeps(rho):
        accuracy, small = reachable(lines, tolerance), reachable(lines, BIAS_TOLERANCE)
        sweeps, size = follow(net, work, access, half_voltage, opened, rho, accuracy, small)
        if sweeps >= 0:
            take_followed(
                net, work, access, half_voltage, opened, volts, junction, row_current, column_current
            )
            return sweeps, size
        linearise(net, work.network.r, work, access, half_voltage, opened, True)
    send(net, work)
    return iterate(
        net, work, access, half_voltage, opened, lines, tolerance, most, volts, junction, row_current,
        column_current,
    )  # fmt: skip


@kernel
def iterate(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, lines: Lines,
    tolerance: float, most: int, volts: Floats, junction: Floats, row_current: Floats, column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """Linear solves until b stands still; arguments and returns as of `solve_biased`."""
    size, small = math.inf, reachable(lines, BIAS_TOLERANCE)
    for outer in range(MOST_OUTER):
        accuracy = tolerance if outer == 0 else CORRECTION_TOLERANCE
        sweeps, residual = solve_deviations(net, reachable(lines, accuracy), most, work.network)
        if sweeps < 0:
            return -1, residual
        size = bias_cells(net, work, access, half_voltage, opened, outer > 0)
        if size < small:
            take_biased(net, work, volts, junction, row_current, column_current)
            return outer + 1, size
    return -1, size


@kernel
def take_biased(
    net: Network, work: BiasWorkspace, volts: Floats, junction: Floats, row_current: Floats,
    column_current: Floats,
) -> None:  # fmt: skip
    """Voltages and currents of a converged iteration, as `solve_biased` returns them."""
    lines, depth = work.network, padded(net.rows)
    seen, carried, level_row, level_col = lines.p, lines.z, lines.level_row, lines.level_col
    g_col, drops, currents = net.g_col, work.drop, work.current
    for j0 in range(0, net.columns, LANES):
        base, level = j0 // LANES * depth, load(level_col, j0 // LANES)
        for i in range(net.rows):
            drop = load(drops, base + i)
            store(seen, base + i, plus(minus(spread(level_row, i), level), drop))
            store(carried, base + i, fma(load(g_col, base + i), drop, load(currents, base + i)))
    clear_padding(lines.z, net.rows, net.columns)
    if volts.size > 0:
        unpack(lines.p, volts)
    if junction.size > 0:
        unpack(work.junction, junction)
    sum_currents(net, lines.z, lines.scratch, row_current, column_current)
