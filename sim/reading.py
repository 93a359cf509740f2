"""Compiled reads of an array: currents, read disturb, noise."""

import numpy as np

from ..compiled import kernel
from ._types import Floats, Integers, States
from .cells import junction_conductance
from .compiled_array import CompiledArray, states_changed
from .disturb import disturb_possible, draw_disturb, hazard_bounds, rung_of, sum_rows, wait_passed
from .effective import (
    ERROR,
    KNOWN,
    MOST_UPDATES,
    RETRY,
    SAVED,
    SPARE,
    TOGETHER,
    UPDATES,
    USELESS,
    make_matrix,
    read_whole,
)
from .effective_update import change_matrix
from .network import MOST_ITERATIONS
from .noise import add_noise
from .odd_currents import change_odd_parts, prepare_odd_parts
from .solved_reads import factored, read_floating, read_solved

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
    for k in range(levels.shape[0]):
        power, largest, residual = _read_once(array, levels[k], forward, currents[k])
        if residual > 0.0:
            return energy, peak, residual
        energy += power * duration
        peak = max(peak, largest)
        if noise > 0.0:
            add_noise(currents[k], noise, array.seed, array.number, array.reads, array.words, array.normals)
        array.reads += 1
    return energy, peak, 0.0


@kernel
def _read_once(
    array: CompiledArray, levels: Floats, forward: bool, currents: Floats
) -> tuple[float, float, float]:
    """One read without noise: power in W, and largest current and residual as `read_levels` returns them."""
    low, high, floating = _span_of(levels)
    pull = array.pull_columns if forward else array.pull_rows
    # Nodes of floating lines may be anywhere between the levels.
    rung = rung_of(low, high, 1.0 if floating else pull)
    _ready_rung(array, rung)
    way = SOLVE if floating else _way_to_read(array, levels, max(high, -low), forward)
    spare = array.spare_column if forward else array.spare_row
    if way == MAKE:
        _make_matrix(array, levels, max(high, -low), forward, currents, spare)
    # Most reads have no candidate of read disturb, and nothing of that need be looked at.
    calm = _calm(array, rung)
    if way == USE or (way == UPDATE and _update(array, forward)):
        power, largest = _read_matrix(array, levels, max(high, -low), forward, currents)
        if calm or not _disturb_possible(array, levels, low, high, forward, pull, rung):
            return power, largest, 0.0
        # Which cell flips depends on the true voltages.
        _, _, residual = read_solved(array, levels, forward, spare)
    elif floating:
        power, largest, residual = read_floating(array, levels, forward, currents)
    else:
        power, largest, residual = read_solved(array, levels, forward, currents)
    if residual > 0.0:
        return 0.0, 0.0, residual
    if not calm:
        _disturb(array, rung)
    return power, largest, 0.0


@kernel
def _read_matrix(
    array: CompiledArray, levels: Floats, largest: float, forward: bool, currents: Floats
) -> tuple[float, float]:
    effective = array.forward_matrix if forward else array.transposed_matrix
    lines = array.forward_lines
    segment = 1.0 / (lines.g_row if forward else lines.g_col)
    return read_whole(effective, segment, array.dynamics.half_voltage, levels, largest, currents)


@kernel
def _calm(array: CompiledArray, rung: int) -> bool:
    total = array.sums[rung, array.state.shape[0] - 1]
    wait, _ = wait_passed(total, array.seed, array.number, array.reads, 0)
    return bool(wait > total)


@kernel
def _disturb_possible(
    array: CompiledArray, levels: Floats, low: float, high: float, forward: bool, pull: float, rung: int
) -> bool:
    return disturb_possible(
        array.cells, array.state, array.dynamics, levels, low, high, forward, pull, array.bounds[rung],
        array.sums[rung], array.read_duration, array.seed, array.number, array.reads,
    )  # fmt: skip


@kernel
def _disturb(array: CompiledArray, rung: int) -> None:
    flips = draw_disturb(
        array.cells, array.state, array.dynamics, array.volts[0], array.bounds[rung], array.sums[rung],
        array.read_duration, array.seed, array.number, array.reads, array.flipped,
    )  # fmt: skip
    if flips > 0:
        states_changed(array)


