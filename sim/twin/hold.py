"""What a bias left on an array does to its cells: compiled, with draws of its own stream."""

import math

from ...compiled import kernel
from .._types import Floats, States
from ..cells import Access, Cells, Dynamics, cell_hazard, junction_conductance
from ..philox import Word, uniform_pair

HOLD_STREAM = 3
"""Stream of these draws; 0 to 2 belong to pulses, read disturb and read noise (`sim.philox`)."""
NEGLIGIBLE = 1e-16
"""A switching hazard below this never flips a cell: no draw of 52 bits can fall under it."""


@kernel
def hold_hazard(
    cells: Cells,
    state: States,
    dynamics: Dynamics,
    access: Access,
    volts: Floats,
    g: Floats,
    duration: float,
    hazard: Floats,
) -> float:
    """Integrated switching rate of every cell under a constant bias; returns the largest.

    Args:
        cells: parameters.
        state: (rows, columns).
        dynamics: switching law and time unit.
        access: transistors, all open.
        volts: across each cell, transistor included, V.
        g: conductance of each cell, transistor included, S.
        duration: s.
        hazard: (rows, columns), filled.
    """
    m, n = state.shape
    largest = 0.0
    for i in range(m):
        for j in range(n):
            volt = volts[i, j]
            if access.resistance > 0.0:
                volt *= g[i, j] / junction_conductance(cells, state, i, j)
            hazard[i, j] = cell_hazard(dynamics, cells, state[i, j], volt, i, j, duration, 0.0)
            largest = max(largest, hazard[i, j])
    return largest


@kernel
def draw_hold(hazard: Floats, state: States, seed: Word, tile: int, event: int) -> int:
    """Flip each cell with probability 1 - exp(-hazard), in place; returns the number of flips."""
    m, n = state.shape
    flips = 0
    for i in range(m):
        for j in range(n):
            if hazard[i, j] > NEGLIGIBLE:
                u, _ = uniform_pair(seed, HOLD_STREAM + 4 * tile, event, i * n + j)
                if u < -math.expm1(-hazard[i, j]):
                    state[i, j] = 1 - state[i, j]
                    flips += 1
    return flips
