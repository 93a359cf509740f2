"""The tabulated Fokker-Planck law against converged direct solutions, and what users build on it."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.compiled import kernel
from mtjloop.sim.switching import (
    Law,
    curve_log_hazard_at,
    device_curves,
    equivalent_time,
    equivalent_time_at,
    escape_rate,
    extrapolated,
    log_hazard,
    log_hazard_at,
    make_law,
    probability_at,
    solve_fokker_planck,
    switching_probability,
)
from mtjloop.sim.switching.build import node
from mtjloop.sim.switching.equilibrium import equilibrium_log_odds
from mtjloop.sim.switching.fokker_planck import place_of
from mtjloop.sim.switching.grids import HOLD_AXES, HOLD_OFFSET, SWITCH_AXES
from mtjloop.sim.switching.packing import shipped_table
from mtjloop.sim.switching.table import interpolated, place_in

Floats = NDArray[np.float64]
TAU_10_NS = 10e-9 * 0.01 * 1.76e11 * 0.3 / (1 + 0.01**2)


def converged(overdrive: float, times: Floats, delta: float, field: float) -> tuple[Floats, Floats]:
    """P and 1 - P from the direct solver, extrapolated."""
    steepest = delta * (1 + abs(overdrive - field))
    cells = 8 * math.ceil(min(max(16 * steepest, 2400), 9600) / 8)
    forward = np.exp(extrapolated(overdrive, delta, field, times, cells=cells))
    log_odds = equilibrium_log_odds(overdrive, delta, field)
    occupancy = 1 / (1 + math.exp(-log_odds))
    switched = -occupancy * np.expm1(-forward / occupancy)
    remaining = math.exp(-np.logaddexp(0, log_odds)) + occupancy * np.exp(-forward / occupancy)
    return np.asarray(switched), np.asarray(remaining)


def test_within_one_per_cent_of_converged_solutions() -> None:
    rng = np.random.default_rng(20)
    checked = 0
    while checked < 60:
        i, delta, h = rng.choice([1.5, 5.0]) * rng.random(), rng.uniform(5, 120), rng.uniform(-0.3, 0.3)
        times = np.exp(np.sort(rng.uniform(math.log(0.05), math.log(5e8), 4)))
        exact, remaining = converged(i, times, delta, h)
        found = switching_probability(i, times, delta, h)
        counts = (exact > 1e-9) & (remaining > 1e-6)
        assert (np.abs(found / exact - 1)[counts] < 0.01).all(), (i, delta, h, times, found, exact)
        checked += int(counts.sum())


@pytest.mark.parametrize(("field", "expected"), [(0.0, 0.6160), (0.05, 0.5061), (-0.05, 0.7137)])
def test_conventions_are_those_of_the_written_equation(field: float, expected: float) -> None:
    """Four digits from a dense prototype with other code, at alpha 0.01, mu0 H_k 0.3 T, 10 ns."""
    assert switching_probability(1.2, TAU_10_NS, 40.0, field) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", ["switch", "hold"])
def test_shipped_table_is_what_its_generator_makes(kind: str) -> None:
    rng = np.random.default_rng(7)
    axes = SWITCH_AXES if kind == "switch" else HOLD_AXES
    grid, offset, table = axes.grid(), 0 if kind == "switch" else HOLD_OFFSET, shipped_table()
    times = axes.times()
    for _ in range(4):
        p, delta, h = (float(rng.choice(v)) for v in (axes.overdrives(), axes.deltas(), axes.fields()))
        made = node("switch" if kind == "switch" else "hold", p, times, delta, h)
        shipped = [interpolated(table, place_in(grid, offset, p, float(t), delta, h)) for t in times]
        assert np.array(shipped) == pytest.approx(made, abs=3e-4), (p, delta, h)


def test_retention_and_read_disturb_are_the_same_law() -> None:
    year = 3.15e7 / 1.9e-9
    retention = log_hazard(0.0, year, 60.0)
    assert retention == pytest.approx(math.log(escape_rate(0.0, 60.0) * year), abs=0.01)
    read = switching_probability(0.2, 26_400.0, 60.0)
    assert read == pytest.approx(escape_rate(0.2, 60.0) * 26_400.0, rel=0.01)
    assert switching_probability(0.0, 1e12, 10.0) == pytest.approx(0.5, abs=1e-5)


def test_both_tails_are_resolved() -> None:
    assert 1e-90 < switching_probability(0.0, 1.0, 120.0, 0.3) < 1e-80
    late = np.exp(log_hazard(2.0, [16.0, 26.0], 60.0))  # 1 - P ~ exp(-2 (i - 1) tau) to 1e-12
    assert late[1] - late[0] == pytest.approx(20, rel=0.02)
    assert switching_probability(0.5, 0.0, 40.0) == 0.0


def test_holding_drive_switches_less_than_none() -> None:
    times = np.geomspace(0.1, 1e8, 12)
    for delta in (5.0, 15.0, 40.0):
        rest = log_hazard(0.0, times, delta, 0.05)
        held = log_hazard(np.linspace(-5, -0.01, 20)[:, None], times, delta, 0.05)
        assert (held < rest + 1e-4).all()
        assert log_hazard(-1e-9, times, delta, 0.05) == pytest.approx(rest, abs=2e-3)


@pytest.mark.parametrize(
    ("overdrive", "delta", "field"), [(-0.2, 6.0, 0.0), (-0.35, 8.0, -0.2), (-0.1, 9.0, 0.2)]
)
def test_holding_drive_after_the_thermal_tail_is_swept_back(
    overdrive: float, delta: float, field: float
) -> None:
    times = np.array([2e3, 2e4, 2e6])
    exact = solve_fokker_planck(overdrive, delta, field, times, cells=3200).switched
    assert switching_probability(overdrive, times, delta, field) == pytest.approx(exact, rel=0.02)


def test_probability_rises_with_drive_and_time_and_falls_with_field() -> None:
    i = np.linspace(0, 5, 101)
    tau = np.geomspace(0.05, 1e10, 90)[:, None]
    for delta in (5.0, 33.0, 120.0):
        p = switching_probability(i, tau, delta, 0.1)
        assert (np.diff(p, axis=0) >= -1e-9).all()
        assert (np.diff(p, axis=1) >= -1e-9).all()
        assert (switching_probability(i, tau, delta, 0.2) <= p + 1e-9).all()


@pytest.mark.parametrize(
    ("overdrive", "field"), [(0.0, 0.0), (0.1, 0.2), (0.5, 0.0), (1.3, -0.1), (4.0, 0.3)]
)
@pytest.mark.parametrize("delta", [8.0, 45.0])
def test_equivalent_time_inverts_the_law(overdrive: float, field: float, delta: float) -> None:
    tau = np.array([0.01, 0.2, 3.0, 40.0, 2e3])
    hazard = log_hazard(overdrive, tau, delta, field)
    unsaturated = hazard < log_hazard(overdrive, 1e15, delta, field) - 1e-3
    back = equivalent_time(hazard[unsaturated], overdrive, delta, field)
    assert log_hazard(overdrive, back, delta, field) == pytest.approx(hazard[unsaturated], abs=1e-5)
    assert equivalent_time(-math.inf, overdrive, delta, field) == 0.0


def test_a_hazard_beyond_equilibrium_takes_for_ever() -> None:
    assert equivalent_time(math.log(1.0), 0.0, 10.0) == math.inf  # P = 0.63 > 1/2
    assert equivalent_time(math.log(0.1), -0.5, 10.0) == math.inf
    assert equivalent_time(math.log(1.0), 1.5, 10.0) < 10


def test_history_in_two_pieces_of_one_voltage_is_one_pulse() -> None:
    first = log_hazard(0.9, 4.0, 40.0)
    elapsed = equivalent_time(first, 0.9, 40.0)
    assert log_hazard(0.9, elapsed + 6.0, 40.0) == pytest.approx(log_hazard(0.9, 10.0, 40.0), abs=1e-5)


@kernel
def _each(law: Law, i: Floats, tau: Floats, delta: Floats, field: Floats, out: Floats) -> None:
    for k in range(out.shape[1]):
        out[0, k] = log_hazard_at(law, i[k], tau[k], delta[k], field[k])
        out[1, k] = probability_at(law, i[k], tau[k], delta[k], field[k])
        out[2, k] = equivalent_time_at(law, out[0, k], i[k], delta[k], field[k])


@kernel
def _curved(curves: NDArray[np.float32], i: Floats, delta: Floats, field: Floats, out: Floats) -> None:
    for k in range(out.size):
        out[k] = curve_log_hazard_at(curves, k, i[k], delta[k], field[k])


def devices(count: int) -> tuple[Floats, Floats, Floats, Floats]:
    rng = np.random.default_rng(3)
    tau = np.exp(rng.uniform(-4, 23, count))
    return rng.uniform(-2, 5, count), tau, rng.uniform(5, 120, count), rng.uniform(-0.3, 0.3, count)


def test_compiled_entries_agree_with_the_public_ones() -> None:
    i, tau, delta, field = devices(400)
    out = np.empty((3, i.size))
    _each(make_law("fokker-planck"), i, tau, delta, field, out)
    assert out[0] == pytest.approx(log_hazard(i, tau, delta, field))
    assert out[1] == pytest.approx(switching_probability(i, tau, delta, field), rel=1e-9)
    assert out[2] == pytest.approx(equivalent_time(out[0], i, delta, field))


def test_device_curves_are_the_same_law() -> None:
    i, tau, delta, field = devices(400)
    law = make_law("fokker-planck")
    out = np.empty(i.size)
    _curved(device_curves(law, tau, delta, field), i, delta, field, out)
    expected = log_hazard(i, tau, delta, field)
    assert np.abs(np.expm1(out - expected))[expected < 3].max() < 1e-4


def test_short_cuts_past_equilibrium_change_nothing() -> None:
    """P = P_eq (1 - exp(-X/P_eq)), written out, for devices on both sides of every short cut."""
    rng = np.random.default_rng(8)
    table = shipped_table()
    for _ in range(3000):
        i, delta, h = rng.uniform(-0.3, 0.6), rng.uniform(5, 120), rng.uniform(-0.3, 0.3)
        tau = math.exp(rng.uniform(-3, 20))
        log_odds = equilibrium_log_odds(i, delta, h)
        log_occupancy = -np.logaddexp(0, -log_odds)
        relaxed = math.exp(interpolated(table, place_of(i, tau, delta, h)) - log_occupancy)
        if relaxed < 0.1:
            p = math.exp(log_occupancy) * -math.expm1(-relaxed)
            expected = math.log(-math.log1p(-p)) if p > 1e-14 else math.log(p)
        else:
            remaining = np.logaddexp(-np.logaddexp(0, log_odds), log_occupancy - relaxed)
            expected = math.log(-remaining) if remaining < -1e-12 else math.nan
        if expected < math.log(30) and log_occupancy > -30:  # 1 - P above 1e-13
            assert log_hazard(i, tau, delta, h) == pytest.approx(expected, abs=1e-6), (i, tau, delta, h)


def test_compiled_entries_survive_what_the_public_ones_refuse() -> None:
    law = make_law("fokker-planck")
    assert math.isnan(log_hazard_at(law, math.nan, 1.0, 40.0, 0.0))
    assert math.isnan(probability_at(law, 1.0, math.nan, 40.0, 0.0))
    assert math.isnan(equivalent_time_at(law, 0.0, 1.0, math.nan, 0.0))
    assert log_hazard_at(law, 9.0, 1.0, 40.0, 0.3) >= log_hazard_at(law, 5.0, 1.0, 40.0, 0.3)
    assert log_hazard_at(law, 1.0, 5.0, 300.0, 0.0) == log_hazard_at(law, 1.0, 5.0, 120.0, 0.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"delta": 4.9}, r"delta = 4.9 is outside its range \[5, 120\]"),
        ({"delta": 0.0}, r"delta = 0 is outside its range \[5, 120\]"),
        ({"overdrive": [0.5, 5.1]}, r"overdrive = 5.1 is outside its range \[-5, 5\]"),
        ({"field": -0.31}, r"field = -0.31 is outside its range \[-0.3, 0.3\]"),
        ({"reduced_time": -0.1}, r"reduced_time = -0.1 is outside its range \[0, inf\)"),
        ({"reduced_time": math.nan}, r"reduced_time = nan"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"overdrive": 0.5, "reduced_time": 1.0, "delta": 40.0}
    with pytest.raises(ValueError, match=message):
        switching_probability(**(arguments | changed))  # type: ignore[arg-type]
