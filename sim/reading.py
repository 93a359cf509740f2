"""Compiled reads of an array: currents, read disturb, noise."""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats
from .array_kernels import add_noise, driver_power
from .bias import factor_biased, solve_biased, solve_pulse
from .cell_panels import load_cells
from .cells import junction_conductance
from .compiled_array import CompiledArray, states_changed
from .disturb import disturb_possible, draw_disturb, hazard_bounds, rung_of, sum_bounds
from .effective import (
    ERROR,
    KNOWN,
    MOST_UPDATES,
    RETRY,
    SAVED,
    SPARE,
    UPDATES,
    USELESS,
    add_odd_currents,
    change_matrix,
    make_matrix,
    read_linear,
)
from .line_solver import Network
from .lines import Lines, take_levels
from .network import MOST_ITERATIONS, TOLERANCE
from .odd_currents import change_odd_parts, prepare_odd_parts
from .panels import padded

SOLVE, USE, UPDATE, MAKE = 0, 1, 2, 3
"""Ways to make a read, see `_way_to_read`."""


@kernel
def read_levels(
    array: CompiledArray, levels: Floats, forward: bool, duration: float, noise: float, currents: Floats
) -> tuple[float, float, float]:
    """Read once for each row of `levels`, with read disturb.

    Args:
        array: changed where a cell is disturbed.
        levels: (reads, driven lines), V; NaN floats.
        forward: drive rows and sense columns; otherwise the reverse.
        duration: of one read, s.
        noise: standard deviation added to each current, A.
        currents: returned, (reads, sensed lines), A.

    Returns:
        Energy in J, largest line current in A, and the residual in V of a solve that did not converge (0 if
        all did).
    """
    if duration != array.read_duration:
        array.read_duration = duration
        array.bounded[:] = 0
        array.summed[:] = 0
    energy, peak = 0.0, 0.0
    spare = array.spare_column if forward else array.spare_row
    pull = array.pull_columns if forward else array.pull_rows
    for k in range(levels.shape[0]):
        floating = False
        for level in levels[k]:
            floating |= math.isnan(level)
        rung = _ready_rung(array, levels[k], forward, floating)
        way = SOLVE if floating else _way_to_read(array, levels[k], forward)
        if way == MAKE:
            _make_matrix(array, levels[k], forward, currents[k], spare)
        if way == USE or (way == UPDATE and _update(array, forward)):
            power, largest = _read_matrix(array, levels[k], forward, currents[k])
            residual = 0.0
            due = disturb_possible(
                array.cells, array.state, array.dynamics, levels[k], forward, pull, array.sums[rung],
                duration, array.seed, array.number, array.reads,
            )  # fmt: skip
            if due:  # which cell flips depends on the true voltages
                _, _, residual = _read_solved(array, levels[k], forward, False, spare)
        else:
            due = True
            power, largest, residual = _read_solved(array, levels[k], forward, floating, currents[k])
        if residual > 0.0:
            return energy, peak, residual
        if due:
            _disturb(array, rung)
        energy += power * duration
        peak = max(peak, largest)
        array.reads += 1
    if noise > 0.0:
        first = array.reads - levels.shape[0]
        add_noise(currents, noise, array.seed, array.number, first)
    return energy, peak, 0.0


@kernel
def _largest_of(levels: Floats) -> float:
    largest = 0.0
    for level in levels:
        largest = max(largest, abs(level))
    return largest


@kernel
def _ready_rung(array: CompiledArray, levels: Floats, forward: bool, floating: bool) -> int:
    """Rung of these levels, with its bounds of read disturb made."""
    # Nodes of floating lines may be anywhere between the levels.
    rung = rung_of(levels, 1.0 if floating else array.pull_columns if forward else array.pull_rows)
    if array.summed[rung] == 0:
        bounds = array.bounds[rung]
        if array.bounded[rung] == 0:
            hazard_bounds(
                array.cells, array.dynamics, rung, array.read_duration, array.sampler.headroom, bounds
            )
            array.bounded[rung] = 1
        sum_bounds(bounds, array.state, array.sums[rung])
        array.summed[rung] = 1
    return rung


