"""Effects of the device in the array: bias, breakdown, drift, hopping, heating, resolved flips, draws."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from mtjloop.compiled import kernel
from mtjloop.sim.array import Resolve, SimulatedArray, Transistors
from mtjloop.sim.blocks import BLOCK, PLANES
from mtjloop.sim.compiled_array import CompiledArray
from mtjloop.sim.device import BackHopping, Breakdown, Defects, Die, Drift, Heating, Junction, Spread
from mtjloop.sim.die import draw_tile
from mtjloop.sim.network import Wires
from mtjloop.sim.sampler import fits_of
from mtjloop.sim.switching import switching_probability
from mtjloop.sim.view import TileView

IDEAL = Wires(0.0, 0.0, 0.0, 0.0)
ALIKE = Spread(0.0, 0.0, 0.0)
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


def array(
    rows: int,
    columns: int,
    die: Die,
    wires: Wires = IDEAL,
    transistors: Transistors | None = None,
    resolve: Resolve = "frozen",
    seed: int = 1,
) -> SimulatedArray:
    return SimulatedArray(draw_tile(die, rows, columns, seed, 0), wires, transistors, seed, 0, resolve)


def drive(one: SimulatedArray, volts: float, width: float, repeat: int = 1) -> int:
    rows, columns = one.shape
    return one.apply(np.full(rows, volts / 2), np.full(columns, -volts / 2), np.array(width), repeat).flips


def reset(one: SimulatedArray, state: int) -> None:
    one.restore(np.full(one.shape, state, dtype=np.int8), one.pulses, one.reads)


def nodal_currents(one: SimulatedArray, rows: Floats, columns: Floats, wires: Wires, access: float) -> Floats:
    """Row-driver currents from a general root finder on Kirchhoff's law with the nonlinear cells."""
    m, n = one.shape
    cells, state = one._cells, one.state

    def cell_current(volt: float, i: int, j: int) -> float:
        def junction_current(own: float) -> float:
            tmr = 0.0 if state[i, j] else cells.tmr[i, j] / (1.0 + (own / 0.5) ** 2)
            return float(cells.conductance_p[i, j] * own / (1.0 + tmr))

        if access == 0.0:
            return junction_current(volt)
        own = optimize.brentq(lambda v: v + access * junction_current(v) - volt, -2.0, 2.0, xtol=1e-15)
        return junction_current(own)

    def errors(nodes: Floats) -> Floats:
        r, c = nodes[: m * n].reshape(m, n), nodes[m * n :].reshape(m, n)
        into_r, into_c = np.zeros((m, n)), np.zeros((m, n))
        into_r[:, 0] += (rows - r[:, 0]) / wires.driver
        into_c[-1] += (columns - c[-1]) / wires.driver
        along = np.diff(r, axis=1) / wires.row_segment
        into_r[:, :-1] += along
        into_r[:, 1:] -= along
        down = np.diff(c, axis=0) / wires.column_segment
        into_c[:-1] += down
        into_c[1:] -= down
        current = np.array([[cell_current(r[i, j] - c[i, j], i, j) for j in range(n)] for i in range(m)])
        return np.concatenate([(into_r - current).ravel(), (into_c + current).ravel()]) * 1e3

    start = np.concatenate([np.repeat(rows, n), np.tile(columns, m)])
    found = optimize.root(errors, start, tol=1e-13)
    assert np.abs(errors(found.x)).max() < 1e-9
    r = found.x[: m * n].reshape(m, n)
    return np.asarray((rows - r[:, 0]) / wires.driver)


@pytest.mark.parametrize("access", [0.0, 500.0])
def test_bias_dependent_conductance_agrees_with_a_root_finder(access: float) -> None:
    """Currents agree to what 10 uV across each cell would make."""
    wires = Wires(20.0, 30.0, 50.0, 50.0)
    one = array(3, 4, Die(), wires, Transistors(access) if access else None)
    rows, columns = np.array([0.3, 0.1, -0.2]), np.array([-0.3, 0.0, 0.1, 0.25])
    expected = nodal_currents(one, rows, columns, wires, access)
    outcome = one.apply(rows, columns, np.array(1e-9), 1)
    assert outcome.row_currents == pytest.approx(expected, abs=4 * 2e-4 * 1e-5)
    linear = array(3, 4, Die(Junction(tmr_half_voltage=1e6)), wires, Transistors(access) if access else None)
    without = linear.apply(rows, columns, np.array(1e-9), 1).row_currents
    assert np.abs(without - expected).max() > 1e-6


