"""Compiled inner loops of a simulated array: the voltages of a pulse, wear."""

import math

from ..compiled import kernel
from ._types import Floats, States
from .bias import solve_pulse
from .cell_panels import BiasWorkspace, load_cells
from .cells import Access, Cells, Dynamics, damage_of
from .line_solver import Network
from .lines import Lines
from .network_solver import largest_of_all

NEGLIGIBLE_DAMAGE = 1e-18
"""A pulse that damages no cell by more is not booked: 10^12 of them make a millionth of a life."""


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
def solve_interval(
    cells: Cells, state: States, dynamics: Dynamics, access: Access, lines: Lines, opened: States,
    tolerance: float, most: int, empty: Network, work: BiasWorkspace, junction: Floats, row_current: Floats,
    column_current: Floats,
) -> tuple[int, float]:  # fmt: skip
    """Junction voltages and line currents of one interval in which no state and no gate changes.

    Returns:
        Outer iterations (-1: not converged) and the last residual, V.
    """
    load_cells(cells, state, work)
    return solve_pulse(
        empty, work, access, dynamics.half_voltage, opened, lines, tolerance, most, junction[:0], junction,
        row_current, column_current,
    )  # fmt: skip


@kernel
def pulse_voltages(
    cells: Cells, state: States, dynamics: Dynamics, access: Access, lines: Lines, widths: Floats,
    edges: Floats, tolerance: float, most: int, empty: Network, work: BiasWorkspace, loaded: bool,
    volts: Floats, opened: States, row_current: Floats, column_current: Floats, spare_row: Floats,
    spare_column: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Junction voltages in every interval of one pulse, with the states frozen at its start.

    Rows close their gates at `widths[i]`; `edges` are the distinct closing times in rising order, and
    `volts` is (edges, rows, columns). `loaded` says that `work` holds the cells; `opened`, (rows,), and
    the spares are scratch.

    Returns:
        Energy given by the drivers, J (NaN if a solve did not converge), and the last residual, V. The
        currents are those of the first interval.
    """
    if not loaded:
        load_cells(cells, state, work)
    rows_now, columns_now = row_current, column_current
    energy, began = 0.0, 0.0
    for k in range(edges.size):
        for i in range(widths.size):
            opened[i] = 1 if widths[i] >= edges[k] else 0
        outer, residual = solve_pulse(
            empty, work, access, dynamics.half_voltage, opened, lines, tolerance, most, volts[k, :0],
            volts[k], rows_now, columns_now,
        )  # fmt: skip
        if outer < 0:
            return math.nan, residual
        energy += driver_power(lines, rows_now, columns_now) * (edges[k] - began)
        began = edges[k]
        rows_now, columns_now = spare_row, spare_column
    return energy, 0.0


@kernel
def wear(cells: Cells, dynamics: Dynamics, volts: Floats, duration: float) -> int:
    """Add the damage of `duration` s at `volts` to every junction; returns how many broke."""
    m, n = volts.shape
    if damage_of(dynamics, (1.0 + 1e-6) * largest_of_all(volts), duration) < NEGLIGIBLE_DAMAGE:
        return 0
    broken = 0
    for i in range(m):
        for j in range(n):
            if cells.stuck[i, j] == 0:
                cells.damage[i, j] += damage_of(dynamics, volts[i, j], duration)
                if cells.damage[i, j] >= cells.limit[i, j]:
                    break_junction(cells, dynamics, i, j)
                    broken += 1
    return broken


@kernel
def break_junction(cells: Cells, dynamics: Dynamics, i: int, j: int) -> None:
    """Turn a junction into a short that never switches."""
    cells.conductance_p[i, j] = dynamics.short
    cells.tmr[i, j] = 0.0
    cells.stuck[i, j] = 1
