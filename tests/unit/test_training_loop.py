"""Training through the contract: what is read, what is learned, what stays the same, how it stops."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special, stats
from sklearn.neural_network import MLPClassifier

from mtjloop.app.fused.loop import compiled_loop
from mtjloop.app.init_command import template
from mtjloop.app.network_file import load_network, save_network
from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.contract import Crossbar
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ConfigurationError, StoppedError
from mtjloop.protocols.data import Split, load_data, split_data
from mtjloop.protocols.inference import deploy
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.baseline import float_baseline
from mtjloop.protocols.training.loop import Trainer, TrainingResult
from mtjloop.protocols.training.network import judge_scores
from mtjloop.protocols.training.placement import layer_sizes, record_tiles
from mtjloop.protocols.training.preparation import write_random
from mtjloop.protocols.training.scores import confusion, evaluate
from mtjloop.protocols.training.settings import TrainingSettings
from mtjloop.protocols.training.weights import WeightLayout
from mtjloop.records.reader import RunReader
from mtjloop.records.run import RunRecorder
from mtjloop.records.tallies import point_counts

from ..layers import calibrated_layer, weights_of

READ = ReadSettings(0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
SETTINGS = TrainingSettings(hidden=(4,), epochs=8)


def tiles(
    shapes: Sequence[tuple[int, int]],
    kind: str = "passive",
    seed: int = 0,
    noise: str = "20 nA",
    levels: str = "",
) -> tuple[Crossbar, ...]:
    wanted = ", ".join(f"{{rows: {rows}, columns: {columns}}}" for rows, columns in shapes)
    text = f"name: t\nbackend: simulated\nsimulated:\n  die: {{kind: {kind}, tiles: [{wanted}]}}\n"
    text += f"  electronics: {{read_noise: {noise}{levels}}}\n"
    text += "limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}\n"
    content = parse_yaml(text, "bench.yaml", BenchFile)
    return open_bench(BenchDescription(Path("bench.yaml"), text, content), seed).crossbars


@pytest.fixture(scope="module")
def iris() -> Split:
    return split_data(load_data("iris"), 0.3, "per-feature", 0)


def train(
    split: Split, settings: TrainingSettings = SETTINGS, seed: int = 0, kind: str = "passive", **more: Any
) -> tuple[Trainer, TrainingResult]:
    shapes = [
        (rows, 2 * columns)
        for rows, columns in layer_sizes(
            split.train_x.shape[1], settings.hidden, len(split.classes), settings.constants
        )
    ]
    trainer = Trainer(
        tiles(shapes, kind, seed, more.get("noise", "20 nA"), more.get("levels", "")),
        split,
        READ,
        more.get("pulse", PULSE),
        settings,
        seed,
        more.get("journal"),
        more.get("monitor", SilentMonitor()),
        more.get("fast"),
    )
    return trainer, trainer.run()


def test_a_layer_reads_its_weights_both_ways(ideal: Callable[..., Any]) -> None:
    """Through an ideal crossbar the read is the product with the weights told from a map."""
    layer, rng = calibrated_layer(ideal(7, 10), 5, 4, READ, PULSE), np.random.default_rng(0)
    weights = weights_of(layer)
    assert set(np.unique(weights)) <= {-1.0, 0.0, 1.0}
    x, d = rng.standard_normal((3, 5)), rng.standard_normal(4)
    # Rows and columns beyond the layer hold cells of unknown state at 0 V and must not matter.
    assert layer.forward(x) == pytest.approx(x @ weights, abs=1e-9)
    assert layer.forward(x[0]) == pytest.approx(x[0] @ weights, abs=1e-9)
    assert layer.backward(d) == pytest.approx(weights @ d, abs=1e-9)


def test_the_scale_is_found_on_a_chip_with_wires() -> None:
    layer = calibrated_layer(tiles([(20, 16)])[0], 20, 8, READ, PULSE)
    (block,), rng = layer.blocks, np.random.default_rng(0)
    write_random(block, block.calibration, PULSE, rng, SilentMonitor())
    block.calibrate(block.calibration, rng)
    weights = weights_of(layer)
    x = rng.uniform(-1, 1, (200, 20))
    read = layer.forward(x)
    wanted = x @ weights
    assert (read * wanted).sum() / (wanted**2).sum() == pytest.approx(1.0, abs=0.02)
    # What is left is the spread of the resistances, which makes every weight a little different.
    assert np.corrcoef(read.ravel(), wanted.ravel())[0, 1] > 0.9


def test_backward_is_the_gradient_of_the_scores(iris: Split) -> None:
    """Transposed reads against numerical differences of forward reads, on a noise-free read."""
    trainer, _ = train(iris, replace(SETTINGS, epochs=1, hidden=(4, 5)))
    network = trainer.network
    part = network.digital.hidden[0]
    features = iris.train_x[0]
    direction = np.array([1.0, -0.5, 0.25])
    errors = network.backward(network.forward(features), direction)
    step, slope = 0.05, np.empty(4)
    for unit in range(4):
        ends = []
        for sign in (1.0, -1.0):
            bias = part.bias.copy()
            bias[unit] += sign * step
            moved = replace(network.digital, hidden=(replace(part, bias=bias), network.digital.hidden[1]))
            kept, network.digital = network.digital, moved
            # Hidden activations enter the error without the gains that follow, which are common factors.
            ends.append(network.forward(features).scores @ direction)
            network.digital = kept
        slope[unit] = (ends[0] - ends[1]) / (2 * step)
    assert np.corrcoef(errors[0], slope)[0, 1] > 0.9


def test_training_learns(iris: Split) -> None:
    _, result = train(iris, replace(SETTINGS, epochs=40))
    assert result.train.accuracy > 0.9
    assert result.failed_cells == 0
    assert result.samples == 40 * len(iris.train_x)


def test_training_learns_on_a_bench_of_two_levels(iris: Split) -> None:
    """One level in a read, two in a pulse: what two channels, ground and a switch matrix can do."""
    settings = replace(SETTINGS, epochs=40, audit_every=10)
    limited, half = ", distinct_levels: 2, read_levels: 1", replace(PULSE, program_unselected="half")
    trainer, result = train(iris, settings, pulse=half, levels=limited)
    assert result.train.accuracy > 0.9
    assert result.failed_cells == 0
    free, _ = train(iris, settings, pulse=half)
    assert trainer.crossbars[0].totals.reads > 2 * free.crossbars[0].totals.reads
    with pytest.raises(ConfigurationError, match="program_unselected is third"):
        train(iris, settings, levels=limited)


@pytest.mark.parametrize("schedule", ["momentum", "per-sample"])
@pytest.mark.parametrize("kind", ["passive", "1T1R"])
def test_both_schedules_and_kinds_do_better_than_the_digital_parts(schedule: Any, kind: str) -> None:
    """Over six dies, splits and draws, at the default rate: the test parts count, 45 samples each."""
    settings = replace(SETTINGS, epochs=20, schedule=schedule, digital_alone=True)
    right, alone, samples = 0, 0, 0
    for seed in range(6):
        split = split_data(load_data("iris"), 0.3, "per-feature", seed)
        _, result = train(split, settings, seed, kind, fast=compiled_loop)
        assert result.digital_alone is not None
        samples += len(split.test_y)
        right += round(result.test.accuracy * len(split.test_y))
        alone += round(result.digital_alone * len(split.test_y))
    trained, digital = (stats.binomtest(count, samples).proportion_ci(0.99) for count in (right, alone))
    assert trained.low > digital.high
    assert trained.low > 0.6  # three classes alike: a third is chance


def test_same_seed_same_states_another_seed_others(iris: Split) -> None:
    settings = replace(SETTINGS, epochs=3)
    first, again, other = (train(iris, settings, seed)[1].network.states for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_audits_change_no_switching(iris: Split) -> None:
    """Extra reads shift nothing: draws are keyed by pulse. Without read noise the states are the same."""
    settings = replace(SETTINGS, epochs=2, pocket=False)
    often, often_result = train(iris, replace(settings, audit_every=5), noise="0 A")
    never, never_result = train(iris, replace(settings, audit_every=0), noise="0 A")
    assert often.crossbars[0].totals.reads > never.crossbars[0].totals.reads
    assert often.crossbars[0].totals.pulses == never.crossbars[0].totals.pulses
    for a, b in zip(often_result.network.states, never_result.network.states, strict=True):
        assert (a == b).all()


def test_the_pocket_restores_the_best_epoch_on_the_training_part(iris: Split, tmp_path: Path) -> None:
    with recorder(tmp_path) as journal:
        _, result = train(iris, replace(SETTINGS, epochs=12), journal=journal)
        directory = journal.directory
        journal.finish("completed", {})
    with RunReader(directory) as reader:
        metrics = reader.metrics()
        best = metrics["train_accuracy"][1].max()
        after = {record.tile: record.state for record in reader.maps("after")}
    assert result.train.accuracy == pytest.approx(best, abs=0.03)
    assert all((after[k] == state).all() for k, state in enumerate(result.network.states))


def test_what_is_recorded_adds_up(iris: Split, tmp_path: Path) -> None:
    with recorder(tmp_path) as journal:
        trainer, _ = train(iris, replace(SETTINGS, epochs=6, audit_every=4), journal=journal)
        directory = journal.directory
        journal.finish("completed", {})
    with RunReader(directory) as reader:
        pulses, reads = reader.pulse_totals(), reader.read_totals()
        for number, crossbar in enumerate(trainer.crossbars):
            totals = crossbar.totals
            mine = [one for one in pulses if one.tile == number]
            assert sum(one.repeats for one in mine) == totals.pulses
            assert sum(one.count for one in reads if one.tile == number) == totals.reads
            energy = sum(one.energy or 0.0 for one in mine)
            energy += sum(one.energy or 0.0 for one in reads if one.tile == number)
            assert energy == pytest.approx(totals.energy, rel=1e-9)
        assert {"before", "after"} <= {record.label for record in reader.maps()}
        assert reader.arrays()["confusion"].sum() == len(iris.test_y)
        switching = reader.switching()
        assert switching
        assert all(0 <= one.switched <= one.cells for one in switching)
        metrics = reader.metrics()
        assert len(metrics["train_accuracy"][0]) == 6
    # Cells that an audited update selected once are trials of single devices, at the asked P of one half.
    devices = point_counts(directory)
    assert {each.kind for each in devices} == {"audit"} and all(each.row is not None for each in devices)
    assert len({each.voltage for each in devices}) <= 2 * len(trainer.crossbars)
    assert all(0 <= each.switched <= each.trials for each in devices)


def test_stopping_keeps_a_usable_network(iris: Split) -> None:
    class Stopper(SilentMonitor):
        training = 0

        def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
            self.training += task == "train"

        def should_stop(self) -> bool:
            return self.training > 3

    _, result = train(iris, replace(SETTINGS, epochs=500), monitor=Stopper())
    assert result.interrupted
    assert result.epochs < 10
    assert 0.0 <= result.test.accuracy <= 1.0


@pytest.mark.parametrize("constants", [1, 3])
def test_deployed_network_answers_as_the_trained_one(iris: Split, constants: int) -> None:
    settings = replace(SETTINGS, epochs=20, constants=constants, constant_level=1.0 / constants)
    trainer, result = train(iris, settings)
    known = {block.crossbar.tile: block.known for layer in trainer.network.layers for block in layer.blocks}
    # A network trained on one die meets other spreads on another: it must work there, and may lose.
    for crossbars, use, loss in (
        (tiles([(4 + constants, 8), (4, 6)]), known, 0.03),
        (tiles([(5 + constants, 9), (4, 6)], seed=9), None, 0.25),
    ):
        network, failed = deploy(
            record_tiles(crossbars, 2, None),
            result.network,
            4,
            (SETTINGS.hidden_gain, SETTINGS.output_gain),
            use,
            READ,
            PULSE,
            True,
            np.random.default_rng(0),
            SilentMonitor(),
        )
        assert failed == 0
        assert evaluate(network, iris.train_x, iris.train_y).accuracy > result.train.accuracy - loss


def test_a_stored_network_keeps_its_constant_and_one_of_before_had_1(iris: Split, tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=1, constants=2, constant_level=0.3)
    trainer, result = train(iris, settings)
    path = save_network(tmp_path, result.network, trainer.network.layers, iris, (1.0, 1.5))
    assert load_network(tmp_path).network.constant == 0.3
    with np.load(path) as stored:
        older = {key: stored[key] for key in stored.files if key != "constant"} | {"format": np.array(2)}
    np.savez(path, **older)
    assert load_network(tmp_path).network.constant == 1.0


def test_digital_parts_alone_send_no_pulse_and_are_reported(iris: Split) -> None:
    settings = replace(SETTINGS, epochs=1, pocket=False, rate=1e-12, digital_alone=True)
    with_it, result = train(iris, settings)
    without, other = train(iris, replace(settings, digital_alone=False))
    assert result.digital_alone is not None
    assert 0.2 < result.digital_alone <= 1.0
    assert other.digital_alone is None
    assert with_it.crossbars[0].totals.pulses == without.crossbars[0].totals.pulses
    assert with_it.crossbars[0].totals.reads > without.crossbars[0].totals.reads


def test_layers_that_do_not_fit_are_refused(iris: Split) -> None:
    with pytest.raises(ConfigurationError, match=r"needs 5 rows and 8 columns.*4 rows.*enlarge"):
        Trainer(tiles([(4, 8), (4, 6)]), iris, READ, PULSE, SETTINGS, 0, None, SilentMonitor())
    with pytest.raises(ConfigurationError, match=r"layer 1 of 2 .* the bench has 1 tiles"):
        Trainer(tiles([(5, 8)]), iris, READ, PULSE, SETTINGS, 0, None, SilentMonitor())


@pytest.mark.parametrize(("constants", "level"), [(0, 1.0), (1, 1.0), (4, 0.6)])
def test_constants_are_rows_that_are_driven_beside_those_of_the_features(
    iris: Split, constants: int, level: float
) -> None:
    settings = replace(SETTINGS, epochs=2, constants=constants, constant_level=level)
    trainer, _ = train(iris, settings, noise="0 A")
    layer, feature = trainer.network.layers[0], iris.train_x[0]
    assert layer.inputs == 4 + constants
    seen = trainer.network.forward(feature)
    np.testing.assert_array_equal(seen.signals[0], [*feature, *[level] * constants])
    apart = [
        layer.forward(np.array(part))
        for part in ([*feature, *[0.0] * constants], [0.0] * 4 + [level] * constants)
    ]
    assert seen.pre[0] == pytest.approx(apart[0] + apart[1], abs=0.02)
    # Wires and spread take a tenth of a weight or two; a row left out, or driven twice, would be a whole one.
    assert apart[1] == pytest.approx(level * weights_of(layer)[4:].sum(axis=0), abs=0.5)


def test_lead_and_error_of_scores() -> None:
    scores, error = np.array([1000.0, 1001.0, 998.0]), np.empty(3)
    assert judge_scores(scores, 1, error) == pytest.approx(1.0)
    assert error == pytest.approx(np.eye(3)[1] - special.softmax(scores))
    assert judge_scores(scores, 2, error) == pytest.approx(-3.0)


def test_confusion() -> None:
    counts = confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    assert counts.tolist() == [[1, 0], [1, 1]]


def test_float_baseline_uses_the_training_part_to_choose(iris: Split) -> None:
    iris = replace(iris, train_x=iris.train_x[:45], train_y=iris.train_y[:45])
    baseline = float_baseline(iris, (2,), 0, SilentMonitor())
    spoiled = replace(iris, test_y=np.roll(iris.test_y, 7))
    again = float_baseline(spoiled, (4,), 0, SilentMonitor())
    assert baseline.test_accuracy > 0.9
    assert again.chosen == baseline.chosen
    assert again.train_accuracy == baseline.train_accuracy
    assert baseline.activation in ("tanh", "relu")


def test_float_baseline_without_hidden_units_has_no_activation(iris: Split) -> None:
    baseline = float_baseline(iris, (), 0, SilentMonitor())
    assert baseline.activation is None
    assert baseline.chosen.startswith("weight decay")
    assert baseline.test_accuracy > 0.9


def test_float_baseline_of_many_samples_chooses_on_one_held_out_part(
    iris: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = replace(iris, train_x=np.tile(iris.train_x, (25, 1)), train_y=np.tile(iris.train_y, 25))
    trained_on: list[int] = []
    fit = MLPClassifier.fit

    def counted(self: Any, x: Any, y: Any) -> Any:
        trained_on.append(len(y))
        return fit(self, x, y)

    class StopAfterTwo(SilentMonitor):
        def should_stop(self) -> bool:
            return len(trained_on) >= 2

    monkeypatch.setattr(MLPClassifier, "fit", counted)
    baseline = float_baseline(many, (3,), 0, StopAfterTwo())
    samples = len(many.train_y)
    assert trained_on == [samples - -(-samples // 4)] * 2 + [samples]
    assert baseline.test_accuracy > 0.9


def recorder(root: Path) -> RunRecorder:
    return RunRecorder.create(root, command="train", name="t", backend="simulated", hardware=False)


def test_template_experiment_is_the_default_training() -> None:
    from mtjloop.app.experiment_file import ExperimentDescription, ExperimentFile

    text = template("experiment.yaml")
    content = parse_yaml(text, "experiment.yaml", ExperimentFile)
    settings = ExperimentDescription(Path("experiment.yaml"), text, content).training_settings()
    assert settings == TrainingSettings(hidden=(6,), devices=2, digital_alone=True)


def test_stopping_while_calibrating_says_so(iris: Split) -> None:
    class Stopped(SilentMonitor):
        def should_stop(self) -> bool:
            return True

    with pytest.raises(StoppedError, match="calibrated"):
        train(iris, monitor=Stopped())


def test_an_interrupted_training_still_restores_its_best_state(iris: Split, tmp_path: Path) -> None:
    class Stopper(SilentMonitor):
        epochs_seen = 0

        def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
            self.epochs_seen += detail.startswith("epoch")

        def should_stop(self) -> bool:
            return self.epochs_seen >= 10

    with recorder(tmp_path) as journal:
        _, result = train(iris, replace(SETTINGS, epochs=100), monitor=Stopper(), journal=journal)
        directory = journal.directory
    with RunReader(directory) as reader:
        best = reader.metrics()["train_accuracy"][1].max()
    assert result.interrupted
    assert result.failed_cells == 0
    assert result.train.accuracy == pytest.approx(best, abs=0.03)


def test_parallel_devices_make_finer_weights(ideal: Callable[..., Any], iris: Split) -> None:
    layer = calibrated_layer(ideal(5, 12), 5, 3, READ, PULSE, WeightLayout(devices=2))
    rng = np.random.default_rng(0)
    weights = weights_of(layer)
    assert set(np.unique(weights)) <= {-1.0, -0.5, 0.0, 0.5, 1.0}
    x, d = rng.standard_normal((3, 5)), rng.standard_normal(3)
    assert layer.forward(x) == pytest.approx(x @ weights, abs=1e-9)
    assert layer.backward(d) == pytest.approx(weights @ d, abs=1e-9)
    settings = replace(SETTINGS, epochs=20, devices=2)
    shapes = [(5, 16), (4, 12)]
    trainer = Trainer(tiles(shapes), iris, READ, PULSE, settings, 0, None, SilentMonitor())
    assert trainer.run().train.accuracy > 0.85
