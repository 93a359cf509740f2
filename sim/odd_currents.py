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

from dataclasses import dataclass

import numpy as np

from ..compiled import by_reference, kernel
from ._types import Floats32, Integers, States
from .aligned import new_records
from .cells import Access, Cells
from .lanes import (
    LANES,
    TURNED,
    Lanes,
    fma,
    load,
    minus,
    plus,
    reciprocal,
    splat,
    store,
    times,
    turned,
)
from .line_solver import Network
from .panels import padded


@by_reference
@dataclass
class OddParts:
    """What N(V) and its way to the lines need, of one orientation, kept in place."""

    third: Floats32
    """Coefficient of V^3 in the current of each cell, times the segment of a sensed line, 1/V^2."""
    share: Floats32
    """Share of a current injected at the node that the sensed end takes, far ends held."""
    drop: Floats32
    """1 - u: drop along the driven line per volt at its driver, far ends at 0 V."""
    factor: Floats32
    """Elimination factor of the sensed line, as in its network."""
    fed: Floats32
    """The same times the conductance of the cell."""
    sent: Floats32
    """What the sensed end takes of V^3, A/V^3: `third` times `share`."""
    drawn: Floats32
    """What the shape of the driven line takes of V^3: `third` times `drop`."""
    rest: Floats32
    """Currents of the sensed lines per volt of emf on each driven line, beyond those that `share` tells of
    the same emf at its cells, S; records as in a matrix of `effective`, (sensed panels * driven, 16)."""
    admittance: Floats32
    """Current into each driven line per volt at its driver, far ends at 0 V, times its segment, (driven
    panels, 16)."""
    ease: Floats32
    """Emf per current drawn in the shape of each driven line, ohm/ohm, (driven panels, 16)."""
    bend: Floats32
    """(1,): coefficient of V^5 over that of V^3, 1/V^2, the mean over all cells as if in AP, each counting as
    its V^3: a hundredth of N, of which cells differ by a few parts in a hundred."""
    line: Floats32
    """Scratch, (nodes of the longer line, 16)."""
    near: Floats32
    """Scratch, (nodes of a sensed line, 16)."""
    sums: Floats32
    """Scratch, (nodes of a sensed line, 16)."""
    carried: Floats32
    """Scratch: currents of the driven lines as levels -w, (driven panels, 16), V."""
    emf: Floats32
    """Scratch: their emfs e, (driven panels, 16), V."""


@kernel
def new_odd_parts(driven: int, sensed: int) -> OddParts:
    """Room for arrays of this size."""
    p, q = padded(driven) // LANES, padded(sensed) // LANES
    records, longer = q * padded(driven), max(padded(driven), padded(sensed))
    return OddParts(
        new_records(records), new_records(records), new_records(records), new_records(records),
        new_records(records), new_records(records), new_records(records), new_records(q * driven),
        new_records(p), new_records(p), np.zeros(1, np.float32), new_records(longer),
        new_records(padded(driven)), new_records(padded(driven)), new_records(p), new_records(p),
    )  # fmt: skip


@kernel
def series_of(cells: Cells, access: Access, half_voltage: float, i: int, j: int) -> tuple[float, float]:
    """How the current of cell (i, j) bends in AP: a in A/V^3, b/a in 1/V^2 of I = g V + a V^3 + b V^5 + ...

    A junction in AP has G = g_P (1 + s)/(1 + s + T), s = (V/V_h)^2, so I = g V + n V^3 (1 - k s + ...) with
    k = 1/(1 + T), g = k g_P and n = g T k/V_h^2. Behind a transistor of resistance R the series is reverted:
    with r = 1/(1 + R g), a = n r^4 and b/a = -r^2 k/V_h^2 - 3 R n r^3.

    Args:
        cells: parameters.
        access: transistors, open.
        half_voltage: V_h, V.
        i: row.
        j: column.
    """
    barrier = cells.tmr[i, j]
    rest, steep = 1.0 / (1.0 + barrier), 1.0 / half_voltage**2
    own = cells.conductance_p[i, j] * rest
    third = own * barrier * rest * steep
    left = 1.0 / (1.0 + access.resistance * own)
    return third * left**4, -(left**2) * rest * steep - 3.0 * access.resistance * third * left**3


