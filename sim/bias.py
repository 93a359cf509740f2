"""Voltages of an array whose conductances depend on bias: outer iterations around one factored linear solve.

The lines are factored once, for conductances g of the cells: the slopes dI/dV at the voltages of ideal
lines, or those of another bias. With the drops delta = dr - dc and V = V0 + delta, a cell of true current
I(V) is the conductance g in parallel with the current b = I(V) - g delta, so each outer iteration solves the
factored network for the change of b alone. Slopes at the ideal voltages make the first solve wrong only by
the square of the drop; any other g shrinks the error by the drop along the lines over the voltage of a cell,
times the relative change of conductance: far below 1, and below 0.7 even on a dead line.
"""

import math
from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, States
from .cells import Access, Cells
from .lanes import (
    LANES,
    TURNED,
    Lanes,
    fma,
    larger,
    load,
    minus,
    plus,
    reciprocal,
    splat,
    store,
    times,
    turned,
)
from .line_solver import TINY, Network, factor_lines, largest_of
from .lines import Lines
from .network_solver import (
    Workspace,
    contraction,
    new_workspace,
    reachable,
    set_levels,
    solve_deviations,
    sum_currents,
)
from .panels import new_panels, pack, padded, turn, unpack

BIAS_TOLERANCE = 5e-6
"""Change of the emf of every cell below which the outer iteration stops, V; what it would still change in a
voltage is smaller."""
CORRECTION_TOLERANCE = 3e-7
"""Of the linear solve of one correction, V."""
MOST_OUTER = 100
ROUGH_FIRST = 0.05
"""Share of an error that a sweep keeps above which the drops of a pulse are worth a second factoring."""
ROUGH_TOLERANCE = 2e-3
"""Of the solve that finds where, V."""
_JUNCTION_STEPS = 3


class BiasWorkspace(NamedTuple):
    """Cells as the solve takes them, and its scratch; all arrays are over columns."""

    network: Workspace
    conductance_p: Floats32
    """In state P, S."""
    barrier: Floats32
    """(R_AP - R_P)/R_P at zero bias in state AP, 0 in state P."""
    drop: Floats32
    """dr - dc, V."""
    junction: Floats32
    """Voltage of each junction alone, V."""
    current: Floats32
    """b in volts along a column wire: times its segment resistance."""


@kernel
def new_bias_workspace(rows: int, columns: int) -> BiasWorkspace:
    """Scratch for arrays of this size."""
    return BiasWorkspace(
        new_workspace(rows, columns), new_panels(columns, rows), new_panels(columns, rows),
        new_panels(columns, rows), new_panels(columns, rows), new_panels(columns, rows),
    )  # fmt: skip


