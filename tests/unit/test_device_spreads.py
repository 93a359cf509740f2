"""Target spreads against Monte Carlo, correlations, temperature, and errors of physical parameters."""

import math

import numpy as np
import pytest

from mtjloop.sim.device import Breakdown, Defects, Die, Heating, Junction, Spread
from mtjloop.sim.die import DEFECTS, draw_tile
from mtjloop.sim.parameters import PARAMETERS, check_parameter
from mtjloop.sim.spreads import decompose
from mtjloop.sim.thermal import mean_heating, temperature_scales
from mtjloop.sim.view import TileView, correlations, drawn_spreads, target_spreads

SPREADS = [
    Spread(),
    Spread(0.02, 0.10, 0.03),
    Spread(0.20, 0.19, 0.10),
    Spread(0.05, 0.06, 0.05, asymmetry=0.04, tmr=0.03, stray_field=0.01),
]


@pytest.mark.parametrize("spread", SPREADS)
def test_decomposition_gives_the_targets_back(spread: Spread) -> None:
    resistance, voltage, delta = decompose(spread).log_variances()
    for variance, target in (
        (resistance, spread.resistance),
        (voltage, spread.critical_voltage),
        (delta, spread.delta),
    ):
        assert math.sqrt(math.expm1(variance)) == pytest.approx(target, rel=1e-9)


@pytest.mark.parametrize("spread", SPREADS)
def test_drawn_spreads_and_correlations_are_those_promised(spread: Spread) -> None:
    """Over 90,000 cells; intervals of five standard errors of a spread, 1/sqrt(2 n), and of a correlation."""
    views = (TileView.drawn_from(Die(spread=spread), 300, 300, 5, 0),)
    n = 90_000
    found = drawn_spreads(views)
    for name, target in target_spreads(views[0].tile.die).items():
        assert found[name][1] == pytest.approx(target, rel=5 * 1.1 / math.sqrt(2 * n), abs=1e-12)
    for expected, drawn in correlations(views).values():
        assert drawn == pytest.approx(expected, abs=5 / math.sqrt(n))


def test_a_4_kbit_die_has_its_target_spreads_within_5_percent() -> None:
    views = (TileView.drawn_from(Die(), 64, 64, 0, 0),)
    found = drawn_spreads(views)
    for name in ("resistance_parallel_ohm", "critical_voltage_up_V", "critical_voltage_down_V", "delta"):
        assert found[name][1] == pytest.approx(target_spreads(Die())[name], rel=0.05)
    assert found["resistance_parallel_ohm"][0] == pytest.approx(5e3, rel=0.01)
    assert found["critical_voltage_up_V"][0] == pytest.approx(0.55, rel=0.005)
    assert found["delta"][0] == pytest.approx(45.0, rel=0.01)


def test_every_device_obeys_the_physics_it_was_drawn_from() -> None:
    drawn = draw_tile(Die(), 20, 20, 1, 0).drawn
    assert drawn.resistance == pytest.approx(drawn.resistance_area / drawn.area)
    delta = drawn.delta / (drawn.anisotropy_field * drawn.area)
    assert delta == pytest.approx(np.full((20, 20), delta[0, 0]))
    volts = drawn.voltage_up / (drawn.damping * drawn.delta * drawn.resistance)
    assert volts == pytest.approx(np.full((20, 20), volts[0, 0]))


def test_without_spread_every_device_is_the_nominal_one() -> None:
    drawn = draw_tile(Die(spread=Spread(0.0, 0.0, 0.0)), 3, 3, 1, 0).drawn
    assert drawn.resistance == pytest.approx(np.full((3, 3), 5e3))
    assert drawn.delta == pytest.approx(np.full((3, 3), 45.0))
    assert drawn.voltage_down == pytest.approx(np.full((3, 3), 0.55))
    assert drawn.damping == pytest.approx(np.full((3, 3), 0.01))


def test_impossible_targets_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"resistance 8.*delta 2.*critical_voltage 4.*at least 7\.7"):
        decompose(Spread(0.08, 0.044, 0.02))


def test_switching_an_effect_on_leaves_the_rest_of_the_die() -> None:
    plain = draw_tile(Die(), 30, 30, 1, 0)
    other = draw_tile(Die(defects=Defects(short=0.1, stuck_ap=0.1)), 30, 30, 1, 0)
    assert (plain.drawn.delta == other.drawn.delta).all()
    free = other.drawn.defect == 0
    assert (plain.state[free] == other.state[free]).all()