@pytest.mark.parametrize("access", [0.0, 500.0])
def test_a_static_bias_agrees_with_a_root_finder_and_changes_nothing(access: float) -> None:
    wires = Wires(20.0, 30.0, 50.0, 50.0)
    one = array(3, 4, Die(), wires, Transistors(access) if access else None)
    rows, columns = np.array([0.5, 0.1, -0.2]), np.array([-0.3, 0.0, 0.1, 0.25])
    state, damage = one.state, one.wear.damage
    bias = one.bias(rows, columns)
    expected = nodal_currents(one, rows, columns, wires, access)
    assert bias.row_currents == pytest.approx(expected, abs=4 * 2e-4 * 1e-5)
    assert bias.row_currents.sum() + bias.column_currents.sum() == pytest.approx(0.0, abs=1e-10)
    assert (one.state == state).all()
    assert (one.wear.damage == damage).all()
    assert (one.pulses, one.reads) == (0, 0)
    pulsed = one.apply(rows, columns, np.array(1e-9), 1)
    assert (pulsed.row_currents == bias.row_currents).all()
    assert (pulsed.column_currents == -bias.column_currents).all()
    for forward, levels in ((True, rows), (False, columns)):
        still = one.bias(levels if forward else np.zeros(3), np.zeros(4) if forward else levels)
        sensed = -still.column_currents if forward else -still.row_currents
        assert (one.read(levels[None], forward, 1e-12, 0.0).currents[0] == sensed).all()


def test_lines_that_float_under_a_static_bias_take_no_current_and_some_line_must_be_driven() -> None:
    one = array(2, 2, Die(spread=ALIKE))
    reset(one, 1)
    bias = one.bias(np.array([0.3, np.nan]), np.array([0.0, np.nan]))
    assert bias.row_currents == pytest.approx([0.3 / 5e3 * 4 / 3, 0.0], rel=1e-6)  # R beside 3 R
    assert bias.column_currents == pytest.approx([-0.3 / 5e3 * 4 / 3, 0.0], rel=1e-6)
    assert bias.junctions == pytest.approx(np.array([[0.3, 0.1], [0.1, -0.1]]), rel=1e-5)
    with pytest.raises(ValueError, match="every line floats"):
        one.bias(np.full(2, np.nan), np.full(2, np.nan))


def test_reads_see_the_tmr_of_their_bias() -> None:
    one = array(1, 1, Die(spread=ALIKE))
    reset(one, 0)
    for volts in (0.02, 0.2):
        current = float(one.read(np.array([[volts]]), True, 1e-9, 0.0).currents[0, 0])
        assert volts / current == pytest.approx(5e3 * (1.0 + 1.2 / (1.0 + (volts / 0.5) ** 2)), rel=1e-6)


def test_a_broken_junction_is_a_short_for_ever() -> None:
    die = Die(breakdown=Breakdown(voltage=0.5, life=1e-4, shape=2.0))
    one = array(30, 30, die)
    volts, width = 0.5, 5e-5
    outcome = one.apply(np.full(30, volts), np.zeros(30), np.array(width), 1)
    share = -math.expm1(-((width / 1e-4) ** 2.0))
    assert stats.binomtest(outcome.broken, 900, share).pvalue > 1e-3
    broken, kept = one.broken, one.state
    assert broken.sum() == outcome.broken
    drive(one, -0.45, 1e-4, repeat=3)
    assert (one.state[broken] == kept[broken]).all()
    reads = one.read(np.eye(30) * 0.01, True, 1e-9, 0.0).currents / 0.01
    assert reads[broken] == pytest.approx(np.full(int(broken.sum()), 1 / 300), rel=1e-3)


def test_damage_adds_up_over_pulses_and_survives_a_restore() -> None:
    die = Die(spread=ALIKE, breakdown=Breakdown(voltage=0.5, life=1e-4))
    one, other = array(8, 8, die), array(8, 8, die)
    drive(one, 0.5, 4e-5)
    drive(other, 0.5, 1e-5, repeat=4)
    whole = ~other.broken
    assert one.wear.damage[whole] == pytest.approx(other.wear.damage[whole], rel=1e-4)
    assert (one.broken == other.broken).all()
    fresh = array(8, 8, die)
    fresh.restore(one.state, one.pulses, one.reads, one.wear)
    assert (fresh.broken == one.broken).all()
    assert one.broken.any()
    drive(one, 0.4, 1e-4, repeat=5)
    drive(fresh, 0.4, 1e-4, repeat=5)
    assert (fresh.state == one.state).all()


