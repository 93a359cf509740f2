"""Closed forms and the Fokker-Planck law agree where both should hold, and only there."""

import math

import pytest

from mtjloop.sim.switching import (
    ballistic_error,
    equivalent_time,
    escape_rate,
    log_hazard,
    overdrive_error,
    switching_probability,
    thermal_probability,
    thermal_rate,
)


@pytest.mark.parametrize(
    ("overdrive", "delta"), [(0.0, 40.0), (0.0, 120.0), (0.2, 60.0), (0.5, 120.0), (0.6, 120.0)]
)
def test_thermal_rate_is_right_to_the_inverse_barrier(overdrive: float, delta: float) -> None:
    barrier = delta * (1 - overdrive) ** 2
    exact = escape_rate(overdrive, delta)
    assert 0 < thermal_rate(overdrive, delta) / exact - 1 < 3 / barrier


@pytest.mark.parametrize(("overdrive", "delta"), [(0.0, 40.0), (0.2, 30.0), (0.5, 60.0), (0.3, 120.0)])
@pytest.mark.parametrize("tau", [1e4, 1e7])
def test_law_has_the_escape_rate_at_long_times(overdrive: float, delta: float, tau: float) -> None:
    assert log_hazard(overdrive, tau, delta) == pytest.approx(
        math.log(escape_rate(overdrive, delta) * tau), abs=0.01
    )


def test_thermal_law_fails_for_short_pulses() -> None:
    """Incubation: at 10 ns and Delta = 60 the exponential law is high by more than ten times."""
    assert thermal_probability(0.8, 5.28, 60.0) > 10 * switching_probability(0.8, 5.28, 60.0)


def time_to_remain(share: float, overdrive: float, delta: float) -> float:
    """Reduced time after which the law leaves this share unswitched."""
    return float(equivalent_time(math.log(-math.log(share)), overdrive, delta))


@pytest.mark.parametrize("overdrive", [2.0, 3.0, 5.0])
@pytest.mark.parametrize("delta", [60.0, 120.0])
@pytest.mark.parametrize("share", [0.1, 1e-2, 1e-4])
def test_ballistic_tail(overdrive: float, delta: float, share: float) -> None:
    tau = time_to_remain(share, overdrive, delta)
    assert ballistic_error(overdrive, tau, delta) == pytest.approx(share, rel=6 / delta)


@pytest.mark.parametrize("overdrive", [2.0, 3.0, 5.0])
def test_butlers_tail_decays_right_but_is_off_by_a_factor(overdrive: float) -> None:
    early, late = (time_to_remain(share, overdrive, 120.0) for share in (1e-2, 1e-4))
    assert late - early == pytest.approx(math.log(100) / (2 * (overdrive - 1)), rel=0.02)
    ratios = [overdrive_error(overdrive, early, 120.0) / 1e-2, overdrive_error(overdrive, late, 120.0) / 1e-4]
    assert ratios[0] == pytest.approx(ratios[1], rel=0.05)
    assert 0.8 < ratios[0] < 1.7


@pytest.mark.parametrize("delta", [0.0, math.nan])
def test_bad_arguments_are_named(delta: float) -> None:
    with pytest.raises(ValueError, match="delta = "):
        thermal_rate(0.5, delta)
    with pytest.raises(ValueError, match="overdrive = 1 is outside"):
        thermal_rate(1.0, 40.0)
    with pytest.raises(ValueError, match=r"overdrive = 0\.5 is outside"):
        overdrive_error(0.5, 1.0, 40.0)
    with pytest.raises(ValueError, match=r"overdrive - field = 1\.2 is outside"):
        escape_rate(1.2, 40.0)
