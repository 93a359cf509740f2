"""Read disturb by thinning: exact for every cell, and nearly free while nothing flips.

Bounds on the hazard of each cell are kept for a ladder of voltages; the rung of a read follows from its own
levels alone, so the draws of a read do not depend on what was read before it or with it.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Integers, States
from .cells import Cells, Dynamics, cell_hazard
from .philox import DISTURB_STREAM, Word, uniform_pair

RUNGS = 0.05 * 2.0 ** (np.arange(33) / 4.0)
"""Voltages of the ladder, V; reads beyond the last use the last."""


@kernel
def rung_of(low: float, high: float, pull: float) -> int:
    """Rung that covers every cell of a read with levels from `low` to `high`, V, on one side and 0 V, which
    lies between them, on the other.

    `pull` is the largest share of the levels that a node of the sensed side can be pulled to, see
    `largest_pull`.
    """
    span = max(high - pull * low, pull * high - low)
    rung = 0
    while rung < RUNGS.size - 1 and RUNGS[rung] < span:
        rung += 1
    return rung


@kernel
def largest_pull(conductance: Floats, segment: float, sense: float, columns: bool) -> float:
    """Bound on the voltage of any node of a sensed line if all nodes at the far ends of its cells had 1 V.

    With g_k the conductances along the line and R_k the resistance from node k to ground, the far end is at
    sum g_k R_k (1 - v_k), at most sum g_k R_k; and no node is above 1 V.

    Args:
        conductance: of the cells in P, (rows, columns), S.
        segment: resistance of a wire segment of a sensed line, ohm.
        sense: resistance of the sensing end, ohm.
        columns: whether columns are sensed (at their last row); otherwise rows (at their first column).
    """
    m, n = conductance.shape
    most = 0.0
    for line in range(n if columns else m):
        pull = 0.0
        for k in range(m if columns else n):
            g = conductance[k, line] if columns else conductance[line, k]
            pull += g * (sense + segment * (m - 1 - k if columns else k))
        most = max(most, pull)
    return min(most, 1.0)


@kernel
def hazard_bounds(
    cells: Cells, dynamics: Dynamics, rung: int, duration: float, headroom: float, bounds: Floats
) -> None:
    """Largest hazard of one read out of AP and out of P, for every cell: `bounds` is (2, cells).

    `headroom` covers a rate that drifts.
    """
    m, n = cells.delta.shape
    for i in range(m):
        for j in range(n):
            for state in range(2):
                volt = RUNGS[rung] if state == 0 else -RUNGS[rung]
                hazard = cell_hazard(dynamics, cells, state, volt, i, j, duration, 0.0)
                bounds[state, i * n + j] = hazard / cells.rate[i, j] * headroom


@kernel
def sum_bounds(bounds: Floats, state: States, sums: Floats) -> None:
    """Running sums of the bounds of the present states, cell after cell."""
    total, cell = 0.0, 0
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            total += bounds[state[i, j], cell]
            sums[cell] = total
            cell += 1


@kernel
def sum_rows(bounds: Floats, state: States, summed: States, whole: bool, own: Floats, sums: Floats) -> None:
    """Sums of the bounds of the present states along each row, and their running sums.

    Args:
        bounds: (2, cells).
        state: (rows, columns).
        summed: states that `own` is for, (rows, columns); changed.
        whole: whether all rows are summed anew; else those whose states changed.
        own: returned, (rows,).
        sums: returned running sums, (rows,).
    """
    m, n = state.shape
    total = 0.0
    for i in range(m):
        changed = 0
        for j in range(n):
            changed += state[i, j] != summed[i, j]
        if whole or changed > 0:
            row, first = 0.0, i * n
            for j in range(n):
                row += bounds[state[i, j], first + j]
                summed[i, j] = state[i, j]
            own[i] = row
        total += own[i]
        sums[i] = total


@kernel
def wait_passed(total: float, seed: Word, tile: int, event: int, number: int) -> tuple[float, float]:
    """Hazard passed until a candidate of one read since the one before, infinite if it surely is more than
    `total`, and where in the sum of all bounds the candidate lies, as a share of it.

    Args:
        total: sum of the bounds of all cells.
        seed: key of all draws.
        tile: number of the array on its die.
        event: number of the read.
        number: of the candidate, from 0 on.
    """
    wait, pick = uniform_pair(seed, DISTURB_STREAM + 4 * tile, event, 2 * number)
    # exp(-total) is above 1 - total: most reads have no candidate, and need no logarithm to know.
    return (math.inf if wait < 1.0 - total else -math.log(wait)), pick


@kernel
def cell_at(bounds: Floats, state: States, sums: Floats, share: float) -> tuple[int, int, float]:
    """The cell at some share of the sum of all bounds: row, column and its bound.

    Args:
        bounds: (2, cells).
        state: (rows, columns).
        sums: of `sum_rows`.
        share: in (0, 1).
    """
    m, n = state.shape
    left = share * sums[m - 1]
    i = 0
    while i < m - 1 and sums[i] < left:
        i += 1
    if i > 0:
        left -= sums[i - 1]
    last = 0
    for j in range(n):
        bound = bounds[state[i, j], i * n + j]
        if bound > 0.0:
            last = j
            left -= bound
            if left <= 0.0:
                break
    return i, last, bounds[state[i, last], i * n + last]


@kernel
def accepted(bound: float, hazard: float, seed: Word, tile: int, event: int, number: int) -> bool:
    """Whether a candidate of this bound, drawn as in `wait_passed`, is one of a cell of this hazard."""
    accept, _ = uniform_pair(seed, DISTURB_STREAM + 4 * tile, event, 2 * number + 1)
    return accept * bound < hazard


@kernel
def disturb_possible(
    cells: Cells, state: States, dynamics: Dynamics, levels: Floats, low: float, high: float, forward: bool,
    pull: float, bounds: Floats, sums: Floats, duration: float, seed: Word, tile: int, event: int,
) -> bool:  # fmt: skip
    """Whether `draw_disturb` could flip a cell of a read, for all that its levels tell; if not, the voltages
    of the junctions need not be known.

    A candidate may be accepted at most with the voltage between the level of its own driven line, or what the
    sensed lines can be pulled to if that is farther, and the other end of what they can be pulled to.

    Args:
        cells: parameters.
        state: (rows, columns).
        dynamics: how cells switch.
        levels: of the driven lines, V, none floating.
        low: the least of them and 0, V.
        high: the largest of them and 0, V.
        forward: whether rows are driven.
        pull: see `largest_pull`.
        bounds: (2, cells), see `hazard_bounds`.
        sums: their sums, see `sum_rows`.
        duration: of the read, s.
        seed: key of all draws.
        tile: number of the array on its die.
        event: number of the read.
    """
    spent, candidate, total = 0.0, 0, sums[sums.size - 1]
    while True:
        wait, share = wait_passed(total, seed, tile, event, candidate)
        spent += wait
        if spent > total:
            return False
        i, j, bound = cell_at(bounds, state, sums, share)
        level = levels[i] if forward else levels[j]
        # Driven minus sensed; a junction has row minus column.
        largest, least = max(level, pull * high) - pull * low, min(level, pull * low) - pull * high
        if not forward:
            largest, least = -least, -largest
        volt = largest if state[i, j] == 0 else least
        hazard = cell_hazard(dynamics, cells, state[i, j], volt, i, j, duration, 0.0)
        if accepted(bound, hazard, seed, tile, event, candidate):
            return True
        candidate += 1


@kernel
def draw_disturb(
    cells: Cells, state: States, dynamics: Dynamics, volts: Floats, bounds: Floats, sums: Floats,
    duration: float, seed: Word, tile: int, event: int, flipped: Integers,
) -> int:  # fmt: skip
    """Draw the flips of one read; returns their number.

    Candidates come as a Poisson process at the summed bound of all cells; each is accepted with the ratio
    of the true hazard of its cell to the bound of that cell, which leaves every cell its exact probability.
    States are frozen within a read, and a cell flips at most once in it: `flipped`, (cells,), is scratch.
    """
    n = state.shape[1]
    flips, spent, candidate, total = 0, 0.0, 0, sums[sums.size - 1]
    while True:
        wait, share = wait_passed(total, seed, tile, event, candidate)
        spent += wait
        if spent > total:
            break
        i, j, bound = cell_at(bounds, state, sums, share)
        hazard = cell_hazard(dynamics, cells, state[i, j], volts[i, j], i, j, duration, 0.0)
        if accepted(bound, hazard, seed, tile, event, candidate):
            seen = False
            for k in range(flips):
                seen |= flipped[k] == i * n + j
            if not seen:
                flipped[flips] = i * n + j
                flips += 1
        candidate += 1
    for k in range(flips):
        i, j = flipped[k] // n, flipped[k] % n
        state[i, j] = 1 - state[i, j]
    return flips
