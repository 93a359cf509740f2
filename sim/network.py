"""Device voltages of a resistive crossbar, exact in wires, drivers, sneak paths and floating lines."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ConvergenceError
from ._types import Floats, Integers
from .line_solver import (
    Network,
    change_cells,
    change_drivers,
    conductances_of,
    factor,
    new_network,
)
from .lines import Lines, take_levels
from .network_solver import Workspace, new_workspace, solve_network

TOLERANCE = 1e-6
"""Estimated error of a cell voltage at which a solve stops, V; a tenth of what is promised."""
MOST_ITERATIONS = 500
_NO_EMF = np.empty((0, 0))
_LEAST_RESISTANCE = 1e-6
"""An ideal wire or driver is this many ohm: far below 1 uV of drop, and the equations stay finite."""


@dataclass(frozen=True)
class Wires:
    """Resistances around the devices of an array, ohm, each >= 0.

    Attributes:
        row_segment: one segment of row wire between neighbouring cells.
        column_segment: one segment of column wire.
        driver: output resistance of each driven line.
        sense: input resistance of each sensed line.
    """

    row_segment: float
    column_segment: float
    driver: float
    sense: float

    def __post_init__(self) -> None:
        for name in ("row_segment", "column_segment", "driver", "sense"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} is {value!r} ohm; a finite resistance >= 0 is accepted")


@dataclass(frozen=True)
class Solution:
    """A solved crossbar: cell voltages (rows, columns) in V, line currents in A, iterations used."""

    voltages: Floats
    row_currents: Floats
    column_currents: Floats
    iterations: int


def conductance_of(resistance: float) -> float:
    """Conductance in S of a wire or driver; an ideal one is taken as a millionth of an ohm."""
    return 1.0 / max(resistance, _LEAST_RESISTANCE)


def line_drivers(levels: Floats, resistance: float) -> tuple[Floats, Floats]:
    """Driver conductances and finite levels of lines whose NaN levels mean floating.

    Args:
        levels: (lines,), V.
        resistance: of each driver, ohm.

    Returns:
        Conductances, S (0 where floating), and levels, V (0 where floating).
    """
    conductances, volts = np.empty(levels.shape), np.empty(levels.shape)
    take_levels(levels, conductance_of(resistance), conductances, volts)
    return conductances, volts


@dataclass(frozen=True)
class FactoredArray:
    """An array whose lines are factored, to be solved for many levels.

    Attributes:
        network: factored lines, changed in place by `change_cells` and by levels that float other lines.
        workspace: scratch of the solves.
        wires: segment resistances.
        row_resistance: driver or sense resistance of the rows, ohm.
        column_resistance: of the columns, ohm.
    """

    network: Network
    workspace: Workspace
    wires: Wires
    row_resistance: float
    column_resistance: float


def factor_array(
    conductance: Floats, wires: Wires, *, row_resistance: float, column_resistance: float
) -> FactoredArray:
    """Factor all lines of an array, every line driven.

    Args:
        conductance: (rows, columns), S, > 0.
        wires: segment resistances.
        row_resistance: driver or sense resistance of the rows, ohm.
        column_resistance: driver or sense resistance of the columns, ohm.

    Raises:
        ValueError: a conductance is not finite and > 0.
    """
    _check_conductances(conductance)
    rows, columns = conductance.shape
    network = factor(
        new_network(rows, columns),
        np.ascontiguousarray(conductance),
        conductance_of(wires.row_segment),
        conductance_of(wires.column_segment),
        np.full(rows, conductance_of(row_resistance)),
        np.full(columns, conductance_of(column_resistance)),
    )
    return FactoredArray(network, new_workspace(rows, columns), wires, row_resistance, column_resistance)


def change_conductances(array: FactoredArray, rows: Integers, columns: Integers, conductance: Floats) -> None:
    """Give some cells new conductances; only the lines they lie on are factored again.

    Args:
        array: changed in place.
        rows: (cells,), row of each cell.
        columns: (cells,), column of each cell.
        conductance: (cells,), S, > 0.

    Raises:
        ValueError: a cell lies outside the array, or a conductance is not finite and > 0.
    """
    for name, index, size in (("row", rows, array.network.rows), ("column", columns, array.network.columns)):
        if index.shape != conductance.shape or index.ndim != 1 or ((index < 0) | (index >= size)).any():
            raise ValueError(
                f"{name} numbers are {index}; one in 0 to {size - 1} for each conductance is accepted"
            )
    if not (np.isfinite(conductance).all() and (conductance > 0.0).all()):
        raise ValueError("every conductance must be finite and > 0 S")
    change_cells(array.network, rows, columns, conductance)


def solve_factored(array: FactoredArray, row_levels: Floats, column_levels: Floats) -> Solution:
    """Solve a factored array for one set of levels; lines that float or no longer float are factored again.

    Args:
        array: from `factor_array`.
        row_levels: (rows,), V; NaN floats the row. Rows are driven at their column-0 end.
        column_levels: (columns,), V; NaN floats the column. Columns are driven at their last-row end.

    Raises:
        ConvergenceError: with x = N sqrt(R_wire G) and the residual.
        ValueError: levels of another shape, infinite, or all floating.
    """
    network = array.network
    _check_levels((network.rows, network.columns), row_levels, column_levels)
    s_row, v_row = line_drivers(row_levels, array.row_resistance)
    s_col, v_col = line_drivers(column_levels, array.column_resistance)
    change_drivers(network, s_row, s_col)
    volts = np.empty((network.rows, network.columns))
    row_current, column_current = np.empty(network.rows), np.empty(network.columns)
    lines = Lines(1.0 / network.wire_row, 1.0 / network.wire_col, s_row, s_col, v_row, v_col)
    iterations, residual = solve_network(
        network,
        array.workspace,
        lines,
        _NO_EMF,
        TOLERANCE,
        MOST_ITERATIONS,
        volts,
        row_current,
        column_current,
    )
    if iterations < 0:
        raise no_convergence(conductances_of(network), array.wires, residual)
    return Solution(volts, row_current, column_current, iterations)


def solve(
    conductance: Floats,
    row_levels: Floats,
    column_levels: Floats,
    wires: Wires,
    *,
    row_resistance: float,
    column_resistance: float,
) -> Solution:
    """Solve one array for one set of levels; `factor_array` and `solve_factored` in one.

    Raises:
        ConvergenceError: with x = N sqrt(R_wire G) and the residual.
        ValueError: shapes, signs or levels out of range.
    """
    array = factor_array(
        conductance, wires, row_resistance=row_resistance, column_resistance=column_resistance
    )
    return solve_factored(array, row_levels, column_levels)


def no_convergence(conductance: Floats, wires: Wires, residual: float) -> ConvergenceError:
    """The error of a solve that did not converge, with x and the residual."""
    segment = max(wires.row_segment, wires.column_segment)
    x = max(conductance.shape) * math.sqrt(segment * float(np.mean(conductance)))
    return ConvergenceError(
        f"the array solve stopped after {MOST_ITERATIONS} iterations with a residual of {residual:.3g} V "
        f"(accepted: {TOLERANCE:g} V) at x = N sqrt(R_wire G) = {x:.3g}; use smaller tiles or check the "
        "conductances"
    )


def device_voltages(
    conductance: ArrayLike,
    row_levels: ArrayLike,
    column_levels: ArrayLike,
    *,
    wire_resistance: float | tuple[float, float],
    source_resistance: float,
    sense_resistance: float,
) -> Floats:
    """Voltage across every device of a passive array, for one-off use and checks.

    Args:
        conductance: (rows, columns), S, > 0.
        row_levels: (rows,), V, driven at the column-0 end; NaN floats the row.
        column_levels: (columns,), V, driven at the last-row end; NaN floats the column.
        wire_resistance: ohm of one segment between neighbours, or a (row, column) pair.
        source_resistance: ohm between a row and its level.
        sense_resistance: ohm between a column and its level.

    Returns:
        (rows, columns), V, row minus column.

    Raises:
        ConvergenceError: the solve did not reach its accuracy; names x and the residual.
        ValueError: an argument is out of range.
    """
    row_wire, column_wire = (
        wire_resistance if isinstance(wire_resistance, tuple) else (wire_resistance, wire_resistance)
    )
    return solve(
        np.array(conductance, dtype=np.float64),
        np.array(row_levels, dtype=np.float64),
        np.array(column_levels, dtype=np.float64),
        Wires(row_wire, column_wire, source_resistance, sense_resistance),
        row_resistance=source_resistance,
        column_resistance=sense_resistance,
    ).voltages


def _check_conductances(conductance: Floats) -> None:
    if conductance.ndim != 2 or conductance.size == 0:
        raise ValueError(f"conductance has shape {conductance.shape}; (rows, columns) is needed")
    if not (np.isfinite(conductance).all() and (conductance > 0.0).all()):
        raise ValueError("every conductance must be finite and > 0 S")


def _check_levels(shape: tuple[int, int], row_levels: Floats, column_levels: Floats) -> None:
    if row_levels.shape != shape[:1] or column_levels.shape != shape[1:]:
        raise ValueError(
            f"levels of shapes {row_levels.shape} and {column_levels.shape} do not fit an array of "
            f"{shape[0]} rows and {shape[1]} columns"
        )
    if np.isinf(row_levels).any() or np.isinf(column_levels).any():
        raise ValueError("a level is infinite; give volts, or NaN for a floating line")
    if np.isnan(row_levels).all() and np.isnan(column_levels).all():
        raise ValueError("every line floats, so no voltage is defined; drive at least one line")
