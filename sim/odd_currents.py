"""What TMR(V) adds to reads with effective conductances, to first order, at the cost of a few dense products.

At bias a cell in AP carries more than its slope at rest says: I(V) - g V = N(V), an odd function that a few
parts in a hundred of the current make up in a read. Its effect on the lines needs no solve:

- A driven line whose far ends were at 0 V would have the potentials u v, u those for 1 V at its driver. The
  currents of all lines are known (K v), so each driven line is taken to follow u as far as its own current
  says, w = I/(sum of g u) instead of v, and the sensed lines are solved exactly for what then flows into
  them. That gives the voltages of all cells.
- N injected at the cells is split: an emf e on each driven line, and the rest N - g e. The first is K e,
  exactly. With e such that the rest, weighted by the drops 1 - u, sums to 0 along each driven line, the rest
  hardly moves these lines (their response is mostly that one shape), and the sensed end takes of it the share
  that it takes of a current injected at the cell while all far ends are held.

With 1 ohm wires and 100 mV this is within 2 uV of a solve up to 128 x 128, also with 5 ohm at 65 x 64;
`reading` compares it with a solve whenever a matrix is made.

Arrays are laid over sensed lines, as in `panels`: record p * depth + k is node k, on driven line k, of the
sensed lines 16 p to 16 p + 15.
"""

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
from .line_solver import Network
from .panels import new_panels, padded


class OddParts(NamedTuple):
    """What N(V) and its way to the lines need, of one orientation, kept in place."""

    third: Floats32
    """Coefficient of V^3 in the current of each cell, times the segment of a sensed line, 1/V^2."""
    bend: Floats32
    """Coefficient of V^5 over that of V^3, 1/V^2."""
    drop: Floats32
    """1 - u: drop along the driven line per volt at its driver, far ends at 0 V."""
    share: Floats32
    """Share of a current injected at the node that the sensed end takes, far ends held."""
    admittance: Floats32
    """Current into each driven line per volt at its driver, far ends at 0 V, times its segment, (driven
    panels, 16)."""
    weight: Floats32
    """Sum of g (1 - u) along each driven line, times its segment, (driven panels, 16)."""
    line: Floats32
    """Scratch, (nodes of the longer line, 16)."""
    sums: Floats32
    """Scratch, (nodes of a sensed line, 16)."""
    levels: Floats32
    """Scratch: levels of the driven lines, (driven,), V."""
    carried: Floats32
    """Scratch: their currents as levels w, (driven,), V."""
    emf: Floats32
    """Scratch: their emfs e, (driven panels, 16), V."""


@kernel
def new_odd_parts(driven: int, sensed: int) -> OddParts:
    """Room for arrays of this size."""
    p = padded(driven) // LANES
    return OddParts(
        new_panels(sensed, driven), new_panels(sensed, driven), new_panels(sensed, driven),
        new_panels(sensed, driven), np.zeros((p, LANES), np.float32),
        np.zeros((p, LANES), np.float32), np.zeros((max(padded(driven), padded(sensed)), LANES), np.float32),
        np.zeros((padded(driven), LANES), np.float32), np.zeros(driven, np.float32),
        np.zeros(driven, np.float32), np.zeros((p, LANES), np.float32),
    )  # fmt: skip


