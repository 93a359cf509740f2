"""Voltages of an array whose conductances depend on bias: outer iterations around one factored linear solve.

The lines are factored once, for conductances g of some bias. A cell of true conductance G(V) then carries
g (V + E) with the emf E = (G(V)/g - 1) V, so each outer iteration solves the factored network for
the change of E alone, starting from the E of ideal lines. An iteration shrinks the error by the drop along
the lines over the voltage of a cell, times the relative change of conductance: far below 1, and below 0.7
even on a dead line.
"""

from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ._types import Floats, States
from .cells import Access, Cells, junction_conductance
from .line_solver import Network
from .lines import Lines
from .network_solver import Workspace, new_workspace, solve_network

BIAS_TOLERANCE = 5e-6
"""Change of every cell voltage below which the outer iteration stops, V; what is left is smaller still."""
CORRECTION_TOLERANCE = 3e-7
"""Of the linear solve of one correction, V."""
MOST_OUTER = 100


class BiasWorkspace(NamedTuple):
    """Scratch arrays of `solve_biased`; all but `network` are its own."""

    network: Workspace
    emf: Floats
    change: Floats
    volts: Floats
    row_current: Floats
    column_current: Floats
    still_row: Floats
    """(rows,) levels of 0 V."""
    still_col: Floats


@kernel
def new_bias_workspace(rows: int, columns: int) -> BiasWorkspace:
    """Scratch for arrays of this size."""
    return BiasWorkspace(
        new_workspace(rows, columns), np.zeros((rows, columns)), np.zeros((rows, columns)),
        np.zeros((rows, columns)), np.zeros(rows), np.zeros(columns), np.zeros(rows), np.zeros(columns),
    )  # fmt: skip


@kernel
def conduct(
    cells: Cells, state: States, access: Access, half_voltage: float, opened: int, volt: float, guess: float,
    i: int, j: int,
) -> tuple[float, float]:  # fmt: skip
    """Conductance of cell (i, j), S, at `volt` across junction and transistor, and its junction voltage, V.

    A cell with a closed gate (`opened` 0) leaks, and its junction sees nothing. `guess` starts the search.
    """
    if opened == 0:
        return access.leak, 0.0
    if access.resistance == 0.0:
        return junction_conductance(cells, state, half_voltage, volt, i, j), volt
    own = junction_conductance(cells, state, half_voltage, guess, i, j)
    for _ in range(50):
        found = volt / (1.0 + access.resistance * own)
        own = junction_conductance(cells, state, half_voltage, found, i, j)
        if abs(found - guess) < 1e-8:
            break
        guess = found
    return own / (1.0 + access.resistance * own), volt / (1.0 + access.resistance * own)


@kernel
def cell_conductances(
    cells: Cells, state: States, access: Access, half_voltage: float, opened: States, v_row: Floats,
    v_col: Floats, g: Floats,
) -> None:  # fmt: skip
    """Conductance of each cell at the voltages of ideal lines; zero levels give those at zero bias."""
    m, n = state.shape
    for i in range(m):
        for j in range(n):
            volt = v_row[i] - v_col[j]
            g[i, j], _ = conduct(cells, state, access, half_voltage, opened[i], volt, volt, i, j)


@kernel
def solve_biased(
    cells: Cells, state: States, access: Access, half_voltage: float, opened: States, g: Floats,
    net: Network, work: BiasWorkspace, lines: Lines, tolerance: float, most: int, volts: Floats,
    junction: Floats, row_current: Floats, column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """Solve one array with conductances that follow their bias.

    Args:
        cells: parameters.
        state: (rows, columns).
        access: transistors.
        half_voltage: V_h of TMR(V), V.
        opened: (rows,), 1 where the gate is open.
        g: factored conductances (rows, columns), S; any bias will do.
        net: the lines factored for g.
        work: scratch of the same size.
        lines: wires, drivers and levels.
        tolerance: of each linear solve, V.
        most: iterations of each linear solve.
        volts: returned, of each cell, V.
        junction: returned, of each junction alone, V; 0 behind closed gates.
        row_current: returned, A.
        column_current: returned, A.

    Returns:
        Outer iterations (-1 if the solve or the iteration did not converge) and the last residual, V.
    """
    m, n = g.shape
    emf, change = work.emf, work.change
    still = Lines(lines.g_row, lines.g_col, lines.s_row, lines.s_col, work.still_row, work.still_col)
    for i in range(m):
        for j in range(n):
            volts[i, j] = junction[i, j] = lines.v_row[i] - lines.v_col[j]
            emf[i, j] = 0.0
    correct_emf(cells, state, access, half_voltage, opened, g, volts, junction, emf, change)
    iterations, residual = solve_network(
        net, work.network, lines, emf, tolerance, most, volts, row_current, column_current
    )
    if iterations < 0:
        return -1, residual
    more_volts, more_row, more_column = work.volts, work.row_current, work.column_current
    for outer in range(MOST_OUTER):
        size = correct_emf(cells, state, access, half_voltage, opened, g, volts, junction, emf, change)
        if size < BIAS_TOLERANCE:
            return outer, size
        iterations, residual = solve_network(
            net, work.network, still, change, CORRECTION_TOLERANCE, most, more_volts, more_row, more_column
        )
        if iterations < 0:
            return -1, residual
        size = 0.0
        for i in range(m):
            row_current[i] += more_row[i]
            for j in range(n):
                volts[i, j] += more_volts[i, j]
                size = max(size, abs(more_volts[i, j]))
        for j in range(n):
            column_current[j] += more_column[j]
        if size < BIAS_TOLERANCE:
            if access.resistance == 0.0:
                junction[:] = volts
            return outer + 1, size
    return -1, size


@kernel
def correct_emf(
    cells: Cells, state: States, access: Access, half_voltage: float, opened: States, g: Floats,
    volts: Floats, junction: Floats, emf: Floats, change: Floats,
) -> float:  # fmt: skip
    """Set `emf` to what the voltages ask for, `change` to its change; returns the largest change, V.

    `junction` comes as a guess and returns the voltage of each junction.
    """
    m, n = g.shape
    size = 0.0
    if access.resistance == 0.0:
        scale = 1.0 / (half_voltage * half_voltage)
        for i in range(m):
            for j in range(n):
                volt = volts[i, j]
                junction[i, j] = volt
                shape = 1.0 + volt * volt * scale
                barrier = cells.tmr[i, j] * (1 - state[i, j])
                wanted = (cells.conductance_p[i, j] * shape / ((shape + barrier) * g[i, j]) - 1.0) * volt
                change[i, j] = wanted - emf[i, j]
                emf[i, j] = wanted
    else:
        for i in range(m):
            for j in range(n):
                own, junction[i, j] = conduct(
                    cells, state, access, half_voltage, opened[i], volts[i, j], junction[i, j], i, j
                )
                wanted = (own / g[i, j] - 1.0) * volts[i, j]
                change[i, j] = wanted - emf[i, j]
                emf[i, j] = wanted
    for i in range(m):
        for j in range(n):
            size = max(size, abs(change[i, j]))
    return size
