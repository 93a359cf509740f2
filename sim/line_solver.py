"""Compiled kernels that solve all row lines or all column lines of a crossbar at once.

Nodes: r[i, j] on row line i, c[i, j] on column line j. Device g[i, j] joins them; wires join r[i, j] to r[i,
j+1] and c[i, j] to c[i+1, j]; the driver of row i sits at r[i, 0], that of column j at c[last, j]; a
floating line has none. With the deviations from ideal wires, r = v_row + dr and c = v_col + dc, and V0 =
v_row - v_col, Kirchhoff's current law reads

    (T_r + D) dr = D dc + b_r,   b_r = -D (V0 + E),
    (T_c + D) dc = D dr + b_c,   b_c = +D (V0 + E),

where T_r and T_c are tridiagonal along each line, D = diag(g), and E is an emf in series with each device.
Unknowns that are small make float32 exact enough: rounding is relative to the drop, not to the drive.

Everything of a line is multiplied by the resistance of its wire segment, so that conductances are numbers
and right-hand sides are volts. Elimination starts at node 0: s_k is the conductance to ground seen at node k
looking back, e_k = 1/(s_k + 1), and s_k is summed from positive terms only, so that small devices on good
wires are not lost. Layouts over rows and over columns are those of `panels`.
"""

from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, Integers
from .coarse import Coarse, new_coarse
from .lanes import (
    LANES,
    TURNED,
    Lanes,
    fma,
    kept,
    lane,
    larger,
    load,
    minus,
    over,
    plus,
    reciprocal,
    root,
    splat,
    store,
    times,
    turned,
    where_positive,
)
from .panels import new_panels, pack, padded, turn

TINY = np.float32(1e-20)
"""Added to every right-hand side, V: far below any drop, and large enough that no number turns denormal."""
ONE, HALF = np.float32(1.0), np.float32(0.5)


class Network(NamedTuple):
    """A crossbar with its lines factored."""

    rows: int
    columns: int
    wire_row: float
    """Resistance of one row-wire segment, ohm."""
    wire_col: float
    """Resistance of one column-wire segment, ohm."""
    g_row: Floats32
    """Device conductances times `wire_row`, over rows."""
    g_col: Floats32
    """Device conductances times `wire_col`, over columns."""
    e_row: Floats32
    """Elimination factors of the row lines, over rows."""
    e_col: Floats32
    """Elimination factors of the column lines, over columns."""
    drive_row: Floats32
    """Driver conductances times `wire_row`, (row panels, 16); 0 floats a row."""
    drive_col: Floats32
    """Driver conductances times `wire_col`, (column panels, 16)."""
    reach_row: Floats32
    """How strongly the devices of each row pull at its wire, (row panels, 16); infinite if it floats.

    With R_kl the resistance that nodes k and l share towards the driver, over the segment, and scaled
    conductances g: the root of the sum of g_k g_l R_kl^2, which is at least the largest eigenvalue of
    sqrt(g_k) R_kl sqrt(g_l) and on uniform lines 0.41 x^2, x = N sqrt(R_wire G), against 0.405 x^2.
    """
    reach_col: Floats32
    """The same of each column."""
    coarse: Coarse
    """Modes for the coarse correction of large arrays, found when first needed."""
    coarse_key: Floats
    """What the modes were found for: mean conductance (rounded) and drivers, ratio of the wires."""
    total_row: Floats32
    """Sum of the scaled conductances of each row, (row panels, 16)."""
    total_col: Floats32
    """The same of each column."""


@kernel
def new_network(rows: int, columns: int) -> Network:
    """An empty network, to be filled by `factor`."""
    p, q = padded(rows) // LANES, padded(columns) // LANES
    return Network(
        rows, columns, 1.0, 1.0,
        new_panels(rows, columns, 0), new_panels(columns, rows, 2),
        new_panels(rows, columns, 1), new_panels(columns, rows, 3),
        np.zeros((p, LANES), np.float32), np.zeros((q, LANES), np.float32),
        np.zeros((p, LANES), np.float32), np.zeros((q, LANES), np.float32),
        new_coarse(rows, columns), np.zeros(4), np.zeros((p, LANES), np.float32),
        np.zeros((q, LANES), np.float32),
    )  # fmt: skip


