"""The baselines of training in situ: ideal crossbar, Manhattan rule, offline training; their comparison."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from mtjloop.app.compare_command import Trial, chosen_methods, mean_interval, paired, run_trial
from mtjloop.app.experiment_file import read_experiment_file
from mtjloop.app.main import app
from mtjloop.app.process_pool import run_tasks
from mtjloop.drivers.bench import read_bench_file
from mtjloop.drivers.contract import Bias, Pulse
from mtjloop.drivers.ideal import IdealCrossbar, ideal_median, ideal_spread
from mtjloop.errors import ConfigurationError, ProtocolError, StoppedError
from mtjloop.protocols.calibration import calibrate
from mtjloop.protocols.data import load_data, split_data, within_training
from mtjloop.protocols.journal import Monitor, SilentMonitor
from mtjloop.protocols.recorded import RecordedCrossbar
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.coincidence import firing
from mtjloop.protocols.training.loop import Trainer
from mtjloop.protocols.training.manhattan import (
    ManhattanSettings,
    SignRule,
    sign_rules,
    tune_manhattan,
    with_strong_pulses,
)
from mtjloop.protocols.training.offline import (
    cells_of_weights,
    quantised,
    train_offline,
    transfer_offline,
)
from mtjloop.protocols.training.scores import evaluate
from mtjloop.protocols.training.settings import TrainingSettings
from mtjloop.protocols.training.weights import WeightLayout

from ..layers import weights_of
from .conftest import IdealCrossbar as PlainCrossbar

READ = ReadSettings(voltage=0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
MEDIAN = ideal_median(0.1, 0.6)
BENCH = """name: small bench
backend: simulated
limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}
operation: {search_from: 200 mV}
simulated:
  die:
    seed: 3
    tiles: [{rows: 5, columns: 8}, {rows: 4, columns: 6}]
