"""Reads at the cost of a dense product: what every line carries when one side is driven, as one matrix.

Between flips an array whose lines are all driven is linear but for TMR(V), so the currents of a read are
I = K v with the effective conductances K: wires, drivers and sneak paths inside. Column k of K is one solve
with 1 V on line k. When a cell changes its conductance by d, with t the line currents of a unit current
injected across it (by reciprocity also the voltage of the cell for a unit voltage on each line) and z the
resistance seen there, K changes by d/(1 + d z) t t^T (Sherman and Morrison, 1950): one solve, see
`effective_update`.

TMR(V) adds to the current of a cell in AP the small odd part N(V) = I(V) - g V, g its slope at zero bias;
`odd_currents` finds what that adds to K v, and what it leaves out is compared with an exact solve when K is
made.

Lines are ordered sensed first, then driven; each part is padded to whole lanes. Sensed currents are those of
a `Reading`, driven ones flow into the array.
"""

from dataclasses import dataclass

import numpy as np

from ..compiled import by_reference, kernel
from ._types import Floats, Floats32, Integers, States
from .cell_panels import BiasWorkspace
from .lanes import (
    LANES,
    fma,
    lane,
    larger,
    load,
    load_wide_line,
    plus,
    splat,
    store,
)
from .line_solver import Network
from .lines import Lines
from .network_solver import solve_network
from .odd_currents import OddParts, inject_odd_currents, new_odd_parts
from .panels import new_records, padded

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
TOGETHER = 16
"""Flips carried into a matrix at once."""
RETRY = 30
"""Times as many reads are solved before a matrix that missed `ERROR` is tried again as making it costs: other
states may suit it, as those of a written tile where all cells in AP did not."""


@by_reference
@dataclass
class Update:
    """Scratch of `effective_update`."""

    lines: Floats32
    """Currents of all lines for a unit current across each cell, (TOGETHER * line panels, 16)."""
    mixed: Floats32
    """(TOGETHER, 16), S."""
    system: Floats
    """(TOGETHER, TOGETHER)."""
    answer: Floats
    """(TOGETHER, TOGETHER), S."""
    conductances: Floats
    """(TOGETHER,), S."""


@by_reference
@dataclass
class Effective:
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
    lines: Floats32
    """Scratch for currents of all lines, (line panels, 16), A."""
    levels: Floats32
    """Scratch, (driven panels, 16), V."""
    odd: OddParts
    """What TMR(V) adds needs these."""
    update: Update
    """See there."""


