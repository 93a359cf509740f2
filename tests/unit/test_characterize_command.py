"""`mtjloop characterize` and `mtjloop probabilities` as a user meets them."""

import csv
import io
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from mtjloop.app.init_command import template
from mtjloop.app.main import app
from mtjloop.app.plan_file import read_plan_file
from mtjloop.drivers.bench import read_bench_file, tile_views
from mtjloop.protocols.switching.settings import CharacterizeSettings, LineResistances
from mtjloop.records.run import RunRecorder

RUN = CliRunner()
WIDTHS = "widths: {from: 10 us, to: 1 ms, steps: 2}"
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


KEYS = {
    *("row", "column", "polarity", "delta", "delta_low", "delta_high", "critical_voltage"),
    *("critical_voltage_low", "critical_voltage_high", "deviance", "degrees_of_freedom"),
    *("overdispersion_p", "drift_p", "change_p"),
}


def test_measure_then_fit_then_the_die_of_it(files: tuple[Path, Path], tmp_path: Path) -> None:
    bench, plan = files
    runs = str(tmp_path / "runs")
    plan.write_text(PLAN.replace("maximum: 40", "maximum: 260").replace("random: 6", "random: 4"))
    measured = json.loads(
        RUN.invoke(app, ["characterize", *map(str, files), "--runs", runs, "--json"]).stdout
    )
    done = RUN.invoke(app, ["fit", "last", "--runs", runs, "--compare", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert len(result["rows"]) == 8
    truth = tile_views(read_bench_file(bench), 0)[0].parameters
    for row in result["rows"]:
        assert set(row) >= KEYS
        place = row["row"], row["column"]
        assert row["delta"] == pytest.approx(truth["delta"][place], rel=0.2)
        name = "critical_voltage_up_V" if row["polarity"] > 0 else "critical_voltage_down_V"
        assert row["critical_voltage"] == pytest.approx(truth[name][place], rel=0.08)
        assert row["delta_low"] < row["delta"] < row["delta_high"]
    assert {each["law"] for each in result["laws"]} == {"fokker-planck", "neel-brown-1", "neel-brown-2"}
    # The die file takes the place of the die of the bench.
    text = yaml.safe_load(bench.read_text())
    text["simulated"]["die"] = result["die_file"]
    fitted = tmp_path / "fitted.yaml"
    fitted.write_text(yaml.safe_dump(text))
    again = tile_views(read_bench_file(fitted), 0)[0]
    for row in result["rows"]:
        place = row["row"], row["column"]
        assert again.parameters["delta"][place] == pytest.approx(row["delta"], rel=0.1)
        ohm = truth["resistance_parallel_ohm"][place]
        assert again.parameters["resistance_parallel_ohm"][place] == pytest.approx(ohm, rel=0.02)
        assert again.parameters["tmr"][place] == pytest.approx(truth["tmr"][place], rel=0.03)
    kept = read_bench_file(fitted).content.simulated
    assert kept is not None and kept.die.provenance is not None
    assert Path(measured["run_dir"]).name == kept.die.provenance["run"]
    assert "Delta" in RUN.invoke(app, ["fit", measured["run_dir"]]).stdout


def test_joining_asks_for_both_polarities(tmp_path: Path) -> None:
    """Cell (0, 0) has both, cell (0, 1) AP -> P only."""
    rng = np.random.default_rng(5)

    def recorded(*devices: tuple[int, int]) -> str:
        with RunRecorder.create(
            tmp_path / "runs", command="characterize", name="t", backend="simulated", hardware=False
        ) as run:
            for (column, polarity), volt, block in itertools.product(devices, (0.26, 0.27, 0.28), range(5)):
                size = 20
                run.record_trials(
                    0, polarity, block, None, rows=np.zeros(size, np.int64),
                    columns=np.full(size, column), kinds=("trial",) * size, voltages=np.full(size, volt),
                    applied_voltages=np.full(size, volt), width=1e-4, applied_width=1e-4, repeat=1,
                    resistances_before=np.full(size, 1e4), resistances_after=np.full(size, 5e3),
                    states_before=np.zeros(size, np.int8), states_after=np.zeros(size, np.int8),
                    outcomes=(rng.random(size) > (volt - 0.25) / 0.04).astype(np.int8),
                )  # fmt: skip
            return str(run.directory)

    lone = RUN.invoke(app, ["fit", recorded((1, 1)), "--join", "shared"])
    assert lone.exit_code == 2 and "polarities: both" in lone.stderr
    run = recorded((0, 1), (0, -1), (1, 1))
    done = RUN.invoke(app, ["fit", run, "--join", "shared", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["joined"] == "shared" and len(result["rows"]) == 3
    assert [count for text, count in result["warnings"].items() if "fitted alone" in text] == [1]


def test_the_template_holds_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(template("plan.yaml"))
    plan = read_plan_file(path)
    bench = tmp_path / "bench.yaml"
    bench.write_text(template("bench.yaml"))
    found = plan.settings(read_bench_file(bench), 1.9e-9, LineResistances())
    assert found == CharacterizeSettings(widths=(1e-5, 1e-4, 1e-3))
    assert plan.content.cells == "all" and plan.content.record == "full"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("to: 1 ms", "to: 1 s", "pulse width of 1 s"),
        ("cells: {random: 6}", "cells: [[9, 0]]", "rows 0 to 3"),
        ("tiles: [0]", "tiles: [7]", "tiles 0 to 1"),
        ("voltages: [300 mV]", "voltages: [900 mV]", "operation.search_to"),
        ("name: t", "name: t\ndesign: {kind: grid, voltages: [300 mV, 50 mV]}", "search_from to search_to"),
        ("name: t", "name: t\ndesign: {kind: grid, steps: 20}", "the grid has 40 points"),
        ("maximum: 40", "maximum: 5", "one block has 13 trials"),
        ("name: t", "name: t\nspeed: 3", "unknown key"),
        (
            WIDTHS,
            "widths: [-1 us, 1 ms]",
            "plan.yaml: widths.0: found '-1 us'; input should be greater than 0",
        ),
        (WIDTHS, "widths: {to: 1 ms}", "plan.yaml: widths.from: this key is missing"),
        (
            WIDTHS,
            "widths: true",
            "widths: found True; input should be a valid list, or input should be a map",
        ),
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


def test_widths_of_a_bench_of_instruments_are_checked_before_it_is_opened(tmp_path: Path) -> None:
    bench = Path(__file__).parents[2] / "examples" / "wine" / "bench-2600b-707b.yaml"
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN.replace("cells: {random: 6}", "cells: [[0, 0]]"))
    done = RUN.invoke(app, ["characterize", str(bench), str(plan), "--runs", str(tmp_path / "runs")])
    assert done.exit_code == 2 and "pulse width of 1e-05 s" in done.stderr and "0.0001 s to" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_without_switching_says_what_to_do(files: tuple[Path, Path], tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    RUN.invoke(app, ["map", str(files[0]), "--runs", runs])
    done = RUN.invoke(app, ["probabilities", "last", "--runs", runs])
    assert done.exit_code == 1 and "mtjloop characterize" in done.stderr


def started(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a shell starts it."""
    command = [sys.executable, "-m", "mtjloop", "probabilities", *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


def test_a_plain_question_is_answered_as_by_the_command_line(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    runs = str(tmp_path / "runs")
    done = RUN.invoke(app, ["characterize", *map(str, files), "--runs", runs, "--json"])
    name = Path(json.loads(done.stdout)["run_dir"]).name
    for arguments in (
        [name[:24], "--runs", runs, "--json"], ["last", f"--runs={runs}", "--csv"], ["--runs", runs],
        [str(tmp_path / "runs" / name), "--csv", "--json"],
    ):  # fmt: skip
        quick, whole = started(tmp_path, *arguments), RUN.invoke(app, ["probabilities", *arguments])
        assert quick.returncode == whole.exit_code == 0
        assert quick.stdout == whole.stdout and quick.stdout
    # What is not plain, or goes wrong, is left to the command line.
    assert "--csv" in started(tmp_path, "--help").stdout
    wrong = started(tmp_path, "nothing", "--runs", runs)
    assert wrong.returncode == 1 and "no run" in wrong.stderr and "Traceback" not in wrong.stderr
    assert started(tmp_path, "--speed").returncode == 2
    assert started(tmp_path, "--runs").returncode == 2
    unended = started(tmp_path / "runs", "last", "--runs")  # among the runs, where an empty name would lead
    assert unended.returncode == 2 and not unended.stdout


def test_a_plain_answer_waits_for_no_heavy_import() -> None:
    heavy = ("numpy", "scipy", "numba", "pydantic", "rich", "typer", "yaml", "csv")
    code = (
        "import sys; from mtjloop.app.entry import run; import mtjloop.app.probabilities_command; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
