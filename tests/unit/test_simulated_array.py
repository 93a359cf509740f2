"""The simulated array: draws follow the law, depend on nothing but their key, and energy adds up."""

import numpy as np
import pytest
from scipy import stats

from mtjloop.sim.array import SimulatedArray, Transistors
from mtjloop.sim.device import Die, Junction, Spread
from mtjloop.sim.die import draw_tile
from mtjloop.sim.network import Wires, solve
from mtjloop.sim.switching import switching_probability

IDEAL = Wires(0.0, 0.0, 0.0, 0.0)
USUAL = Wires(1.0, 1.0, 5.0, 5.0)
ALIKE = Spread(0.0, 0.0, 0.0)
WIDTH = np.array(1e-4)


def array(
    rows: int,
    columns: int,
    wires: Wires = USUAL,
    spread: Spread | None = None,
    transistors: Transistors | None = None,
    seed: int = 1,
    junction: Junction | None = None,
) -> SimulatedArray:
    tile = draw_tile(Die(junction or Junction(), spread or Spread()), rows, columns, seed, 0)
    return SimulatedArray(tile, wires, transistors, seed, 0)


def full_pulse(one: SimulatedArray, volts: float, repeat: int = 1) -> int:
    rows, columns = one.shape
    return one.apply(np.full(rows, volts / 2), np.full(columns, -volts / 2), WIDTH, repeat).flips


@pytest.mark.parametrize("volts", [0.24, 0.26, 0.28])
@pytest.mark.parametrize("polarity", [1, -1])
def test_share_of_flips_follows_the_law(volts: float, polarity: int) -> None:
    one = array(60, 60, IDEAL, ALIKE)
    start = 0 if polarity > 0 else 1
    one.restore(np.full((60, 60), start, dtype=np.int8), 0, 0)
    flips = full_pulse(one, polarity * volts)
    junction = Junction()
    p = float(
        switching_probability(
            volts / junction.critical_voltage_up,
            1e-4 / junction.time_unit,
            junction.delta,
            law=junction.law,
        )
    )
    assert 0.05 < p < 0.95
    assert stats.binomtest(flips, 3600, p).pvalue > 1e-3


def test_asymmetric_critical_voltages_belong_to_their_polarity() -> None:
    junction = Junction(critical_voltage_up=0.4, critical_voltage_down=0.8)
    one = array(20, 20, IDEAL, ALIKE, junction=junction)
    one.restore(np.zeros((20, 20), dtype=np.int8), 0, 0)
    assert full_pulse(one, 0.28) > 390
    assert full_pulse(one, -0.28) < 10


def test_reads_between_pulses_shift_no_flip() -> None:
    one, other = array(12, 9), array(12, 9)
    levels = np.random.default_rng(0).uniform(-0.05, 0.05, (7, 12))
    for k in range(30):
        volts = 0.26 if k % 2 else -0.26
        full_pulse(one, volts)
        other.read(levels, True, 1e-5, 1e-9)
        full_pulse(other, volts)
        assert (one.state == other.state).all()


def test_repeat_is_the_same_as_single_pulses() -> None:
    one, other = array(12, 9), array(12, 9)
    one.restore(np.zeros((12, 9), dtype=np.int8), 0, 0)
    other.restore(np.zeros((12, 9), dtype=np.int8), 0, 0)
    flips = full_pulse(one, 0.25, repeat=5)
    singly = sum(full_pulse(other, 0.25) for _ in range(5))
    assert flips == singly > 0
    assert (one.state == other.state).all()


def test_another_seed_gives_another_die_and_other_flips() -> None:
    assert (array(12, 9, seed=1).state != array(12, 9, seed=2).state).any()
    flips = []
    for seed in (1, 2):
        one = array(12, 9, spread=ALIKE, seed=seed)
        one.restore(np.zeros((12, 9), dtype=np.int8), 0, 0)
        full_pulse(one, 0.27)
        flips.append(one.state)
    assert (flips[0] != flips[1]).any()


def test_batched_and_single_reads_agree_bit_for_bit() -> None:
    one, other = array(12, 9), array(12, 9)
    levels = np.random.default_rng(0).uniform(-0.1, 0.1, (20, 12))
    together = one.read(levels, True, 1e-5, 1e-8).currents
    singly = np.concatenate([other.read(row[None, :], True, 1e-5, 1e-8).currents for row in levels])
    assert (together == singly).all()


def test_transposed_read_is_reciprocal() -> None:
    """With linear cells and equal source and sense resistances, conductances read the same both ways."""
    one = array(7, 5, junction=Junction(tmr_half_voltage=1e6))
    forward = one.read(np.eye(7) * 0.1, True, 1e-6, 0.0).currents
    backward = one.read(np.eye(5) * 0.1, False, 1e-6, 0.0).currents
    assert forward == pytest.approx(backward.T, rel=1e-6)


