"""Column momentum against the average that it never forms, and its pulses against what was wanted."""

import numpy as np
import pytest
from scipy import stats

from mtjloop.drivers.contract import Floats
from mtjloop.errors import ConfigurationError
from mtjloop.protocols.training.column_momentum import ColumnMomentum, add_sample, most_rank, weakest
from mtjloop.protocols.training.rule import Factor
from mtjloop.protocols.training.schedule import make_rule
from mtjloop.protocols.training.settings import EncodingSettings, TrainingSettings


def rule(rank: int, **settings: float) -> ColumnMomentum:
    wanted = TrainingSettings(
        hidden=(), schedule="column-momentum", rank=rank, threshold=settings.get("threshold", 0.0),
        period=int(settings.get("period", 1)), memory=settings.get("memory", 0.9),
        encoding=EncodingSettings(probability=0.4), power=settings.get("power", 1.0),
    )  # fmt: skip
    made = make_rule(30, 20, wanted, np.random.default_rng(0))
    assert isinstance(made, ColumnMomentum)
    return made


def samples(count: int, rank: int, noise: float) -> list[tuple[Floats, Floats]]:
    """Gradients of some leading directions and noise."""
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((rank, 30)), rng.standard_normal((rank, 20))
    size = 0.7 ** np.arange(rank)
    found = []
    for _ in range(count):
        which = rng.integers(rank)
        x = size[which] * left[which] + noise * rng.standard_normal(30)
        found.append((x, right[which] + noise * rng.standard_normal(20)))
    return found


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_an_average_of_low_rank_is_kept_to_the_last_digit(rank: int) -> None:
    one = rule(rank)
    average = np.zeros((30, 20))
    for x, d in samples(40, rank, 0.0):
        average += np.outer(x, d)
        one.observe(x, d, 0.0)
        assert one.along.T @ one.across / one.memory == pytest.approx(average, abs=1e-9)
        average *= one.memory


def test_an_average_of_any_rank_is_kept_nearly_as_well_as_can_be() -> None:
    """Against the best approximation of its rank, by a singular value decomposition of the whole average."""
    one = rule(5)
    average = np.zeros((30, 20))
    for x, d in samples(200, 8, 0.05):
        average = 0.9 * average + np.outer(x, d)
        one.observe(x, d, 0.0)
    u, s, vt = np.linalg.svd(average)
    best = np.linalg.norm(average - (u[:, :5] * s[:5]) @ vt[:5])
    got = np.linalg.norm(average - one.along.T @ one.across / one.memory)
    assert best <= got < 1.5 * best
    assert got < 0.3 * np.linalg.norm(average)
    assert one.along @ one.along.T == pytest.approx(np.eye(5), abs=1e-9)


def test_samples_of_zeros_and_repeated_ones_change_nothing_they_should_not() -> None:
    along, across = np.zeros((3, 4)), np.zeros((3, 2))
    x, d = np.array([1.0, 2.0, 0.0, -1.0]), np.array([0.5, -1.0])
    for signal, error, times in ((0.0 * x, d, 0), (x, 0.0 * d, 0), (x, d, 1), (x, d, 2), (0.0 * x, d, 2)):
        add_sample(along, across, signal, error)
        assert along.T @ across == pytest.approx(times * np.outer(x, d), abs=1e-12)


def test_the_weakest_combination_is_the_last_singular_direction() -> None:
    rng = np.random.default_rng(2)
    rows = (
        np.linalg.qr(rng.standard_normal((6, 6)))[0]
        @ np.diag([5, 4, 3, 2, 1, 0.1])
        @ rng.standard_normal((6, 9))
    )
    found = weakest(rows)
    assert np.linalg.norm(found) == pytest.approx(1.0)
    assert np.linalg.norm(found @ rows) == pytest.approx(np.linalg.svd(rows)[1][-1], rel=1e-6)
    assert found[-1] <= 0.0


def test_columns_are_pulsed_as_often_as_what_is_wanted_of_them_says() -> None:
    """Chance of a column times what its factor asks for is the wanted probability, in 99.99 % intervals."""
    average = np.outer(np.linspace(-1.0, 1.0, 30), np.linspace(0.0, 0.2, 20))
    one = rule(1, memory=0.0)
    counts, updates = np.zeros(20), 4_000
    for _ in range(updates):
        factors = one.observe(np.linspace(-1.0, 1.0, 30), np.linspace(0.0, 0.2, 20), 1.0)
        for factor in factors:
            (column,) = np.flatnonzero(factor.columns)
            counts[column] += 1
            share = average[:, column] / np.abs(average[:, column]).max()
            assert factor.strength * factor.rows == pytest.approx(0.4 * share)
    assert counts[0] == 0
    for k in range(1, 20):
        low, high = stats.binomtest(int(counts[k]), updates).proportion_ci(0.9999)
        assert low <= average[-1, k] / 0.4 <= high


def test_more_than_p0_is_asked_for_where_it_is_wanted() -> None:
    factors = rule(1, memory=0.0).observe(np.eye(30)[3], np.eye(20)[7], 0.9)
    assert [(one.strength, one.rows[3], one.columns[7]) for one in factors] == [(0.9, 1.0, 1.0)]


@pytest.mark.parametrize("power", [0.5, 2.0, 3.0])
def test_a_power_changes_what_is_asked_of_small_entries_and_no_chance_of_a_column(power: float) -> None:
    """Against the same draws at power 1: the same columns, entries as shares of the largest to that power."""
    x, d = np.linspace(-2.0, 1.0, 30), np.linspace(0.0, 0.2, 20)
    plain, sharp = rule(1), rule(1, power=power)
    fired = 0
    for _ in range(50):
        before, after = plain.observe(x, d, 1.0), sharp.observe(x, d, 1.0)
        assert [one.strength for one in before] == [one.strength for one in after]
        for one, other in zip(before, after, strict=True):
            fired += 1
            assert np.array_equal(one.columns, other.columns)
            assert other.rows == pytest.approx(np.sign(x) * (np.abs(x) / 2.0) ** power)
    assert fired > 100


def test_it_waits_for_its_period_and_drops_small_entries() -> None:
    one = rule(2, period=3, threshold=0.5, memory=0.0)
    x = np.zeros(30)
    x[:3] = 1.0, -0.6, 0.4
    seen: list[list[Factor]] = [one.observe(x, np.eye(20)[0], 1.0) for _ in range(6)]
    assert [len(found) for found in seen] == [0, 0, 1, 0, 0, 1]
    assert seen[2][0].rows[:3] == pytest.approx([1.0, -0.6, 0.0])
    assert seen[2][0].strength == pytest.approx(3.0)


@pytest.mark.parametrize(("inputs", "outputs", "most"), [(65, 256, 25), (256, 10, 4), (7, 3, 1), (2, 2, 1)])
def test_memory_is_half_of_the_weights_at_most(inputs: int, outputs: int, most: int) -> None:
    assert most_rank(inputs, outputs) == most
    settings = TrainingSettings(hidden=(), schedule="column-momentum", rank=64)
    made = ColumnMomentum(inputs, outputs, settings, np.random.default_rng(0))
    assert len(made.along) == most


def test_a_period_that_adapts_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"training\.period is auto.*write the period as a number"):
        TrainingSettings(hidden=(), schedule="column-momentum", period="auto")