def test_defects_never_switch_and_keep_their_bit() -> None:
    one = array(
        20, 20, Die(defects=Defects(short=0.1, open=0.1, stuck_p=0.1, stuck_ap=0.1)), Wires(1, 1, 5, 5)
    )
    before, fixed = one.state, one._cells.stuck == 1
    for volts in (0.5, -0.5):
        drive(one, volts, 1e-4, repeat=5)
        assert (one.state[fixed] == before[fixed]).all()


def test_drift_is_stationary_and_forgets() -> None:
    die = Die(spread=ALIKE, drift=Drift(sigma=0.3, pulses=640))
    one = array(60, 60, die)
    first = one.wear.log_rate
    drive(one, 0.0, 1e-9, repeat=640)
    later = one.wear.log_rate
    assert first.std() == pytest.approx(0.3, rel=4 / math.sqrt(2 * 3600))
    assert later.std() == pytest.approx(0.3, rel=4 / math.sqrt(2 * 3600))
    assert np.corrcoef(first.ravel(), later.ravel())[0, 1] == pytest.approx(math.exp(-1), abs=0.06)


def test_drift_multiplies_the_rate() -> None:
    die = Die(spread=ALIKE, drift=Drift(sigma=0.8, pulses=1e9))
    one = array(80, 80, die)
    reset(one, 0)
    log_rate = one.wear.log_rate
    drive(one, 0.25, 1e-4)
    hazard = -math.log1p(-float(switching_probability(0.25 / 0.55, 1e-4 / Junction().time_unit, 45.0)))
    p = -np.expm1(-hazard * np.exp(log_rate))
    score = (one.state - p).sum() / math.sqrt((p * (1 - p)).sum())
    leaning = ((one.state - p) * log_rate).sum() / math.sqrt((p * (1 - p) * log_rate**2).sum())
    assert abs(score) < 3.5
    assert abs(leaning) < 3.5


def test_back_hopping_makes_the_probability_fall_again() -> None:
    hop = BackHopping(voltage_up=1.0, delta=20.0, time=1e-8)
    view = TileView.drawn_from(Die(spread=ALIKE, back_hopping=hop), 1, 1, 0, 0)
    p = view.probability(np.array([0.4, 0.7, 1.0, 1.2]), 1e-7)[:, 0]
    assert p[1] > 0.97
    assert p[1] > p[2] > 0.5 - 1e-9
    down = view.probability(np.array([-0.7, -1.0]), 1e-7)[:, 0]
    assert down[1] > 0.99
    one = array(60, 60, Die(spread=ALIKE, back_hopping=hop))
    reset(one, 0)
    drive(one, 1.0, 1e-7)
    assert stats.binomtest(int(one.state.sum()), 3600, float(p[2])).pvalue > 1e-3


def test_heating_raises_the_probability_and_mean_temperature_is_good_for_long_pulses() -> None:
    cold = TileView.drawn_from(Die(spread=ALIKE), 1, 1, 0, 0)
    hot = TileView.drawn_from(Die(spread=ALIKE, heating=Heating(1e6)), 1, 1, 0, 0)
    volts = np.array([0.2, 0.25])
    assert (hot.probability(volts, 1e-6) > cold.probability(volts, 1e-6)).all()
    power = 0.25**2 / (5e3 * (1 + 1.2 / (1 + 0.25)))
    steady = Die(spread=ALIKE, temperature=300.0 + 1e6 * power)
    found = TileView.drawn_from(steady, 1, 1, 0, 0).probability(volts[1:], 1e-5)
    assert hot.probability(volts[1:], 1e-5) == pytest.approx(found, rel=0.01)


@kernel
def never_fit(array: CompiledArray) -> None:
    array.sampler.fittable = False


@kernel
def fits_for(array: CompiledArray, width: float) -> tuple[Floats32, Floats, float]:
    fits = fits_of(array.sampler, width)
    return fits.sketches, fits.margins, fits.margin


