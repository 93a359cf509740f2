"""`mtjloop characterize` and `mtjloop probabilities` as a user meets them."""

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtjloop.app.init_command import template
from mtjloop.app.main import app

RUN = CliRunner()
PLAN = """name: t
tiles: [0]
cells: {random: 6}
widths: {from: 10 us, to: 1 ms, steps: 2}
block: {trials: 10, reference: 2, control: 1}
maximum: 40
precision: none
disturb: {voltages: [300 mV], width: 100 us, pulses: 10}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    bench, plan = tmp_path / "bench.yaml", tmp_path / "plan.yaml"
    bench.write_text(template("bench.yaml").replace("rows: 14, columns: 24", "rows: 4, columns: 4"))
    plan.write_text(PLAN)
    return bench, plan


def test_measure_then_ask(files: tuple[Path, Path], tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    done = RUN.invoke(app, ["characterize", *map(str, files), "--runs", runs, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    (tile,) = result["tiles"]
    assert tile["devices"] == 6 and tile["trials"] == 6 * 2 * 3 * 12
    assert tile["disturb"][0]["exposures"] > 0
    asked = RUN.invoke(app, ["probabilities", "last", "--runs", runs, "--json"])
    points = json.loads(asked.stdout)["points"]
    assert sum(point["trials"] for point in points) == tile["trials"]
    for point in points:
        assert point["clopper_pearson_low"] <= point["wilson_low"] + 1e-2
        assert point["wilson_low"] <= point["probability"] <= point["wilson_high"]
        assert 0.9 * point["voltage"] < point["applied_voltage"] < point["voltage"]
    table = RUN.invoke(app, ["probabilities", result["run_dir"], "--csv"])
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert [int(row["switched"]) for row in rows] == [point["switched"] for point in points]
    shown = RUN.invoke(app, ["probabilities", result["run_dir"]])
    assert "k/n" in shown.stdout and "AP to P" in shown.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("to: 1 ms", "to: 1 s", "pulse width of 1 s"),
        ("cells: {random: 6}", "cells: [[9, 0]]", "rows 0 to 3"),
        ("tiles: [0]", "tiles: [7]", "tiles 0 to 1"),
        ("voltages: [300 mV]", "voltages: [900 mV]", "operation.search_to"),
        ("maximum: 40", "maximum: 5", "one block has 13 trials"),
        ("name: t", "name: t\nspeed: 3", "unknown key"),
    ],
)
def test_a_wrong_plan_is_refused_before_anything_opens(
    files: tuple[Path, Path], tmp_path: Path, old: str, new: str, message: str
) -> None:
    bench, plan = files
    plan.write_text(PLAN.replace(old, new))
    done = RUN.invoke(app, ["characterize", str(bench), str(plan), "--runs", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_without_switching_says_what_to_do(files: tuple[Path, Path], tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    RUN.invoke(app, ["map", str(files[0]), "--runs", runs])
    done = RUN.invoke(app, ["probabilities", "last", "--runs", runs])
    assert done.exit_code == 1 and "mtjloop characterize" in done.stderr
