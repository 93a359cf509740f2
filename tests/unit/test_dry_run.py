"""`mtjloop train --dry-run`: the same experiment on a die in place of the bench, nothing opened."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mtjloop.app.dry_run_command import KeptJournal
from mtjloop.app.init_command import template
from mtjloop.app.main import app
from mtjloop.drivers.bench import read_bench_file
from mtjloop.drivers.contract import Bias, Pulse
from mtjloop.drivers.stand_in import stand_ins
from mtjloop.errors import ConfigurationError, LimitError

RUN = CliRunner()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    bench, experiment = tmp_path / "bench.yaml", tmp_path / "experiment.yaml"
    bench.write_text(template("bench.yaml").replace("# memory: chip.npz", "memory: chip.npz "))
    text = template("experiment.yaml").replace("epochs: 200", "epochs: 3")
    experiment.write_text(text.replace("digital_alone: true", "digital_alone: false"))
    return bench, experiment


def test_a_dry_run_leaves_nothing_and_agrees_with_the_run(files: tuple[Path, Path], tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    command = ["train", *map(str, files), "--runs", runs, "--seed", "3", "--json"]
    dry = RUN.invoke(app, [*command, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert not (tmp_path / "runs").exists() and not (tmp_path / "chip.npz").exists()
    real = json.loads(RUN.invoke(app, command).stdout)
    result = json.loads(dry.stdout)
    for key in ("test_accuracy", "train_accuracy", "pulses", "reads", "failed_cells"):
        assert result[key] == real[key], key
    for key in ("energy_J", "bench_time_s"):
        assert result[key] == pytest.approx(real[key]), key
    assert result["tiles"][0]["selected_most"] > 0
    assert result["audited_cells_at_rest"] > 0


def test_the_clipped_share_is_that_of_updates() -> None:
    """Epochs count by their updates, and metrics of corrections, which know no updates, not at all."""
    journal = KeptJournal()
    assert journal.clipped_share is None
    journal.record_metrics(0, {"updates": 30.0, "clipped_share": 0.5})
    journal.record_metrics(0, {"balance_to_p_0": 0.01})
    journal.record_metrics(1, {"updates": 10.0, "clipped_share": 0.1})
    journal.record_metrics(1, {"drift_to_p_0": 0.2, "drift_to_ap_0": 0.1})
    assert journal.clipped_share == pytest.approx(0.4)


def test_the_die_may_be_another(files: tuple[Path, Path], tmp_path: Path) -> None:
    die = tmp_path / "other.yaml"
    die.write_text("tiles: [{rows: 14, columns: 24}, {rows: 6, columns: 12}]\njunction: {delta: 60}\n")
    command = ["train", *map(str, files), "--dry-run", "--seed", "3"]
    shown = RUN.invoke(app, [*command, "--die", str(die)])
    assert shown.exit_code == 0 and "other.yaml" in shown.stdout and "pulses a cell" in shown.stdout
    die.write_text("tiles: [{rows: 4, columns: 4}]\n")
    refused = RUN.invoke(app, [*command, "--die", str(die)])
    assert refused.exit_code == 2 and "the bench has [(14, 24), (6, 12)]" in refused.stderr
    wrong = RUN.invoke(app, ["train", *map(str, files), "--die", str(die)])
    assert wrong.exit_code == 2 and "--dry-run" in wrong.stderr


def test_a_stand_in_keeps_the_limits_and_counts_what_cells_see(files: tuple[Path, Path]) -> None:
    (first, second), said = stand_ins(read_bench_file(files[0]), None, 0)
    assert "bench file" in said and second.capabilities.shape == (6, 12)
    rows, columns = np.zeros(14), np.zeros(24)
    rows[2], columns[3] = 0.15, -0.15
    first.apply(Pulse(rows, columns, 1e-4, repeat=5))
    assert first.selected[2, 3] == 5 and first.selected.sum() == 5
    assert first.half_selected.sum() == 5 * (13 + 23)
    rows[2] = 1.0
    with pytest.raises(LimitError, match="device_voltage"):
        first.apply(Pulse(rows, columns, 1e-4))


@pytest.mark.parametrize(
    ("stated", "noise"),
    [
        ({}, 1.5e-7 * 0.1 / np.sqrt(5e-3)),  # of a 2600B on its range of 100 mA, integrating for 5 ms
        ({"simulated": "read_noise: 300 nA"}, 300e-9),
        ({"simulated": "read_noise: 300 nA", "smu": "read_noise: 50 nA"}, 50e-9),
    ],
)
def test_a_stand_in_reads_with_the_noise_of_the_bench(
    tmp_path: Path, stated: dict[str, str], noise: float
) -> None:
    text = (Path(__file__).parents[2] / "examples" / "wine" / "bench-2600b-707b.yaml").read_text()
    text = text.replace(
        "    read_noise: 200 nA\n", f"    {stated['simulated']}\n" if "simulated" in stated else ""
    )
    if "smu" in stated:
        text = text.replace("  integration: 5 ms\n", f"  integration: 5 ms\n  {stated['smu']}\n")
    path = tmp_path / "bench.yaml"
    path.write_text(text)
    crossbars, _ = stand_ins(read_bench_file(path), None, 0)
    levels = np.zeros((400, 14))
    found = crossbars[0].read(Bias(levels)).currents
    assert found.std() == pytest.approx(noise, rel=0.05)


def test_the_default_die_stands_in_for_a_bench_without_one(files: tuple[Path, Path]) -> None:
    description = read_bench_file(files[0])
    with pytest.raises(ConfigurationError, match="no such file"):
        stand_ins(description, files[0].parent / "absent.yaml", 0)
