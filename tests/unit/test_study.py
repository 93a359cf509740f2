"""Studies: points, replicas, results, resuming, failures, report."""

import json
import warnings
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mtjloop.app.cluster import run_on_cluster
from mtjloop.app.main import app
from mtjloop.app.study_command import study_tasks
from mtjloop.app.study_file import Study, read_study_file
from mtjloop.app.study_report import summaries
from mtjloop.app.study_results import StudyResults, finished, read_rows, results_directory
from mtjloop.errors import ConfigurationError, ProtocolError, RecordError
from mtjloop.protocols.journal import Monitor, SilentMonitor

BENCH = """name: small bench
backend: simulated
limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}
simulated:
  die: die.yaml
"""
DIE = "tiles: [{rows: 5, columns: 8}, {rows: 4, columns: 6}]\n"
QUICK = """name: quick
data: {source: iris}
network: {hidden: [4]}
training: {epochs: 2}
"""
HEAD = "name: t\nbench: bench.yaml\nexperiment: quick.yaml\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bench.yaml").write_text(BENCH, encoding="utf-8")
    (tmp_path / "die.yaml").write_text(DIE, encoding="utf-8")
    (tmp_path / "quick.yaml").write_text(QUICK, encoding="utf-8")
    return tmp_path


def read(place: Path, text: str) -> Study:
    (place / "study.yaml").write_text(HEAD + text, encoding="utf-8")
    return read_study_file(place / "study.yaml")


def test_a_grid_has_every_combination_in_si_and_puts_it_into_the_files(place: Path) -> None:
    found = read(
        place,
        "sweep:\n"
        "  segment:\n"
        "    paths: [bench.simulated.wires.row_segment, bench.simulated.wires.column_segment]\n"
        "    values: [1 ohm, 5 ohm]\n"
        "  die.spread.critical_voltage: {low: 4 %, high: 8 %, points: 3}\n"
        "  die.tiles.1.rows: [4]\n",
    )
    values = [tuple(point.values.values()) for point in found.points]
    assert values == [(r, v, 4.0) for r in (1.0, 5.0) for v in (0.04, 0.06, 0.08)]
    section = found.points[-1].bench.content.simulated
    assert section is not None
    assert (section.wires.row_segment, section.wires.column_segment) == (5.0, 5.0)
    assert section.die.spread.critical_voltage == pytest.approx(0.08)
    assert found.points[0].bench.content.simulated != section


def test_values_are_plotted_as_they_stand_where_a_file_lists_alike_tiles_once(place: Path) -> None:
    (place / "die.yaml").write_text(
        "tiles: [{rows: 5, columns: 8, count: 2}, {rows: 4, columns: 6}]\n", encoding="utf-8"
    )
    found = read(place, "sweep: {die.tiles.1.rows: [4, 6], die.tiles.0.count: [1, 3]}\n")
    values = [tuple(point.values.values()) for point in found.points]
    assert values == [(4.0, 1.0), (4.0, 3.0), (6.0, 1.0), (6.0, 3.0)]


