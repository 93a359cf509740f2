"""Reads with effective conductances: against independent solutions, through flips, with disturb."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.compiled import kernel
from mtjloop.sim.array import SimulatedArray, Transistors
from mtjloop.sim.compiled_array import CompiledArray
from mtjloop.sim.device import Die, Junction
from mtjloop.sim.die import draw_tile
from mtjloop.sim.effective import KNOWN, UPDATES, USELESS
from mtjloop.sim.network import Wires, device_voltages

Floats = NDArray[np.float64]
WIRES = Wires(1.0, 2.0, 5.0, 8.0)
ROWS, COLUMNS = 40, 30
BRIEF = 1e-12


@kernel
def never_use(array: CompiledArray) -> None:
    array.forward_matrix.counts[USELESS] = 1_000_000
    array.transposed_matrix.counts[USELESS] = 1_000_000


@kernel
def matrix_counts(array: CompiledArray, forward: bool) -> NDArray[np.int64]:
    return array.forward_matrix.counts if forward else array.transposed_matrix.counts


def make(die: Die, transistors: Transistors | None = None, wires: Wires = WIRES) -> SimulatedArray:
    return SimulatedArray(draw_tile(die, ROWS, COLUMNS, 1, 0), wires, transistors, 1, 0)


def signals(forward: bool, reads: int, size: float = 0.1) -> Floats:
    levels = np.random.default_rng(reads).uniform(-size, size, (reads, ROWS if forward else COLUMNS))
    levels[0] = size
    return levels


def to_volts(array: SimulatedArray, forward: bool) -> float:
    """Currents of a sensed line that 1 V across all its cells would carry, the least of all lines."""
    return float(array.cells.conductance_p.sum(axis=0 if forward else 1).min())


def flip(arrays: list[SimulatedArray], cells: list[tuple[int, int]]) -> None:
    for array in arrays:
        state = array.state
        for cell in cells:
            state[cell] ^= 1
        array.restore(state, array.pulses, array.reads)


@pytest.mark.parametrize("forward", [True, False])
def test_linear_reads_agree_with_solved_voltages_through_flips(forward: bool) -> None:
    """Against sums of g V over the cells, V from `device_voltages`, which knows no effective conductances."""
    array = make(Die(Junction(tmr_half_voltage=1e6)))
    levels = signals(forward, ROWS + 20)
    array.read(levels, forward, BRIEF, 0.0)
    counts = matrix_counts(array.compiled, forward)
    assert counts[KNOWN] == 1
    rng = np.random.default_rng(0)
    updates = 0
    for flips in (1, 1, 2, 4, 20):
        cells = rng.choice(ROWS * COLUMNS, flips, replace=False)
        flip([array], [(int(cell) // COLUMNS, int(cell) % COLUMNS) for cell in cells])
        updates += flips
        found = array.read(levels[-1:], forward, BRIEF, 0.0)
        assert (counts[KNOWN], counts[UPDATES]) == (1, updates)
        conductance = array.cells.conductance_p / np.where(array.state == 1, 1.0, 1.0 + array.cells.tmr)
        volts = device_voltages(
            conductance,
            levels[-1] if forward else np.zeros(ROWS),
            np.zeros(COLUMNS) if forward else levels[-1],
            wire_resistance=(WIRES.row_segment, WIRES.column_segment),
            source_resistance=WIRES.driver if forward else WIRES.sense,
            sense_resistance=WIRES.sense if forward else WIRES.driver,
        )
        flows = conductance * volts
        sensed = flows.sum(axis=0) if forward else -flows.sum(axis=1)
        driven = flows.sum(axis=1) if forward else -flows.sum(axis=0)
        assert np.abs(found.currents[0] - sensed).max() < 2e-6 * to_volts(array, forward)
        assert found.energy == pytest.approx(BRIEF * float(driven @ levels[-1]), rel=1e-4)
        assert found.peak_current == pytest.approx(max(np.abs(sensed).max(), np.abs(driven).max()), rel=1e-4)


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("access", [0.0, 1000.0])
def test_reads_with_tmr_of_bias_agree_with_solved_ones(forward: bool, access: float) -> None:
    transistors = Transistors(access) if access else None
    one, other = make(Die(), transistors), make(Die(), transistors)
    never_use(other.compiled)
    levels = signals(forward, ROWS + 20)
    for count in (0, 1, 3):
        flip([one, other], [(7 + k, 5 + 2 * k) for k in range(count)])
        found = one.read(levels, forward, BRIEF, 0.0)
        solved = other.read(levels, forward, BRIEF, 0.0)
        assert matrix_counts(one.compiled, forward)[KNOWN] == 1
        assert np.abs(found.currents - solved.currents).max() < 5e-6 * to_volts(one, forward)
        assert found.energy == pytest.approx(solved.energy, rel=1e-4)
    without = make(Die(Junction(tmr_half_voltage=1e6)), transistors).read(levels, forward, BRIEF, 0.0)
    assert np.abs(without.currents - solved.currents).max() > 50e-6 * to_volts(one, forward)


def test_levels_beyond_those_compared_are_solved() -> None:
    """At five times the level TMR(V) is no small correction; the matrix may not be used unlooked at."""
    one, other = make(Die()), make(Die())
    never_use(other.compiled)
    for size in (0.1, 0.5):
        levels = signals(True, ROWS + 20, size)
        found, solved = (array.read(levels, True, BRIEF, 0.0) for array in (one, other))
        assert np.abs(found.currents - solved.currents).max() < 5e-6 * to_volts(one, True)


def test_many_flips_at_once_make_the_matrix_anew_only_when_it_pays() -> None:
    array, other = make(Die()), make(Die())
    never_use(other.compiled)
    levels = signals(True, ROWS + 20)
    array.read(levels, True, BRIEF, 0.0)
    counts = matrix_counts(array.compiled, True)
    flip([array, other], [(i, j) for i in range(ROWS) for j in range(COLUMNS) if (i + j) % 3 == 0])
    array.read(levels[:5], True, BRIEF, 0.0)
    assert counts[KNOWN] == 0
    found = array.read(levels, True, BRIEF, 0.0)
    assert counts[KNOWN] == 1
    solved = other.read(levels, True, BRIEF, 0.0)
    assert np.abs(found.currents - solved.currents).max() < 5e-6 * to_volts(array, True)


def test_disturb_flips_the_same_cells_whichever_way_reads_are_made() -> None:
    one, other = make(Die()), make(Die())
    never_use(other.compiled)
    levels = signals(True, 100, 0.2)
    for _ in range(5):
        for array in (one, other):
            array.read(levels, True, 1e-4, 0.0)
        assert (one.state == other.state).all()
    assert (one.state != make(Die()).state).sum() >= 5


def test_a_matrix_that_missed_is_tried_again() -> None:
    array, other = make(Die()), make(Die())
    never_use(other.compiled)
    counts = matrix_counts(array.compiled, True)
    counts[USELESS] = 10
    levels = signals(True, ROWS + 20)
    array.read(levels[:10], True, BRIEF, 0.0)
    assert (counts[KNOWN], counts[USELESS]) == (0, 0)
    found = array.read(levels, True, BRIEF, 0.0)
    assert counts[KNOWN] == 1
    solved = other.read(levels, True, BRIEF, 0.0)
    assert np.abs(found.currents - solved.currents).max() < 5e-6 * to_volts(array, True)
