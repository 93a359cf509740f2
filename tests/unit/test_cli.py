"""The command line as a user meets it: a subprocess, its standard output, its exit code."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from scipy import stats

from mtjloop.app.commands.options import errors

QUICK = """name: quick
data: {source: iris}
network: {hidden: [4]}
training: {epochs: 4}
"""
BENCH = """name: small bench
backend: simulated
limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}
simulated:
  die:
    tiles: [{rows: 5, columns: 8}, {rows: 4, columns: 6}]
"""


def mtjloop(where: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mtjloop", *arguments],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120", "PYTHONWARNINGS": ""},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object on standard output."""
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    assert done.stdout.count("\n") == 1
    return value


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bench.yaml").write_text(BENCH, encoding="utf-8")
    (tmp_path / "quick.yaml").write_text(QUICK, encoding="utf-8")
    return tmp_path


def test_help_and_version(place: Path) -> None:
    text = mtjloop(place, "--help").stdout
    for command in ("init", "map", "program", "train", "infer", "report", "runs"):
        assert f"\n  {command} " in text
    assert mtjloop(place, "--version").stdout.startswith("mtjloop ")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_a_full_disk_ends_in_one_sentence(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, errors():
        raise OSError(number, os.strerror(number), "kernel.nbc")
    assert ended.value.exit_code == 1
    told = capsys.readouterr().err
    assert told.startswith("mtjloop: nothing more can be written (") and "kernel.nbc" in told
    assert told.count("\n") == 1


def test_other_errors_of_the_system_are_not_taken_for_a_full_disk() -> None:
    with pytest.raises(PermissionError), errors():
        raise PermissionError(errno.EACCES, "denied")


def test_help_imports_nothing_heavy(place: Path) -> None:
    code = (
        "import sys, mtjloop.app.main; print([m for m in ('numpy', 'numba', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_init_then_everything(place: Path) -> None:
    written = answer(mtjloop(place, "init", "new", "--json"))["written"]
    assert [Path(one).name for one in written] == ["bench.yaml", "experiment.yaml"]
    again = mtjloop(place, "init", "new", code=2)
    assert "exists already" in again.stderr
    mtjloop(place, "init", "new", "--force")
    planned = answer(mtjloop(place, "init", "planned", "--plan", "--json"))["written"]
    assert [Path(one).name for one in planned] == ["bench.yaml", "experiment.yaml", "plan.yaml"]
    mapped = answer(mtjloop(place, "map", "new/bench.yaml", "--json", "--seed", "4"))
    assert [(tile["rows"], tile["columns"]) for tile in mapped["tiles"]] == [(14, 24), (6, 12)]


def test_train_infer_report_runs(place: Path) -> None:
    result = answer(mtjloop(place, "train", "bench.yaml", "quick.yaml", "--seed", "3", "--json"))
    needed = {
        "test_accuracy", "train_accuracy", "float_test_accuracy", "samples_per_second", "epochs", "pulses",
        "energy_J", "bench_time_s", "run_dir",
    }  # fmt: skip
    assert needed <= set(result)
    assert result["epochs"] == 4
    run = place / result["run_dir"]
    assert {"run.yaml", "events.sqlite", "network.npz"} <= {path.name for path in run.iterdir()}

    inferred = answer(mtjloop(place, "infer", "last", "--json"))
    assert inferred["samples"] == 45
    assert len(inferred["predictions"]) == 45
    assert inferred["test_accuracy"] == pytest.approx(result["test_accuracy"], abs=0.07)
    refused = mtjloop(place, "infer", "last", "--no-program", code=2)
    assert "simulated.memory" in refused.stderr
    on_all = answer(mtjloop(place, "infer", run.name, "--data", "iris", "--json"))
    assert on_all["samples"] == 150

    page = Path(answer(mtjloop(place, "report", run.name, "--json"))["report"])
    html = (place / page).read_text(encoding="utf-8")
    assert "no hardware was touched" in html.lower()

    listed = answer(mtjloop(place, "runs", "--json"))["runs"]
    assert [one["command"] for one in listed] == ["infer", "infer", "train"]
    assert run.name in mtjloop(place, "runs").stdout


def test_seeds_decide_the_states(place: Path) -> None:
    from numpy import load

    (place / "quick.yaml").write_text(QUICK.replace("hidden: [4]", "hidden: []"), encoding="utf-8")

    def states(seed: str) -> list[int]:
        result = answer(mtjloop(place, "train", "bench.yaml", "quick.yaml", "--seed", seed, "--json"))
        with load(place / result["run_dir"] / "network.npz") as stored:
            return list(stored["state0"].ravel())

    assert states("1") == states("1") != states("2")


def test_a_bench_of_two_levels_trains_and_infers_and_refuses_a_scheme_of_four(place: Path) -> None:
    limited = BENCH + "  electronics: {distinct_levels: 2, read_levels: 1}\n"
    (place / "bench.yaml").write_text(limited, encoding="utf-8")
    refused = mtjloop(place, "train", "bench.yaml", "quick.yaml", code=2)
    assert "operation.program_unselected is third" in refused.stderr
    assert "write half" in refused.stderr
    half = limited + "operation: {program_unselected: half}\n"
    (place / "bench.yaml").write_text(half, encoding="utf-8")
    trained = answer(mtjloop(place, "train", "bench.yaml", "quick.yaml", "--json"))
    again = answer(mtjloop(place, "infer", trained["run_dir"], "--json"))
    assert again["failed_cells"] == 0
    assert again["test_accuracy"] == pytest.approx(trained["test_accuracy"], abs=0.1)
    analog = half.replace("half}", "half, read_encoding: analog}")
    (place / "bench.yaml").write_text(analog, encoding="utf-8")
    refused = mtjloop(place, "train", "bench.yaml", "quick.yaml", code=2)
    assert "read_encoding: auto" in refused.stderr


def test_program_then_map_on_a_chip_with_memory(place: Path) -> None:
    (place / "bench.yaml").write_text(BENCH + "  memory: chip.npz\n", encoding="utf-8")
    report = answer(mtjloop(place, "program", "bench.yaml", "checkerboard", "--tile", "1", "--json"))
    assert report["failed"] == 0
    mapped = answer(mtjloop(place, "map", "bench.yaml", "--tile", "1", "--json"))
    state = mapped["tiles"][0]["state"]
    assert all(state[i][j] == (i + j) % 2 for i in range(4) for j in range(6))
    text = mtjloop(place, "map", "bench.yaml", "--tile", "1").stdout
    assert ".P.P.P" in text


def test_pattern_files(place: Path) -> None:
    (place / "good.csv").write_text("1,0,1,0,1,0\n" * 4, encoding="utf-8")
    assert answer(mtjloop(place, "program", "bench.yaml", "good.csv", "--tile", "1", "--json"))["failed"] == 0
    (place / "bad.csv").write_text("1,0,1,0,1,7\n" * 4, encoding="utf-8")
    done = mtjloop(place, "program", "bench.yaml", "bad.csv", "--tile", "1", code=2)
    assert "row 0, column 5: found 7" in done.stderr
    (place / "small.csv").write_text("1,0\n", encoding="utf-8")
    done = mtjloop(place, "program", "bench.yaml", "small.csv", "--tile", "1", code=2)
    assert "shape (1, 2)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("map", "absent.yaml"), 2, "absent.yaml: no such file"),
        (("map", "bench.yaml", "--tile", "7"), 2, "--tile 7: the bench has tiles 0 to 1"),
        (("map", "bench.yaml", "--threshold", "7"), 2, "--threshold: found '7'; a resistance with its unit"),
        (("map", "bench.yaml", "--threshold", "0 ohm"), 2, "found '0 ohm'; a resistance above 0 is accepted"),
        (("fit", "last", "--time-unit", "0 ns"), 2, "--time-unit: found '0 ns'; a time above 0 is accepted"),
        (("check", "bench.yaml", "--short", "2 ohm", "--open", "1 ohm"), 2, "not below --open 1 ohm"),
        (("train", "bench.yaml", "bench.yaml"), 2, "bench.yaml: backend: unknown key"),
        (("train", "bench.yaml", "absent.yaml"), 2, "absent.yaml: no such file"),
        (("infer", "last"), 1, "no run with a trained network"),
        (("report", "nothing"), 1, "nothing"),
        (("map", "bench.yaml", "--seed", "99999999999999999999"), 2, "Invalid value for '--seed'"),
        (("map", "bench.yaml", "--runs", "bench.yaml"), 1, "cannot make the run directory"),
        (("program", "bench.yaml", "zigzag"), 2, "'zigzag' is neither one of checkerboard"),
    ],
)
def test_errors_are_one_clear_sentence(
    place: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = mtjloop(place, *arguments, code=code)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_data_of_the_user(place: Path) -> None:
    lines = ["a,b,kind"] + [f"{k % 7 + (k % 2) * 9},{k % 5},{'odd' if k % 2 else 'even'}" for k in range(80)]
    (place / "mine.csv").write_text("\n".join(lines), encoding="utf-8")
    quick = QUICK.replace("source: iris", "source: mine.csv, label: kind")
    quick = quick.replace("epochs: 4", "epochs: 4, digital_alone: true")
    (place / "mine.yaml").write_text(quick, encoding="utf-8")
    right, alone, samples = 0, 0, 24  # in a test part of 30 %
    for seed in range(3):
        result = answer(mtjloop(place, "train", "bench.yaml", "mine.yaml", "--json", "--seed", str(seed)))
        assert result["classes"] == ["even", "odd"]
        right += round(samples * result["test_accuracy"])
        alone += round(samples * result["digital_only_test_accuracy"])
    # More than guessing of two classes alike would give, and than the controller's own parts do.
    assert stats.binomtest(right, 3 * samples, 0.5, alternative="greater").pvalue < 1e-6
    table = np.array([[right, 3 * samples - right], [alone, 3 * samples - alone]])
    assert stats.fisher_exact(table, alternative="greater").pvalue < 1e-3
    (place / "mine.csv").write_text("\n".join([*lines[:5], "1,many,odd"]), encoding="utf-8")
    done = mtjloop(place, "train", "bench.yaml", "mine.yaml", code=2)
    assert "line 6, column 'b': found 'many'" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to another process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_stop_signal_stops_at_a_safe_point_and_keeps_the_run(place: Path, name: str) -> None:
    (place / "long.yaml").write_text(QUICK.replace("epochs: 4", "epochs: 100000"), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "mtjloop", "train", "bench.yaml", "long.yaml", "--json"],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not recorded_epochs(place) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    result = json.loads(out)
    assert result["interrupted"] is True
    listed = answer(mtjloop(place, "runs", "--json"))["runs"]
    assert listed[0]["outcome"] == "interrupted"
    mtjloop(place, "infer", "last")


def recorded_epochs(place: Path) -> int:
    """Epochs that a running run has recorded so far, read while it is written."""
    from mtjloop.errors import RecordError
    from mtjloop.records.index import list_runs
    from mtjloop.records.reader import RunReader

    for entry in list_runs(place / "runs"):
        try:
            with RunReader(entry.directory) as reader:
                return max((len(values[0]) for values in reader.metrics().values()), default=0)
        except RecordError:
            continue
    return 0