def test_random_points_lie_in_their_ranges_and_follow_their_seed(place: Path) -> None:
    text = (
        "sampling: random\nsamples: 60\nsweep:\n"
        "  experiment.training.rate: {low: 0.001, high: 0.1, scale: log}\n"
        "  experiment.training.epochs: {low: 2, high: 4, whole: true}\n"
        "  die.kind: [passive, 1T1R]\n"
    )
    found = read(place, text)
    rates = [float(point.values["experiment.training.rate"]) for point in found.points]
    assert all(0.001 <= one <= 0.1 for one in rates)
    assert 15 <= sum(one < 0.01 for one in rates) <= 45  # half of a log scale lies below its middle
    assert {point.values["experiment.training.epochs"] for point in found.points} == {2.0, 3.0, 4.0}
    assert {point.values["die.kind"] for point in found.points} == {"passive", "1T1R"}
    assert [point.values for point in read(place, text).points] == [point.values for point in found.points]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sweep: {wires.row_segment: [1 ohm]}", "found the path 'wires.row_segment'; one that"),
        ("sweep: {die.spread.critical_voltage: [1]}", "die.spread.critical_voltage = 1: bench: .*found 1"),
        ("sweep: {experiment.training.rates: [1]}", "training.rates: unknown key"),
        ("sweep: {die.tiles.5.rows: [1]}", "found '5' in a list of 2; 0 to 1 is accepted"),
        ("sweep: {experiment.training.rate: {low: 1, high: 2}}", "points is missing"),
        ("sweep: {die.temperature: {low: 1 K, high: 2 C, points: 2}}", "low is in 'K' and high in 'C'"),
        ("sweep: {experiment.training.rate: {low: 2, high: 1, points: 2}}", "low < high is accepted"),
        ("sweep: {experiment.name.x: [1]}", "experiment.name is 'quick', which holds no key 'x'"),
        ("sweep: {seed: {paths: [die.seed], values: [1]}}", "sweep.seed: a column of the results has this"),
    ],
)  # fmt: skip
def test_a_wrong_study_is_answered_with_key_and_value(place: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read(place, text + "\n")


def test_replicas_and_hashes(place: Path) -> None:
    text = "sweep: {experiment.training.rate: [0.001, 0.002]}\nmethods: [float, in-situ]\n"
    paired = study_tasks(read(place, text + "dies: 3\nfirst: 5\n"))
    assert [(task.trial.die, task.trial.seed) for task in paired[::4]] == [(5, 5), (6, 6), (7, 7)]
    assert len({task.hash for task in paired}) == 12
    crossed = study_tasks(read(place, text + "dies: 6\nseeds: 6\n"))
    assert len(crossed) == 6 * 6 * 4
    # A task keeps its name when the study grows, and loses it when its configuration changes.
    assert {task.hash for task in paired} > set() and {task.hash for task in crossed} >= {
        task.hash for task in study_tasks(read(place, text + "dies: 3\n"))
    }
    (place / "quick.yaml").write_text(QUICK.replace("epochs: 2", "epochs: 3"), encoding="utf-8")
    assert not {task.hash for task in study_tasks(read(place, text + "dies: 3\nfirst: 5\n"))} & {
        task.hash for task in paired
    }


ABOUT: dict[str, Any] = {"name": "t", "parameters": ["x"], "points": [{"x": 1.0}], "tasks": {}}


def test_parts_are_appended_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    for k in range(2):
        with StudyResults(tmp_path, ABOUT, {"x": "number"}) as results:
            results.add({"hash": f"a{k}", "x": float(k), "error": None})
            results.add({"hash": f"b{k}", "error": "no"})
            results.flush()
            results.flush()
            results.add({"hash": f"c{k}"})  # what waits is written on the way out
    rows = read_rows(tmp_path)
    assert sorted(row["hash"] for row in rows) == ["a0", "a1", "b0", "b1", "c0", "c1"]
    assert set(finished(rows)) == {"a0", "a1", "c0", "c1"}
    (tmp_path / "parts" / "part-9.parquet").write_bytes(b"PAR1")
    with pytest.raises(RecordError, match=r"part-9\.parquet: the part is damaged"):
        read_rows(tmp_path)


def test_a_study_goes_on_where_it_stopped_reports_what_failed_and_draws(place: Path) -> None:
    text = (
        HEAD + "sweep:\n  experiment.network.hidden: [[2], [4]]\n"
        "  experiment.data.test_fraction: [30 %, 40 %]\ndies: 2\nmethods: [float]\n"
    )
    (place / "study.yaml").write_text(text, encoding="utf-8")
    command = [str(place / "study.yaml"), "--runs", str(place / "runs")]

    def run() -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(app, ["study", *command, "--workers", "1", "--json"])
        return done.exit_code, json.loads(done.stdout)

    def report() -> str:
        page = CliRunner().invoke(app, ["report", *command, "--json"])
        assert page.exit_code == 0, page.output
        return Path(json.loads(page.stdout)["report"]).read_text(encoding="utf-8")

    code, first = run()
    assert (code, first["tasks"], first["done"], first["failed"]) == (0, 8, 8, [])
    (place / "study.yaml").write_text(text.replace("[float]", "[float, in-situ]"), encoding="utf-8")
    (place / "die.yaml").write_text("tiles: [{rows: 3, columns: 3}]\n", encoding="utf-8")
    code, second = run()  # another die is another configuration, and no network fits it
    assert (code, second["finished_before"], second["done"]) == (1, 0, 8)
    assert len(second["failed"]) == 8
    assert "8 of 16 tasks finished, 8 failed" in report()
    assert "layer" in second["failed"][0]["error"]
    assert "in-situ, die 0, seed 0; experiment.network.hidden = [2]" in second["failed"][0]["task"]
    (place / "die.yaml").write_text(DIE, encoding="utf-8")
    (place / "study.yaml").write_text(text, encoding="utf-8")
    code, third = run()
    assert (code, third["finished_before"], third["done"]) == (0, 8, 0)
    kept = json.loads((Path(third["results"]) / "study.json").read_text(encoding="utf-8"))
    assert "rows: 4" in kept["bench"]["text"] and kept["experiment"]["text"] == QUICK
    whole = pq.read_table(Path(third["results"]) / "parts").to_pylist()  # text and numbers, failed and done
    assert len(whole) == 24 and {row["experiment.network.hidden"] for row in whole} == {"[2]", "[4]"}
    html = report()
    assert "Test accuracy against experiment.data.test_fraction" in html
    assert "8 of 8 tasks finished, 0 failed" in html
    assert "Failed tasks" not in html  # they were those of another die


def test_no_answer_is_lost_where_a_sweep_mixes_numbers_and_text_or_grows(tmp_path: Path) -> None:
    """All parts keep one schema, so that the directory reads as one table."""
    with StudyResults(tmp_path, ABOUT, {"x": "number"}) as results:
        results.add({"hash": "a", "x": 3.0, "pulses": 2})
    with StudyResults(tmp_path, ABOUT, {"x": "text", "y": "number"}) as results:
        results.add({"hash": "b", "x": 4.5, "y": 1.0})
        results.add({"hash": "c", "x": "auto", "y": 2.0})
    with StudyResults(tmp_path, ABOUT, {"y": "number"}) as results:
        results.add({"hash": "d", "y": 3.0})
    rows = {row["hash"]: (row["x"], row["y"], row["pulses"]) for row in read_rows(tmp_path)}
    assert rows == {
        "a": ("3", None, 2), "b": ("4.5", 1.0, None), "c": ("auto", 2.0, None), "d": (None, 3.0, None),
    }  # fmt: skip
    table = pq.read_table(tmp_path / "parts")
    assert sorted(table.column("hash").to_pylist()) == ["a", "b", "c", "d"]
    assert {"x", "y", "test_accuracy", "error"} < set(table.column_names)


def test_two_studies_never_share_a_directory_and_two_processes_no_study(tmp_path: Path) -> None:
    names = ["a b", "a-b", "A-b", "..", ".", "a/b"]
    directories = [results_directory(name, tmp_path) for name in names]
    assert len(set(directories)) == len(names)
    assert all(one.parent == tmp_path / "studies" for one in directories)
    with StudyResults(tmp_path, ABOUT), pytest.raises(RecordError, match="another process writes"):
        StudyResults(tmp_path, ABOUT)
    with pytest.raises(RecordError, match="holds the results of the study 't', not of 'other'"):
        StudyResults(tmp_path, {**ABOUT, "name": "other"})
    with StudyResults(tmp_path, ABOUT):
        pass


def test_points_are_summed_up_over_their_replicas() -> None:
    cost = {"pulses": 1, "energy_J": 0.0, "bench_time_s": 0.0, "method": "in-situ"}
    rows: list[dict[str, Any]] = [
        {"hash": f"{x}{k}", "test_accuracy": 0.8 + 0.1 * k, "error": None, **cost}
        for x in (2.0, 1.0)
        for k in range(2)
    ]
    rows.append({"hash": "z", "error": "no", "method": "in-situ"})
    rows.append({"hash": "old", "test_accuracy": 0.1, "error": None, **cost})
    about = {
        "parameters": ["x"],
        "points": [{"x": 2.0}, {"x": 1.0}],
        "tasks": {"2.00": 0, "2.01": 0, "1.00": 1, "1.01": 1, "z": 1},
    }
    first, second = summaries(rows, about)  # of an old configuration nothing counts
    assert (first.values["x"], second.values["x"], first.replicas) == (1.0, 2.0, 2)
    assert first.mean == pytest.approx(0.85)
    assert first.low == pytest.approx(0.85 - 12.7062 * 0.05, abs=1e-4)
    assert first.high == 1.0


def _double(task: int, monitor: Monitor) -> int:
    assert not monitor.should_stop()
    if task == 3:
        raise ProtocolError("three is not liked")
    return 2 * task


def test_a_cluster_does_the_same() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dask and of what it stands on
        distributed = pytest.importorskip("distributed")
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster:
            found = run_on_cluster(_double, [1, 2, 3], cluster.scheduler_address, SilentMonitor(), "t")
            answers = {done.index: (done.answer, done.error) for done in found}
    assert answers == {0: (2, None), 1: (4, None), 2: (None, "three is not liked")}
