"""Intervals of proportions against scipy, and their exact coverage."""

import numpy as np
import pytest
from scipy import stats

from mtjloop.protocols.switching.intervals import clopper_pearson, wilson


@pytest.mark.parametrize("trials", [1, 2, 5, 20, 200, 10_000, 1_000_000])
def test_clopper_pearson_is_the_beta_quantile(trials: int) -> None:
    rng = np.random.default_rng(trials)
    for switched in {0, 1, trials // 2, trials - 1, trials, *rng.integers(0, trials + 1, 20).tolist()}:
        low, high = clopper_pearson(switched, trials)
        wanted_low = 0.0 if switched == 0 else stats.beta.ppf(0.025, switched, trials - switched + 1)
        wanted_high = 1.0 if switched == trials else stats.beta.ppf(0.975, switched + 1, trials - switched)
        assert low == pytest.approx(wanted_low, rel=1e-9)
        assert high == pytest.approx(wanted_high, rel=1e-9)


@pytest.mark.parametrize(
    ("trials", "p", "expected"), [(30, 0.01, 0.964), (100, 0.01, 0.921), (1000, 0.001, 0.920)]
)
def test_wilson_covers_as_known(trials: int, p: float, expected: float) -> None:
    counts = np.arange(trials + 1)
    inside = [low <= p <= high for low, high in (wilson(int(k), trials) for k in counts)]
    assert stats.binom.pmf(counts, trials, p)[inside].sum() == pytest.approx(expected, abs=1e-3)


def test_clopper_pearson_never_covers_less_than_promised() -> None:
    counts = np.arange(61)
    intervals = [clopper_pearson(int(k), 60) for k in counts]
    for p in np.linspace(0.01, 0.99, 99):
        inside = [low <= p <= high for low, high in intervals]
        assert stats.binom.pmf(counts, 60, p)[inside].sum() >= 0.95


def test_without_trials_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