"""
QUICK = """name: quick
data: {source: iris}
network: {hidden: [4]}
training: {epochs: 3, audit_every: 0}
"""


def ideal(rows: int, columns: int, spread: float = 0.0, seed: int = 0) -> IdealCrossbar:
    return IdealCrossbar(PlainCrossbar(rows, columns).capabilities, MEDIAN, 1e-4, spread, seed)


def states(crossbar: IdealCrossbar) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    found = crossbar.read(Bias(np.eye(crossbar.capabilities.rows) * 0.1)).currents
    return np.asarray(found > 0.1 * 1.4e-4)


def selecting(crossbar: IdealCrossbar, volts: float, rows: slice, columns: slice) -> Pulse:
    r, c = np.zeros(crossbar.capabilities.rows), np.zeros(crossbar.capabilities.columns)
    r[rows], c[columns] = 0.5 * volts, -0.5 * volts
    return Pulse(r, c, 1e-4)


def test_an_ideal_crossbar_switches_selected_cells_alone_and_half_of_them_at_the_median() -> None:
    crossbar = ideal(60, 60)
    for volts in (-0.6, 0.6):
        crossbar.apply(selecting(crossbar, volts, slice(None), slice(None)))
    assert states(crossbar).all()
    crossbar.apply(selecting(crossbar, -MEDIAN, slice(0, 40), slice(0, 50)))
    after = states(crossbar)
    low, high = stats.binom(2000, 0.5).interval(0.999)
    assert low <= 2000 - after[:40, :50].sum() <= high
    assert after[40:].all() and after[:, 50:].all()
    assert crossbar.safe().proven


def test_an_ideal_crossbar_reads_what_its_states_say() -> None:
    crossbar = ideal(4, 3)
    on = states(crossbar)
    levels = np.array([0.1, -0.05, 0.02, 0.0])
    found = crossbar.read(Bias(levels)).currents
    np.testing.assert_allclose(found, levels @ np.where(on, 1 / 5e3, 1 / 11e3))


def test_an_ideal_crossbar_gives_g_v_squared_and_nothing_to_cells_of_floating_lines() -> None:
    crossbar = ideal(5, 4)
    before = states(crossbar)
    rows, columns = np.array([0.6, -0.1, np.nan, 0.2, 0.0]), np.array([-0.3, np.nan, 0.1, 0.0])
    given = crossbar.apply(Pulse(rows, columns, 1e-4)).energy
    after = states(crossbar)
    mean = 0.5 * sum(np.where(on, 1 / 5e3, 1 / 11e3) for on in (before, after))
    volts = np.nan_to_num(rows[:, None] - columns[None, :])
    assert given == pytest.approx(float((mean * volts**2 * 1e-4).sum()), rel=1e-12)
    assert (before == after)[2].all() and (before == after)[:, 1].all() and (before == after)[4, 2:].all()
    # 0.9 V is twice the median: the cell there is P for certain, the sign of the pulse being toward P.
    assert after[0, 0]


def test_spread_of_the_ideal_crossbar_is_that_of_the_log_rate() -> None:
    crossbar = ideal(400, 40, spread=1.0)
    for volts in (-0.6, 0.6):
        crossbar.apply(selecting(crossbar, volts, slice(None), slice(None)))
    crossbar.apply(selecting(crossbar, -MEDIAN, slice(None), slice(None)))
    factors = np.exp(np.random.default_rng(1).standard_normal(200_000))
    expected = float(np.mean(1.0 - 0.5**factors))
    low, high = stats.binom(16_000, expected).interval(0.999)
    assert low <= (~states(crossbar)).sum() <= high
    assert ideal_spread(0.0, 0.1, 1e-9 * np.e) == pytest.approx(0.1)


def test_calibration_finds_the_curve_of_an_ideal_crossbar() -> None:
    found = calibrate(ideal(30, 30), READ, PULSE, 0.5, np.random.default_rng(0), SilentMonitor())
    assert found.to_p.amplitude(0.5) == pytest.approx(MEDIAN, rel=0.02)
    assert not (found.levels.stuck >= 0).any()


def test_the_sign_rule_drives_strong_lines_alone_and_not_every_time() -> None:
    rule = SignRule(ManhattanSettings(every=2, threshold=0.5))
    signal, error = np.array([1.0, -0.6, 0.3]), np.array([0.1, -0.4])
    assert rule.observe(signal, error, 0.01) == []
    (factor,) = rule.observe(signal, error, 0.01)
    assert factor.rows.tolist() == [1.0, -1.0, 0.0]
    assert factor.columns.tolist() == [0.0, -1.0]
    # Nothing is left to chance: lines that take part fire surely.
    chances = firing(factor, with_strong_pulses(TrainingSettings(hidden=(4,))).encoding)
    assert chances is not None
    assert (chances.rows.tolist(), chances.columns.tolist()) == ([1.0, 1.0, 0.0], [0.0, 1.0])


def test_training_by_the_manhattan_rule_learns() -> None:
    split = split_data(load_data("iris"), 0.3, "per-feature", 0)
    crossbars = [PlainCrossbar(5, 8), PlainCrossbar(4, 6)]
    settings = with_strong_pulses(TrainingSettings(hidden=(4,), epochs=8, audit_every=0))
    trainer = Trainer(
        crossbars, split, READ, PULSE, settings, 0, None, SilentMonitor(),
        rule_of=sign_rules(ManhattanSettings(4, 0.5)),
    )  # fmt: skip
    result = trainer.run()
    assert result.train.accuracy > 0.6


@pytest.mark.parametrize("kind", ["pair", "reference"])
@pytest.mark.parametrize("devices", [1, 2, 3])
def test_cells_hold_quantised_weights(kind: str, devices: int) -> None:
    layout = WeightLayout("pair" if kind == "pair" else "reference", devices)
    wanted = quantised(np.random.default_rng(2).uniform(-1.3, 1.3, (7, 5)), layout)
    assert np.abs(wanted).max() <= 1.0
    np.testing.assert_allclose(layout.weights_of(cells_of_weights(wanted, layout)), wanted, atol=1e-12)


def test_gradients_of_offline_training_agree_with_differences() -> None:
    """Biases enter smoothly, so their gradient can be checked by finite differences; scales held fixed."""
    from mtjloop.protocols.training.offline import _Model

    split = split_data(load_data("iris"), 0.3, "per-feature", 0)
    settings = TrainingSettings(hidden=(4,), normalisers=False)
    model = _Model(split, settings, 0.01, np.random.default_rng(0))
    gradient = model._gradients(model._x, model._y)[len(model._weights) :]
    for layer in (0, 1):
        for unit in range(len(model._biases[layer])):
            values = []
            for step in (1e-5, -1e-5):
                model._biases[layer][unit] += step
                values.append(model.likelihood(split.train_x, split.train_y))
                model._biases[layer][unit] -= step
            assert gradient[layer][unit] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-6)


@pytest.mark.parametrize(("constants", "least"), [(1, -0.35), (3, -0.5)])
def test_an_offline_network_reaches_the_chip_as_it_was_trained(constants: int, least: float) -> None:
    split = split_data(load_data("iris"), 0.3, "per-feature", 1)
    settings = TrainingSettings(hidden=(4,), constants=constants)
    offline = train_offline(split, settings, 1, SilentMonitor())
    assert offline.likelihood > least
    assert [len(one) for one in offline.weights] == [4 + constants, 4]
    tiles = PlainCrossbar(4 + constants, 8), PlainCrossbar(4, 6)
    crossbars = [RecordedCrossbar(one, number) for number, one in enumerate(tiles)]
    network, failed = transfer_offline(crossbars, offline, split, settings, READ, PULSE, 1, SilentMonitor())
    assert failed == 0
    for layer, weights in zip(network.layers, offline.weights, strict=True):
        np.testing.assert_allclose(weights_of(layer), weights)
    assert evaluate(network, split.train_x, split.train_y).log_likelihood > offline.likelihood - 0.05


def test_nothing_of_the_test_part_reaches_offline_training() -> None:
    split = split_data(load_data("iris"), 0.3, "per-feature", 1)
    spoiled = replace(split, test_x=np.full_like(split.test_x, np.nan), test_y=split.test_y[::-1])

    first, second = (
        train_offline(one, TrainingSettings(hidden=(3,)), 0, SilentMonitor()) for one in (split, spoiled)
    )
    assert first.likelihood == second.likelihood
    inner = within_training(spoiled, 0.25, 0)
    assert np.isfinite(inner.test_x).all()
    assert len(inner.train_y) + len(inner.test_y) == len(split.train_y)


def test_nothing_of_the_test_part_reaches_a_transfer_or_the_manhattan_rule() -> None:
    split = split_data(load_data("iris"), 0.3, "per-feature", 1)
    nothing = replace(split, test_x=np.full_like(split.test_x, np.nan), test_y=split.test_y[::-1])
    other = replace(split, test_x=-split.test_x, test_y=split.test_y[::-1])
    settings = TrainingSettings(hidden=(3,), epochs=2, audit_every=0)
    offline = train_offline(split, settings, 0, SilentMonitor())
    chosen, left, trained = [], [], []
    for one in (split, nothing):
        crossbars = [PlainCrossbar(5, 6), PlainCrossbar(4, 6)]
        chosen.append(tune_manhattan(crossbars, one, READ, PULSE, settings, 1, SilentMonitor()))
        recorded = [RecordedCrossbar(PlainCrossbar(5, 6), 0), RecordedCrossbar(PlainCrossbar(4, 6), 1)]
        network, _ = transfer_offline(recorded, offline, one, settings, READ, PULSE, 1, SilentMonitor())
        weights = [weights_of(layer).tolist() for layer in network.layers]
        left.append((weights, network.digital.output_bias.tolist()))
    for one in (split, other):  # trainers read the test part through the chip at the very end
        trainer = Trainer(
            [PlainCrossbar(5, 6), PlainCrossbar(4, 6)], one, READ, PULSE, with_strong_pulses(settings), 1,
            None, SilentMonitor(), rule_of=sign_rules(chosen[0]),
        )  # fmt: skip
        result = trainer.run().network
        trained.append(([state.tolist() for state in result.states], result.digital.output_bias.tolist()))
    assert chosen[0] == chosen[1]
    assert left[0] == left[1]
    assert trained[0] == trained[1]


def test_a_picture_that_cannot_be_written_is_refused_before_the_work(place: Path) -> None:
    (place / "file").write_text("")
    words = ["compare", str(place / "bench.yaml"), str(place / "quick.yaml"), "--runs", str(place / "runs")]
    for plot, said in (("a.gif", "ends in .png, .svg, .pdf"), ("file/a.png", "cannot be written")):
        done = CliRunner().invoke(app, [*words, "--plot", str(place / plot)])
        assert done.exit_code == 2
        assert said in done.stderr
    assert not (place / "runs").exists()


def test_a_comparison_that_cannot_be_kept_is_shown_all_the_same(place: Path) -> None:
    (place / "file").write_text("")
    words = ["compare", str(place / "bench.yaml"), str(place / "quick.yaml"), "--runs", str(place / "file")]
    few = ["--dies", "2", "--workers", "1", "--method", "float"]
    done = CliRunner().invoke(app, [*words, *few])
    assert done.exit_code == 1
    assert "float" in done.stdout and "result:" not in done.stdout
    assert "the comparison cannot be written" in done.stderr
    rows = json.loads(CliRunner().invoke(app, [*words, *few, "--json"]).stdout)["rows"]
    assert [row["method"] for row in rows] == ["float"]


def test_the_interval_is_that_of_student() -> None:
    mean, low, high = mean_interval([0.90, 0.92, 0.94])
    half = 4.302653 * 0.02 / np.sqrt(3)
    assert (mean, low, high) == pytest.approx((0.92, 0.92 - half, 0.92 + half), abs=1e-6)
    assert mean_interval([0.5]) == (0.5, 0.5, 0.5)
    assert mean_interval([1.0, 0.9])[2] == 1.0


def test_the_difference_of_two_methods_is_taken_die_by_die() -> None:
    reached = {
        ("in-situ", 1): 0.9,
        ("in-situ", 2): 0.8,
        ("float", 1): 0.88,
        ("float", 2): 0.77,
        ("float", 3): 0.1,
    }
    trials = [
        {"method": method, "seed": seed, "test_accuracy": value} for (method, seed), value in reached.items()
    ]
    found = paired(trials, "in-situ", "float")
    assert found is not None
    assert (found["dies"], found["mean"]) == (2, pytest.approx(0.025))
    assert found["high"] == pytest.approx(0.025 + 12.7062 * 0.005, abs=1e-6)
    assert found["low"] == pytest.approx(0.025 - 12.7062 * 0.005, abs=1e-6)
    assert paired(trials, "in-situ", "manhattan") is None


def test_dies_that_failed_are_counted_in_the_table_and_drawn(place: Path) -> None:
    """Tiles too small for the network fail all methods that need them; float alone is left."""
    (place / "bench.yaml").write_text(BENCH.replace("{rows: 4, columns: 6}", "{rows: 2, columns: 2}"))
    words = ["compare", str(place / "bench.yaml"), str(place / "quick.yaml"), "--dies", "2", "--workers", "1"]
    words += ["--method", "float", "--method", "in-situ", "--runs", str(place / "runs")]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 1, done.output
    result = json.loads(done.stdout)
    first, second = result["rows"]
    assert (first["method"], first["failed"], first["dies"], first["mean"]) == ("in-situ", 2, 0, None)
    assert (second["method"], second["failed"], second["dies"]) == ("float", 0, 2)
    assert result["paired"] == []
    picture = Path(result["plot"]).read_text(encoding="utf-8")
    assert "(2 of 2 failed)" in picture
    shown = CliRunner().invoke(app, words)
    assert "0 (2 failed)" in shown.stdout


def test_the_cost_of_training_holds_neither_audits_nor_other_trainings(place: Path) -> None:
    costs = []
    for more in ("audit_every: 0", "audit_every: 1, digital_alone: true"):
        (place / "quick.yaml").write_text(QUICK.replace("audit_every: 0", more), encoding="utf-8")
        trial = Trial(
            read_bench_file(place / "bench.yaml"), read_experiment_file(place / "quick.yaml"), "in-situ", 1, 1
        )
        costs.append(run_trial(trial, SilentMonitor()))
    assert costs[0] == costs[1]


def _square(task: int, monitor: Monitor) -> int:
    del monitor
    if task == 2:
        raise ProtocolError("two is not liked")
    return task * task


def test_a_failed_task_is_told_and_stops_nothing() -> None:
    done = list(run_tasks(_square, [1, 2, 3], 1, SilentMonitor(), "squares"))
    assert [(one.answer, one.error) for one in done] == [(1, None), (None, "two is not liked"), (9, None)]


class Stopping(SilentMonitor):
    """Asks to stop after some progress was shown."""

    def __init__(self) -> None:
        self.seen = 0

    def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
        self.seen = done

    def should_stop(self) -> bool:
        return self.seen >= 1


def test_asked_to_stop_the_pool_keeps_what_is_done() -> None:
    found: list[int | None] = []
    with pytest.raises(StoppedError, match="squares: stopped"):
        found.extend(one.answer for one in run_tasks(_square, [1, 3, 4], 1, Stopping(), "squares"))
    assert found == [1]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bench.yaml").write_text(BENCH, encoding="utf-8")
    (tmp_path / "quick.yaml").write_text(QUICK, encoding="utf-8")
    return tmp_path


def test_float_of_the_units_on_the_chip_runs_only_where_it_is_named(place: Path) -> None:
    assert "float-tanh" not in chosen_methods([])
    assert chosen_methods(["float-tanh", "float"]) == ("float", "float-tanh")
    with pytest.raises(ConfigurationError, match="methods of the study: found float-relu; accepted are"):
        chosen_methods(["float", "float-relu"], "methods of the study")
    words = ["compare", str(place / "bench.yaml"), str(place / "quick.yaml"), "--dies", "1", "--workers", "1"]
    words += ["--method", "float-tanh", "--runs", str(place / "runs"), "--json"]
    (trial,) = json.loads(CliRunner().invoke(app, words).stdout)["trials"]
    assert trial["method"] == "float-tanh"
    assert trial["chosen"].startswith("tanh, weight decay ")


def test_compare_gives_rows_with_intervals_and_a_figure(place: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["compare", str(place / "bench.yaml"), str(place / "quick.yaml"), "--dies", "2", "--workers", "1",
         "--runs", str(place / "runs"), "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [row["method"] for row in result["rows"]] == [
        "in-situ", "offline-transfer", "manhattan", "ideal-bernoulli", "float",
    ]  # fmt: skip
    for row in result["rows"]:
        assert row["dies"] == 2
        assert 0.0 <= row["low"] <= row["mean"] <= row["high"] <= 1.0
        on_bench = row["method"] != "float"
        assert (row["pulses"] > 0, row["energy_J"] > 0, row["bench_time_s"] > 0) == (on_bench,) * 3
    assert [(one["less"], one["dies"]) for one in result["paired"]] == [
        ("offline-transfer", 2), ("manhattan", 2), ("ideal-bernoulli", 2), ("float", 2),
    ]  # fmt: skip
    # The bench file fixes a die; a comparison over dies draws them anew.
    trials = [one for one in result["trials"] if one["method"] == "in-situ"]
    assert trials[0]["energy_J"] != trials[1]["energy_J"]
    assert Path(result["plot"]).read_text().startswith("<?xml")
    assert json.loads(Path(result["result"]).read_text())["rows"] == result["rows"]
    wrong = CliRunner().invoke(
        app, ["compare", str(place / "bench.yaml"), str(place / "quick.yaml"), "--method", "magic"]
    )
    assert wrong.exit_code == 2
    assert "--method: found magic; accepted are in-situ" in wrong.stderr


class StopsSoon(SilentMonitor):
    """Asks to stop at the fifth question."""

    def __init__(self) -> None:
        self.asked = 0

    def should_stop(self) -> bool:
        self.asked += 1
        return self.asked >= 5


def test_asked_to_stop_running_processes_end_too(place: Path) -> None:
    (place / "long.yaml").write_text(QUICK.replace("epochs: 3", "epochs: 90000"), encoding="utf-8")
    bench, experiment = read_bench_file(place / "bench.yaml"), read_experiment_file(place / "long.yaml")
    trials = [Trial(bench, experiment, "in-situ", die, die) for die in range(3)]
    with pytest.raises(StoppedError, match="compare: stopped"):
        list(run_tasks(run_trial, trials, 2, StopsSoon(), "compare"))
    assert multiprocessing.active_children() == []
