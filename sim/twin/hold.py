"""What a bias left on an array does to its cells: compiled, with draws apart from those of pulses.

A weak bias, such as that of a read, is drawn by thinning from bounds on the hazard of each cell and needs no
voltages unless a candidate comes up; a strong one is drawn cell by cell.
"""

import math

import numpy as np

from ...compiled import kernel
from .._types import Floats, States
from ..cells import Cells, Dynamics, cell_hazard, damage_of, ended_switched, hop_count
from ..philox import EXTRA_STREAM, Word, uniform_pair

FIRST_HOLD = 2**62
"""Holds are events of the extra stream from this number on; pulses, which use it too, are below."""
NEGLIGIBLE = 1e-16
"""A switching probability below this never flips a cell: no draw of 52 bits can fall under it."""


@kernel
def hold_probability(
    cells: Cells, state: States, dynamics: Dynamics, volts: Floats, duration: float, probability: Floats
) -> float:
    """Probability that each cell ends a constant bias switched; returns the largest.

    Args:
        cells: parameters, as worn.
        state: (rows, columns).
        dynamics: switching law, heating, back-hopping.
        volts: across each junction alone, V.
        duration: s.
        probability: (rows, columns), filled.
    """
    m, n = state.shape
    largest = 0.0
    for i in range(m):
        for j in range(n):
            hazard = cell_hazard(dynamics, cells, state[i, j], volts[i, j], i, j, duration, 0.0)
            hops = hop_count(dynamics, state[i, j], volts[i, j], duration)
            probability[i, j] = ended_switched(hazard, hops)
            largest = max(largest, probability[i, j])
    return largest


@kernel
def draw_hold(probability: Floats, state: States, seed: Word, tile: int, hold: int) -> int:
    """Flip each cell with its probability, in place; returns the number of flips."""
    m, n = state.shape
    flips = 0
    for i in range(m):
        for j in range(n):
            if probability[i, j] > NEGLIGIBLE:
                u, _ = uniform_pair(seed, EXTRA_STREAM + 4 * tile, FIRST_HOLD + hold, i * n + j)
                if u < probability[i, j]:
                    state[i, j] = 1 - state[i, j]
                    flips += 1
    return flips


@kernel
def spread_of(row_levels: Floats, column_levels: Floats) -> float:
    """Largest less smallest level of the lines that do not float, V; 0 if none is driven."""
    low, high = math.inf, -math.inf
    for level in row_levels:
        if not math.isnan(level):
            low, high = min(low, level), max(high, level)
    for level in column_levels:
        if not math.isnan(level):
            low, high = min(low, level), max(high, level)
    return high - low if high > low else 0.0


@kernel
def hold_is_calm(total: float, seed: Word, tile: int, hold: int) -> bool:
    """Whether no candidate comes up in a hold whose summed bound is `total`; see `draw_candidates`."""
    wait, _ = uniform_pair(seed, EXTRA_STREAM + 4 * tile, FIRST_HOLD + hold, 0)
    return -math.log(wait) > total


@kernel
def draw_candidates(
    cells: Cells, state: States, dynamics: Dynamics, volts: Floats, sums: Floats, duration: float, seed: Word,
    tile: int, hold: int,
) -> int:  # fmt: skip
    """Flip cells in place by thinning, as `mtjloop.sim.disturb` does in reads; returns the number of flips.

    Args:
        cells: parameters, as worn.
        state: (rows, columns).
        dynamics: switching law, heating, back-hopping.
        volts: across each junction alone, V.
        sums: running sums of the bounds on the hazard of each cell, (cells,).
        duration: s.
        seed: key of all draws.
        tile: number of the array.
        hold: number of the hold.
    """
    stream, event = EXTRA_STREAM + 4 * tile, FIRST_HOLD + hold
    n = state.shape[1]
    start = state.copy()
    flips, candidate, spent = 0, 0, 0.0
    while True:
        wait, pick = uniform_pair(seed, stream, event, 2 * candidate)
        spent -= math.log(wait)
        if spent > sums[-1]:
            return flips
        cell = np.searchsorted(sums, pick * sums[-1])
        i, j = cell // n, cell % n
        bound = sums[cell] - (sums[cell - 1] if cell > 0 else 0.0)
        hazard = cell_hazard(dynamics, cells, start[i, j], volts[i, j], i, j, duration, 0.0)
        accept, stay = uniform_pair(seed, stream, event, 2 * candidate + 1)
        # A device that left is found switched if it then hopped an even number of times.
        hops = hop_count(dynamics, start[i, j], volts[i, j], duration)
        left = accept * bound < hazard and state[i, j] == start[i, j]
        if left and stay < 0.5 * (1.0 + math.exp(-2.0 * hops)):
            state[i, j] = 1 - start[i, j]
            flips += 1
        candidate += 1


@kernel
def hold_damage(cells: Cells, dynamics: Dynamics, volts: Floats, duration: float, damage: Floats) -> float:
    """Damage that a constant bias adds to each junction, into `damage`; returns the largest."""
    m, n = volts.shape
    largest = 0.0
    for i in range(m):
        for j in range(n):
            damage[i, j] = damage_of(dynamics, volts[i, j], duration) if cells.stuck[i, j] == 0 else 0.0
            largest = max(largest, damage[i, j])
    return largest
