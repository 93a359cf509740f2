"""Compiled inner loops of a simulated array: one pulse, a sequence of reads."""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, States
from .cells import Access, Cells, Dynamics, cell_hazard, junction_conductance
from .line_solver import solve_factored, solve_network
from .lines import Lines
from .philox import DISTURB_STREAM, NOISE_STREAM, PULSE_STREAM, Word, normal, uniform_pair


@kernel
def cell_conductances(cells: Cells, state: States, access: Access, opened: States, g: Floats) -> None:
    """Conductance of each cell: junction in series with its transistor, or the leak of a closed one.

    `opened[i]` is 1 where the gate of row i is open; passive arrays have all 1.
    """
    m, n = state.shape
    for i in range(m):
        for j in range(n):
            if opened[i] == 0:
                g[i, j] = access.leak
            else:
                device = junction_conductance(cells, state, i, j)
                g[i, j] = device / (1.0 + access.resistance * device)


@kernel
def driver_power(lines: Lines, row_current: Floats, column_current: Floats) -> float:
    """Power given by all drivers, W."""
    power = 0.0
    for i in range(row_current.size):
        power += lines.v_row[i] * row_current[i]
    for j in range(column_current.size):
        power -= lines.v_col[j] * column_current[j]
    return power


@kernel
def pulse_hazard(
    cells: Cells,
    state: States,
    dynamics: Dynamics,
    access: Access,
    lines: Lines,
    widths: Floats,
    edges: Floats,
    tolerance: float,
    most: int,
    hazard: Floats,
    row_current: Floats,
    column_current: Floats,
) -> tuple[float, float]:
    """Integrated switching rate of every cell over one pulse, with the states frozen at its start.

    Rows close their gates at `widths[i]`; `edges` are the distinct closing times in rising order. The
    network is solved once for each interval between edges.

    Returns:
        Energy given by the drivers, J (NaN if a solve did not converge), and the last residual, V. The
        currents are those of the first interval.
    """
    m, n = state.shape
    g = np.empty((m, n))
    volts = np.empty((m, n))
    opened = np.ones(m, dtype=np.int8)
    rows_now, columns_now = np.empty(m), np.empty(n)
    hazard[:] = 0.0
    energy, began = 0.0, 0.0
    for k in range(edges.size):
        duration = edges[k] - began
        began = edges[k]
        for i in range(m):
            opened[i] = 1 if widths[i] >= edges[k] else 0
        cell_conductances(cells, state, access, opened, g)
        iterations, residual = solve_network(g, lines, tolerance, most, volts, rows_now, columns_now)
        if iterations < 0:
            return math.nan, residual
        energy += driver_power(lines, rows_now, columns_now) * duration
        if k == 0:
            row_current[:] = rows_now
            column_current[:] = columns_now
        for i in range(m):
            for j in range(n):
                volt = 0.0  # a closed gate: no current, so no torque; thermal switching goes on
                if opened[i] == 1:
                    volt = volts[i, j] * g[i, j] / junction_conductance(cells, state, i, j)
                hazard[i, j] = cell_hazard(dynamics, cells, state[i, j], volt, i, j, duration, hazard[i, j])
    return energy, 0.0


@kernel
def draw_flips(hazard: Floats, state: States, seed: Word, tile: int, event: int) -> int:
    """Flip each cell with probability 1 - exp(-hazard); returns the number of flips.

    The draw of a cell depends on (seed, tile, event, cell) only.
    """
    m, n = state.shape
    flips = 0
    for i in range(m):
        for j in range(n):
            # Below 2^-53 no draw of 52 bits could ever succeed.
            if hazard[i, j] > 1e-16:
                u, _ = uniform_pair(seed, PULSE_STREAM + 4 * tile, event, i * n + j)
                if u < -math.expm1(-hazard[i, j]):
                    state[i, j] = 1 - state[i, j]
                    flips += 1
    return flips