@kernel
def set_cell(
    parts: OddParts, cells: Cells, state: States, access: Access, half_voltage: float, wire: float,
    forward: bool, i: int, j: int,
) -> None:  # fmt: skip
    """Take up how the current of cell (i, j) bends in its present state, which it does in AP only.

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
    record = line // LANES * parts.sums.shape[0] + node
    third, _ = series_of(cells, access, half_voltage, i, j)
    parts.third[record, line % LANES] = np.float32(wire * third if state[i, j] == 0 else 0.0)


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
    ratio = net.wire_row / net.wire_col
    scale = splat(np.float32(ratio if forward else 1.0 / ratio))
    store(parts.ease, panel, times(scale, reciprocal(weight)))
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
def combine(parts: OddParts, net: Network, forward: bool, matrix: Floats32, driven: int) -> None:
    """Find the products of what was found for cells and lines, which `inject_odd_currents` takes.

    Args:
        parts: `factor`, `fed`, `sent`, `drawn` and `rest` are changed.
        net: factored lines.
        forward: whether columns are sensed.
        matrix: of `effective`.
        driven: number of driven lines.
    """
    g, e = (net.g_col, net.e_col) if forward else (net.g_row, net.e_row)
    across = splat(np.float32(1.0 / (net.wire_col if forward else net.wire_row)))
    depth = parts.sums.shape[0]
    for panel in range(parts.third.shape[0] // depth):
        for k in range(driven):
            record = panel * depth + k
            own, third, share = load(g, record), load(parts.third, record), load(parts.share, record)
            store(parts.factor, record, load(e, record))
            store(parts.fed, record, times(load(e, record), own))
            store(parts.sent, record, times(across, times(third, share)))
            store(parts.drawn, record, times(third, load(parts.drop, record)))
            held = times(across, times(share, own))
            store(parts.rest, panel * driven + k, minus(load(matrix, panel * driven + k), held))


@kernel
def prepare_odd_parts(
    parts: OddParts, net: Network, cells: Cells, state: States, access: Access, half_voltage: float,
    forward: bool, matrix: Floats32,
) -> None:  # fmt: skip
    """Take up all cells, with states (rows, columns), lines of a factored network and the `matrix` of
    `effective`; V_h is in V."""
    rows, columns = state.shape
    wire = net.wire_col if forward else net.wire_row
    thirds, fifths = 0.0, 0.0
    for i in range(rows):
        for j in range(columns):
            set_cell(parts, cells, state, access, half_voltage, wire, forward, i, j)
            third, bend = series_of(cells, access, half_voltage, i, j)
            thirds += third
            fifths += third * bend
    parts.bend[0] = np.float32(fifths / thirds if thirds > 0.0 else 0.0)
    for panel in range(parts.admittance.shape[0]):
        follow_driven(parts, net, forward, panel)
    for panel in range(parts.third.shape[0] // parts.sums.shape[0]):
        follow_sensed(parts, net, forward, panel)
    combine(parts, net, forward, matrix, rows if forward else columns)


@kernel
def change_odd_parts(
    parts: OddParts, net: Network, cells: Cells, state: States, access: Access, half_voltage: float,
    forward: bool, matrix: Floats32, changed: Integers, count: int,
) -> None:  # fmt: skip
    """As `prepare_odd_parts` where only the states of `count` cells changed, by number; their lines are
    factored already."""
    rows, columns = state.shape
    wire = net.wire_col if forward else net.wire_row
    for k in range(count):
        i, j = changed[k] // columns, changed[k] % columns
        set_cell(parts, cells, state, access, half_voltage, wire, forward, i, j)
    for panel in range(parts.admittance.shape[0]):
        for k in range(count):
            if (changed[k] // columns if forward else changed[k] % columns) // LANES == panel:
                follow_driven(parts, net, forward, panel)
                break
    for panel in range(parts.third.shape[0] // parts.sums.shape[0]):
        for k in range(count):
            if (changed[k] % columns if forward else changed[k] // columns) // LANES == panel:
                follow_sensed(parts, net, forward, panel)
                break
    combine(parts, net, forward, matrix, rows if forward else columns)


@kernel
def inject_odd_currents(
    parts: OddParts, segment: float, levels: Floats32, count: int, lines: Floats32
) -> None:
    """Find N of all cells, add what it injects itself to the sensed lines, and find the emfs e whose currents
    are to be added as well: `rest` e to the sensed lines, K e to the driven ones.

    Args:
        parts: as prepared for the present states; `emf` is returned, V.
        segment: resistance of a segment of a driven line, ohm.
        levels: of the driven lines, (driven panels, 16), V.
        count: of driven lines.
        lines: currents of all lines of the linear array, (line panels, 16), A; changed.
    """
    depth = parts.sums.shape[0]
    panels = parts.third.shape[0] // depth
    along = splat(np.float32(-segment))
    carried, bend = parts.carried, splat(parts.bend[0])
    drop, factor, fed, sent, drawn = parts.drop, parts.factor, parts.fed, parts.sent, parts.drawn
    line, nears, sums = parts.line, parts.near, parts.sums
    one, zero = splat(np.float32(1.0)), splat(np.float32(0.0))
    for panel in range(depth // LANES):
        own = times(along, load(lines, panels + panel))
        store(carried, panel, times(own, reciprocal(load(parts.admittance, panel))))
    for panel in range(panels):
        base = panel * depth
        y = zero
        for k in range(count):
            w, level = splat(carried[k // LANES, k % LANES]), splat(levels[k // LANES, k % LANES])
            near = fma(load(drop, base + k), w, level)
            y = fma(load(factor, base + k), y, times(load(fed, base + k), near))
            store(nears, k, near)
            store(line, k, y)
        taken, y = zero, zero
        for k in range(count - 1, -1, -1):
            y = fma(load(factor, base + k), y, load(line, k))
            volt = minus(load(nears, k), y)
            square = times(volt, volt)
            bent = times(bend, square)
            # b/a sets the terms beyond V^5 as well: for R = 0 they are those of a geometric series.
            odd = times(times(volt, square), fma(bent, plus(one, bent), one))
            taken = fma(load(sent, base + k), odd, taken)
            own = load(sums, k) if panel > 0 else zero
            store(sums, k, fma(load(drawn, base + k), odd, own))
        store(lines, panel, plus(load(lines, panel), taken))
    for panel in range(depth // LANES):
        lower, upper = turned(sums, panel * LANES, False), turned(sums, panel * LANES, True)
        total = plus(lower[0], upper[0])
        for k in range(1, TURNED):
            total = plus(total, plus(lower[k], upper[k]))
        store(parts.emf, panel, times(total, load(parts.ease, panel)))