@kernel
def load_cells(cells: Cells, state: States, work: BiasWorkspace) -> None:
    """Take up the parameters and states of all cells; needed again when any of them changed."""
    pack(cells.conductance_p, 1.0, work.conductance_p)
    pack(cells.tmr, 1.0, work.barrier)
    rows, columns = state.shape
    depth = padded(rows)
    for j0 in range(0, columns, LANES):
        many = min(LANES, columns - j0)
        for i in range(rows):
            barrier, bits = work.barrier[j0 // LANES * depth + i], state[i, j0 : j0 + many]
            for lane in range(many):
                barrier[lane] *= np.float32(1 - bits[lane])


@kernel
def junction_current(conductance_p: Lanes, barrier: Lanes, volt: Lanes, scale: Lanes) -> tuple[Lanes, Lanes]:
    """Current of a junction, A, and its slope dI/dV, S; `scale` is 1/V_h^2.

    G = G_P (1 + V^2/V_h^2)/(1 + V^2/V_h^2 + barrier).
    """
    one = splat(np.float32(1.0))
    square = times(times(volt, volt), scale)
    shape = plus(one, square)
    inverse = reciprocal(plus(shape, barrier))
    conductance = times(times(conductance_p, shape), inverse)
    steepening = times(times(plus(square, square), barrier), times(conductance_p, times(inverse, inverse)))
    return times(conductance, volt), plus(conductance, steepening)


@kernel
def cell_current(
    conductance_p: Lanes,
    barrier: Lanes,
    volt: Lanes,
    guess: Lanes,
    scale: Lanes,
    resistance: Lanes,
    steps: int,
) -> tuple[Lanes, Lanes, Lanes]:
    """Current of a cell with its transistor open, A, its slope, S, and the voltage of its junction, V.

    The junction voltage u solves u + R I(u) = V by Newton's method, from `guess`.
    """
    if steps == 0:
        current, slope = junction_current(conductance_p, barrier, volt, scale)
        return current, slope, volt
    one = splat(np.float32(1.0))
    found = guess
    current, slope = junction_current(conductance_p, barrier, found, scale)
    for _ in range(steps):
        excess = minus(fma(resistance, current, found), volt)
        found = minus(found, times(excess, reciprocal(fma(resistance, slope, one))))
        current, slope = junction_current(conductance_p, barrier, found, scale)
    return current, times(slope, reciprocal(fma(resistance, slope, one))), found


@kernel
def linearise(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, wire: float,
    fresh: bool,
) -> None:  # fmt: skip
    """Set the conductances of a network to the slopes of all cells, and its right-hand sides to match.

    The slopes are those at the voltages of ideal lines if `fresh`, else at those with the drops in
    `work.network`. `wire` is the resistance of a column segment. The lines must be factored again.
    """
    lines, rows, columns = work.network, net.rows, net.columns
    depth, height = padded(rows), padded(columns)
    scale, ohms = splat(np.float32(1.0 / half_voltage**2)), splat(np.float32(access.resistance))
    along, leak, zero = splat(np.float32(wire)), splat(np.float32(access.leak)), splat(np.float32(0.0))
    steps = 0 if access.resistance == 0.0 else 2 * _JUNCTION_STEPS
    for j0 in range(0, columns, LANES):
        base, level = j0 // LANES * depth, load(lines.level_col, j0 // LANES)
        for i0 in range(0, rows, TURNED):
            across = turned(lines.dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, rows)):
                record = base + i
                drop = zero if fresh else minus(across[i - i0], load(lines.c, record))
                volt = plus(minus(splat(lines.level_row[i // LANES, i % LANES]), level), drop)
                if opened[i] == 0:
                    current, slope, found = times(leak, volt), leak, zero
                else:
                    own, barrier = load(work.conductance_p, record), load(work.barrier, record)
                    current, slope, found = cell_current(own, barrier, volt, volt, scale, ohms, steps)
                g = times(along, slope)
                store(net.g_col, record, g)
                store(work.drop, record, drop)
                store(work.junction, record, found)
                store(work.current, record, minus(times(along, current), times(g, drop)))
    clear_padding(net.g_col, rows, columns)


@kernel
def factor_biased(
    empty: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, lines: Lines
) -> Network:
    """Factor the lines for the slopes of all cells at the voltages of ideal lines; zero levels give those at
    zero bias. The cells are those of `load_cells`; a row with a closed gate (`opened` 0) leaks."""
    set_levels(lines, work.network)
    linearise(empty, work, access, half_voltage, opened, 1.0 / lines.g_col, True)
    return factor_lines(empty, lines.g_row, lines.g_col, lines.s_row, lines.s_col)


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
    tiny = splat(TINY)
    for record in range(work.current.shape[0]):
        store(work.network.b_col, record, plus(load(work.current, record), tiny))
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
    zero, tiny, size = splat(np.float32(0.0)), splat(TINY), splat(np.float32(0.0))
    scale, ohms = splat(np.float32(1.0 / half_voltage**2)), splat(np.float32(access.resistance))
    wire, leak = splat(np.float32(net.wire_col)), splat(np.float32(access.leak))
    steps = 0 if access.resistance == 0.0 else _JUNCTION_STEPS
    for j0 in range(0, columns, LANES):
        base, level = j0 // LANES * depth, load(lines.level_col, j0 // LANES)
        for i0 in range(0, rows, TURNED):
            across = turned(lines.dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, rows)):
                record = base + i
                drop = minus(across[i - i0], load(lines.c, record))
                if known:
                    drop = plus(load(work.drop, record), drop)
                volt = plus(minus(splat(lines.level_row[i // LANES, i % LANES]), level), drop)
                if opened[i] == 0:
                    current, found = times(leak, volt), zero
                else:
                    own, barrier = load(work.conductance_p, record), load(work.barrier, record)
                    guess = load(work.junction, record)
                    current, _, found = cell_current(own, barrier, volt, guess, scale, ohms, steps)
                g = load(net.g_col, record)
                now = minus(times(wire, current), times(g, drop))
                change = minus(now, load(work.current, record))
                size = larger(size, times(change, reciprocal(g)))
                store(work.drop, record, drop)
                store(work.junction, record, found)
                store(work.current, record, now)
                store(lines.b_col, record, plus(change, tiny))
    clear_padding(lines.b_col, rows, columns)
    turn(rows, columns, lines.b_col, -net.wire_row / net.wire_col, lines.b_row)
    return largest_of(size)


@kernel
def start_at_levels(
    net: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States
) -> None:
    """Right-hand sides of a factored network at the voltages of ideal lines."""
    rows, columns = net.rows, net.columns
    work.network.c[:] = np.float32(0.0)
    work.network.dr[:] = np.float32(0.0)
    work.current[:] = np.float32(0.0)
    depth = padded(rows)
    for j0 in range(0, columns, LANES):
        level = load(work.network.level_col, j0 // LANES)
        for i in range(rows):
            ideal = minus(splat(work.network.level_row[i // LANES, i % LANES]), level)
            store(work.junction, j0 // LANES * depth + i, ideal)
    bias_cells(net, work, access, half_voltage, opened, False)


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
        Outer iterations (-1 if the solve or the iteration did not converge) and the last residual, V.
    """
    set_levels(lines, work.network)
    start_at_levels(net, work, access, half_voltage, opened)
    return iterate(
        net, work, access, half_voltage, opened, lines, tolerance, most, volts, junction, row_current,
        column_current,
    )  # fmt: skip


@kernel
def solve_pulse(
    empty: Network, work: BiasWorkspace, access: Access, half_voltage: float, opened: States, lines: Lines,
    tolerance: float, most: int, volts: Floats, junction: Floats, row_current: Floats, column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """As `solve_biased` for levels given once: the lines are factored on the way, and where drops are large
    factored again at the voltages of a rough solve. `empty` is overwritten."""
    net = factor_biased(empty, work, access, half_voltage, opened, lines)
    if contraction(net) > ROUGH_FIRST:
        send(net, work)
        sweeps, residual = solve_deviations(net, reachable(lines, ROUGH_TOLERANCE), most, work.network)
        if sweeps < 0:
            return -1, residual
        linearise(net, work, access, half_voltage, opened, net.wire_col, False)
        net = factor_lines(net, lines.g_row, lines.g_col, lines.s_row, lines.s_col)
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
    for j0 in range(0, net.columns, LANES):
        base, level = j0 // LANES * depth, load(lines.level_col, j0 // LANES)
        for i in range(net.rows):
            ideal = minus(splat(lines.level_row[i // LANES, i % LANES]), level)
            drop = load(work.drop, base + i)
            store(lines.p, base + i, plus(ideal, drop))
            store(lines.z, base + i, fma(load(net.g_col, base + i), drop, load(work.current, base + i)))
    clear_padding(lines.z, net.rows, net.columns)
    if volts.size > 0:
        unpack(lines.p, volts)
    if junction.size > 0:
        unpack(work.junction, junction)
    sum_currents(net, lines.z, lines.scratch, row_current, column_current)