@kernel
def disturb_bounds(
    cells: Cells, state: States, dynamics: Dynamics, volt: float, duration: float, bounds: Floats
) -> None:
    """Running sums, cell after cell, of the largest hazard of one read with |V| <= volt."""
    m, n = state.shape
    total = 0.0
    for i in range(m):
        for j in range(n):
            adverse = volt if state[i, j] == 0 else -volt
            total += cell_hazard(dynamics, cells, state[i, j], adverse, i, j, duration, 0.0)
            bounds[i * n + j] = total


@kernel
def draw_disturb(
    cells: Cells,
    state: States,
    dynamics: Dynamics,
    volts: Floats,
    bounds: Floats,
    duration: float,
    seed: Word,
    tile: int,
    event: int,
) -> int:
    """Read disturb by thinning; returns the number of flips.

    Candidates come as a Poisson process at the summed bound of all cells; each is accepted with the ratio
    of the true hazard of its cell to the bound of that cell, which leaves every cell its exact probability.
    States are frozen within a read, and a cell flips at most once in it.
    """
    n = state.shape[1]
    flips = 0
    spent = 0.0
    start = state.copy()
    candidate = 0
    while True:
        wait, pick = uniform_pair(seed, DISTURB_STREAM + 4 * tile, event, 2 * candidate)
        spent -= math.log(wait)
        if spent > bounds[-1]:
            return flips
        cell = np.searchsorted(bounds, pick * bounds[-1])
        i, j = cell // n, cell % n
        bound = bounds[cell] - (bounds[cell - 1] if cell > 0 else 0.0)
        hazard = cell_hazard(dynamics, cells, start[i, j], volts[i, j], i, j, duration, 0.0)
        accept, _ = uniform_pair(seed, DISTURB_STREAM + 4 * tile, event, 2 * candidate + 1)
        if accept * bound < hazard and state[i, j] == start[i, j]:
            state[i, j] = 1 - start[i, j]
            flips += 1
        candidate += 1


@kernel
def read_sequence(
    cells: Cells,
    state: States,
    dynamics: Dynamics,
    access: Access,
    lines: Lines,
    g: Floats,
    g_t: Floats,
    inverse_row: Floats,
    inverse_col: Floats,
    levels: Floats,
    forward: bool,
    tolerance: float,
    most: int,
    bounds: Floats,
    duration: float,
    seed: Word,
    tile: int,
    event: int,
    currents: Floats,
) -> tuple[int, int, float, float, float]:
    """Read with each row of `levels` in turn until all are read or a cell is disturbed.

    `lines` holds the drivers; the levels of its driven side are overwritten.

    Returns:
        Reads done, flips, energy in J, largest line current in A, and the residual in V of a solve that did
        not converge (0 if all did).
    """
    m, n = state.shape
    volts = np.empty((m, n))
    row_current, column_current = np.empty(m), np.empty(n)
    energy, peak = 0.0, 0.0
    for k in range(levels.shape[0]):
        if forward:
            lines.v_row[:] = levels[k]
        else:
            lines.v_col[:] = levels[k]
        iterations, residual = solve_factored(
            g, g_t, inverse_row, inverse_col, lines, tolerance, most, volts, row_current, column_current
        )
        if iterations < 0:
            return k, 0, energy, peak, residual
        energy += driver_power(lines, row_current, column_current) * duration
        for i in range(m):
            peak = max(peak, abs(row_current[i]))
        for j in range(n):
            peak = max(peak, abs(column_current[j]))
        if forward:
            currents[k] = column_current
        else:
            currents[k] = -row_current
        if access.resistance > 0.0:
            for i in range(m):
                for j in range(n):
                    volts[i, j] *= g[i, j] / junction_conductance(cells, state, i, j)
        flips = draw_disturb(cells, state, dynamics, volts, bounds, duration, seed, tile, event + k)
        if flips > 0:
            return k + 1, flips, energy, peak, 0.0
    return levels.shape[0], 0, energy, peak, 0.0


@kernel
def add_noise(currents: Floats, noise: float, seed: Word, number: int, first_read: int) -> None:
    """Add read noise of this standard deviation, A, to currents (reads, sensed), in place."""
    for k in range(currents.shape[0]):
        for line in range(currents.shape[1]):
            currents[k, line] += noise * normal(seed, NOISE_STREAM + 4 * number, first_read + k, line)