@kernel
def _span_of(levels: Floats) -> tuple[float, float, bool]:
    """Least level and 0, largest level and 0, V, and whether any floats."""
    low, high, floating = 0.0, 0.0, False
    for level in levels:
        # Levels that set a record are few, so branches are cheaper than a chain of minima.
        if level > high:
            high = level
        if level < low:
            low = level
        if level != level:
            floating = True
    return low, high, floating


@kernel
def _ready_rung(array: CompiledArray, rung: int) -> None:
    """Have the bounds of read disturb of a rung, and their sums for the present states."""
    if array.summed[rung] == 1:
        return
    bounds = array.bounds[rung]
    if array.bounded[rung] == 0:
        hazard_bounds(array.cells, array.dynamics, rung, array.read_duration, array.sampler.headroom, bounds)
        array.bounded[rung] = 1
        array.summed[rung] = 0
    sum_rows(
        bounds, array.state, array.summed_states[rung], array.summed[rung] == 0, array.row_sums[rung],
        array.sums[rung],
    )  # fmt: skip
    array.summed[rung] = 1


@kernel
def _way_to_read(array: CompiledArray, levels: Floats, largest: float, forward: bool) -> int:
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
        changed = _find_changed(array.state, effective.held, array.flipped)
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
    if largest > effective.span[0] * (1.0 + 1e-9):
        return SOLVE
    return UPDATE if changed > 0 else USE


@kernel
def _find_changed(state: States, held: States, changed: Integers) -> int:
    """Numbers of the cells whose state is another than the one held, into `changed` (cells,); how many."""
    count = 0
    for i in range(state.shape[0]):
        some = 0
        for j in range(state.shape[1]):
            some += state[i, j] != held[i, j]
        if some > 0:
            for j in range(state.shape[1]):
                if state[i, j] != held[i, j]:
                    changed[count] = i * state.shape[1] + j
                    count += 1
    return count


@kernel
def _update(array: CompiledArray, forward: bool) -> bool:
    """Carry the flips since the last read, found by `_way_to_read`, into matrix and network; False if a solve
    failed."""
    network = array.forward_network if forward else array.transposed_network
    effective = array.forward_matrix if forward else array.transposed_matrix
    n, held, cells = array.state.shape[1], effective.held, array.flipped
    count = _find_changed(array.state, held, cells)
    for first in range(0, count, TOGETHER):
        some = min(TOGETHER, count - first)
        for k in range(some):
            i, j = cells[first + k] // n, cells[first + k] % n
            effective.update.conductances[k] = _slope_at_rest(array, i, j)
            held[i, j] = array.state[i, j]
        residual = change_matrix(
            network, array.work, forward, effective, cells, first, some, effective.update.conductances,
            MOST_ITERATIONS, array.row_current, array.column_current,
        )  # fmt: skip
        if residual > 0.0:
            effective.counts[KNOWN] = 0
            return False
    change_odd_parts(
        effective.odd, network, array.cells, array.state, array.access, array.dynamics.half_voltage, forward,
        effective.matrix, cells, count,
    )  # fmt: skip
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
def _make_matrix(
    array: CompiledArray, levels: Floats, largest: float, forward: bool, exact: Floats, found: Floats
) -> None:
    """Make the matrix, and compare reads with it with exact ones: all lines at the largest level, where drops
    and N are largest, and the read asked for. `exact` and `found` are scratch, (sensed lines,)."""
    network = array.forward_network if forward else array.transposed_network
    lines = array.forward_lines if forward else array.transposed_lines
    effective = array.forward_matrix if forward else array.transposed_matrix
    factored(array, forward)
    effective.counts[SAVED] = levels.size // 2
    residual = make_matrix(
        network, array.work, lines, forward, effective, MOST_ITERATIONS, array.row_current,
        array.column_current,
    )  # fmt: skip
    prepare_odd_parts(
        effective.odd, network, array.cells, array.state, array.access, array.dynamics.half_voltage, forward,
        effective.matrix,
    )  # fmt: skip
    effective.counts[KNOWN] = 1 if residual == 0.0 else 0
    effective.span[0] = SPARE * largest
    for trial in range(2):
        asked = np.full(levels.size, effective.span[0]) if trial == 0 else levels
        _, _, failed = read_solved(array, asked, forward, exact)
        _read_matrix(array, asked, effective.span[0] if trial == 0 else largest, forward, found)
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
