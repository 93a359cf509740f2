"""Both polarities in one likelihood, and blocks that scatter: other optimisers, and coverage."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from mtjloop.protocols.switching.fit import DeviceFit, FitSettings, fit_device, fit_devices
from mtjloop.protocols.switching.joint import (
    STRAY,
    JointFit,
    as_joint,
    compare_polarities,
    fit_cells,
    fit_jointly,
    pairs_of,
)
from mtjloop.protocols.switching.law import fitted_law
from mtjloop.protocols.switching.likelihood import LOG_TIME, log_hazards
from mtjloop.protocols.switching.scatter import ScatterFit, beta_binomial, fit_scatter
from mtjloop.protocols.switching.summary import fitted_cells
from mtjloop.records.tallies import BlockCount

from .test_switching_fit import UNIT, WIDTHS, count, theta_of, voltage_for

LAW = fitted_law("fokker-planck")
SETTINGS = FitSettings(time_unit=UNIT)
Rng = np.random.Generator


volt_for = cache(voltage_for)


def probability(theta: NDArray[np.float64], volt: float, width: float) -> float:
    return -math.expm1(-math.exp(log_hazards(LAW, theta, np.array([volt]), np.array([width]))[0]))


def polarity_counts(rng: Rng, polarity: int, critical: float, field: float, row: int = 0) -> list[BlockCount]:
    theta = theta_of(45.0, critical, UNIT, -polarity * field)
    seen_delta, seen_critical = 45.0 * (1 - polarity * field) ** 2, critical * (1 - polarity * field)
    found = []
    for width in WIDTHS:
        for share in (0.2, 0.8):
            volt = volt_for(share, width, seen_delta, seen_critical)
            p = probability(theta, volt, width)
            found += [
                count(volt, width, int(rng.binomial(16, p)), 16, block, polarity, row, time=float(block))
                for block in range(10)
            ]
    return found


def pairs(rng: Rng, field: float, cells: int = 1) -> list[tuple[DeviceFit, DeviceFit]]:
    counts = []
    for row in range(cells):
        counts += polarity_counts(rng, 1, 0.55, field, row) + polarity_counts(rng, -1, 0.6, field, row)
    return pairs_of(fit_devices(counts, SETTINGS))


def test_the_joint_maximum_is_that_of_an_independent_optimiser() -> None:
    pair = pairs(np.random.default_rng(2), 0.04)
    (found,) = fit_jointly(pair, SETTINGS, "field")

    def loss(values: NDArray[np.float64]) -> float:
        total = 0.0
        for fit, sign, critical in zip(pair[0], (-1.0, 1.0), values[1:3], strict=True):
            points = fit.points
            theta = np.array([values[0], critical, math.log(UNIT), sign * values[3]])
            p = -np.expm1(-np.exp(log_hazards(LAW, theta, points.voltages, points.widths)))
            total -= float(np.sum(stats.binom.logpmf(points.switched, points.trials, p)))
        return total

    start = np.array([math.log(45.0), math.log(0.55), math.log(0.6), 0.0])
    best = optimize.minimize(
        loss, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000}
    )
    assert found.theta[[0, 1, 2, 4]] == pytest.approx(best.x, abs=2e-4)
    # The ends of the interval of h are where twice the loss of the profile reaches the quantile.
    edge = 0.5 * stats.chi2.ppf(0.95, 1)
    for end in found.field:

        def off(rest: NDArray[np.float64], end: float = end) -> float:
            return loss(np.append(rest, end))

        held = optimize.minimize(
            off, best.x[:3], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000}
        )
        assert held.fun - best.fun == pytest.approx(edge, rel=5e-3)


def likely(inside: float, runs: int) -> bool:
    """Whether so many of the intervals of 95 % may hold the truth: neither too few nor too many."""
    return bool(stats.binom.cdf(inside, runs, 0.95) > 1e-3 and stats.binom.sf(inside - 1, runs, 0.95) > 1e-3)


def held(fits: Sequence[JointFit], field: float) -> NDArray[np.bool_]:
    truth = (45.0, 0.55, 0.6, field)
    return np.array(
        [
            [low <= t <= high for (low, high), t in zip(
                (fit.delta, fit.voltage_up, fit.voltage_down, fit.field), truth, strict=True
            )]
            for fit in fits
        ]
    )  # fmt: skip


def test_joint_intervals_cover_and_the_right_model_is_told() -> None:
    cells = 30
    with_field = pairs(np.random.default_rng(7), 0.04, cells)
    fits = fit_cells(with_field, SETTINGS)
    for inside in held(fits.field, 0.04).sum(axis=0):
        assert likely(inside, cells)
    by_name = {each.model: each for each in compare_polarities(with_field, fits)}
    assert by_name["field"].aic < by_name["shared"].aic - 50.0
    assert by_name["field"].degrees_of_freedom == by_name["shared"].degrees_of_freedom - cells
    assert fits.field_chance < 1e-6
    without = pairs(np.random.default_rng(8), 0.0, cells)
    fits = fit_cells(without, SETTINGS)
    by_name = {each.model: each for each in compare_polarities(without, fits)}
    assert by_name["shared"].aic < min(by_name["field"].aic, by_name["separate"].aic)
    assert fits.field_chance > 1e-3
    assert tuple(fits.by_cell().values()) == fits.shared
    # One Delta for both is known better than either.
    for (up, down), one in zip(without, fits.shared, strict=True):
        width = one.delta[1] - one.delta[0]
        assert width < min(up.delta[1] - up.delta[0], down.delta[1] - down.delta[0])


def test_a_joint_fit_is_reported_by_polarity_and_makes_the_cell() -> None:
    pair = pairs(np.random.default_rng(3), 0.05)
    (joint,) = fit_jointly(pair, SETTINGS, "field")
    up, down = (as_joint(fit, joint, LAW, SETTINGS) for fit in pair[0])
    assert up.delta == down.delta == joint.delta
    assert (up.critical_voltage, down.critical_voltage) == (joint.voltage_up, joint.voltage_down)
    assert up.theta[3] == -down.theta[3] == -joint.theta[STRAY]
    assert up.log_likelihood + down.log_likelihood == pytest.approx(joint.log_likelihood, abs=1e-9)
    assert up.checks.deviance + down.checks.deviance == pytest.approx(joint.deviance)
    assert up.checks.degrees_of_freedom == len(up.points.trials) - 2
    cells = fitted_cells([up, down], {}, {(0, 0, 0): joint})
    assert cells[0].field == joint.stray_field
    assert cells[0].delta == pytest.approx(math.exp(joint.theta[0]))
    assert math.sqrt(cells[0].error[1, 1]) == pytest.approx(
        0.25 * math.log(joint.delta[1] / joint.delta[0]), rel=0.1
    )


def test_a_fitted_time_is_that_of_the_cell_in_value_and_interval() -> None:
    rng, settings, cells = np.random.default_rng(31), FitSettings(time_unit=UNIT, fit_time=True), 30
    counts = []
    for row in range(cells):
        counts += polarity_counts(rng, 1, 0.55, 0.0, row) + polarity_counts(rng, -1, 0.6, 0.0, row)
    both = pairs_of(fit_devices(counts, settings))
    joint = fit_jointly(both, settings, "shared")
    inside, together, alone = 0, [], []
    for (up, down), one in zip(both, joint, strict=True):
        assert one.time_unit is not None
        told = [as_joint(fit, one, LAW, settings) for fit in (up, down)]
        for each in told:
            assert each.time_unit == one.time_unit
            assert one.time_unit[0] <= math.exp(each.theta[LOG_TIME]) <= one.time_unit[1]
        together.append(one.time_unit[1] / one.time_unit[0])
        alone += [fit.time_unit[1] / fit.time_unit[0] for fit in (up, down) if fit.time_unit is not None]
        inside += one.time_unit[0] <= UNIT <= one.time_unit[1]
    assert likely(inside, cells)
    assert np.median(together) < np.median(alone)


def test_the_error_of_a_cell_with_a_field_is_the_scatter_of_its_estimates() -> None:
    cells = 120
    both = pairs(np.random.default_rng(32), 0.05, cells)
    found = fitted_cells([fit for pair in both for fit in pair], {}, fit_cells(both, SETTINGS).by_cell())
    assert len(found) == cells and all(each.field != 0.0 for each in found)
    truth = np.log([45.0, 0.55, 0.6])
    off = np.log([[each.delta, each.voltage_up, each.voltage_down] for each in found]) - truth
    error = np.array([each.error[1:, 1:] for each in found])
    distance = float(np.einsum("ni,nij,nj->", off, np.linalg.inv(error), off))
    assert stats.chi2.cdf(distance, 3 * cells) > 1e-3 and stats.chi2.sf(distance, 3 * cells) > 1e-3
    # The field ties both V_c0 together, against each other, beyond what Delta does.
    told = np.corrcoef(off[:, 1], off[:, 2])[0, 1]
    mean = error.mean(axis=0)
    assert told == pytest.approx(mean[1, 2] / math.sqrt(mean[1, 1] * mean[2, 2]), abs=0.25)


def test_the_beta_binomial_likelihood_is_that_of_scipy() -> None:
    k, n = np.array([0, 3, 16, 7]), np.array([5, 16, 16, 40])
    p, rho = np.array([0.3, 0.2, 0.9, 0.5]), 0.07
    value, by_p, by_rho, curve = beta_binomial(p, rho, k, n)
    a, b = p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho
    constant = float(np.sum(stats.binom.logpmf(k, n, 0.5)) + n.sum() * math.log(2.0))
    assert value + constant == pytest.approx(float(np.sum(stats.betabinom.logpmf(k, n, a, b))), abs=1e-9)
    step = 1e-6
    for m in range(4):
        moved = step * (np.arange(4) == m)
        slope = (beta_binomial(p + moved, rho, k, n)[0] - beta_binomial(p - moved, rho, k, n)[0]) / (2 * step)
        assert by_p[m] == pytest.approx(slope, rel=1e-6)
    above, below = beta_binomial(p, rho + step, k, n), beta_binomial(p, rho - step, k, n)
    assert by_rho == pytest.approx((above[0] - below[0]) / (2 * step), rel=1e-5)
    assert curve == pytest.approx((above[2] - below[2]) / (2 * step), rel=1e-5)


def scattering(rng: Rng, rho: float) -> tuple[DeviceFit, ScatterFit]:
    counts = []
    for block in range(20):
        for width in WIDTHS:
            for share in (0.2, 0.8):
                volt = volt_for(share, width, 45.0, 0.55)
                p = probability(theta_of(45.0, 0.55), volt, width)
                if rho > 0.0:
                    p = float(rng.beta(p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho))
                counts.append(count(volt, width, int(rng.binomial(16, p)), 16, block, time=float(block)))
    fit = fit_device(counts, LAW, SETTINGS)
    (scatter,) = fit_scatter(counts, [fit], SETTINGS)
    return fit, scatter


def test_beta_binomial_intervals_cover_where_binomial_ones_do_not() -> None:
    rng, runs, rho = np.random.default_rng(11), 35, 0.3
    binomial, wide, told = 0, 0, 0
    for _ in range(runs):
        fit, scatter = scattering(rng, rho)
        binomial += fit.delta[0] <= 45.0 <= fit.delta[1]
        wide += scatter.fit.delta[0] <= 45.0 <= scatter.fit.delta[1]
        told += scatter.rho_interval[0] <= rho <= scatter.rho_interval[1]
        assert scatter.fit.delta[1] - scatter.fit.delta[0] > 1.4 * (fit.delta[1] - fit.delta[0])
        assert scatter.rho_interval[0] > 0.0 and scatter.aic_gain > 10.0
    assert stats.binom.cdf(binomial, runs, 0.95) < 1e-3
    assert likely(wide, runs)
    assert likely(told, runs)


def test_the_deviance_of_scattering_blocks_counts_their_scatter() -> None:
    rng, runs = np.random.default_rng(13), 40
    binomial, wide = [], []
    for _ in range(runs):
        fit, scatter = scattering(rng, 0.15)
        binomial.append(fit.checks.goodness_p)
        wide.append(scatter.fit.checks.goodness_p)
        assert scatter.fit.checks.degrees_of_freedom == fit.checks.degrees_of_freedom
        assert scatter.fit.checks.change_p == fit.checks.change_p
        assert scatter.steady.trials.sum() < fit.points.trials.sum()
    assert stats.kstest(wide, "uniform").pvalue > 1e-3
    assert stats.kstest(binomial, "uniform").pvalue < 1e-3


def test_steady_trials_are_left_binomial() -> None:
    rng = np.random.default_rng(12)
    gains, zero = [], 0
    for _ in range(10):
        fit, scatter = scattering(rng, 0.0)
        gains.append(scatter.aic_gain)
        zero += scatter.rho_interval[0] == 0.0
        assert scatter.rho_interval[1] < 0.05
        assert scatter.fit.delta[1] - scatter.fit.delta[0] < 1.3 * (fit.delta[1] - fit.delta[0])
    assert zero >= 8 and np.median(gains) < 0.0
