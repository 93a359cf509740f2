"""Reads, and levels that stay, by solving the array."""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats
from .array_kernels import driver_power
from .bias import factor_biased, solve_biased, solve_pulse
from .cell_panels import load_cells
from .compiled_array import CompiledArray
from .effective import KNOWN
from .line_solver import Network
from .lines import Lines, take_levels
from .network import MOST_ITERATIONS, TOLERANCE


@kernel
def load_array(array: CompiledArray) -> None:
    """Have the present cells and states in the scratch of the solves."""
    if not array.loaded:
        load_cells(array.cells, array.state, array.work)
        array.loaded = True


@kernel
def factored(array: CompiledArray, forward: bool) -> None:
    """Have the lines of one orientation, all driven, factored for the present states."""
    if forward and not array.forward_ready:
        _factor(array, array.forward_network, array.forward_lines)
        array.forward_ready = True
        array.forward_matrix.held[:] = array.state
        array.forward_matrix.counts[KNOWN] = 0
    elif not forward and not array.transposed_ready:
        _factor(array, array.transposed_network, array.transposed_lines)
        array.transposed_ready = True
        array.transposed_matrix.held[:] = array.state
        array.transposed_matrix.counts[KNOWN] = 0


@kernel
def _factor(array: CompiledArray, network: Network, lines: Lines) -> None:
    """Factor lines for the slopes of all cells at zero bias."""
    load_array(array)
    lines.v_row[:] = 0.0
    lines.v_col[:] = 0.0
    array.opened[:] = 1
    factor_biased(network, array.work, array.access, array.dynamics.half_voltage, array.opened, lines)


@kernel
def read_solved(
    array: CompiledArray, levels: Floats, forward: bool, currents: Floats
) -> tuple[float, float, float]:
    """One read, no line of which floats, by solving the array.

    Args:
        array: its junction voltages are left in `array.volts[0]`.
        levels: (driven lines,), V.
        forward: whether rows are driven.
        currents: returned, (sensed lines,), A.

    Returns:
        Power given by the drivers, W, the largest current of a line, A, and the residual of a solve that did
        not converge, V, 0 if it did.
    """
    factored(array, forward)
    lines = array.forward_lines if forward else array.transposed_lines
    driven = lines.v_row if forward else lines.v_col
    for k in range(levels.size):
        driven[k] = levels[k]
    network = array.forward_network if forward else array.transposed_network
    return _read_factored(array, network, lines, forward, currents)


@kernel
def read_floating(
    array: CompiledArray, levels: Floats, forward: bool, currents: Floats
) -> tuple[float, float, float]:
    """As `read_solved`, with driven lines of NaN level left floating."""
    lines = _floating_lines(array.forward_lines if forward else array.transposed_lines, levels, forward)
    _factor(array, array.pulse_network, lines)
    for k in range(levels.size):
        (lines.v_row if forward else lines.v_col)[k] = 0.0 if math.isnan(levels[k]) else levels[k]
    return _read_factored(array, array.pulse_network, lines, forward, currents)


@kernel
def _read_factored(
    array: CompiledArray, network: Network, lines: Lines, forward: bool, currents: Floats
) -> tuple[float, float, float]:
    load_array(array)
    array.opened[:] = 1
    outer, residual = solve_biased(
        network, array.work, array.access, array.dynamics.half_voltage, array.opened, lines, TOLERANCE,
        MOST_ITERATIONS, array.nothing, array.volts[0], array.row_current, array.column_current,
    )  # fmt: skip
    if outer < 0:
        return 0.0, 0.0, max(residual, TOLERANCE)
    rows, columns = array.row_current, array.column_current
    peak = 0.0
    for current in rows:
        peak = max(peak, abs(current))
    for current in columns:
        peak = max(peak, abs(current))
    for k in range(currents.size):
        currents[k] = columns[k] if forward else -rows[k]
    return driver_power(lines, rows, columns), peak, 0.0


@kernel
def _floating_lines(lines: Lines, levels: Floats, forward: bool) -> Lines:
    """Copies of lines, with those of NaN level left floating."""
    found = Lines(
        lines.g_row, lines.g_col, lines.s_row.copy(), lines.s_col.copy(), np.zeros(lines.v_row.size),
        np.zeros(lines.v_col.size),
    )  # fmt: skip
    for k in range(levels.size):
        if math.isnan(levels[k]):
            (found.s_row if forward else found.s_col)[k] = 0.0
    return found


@kernel
def solve_static(
    array: CompiledArray, row_levels: Floats, column_levels: Floats, junctions: Floats, row_currents: Floats,
    column_currents: Floats,
) -> float:  # fmt: skip
    """Voltages and currents of levels that stay, all gates open, every connected line with the driver
    resistance.

    Args:
        array: not changed but for scratch.
        row_levels: (rows,), V; NaN floats.
        column_levels: (columns,), V; NaN floats.
        junctions: returned voltage of each junction, (rows, columns), V.
        row_currents: returned, into the array, (rows,), A.
        column_currents: returned, out of the array, (columns,), A.

    Returns:
        The residual of a solve that did not converge, V; 0 if it did.
    """
    load_array(array)
    array.opened[:] = 1
    nothing, half_voltage = np.empty((0, 0)), array.dynamics.half_voltage
    lines = array.pulse_lines
    take_levels(row_levels, array.driver, lines.s_row, lines.v_row)
    take_levels(column_levels, array.driver, lines.s_col, lines.v_col)
    if lines.s_row.all() and lines.s_col.all() and not (lines.v_row.any() and lines.v_col.any()):
        if not array.rest_ready:
            _factor(array, array.rest_network, array.rest_lines)
            array.rest_ready = True
        outer, residual = solve_biased(
            array.rest_network, array.work, array.access, half_voltage, array.opened, lines, TOLERANCE,
            MOST_ITERATIONS, nothing, junctions, row_currents, column_currents,
        )  # fmt: skip
    else:
        outer, residual = solve_pulse(
            array.pulse_network, array.work, array.access, half_voltage, array.opened, lines, TOLERANCE,
            MOST_ITERATIONS, nothing, junctions, row_currents, column_currents,
        )  # fmt: skip
    return max(residual, TOLERANCE) if outer < 0 else 0.0
