"""Device voltages of a resistive crossbar, exact in wires, drivers, sneak paths and floating lines."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ConvergenceError
from ._types import Floats
from .line_solver import solve_network
from .lines import Lines

TOLERANCE = 1e-9
"""Stopping size of the preconditioned residual, V. At x = 100 the error is about 5,000 times larger."""
MOST_ITERATIONS = 5_000
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
    floating = np.isnan(levels)
    return np.where(floating, 0.0, conductance_of(resistance)), np.where(floating, 0.0, levels)


def solve(
    conductance: Floats,
    row_levels: Floats,
    column_levels: Floats,
    wires: Wires,
    *,
    row_resistance: float,
    column_resistance: float,
) -> Solution:
    """Solve one array for one set of levels.

    Args:
        conductance: (rows, columns), S, > 0.
        row_levels: (rows,), V; NaN floats the row. Rows are driven at their column-0 end.
        column_levels: (columns,), V; NaN floats the column. Columns are driven at their last-row end.
        wires: segment resistances.
        row_resistance: driver or sense resistance of the rows, ohm.
        column_resistance: driver or sense resistance of the columns, ohm.

    Raises:
        ConvergenceError: with x = N sqrt(R_wire G) and the residual.
        ValueError: shapes, signs or levels out of range.
    """
    _check(conductance, row_levels, column_levels)
    s_row, v_row = line_drivers(row_levels, row_resistance)
    s_col, v_col = line_drivers(column_levels, column_resistance)
    volts = np.empty(conductance.shape)
    row_current, column_current = np.empty(len(v_row)), np.empty(len(v_col))
    iterations, residual = solve_network(
        np.ascontiguousarray(conductance),
        Lines(
            conductance_of(wires.row_segment),
            conductance_of(wires.column_segment),
            s_row,
            s_col,
            v_row,
            v_col,
        ),
        TOLERANCE,
        MOST_ITERATIONS,
        volts,
        row_current,
        column_current,
    )
    if iterations < 0:
        raise no_convergence(conductance, wires, residual)
    return Solution(volts, row_current, column_current, iterations)


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


def _check(conductance: Floats, row_levels: Floats, column_levels: Floats) -> None:
    if conductance.ndim != 2 or conductance.size == 0:
        raise ValueError(f"conductance has shape {conductance.shape}; (rows, columns) is needed")
    if not (np.isfinite(conductance).all() and (conductance > 0.0).all()):
        raise ValueError("every conductance must be finite and > 0 S")
    if row_levels.shape != conductance.shape[:1] or column_levels.shape != conductance.shape[1:]:
        raise ValueError(
            f"levels of shapes {row_levels.shape} and {column_levels.shape} do not fit an array of "
            f"{conductance.shape[0]} rows and {conductance.shape[1]} columns"
        )
    if np.isinf(row_levels).any() or np.isinf(column_levels).any():
        raise ValueError("a level is infinite; give volts, or NaN for a floating line")
    if np.isnan(row_levels).all() and np.isnan(column_levels).all():
        raise ValueError("every line floats, so no voltage is defined; drive at least one line")