def test_read_disturb_is_exact() -> None:
    """Flips of a long read at a high level agree with the law cell by cell, and sneak no further."""
    junction = Junction(delta=25.0)
    volts, duration, reads = 0.15, 2e-4, 400
    one = array(20, 20, IDEAL, ALIKE, junction=junction)
    levels = np.full((1, 20), volts)
    flipped = np.zeros((20, 20), dtype=np.int64)
    for _ in range(reads):
        one.restore(np.zeros((20, 20), dtype=np.int8), one.pulses, one.reads)
        one.read(levels, True, duration, 0.0)
        flipped += one.state
    p = float(
        switching_probability(
            volts / junction.critical_voltage_up,
            duration / junction.time_unit,
            junction.delta,
            law=junction.law,
        )
    )
    expected = reads * p
    assert expected > 5
    chi_square = float(((flipped - expected) ** 2 / (expected * (1 - p))).sum())
    assert 1e-3 < stats.chi2.cdf(chi_square, 400) < 1 - 1e-3


def test_half_selected_cells_follow_the_law() -> None:
    """Many pulses at V/2 on half of the cells: the count of flips is binomial with the law's probability."""
    junction = Junction(delta=25.0)
    one = array(16, 16, IDEAL, ALIKE, junction=junction)
    rows = np.zeros(16)
    rows[:8] = 0.1
    count, pulses = 0, 500
    for _ in range(pulses):
        one.restore(np.zeros((16, 16), dtype=np.int8), one.pulses, one.reads)
        one.apply(rows, np.zeros(16), WIDTH, 1)
        count += int(one.state[:8].sum())
    p = float(
        switching_probability(
            0.1 / junction.critical_voltage_up,
            1e-4 / junction.time_unit,
            junction.delta,
            law=junction.law,
        )
    )
    assert count > 30
    assert stats.binomtest(count, pulses * 128, p).pvalue > 1e-3


def test_energy_is_the_power_of_all_devices_and_wires() -> None:
    """Energy given by the drivers equals V^2 G of every device plus what wires and drivers burn."""
    one = array(6, 4, junction=Junction(tmr_half_voltage=1e6))
    rows, columns = np.array([0.2, 0.1, 0.0, -0.1, np.nan, 0.05]), np.array([-0.2, 0.0, np.nan, 0.1])
    before = one.state
    g = one._cells.conductance_p / np.where(before == 1, 1.0, 1.0 + one._cells.tmr)
    outcome = one.apply(rows, columns, WIDTH, 1)
    solution = solve(g, rows, columns, USUAL, row_resistance=5.0, column_resistance=5.0)
    current = solution.voltages * g
    along_rows = current.sum(axis=1, keepdims=True) - np.cumsum(current, axis=1)
    along_columns = np.cumsum(current, axis=0)
    row_driver = np.where(np.isnan(rows), 0.0, solution.row_currents)
    column_driver = np.where(np.isnan(columns), 0.0, solution.column_currents)
    power = (
        (solution.voltages**2 * g).sum()
        + (along_rows[:, :-1] ** 2).sum()
        + (along_columns[:-1] ** 2).sum()
        + 5.0 * (row_driver**2).sum()
        + 5.0 * (column_driver**2).sum()
    )
    assert outcome.energy == pytest.approx(power * float(WIDTH), rel=1e-6)


def test_closed_gates_isolate_their_rows() -> None:
    one = array(10, 8, spread=ALIKE, transistors=Transistors(500.0))
    one.restore(np.zeros((10, 8), dtype=np.int8), 0, 0)
    widths = np.where(np.arange(10) < 3, 1e-4, 0.0)
    one.apply(np.full(10, 0.25), np.full(8, -0.25), widths, 1)
    assert one.state[:3].all()
    assert not one.state[3:].any()


def test_a_row_with_a_longer_gate_switches_more() -> None:
    one = array(40, 40, spread=ALIKE, transistors=Transistors(500.0))
    one.restore(np.zeros((40, 40), dtype=np.int8), 0, 0)
    widths = np.where(np.arange(40) < 20, 1e-5, 1e-4)
    one.apply(np.full(40, 0.15), np.full(40, -0.15), widths, 1)
    short, long = one.state[:20].mean(), one.state[20:].mean()
    assert 0.0 < short < long < 1.0


def test_states_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        array(3, 4).restore(np.zeros((4, 3), dtype=np.int8), 0, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"delta": 0.0}, "delta is 0; 5 to 120 is accepted"),
        ({"delta": float("nan")}, "delta is nan"),
        ({"critical_voltage_up": -0.5}, "critical_voltage_up is -0.5"),
        ({"stray_field": 0.5}, "stray_field is 0.5"),
        ({"law": "arrhenius"}, "law is 'arrhenius'"),
    ],
)
def test_impossible_junctions_are_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Junction(**change)  # type: ignore[arg-type]


def test_drawn_spreads_are_those_asked_for() -> None:
    tile = draw_tile(Die(spread=Spread(0.08, 0.044, 0.077)), 64, 64, 3, 0)
    for values, target, mean in (
        (1.0 / tile.cells.conductance_p, 0.08, 5e3),
        (tile.cells.voltage_up, 0.044, 0.55),
        (tile.cells.delta, 0.077, 45.0),
    ):
        # Standard errors over 4,096 cells: target / sqrt(2 n) of the spread, target / sqrt(n) of the mean.
        assert values.std() / values.mean() == pytest.approx(target, abs=4 * target / np.sqrt(2 * 4096))
        assert values.mean() == pytest.approx(mean, rel=4 * target / 64)
