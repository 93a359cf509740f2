"""What every backend promises. Only the contract is used: nothing here knows which backend it meets."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.drivers.contract import Applied, Bias, Crossbar, Pulse, Reading, SafeState
from mtjloop.errors import CapabilityError, LimitError

Floats = NDArray[np.float64]
STRONG, READ, WIDTH = 0.45, 0.1, 1e-4


def lines(crossbar: Crossbar, row: float, column: float) -> tuple[Floats, Floats]:
    rows, columns = crossbar.capabilities.shape
    return np.full(rows, row), np.full(columns, column)


def pulse_all(crossbar: Crossbar, volts: float) -> Applied:
    rows, columns = lines(crossbar, volts / 2, -volts / 2)
    return crossbar.apply(Pulse(rows, columns, WIDTH))


def conductances(crossbar: Crossbar) -> Floats:
    rows = crossbar.capabilities.rows
    return crossbar.read(Bias(np.eye(rows) * READ)).currents / READ


def test_capabilities_are_sound_and_constant(crossbar: Crossbar) -> None:
    can = crossbar.capabilities
    assert can.shape == (can.rows, can.columns) == (6, 5)
    assert 0 < can.minimum_width <= can.maximum_width
    assert can.voltage_range > 0
    assert can.gate_lines == (can.kind == "1T1R")
    pulse_all(crossbar, 0.1)
    assert crossbar.capabilities == can


def test_positive_pulse_lowers_resistance_and_negative_raises_it(crossbar: Crossbar) -> None:
    for _ in range(5):
        pulse_all(crossbar, STRONG)
    low = conductances(crossbar)
    for _ in range(5):
        pulse_all(crossbar, -STRONG)
    high = conductances(crossbar)
    assert (low > 1.3 * high).all()


def test_only_the_selected_cell_switches(crossbar: Crossbar) -> None:
    for _ in range(5):
        pulse_all(crossbar, -STRONG)
    before = conductances(crossbar)
    rows, columns = lines(crossbar, 0.0, 0.0)
    rows[2], columns[3] = 0.16, -0.16
    for _ in range(5):
        crossbar.apply(Pulse(rows, columns, WIDTH))
    changed = conductances(crossbar) > 1.2 * before
    assert changed[2, 3]
    assert changed.sum() == 1


def test_currents_add_over_driven_lines_in_both_orientations(crossbar: Crossbar) -> None:
    """A read is linear: with all rows driven each column carries about the sum of what they give alone."""
    for _ in range(5):
        pulse_all(crossbar, -STRONG)
    g = conductances(crossbar)
    can = crossbar.capabilities
    together = crossbar.read(Bias(np.full(can.rows, READ))).currents
    assert together == pytest.approx(READ * g.sum(axis=0), rel=0.05)
    if can.transposed_read:
        transposed = crossbar.read(Bias(np.full(can.columns, READ), "transposed")).currents
        assert transposed == pytest.approx(READ * g.sum(axis=1), rel=0.05)


def test_sign_of_a_current_follows_its_level(crossbar: Crossbar) -> None:
    rows = crossbar.capabilities.rows
    plus = crossbar.read(Bias(np.full(rows, READ))).currents
    minus = crossbar.read(Bias(np.full(rows, -READ))).currents
    assert (plus > 0).all()
    assert minus == pytest.approx(-plus, rel=0.05)


def test_a_sequence_of_reads_is_the_single_reads(crossbar: Crossbar) -> None:
    can = crossbar.capabilities
    rng = np.random.default_rng(0)
    levels = rng.uniform(-READ, READ, (4, can.rows))
    if can.read_levels is not None:
        # As many levels as the bench drives, each on some lines; 0 V on the others.
        few = np.pad(rng.uniform(-READ, READ, (4, can.read_levels)), ((0, 0), (1, 0)))
        levels = np.take_along_axis(few, rng.integers(0, few.shape[1], levels.shape), axis=1)
    together = crossbar.read(Bias(levels))
    singly = np.stack([crossbar.read(Bias(row)).currents for row in levels])
    assert together.currents.shape == singly.shape == (4, crossbar.capabilities.columns)
    assert np.abs(together.currents - singly).max() <= 10 * together.noise + 1e-12


def test_pulse_reports_what_was_applied(crossbar: Crossbar) -> None:
    applied = pulse_all(crossbar, 0.2)
    assert applied.width == pytest.approx(WIDTH, rel=0.02)
    assert applied.elapsed >= applied.width
    assert applied.energy is None or applied.energy > 0
    assert not applied.compliance
    if applied.row_currents is not None and applied.column_currents is not None:
        assert applied.row_currents.sum() == pytest.approx(applied.column_currents.sum(), rel=1e-6)


def test_repeats_take_their_time_and_energy(crossbar: Crossbar) -> None:
    rows, columns = lines(crossbar, 0.05, -0.05)
    crossbar.apply(Pulse(rows, columns, WIDTH))  # a bench may have to connect the lines first
    once = crossbar.apply(Pulse(rows, columns, WIDTH))
    often = crossbar.apply(Pulse(rows, columns, WIDTH, repeat=10))
    assert often.elapsed >= once.elapsed + 9 * once.width
    if once.energy is not None and often.energy is not None:
        assert often.energy == pytest.approx(10 * once.energy, rel=1e-6)


def test_floating_lines_carry_no_current(crossbar: Crossbar) -> None:
    if not crossbar.capabilities.floating_lines:
        return
    rows, columns = lines(crossbar, 0.1, -0.1)
    rows[1], columns[2] = np.nan, np.nan
    applied = crossbar.apply(Pulse(rows, columns, WIDTH))
    if applied.row_currents is not None and applied.column_currents is not None:
        assert applied.row_currents[1] == 0
        assert applied.column_currents[2] == 0


def test_gates_choose_rows(crossbar: Crossbar) -> None:
    can = crossbar.capabilities
    rows, columns = lines(crossbar, STRONG / 2, -STRONG / 2)
    widths = np.where(np.arange(can.rows) == 1, WIDTH, 0.0)
    if not can.gate_lines:
        with pytest.raises(CapabilityError, match="gate lines"):
            crossbar.apply(Pulse(rows, columns, widths))
        return
    for _ in range(5):
        pulse_all(crossbar, -STRONG)
    before = conductances(crossbar)
    for _ in range(5):
        crossbar.apply(Pulse(rows, columns, widths))
    changed = conductances(crossbar) > 1.2 * before
    assert changed[1].all()
    assert changed.sum() == can.columns


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": np.zeros(3)}, "one level for each of the 6 rows"),
        ({"columns": np.zeros((5, 1))}, "one level for each of the 5 columns"),
        ({"width": -1e-4}, "pulse width -0.0001 s"),
        ({"width": float("nan")}, "pulse width nan s"),
        ({"width": 1e-12}, "pulse width 1e-12 s"),
        ({"repeat": 0}, "repeat is 0"),
        ({"rows": np.full(6, np.nan), "columns": np.full(5, np.nan)}, "every line floats"),
    ],
)
def test_impossible_pulses_are_refused_and_change_nothing(
    crossbar: Crossbar, change: dict[str, Floats], words: str
) -> None:
    before = conductances(crossbar)
    rows, columns = lines(crossbar, 0.4, -0.4)
    with pytest.raises((CapabilityError, LimitError), match=words):
        crossbar.apply(replace(Pulse(rows, columns, WIDTH), **change))  # type: ignore[arg-type]
    after = conductances(crossbar)
    assert after == pytest.approx(before, rel=0.05)


@pytest.mark.parametrize(
    ("rows", "columns", "width", "words"),
    [
        (0.6, -0.5, WIDTH, "1.1 V across a junction"),
        (1.05, 0.0, WIDTH, "1.05 V across a junction"),
        (0.1, -0.1, 0.05, "over the limit of 0.01 s"),
        (float("inf"), 0.0, WIDTH, "inf V across a junction"),
    ],
)
def test_limits_refuse_before_anything_is_sent(
    crossbar: Crossbar, rows: float, columns: float, width: float, words: str
) -> None:
    before = conductances(crossbar)
    with pytest.raises(LimitError, match=words):
        crossbar.apply(Pulse(*lines(crossbar, rows, columns), width))
    assert conductances(crossbar) == pytest.approx(before, rel=0.05)


def test_reads_above_their_limit_are_refused(crossbar: Crossbar) -> None:
    levels = np.full(crossbar.capabilities.rows, 0.2)
    levels[0] = -0.2
    with pytest.raises(LimitError, match=r"read would put up to 0\.4 V"):
        crossbar.read(Bias(levels))


def test_more_levels_than_the_bench_drives_are_refused(crossbar: Crossbar) -> None:
    """Both numbers are named; 0 V and floating lines take no level."""
    can = crossbar.capabilities
    before = conductances(crossbar)
    ramp = np.linspace(0.0, 0.05, can.rows)
    if can.read_levels is not None and can.read_levels < can.rows - 1:
        with pytest.raises(CapabilityError, match=rf"read with 5 different.*drives {can.read_levels} "):
            crossbar.read(Bias(ramp))
    else:
        assert crossbar.read(Bias(ramp)).currents.shape == (can.columns,)
    pulse = Pulse(ramp, np.zeros(can.columns), WIDTH)
    if can.distinct_levels is not None and can.distinct_levels < can.rows - 1:
        with pytest.raises(CapabilityError, match=rf"pulse with 5 different.*drives {can.distinct_levels} "):
            crossbar.apply(pulse)
    else:
        crossbar.apply(pulse)
    rows, columns = lines(crossbar, 0.05, -0.05)
    rows[0], columns[1] = 0.0, 0.0
    if can.floating_lines:
        rows[1] = np.nan
    crossbar.apply(Pulse(rows, columns, WIDTH))
    assert conductances(crossbar) == pytest.approx(before, rel=0.05)


def test_misshapen_reads_are_refused(crossbar: Crossbar) -> None:
    with pytest.raises(CapabilityError, match="one level for each of the 6 rows"):
        crossbar.read(Bias(np.zeros(5)))
    with pytest.raises(CapabilityError, match="one level for each of the 5 columns"):
        crossbar.read(Bias(np.zeros(6), "transposed"))
    with pytest.raises(CapabilityError, match="'sideways'"):
        crossbar.read(Bias(np.zeros(6), "sideways"))  # type: ignore[arg-type]


def test_safe_is_idempotent_and_says_what_it_knows(crossbar: Crossbar) -> None:
    first, second = crossbar.safe(), crossbar.safe()
    assert isinstance(first, SafeState)
    assert first == second
    assert isinstance(crossbar.read(Bias(np.full(6, 0.05))), Reading)