@kernel
def fill_lanes(values: Floats, scale: float, panels: Floats32) -> None:
    """Store `scale` * values, one number a line, as (panels, 16)."""
    for line in range(values.size):
        panels[line // LANES, line % LANES] = np.float32(scale * values[line])


@kernel
def factor(empty: Network, g: Floats, g_row: float, g_col: float, s_row: Floats, s_col: Floats) -> Network:
    """Fill a network, in place, and factor all lines.

    Args:
        empty: arrays of the right size.
        g: device conductances (rows, columns), S, all > 0.
        g_row: conductance of one row-wire segment, S.
        g_col: of one column-wire segment, S.
        s_row: driver conductance of each row, S; 0 floats it.
        s_col: of each column.

    Returns:
        The same arrays with the wires noted.
    """
    pack(g, 1.0 / g_col, empty.g_col)
    return factor_lines(empty, g_row, g_col, s_row, s_col)


@kernel
def factor_lines(filled: Network, g_row: float, g_col: float, s_row: Floats, s_col: Floats) -> Network:
    """As `factor`, with the scaled conductances over columns already in place."""
    rows, columns, wire_row, wire_col = filled.rows, filled.columns, 1.0 / g_row, 1.0 / g_col
    net = Network(
        rows, columns, wire_row, wire_col, filled.g_row, filled.g_col, filled.e_row, filled.e_col,
        filled.drive_row, filled.drive_col, filled.reach_row, filled.reach_col, filled.coarse,
        filled.coarse_key, filled.total_row, filled.total_col,
    )  # fmt: skip
    factor_again(net, s_row, s_col)
    return net


@kernel
def factor_again(net: Network, s_row: Floats, s_col: Floats) -> None:
    """Factor all lines for the scaled conductances over columns, in place, and these drivers, S."""
    turn(net.rows, net.columns, net.g_col, net.wire_row / net.wire_col, net.g_row)
    fill_lanes(s_row, net.wire_row, net.drive_row)
    fill_lanes(s_col, net.wire_col, net.drive_col)
    panels = net.reach_row.shape[0]
    for panel in range(0, panels, 2):
        factor_rows(net, panel, min(panel + 1, panels - 1))
    panels = net.reach_col.shape[0]
    for panel in range(0, panels, 2):
        factor_columns(net, panel, min(panel + 1, panels - 1))


@kernel
def change_cell(net: Network, i: int, j: int, conductance: float) -> None:
    """Set the conductance of one cell, S. Row i and column j must be factored again before the next solve."""
    net.g_row[i // LANES * padded(net.columns) + j, i % LANES] = np.float32(conductance * net.wire_row)
    net.g_col[j // LANES * padded(net.rows) + i, j % LANES] = np.float32(conductance * net.wire_col)


@kernel
def change_drivers(net: Network, s_row: Floats, s_col: Floats) -> None:
    """Take up driver conductances, S, and factor the lines whose driver changed."""
    for first in range(0, net.rows, LANES):
        stale = False
        for i in range(first, min(first + LANES, net.rows)):
            drive = np.float32(s_row[i] * net.wire_row)
            stale |= drive != net.drive_row[i // LANES, i % LANES]
            net.drive_row[i // LANES, i % LANES] = drive
        if stale:
            factor_row(net, first)
    for first in range(0, net.columns, LANES):
        stale = False
        for j in range(first, min(first + LANES, net.columns)):
            drive = np.float32(s_col[j] * net.wire_col)
            stale |= drive != net.drive_col[j // LANES, j % LANES]
            net.drive_col[j // LANES, j % LANES] = drive
        if stale:
            factor_column(net, first)


@kernel
def change_cells(net: Network, rows: Integers, columns: Integers, conductances: Floats) -> None:
    """Set the conductances, S, of some cells and factor the lines they lie on."""
    stale_row, stale_col = np.zeros(net.reach_row.shape[0]), np.zeros(net.reach_col.shape[0])
    for k in range(rows.size):
        change_cell(net, rows[k], columns[k], conductances[k])
        stale_row[rows[k] // LANES] = 1.0
        stale_col[columns[k] // LANES] = 1.0
    for panel in range(stale_row.size):
        if stale_row[panel] > 0.0:
            factor_row(net, panel * LANES)
    for panel in range(stale_col.size):
        if stale_col[panel] > 0.0:
            factor_column(net, panel * LANES)


@kernel
def conductances_of(net: Network) -> Floats:
    """Conductances of all cells, (rows, columns), S, as rounded to float32."""
    g = np.empty((net.rows, net.columns))
    for i in range(net.rows):
        for j in range(net.columns):
            g[i, j] = np.float64(net.g_col[j // LANES * padded(net.rows) + i, j % LANES]) / net.wire_col
    return g


@kernel
def factor_row(net: Network, i: int) -> None:
    """Factor the sixteen row lines around row i, after conductances of theirs have changed."""
    factor_rows(net, i // LANES, i // LANES)


@kernel
def factor_column(net: Network, j: int) -> None:
    """Factor the sixteen column lines around column j."""
    factor_columns(net, j // LANES, j // LANES)


@kernel
def factor_rows(net: Network, first: int, second: int) -> None:
    """Factor two panels of row lines, which may be the same."""
    factor_panels(
        net.rows, net.columns, first, second, False, net.g_row, net.drive_row, net.e_row, net.reach_row,
        net.total_row,
    )  # fmt: skip


@kernel
def factor_columns(net: Network, first: int, second: int) -> None:
    """Factor two panels of column lines, which may be the same."""
    factor_panels(
        net.columns, net.rows, first, second, True, net.g_col, net.drive_col, net.e_col, net.reach_col,
        net.total_col,
    )  # fmt: skip


@kernel
def factor_panels(
    lines: int, nodes: int, first: int, second: int, driver_last: bool, g: Floats32, drive: Floats32,
    e: Floats32, reach: Floats32, total: Floats32,
) -> None:  # fmt: skip
    """Elimination factors, reach and total conductance of two panels of lines, side by side: each has to
    wait for its divisions."""
    base, last, depth = first * padded(nodes), nodes - 1, (second - first) * padded(nodes)
    source, source2, one, zero = load(drive, first), load(drive, second), splat(ONE), splat(np.float32(0.0))
    driven_at = splat(np.float32(last if driver_last else 0))
    distance, distance2 = plus(reciprocal(source), driven_at), plus(reciprocal(source2), driven_at)
    step, half, none = splat(-ONE if driver_last else ONE), splat(HALF), splat(np.float32(np.inf))
    reached = reached2 = behind = behind2 = summed = summed2 = zero
    s, s2 = (zero, zero) if driver_last else (source, source2)
    q = q2 = one
    for record in range(base, base + nodes):
        own, own2 = load(g, record), load(g, record + depth)
        square, square2 = times(times(own, distance), distance), times(times(own2, distance2), distance2)
        if driver_last:
            reached = fma(square, fma(half, own, summed), reached)
            reached2 = fma(square2, fma(half, own2, summed2), reached2)
        else:
            reached = fma(own, fma(half, square, behind), reached)
            reached2 = fma(own2, fma(half, square2, behind2), reached2)
            behind, behind2 = plus(behind, square), plus(behind2, square2)
        distance, distance2 = plus(distance, step), plus(distance2, step)
        summed, summed2 = plus(summed, own), plus(summed2, own2)
        if driver_last and record == base + last:
            own, own2 = plus(own, source), plus(own2, source2)
        s, s2 = fma(s, q, own), fma(s2, q2, own2)
        q, q2 = over(one, plus(s, one)), over(one, plus(s2, one))
        store(e, record, q)
        store(e, record + depth, q2)
    store(e, base + last, reciprocal(s))
    store(e, base + last + depth, reciprocal(s2))
    reached, reached2 = root(plus(reached, reached)), root(plus(reached2, reached2))
    store(reach, first, kept(where_positive(source, reached, none), lines - first * LANES))
    store(reach, second, kept(where_positive(source2, reached2, none), lines - second * LANES))
    store(total, first, summed)
    store(total, second, summed2)


@kernel
def substitute_back(e: Floats32, out: Floats32, base: int, nodes: int) -> None:
    """Second half of the solve of a panel: out[k] += e[k] out[k + 1], from the last node but one to node 0.

    Args:
        e: elimination factors, (records, 16).
        out: what elimination left, V, (records, 16); returned deviations.
        base: record of node 0.
        nodes: of each line, >= 1.
    """
    y = load(out, base + nodes - 1)
    for record in range(base + nodes - 2, base - 1, -1):
        y = fma(load(e, record), y, load(out, record))
        store(out, record, y)


@kernel
def sweep(
    lines: int, nodes: int, g: Floats32, e: Floats32, w: Floats32, b: Floats32, with_b: bool, out: Floats32
) -> None:
    """out = (T + D)^-1 (D w + b) on every line; w in the layout across, the rest in that along.

    Args:
        lines: lines to solve.
        nodes: of each.
        g: scaled conductances.
        e: elimination factors.
        w: deviations at the far ends of the devices.
        b: right-hand sides.
        with_b: False takes b for 0.
        out: returned deviations.
    """
    depth, height = padded(nodes), padded(lines)
    tiny = splat(TINY)
    for first in range(0, lines, LANES):
        base = first // LANES * depth
        y = splat(np.float32(0.0))
        # Whole tiles: beyond the last node e is 0.
        for k0 in range(0, nodes, TURNED):
            across = turned(w, k0 // LANES * height + first, k0 % LANES != 0)
            record = base + k0
            for k in range(TURNED):
                right = load(b, record + k) if with_b else tiny
                own = load(e, record + k)
                y = fma(own, y, times(own, fma(load(g, record + k), across[k], right)))
                store(out, record + k, y)
        substitute_back(e, out, base, nodes)


@kernel
def sweep_rows(net: Network, c: Floats32, b: Floats32, with_b: bool, out: Floats32) -> None:
    """Solve every row line for column deviations c (over columns); `out` and b are over rows."""
    sweep(net.rows, net.columns, net.g_row, net.e_row, c, b, with_b, out)


@kernel
def largest_of(value: Lanes) -> float:
    """Largest of lanes that are all >= 0."""
    largest = 0.0
    for k in range(LANES):
        largest = max(largest, np.float64(lane(value, k)))
    return largest


@kernel
def total_of(value: Lanes) -> float:
    """Sum over the lanes."""
    total = 0.0
    for k in range(LANES):
        total += np.float64(lane(value, k))
    return total


@kernel
def accelerated_sweep(
    lines: int, nodes: int, g: Floats32, e: Floats32, w: Floats32, b: Floats32, now: Floats32, old: Floats32,
    shift: float, omega: float, scratch: Floats32,
) -> float:  # fmt: skip
    """One Chebyshev step: old becomes old + omega (now + shift (new - now) - old).

    `new` is a sweep from w; `scratch` is (nodes, 16). Returns the largest |new - now|, V.
    """
    depth, height = padded(nodes), padded(lines)
    step, weight = splat(np.float32(shift)), splat(np.float32(omega))
    size = splat(np.float32(0.0))
    for first in range(0, lines, LANES):
        base = first // LANES * depth
        y = splat(np.float32(0.0))
        # Whole tiles: beyond the last node e is 0.
        for k0 in range(0, nodes, TURNED):
            across = turned(w, k0 // LANES * height + first, k0 % LANES != 0)
            for k in range(TURNED):
                own = load(e, base + k0 + k)
                right = fma(load(g, base + k0 + k), across[k], load(b, base + k0 + k))
                y = fma(own, y, times(own, right))
                store(scratch, k0 + k, y)
        y = splat(np.float32(0.0))
        for k in range(nodes - 1, -1, -1):
            y = fma(load(e, base + k), y, load(scratch, k))
            c, before = load(now, base + k), load(old, base + k)
            change = minus(y, c)
            size = larger(size, change)
            store(old, base + k, fma(weight, minus(fma(step, change, c), before), before))
    return largest_of(size)
