"""Solve of a linear array for given levels by line sweeps, with as few passes over the array as they need.

A large array is limited by what its sweeps read and write. So right-hand sides are made from the levels on
the way; rows are handed on as r - v_col = dr + V0, the voltage that the devices of a column see, and columns
as q = g (dc - V0), the current of each device, which is all that the other half of a sweep needs.

Sweeps begin with the columns, for rows that all drop as a uniform line does. By how much the columns change
in the next sweep tells how many sweeps are needed. They are weighted (Richardson, with the roots of a
Chebyshev polynomial), which needs no array more; the last one is not, and gives voltages and currents as it
goes. Of the error of the columns it keeps a tenth or so.
"""

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
    minus_product,
    plus,
    reciprocal,
    splat,
    spread,
    store,
    store_wide,
    times,
    turned,
    where_positive,
)
from .line_currents import add_lanes
from .line_solver import TINY, Network, largest_of, total_of
from .panels import padded, whole_nodes

MOST_ROOTS = 32
"""Weighted sweeps at most; `network_solver.few_sweeps` lets this way be taken where far fewer do."""
HUGE = 1e30
"""Where the potential of a guessed line, over that at its far end, is cut off: float32 ends at 3e38."""
LONG = 64
"""Nodes of a line from which on not all are looked at."""


def weighted_roots(most: int) -> tuple[Floats, Floats]:
    """What weighted sweeps let nothing remain of, and where most remains, over the share that a sweep keeps.

    The first sweep is made before their number is known, and has the largest root of three, which most arrays
    take. The others have those of the Chebyshev polynomial of this degree on 0 to 1, without the one that the
    first stands in for best; but where there is one other, the best one.

    Returns:
        Roots, (count, sweep), and places, (count, place): both ends and half-way between neighbouring roots.
    """
    roots, places, x = np.zeros((most + 1, most)), np.zeros((most + 1, most + 1)), np.linspace(0.0, 1.0, 401)
    first = 0.5 * (1.0 + np.cos(np.pi / 6.0))
    for count in range(1, most + 1):
        chebyshev = 0.5 * (1.0 + np.cos(np.pi * (2 * np.arange(count) + 1) / (2 * count)))
        choices = [np.append(first, np.delete(chebyshev, which)) for which in range(count)]
        kept = [np.abs(np.prod(x[:, None] - one, axis=1)).max() for one in choices]
        roots[count, :count] = [first, 0.16] if count == 2 else choices[int(np.argmin(kept))]
        ordered = np.sort(roots[count, :count])
        places[count, : count + 1] = [0.0, *(0.5 * (ordered[1:] + ordered[:-1])), 1.0]
    return roots, places


ROOTS, PLACES = weighted_roots(MOST_ROOTS)
FIRST_ROOT = float(ROOTS[1, 0])


