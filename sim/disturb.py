"""Read disturb by thinning: exact for every cell, and nearly free while nothing flips.

Bounds on the hazard of each cell are kept for a ladder of voltages; the rung of a read follows from its own
levels alone, so the draws of a read do not depend on what was read before it or with it.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, States
from .cells import Cells, Dynamics, cell_hazard
from .philox import DISTURB_STREAM, Word, uniform_pair

RUNGS = 0.05 * 2.0 ** (np.arange(33) / 4.0)
"""Voltages of the ladder, V; reads beyond the last use the last."""


@kernel
def rung_of(levels: Floats, pull: float) -> int:
    """Rung that covers every cell of a read with these levels on one side and 0 V on the other.

    `pull` is the largest share of the levels that a node of the sensed side can be pulled to, see
    `largest_pull`.
    """
    low, high = 0.0, 0.0
    for level in levels:
        low, high = min(low, level), max(high, level)
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
def candidate_of(sums: Floats, seed: Word, tile: int, event: int, number: int) -> tuple[float, int, float]:
    """A candidate of one read: hazard passed since the one before, its cell, and the bound of that cell.

    Args:
        sums: running sums of the bounds of the present states, (cells,).
        seed: key of all draws.
        tile: number of the array on its die.
        event: number of the read.
        number: of the candidate, from 0 on.
    """
    wait, pick = uniform_pair(seed, DISTURB_STREAM + 4 * tile, event, 2 * number)
    cell = np.searchsorted(sums, pick * sums[-1])
    return -math.log(wait), cell, sums[cell] - (sums[cell - 1] if cell > 0 else 0.0)


@kernel
def accepted(bound: float, hazard: float, seed: Word, tile: int, event: int, number: int) -> bool:
    """Whether a candidate of this bound, drawn as in `candidate_of`, is one of a cell of this hazard."""
    accept, _ = uniform_pair(seed, DISTURB_STREAM + 4 * tile, event, 2 * number + 1)
    return accept * bound < hazard


@kernel
def disturb_possible(
    cells: Cells, state: States, dynamics: Dynamics, levels: Floats, forward: bool, pull: float, sums: Floats,
    duration: float, seed: Word, tile: int, event: int,
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
        forward: whether rows are driven.
        pull: see `largest_pull`.
        sums: running sums of the bounds of the present states.
        duration: of the read, s.
        seed: key of all draws.
        tile: number of the array on its die.
        event: number of the read.
    """
    n = state.shape[1]
    spent, candidate, low, high = 0.0, 0, 0.0, 0.0
    while True:
        wait, cell, bound = candidate_of(sums, seed, tile, event, candidate)
        spent += wait
        if spent > sums[-1]:
            return False
        if candidate == 0:
            for level in levels:
                low, high = min(low, pull * level), max(high, pull * level)
        i, j = cell // n, cell % n
        level = levels[i] if forward else levels[j]
        # Driven minus sensed; a junction has row minus column.
        largest, least = max(level, high) - low, min(level, low) - high
        if not forward:
            largest, least = -least, -largest
        volt = largest if state[i, j] == 0 else least
        hazard = cell_hazard(dynamics, cells, state[i, j], volt, i, j, duration, 0.0)
        if accepted(bound, hazard, seed, tile, event, candidate):
            return True
        candidate += 1


@kernel
def draw_disturb(
    cells: Cells, state: States, dynamics: Dynamics, volts: Floats, sums: Floats, duration: float, seed: Word,
    tile: int, event: int,
) -> int:  # fmt: skip
    """Draw the flips of one read; returns their number.

    Candidates come as a Poisson process at the summed bound of all cells; each is accepted with the ratio
    of the true hazard of its cell to the bound of that cell, which leaves every cell its exact probability.
    States are frozen within a read, and a cell flips at most once in it.
    """
    n = state.shape[1]
    flips = 0
    spent = 0.0
    start = state
    candidate = 0
    while True:
        wait, cell, bound = candidate_of(sums, seed, tile, event, candidate)
        spent += wait
        if spent > sums[-1]:
            return flips
        if candidate == 0:
            start = state.copy()
        i, j = cell // n, cell % n
        hazard = cell_hazard(dynamics, cells, start[i, j], volts[i, j], i, j, duration, 0.0)
        if accepted(bound, hazard, seed, tile, event, candidate) and state[i, j] == start[i, j]:
            state[i, j] = 1 - start[i, j]
            flips += 1
        candidate += 1
