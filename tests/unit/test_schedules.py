"""Schedules, output codes, what lives in the controller, and how training ends, through the contract."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtjloop.app.dry_run_command import KeptJournal
from mtjloop.errors import ConfigurationError
from mtjloop.protocols.data import Split, load_data, split_data, split_validation
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.loop import Trainer, TrainingResult
from mtjloop.protocols.training.output_code import output_code
from mtjloop.protocols.training.rule import MiniBatch, RankOneMomentum
from mtjloop.protocols.training.settings import EncodingSettings, TrainingSettings
from mtjloop.protocols.training.weights import WeightLayout

Ideal = Callable[..., Any]
READ = ReadSettings(0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
SETTINGS = TrainingSettings(hidden=(6,), epochs=15, audit_every=0)


@pytest.fixture(scope="module")
def iris() -> Split:
    return split_data(load_data("iris"), 0.3, "per-feature", 0)


@pytest.fixture
def train(ideal: Ideal, iris: Split) -> Callable[..., tuple[Trainer, TrainingResult]]:
    def run(settings: TrainingSettings, gates: bool = False) -> tuple[Trainer, TrainingResult]:
        crossbars = [ideal(8, 16, seed=k, gates=gates) for k in range(4)]
        trainer = Trainer(crossbars, iris, READ, PULSE, settings, 0, None, SilentMonitor())
        return trainer, trainer.run()

    return run


@pytest.mark.parametrize(
    ("changes", "gates"),
    [
        ({"encoding": EncodingSettings("log-amplitude", 0.2, gating="auto")}, False),
        ({"encoding": EncodingSettings("duration-amplitude", 0.2)}, True),
        ({"encoding": EncodingSettings(slots=3, gating=0.5), "weights": "reference"}, True),
        ({"schedule": "mini-batch", "rate": 0.03, "batch": 16, "epochs": 30}, False),
        ({"period": "auto", "rate_schedule": "cosine", "audit_every": 5, "balance": True}, False),
        ({"output": "code", "rate_schedule": "constant"}, False),
        ({"hidden": (6, 5)}, False),
        ({"normalisers": False}, False),
    ],
)
def test_every_way_to_train_learns(train: Any, changes: dict[str, Any], gates: bool) -> None:
    trainer, result = train(replace(SETTINGS, **changes), gates)
    assert result.train.accuracy > 0.8
    assert result.failed_cells == 0
    if changes.get("normalisers") is False:
        part = trainer.network.digital.hidden[0]
        assert np.ptp(part.mean_square) == 0.0
        assert not part.centre.any()


def test_stuck_cells_are_learned_around(ideal: Ideal, iris: Split) -> None:
    """One cell in twelve stuck: left out of audits and restoring; the other weights make up for it."""
    rng = np.random.default_rng(0)
    crossbars = []
    for seed in range(2):
        places = rng.permutation(8 * 16)[:10]
        stuck = {(int(k) // 16, int(k) % 16): int(k) % 2 for k in places}
        crossbars.append(ideal(8, 16, seed=seed, stuck=stuck))
    settings = replace(SETTINGS, epochs=20, audit_every=10)
    trainer = Trainer(crossbars, iris, READ, PULSE, settings, 0, None, SilentMonitor())
    result = trainer.run()
    assert result.train.accuracy > 0.85
    assert result.failed_cells == 0
    for layer, crossbar in zip(trainer.network.layers, crossbars, strict=True):
        (block,) = layer.blocks
        assert int((block.calibration.levels.stuck >= 0).sum()) == len(crossbar.stuck)


def test_stuck_cells_of_reference_columns_are_reported(ideal: Ideal, iris: Split) -> None:
    """Two reference cells that hold the wrong state, one that holds the right one: two are told."""
    layout, journal = WeightLayout("reference"), KeptJournal()
    columns = layout.columns(6)
    right = layout.reference_states(5)
    stuck = {
        (0, columns - 2): 1 - int(right[0, 0]),
        (1, columns - 1): 1 - int(right[1, 1]),
        (2, columns - 1): int(right[2, 1]),
    }
    crossbars = [ideal(8, 16, stuck=stuck), ideal(8, 16, seed=1)]
    settings = replace(SETTINGS, epochs=1, weights="reference")
    Trainer(crossbars, iris, READ, PULSE, settings, 0, journal, SilentMonitor()).run()
    assert [text for _, text in journal.messages if "reference columns" in text] == [
        "tile 0: 2 cells of the reference columns did not follow"
    ]


@pytest.mark.parametrize(("fraction", "part"), [(0.0, "training"), (0.25, "validation")])
def test_the_pocket_says_on_which_part_it_chose(
    ideal: Ideal, iris: Split, fraction: float, part: str
) -> None:
    journal = KeptJournal()
    crossbars = [ideal(8, 16), ideal(8, 16, seed=1)]
    settings = replace(SETTINGS, epochs=2, validation_fraction=fraction)
    Trainer(crossbars, iris, READ, PULSE, settings, 0, journal, SilentMonitor()).run()
    told = [text for _, text in journal.messages if text.startswith("restored")]
    assert len(told) == 1 and f"the best state on the {part} part" in told[0]


def test_without_digital_biases_none_are_learned(train: Any) -> None:
    trainer, _ = train(replace(SETTINGS, epochs=2, digital_biases=False))
    assert not trainer.network.digital.output_bias.any()
    assert not trainer.network.digital.hidden[0].bias.any()


def test_a_code_is_written_once_and_left_alone(train: Any) -> None:
    trainer, result = train(replace(SETTINGS, epochs=3, output="code"))
    cells = result.network.states[1]
    weights = trainer.network.layers[1].layout.weights_of(cells)
    assert set(np.unique(weights)) == {-1.0, 1.0}
    # One class against the rest and the complement, by turns.
    assert (weights[:3] == 2 * np.eye(3) - 1).all()
    assert (weights[3:] == 1 - 2 * np.eye(3)).all()
    with pytest.raises(ConfigurationError, match=r"network\.hidden is empty; write trained"):
        train(replace(SETTINGS, hidden=(), output="code"))


def test_codes_of_many_classes_are_balanced() -> None:
    code = output_code(40, 10, np.random.default_rng(0))
    assert set(np.abs(code).ravel()) == {1}
    assert (np.abs(code.sum(axis=1)) <= 1).all()
    assert len({tuple(row) for row in code}) > 30


def test_training_stops_when_nothing_gets_better(train: Any, iris: Split) -> None:
    settings = replace(SETTINGS, epochs=400, patience=4, validation_fraction=0.25)
    _, result = train(settings)
    assert result.epochs < 400
    assert not result.interrupted
    kept, held = split_validation(iris, 0.25, 0)
    assert held is not None
    assert len(kept.train_y) + len(held.labels) == len(iris.train_y)
    assert result.samples == result.epochs * len(kept.train_y)
    # Validation samples are stratified and none of them is trained on.
    assert np.ptp(np.bincount(held.labels)) <= 1
    rows = {tuple(one) for one in kept.train_x}
    assert sum(tuple(one) in rows for one in held.features) <= 2  # iris holds a few samples twice
    assert (kept.test_x == iris.test_x).all()


def test_a_mini_batch_is_the_sum_of_its_gradients() -> None:
    rule, rng = MiniBatch(4, 3, 5, 0.0), np.random.default_rng(0)
    total = np.zeros((4, 3))
    for k in range(5):
        x, d = rng.standard_normal(4), rng.standard_normal(3)
        x[2] = 0.0
        total += np.outer(x, d)
        factors = rule.observe(x, d, 0.1)
        assert bool(factors) == (k == 4)
    assert len(factors) == 3  # a row that asks for nothing is not pulsed
    assert sum(np.outer(f.rows, f.columns) * f.strength for f in factors) == pytest.approx(0.1 * total)


def test_an_automatic_period_keeps_window_and_mean_update() -> None:
    """After the change a pulse asks for as much more as it comes more rarely."""
    settings = TrainingSettings(hidden=(), memory=0.98, period="auto", threshold=0.0)
    rng = np.random.default_rng(0)
    rule = RankOneMomentum(9, 7, settings, np.random.default_rng(1))
    left, right = rng.standard_normal(9), rng.standard_normal(7)

    def asked(samples: int) -> tuple[int, float]:
        count, total = 0, 0.0
        for _ in range(samples):
            x = left + 0.3 * rng.standard_normal(9)
            for factor in rule.observe(x, right, 1e-4):
                count, total = count + 1, total + factor.strength * float(np.linalg.norm(factor.rows))
        return count, total

    asked(400)
    before_count, before = asked(600)
    rule.adapt_period(before / before_count, 4.1 * before / before_count)
    assert rule.period == 4
    asked(400)
    after_count, after = asked(600)
    assert (before_count, after_count) == (600, 150)
    assert after == pytest.approx(before, rel=0.1)
    rule.adapt_period(1e-9, 1.0)
    assert rule.period == 12  # a quarter of the window of 50
    fixed = RankOneMomentum(9, 7, replace(settings, period=3), rng)
    fixed.adapt_period(1e-9, 1.0)
    assert fixed.period == 3


def test_rates_fall_as_they_should() -> None:
    settings = TrainingSettings(hidden=(), epochs=10, annealing=2.0)
    assert [settings.rate_share(k) for k in (0, 5)] == pytest.approx([1.0, 0.25])
    assert replace(settings, rate_schedule="cosine").rate_share(5) == pytest.approx(0.5)
    assert replace(settings, rate_schedule="constant").rate_share(9) == 1.0
