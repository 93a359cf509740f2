"""Compiled pulses of an array: drift, voltages, flips, wear."""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats
from .array_kernels import pulse_voltages, wear
from .compiled_array import CompiledArray, cells_changed, states_changed
from .events import pulse_events
from .lines import take_levels
from .network import MOST_ITERATIONS, TOLERANCE
from .sampler import draw_flips, drift


@kernel
def apply_levels(
    array: CompiledArray, row_levels: Floats, column_levels: Floats, widths: Floats, edges: Floats,
    repeat: int, row_currents: Floats, column_currents: Floats,
) -> tuple[float, float, int, int, float]:  # fmt: skip
    """Give a pulse `repeat` times; every cell may flip by the voltage it sees, and is worn by it.

    Args:
        array: changed.
        row_levels: (rows,), V; NaN floats.
        column_levels: (columns,), V; NaN floats.
        widths: of each row, (rows,), s; 0 keeps a gate closed.
        edges: the distinct widths other than 0, rising, s.
        repeat: >= 1.
        row_currents: returned, of the first interval of the first repeat, (rows,), A.
        column_currents: returned, the same, (columns,), A.

    Returns:
        Energy in J, the residual in V of a solve that failed (0 if none did; no cell was flipped by that
        repeat, and later ones are not given), flips, broken junctions, and the largest line current, A.
    """
    volts = array.volts
    if edges.size > 1:
        rows, columns = array.state.shape
        volts = np.empty((edges.size, rows, columns))
    return _apply(
        array, row_levels, column_levels, widths, edges, repeat, volts, row_currents, column_currents
    )


@kernel
def _apply(
    array: CompiledArray, row_levels: Floats, column_levels: Floats, widths: Floats, edges: Floats,
    repeat: int, volts: Floats, row_currents: Floats, column_currents: Floats,
) -> tuple[float, float, int, int, float]:  # fmt: skip
    """As `apply_levels`; `volts` is scratch, (edges, rows, columns)."""
    lines = array.pulse_lines
    take_levels(row_levels, array.driver, lines.s_row, lines.v_row)
    take_levels(column_levels, array.driver, lines.s_col, lines.v_col)
    energy, peak, flips, broken = 0.0, 0.0, 0, 0
    for k in range(repeat):
        if drift(array.sampler, array.pulses):
            array.summed[:] = 0
        flipped = 0
        if array.events:
            given, residual, flipped = pulse_events(
                array.cells, array.state, array.dynamics, array.access, lines, widths, edges, TOLERANCE,
                MOST_ITERATIONS, array.pulse_network, array.work, array.seed, array.number, array.pulses,
                array.row_current, array.column_current, array.volts[0], array.flipped,
            )  # fmt: skip
        else:
            given, residual = pulse_voltages(
                array.cells, array.state, array.dynamics, array.access, lines, widths, edges, TOLERANCE,
                MOST_ITERATIONS, array.pulse_network, array.work, array.loaded, volts, array.opened,
                array.row_current, array.column_current, array.spare_row, array.spare_column,
            )  # fmt: skip
        if math.isnan(given):
            array.loaded = False
            return energy, max(residual, TOLERANCE), flips, broken, peak
        array.loaded = True
        if not array.events:
            flipped = draw_flips(
                array.sampler, array.state, volts, edges, array.low, array.high, array.pulses
            )
        array.pulses += 1
        if flipped > 0 or array.events:
            states_changed(array)
        energy += given
        flips += flipped
        broken += _worn(array, volts, edges)
        for current in array.row_current:
            peak = max(peak, abs(current))
        for current in array.column_current:
            peak = max(peak, abs(current))
        if k == 0:
            row_currents[:] = array.row_current
            column_currents[:] = array.column_current
    return energy, 0.0, flips, broken, peak


@kernel
def _worn(array: CompiledArray, volts: Floats, edges: Floats) -> int:
    """Wear the junctions by one pulse; returns how many broke."""
    broken, began = 0, 0.0
    if array.events:
        broken = wear(array.cells, array.dynamics, array.volts[0], edges[-1])
    else:
        for k in range(edges.size):
            broken += wear(array.cells, array.dynamics, volts[k], edges[k] - began)
            began = edges[k]
    if broken > 0:
        cells_changed(array)
    return broken
