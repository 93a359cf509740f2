"""The direct solver against an independent method, its own convergence, and exact limits."""

import math

import numpy as np
import pytest
from scipy.special import dawsn

from mtjloop.sim.switching import (
    escape_rate,
    extrapolated,
    solve_by_legendre,
    solve_fokker_planck,
    terms_needed,
)
from mtjloop.sim.switching.direct import POLE, WEIGHTS
from mtjloop.sim.switching.equilibrium import dawson, equilibrium_log_odds

POINTS = [  # overdrive, delta, field, reduced time: thermal, critical, ballistic; P from 1e-6 to 0.99
    (0.5, 10.0, 0.1, 20.0),
    (0.0, 5.0, -0.3, 1.0),
    (0.8, 30.0, 0.0, 16.0),
    (1.2, 30.0, 0.05, 5.28),
    (2.0, 30.0, -0.1, 2.0),
    (5.0, 20.0, 0.3, 0.3),
]


def probability(log_forward: float, overdrive: float, delta: float, field: float) -> float:
    occupancy = 1 / (1 + math.exp(-equilibrium_log_odds(overdrive, delta, field)))
    return -occupancy * math.expm1(-math.exp(log_forward) / occupancy)


@pytest.mark.parametrize(("overdrive", "delta", "field", "tau"), POINTS)
def test_two_independent_methods_agree(overdrive: float, delta: float, field: float, tau: float) -> None:
    volumes = probability(
        float(extrapolated(overdrive, delta, field, [tau], cells=3200)[0]), overdrive, delta, field
    )
    polynomials = solve_by_legendre(
        overdrive, delta, field, tau, terms=terms_needed(overdrive, delta) // 2 * 2
    )
    assert volumes == pytest.approx(polynomials, rel=2e-5)


@pytest.mark.parametrize(("overdrive", "delta", "field", "tau"), [POINTS[2], POINTS[3], POINTS[5]])
def test_error_falls_as_the_square_of_the_cell_size(
    overdrive: float, delta: float, field: float, tau: float
) -> None:
    converged = extrapolated(overdrive, delta, field, [tau], cells=6400)[0]
    errors = [
        solve_fokker_planck(overdrive, delta, field, [tau], cells=n).log_forward[0] - converged
        for n in (800, 1600, 3200)
    ]
    assert (np.array(errors) > 0).all()
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.02)
    assert abs(extrapolated(overdrive, delta, field, [tau], cells=1600)[0] - converged) < 0.01 * errors[1]


def test_time_steps_are_stable_and_of_fifth_order() -> None:
    def propagator(z: complex) -> complex:
        return complex(sum(w / (1 - POLE * z) ** (j + 1) for j, w in enumerate(WEIGHTS)))

    assert max(abs(propagator(1j * y)) for y in np.geomspace(1e-3, 1e6, 400)) < 1 + 1e-12
    assert abs(propagator(-1e9)) < 1e-8
    # Half a step has an error 2^6 times smaller.
    errors = [abs(propagator(-z) - math.exp(-z)) for z in (0.1, 0.05)]
    assert errors[0] / errors[1] == pytest.approx(2**6, rel=0.2)


def test_shorter_time_steps_change_nothing() -> None:
    times = np.geomspace(0.05, 1e6, 12)
    usual = solve_fokker_planck(0.9, 50.0, 0.05, times, cells=800).log_forward
    finer = solve_fokker_planck(0.9, 50.0, 0.05, times, cells=800, step=0.005).log_forward
    visible = usual > math.log(1e-9)
    assert np.abs(usual - finer)[visible].max() < 1e-5


@pytest.mark.parametrize(
    ("overdrive", "delta", "field"), [(0.0, 40.0, 0.0), (0.3, 120.0, 0.1), (0.4, 80.0, -0.1)]
)
def test_slow_escape_has_the_rate_of_the_mean_first_passage_time(
    overdrive: float, delta: float, field: float
) -> None:
    """Rates of 1e-17 to 1e-45 per unit of time, which no eigenvalue solver resolves."""
    times = [1e3, 2e3]
    forward = np.exp(extrapolated(overdrive, delta, field, times, cells=3200))
    assert (forward[1] - forward[0]) / 1e3 == pytest.approx(escape_rate(overdrive, delta, field), rel=1e-4)


def test_occupancies_add_up_and_reach_equilibrium() -> None:
    overdrive, delta, field = 0.1, 6.0, 0.05
    found = solve_fokker_planck(overdrive, delta, field, [0.1, 10.0, 1e6], cells=3200)
    assert found.switched + found.remaining == pytest.approx(1.0, abs=1e-10)
    odds = found.switched[-1] / found.remaining[-1]
    assert odds == pytest.approx(math.exp(equilibrium_log_odds(overdrive, delta, field)), rel=1e-4)


@pytest.mark.parametrize(
    ("overdrive", "delta", "field"), [(0.0, 7.0, 0.0), (0.02, 60.0, -0.1), (1.5, 8.0, 0.3), (-0.4, 9.0, 0.1)]
)
def test_equilibrium_is_the_integral_of_the_stationary_density(
    overdrive: float, delta: float, field: float
) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(300)

    def integral(low: float, high: float) -> float:
        x = low + 0.5 * (high - low) * (nodes + 1)
        return float(0.5 * (high - low) * (weights * np.exp(delta * (x - overdrive + field) ** 2)).sum())

    odds = integral(-1, -field) / integral(-field, 1)
    assert equilibrium_log_odds(overdrive, delta, field) == pytest.approx(math.log(odds), abs=1e-6)


def test_dawson_integral() -> None:
    x = np.concatenate([np.linspace(-30, 30, 401), [1e-8, 0.2, 6.0, 500.0]])
    assert np.array([dawson(float(v)) for v in x]) == pytest.approx(dawsn(x), rel=1e-6)


def test_hopeless_drives_give_zero_without_fuss() -> None:
    found = solve_fokker_planck(-5.0, 120.0, 0.3, [1.0], cells=400)
    assert found.log_forward[0] == -math.inf
    assert found.remaining[0] == pytest.approx(1.0)


@pytest.mark.parametrize("field", [-0.2, 0.0, 0.2])
def test_more_drive_and_more_time_switch_more(field: float) -> None:
    times = np.geomspace(0.05, 1e4, 15)
    drives = np.linspace(0, 3, 7)
    p = np.array([solve_fokker_planck(i, 20.0, field, times, cells=400).switched for i in drives])
    assert (np.diff(p, axis=0) >= -1e-12).all()
    assert (np.diff(p, axis=1) >= -1e-12).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"delta": -1.0}, r"delta = -1 is outside its range \(0, 1000\]"),
        ({"reduced_times": [0.0, 1.0]}, r"reduced_times = 0 is outside"),
        ({"reduced_times": [2.0, 1.0]}, "reduced_times is not one increasing series"),
        ({"field": math.nan}, "field = nan"),
        ({"cells": 7}, "cells = 7 is not an even number"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"overdrive": 1.0, "delta": 20.0, "field": 0.0, "reduced_times": [1.0]}
    with pytest.raises(ValueError, match=message):
        solve_fokker_planck(**(arguments | changed))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="multiple of 8"):
        extrapolated(1.0, 20.0, 0.0, [1.0], cells=12)