@kernel
def set_cell(
    parts: OddParts, cells: Cells, state: States, access: Access, half_voltage: float, wire: float,
    forward: bool, i: int, j: int,
) -> None:  # fmt: skip
    """Take up how the current of cell (i, j) bends: I = g V + a V^3 + b V^5 + ...

    A junction in AP has G = g_P (1 + s)/(1 + s + T), s = (V/V_h)^2, so I = g V + n V^3 (1 - k s + ...) with
    k = 1/(1 + T), g = k g_P and n = g T k/V_h^2. Behind a transistor of resistance R the series is reverted:
    with r = 1/(1 + R g), a = n r^4 and b/a = -r^2 k/V_h^2 - 3 R n r^3.

    Args:
        parts: changed.
        cells: parameters.
        state: (rows, columns).
        access: transistors, open.
        half_voltage: V_h, V.
        wire: resistance of a segment of a sensed line, ohm.
        forward: whether columns are sensed.
        i: row.
        j: column.
    """
    line, node = (j, i) if forward else (i, j)
    depth = parts.sums.shape[0]
    record = line // LANES * depth + node
    parts.third[record, line % LANES] = np.float32(0.0)
    parts.bend[record, line % LANES] = np.float32(0.0)
    barrier = cells.tmr[i, j]
    if state[i, j] == 1 or barrier == 0.0:
        return
    rest, steep = 1.0 / (1.0 + barrier), 1.0 / half_voltage**2
    own = cells.conductance_p[i, j] * rest
    third = own * barrier * rest * steep
    left = 1.0 / (1.0 + access.resistance * own)
    parts.third[record, line % LANES] = np.float32(wire * third * left**4)
    parts.bend[record, line % LANES] = np.float32(
        -(left**2) * rest * steep - 3.0 * access.resistance * third * left**3
    )


@kernel
def follow_driven(parts: OddParts, net: Network, forward: bool, panel: int) -> None:
    """Find u of the sixteen driven lines of a panel, after conductances of theirs have changed."""
    nodes = net.columns if forward else net.rows
    base, depth = panel * padded(nodes), parts.sums.shape[0]
    g, e = (net.g_row, net.e_row) if forward else (net.g_col, net.e_col)
    source = load(net.drive_row if forward else net.drive_col, panel)
    unit_potentials(e, source, base, nodes, 0 if forward else nodes - 1, parts.line, 0)
    one = splat(np.float32(1.0))
    drawn = weight = splat(np.float32(0.0))
    for k in range(nodes):
        own, near = load(g, base + k), load(parts.line, k)
        drawn = fma(own, near, drawn)
        weight = fma(own, minus(one, near), weight)
    store(parts.admittance, panel, drawn)
    store(parts.weight, panel, weight)
    for s0 in range(0, nodes, LANES):
        for half in range(2):
            across = turned(parts.line, s0, half == 1)
            for k in range(TURNED):
                record = s0 // LANES * depth + panel * LANES + half * TURNED + k
                store(parts.drop, record, minus(one, across[k]))


@kernel
def follow_sensed(parts: OddParts, net: Network, forward: bool, panel: int) -> None:
    """Find the shares of the sixteen sensed lines of a panel: by reciprocity the potentials for 1 V at their
    sensed ends."""
    nodes = net.rows if forward else net.columns
    base = panel * padded(nodes)
    e = net.e_col if forward else net.e_row
    source = load(net.drive_col if forward else net.drive_row, panel)
    unit_potentials(e, source, base, nodes, nodes - 1 if forward else 0, parts.share, base)


@kernel
def unit_potentials(
    e: Floats32, source: Lanes, base: int, nodes: int, driven_at: int, out: Floats32, first: int
) -> None:
    """Potentials along sixteen factored lines for 1 V at their drivers and 0 V at all far ends.

    Args:
        e: elimination factors, from record `base` on.
        source: lanes of the scaled driver conductances.
        base: first record of the lines.
        nodes: of each line.
        driven_at: node of the driver.
        out: returned, from record `first` on.
        first: see `out`.
    """
    y = splat(np.float32(0.0))
    for k in range(nodes):
        y = times(load(e, base + k), plus(y, source) if k == driven_at else y)
        store(out, first + k, y)
    for k in range(nodes - 2, -1, -1):
        y = fma(load(e, base + k), y, load(out, first + k))
        store(out, first + k, y)


