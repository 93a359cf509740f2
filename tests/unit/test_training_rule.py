"""Update rules and the coincidence encoding against what they are meant to compute."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from mtjloop.protocols.training.audit import Audit
from mtjloop.protocols.training.coincidence import fired, firing, phases, requested
from mtjloop.protocols.training.controller_draws import layer_draws
from mtjloop.protocols.training.rule import Factor, PerSample, RankOneMomentum, drop, make_orthonormal
from mtjloop.protocols.training.settings import EncodingSettings, RareLines, TrainingSettings

SIGNS = np.tile([1.0, -1.0], 3)
FACTOR = Factor(np.array([0.5, -1.0, 0.0, 0.25]), np.array([1.0, -0.5, 0.2]), 0.08)


def test_per_sample_is_the_gradient_itself() -> None:
    (factor,) = PerSample(0.0).observe(np.array([1.0, -2.0]), np.array([0.5]), 0.1)
    assert np.outer(factor.rows, factor.columns) * factor.strength == pytest.approx(
        0.1 * np.outer([1.0, -2.0], [0.5])
    )


def test_momentum_finds_the_leading_direction_of_its_gradients() -> None:
    """Against a singular value decomposition of the moving average that the rule never forms."""
    rng = np.random.default_rng(0)
    settings = TrainingSettings(hidden=(), memory=0.9, period=1, rank=1, threshold=0.0)
    rule = RankOneMomentum(12, 7, settings, rng)
    left, right = rng.standard_normal(12), rng.standard_normal(7)
    average = np.zeros((12, 7))
    factor = None
    for _ in range(80):
        x = left * rng.standard_normal() + 0.1 * rng.standard_normal(12)
        d = right * np.sign(x @ left) + 0.1 * rng.standard_normal(7)
        average = 0.9 * average + np.outer(x, d)
        (factor,) = rule.observe(x, d, 1.0)
    assert factor is not None
    u, s, vt = np.linalg.svd(average)
    got = np.outer(factor.rows, factor.columns) * factor.strength
    best = s[0] * np.outer(u[:, 0], vt[0])
    cosine = (got * best).sum() / np.linalg.norm(got) / np.linalg.norm(best)
    assert cosine > 0.98


def test_momentum_waits_for_its_period_and_keeps_its_rank() -> None:
    settings = TrainingSettings(hidden=(), period=4, rank=3, threshold=0.0)
    rule = RankOneMomentum(10, 2, settings, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    counts = [len(rule.observe(rng.standard_normal(10), rng.standard_normal(2), 0.1)) for _ in range(8)]
    assert counts == [0, 0, 0, 2, 0, 0, 0, 2]


def test_orthonormal_rows() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 9))
    make_orthonormal(rows)
    assert rows @ rows.T == pytest.approx(np.eye(4), abs=1e-12)


@pytest.mark.parametrize(("threshold", "left"), [(0.3, [1.0, 0.0, 0.5]), (0.0, [1.0, -0.2, 0.5])])
def test_small_entries_are_dropped(threshold: float, left: list[float]) -> None:
    values = np.array([1.0, -0.2, 0.5])
    drop(values, threshold)
    assert values.tolist() == left


def test_requested_probability_is_capped() -> None:
    assert requested(Factor(np.array([2.0]), np.array([-1.0]), 0.3))[0, 0] == pytest.approx(0.6)
    assert requested(Factor(np.array([2.0]), np.array([-1.0]), 3.0))[0, 0] == 1.0


@pytest.mark.parametrize("rare", ["both", "columns"])
@pytest.mark.parametrize("slots", [1, 8])
def test_coincidence_delivers_what_was_requested(slots: int, rare: RareLines) -> None:
    """Cells that switch with p0 under a select pulse switch, over many updates, as often as requested."""
    settings = EncodingSettings(probability=0.4, slots=slots, rare_lines=rare)
    chances = firing(FACTOR, settings)
    assert chances is not None
    assert not chances.clipped
    rng = np.random.default_rng(0)
    updates = 6_000
    toward = np.zeros((4, 6), dtype=np.int64)
    for slot in range(updates * slots):
        if slot % slots == 0:
            seen = np.zeros((4, 6), dtype=np.bool_)
        fires = fired(chances.rows, chances.columns, layer_draws(0, 1), slot)
        for phase in phases(FACTOR.rows, FACTOR.columns, *fires, SIGNS):
            selected = np.outer(phase.rows, phase.columns)
            sign = np.sign(np.outer(FACTOR.rows, np.repeat(FACTOR.columns, 2)))
            sign[:, 1::2] *= -1
            # A pulse only ever selects cells that it moves toward the wanted sign.
            assert (sign[selected] == phase.polarity).all()
            seen |= selected & (rng.random((4, 6)) < settings.probability)
        if slot % slots == slots - 1:
            toward += seen
    wanted = np.repeat(requested(FACTOR), 2, axis=1)
    for k, p in zip(toward.ravel(), wanted.ravel(), strict=True):
        if p == 0.0:
            assert k == 0
        else:
            # Products of firing chances are exact for one slot and within a few per cent for several.
            low, high = stats.binomtest(int(k), updates).proportion_ci(0.9999)
            assert low * 0.97 <= p <= high * 1.03


def test_rare_columns_leave_rows_to_fire_as_their_share_of_the_factor_says() -> None:
    chances = firing(Factor(np.array([2.0, -1.0]), np.array([0.5, 1.0]), 0.01), EncodingSettings(
        probability=0.4, rare_lines="columns"
    ))  # fmt: skip
    assert chances is not None
    assert chances.rows.tolist() == [1.0, 0.5]
    # 0.01 * 2 * 1 wanted at the peak, of p0 = 0.4 for each selected cell.
    assert chances.columns == pytest.approx([0.025, 0.05])


def test_too_much_for_the_slots_is_reported_as_clipped() -> None:
    chances = firing(Factor(np.ones(3), np.ones(2), 0.9), EncodingSettings(probability=0.1, slots=2))
    assert chances is not None
    assert chances.clipped
    assert chances.rows.max() == chances.columns.max() == 1.0


def test_nothing_is_fired_for_nothing() -> None:
    assert firing(Factor(np.zeros(3), np.ones(2), 0.9), EncodingSettings()) is None
    assert firing(Factor(np.ones(3), np.ones(2), 0.0), EncodingSettings()) is None


def test_audit_counts_asked_and_unasked_flips() -> None:
    factor = Factor(np.array([1.0, 0.0]), np.array([1.0]), 0.5)
    before = np.array([[0, 1], [0, 0]], dtype=np.int8)
    after = np.array([[1, 0], [1, 0]], dtype=np.int8)
    audit = Audit()
    audit.add(factor, SIGNS[:2], before, after, np.ones((2, 2), dtype=np.int8))
    tally = audit.total()
    assert (tally.cells, tally.switched, tally.resting, tally.unasked) == (2, 2, 2, 1)
    assert tally.requested == pytest.approx(1.0)
    known: NDArray[np.int8] = np.array([[1, 0], [0, 0]], dtype=np.int8)
    partly = Audit()
    partly.add(factor, SIGNS[:2], before, after, known)
    assert partly.total().cells == 1
