"""An array as compiled code holds it: everything a pulse or a read needs, behind one reference."""

from dataclasses import dataclass

import numpy as np

from ..compiled import by_reference, kernel
from ._types import Floats, Floats32, Integers, States
from .cell_panels import BiasWorkspace, new_bias_workspace
from .cells import Access, Cells, Dynamics
from .disturb import RUNGS, largest_pull
from .effective import Effective, forget, new_effective
from .line_solver import Network, factor_lines, new_network
from .lines import Lines
from .noise import SIDE, Words32
from .philox import Word
from .sampler import Sampler, forget_cells


@by_reference
@dataclass
class CompiledArray:
    """One array of a die with its hidden state; made by `new_array`.

    Attributes:
        cells: parameters, worn in place.
        dynamics: how cells switch, conduct and wear.
        access: transistors.
        state: (rows, columns); 1 = P, 0 = AP.
        seed: key of all draws.
        number: of the array on its die.
        sampler: draws the flips of pulses.
        events: whether a flip within a pulse changes the voltages of that pulse.
        driver: conductance of a driven line, S.
        pulse_network: lines of a pulse; scratch.
        pulse_lines: drivers and levels of a pulse; scratch.
        forward_network: lines of forward reads.
        forward_lines: their drivers and levels.
        forward_matrix: their effective conductances.
        forward_ready: whether the lines are factored for the present states.
        transposed_network: as for forward reads.
        transposed_lines: as for forward reads.
        transposed_matrix: as for forward reads.
        transposed_ready: as for forward reads.
        rest_network: lines with the driver resistance on both sides, for static levels.
        rest_lines: their drivers and levels.
        rest_ready: whether these are factored for the present states.
        loaded: whether `work` holds the present cells and states.
        work: scratch of all solves.
        bounds: of read disturb: (rungs, 2, cells).
        bounded: which rungs of `bounds` hold, (rungs,).
        sums: running sums over the rows of the bounds of the present states, (rungs, rows).
        row_sums: of each row, (rungs, rows).
        summed: 1 where these hold, 2 where states may have changed since, 0 where nothing holds, (rungs,).
        summed_states: states that they are for, (rungs, rows, columns).
        pull_columns: see `disturb.largest_pull`; of the columns, sensed in forward reads.
        pull_rows: of the rows, sensed in transposed reads.
        read_duration: of the reads that `bounds` are for, s.
        pulses: given so far.
        reads: made so far.
        opened: scratch (rows,): which gates are open.
        widths: scratch (rows,), s.
        volts: scratch (1, rows, columns), V.
        low: scratch (cells,), V.
        high: scratch (cells,), V.
        row_current: of the last operation, (rows,), A.
        column_current: of the last operation, (columns,), A.
        flipped: scratch (cells,).
        spare_row: scratch (rows,), A.
        spare_column: scratch (columns,), A.
        nothing: (0, 0), for voltages that are not wanted.
        words: scratch of read noise, (64,).
        normals: scratch of read noise, (32,).
    """

    cells: Cells
    dynamics: Dynamics
    access: Access
    state: States
    seed: Word
    number: int
    sampler: Sampler
    events: bool
    driver: float
    pulse_network: Network
    pulse_lines: Lines
    forward_network: Network
    forward_lines: Lines
    forward_matrix: Effective
    forward_ready: bool
    transposed_network: Network
    transposed_lines: Lines
    transposed_matrix: Effective
    transposed_ready: bool
    rest_network: Network
    rest_lines: Lines
    rest_ready: bool
    loaded: bool
    work: BiasWorkspace
    bounds: Floats
    bounded: States
    sums: Floats
    row_sums: Floats
    summed: States
    summed_states: States
    pull_columns: float
    pull_rows: float
    read_duration: float
    pulses: int
    reads: int
    opened: States
    widths: Floats
    volts: Floats
    low: Floats
    high: Floats
    row_current: Floats
    column_current: Floats
    flipped: Integers
    spare_row: Floats
    spare_column: Floats
    nothing: Floats
    words: Words32
    normals: Floats32