@kernel
def prepare_odd_parts(
    parts: OddParts, net: Network, cells: Cells, state: States, access: Access, half_voltage: float,
    forward: bool,
) -> None:  # fmt: skip
    """Take up all cells, with states (rows, columns), and lines of a factored network; V_h is in V."""
    rows, columns = state.shape
    wire = net.wire_col if forward else net.wire_row
    for i in range(rows):
        for j in range(columns):
            set_cell(parts, cells, state, access, half_voltage, wire, forward, i, j)
    for panel in range(parts.admittance.shape[0]):
        follow_driven(parts, net, forward, panel)
    for panel in range(parts.third.shape[0] // parts.sums.shape[0]):
        follow_sensed(parts, net, forward, panel)


@kernel
def change_odd_parts(
    parts: OddParts, net: Network, cells: Cells, state: States, access: Access, half_voltage: float,
    forward: bool, i: int, j: int,
) -> None:  # fmt: skip
    """As `prepare_odd_parts` where only the state of cell (i, j) changed; its lines are factored already."""
    wire = net.wire_col if forward else net.wire_row
    set_cell(parts, cells, state, access, half_voltage, wire, forward, i, j)
    follow_driven(parts, net, forward, (i if forward else j) // LANES)
    follow_sensed(parts, net, forward, (j if forward else i) // LANES)


@kernel
def inject_odd_currents(
    parts: OddParts, net: Network, forward: bool, levels: Floats, driven: Floats, sensed: Floats
) -> None:
    """Find N of all cells; what it adds to the lines is K e, with e in `parts.emf`, and `sensed`.

    Args:
        parts: as prepared for the present states.
        net: its lines.
        forward: whether columns are sensed.
        levels: of the driven lines, V.
        driven: currents into the driven lines of the linear array, panels (driven panels, 16), A.
        sensed: returned, (sensed panels, 16), A.
    """
    count, depth = levels.size, parts.sums.shape[0]
    panels = parts.third.shape[0] // depth
    g, e = (net.g_col, net.e_col) if forward else (net.g_row, net.e_row)
    along, across = (net.wire_row, net.wire_col) if forward else (net.wire_col, net.wire_row)
    level, carried = parts.levels, parts.carried
    for k in range(count):
        level[k] = np.float32(levels[k])
        drawn = parts.admittance[k // LANES, k % LANES]
        carried[k] = np.float32(along * driven[k // LANES, k % LANES] / drawn) if drawn > 0.0 else level[k]
    one, parts.sums[:] = splat(np.float32(1.0)), np.float32(0.0)
    for panel in range(panels):
        base = panel * depth
        y = splat(np.float32(0.0))
        for k in range(count):
            own = load(e, base + k)
            near = minus(splat(level[k]), times(load(parts.drop, base + k), splat(carried[k])))
            y = fma(own, y, times(own, times(load(g, base + k), near)))
            store(parts.line, k, y)
        taken = splat(np.float32(0.0))
        for k in range(count - 1, -1, -1):
            if k < count - 1:
                y = fma(load(e, base + k), y, load(parts.line, k))
            near = minus(splat(level[k]), times(load(parts.drop, base + k), splat(carried[k])))
            volt = minus(near, y)
            square = times(volt, volt)
            bent = times(load(parts.bend, base + k), square)
            # b/a sets the terms beyond V^5 as well: for R = 0 they are those of a geometric series.
            cube = times(load(parts.third, base + k), times(volt, square))
            odd = times(cube, fma(bent, plus(one, bent), one))
            taken = fma(load(parts.share, base + k), odd, taken)
            store(parts.sums, k, fma(load(parts.drop, base + k), odd, load(parts.sums, k)))
        store_wide(sensed, panel, 0, taken)
    for first in range(0, count, LANES):
        lower, upper = turned(parts.sums, first, False), turned(parts.sums, first, True)
        drawn = plus(lower[0], upper[0])
        for k in range(1, TURNED):
            drawn = plus(drawn, plus(lower[k], upper[k]))
        scale = times(splat(np.float32(along / across)), reciprocal(load(parts.weight, first // LANES)))
        store(parts.emf, first // LANES, times(drawn, scale))
    emf = parts.emf.reshape(-1)
    for panel in range(panels):
        taken = load_wide(sensed, panel, 0)
        for k in range(count):
            record = panel * depth + k
            held = times(load(parts.share, record), load(g, record))
            taken = minus(taken, times(held, splat(emf[k])))
        store_wide(sensed, panel, 0, times(taken, splat(np.float32(1.0 / across))))