@kernel
def _disturb(array: CompiledArray, rung: int) -> None:
    flips = draw_disturb(
        array.cells, array.state, array.dynamics, array.volts[0], array.sums[rung], array.read_duration,
        array.seed, array.number, array.reads,
    )  # fmt: skip
    if flips > 0:
        states_changed(array)


@kernel
def _load(array: CompiledArray) -> None:
    if not array.loaded:
        load_cells(array.cells, array.state, array.work)
        array.loaded = True


@kernel
def _factored(array: CompiledArray, forward: bool) -> None:
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
    _load(array)
    lines.v_row[:] = 0.0
    lines.v_col[:] = 0.0
    array.opened[:] = 1
    factor_biased(network, array.work, array.access, array.dynamics.half_voltage, array.opened, lines)


@kernel
def _read_solved(
    array: CompiledArray, levels: Floats, forward: bool, floating: bool, currents: Floats
) -> tuple[float, float, float]:
    """One read by solving the array; leaves the junction voltages in `array.volts[0]`."""
    network = array.forward_network if forward else array.transposed_network
    lines = array.forward_lines if forward else array.transposed_lines
    if floating:
        network = array.pulse_network
        lines = _floating_lines(lines, levels, forward)
        _factor(array, network, lines)
        for k in range(levels.size):
            (lines.v_row if forward else lines.v_col)[k] = 0.0 if math.isnan(levels[k]) else levels[k]
    else:
        _factored(array, forward)
        (lines.v_row if forward else lines.v_col)[:] = levels
    _load(array)
    array.opened[:] = 1
    outer, residual = solve_biased(
        network, array.work, array.access, array.dynamics.half_voltage, array.opened, lines, TOLERANCE,
        MOST_ITERATIONS, array.nothing, array.volts[0], array.row_current, array.column_current,
    )  # fmt: skip
    if outer < 0:
        return 0.0, 0.0, max(residual, TOLERANCE)
    power, peak = driver_power(lines, array.row_current, array.column_current), 0.0
    for current in array.row_current:
        peak = max(peak, abs(current))
    for current in array.column_current:
        peak = max(peak, abs(current))
    if forward:
        currents[:] = array.column_current
    else:
        for i in range(currents.size):
            currents[i] = -array.row_current[i]
    return power, peak, 0.0


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
def _way_to_read(array: CompiledArray, levels: Floats, forward: bool) -> int:
    """Whether to solve this read, to use the effective conductances, or to update or make them first.

    They are made once as many reads were solved as making them costs, less the updates that flips would have
    cost meanwhile, and dropped when updates cost more than the reads since have saved.
    """
    effective = array.forward_matrix if forward else array.transposed_matrix
    if effective.matrix.shape[0] == 0:
        return SOLVE
    if effective.counts[USELESS] > 0:
        effective.counts[USELESS] -= 1
        return SOLVE
    changed = 0
    if not (array.forward_ready if forward else array.transposed_ready):
        for i in range(array.state.shape[0]):
            for j in range(array.state.shape[1]):
                changed += array.state[i, j] != effective.held[i, j]
        if changed == 0 and effective.counts[KNOWN] == 1:  # flipped and flipped back
            if forward:
                array.forward_ready = True
            else:
                array.transposed_ready = True
    counts = effective.counts
    if counts[KNOWN] == 1:
        # Reads have earned what updates may cost; where flips are as many as reads, solving is cheaper.
        counts[SAVED] = min(counts[SAVED] + 1, levels.size) - changed
        if counts[SAVED] < 0 or counts[UPDATES] + changed > MOST_UPDATES:
            counts[KNOWN] = counts[SAVED] = 0
    if counts[KNOWN] == 0:
        counts[SAVED] = max(counts[SAVED] - changed, 0) + 1
        return MAKE if counts[SAVED] > levels.size else SOLVE
    if _largest_of(levels) > effective.span[0] * (1.0 + 1e-9):
        return SOLVE
    return UPDATE if changed > 0 else USE