def test_defects_come_with_their_chances_and_conduct_as_they_do() -> None:
    chances = {"short": 0.1, "open": 0.05, "stuck_p": 0.2, "stuck_ap": 0.15}
    tile = draw_tile(Die(defects=Defects(**chances)), 100, 100, 1, 0)
    for number, name in enumerate(DEFECTS[1:], start=1):
        share = float((tile.drawn.defect == number).mean())
        assert share == pytest.approx(chances[name], abs=4 * math.sqrt(chances[name] / 10_000))
    assert (tile.state[tile.drawn.defect == 3] == 1).all()
    assert (tile.state[tile.drawn.defect == 4] == 0).all()
    assert tile.cells.conductance_p[tile.drawn.defect == 1] == pytest.approx(1 / 300)
    assert tile.cells.conductance_p[tile.drawn.defect == 2] == pytest.approx(1e-9)


def test_heat_lowers_barrier_and_critical_voltage() -> None:
    cold, hot = temperature_scales(300.0, 300.0, 1000.0, 2.0), temperature_scales(400.0, 300.0, 1000.0, 2.0)
    assert cold == pytest.approx((1.0, 1.0, 1.0))
    m = (1 - 0.4**1.5) / (1 - 0.3**1.5)
    assert hot == pytest.approx((m**2 * 300 / 400, m**2, 1 / m))
    tile = draw_tile(Die(temperature=400.0, spread=Spread(0, 0, 0)), 1, 1, 0, 0)
    assert tile.drawn.delta[0, 0] == pytest.approx(45.0 * m**2 * 0.75)
    assert tile.drawn.voltage_up[0, 0] == pytest.approx(0.55 * m**2)


def test_mean_heating_is_the_mean_of_the_rise() -> None:
    times = np.linspace(0.0, 2e-8, 20_001)
    rise = 1e6 * 3e-5 * (1.0 - np.exp(-times / 5e-9))
    assert mean_heating(1e6, 5e-9, 3e-5, 2e-8) == pytest.approx(np.trapezoid(rise, times) / 2e-8, rel=1e-6)


@pytest.mark.parametrize("key", PARAMETERS)
def test_defaults_are_in_range_and_nan_and_slips_are_refused(key: str) -> None:
    parameter = PARAMETERS[key]
    assert check_parameter(key, parameter.default) == parameter.default
    name = key.split(".")[-1]
    with pytest.raises(ValueError, match=rf"^{name} is nan"):
        check_parameter(key, math.nan)
    with pytest.raises(ValueError, match=rf"^{name} is .*to .* is accepted"):
        check_parameter(key, parameter.low - 1.0)
    with pytest.raises(ValueError, match=rf"^{name} is .*to .* is accepted"):
        check_parameter(key, 2.0 * parameter.high + 1.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Junction(delta=-3.0), r"delta is -3; 5 to 120 is accepted"),
        (lambda: Junction(tmr=math.nan), "tmr is nan"),
        (lambda: Die(temperature=1200.0), r"temperature is 1200 K; .*below the curie_temperature of 1000 K"),
        (lambda: Junction(reference_temperature=1100.0), "reference_temperature is 1100 K"),
        (lambda: Heating(resistance=-1.0), "resistance is -1 K/W; 0 to 1e"),
        (lambda: Breakdown(law="log"), "law is 'log'; power or exponential"),  # type: ignore[arg-type]
        (lambda: Defects(short=0.6, open=0.6), "add up to 1.2; 0 to 1"),
        (lambda: draw_tile(Die(Junction(delta=6.0)), 30, 30, 0, 0), "the Fokker-Planck law has 5 to 120"),
        (lambda: draw_tile(Die(spread=Spread(stray_field=0.1)), 30, 30, 0, 0), r"drawn with \|h\| ="),
        (lambda: draw_tile(Die(temperature=900.0), 3, 3, 0, 0), "delta: cells are drawn with .* at 900 K"),
        (lambda: TileView.drawn_from(Die(), 2, 2, 0, 0).probability(np.zeros(1), -1e-9), "width is -1e-09 s"),
        (
            lambda: TileView.drawn_from(Die(), 2, 2, 0, 0).probability(np.array([math.nan]), 1e-9),
            r"volts are .*nan",
        ),
    ],
)
def test_bad_input_names_argument_value_and_range(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]
