"""The fit against known answers: likelihood, intervals, tests of scatter and drift, joining of polarities."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from mtjloop.protocols.switching.checks import combined_chance
from mtjloop.protocols.switching.fit import DeviceFit, FitSettings, compare_laws, fit_device, fit_devices
from mtjloop.protocols.switching.joint import fit_cells, pairs_of
from mtjloop.protocols.switching.law import LawName, fitted_law
from mtjloop.protocols.switching.likelihood import LOG_DELTA, LOG_TIME, LOG_VOLTAGE, log_hazards
from mtjloop.protocols.switching.summary import fitted_cells, summarise
from mtjloop.records.tallies import BlockCount
from mtjloop.sim.switching import switching_probability

UNIT = 1.9e-9
WIDTHS = (1e-5, 1e-4, 1e-3)


def count(
    voltage: float, width: float, switched: int, trials: int, block: int = 0, polarity: int = 1, row: int = 0,
    column: int = 0, tile: int = 0, resistance: float = 1e4, time: float = 0.0,
) -> BlockCount:  # fmt: skip
    """Trials of one device at one point of one block, seen at the voltage and width that were asked."""
    return BlockCount(
        tile, row, column, polarity, block, voltage, width, voltage, width, switched, trials, resistance, time
    )


def theta_of(delta: float, critical: float, unit: float = UNIT, field: float = 0.0) -> NDArray[np.float64]:
    return np.array([math.log(delta), math.log(critical), math.log(unit), field])


def voltage_for(
    p: float, width: float, delta: float, critical: float, law: LawName = "fokker-planck"
) -> float:
    made, wanted = fitted_law(law), math.log(-math.log1p(-p))

    def off(volt: float) -> float:
        found = log_hazards(made, theta_of(delta, critical), np.array([volt]), np.array([width]))
        return float(found[0]) - wanted

    return round(float(optimize.brentq(off, 1e-3, 2.0 * critical)), 3)


def measured(
    rng: np.random.Generator,
    delta: float = 45.0,
    critical: float = 0.55,
    trials: int = 16,
    blocks: int = 10,
    noise: float = 0.0,
    slope: float = 0.0,
    **place: int,
) -> list[BlockCount]:
    """Binomial trials of the law itself, with P scattered from block to block by `noise`."""
    points = [(voltage_for(p, w, delta, critical), w) for w in WIDTHS for p in (0.2, 0.8)]
    volts, widths = (np.array(each) for each in zip(*points, strict=True))
    p = -np.expm1(-np.exp(log_hazards(fitted_law("fokker-planck"), theta_of(delta, critical), volts, widths)))
    found = []
    for block in range(blocks):
        moved = noise * rng.standard_normal() + slope * (block / max(blocks - 1, 1) - 0.5)
        for k, (voltage, width) in enumerate(points):
            share = float(np.clip(p[k] + moved, 0.0, 1.0))
            ohm = 1e4 * (1.0 + 1e-3 * rng.standard_normal())
            found.append(
                count(
                    voltage, width, int(rng.binomial(trials, share)), trials, block, resistance=ohm,
                    time=block + float(rng.random()), **place,
                )
            )  # fmt: skip
    return found


def fitted(counts: list[BlockCount], settings: FitSettings | None = None) -> DeviceFit:
    chosen = settings or FitSettings(time_unit=UNIT)
    return fit_device(counts, fitted_law(chosen.law), chosen)


@pytest.mark.parametrize("fit_time", [False, True])
def test_the_maximum_is_that_of_an_independent_optimiser(fit_time: bool) -> None:
    counts = measured(np.random.default_rng(4))
    found = fitted(counts, FitSettings(time_unit=UNIT, fit_time=fit_time))
    k = np.array([each.switched for each in counts])
    n = np.array([each.trials for each in counts])
    volts, widths = np.array([each.voltage for each in counts]), np.array([each.width for each in counts])

    def loss(values: NDArray[np.float64]) -> float:
        unit = math.exp(values[2]) if fit_time else UNIT
        p = switching_probability(volts / math.exp(values[1]), widths / unit, math.exp(values[0]))
        return -float(np.sum(stats.binom.logpmf(k, n, p)))

    start = np.array([math.log(44.0), math.log(0.56), math.log(UNIT)])[: 3 if fit_time else 2]
    best = optimize.minimize(
        loss, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-6, "fatol": 1e-7}
    )
    ours = found.theta[: len(start)]
    assert loss(ours) <= best.fun + 1e-3
    assert math.exp(ours[0]) == pytest.approx(math.exp(best.x[0]), rel=0.02 if fit_time else 2e-3)


def test_the_interval_ends_where_the_profile_has_fallen() -> None:
    counts = measured(np.random.default_rng(5))
    found = fitted(counts)
    k = np.array([each.switched for each in counts])
    n = np.array([each.trials for each in counts])
    volts, widths = np.array([each.voltage for each in counts]), np.array([each.width for each in counts])

    def likelihood(log_delta: float, log_voltage: float) -> float:
        p = switching_probability(volts / math.exp(log_voltage), widths / UNIT, math.exp(log_delta))
        return float(np.sum(stats.binom.logpmf(k, n, p)))

    best = likelihood(*found.theta[:2])
    for end in found.delta:
        inner = optimize.minimize_scalar(
            lambda v, end=end: -likelihood(math.log(end), v),
            bracket=(found.theta[1] - 0.05, found.theta[1] + 0.05),
        )
        assert 2.0 * (best + inner.fun) == pytest.approx(stats.chi2.ppf(0.95, 1), abs=0.03)
    for end in found.critical_voltage:
        inner = optimize.minimize_scalar(
            lambda d, end=end: -likelihood(d, math.log(end)),
            bracket=(found.theta[0] - 0.05, found.theta[0] + 0.05),
        )
        assert 2.0 * (best + inner.fun) == pytest.approx(stats.chi2.ppf(0.95, 1), abs=0.03)


def test_intervals_cover() -> None:
    rng = np.random.default_rng(11)
    inside = np.zeros(2)
    runs = 300
    for _ in range(runs):
        delta, critical = (
            45.0 * math.exp(0.08 * rng.standard_normal()),
            0.55 * math.exp(0.04 * rng.standard_normal()),
        )
        found = fitted(measured(rng, delta, critical))
        inside += [
            found.delta[0] <= delta <= found.delta[1],
            found.critical_voltage[0] <= critical <= found.critical_voltage[1],
        ]
    low, high = (float(stats.binom.ppf(q, runs, 0.95)) for q in (0.001, 0.999))
    assert low <= inside[0] <= high and low <= inside[1] <= high


def test_p_values_of_a_steady_device_are_uniform() -> None:
    rng = np.random.default_rng(12)
    checks = [fitted(measured(rng)).checks for _ in range(200)]
    for name in ("goodness_p", "overdispersion_p", "time_p", "resistance_p", "change_p"):
        values = np.array([getattr(each, name) for each in checks])
        assert stats.kstest(values, "uniform").pvalue > 1e-3, name
    assert sum(each.flagged for each in checks) <= stats.binom.ppf(0.999, 200, 0.02)


def test_scatter_between_blocks_and_slow_drift_are_flagged() -> None:
    rng = np.random.default_rng(13)
    scattered = [fitted(measured(rng, trials=34, blocks=50, noise=0.04)).checks for _ in range(20)]
    assert all(each.overdispersion_p < 0.01 for each in scattered)
    drifting = [fitted(measured(rng, trials=34, blocks=50, slope=0.14)).checks for _ in range(20)]
    assert sum(each.drift_p < 0.01 for each in drifting) >= 19


def drifting(rng: np.random.Generator, memory: float, sigma: float) -> list[BlockCount]:
    """50 blocks of 200 trials near P = 1/2 while ln(rate) is an Ornstein-Uhlenbeck process.

    Args:
        rng: of all draws.
        memory: of the process, blocks.
        sigma: its standard deviation.
    """
    points = [(voltage_for(p, w, 45.0, 0.55), w) for w in (1e-4, 1e-3) for p in (0.4, 0.6)]
    volts, widths = (np.array(each) for each in zip(*points, strict=True))
    eta = log_hazards(fitted_law("fokker-planck"), theta_of(45.0, 0.55), volts, widths)
    steps = 8
    keep = math.exp(-1.0 / (memory * steps))
    walk = [rng.standard_normal()]
    for _ in range(50 * steps - 1):
        walk.append(keep * walk[-1] + math.sqrt(1.0 - keep**2) * rng.standard_normal())
    moved = sigma * np.reshape(walk, (50, steps))
    found = []
    for block in range(50):
        for k, (voltage, width) in enumerate(points):
            share = float(np.mean(-np.expm1(-np.exp(eta[k] + moved[block]))))
            ohm = 1e4 * (1.0 + 1e-3 * rng.standard_normal())
            found.append(
                count(
                    voltage, width, int(rng.binomial(50, share)), 50, block, resistance=ohm, time=float(block)
                )
            )
    return found


@pytest.mark.parametrize("memory", [0.5, 1.5, 5.0])
def test_a_drift_is_flagged_whatever_its_memory(memory: float) -> None:
    """sigma is that which scatters P = 1/2 of a block by 0.04 (standard deviation) within a run."""
    sigma = {0.5: 0.153, 1.5: 0.131, 5.0: 0.131}[memory]
    runs = 150
    rng = np.random.default_rng(int(10 * memory))
    checks = [fitted(drifting(rng, memory, sigma)).checks for _ in range(runs)]
    flagged = sum(each.flagged for each in checks)
    low, high = stats.binomtest(flagged, runs).proportion_ci()
    assert low > 0.85 and high > 0.95, f"{flagged} of {runs}"
    alone = [sum(getattr(each, name) < 0.02 for each in checks) for name in ("overdispersion_p", "drift_p")]
    assert flagged >= max(alone) - 2, f"{flagged} flagged, {alone} by one test alone"


def test_the_cauchy_combination_of_independent_tests_is_uniform() -> None:
    rng = np.random.default_rng(21)
    weights = (0.45, 0.45, 0.1)
    drawn = rng.random((4000, 3))
    found = np.array([combined_chance(row, weights) for row in drawn])
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    assert stats.binomtest(int((found < 0.02).sum()), 4000, 0.02).pvalue > 1e-3
    statistic = stats.cauchy.isf(drawn) @ np.array(weights)
    assert found == pytest.approx(stats.cauchy.sf(statistic), rel=1e-6, abs=1e-9)
    alike = np.array([combined_chance((p, p, p), weights) for p in drawn[:, 0]])
    assert alike == pytest.approx(drawn[:, 0], abs=2e-6)


def test_the_cauchy_combination_at_its_bounds() -> None:
    weights = (0.45, 0.45, 0.1)
    assert combined_chance((0.0, 1.0, 0.3), weights) == 0.0
    assert combined_chance((1e-40, 0.5, 0.5), weights) == pytest.approx(1e-40 / 0.45)
    assert combined_chance((1e-12, 0.5, 1.0), weights) == pytest.approx(1e-12 / 0.45, rel=1e-3)
    assert 0.999 < combined_chance((1.0, 1.0, 1.0), weights) <= 1.0
    assert combined_chance((0.01, math.nan, math.nan), weights) == pytest.approx(0.01)
    assert math.isnan(combined_chance((math.nan,) * 3, weights))


def test_change_along_with_resistance_is_seen() -> None:
    rng = np.random.default_rng(14)
    volt = voltage_for(0.5, 1e-4, 45.0, 0.55)
    counts = []
    for block in range(60):
        x = rng.standard_normal()
        p = min(max(0.5 + 0.1 * x, 0.0), 1.0)
        for voltage, share in ((volt, p), (volt * 1.05, min(p + 0.3, 1.0))):
            counts.append(
                count(
                    voltage, 1e-4, int(rng.binomial(30, share)), 30, block,
                    resistance=1e4 * math.exp(0.01 * x), time=float(rng.random()),
                )
            )  # fmt: skip
    checks = fitted(counts).checks
    assert checks.resistance_p < 1e-6
    assert checks.drift_p == pytest.approx(2.0 * checks.resistance_p)
    assert checks.flagged


def test_one_width_and_a_free_time_are_warned_of() -> None:
    rng = np.random.default_rng(15)
    counts = [each for each in measured(rng) if each.width == 1e-4]
    assert any("one width only" in text for text in fitted(counts).warnings)
    free = fitted(counts, FitSettings(time_unit=UNIT, fit_time=True))
    assert any("cannot separate Delta from tau0" in text for text in free.warnings)
    assert (
        free.time_unit is not None and free.time_unit[0] < math.exp(free.theta[LOG_TIME]) < free.time_unit[1]
    )


def test_the_right_law_wins() -> None:
    rng = np.random.default_rng(16)
    counts = [each for column in range(6) for each in measured(rng, trials=200, column=column)]
    fixed = {
        each.law: each for each in compare_laws(counts, FitSettings(time_unit=UNIT)) if not each.fit_time
    }
    assert min(fixed.values(), key=lambda each: each.aic).law == "fokker-planck"
    right = fixed["fokker-planck"]
    assert right.devices == 6
    assert stats.chi2.sf(right.deviance, right.degrees_of_freedom) > 1e-3
    assert fixed["neel-brown-1"].deviance > 5.0 * fixed["neel-brown-1"].degrees_of_freedom


@pytest.mark.parametrize("law", ["neel-brown-1", "neel-brown-2"])
def test_other_laws_find_their_own_parameters(law: LawName) -> None:
    rng = np.random.default_rng(17)
    counts = []
    for width in WIDTHS:
        for p in (0.2, 0.8):
            made = fitted_law(law)
            theta = theta_of(40.0, 0.6, 1e-9)
            volts = np.linspace(0.1, 0.6, 501)
            shares = -np.expm1(-np.exp(log_hazards(made, theta, volts, np.full(501, width))))
            k = int(np.argmin(np.abs(shares - p)))
            counts.append(count(float(volts[k]), width, int(rng.binomial(2000, shares[k])), 2000))
    found = fitted(counts, FitSettings(law, 1e-9))
    assert found.delta[0] < 40.0 < found.delta[1]
    assert found.critical_voltage[0] < 0.6 < found.critical_voltage[1]


def test_devices_that_never_switched_are_left_out() -> None:
    counts = [
        count(0.3, 1e-4, 0, 50),
        count(0.3, 1e-4, 25, 50, column=1),
        count(0.31, 1e-4, 35, 50, column=1),
    ]
    assert [(each.row, each.column) for each in fit_devices(counts, FitSettings())] == [(0, 1)]


def test_both_polarities_join_to_a_cell_with_or_without_field() -> None:
    rng = np.random.default_rng(18)
    deltas = 45.0 * np.exp(0.08 * rng.standard_normal(24))
    criticals = 0.55 * np.exp(0.04 * rng.standard_normal(24))
    plain, fields = [], []
    for column, (delta, critical) in enumerate(zip(deltas, criticals, strict=True)):
        for polarity in (1, -1):
            place = {"column": column, "polarity": polarity}
            plain += measured(rng, float(delta), float(critical), **place)
            h = 0.1 * polarity  # a stray field of 0.1 favours P: it lowers the barrier of AP -> P
            fields += measured(rng, float(delta * (1 - h) ** 2), float(critical * (1 - h)), **place)
    settings = FitSettings(time_unit=UNIT)
    fits = fit_devices(plain, settings)
    both = fit_cells(pairs_of(fits), settings)
    cells, chance = fitted_cells(fits, {}, both.by_cell()), both.field_chance
    assert chance > 0.01
    assert {each.field for each in cells} == {0.0}
    error = np.array([each.delta for each in cells]) / deltas - 1.0
    assert np.sqrt(np.mean(error**2)) < 0.025
    assert abs(np.mean([each.voltage_up for each in cells] / criticals) - 1.0) < 0.01
    summary = summarise(cells, chance)
    assert summary.mean["delta"] == pytest.approx(deltas.mean(), rel=0.02)
    assert summary.spread["delta"] == pytest.approx(deltas.std(ddof=1) / deltas.mean(), abs=0.012)
    assert summary.spread["delta"] < summary.measured_spread["delta"]
    together = summary.correlations["critical_voltage_up, critical_voltage_down"]
    assert together is not None and together > 0.9
    assert summary.correlations["resistance, delta"] is None
    fits = fit_devices(fields, settings)
    both = fit_cells(pairs_of(fits), settings)
    joined = fitted_cells(fits, {}, both.by_cell())
    assert both.field_chance < 1e-6
    assert np.mean([each.field for each in joined]) == pytest.approx(0.1, abs=0.01)
    assert abs(np.mean([each.delta for each in joined] / deltas) - 1.0) < 0.02
    assert abs(np.mean([each.voltage_down for each in joined] / criticals) - 1.0) < 0.02


def test_the_estimate_follows_delta_and_voltage() -> None:
    found = fitted(measured(np.random.default_rng(19), 60.0, 0.7, trials=400))
    assert math.exp(found.theta[LOG_DELTA]) == pytest.approx(60.0, rel=0.03)
    assert math.exp(found.theta[LOG_VOLTAGE]) == pytest.approx(0.7, rel=0.02)