@kernel
def _update(array: CompiledArray, forward: bool) -> bool:
    """Carry the flips since the last read into matrix and network; False if a solve failed."""
    network = array.forward_network if forward else array.transposed_network
    effective = array.forward_matrix if forward else array.transposed_matrix
    for i in range(array.state.shape[0]):
        for j in range(array.state.shape[1]):
            state = array.state[i, j]
            if state != effective.held[i, j]:
                residual = change_matrix(
                    network, array.work, forward, effective, i, j,
                    _slope_at_rest(array, i, j), MOST_ITERATIONS, array.row_current, array.column_current,
                )  # fmt: skip
                if residual > 0.0:
                    effective.counts[KNOWN] = 0
                    return False
                change_odd_parts(
                    effective.odd, network, array.cells, array.state, array.access,
                    array.dynamics.half_voltage, forward, i, j,
                )  # fmt: skip
                effective.held[i, j] = state
    if forward:
        array.forward_ready = True
    else:
        array.transposed_ready = True
    return True


@kernel
def _slope_at_rest(array: CompiledArray, i: int, j: int) -> float:
    """dI/dV of cell (i, j) with its transistor open at zero bias, S."""
    junction = junction_conductance(array.cells, array.state, array.dynamics.half_voltage, 0.0, i, j)
    return junction / (1.0 + array.access.resistance * junction)


@kernel
def _make_matrix(array: CompiledArray, levels: Floats, forward: bool, exact: Floats, found: Floats) -> None:
    """Make the matrix, and compare reads with it with exact ones: all lines at the largest level, where drops
    and N are largest, and the read asked for. `exact` and `found` are scratch, (sensed lines,)."""
    network = array.forward_network if forward else array.transposed_network
    lines = array.forward_lines if forward else array.transposed_lines
    effective = array.forward_matrix if forward else array.transposed_matrix
    _factored(array, forward)
    effective.counts[SAVED] = levels.size // 2
    residual = make_matrix(
        network, array.work, lines, forward, effective, MOST_ITERATIONS, array.row_current,
        array.column_current,
    )  # fmt: skip
    prepare_odd_parts(
        effective.odd, network, array.cells, array.state, array.access, array.dynamics.half_voltage, forward
    )
    effective.counts[KNOWN] = 1 if residual == 0.0 else 0
    effective.span[0] = SPARE * _largest_of(levels)
    for trial in range(2):
        asked = np.full(levels.size, effective.span[0]) if trial == 0 else levels
        _, _, failed = _read_solved(array, asked, forward, False, exact)
        _read_matrix(array, asked, forward, found)
        if residual == 0.0 and (failed > 0.0 or not _close(array, forward, exact, found)):
            effective.counts[KNOWN] = 0
            effective.counts[USELESS] = RETRY * levels.size


@kernel
def _close(array: CompiledArray, forward: bool, exact: Floats, found: Floats) -> bool:
    """Whether currents of all sensed lines agree to what `ERROR` across all their cells would carry."""
    for line in range(exact.size):
        total = 0.0
        for k in range(array.state.shape[0] if forward else array.state.shape[1]):
            i, j = (k, line) if forward else (line, k)
            total += array.cells.conductance_p[i, j]
        if not abs(exact[line] - found[line]) < ERROR * total:
            return False
    return True


@kernel
def _read_matrix(
    array: CompiledArray, levels: Floats, forward: bool, currents: Floats
) -> tuple[float, float]:
    """One read with the effective conductances."""
    network = array.forward_network if forward else array.transposed_network
    effective = array.forward_matrix if forward else array.transposed_matrix
    read_linear(effective, levels, currents.size, True)
    add_odd_currents(network, array.dynamics.half_voltage, forward, effective, levels)
    carried, start = effective.lines.reshape(-1), padded(currents.size)
    power, peak = 0.0, 0.0
    for k in range(currents.size):
        currents[k] = carried[k]
        peak = max(peak, abs(carried[k]))
    for k in range(levels.size):
        power += levels[k] * carried[start + k]
        peak = max(peak, abs(carried[start + k]))
    return power, peak


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
    _load(array)
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