@pytest.mark.parametrize("width", [1e-8, 1e-6, 1e-4])
@pytest.mark.parametrize("level", [0.3, 0.9])
def test_fitted_draws_are_those_of_the_law(width: float, level: float) -> None:
    """An array with fits and one that never makes them flip the same cells: two whole blocks and a part."""
    die = Die(spread=Spread(stray_field=0.01))
    one, other = array(10, 14, die), array(10, 14, die)
    view = TileView.drawn_from(die, 10, 14, 1, 0)
    grid = np.linspace(0.1, 2.5, 200)
    volts = float(grid[np.argmax(view.probability(grid, width).mean(axis=1) > level)])
    never_fit(other.compiled)
    for k in range(400):
        sign = 1.0 if k % 2 else -1.0
        drive(one, sign * volts, width)
        drive(other, sign * volts, width)
        assert (one.state == other.state).all()
    sketches, margins, margin = fits_for(one.compiled, width)
    assert sketches.size > 0 and fits_for(other.compiled, width)[0].size == 0
    assert 0.0 < margin < 0.01
    # The short forms must judge: as wide as this, they would leave every cell to the law and prove nothing.
    assert np.isfinite(sketches.reshape(2, -1, PLANES, BLOCK)[:, :2]).all()
    assert margins[:, :2].max() < 0.1


def test_unlikely_flips_have_the_probability_of_the_law() -> None:
    """Thinned cells, each with its own parameters: chi-square over classes of expected flips."""
    die = Die()
    one = array(64, 64, die)
    view = TileView.drawn_from(die, 64, 64, 1, 0)
    p = view.probability(np.array([0.15]), 1e-4)[0]
    pulses = 3000
    counts = np.zeros(4096)
    start = np.zeros((64, 64), dtype=np.int8)
    for _ in range(pulses):
        one.restore(start, one.pulses, one.reads)
        if drive(one, 0.15, 1e-4):
            counts += one.state.ravel()
    order = np.argsort(p)
    edges = np.searchsorted(np.cumsum(p[order] * pulses), np.linspace(0, p.sum() * pulses, 9)[1:-1])
    expected = np.array([part.sum() for part in np.split(p[order] * pulses, edges)])
    found = np.array([part.sum() for part in np.split(counts[order], edges)])
    assert expected.min() > 10
    assert stats.chi2.sf(((found - expected) ** 2 / expected).sum(), len(expected)) > 1e-3


def test_resolved_flips_without_wires_are_those_of_frozen_states() -> None:
    """On ideal lines no flip changes another's voltage, so both ways give the law's probability."""
    for resolve in ("frozen", "event"):
        one = array(60, 60, Die(spread=ALIKE), resolve=resolve)
        reset(one, 0)
        drive(one, 0.26, 1e-5)
        p = float(switching_probability(0.26 / 0.55, 1e-5 / Junction().time_unit, 45.0))
        assert stats.binomtest(int(one.state.sum()), 3600, p).pvalue > 1e-3


def test_resolved_flips_lower_the_voltage_of_the_rest() -> None:
    """A resistive driver: each cell that turns P takes voltage from the others of its row."""
    wires = Wires(0.0, 0.0, 50.0, 0.0)
    flips = {"frozen": 0, "event": 0}
    for resolve in flips:
        one = array(12, 12, Die(spread=ALIKE), wires, resolve=resolve)  # type: ignore[arg-type]
        for _ in range(20):
            reset(one, 0)
            flips[resolve] += drive(one, 0.31, 1e-4)
    assert 100 < flips["frozen"] < 2780
    assert flips["event"] < 0.9 * flips["frozen"]


def test_resolved_pulses_give_a_little_more_energy_as_cells_turn_p() -> None:
    energies = {}
    for resolve in ("frozen", "event"):
        one = array(10, 10, Die(spread=ALIKE), Wires(1, 1, 5, 5), resolve=resolve)
        reset(one, 0)
        outcome = one.apply(np.full(10, 0.17), np.full(10, -0.17), np.array(1e-4), 1)
        energies[resolve] = outcome.energy
    assert 1.2 < energies["event"] / energies["frozen"] < 2.2


@pytest.mark.parametrize("width", [0.0, -1e-6, math.nan, math.inf])
def test_impossible_widths_are_refused(width: float) -> None:
    with pytest.raises(ValueError, match=r"widths are .* finite numbers > 0 s are accepted"):
        drive(array(2, 2, Die()), 0.1, width)


def test_resolving_and_back_hopping_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="back_hopping needs 'frozen'"):
        array(2, 2, Die(back_hopping=BackHopping(voltage_up=1.0)), resolve="event")
    with pytest.raises(ValueError, match="resolve is 'later'"):
        array(2, 2, Die(), resolve="later")  # type: ignore[arg-type]
