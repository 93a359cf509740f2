"""The stochastic macrospin: its equilibrium, its deterministic motion, and the law that it samples."""

import math

import numpy as np
import pytest

from mtjloop.sim.llg import simulate
from mtjloop.sim.switching import solve_fokker_planck

FIVE_SIGMA = 5.0


@pytest.mark.parametrize(("delta", "field"), [(6.0, 0.0), (40.0, 0.1), (20.0, -0.3)])
def test_starts_from_equilibrium_and_stays_there(delta: float, field: float) -> None:
    """Without drive the mean of m_z keeps its Boltzmann value: noise and Stratonovich drift are right."""
    count = 4000
    z = np.linspace(-field, 1, 20_001)
    weight = np.exp(delta * (z**2 + 2 * field * z - 1 - 2 * field))
    mean = (z * weight).sum() / weight.sum()
    deviation = math.sqrt(((z - mean) ** 2 * weight).sum() / weight.sum() / count)
    start = simulate(0.0, 1e-6, delta, field, trajectories=count, alpha=0.3)
    assert abs(start.positions.mean() - mean) < FIVE_SIGMA * deviation
    if delta * (1 + field) ** 2 > 9:
        later = simulate(0.0, 2.0, delta, field, trajectories=count, alpha=0.3)
        assert abs(later.positions.mean() - mean) < FIVE_SIGMA * deviation


@pytest.mark.parametrize("alpha", [0.01, 0.2])
def test_cold_spin_follows_the_drift_equation(alpha: float) -> None:
    """At huge Delta the noise only starts the motion; from then on dx/dtau = (1 - x^2)(x - i)."""
    drive, begin, end = 3.0, 3.0, 3.6
    before = simulate(drive, [begin], 1e6, trajectories=8, alpha=alpha, seed=2).positions
    after = simulate(drive, [begin, end], 1e6, trajectories=8, alpha=alpha, seed=2).positions
    for start, stop in zip(before, after, strict=True):
        x = np.linspace(start, stop, 100_001)
        middle = 0.5 * (x[1:] + x[:-1])
        elapsed = (np.diff(x) / ((1 - middle**2) * (middle - drive))).sum()
        assert elapsed == pytest.approx(end - begin, rel=0.01)


@pytest.mark.parametrize(
    ("overdrive", "delta", "field", "times", "alpha"),
    [
        (1.2, 40.0, 0.0, [2.6, 5.28, 9.0], 0.1),  # ballistic
        (1.2, 40.0, 0.05, [5.28], 0.1),
        (2.0, 60.0, -0.1, [1.5, 2.5], 0.1),
        (0.8, 40.0, 0.0, [8.0], 0.1),  # thermal activation during incubation
        (0.3, 8.0, 0.1, [20.0], 0.2),  # thermal
        (0.0, 6.0, 0.0, [20.0], 0.2),  # retention
        (1.2, 40.0, 0.0, [5.28], 0.02),
    ],
)
def test_samples_the_fokker_planck_law(
    overdrive: float, delta: float, field: float, times: list[float], alpha: float
) -> None:
    found = simulate(overdrive, times, delta, field, alpha=alpha, trajectories=1200, seed=11)
    low, high = found.interval(z=4.0)
    law = solve_fokker_planck(overdrive, delta, field, times, cells=1600).switched
    assert ((low < law) & (law < high)).all(), (low, law, high)


def test_trajectories_do_not_depend_on_company() -> None:
    together = simulate(1.5, 1.0, 20.0, trajectories=6, seed=4, alpha=0.2).positions
    head = simulate(1.5, 1.0, 20.0, trajectories=2, seed=4, alpha=0.2).positions
    tail = simulate(1.5, 1.0, 20.0, trajectories=4, first=2, seed=4, alpha=0.2).positions
    assert (together == np.concatenate([head, tail])).all()
    assert (together != simulate(1.5, 1.0, 20.0, trajectories=6, seed=5, alpha=0.2).positions).all()


def test_wilson_interval_holds_the_rate_it_should() -> None:
    found = simulate(1.2, 5.28, 40.0, trajectories=50, alpha=0.2, seed=1)
    low, high = found.interval()
    p = found.probability()[0]
    # Both ends solve |p - q| = z sqrt(q (1 - q)/n) for q.
    for end in (low[0], high[0]):
        assert abs(p - end) == pytest.approx(1.959963984540054 * math.sqrt(end * (1 - end) / 50))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"delta": 0.0}, "delta = 0 is outside"),
        ({"reduced_times": [2.0, 1.0]}, "reduced_times is not one increasing series"),
        ({"reduced_times": math.nan}, "reduced_times = nan"),
        ({"alpha": 0.0}, "alpha = 0 is outside"),
        ({"seed": -1}, "seed = -1"),
        ({"trajectories": 0}, "trajectories = 0 is outside"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"overdrive": 1.0, "reduced_times": 1.0, "delta": 20.0}
    with pytest.raises(ValueError, match=message):
        simulate(**(arguments | changed))  # type: ignore[arg-type]
