"""Map, calibrate and program, through the contract."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mtjloop.app.init_command import template
from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.contract import Applied, Bias, Crossbar, Pulse, Reading, SafeState
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ProtocolError
from mtjloop.protocols.calibration import calibrate
from mtjloop.protocols.few_lines import FewLines
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.mapping import map_crossbar, read_resistances, two_level_threshold
from mtjloop.protocols.programming import program
from mtjloop.protocols.selection import TO_AP, TO_P, row_pulse, select_pulse
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.switching_curve import fit_curve

Ideal = Callable[..., Any]

READ = ReadSettings(0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)


def simulated(kind: str = "passive", rows: int = 14, columns: int = 12) -> Crossbar:
    text = template("bench.yaml").replace("rows: 14, columns: 24", f"rows: {rows}, columns: {columns}")
    text = text.replace("line_current: 5 mA", "line_current: 20 mA")  # a line of a large tile takes more
    content = parse_yaml(text.replace("kind: passive", f"kind: {kind}"), "bench.yaml", BenchFile)
    return open_bench(BenchDescription(Path("bench.yaml"), text, content), seed=5).crossbars[0]


def test_map_tells_states_and_resistances(ideal: Ideal) -> None:
    crossbar = ideal(6, 7)
    found = map_crossbar(crossbar, READ)
    assert (found.state == crossbar.state).all()
    assert found.resistance == pytest.approx(1.0 / crossbar.conductance)


def test_a_map_of_one_level_leaves_the_states_open(ideal: Ideal) -> None:
    crossbar = ideal(6, 7, stuck={(i, j): 1 for i in range(6) for j in range(7)})
    found = map_crossbar(crossbar, READ)
    assert found.threshold is None
    assert (found.state == -1).all()
    assert (map_crossbar(crossbar, READ, threshold=7e3).state == 1).all()


def test_one_broad_level_is_not_taken_for_two() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert two_level_threshold(5e3 * np.exp(0.1 * rng.standard_normal((20, 20)))) is None


def test_two_levels_are_found_even_if_one_is_rare() -> None:
    rng = np.random.default_rng(0)
    resistance = 5e3 * np.exp(0.08 * rng.standard_normal((20, 20)))
    resistance[3, 4] *= 2.2
    threshold = two_level_threshold(resistance)
    assert threshold is not None
    assert resistance[resistance < threshold].size == 399


@pytest.mark.parametrize("polarity", [TO_P, TO_AP])
@pytest.mark.parametrize(("scheme", "rest"), [("half", 0.5), ("third", 1 / 3)])
def test_unselected_cells_see_their_share(polarity: int, scheme: str, rest: float) -> None:
    rows, columns = np.array([True, False, False]), np.array([False, True])
    pulse = select_pulse(rows, columns, polarity, 0.6, 1e-4, scheme)  # type: ignore[arg-type]
    volts = pulse.rows[:, None] - pulse.columns
    assert volts[0, 1] == pytest.approx(polarity * 0.6)
    others = np.delete(volts.ravel(), 1)
    assert np.abs(others).max() == pytest.approx(0.6 * rest)


def test_a_whole_row_is_pulsed_without_half_selecting_any_other() -> None:
    pulse = row_pulse(1, np.array([True, True]), TO_P, 0.5, 1e-4, "half", 3)
    volts = pulse.rows[:, None] - pulse.columns
    assert volts[1] == pytest.approx([0.5, 0.5])
    assert np.abs(np.delete(volts, 1, axis=0)).max() == 0.0


def test_curve_fit_recovers_its_own_line() -> None:
    """Maximum likelihood on binomial draws: both parameters within four standard errors over 60 repeats."""
    rng = np.random.default_rng(1)
    amplitudes = np.linspace(0.2, 0.32, 9)
    slope, middle = 60.0, 0.26
    p = -np.expm1(-np.exp(slope * (amplitudes - middle)))
    slopes, middles = [], []
    for _ in range(60):
        curve = fit_curve(amplitudes, rng.binomial(150, p).astype(float), np.full(9, 150.0))
        slopes.append(curve.slope)
        middles.append(curve.amplitude(1.0 - np.exp(-1.0)))
    assert np.mean(slopes) == pytest.approx(slope, abs=4 * np.std(slopes) / np.sqrt(60) + 0.01 * slope)
    assert np.mean(middles) == pytest.approx(middle, abs=4 * np.std(middles) / np.sqrt(60) + 1e-4)


@pytest.mark.parametrize("kind", ["passive", "1T1R"])
@pytest.mark.parametrize("probability", [0.05, 0.5])
def test_calibrated_amplitude_gives_the_probability(kind: str, probability: float) -> None:
    """What the calibration promises is then measured by fresh pulses on few lines."""
    crossbar = simulated(kind, 20, 16)
    rng = np.random.default_rng(0)
    known = calibrate(crossbar, READ, PULSE, probability, rng, SilentMonitor())
    assert (known.levels.stuck == -1).all()
    for polarity, start in ((TO_P, 0), (TO_AP, 1)):
        switched = cells = 0
        amplitude = known.curve(polarity).amplitude(probability)
        for _ in range(60):
            report = program(crossbar, np.full((20, 16), start, np.int8), known, READ, PULSE, SilentMonitor())
            assert not report.failed
            rows, columns = rng.random(20) < 0.4, rng.random(16) < 0.4
            if not (rows.any() and columns.any()):
                continue
            crossbar.apply(select_pulse(rows, columns, polarity, amplitude, 1e-4))
            after = map_crossbar(crossbar, READ, threshold=known.levels.threshold).state
            switched += int((after[np.ix_(rows, columns)] != start).sum())
            cells += int(rows.sum() * columns.sum())
        # Two binomial errors, of calibration (about 40 switched cells) and of this count, and 1 mV steps.
        assert switched / cells == pytest.approx(
            probability, rel=4 * np.sqrt(2 / 40) * (1 - probability) + 0.1
        )


@pytest.mark.parametrize("seed", [0, 1])
def test_a_large_tile_is_calibrated_as_few_lines_see_it(seed: int) -> None:
    """With wires and transistors, where the ramp tells half of the slope that pulses on few lines have.

    The calibration stops within 0.3 of the wanted log hazard, which its count knows to about 0.15: a
    probability of 0.36 to 0.65 where a half was wanted. It is measured anew, with pulses on six lines.
    """
    crossbar, rng = simulated("1T1R", 65, 64), np.random.default_rng(seed)
    found = calibrate(crossbar, READ, PULSE, 0.5, rng, SilentMonitor())
    few = FewLines(crossbar, READ, PULSE, found.levels, found.strong, rng, SilentMonitor())
    for polarity in (TO_P, TO_AP):
        few.forget()
        switched, cells = few.measure(polarity, found.amplitude(polarity, 0.5, PULSE), PULSE.width, 600)
        low, high = stats.binomtest(switched, cells).proportion_ci(0.99)
        assert low <= 0.65
        assert high >= 0.36


def test_calibration_finds_stuck_cells(ideal: Ideal) -> None:
    stuck = {(0, 0): 1, (3, 2): 0}
    known = calibrate(ideal(8, 8, stuck=stuck), READ, PULSE, 0.3, np.random.default_rng(0), SilentMonitor())
    assert {cell: int(known.levels.stuck[cell]) for cell in stuck} == stuck
    assert (known.levels.stuck >= 0).sum() == 2
    assert np.isfinite(known.levels.threshold).all()


def test_cells_that_never_switch_are_reported(ideal: Ideal) -> None:
    with pytest.raises(ProtocolError, match=r"up to 0\.6 V .* raise operation\.search_to"):
        calibrate(
            ideal(8, 8, median_voltage=3.0), READ, PULSE, 0.3, np.random.default_rng(0), SilentMonitor()
        )


def test_a_disconnected_bench_is_not_calibrated(ideal: Ideal) -> None:
    """Currents that are nothing but noise must not pass for cells that switch."""

    class Noise:
        def __init__(self, like: Crossbar) -> None:
            self.capabilities = like.capabilities

        rng = np.random.default_rng(0)

        def apply(self, pulse: Pulse) -> Applied:
            return Applied(1e-4, 1e-4)

        def read(self, bias: Bias) -> Reading:
            lines = (len(np.atleast_2d(bias.levels)), 6)
            return Reading(20e-9 * self.rng.standard_normal(lines), 20e-9, 1e-5)

        def safe(self) -> SafeState:
            return SafeState(True)

    for seed in range(5):
        with pytest.raises(ProtocolError, match="beyond the read noise"):
            calibrate(Noise(ideal(6, 6)), READ, PULSE, 0.3, np.random.default_rng(seed), SilentMonitor())


def test_amplitudes_outside_the_search_are_refused(ideal: Ideal) -> None:
    known = calibrate(ideal(8, 8), READ, PULSE, 0.3, np.random.default_rng(0), SilentMonitor())
    assert PULSE.search_from < known.amplitude(TO_P, 0.3, PULSE) < PULSE.search_to
    with pytest.raises(ProtocolError, match=r"would need .* outside 0\.1 V to 0\.6 V"):
        known.amplitude(TO_P, 1e-12, PULSE)


@pytest.mark.parametrize("amplitude", [0.0, -0.3, float("nan"), float("inf")])
def test_select_pulses_have_a_positive_amplitude(amplitude: float) -> None:
    with pytest.raises(ProtocolError, match="a finite voltage > 0"):
        select_pulse(np.ones(2, bool), np.ones(2, bool), TO_P, amplitude, 1e-4)


@pytest.mark.parametrize("kind", ["passive", "1T1R"])
def test_program_writes_and_verifies(kind: str) -> None:
    crossbar = simulated(kind)
    rng = np.random.default_rng(2)
    known = calibrate(crossbar, READ, PULSE, 0.3, rng, SilentMonitor())
    for _ in range(3):
        target = rng.integers(0, 2, crossbar.capabilities.shape).astype(np.int8)
        report = program(crossbar, target, known, READ, PULSE, SilentMonitor())
        assert report.failed == ()
        assert (report.final.state == target).all()
        measured = read_resistances(crossbar, READ).ohm < known.levels.threshold
        assert (measured == (target == 1)).all()


def test_program_reports_stuck_cells_and_leaves_free_ones_alone(ideal: Ideal) -> None:
    crossbar = ideal(8, 8, stuck={(2, 5): 0})
    known = calibrate(crossbar, READ, PULSE, 0.3, np.random.default_rng(0), SilentMonitor())
    before = map_crossbar(crossbar, READ).state
    target = np.full((8, 8), -1, dtype=np.int8)
    target[2] = 1
    report = program(crossbar, target, known, READ, PULSE, SilentMonitor())
    assert report.failed == ((2, 5),)
    assert report.rounds == PULSE.attempts
    others = np.delete(report.final.state, 2, axis=0)
    assert (others == np.delete(before, 2, axis=0)).all()


def test_program_never_exceeds_the_highest_amplitude(ideal: Ideal) -> None:
    crossbar = ideal(8, 8, stuck={(2, 5): 0})
    known = calibrate(crossbar, READ, PULSE, 0.3, np.random.default_rng(0), SilentMonitor())
    program(crossbar, np.ones((8, 8), np.int8), known, READ, PULSE, SilentMonitor())
    lines = [np.append(pulse.rows, pulse.columns) for pulse in crossbar.pulses]
    spans = [np.ptp(levels[np.isfinite(levels)]) for levels in lines]
    assert max(spans) <= PULSE.search_to * (1 + 1e-9)


def test_a_pattern_of_another_shape_is_refused(ideal: Ideal) -> None:
    crossbar = ideal(4, 4)
    known = calibrate(crossbar, READ, PULSE, 0.3, np.random.default_rng(0), SilentMonitor())
    with pytest.raises(ProtocolError, match="3 rows and 4 columns, the crossbar 4 and 4"):
        program(crossbar, np.ones((3, 4), np.int8), known, READ, PULSE, SilentMonitor())