@kernel
def new_array(
    cells: Cells, dynamics: Dynamics, access: Access, state: States, seed: Word, number: int,
    sampler: Sampler, events: bool, g_row: float, g_col: float, driver: float, sense: float,
) -> CompiledArray:  # fmt: skip
    """An array at rest.

    Args:
        cells: parameters, kept, not copied.
        dynamics: how cells switch, conduct and wear.
        access: transistors; a resistance of 0 for none.
        state: (rows, columns), kept, not copied.
        seed: key of all draws.
        number: of the array on its die.
        sampler: of the same cells.
        events: whether a flip within a pulse changes the voltages of that pulse.
        g_row: conductance of one row-wire segment, S.
        g_col: of one column-wire segment, S.
        driver: of a driven line, S.
        sense: of a sensed line, S.
    """
    rows, columns = state.shape
    size, rungs = rows * columns, RUNGS.size
    forward = _lines(rows, columns, g_row, g_col, driver, sense)
    transposed = _lines(rows, columns, g_row, g_col, sense, driver)
    pulse = _lines(rows, columns, g_row, g_col, driver, driver)
    rest = _lines(rows, columns, g_row, g_col, driver, driver)
    return CompiledArray(
        cells, dynamics, access, state, seed, number, sampler, events, driver,
        _network(pulse), pulse,
        _network(forward), forward, new_effective(rows, columns, True), False,
        _network(transposed), transposed, new_effective(rows, columns, False), False,
        _network(rest), rest, False,
        False, new_bias_workspace(rows, columns),
        np.empty((rungs, 2, size)), np.zeros(rungs, np.int8), np.empty((rungs, rows)),
        np.empty((rungs, rows)), np.zeros(rungs, np.int8), np.empty((rungs, rows, columns), np.int8),
        largest_pull(cells.conductance_p, 1.0 / g_col, 1.0 / sense, True),
        largest_pull(cells.conductance_p, 1.0 / g_row, 1.0 / sense, False),
        0.0, 0, 0,
        np.ones(rows, np.int8), np.empty(rows), np.empty((1, rows, columns)), np.empty(size), np.empty(size),
        np.zeros(rows), np.zeros(columns), np.empty(size, np.int64),
        np.zeros(rows), np.zeros(columns), np.empty((0, 0)),
        np.zeros(4 * SIDE, np.uint32), np.zeros(2 * SIDE, np.float32),
    )  # fmt: skip


@kernel
def _lines(rows: int, columns: int, g_row: float, g_col: float, s_row: float, s_col: float) -> Lines:
    return Lines(
        g_row, g_col, np.full(rows, s_row), np.full(columns, s_col), np.zeros(rows), np.zeros(columns)
    )


@kernel
def _network(lines: Lines) -> Network:
    """A network that knows its wires, with no conductance yet, nor in the padding ever."""
    empty = new_network(lines.s_row.size, lines.s_col.size)
    return factor_lines(empty, lines.g_row, lines.g_col, lines.s_row, lines.s_col)


@kernel
def states_changed(array: CompiledArray) -> None:
    """Drop what was computed from the previous states."""
    array.forward_ready = False
    array.transposed_ready = False
    array.rest_ready = False
    array.loaded = False
    for rung in range(array.summed.size):
        if array.summed[rung] == 1:
            array.summed[rung] = 2


@kernel
def cells_changed(array: CompiledArray) -> None:
    """Drop what was computed from cells that have changed."""
    array.bounded[:] = 0
    array.summed[:] = 0
    cells, lines = array.cells, array.forward_lines
    array.pull_columns = largest_pull(cells.conductance_p, 1.0 / lines.g_col, 1.0 / lines.s_col[0], True)
    lines = array.transposed_lines
    array.pull_rows = largest_pull(cells.conductance_p, 1.0 / lines.g_row, 1.0 / lines.s_row[0], False)
    forget_cells(array.sampler)
    forget(array.forward_matrix)
    forget(array.transposed_matrix)
    states_changed(array)


@kernel
def place_at(array: CompiledArray, pulses: int, reads: int) -> None:
    """Set the numbers of pulses and reads so far, which key the draws."""
    array.pulses = pulses
    array.reads = reads


@kernel
def shape_of(array: CompiledArray) -> tuple[int, int]:
    """Rows and columns."""
    rows, columns = array.state.shape
    return rows, columns


@kernel
def counts_of(array: CompiledArray) -> tuple[int, int]:
    """Pulses and reads so far."""
    return array.pulses, array.reads