@kernel
def new_effective(rows: int, columns: int, forward: bool) -> Effective:
    """Room for the matrix of one orientation; none where it would not be used."""
    driven, sensed = (rows, columns) if forward else (columns, rows)
    panels = (padded(sensed) + padded(driven)) // LANES
    if rows * columns < LEAST_CELLS or panels * driven * LANES * 4 > MOST_BYTES:
        panels = 0
    return Effective(
        new_records(panels * driven), np.zeros((rows, columns), np.int8), np.zeros(4, np.int64), np.zeros(1),
        new_records(panels), new_records(padded(driven) // LANES),
        new_odd_parts(driven if panels > 0 else 0, sensed if panels > 0 else 0),
        Update(
            new_records(TOGETHER * panels), new_records(TOGETHER),
            np.empty((TOGETHER, TOGETHER)), np.empty((TOGETHER, TOGETHER)), np.empty(TOGETHER),
        ),
    )  # fmt: skip


@kernel
def forget(effective: Effective) -> None:
    """The cells themselves changed: nothing of the matrix holds."""
    effective.counts[:] = 0


@kernel
def multiply(
    matrix: Floats32, levels: Floats32, driven: int, first: int, last: int, add: bool, lines: Floats32
) -> None:
    """Currents, A, of the lines in panels `first` to `last` (not included) for levels (driven panels, 16), V;
    `lines` is (line panels, 16), and they are added to it if wanted."""
    for panel in range(first, last):
        base = panel * driven
        # Four sums, so that no addition waits for the one before.
        a = b = c = d = splat(np.float32(0.0))
        for place in range(driven // LANES):
            own = levels[place]
            for k in range(0, LANES, 4):
                record = base + place * LANES + k
                a = fma(load(matrix, record), splat(own[k]), a)
                b = fma(load(matrix, record + 1), splat(own[k + 1]), b)
                c = fma(load(matrix, record + 2), splat(own[k + 2]), c)
                d = fma(load(matrix, record + 3), splat(own[k + 3]), d)
        for k in range(driven // LANES * LANES, driven):
            a = fma(load(matrix, base + k), splat(levels[k // LANES, k % LANES]), a)
        found = plus(plus(a, b), plus(c, d))
        store(lines, panel, plus(load(lines, panel), found) if add else found)


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
            store(effective.matrix, panel * driven + k, load(effective.lines, panel))
    effective.counts[UPDATES] = 0
    return 0.0


@kernel
def order_lines(forward: bool, row_current: Floats, column_current: Floats, ordered: Floats32) -> None:
    """Currents of rows (into the array) and columns (out of it) as sensed and driven ones, padded with 0."""
    sensed = column_current if forward else row_current
    driven = row_current if forward else column_current
    sign, start = (1.0 if forward else -1.0), padded(sensed.size) // LANES
    ordered[:] = np.float32(0.0)
    for k in range(sensed.size):
        ordered[k // LANES, k % LANES] = np.float32(sign * sensed[k])
    for k in range(driven.size):
        ordered[start + k // LANES, k % LANES] = np.float32(sign * driven[k])


@kernel
def read_linear(effective: Effective, levels: Floats, sensed: int, all_lines: bool) -> None:
    """Currents of a read into `effective.lines`: of the sensed lines, and of the driven ones if wanted."""
    whole = levels.size // LANES
    for place in range(whole):
        store(effective.levels, place, load_wide_line(levels, place * LANES))
    for k in range(whole * LANES, levels.size):
        effective.levels[whole, k - whole * LANES] = np.float32(levels[k])
    last = effective.lines.shape[0] if all_lines else padded(sensed) // LANES
    multiply(effective.matrix, effective.levels, levels.size, 0, last, False, effective.lines)


@kernel
def read_whole(
    effective: Effective,
    segment: float,
    half_voltage: float,
    levels: Floats,
    largest: float,
    currents: Floats,
) -> tuple[float, float]:
    """One read with the effective conductances, TMR(V) included.

    Args:
        effective: for the present states.
        segment: resistance of a segment of a driven line, ohm.
        half_voltage: V_h of TMR(V), V.
        levels: (driven lines,), V.
        largest: magnitude of them, V.
        currents: returned, (sensed lines,), A.

    Returns:
        Power given by the drivers, W, and the largest current of a line, A.
    """
    odd, lines, driven = effective.odd, effective.lines, levels.size
    sensed = lines.shape[0] - padded(driven) // LANES
    read_linear(effective, levels, currents.size, True)
    # N is at most this share of g V.
    bent = largest * (largest / half_voltage) ** 2 > 0.1 * ERROR
    if bent:
        inject_odd_currents(odd, segment, effective.levels, driven, lines)
    given = splat(np.float32(0.0))
    for panel in range(lines.shape[0] - sensed):
        own = load(effective.levels, panel)
        # K is symmetric: emfs give to the levels what the levels give to them.
        given = fma(load(lines, sensed + panel), plus(own, load(odd.emf, panel)) if bent else own, given)
    if bent:
        multiply(odd.rest, odd.emf, driven, 0, sensed, True, lines)
        multiply(effective.matrix, odd.emf, driven, sensed, lines.shape[0], True, lines)
    most = splat(np.float32(0.0))
    for panel in range(lines.shape[0]):
        most = larger(most, load(lines, panel))
    power, peak = 0.0, 0.0
    for k in range(LANES):
        power += np.float64(lane(given, k))
        peak = max(peak, np.float64(lane(most, k)))
    for panel in range(sensed):
        for k in range(min(LANES, currents.size - panel * LANES)):
            currents[panel * LANES + k] = lines[panel, k]
    return power, peak
