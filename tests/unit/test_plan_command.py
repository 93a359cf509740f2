"""`mtjloop plan`: steps, relays, round trips and time of an experiment, with nothing opened."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mtjloop.app import dry_run_command, train_command
from mtjloop.app.experiment_file import operation_settings, read_experiment_file
from mtjloop.app.fused.loop import compiled_loop
from mtjloop.app.main import app
from mtjloop.app.plan_command import plan
from mtjloop.drivers.bench import open_bench, read_bench_file
from mtjloop.errors import ConfigurationError
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.training.loop import Trainer

WINE = Path(__file__).parents[2] / "examples" / "wine"
LAB = WINE / "bench-2600b-707b.yaml"
RUN = CliRunner()


def planned(bench: Path, experiment: Path = WINE / "experiment.yaml") -> dict[str, Any]:
    return plan(bench, experiment, 0)


@pytest.fixture(scope="module")
def lab() -> dict[str, Any]:
    return planned(LAB)


def test_every_operation_of_every_layer_is_costed(lab: dict[str, Any]) -> None:
    first, last = lab["layers"]
    assert (first["inputs"], first["cell_columns"]) == (14, 24)
    assert (last["inputs"], last["cell_columns"]) == (6, 12)
    assert first["backward"]["steps"] == 0  # nobody needs the error of the inputs
    # One channel is left to sense with, so each read takes one step a column, and one message in all.
    assert first["forward"]["steps"] == 24 * first["forward"]["reads"]
    assert last["backward"]["steps"] == 6 * last["backward"]["reads"]
    assert first["forward"]["round_trips"] == {"smu": 1.0}
    # A step moves relays (open, close), settles and measures.
    section = read_bench_file(LAB).content.smu
    assert section is not None
    step = 0.03 + section.settle + section.integration
    assert first["forward"]["seconds"] / first["forward"]["steps"] == pytest.approx(step, rel=0.02)
    assert first["update"]["pulses"] == 4
    assert first["update"]["round_trips"] == {"smu": 4.0}


def test_an_update_takes_the_same_time_whatever_the_size(lab: dict[str, Any]) -> None:
    updates = [one["update"]["seconds"] for one in lab["sizes"]]
    assert len(updates) == 5
    assert updates == pytest.approx([updates[0]] * 5, rel=1e-9)
    forward = [one["forward"]["seconds"] for one in lab["sizes"]]
    assert forward[-1] > 10 * forward[0]


def test_an_epoch_lies_between_nothing_and_everything_to_teach(lab: dict[str, Any]) -> None:
    forward = sum(layer["forward"]["seconds"] for layer in lab["layers"])
    assert lab["epoch"]["at_least_s"] == pytest.approx(2 * lab["samples"] * forward)
    assert lab["epoch"]["at_most_s"] > lab["epoch"]["at_least_s"]
    assert lab["training"]["epochs"] == 200
    assert lab["training"]["at_most_s"] > 200 * lab["epoch"]["at_most_s"]  # digital parts alone come on top


def test_what_was_counted_lies_within_the_bounds(tmp_path: Path) -> None:
    """Epochs of a training with a validation part, patience and pocket, and little to teach."""
    text = (WINE / "experiment.yaml").read_text(encoding="utf-8").replace("digital_alone: true", "")
    text = text.replace("validation_fraction: 0 %", "validation_fraction: 25 %")
    text = text.replace("patience: 0 ", "patience: 3 ").replace("margin: 2 ", "margin: 0 ")
    text = text.replace("epochs: 200", "epochs: 60")
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(text, encoding="utf-8")
    bounds = planned(WINE / "bench.yaml", experiment)
    assert bounds["validation_samples"] + bounds["samples"] == 124
    assert bounds["training"]["fewest_epochs"] == 4
    description = read_bench_file(WINE / "bench.yaml")
    read, pulse = operation_settings(description.content)
    found = read_experiment_file(experiment)
    trainer = EpochTimer(
        open_bench(description, 0).crossbars, found.load_split(0), read, pulse,
        found.training_settings(description.content), 0, None, SilentMonitor(), compiled_loop,
    )  # fmt: skip
    result = trainer.run()
    assert 4 <= result.epochs < 60
    assert bounds["training"]["at_least_s"] <= trainer.spent <= bounds["training"]["at_most_s"]
    each = trainer.spent / result.epochs
    assert bounds["epoch"]["at_least_s"] <= each <= bounds["epoch"]["at_most_s"]


class EpochTimer(Trainer):
    """A training that notes the bench time of its epochs."""

    spent = 0.0

    def _epoch(self, epoch: int) -> int:
        before = sum(one.totals.elapsed for one in self.crossbars)
        done = super()._epoch(epoch)
        self.spent += sum(one.totals.elapsed for one in self.crossbars) - before
        return done


def test_a_simulated_bench_is_planned_by_its_electronics() -> None:
    result = planned(WINE / "bench.yaml")
    assert result["layers"][0]["forward"]["seconds"] == pytest.approx(20e-6)
    assert result["layers"][0]["update"]["seconds"] == pytest.approx(4 * (20e-6 + 100e-6))
    assert result["layers"][0]["forward"]["round_trips"] == {}


def test_a_bench_that_cannot_is_refused_with_its_reason(tmp_path: Path) -> None:
    text = (LAB).read_text(encoding="utf-8")
    bench = tmp_path / "bench.yaml"
    bench.write_text(text.replace("B: smu.b, ", ""), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"smu\.tiles\.0: rows cannot be driven and columns sensed"):
        planned(bench)
    bench.write_text(text.replace("  unselected: half", "  unselected: third", 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="third, which needs 4 levels"):
        planned(bench)


def test_an_encoding_that_the_bench_cannot_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By plan, by training and by its dry run alike, before anything takes its time."""
    text = (WINE / "experiment.yaml").read_text(encoding="utf-8")
    experiment = tmp_path / "experiment.yaml"

    def baseline(*arguments: object) -> None:
        pytest.fail(f"the float network was trained first: {arguments}")

    monkeypatch.setattr(train_command, "baseline_of", baseline)
    monkeypatch.setattr(dry_run_command, "baseline_of", baseline)
    for kind, bench, words in (
        ("log-amplitude", LAB, r"drives \d besides 0 V at once; write coincidence"),
        ("duration-amplitude", WINE / "bench.yaml", "passive and has no gates; write coincidence"),
    ):
        experiment.write_text(text.replace("kind: coincidence", f"kind: {kind}"), encoding="utf-8")
        with pytest.raises(ConfigurationError, match=words):
            plan(bench, experiment, 0)
        with pytest.raises(ConfigurationError, match=words):
            dry_run_command.dry_run(bench, experiment, None, 0)
    with pytest.raises(ConfigurationError, match="passive and has no gates"):
        train_command.train(WINE / "bench.yaml", experiment, 0, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_command_prints_tables_or_one_json_object() -> None:
    arguments = ["plan", str(LAB), str(WINE / "experiment.yaml")]
    shown = RUN.invoke(app, arguments)
    assert shown.exit_code == 0
    assert "time against the size of a layer" in shown.stdout
    assert "Nothing was opened" in shown.stdout
    as_json = RUN.invoke(app, [*arguments, "--json"])
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout)["network"] == "13-6-3"