@kernel
def guess_rows(
    net: Network, level_row: Floats32, level_col: Floats32, start: Floats32, drive: Floats32, drop: Floats32
) -> None:
    """Guess of the row potentials: at column j, start_i - drive_i drop_j.

    The columns are taken to lie at their mean level, and each row to be a line of equal devices. A floating
    row takes that level.

    Args:
        net: factored network.
        level_row: V, (row panels, 16).
        level_col: V, (column panels, 16).
        start: returned, V, (row panels, 16).
        drive: returned, V, (row panels, 16).
        drop: returned, (column panels, 16).
    """
    nodes, zero, one = net.columns, splat(np.float32(0.0)), splat(np.float32(1.0))
    levels = driven = total = zero
    for panel in range(net.drive_col.shape[0]):
        source = load(net.drive_col, panel)
        levels = plus(levels, where_positive(source, load(level_col, panel), zero))
        driven = plus(driven, where_positive(source, one, zero))
    level = splat(np.float32(total_of(levels) / max(total_of(driven), 1.0)))
    for panel in range(net.drive_row.shape[0]):
        source, own = load(net.drive_row, panel), load(level_row, panel)
        store(start, panel, where_positive(source, own, level))
        store(drive, panel, where_positive(source, minus(own, level), zero))
        total = plus(total, load(net.total_row, panel))
    source = load(net.drive_row, 0)
    g, rows = total_of(total) / (net.rows * nodes), total_of(where_positive(source, one, zero))
    resistance = total_of(reciprocal(source)) / max(rows, 1.0)
    # From the far end: potential of a node and current into it, with the far end at 1.
    volts, current = 1.0, 0.0
    for j in range(nodes - 1, -1, -1):
        drop[j // LANES, j % LANES] = np.float32(volts)
        current += g * volts
        volts = min(volts + current, HUGE)
    share = splat(np.float32(1.0 / (volts - current + resistance * current)))
    for panel in range(padded(nodes) // LANES):
        store(drop, panel, minus(one, times(share, load(drop, panel))))


@kernel
def first_columns(
    net: Network, level_row: Floats32, level_col: Floats32, start: Floats32, drive: Floats32, drop: Floats32,
    q: Floats32, scratch: Floats32,
) -> None:  # fmt: skip
    """Solve every column line for guessed rows; `q` is returned, see `rows_at`; `scratch` is (rows, 16)."""
    g, e, depth, tiny = net.g_col, net.e_col, padded(net.rows), splat(TINY)
    for panel in range((net.columns + LANES - 1) // LANES):
        base, level, share = panel * depth, load(level_col, panel), load(drop, panel)
        y = splat(np.float32(0.0))
        for i in range(net.rows):
            own = load(e, base + i)
            seen = minus_product(spread(drive, i), share, minus(spread(start, i), level))
            y = fma(own, y, times(own, fma(load(g, base + i), seen, tiny)))
            store(scratch, i, y)
        y = splat(np.float32(0.0))
        for i in range(net.rows - 1, -1, -1):
            y = fma(load(e, base + i), y, load(scratch, i))
            store(q, base + i, times(load(g, base + i), minus(y, minus(spread(level_row, i), level))))


@kernel
def rows_at(
    net: Network, level_row: Floats32, level_col: Floats32, q: Floats32, seen: Floats32, ends: Floats32
) -> None:
    """Solve every row line for the currents of its devices.

    Args:
        net: factored network.
        level_row: V, (row panels, 16).
        level_col: V, (column panels, 16).
        q: currents g (dc - V0), over columns, scaled as `net.g_col`.
        seen: returned dr + V0, over rows.
        ends: returned dr where the drivers are, (row panels, 16).
    """
    e, depth, height, tiny = net.e_row, padded(net.columns), padded(net.rows), splat(TINY)
    scale = splat(np.float32(net.wire_row / net.wire_col))
    for first in range(0, net.rows, LANES):
        base, y = first // LANES * depth, splat(np.float32(0.0))
        for k0 in range(0, net.columns, TURNED):
            across = turned(q, k0 // LANES * height + first, k0 % LANES != 0)
            for k in range(TURNED):
                own = load(e, base + k0 + k)
                y = fma(own, y, times(own, fma(scale, across[k], tiny)))
                store(seen, base + k0 + k, y)
        level, last = load(level_row, first // LANES), base + net.columns - 1
        y = load(seen, last)
        store(seen, last, plus(y, minus(level, spread(level_col, net.columns - 1))))
        for k in range(net.columns - 2, -1, -1):
            y = fma(load(e, base + k), y, load(seen, base + k))
            store(seen, base + k, plus(y, minus(level, spread(level_col, k))))
        store(ends, first // LANES, y)


@kernel
def eliminate_columns(
    net: Network, panel: int, seen: Floats32, scratch: Floats32, hold: bool, held: Floats32
) -> None:
    """First half of the solve of sixteen columns.

    Args:
        net: factored network.
        panel: of the columns.
        seen: dr + V0, V, over rows.
        scratch: returned, what elimination leaves, V, (padded rows, 16).
        hold: whether to keep what the columns see of the rows.
        held: returned if so, dr + V0, V, (padded rows, 16).
    """
    g, e, base, height = net.g_col, net.e_col, panel * padded(net.rows), padded(net.columns)
    y, tiny = splat(np.float32(0.0)), splat(TINY)
    for i0 in range(0, net.rows, TURNED):
        across = turned(seen, i0 // LANES * height + panel * LANES, i0 % LANES != 0)
        if hold:
            for i in range(TURNED):
                store(held, i0 + i, across[i])
        for i in range(TURNED):
            own = load(e, base + i0 + i)
            y = fma(own, y, times(own, fma(load(g, base + i0 + i), across[i], tiny)))
            store(scratch, i0 + i, y)


@kernel
def columns_at(
    net: Network, level_row: Floats32, level_col: Floats32, seen: Floats32, weight: float, look: bool,
    q: Floats32, scratch: Floats32,
) -> float:  # fmt: skip
    """Solve every column line; q becomes q + weight (new - q).

    Args:
        net: factored network.
        level_row: V, (row panels, 16).
        level_col: V, (column panels, 16).
        seen: dr + V0, V, over rows.
        weight: see above.
        look: whether to look by how much deviations change. Of long lines every eighth node is looked at:
            changes are smooth along a line.
        q: currents of the devices, see `rows_at`; changed.
        scratch: (padded rows, 16).

    Returns:
        By how much deviations change at most, before they are weighted, V; 0 if not looked at.
    """
    rows, columns, g, e, depth = net.rows, net.columns, net.g_col, net.e_col, padded(net.rows)
    fresh, kept = splat(np.float32(weight)), splat(np.float32(1.0 - weight))
    size, skipped = splat(np.float32(0.0)), 7 if rows >= LONG else 0
    for panel in range((columns + LANES - 1) // LANES):
        eliminate_columns(net, panel, seen, scratch, False, scratch)
        base, level, y = panel * depth, load(level_col, panel), splat(np.float32(0.0))
        for i in range(rows - 1, -1, -1):
            y = fma(load(e, base + i), y, load(scratch, i))
            last = load(q, base + i)
            new = times(load(g, base + i), minus(y, minus(spread(level_row, i), level)))
            if look and i & skipped == 0:
                size = larger(size, times(reciprocal(load(g, base + i)), minus(new, last)))
            store(q, base + i, fma(fresh, new, times(kept, last)))
    return largest_of(size)


@kernel
def last_columns(
    net: Network, seen: Floats32, scratch: Floats32, held: Floats32, volts: Floats, ends: Floats32
) -> None:
    """Solve every column line; voltages of all cells.

    Args:
        net: factored network.
        seen: dr + V0, over rows.
        scratch: (padded rows, 16).
        held: the same.
        volts: returned, V, (rows, columns), or (0, 0) if not wanted.
        ends: returned dc where the drivers are, (column panels, 16).
    """
    rows, columns, e = net.rows, net.columns, net.e_col
    # From the last panel to the first: what is written beyond the last line is written over.
    for panel in range((columns - 1) // LANES, -1, -1):
        eliminate_columns(net, panel, seen, scratch, True, held)
        j0, base, y = panel * LANES, panel * padded(rows), splat(np.float32(0.0))
        store(ends, panel, load(scratch, rows - 1))
        if volts.size == 0:
            continue
        direct = j0 + LANES <= columns
        for i in range(rows - 1, -1, -1):
            y = fma(load(e, base + i), y, load(scratch, i))
            volt = minus(load(held, i), y)
            if direct:
                store_wide(volts, i, j0, volt)
            else:
                store(held, i, volt)
        if not direct:
            take_held(held, j0, volts)


@kernel
def take_currents(drive: Floats32, ends: Floats32, scale: float, current: Floats) -> None:
    """Current of each line by the drop over its driver, A.

    The drop is one of deviations, so it is as exact over the best of drivers.

    Args:
        drive: scaled conductances of the drivers, (panels, 16); 0 floats a line.
        ends: deviations there, V, (panels, 16).
        scale: of the currents, S; negative for those out of the drivers.
        current: returned, (lines,).
    """
    current[:] = 0.0
    for panel in range(drive.shape[0]):
        add_lanes(times(load(drive, panel), load(ends, panel)), scale, panel * LANES, current)


@kernel
def take_held(held: Floats32, j0: int, volts: Floats) -> None:
    """Copy what is held of the last columns, from column j0 on, into (rows, columns)."""
    rows, columns = volts.shape
    whole = min(whole_nodes(rows, columns, j0), rows)
    for i in range(whole):
        store_wide(volts, i, j0, load(held, i))
    for i in range(whole, rows):
        for k in range(min(LANES, columns - j0)):
            volts[i, j0 + k] = np.float64(held[i, k])


@kernel
def kept_by(rho: float, count: int) -> float:
    """Largest share of any error that so many weighted sweeps keep, if one that is not keeps at most rho."""
    most = 0.0
    for place in range(count + 1):
        value = 1.0
        for which in range(count):
            root = ROOTS[count, which]
            value *= rho * (PLACES[count, place] - root) / (1.0 - rho * root)
        most = max(most, abs(value))
    return most


@kernel
def solve_at_levels(
    net: Network, level_row: Floats32, level_col: Floats32, row_share: float, rho: float, tolerance: float,
    most: int, seen: Floats32, q: Floats32, held: Floats32, start: Floats32, drive: Floats32, drop: Floats32,
    scratch: Floats32, volts: Floats, row_current: Floats, column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """Solve for given levels, if few sweeps do.

    Args:
        net: factored network.
        level_row: V, (row panels, 16).
        level_col: V, (column panels, 16).
        row_share: most that a half sweep over the rows keeps of an error of the columns.
        rho: most that a sweep keeps of an error, below 1.
        tolerance: bound on the error of a cell voltage at which to stop, V.
        most: sweeps allowed.
        seen: scratch over rows.
        q: scratch over columns.
        held: scratch, (padded rows, 16).
        start: scratch, (row panels, 16).
        drive: the same.
        drop: scratch, (column panels, 16).
        scratch: scratch, (padded rows, 16) at least.
        volts: returned cell voltages, row minus column, (rows, columns), or (0, 0) if not wanted.
        row_current: returned current out of each row driver, A.
        column_current: returned current into each column driver, A.

    Returns:
        Sweeps and the bound on the error, V. If that is above the tolerance the arrays are left as they were.
    """
    guess_rows(net, level_row, level_col, start, drive, drop)
    first_columns(net, level_row, level_col, start, drive, drop, q, scratch)
    rows_at(net, level_row, level_col, q, seen, start)
    weight = 1.0 / (1.0 - rho * FIRST_ROOT)
    change = columns_at(net, level_row, level_col, seen, weight, True, q, scratch)
    error, count = row_share * change / (1.0 - rho), 1
    size = error * kept_by(rho, count)
    while size > tolerance and count < min(most, MOST_ROOTS):
        count += 1
        size = error * kept_by(rho, count)
    if not size <= tolerance:
        return count + 1, size
    for which in range(1, count):
        rows_at(net, level_row, level_col, q, seen, start)
        weight = 1.0 / (1.0 - rho * ROOTS[count, which])
        columns_at(net, level_row, level_col, seen, weight, False, q, scratch)
    rows_at(net, level_row, level_col, q, seen, start)
    last_columns(net, seen, scratch, held, volts, drop)
    take_currents(net.drive_row, start, -1.0 / net.wire_row, row_current)
    take_currents(net.drive_col, drop, 1.0 / net.wire_col, column_current)
    return count + 1, size
