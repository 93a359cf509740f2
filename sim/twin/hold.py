"""What a bias left on an array does to its cells: compiled, with draws apart from those of pulses."""

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
def hold_damage(cells: Cells, dynamics: Dynamics, volts: Floats, duration: float, damage: Floats) -> float:
    """Damage that a constant bias adds to each junction, into `damage`; returns the largest."""
    m, n = volts.shape
    largest = 0.0
    for i in range(m):
        for j in range(n):
            damage[i, j] = damage_of(dynamics, volts[i, j], duration) if cells.stuck[i, j] == 0 else 0.0
            largest = max(largest, damage[i, j])
    return largest
