"""A run directory: what is recorded comes back, whatever happens to the process or the disk."""

import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtjloop.errors import RecordError
from mtjloop.records.event_file import EventFile
from mtjloop.records.index import find_run, list_runs, new_run_id
from mtjloop.records.manifest import Configuration, read_manifest
from mtjloop.records.reader import RunReader
from mtjloop.records.run import Detail, RunRecorder

NOTHING_MORE: dict[str, Any] = {"energy": None, "elapsed": 1e-3, "compliance": None, "peak_current": None}


def new_run(root: Path, **changes: Any) -> RunRecorder:
    given: dict[str, Any] = {"command": "train", "name": "wine", "backend": "simulated", "hardware": False}
    return RunRecorder.create(root, **(given | changes))


def send(recorder: RunRecorder, epoch: int | None = 0, purpose: str = "train", volts: float = 0.5) -> int:
    return recorder.begin_pulse(0, purpose, epoch, np.array([volts, 0.0]), np.array([0.0]), 50e-9, 1)


def test_pulses_come_back_as_they_were_asked_and_applied(tmp_path: Path) -> None:
    rows, columns = np.array([0.3, np.nan, -0.25]), np.array([np.nan, 0.1])
    single: Any = np.array([0.5], np.float32)
    whole: Any = np.arange(2)
    with new_run(tmp_path) as recorder:
        first = recorder.begin_pulse(2, "program", 7, rows, columns, np.array([1e-9, 2e-9, 3e-9]), 4)
        rows[:] = 9.0  # the recorder must hold a copy
        recorder.complete_pulse(
            first, width=3.1e-9, energy=2e-12, elapsed=5e-3, compliance=True, peak_current=1e-4
        )
        second = recorder.begin_pulse(0, "train", None, single, whole, 1e-6, 1)
        recorder.fail_pulse(second, "refused", "above 1 V")
        third = recorder.begin_pulse(0, "train", None, np.ones(1), np.ones(2), 1e-6, 1)
        recorder.fail_pulse(third, "doubtful", "link lost")
    with RunReader(recorder.directory) as run:
        one, two, three = run.pulses()
        assert [pulse.pulse for pulse in run.pulses(limit=2)] == [first, second]
    np.testing.assert_allclose(one.row_levels, [0.3, np.nan, -0.25], rtol=1e-7)
    np.testing.assert_allclose(one.column_levels, [np.nan, 0.1], rtol=1e-7)
    np.testing.assert_allclose(one.widths, [1e-9, 2e-9, 3e-9], rtol=1e-7)
    assert (one.tile, one.purpose, one.epoch, one.repeat, one.status) == (2, "program", 7, 4, "applied")
    assert (one.width, one.energy, one.elapsed, one.compliance, one.peak_current) == (
        3.1e-9,
        2e-12,
        5e-3,
        True,
        1e-4,
    )
    assert abs((datetime.now(UTC) - one.time).total_seconds()) < 60
    assert (two.status, two.reason, two.epoch, two.widths, two.width) == (
        "refused",
        "above 1 V",
        None,
        1e-6,
        None,
    )
    np.testing.assert_array_equal(two.column_levels, [0.0, 1.0])
    assert (three.status, three.reason, three.compliance) == ("doubtful", "link lost", None)


def test_everything_else_comes_back(tmp_path: Path) -> None:
    resistance = np.array([[1000.0, np.nan, 2500.0]])
    state = np.array([[1, -1, 0]], np.int8)
    with new_run(tmp_path) as recorder:
        recorder.record_map(1, "before", None, resistance, state)
        recorder.record_map(1, "after", 3, resistance * 2, state)
        recorder.record_switching(1, 0, 2, -1, 0.25, 40, 11)
        recorder.record_metrics(1, {"train_accuracy": 0.5, "loss": float("nan")})
        recorder.record_metrics(0, {"train_accuracy": np.float64(0.25)})
        recorder.record_metrics(1, {"train_accuracy": 0.75})
        recorder.record_array("confusion", np.arange(4).reshape(2, 2))
        recorder.record_array("names", np.array(["ä", "b"]))
        recorder.message("warning", "one cell is dead")
        recorder.count_reads(1, "train", 0, 3, 0.5, 2.0)
        recorder.count_reads(1, "train", 0, 4, 0.5, None)
        recorder.count_reads(1, "map", None, 1, 0.25, None)
        recorder.finish(
            "completed", {"test_accuracy": np.float64(0.9), "classes": np.array(["x", "y"]), "n": (1, 2)}
        )
    with RunReader(recorder.directory) as run:
        after = run.maps("after")
        assert [(found.label, found.epoch, found.tile) for found in run.maps()] == [
            ("before", None, 1),
            ("after", 3, 1),
        ]
        np.testing.assert_array_equal(after[0].resistance, resistance * 2)
        np.testing.assert_array_equal(after[0].state, state)
        assert after[0].state.dtype == np.int8
        (bin_,) = run.switching()
        assert (bin_.tile, bin_.layer, bin_.epoch, bin_.polarity) == (1, 0, 2, -1)
        assert (bin_.requested, bin_.cells, bin_.switched) == (0.25, 40, 11)
        epochs, values = run.metrics()["train_accuracy"]
        assert epochs.tolist() == [0, 1]
        assert values.tolist() == [0.25, 0.75]
        assert math.isnan(run.metrics()["loss"][1][0])
        arrays = run.arrays()
        assert arrays["confusion"].tolist() == [[0, 1], [2, 3]]
        assert arrays["names"].tolist() == ["ä", "b"]
        assert [(note.level, note.text) for note in run.messages()] == [("warning", "one cell is dead")]
        assert [(t.purpose, t.epoch, t.count, t.energy, t.elapsed) for t in run.read_totals()] == [
            ("map", None, 1, None, 0.25),
            ("train", 0, 7, 2.0, 1.0),
        ]
        assert run.manifest.result == {"test_accuracy": 0.9, "classes": ["x", "y"], "n": [1, 2]}


@pytest.mark.parametrize("durable", [False, True])
def test_tally_counts_what_full_lists(tmp_path: Path, durable: bool) -> None:
    found = {}
    details: list[Detail] = ["full", "tally"]
    for detail in details:
        rng = np.random.default_rng(5)
        with new_run(tmp_path, detail=detail, durable=durable) as recorder:
            for _ in range(300):
                rows = np.where(rng.random(5) < 0.3, np.nan, rng.choice([-0.4, 0.0, 0.4], 5))
                columns = rng.choice([0.0, 0.2, np.nan], 3)
                widths = 1e-7 if rng.random() < 0.5 else rng.choice([1e-8, 2e-8], 5)
                epoch = None if rng.random() < 0.2 else int(rng.integers(3))
                purpose = str(rng.choice(["train", "audit"]))
                pulse = recorder.begin_pulse(
                    int(rng.integers(2)), purpose, epoch, rows, columns, widths, int(rng.integers(1, 4))
                )
                ending = rng.random()
                if ending < 0.1:
                    recorder.fail_pulse(pulse, "refused", "no")
                elif ending < 0.2:
                    recorder.fail_pulse(pulse, "doubtful", "lost")
                elif ending < 0.98:
                    recorder.complete_pulse(
                        pulse,
                        width=1e-7,
                        energy=None if ending < 0.3 else ending,
                        elapsed=1e-3,
                        compliance=False,
                        peak_current=None,
                    )
        with RunReader(recorder.directory) as run:
            found[detail] = (run.pulse_totals(), run.pulse_tally())
            if detail == "full":
                pulses = list(run.pulses())
    assert found["full"] == found["tally"]
    totals, tally = found["full"]
    assert sum(place.count for place in tally if place.status == "applied") == sum(t.count for t in totals)
    listed: dict[tuple[int, str, int | None], list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0.0])
    for one in pulses:
        row = listed[one.tile, one.purpose, one.epoch]
        row[("applied", "refused", "doubtful").index(one.status)] += 1
        row[3] += one.repeat if one.status == "applied" else 0
        row[4] += one.elapsed or 0.0
    assert len(listed) == len(totals)
    for total in totals:
        row = listed[total.tile, total.purpose, total.epoch]
        assert row[:4] == [total.count, total.refused, total.doubtful, total.repeats]
        assert total.elapsed == pytest.approx(row[4])


def test_tally_knows_amplitude_width_and_polarity(tmp_path: Path) -> None:
    with new_run(tmp_path, detail="tally") as recorder:
        for rows, columns, width in (
            ([0.4, np.nan], [-0.2, 0.0], 1.00004e-7),
            ([0.4, 0.0], [-0.2, 0.0], 1e-7),
            ([-0.4, 0.0], [0.2, 0.0], 1e-7),
            ([np.nan, np.nan], [0.2, 0.0], 1e-7),
        ):
            pulse = recorder.begin_pulse(0, "train", 0, np.array(rows), np.array(columns), width, 1)
            recorder.complete_pulse(pulse, width=width, **NOTHING_MORE)
    with RunReader(recorder.directory) as run:
        counted = [(t.amplitude, t.width, t.polarity, t.count) for t in run.pulse_tally()]
    assert counted == [(0.0, 1e-7, 0, 1), (0.6, 1e-7, -1, 1), (0.6, 1e-7, 1, 2)]


def test_durable_pulse_is_on_disk_before_it_is_sent(tmp_path: Path) -> None:
    with new_run(tmp_path, hardware=True, durable=True) as recorder:
        pulse = send(recorder)
        with RunReader(recorder.directory) as other:
            (seen,) = other.pulses()
            assert seen.status == "doubtful"
            assert other.pulse_totals()[0].doubtful == 1
            recorder.complete_pulse(pulse, width=50e-9, **NOTHING_MORE)
            (seen,) = other.pulses()
            assert seen.status == "applied"
            assert other.pulse_totals()[0].doubtful == 0


def test_durable_pulse_that_cannot_be_recorded_is_not_begun(tmp_path: Path) -> None:
    recorder = new_run(tmp_path, hardware=True, durable=True)
    fill_up(recorder)
    with pytest.raises(RecordError, match=r"full.*Check that the disk has room"):
        for _ in range(10_000):
            recorder.complete_pulse(send(recorder), width=50e-9, **NOTHING_MORE)
    with pytest.raises(RecordError):
        recorder.finish("completed", {})
    assert recorder.manifest.stop_reason == "running"
    assert "full" in read_manifest(recorder.directory).stop_reason


def fill_up(recorder: RunRecorder) -> None:
    database = recorder._events._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages + 2}")


def test_nothing_is_lost_when_the_disk_has_room_again(tmp_path: Path) -> None:
    with new_run(tmp_path) as recorder:
        fill_up(recorder)
        for _ in range(1000):
            recorder.complete_pulse(send(recorder), width=50e-9, **NOTHING_MORE)
        with pytest.raises(RecordError, match="full"):
            recorder.flush()
        recorder._events._database.execute("PRAGMA max_page_count = 100000")
    with RunReader(recorder.directory) as run:
        assert len(list(run.pulses())) == run.pulse_totals()[0].count == 1000


def test_removed_directory_is_noticed(tmp_path: Path) -> None:
    recorder = new_run(tmp_path)
    send(recorder)
    shutil.rmtree(recorder.directory)
    with pytest.raises(RecordError, match=r"events\.sqlite was removed"):
        recorder.flush()
    with pytest.raises(RecordError):
        recorder.finish("completed", {})


def test_unwritable_root_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot make the run directory"):
        new_run(tmp_path / "file")


WRITER = """
import os, sys
from pathlib import Path
import numpy as np
from mtjloop.records.run import RunRecorder
recorder = RunRecorder.create(
    Path(sys.argv[1]), command="train", name="x", backend="b", hardware=False, durable="durable" in sys.argv
)
recorder.__enter__()
for _ in range(50):
    pulse = recorder.begin_pulse(0, "train", 0, np.zeros(3), np.full(2, np.nan), 1e-7, 1)
    recorder.complete_pulse(pulse, width=1e-7, energy=1.0, elapsed=1.0, compliance=False, peak_current=0.0)
recorder.record_metrics(0, {"train_accuracy": 0.5})
pulse = recorder.begin_pulse(0, "train", 1, np.zeros(3), np.zeros(2), 1e-7, 1)
print(recorder.directory, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("mode", ["durable", "buffered"])
def test_killed_process_leaves_a_readable_run(tmp_path: Path, mode: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        directory = Path(writer.stdout.readline().strip())
        writer.send_signal(signal.SIGKILL)
    with RunReader(directory) as run:
        assert run.manifest.outcome == "running or killed"
        totals = run.pulse_totals()
        assert (totals[0].count, totals[0].energy) == (50, 50.0)
        assert run.metrics()["train_accuracy"][1].tolist() == [0.5]
        unknown = [pulse for pulse in run.pulses() if pulse.status == "doubtful"]
        assert len(unknown) == sum(total.doubtful for total in totals) == (1 if mode == "durable" else 0)
    # A second look, after the first reader has closed, sees the same.
    with RunReader(directory) as run:
        assert len(list(run.pulses(limit=50))) == 50


def test_reader_follows_a_run_being_written(tmp_path: Path) -> None:
    with new_run(tmp_path) as recorder, RunReader(recorder.directory) as run:
        assert list(run.pulses()) == []
        assert run.metrics() == {}
        recorder.complete_pulse(send(recorder), width=50e-9, **NOTHING_MORE)
        recorder.record_metrics(0, {"train_accuracy": 1.0})
        assert len(list(run.pulses())) == 1
        half_way = run.pulses()
        next(half_way)
        recorder.complete_pulse(send(recorder), width=50e-9, **NOTHING_MORE)
        recorder.flush()
        assert run.pulse_totals()[0].count == 2
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            run._database.execute("DELETE FROM pulses")
    # The reader kept the file in WAL mode; it must still open.
    with RunReader(recorder.directory) as run:
        assert run.manifest.outcome == "completed"


def test_finished_run_opens_from_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with new_run(tmp_path) as recorder:
        recorder.message("info", "hello")
    assert sorted(path.name for path in recorder.directory.iterdir()) == ["events.sqlite", "run.yaml"]
    recorder.directory.chmod(0o555)
    try:
        with RunReader(recorder.directory) as run:
            assert run.messages()[0].text == "hello"
    finally:
        recorder.directory.chmod(0o755)


def test_second_writer_is_refused(tmp_path: Path) -> None:
    with new_run(tmp_path, run_id="mine") as recorder:
        with pytest.raises(RecordError, match=r"exists already.*one writer"):
            new_run(tmp_path, run_id="mine")
        with pytest.raises(RecordError):
            EventFile(recorder.directory / "events.sqlite", durable=False)
        send(recorder)
        with sqlite3.connect(recorder.directory / "events.sqlite") as other:
            other.execute("INSERT INTO messages VALUES (NULL, 0, 'info', 'me too')")
        other.close()
        with pytest.raises(RecordError, match="changed by another program"):
            recorder.flush()
        with pytest.raises(RecordError):
            recorder.finish("completed", {})
    assert read_manifest(recorder.directory).stop_reason.startswith("failed: RecordError")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_is_refused(tmp_path: Path) -> None:
    code = f"""
        import os, sys, warnings
        from pathlib import Path
        from mtjloop.errors import RecordError
        from mtjloop.records.run import RunRecorder
        root = Path({str(tmp_path)!r})
        with RunRecorder.create(root, command="train", name="x", backend="b", hardware=False) as run:
            child = os.fork()
            if child == 0:
                try:
                    run.message("info", "from the child")
                except RecordError:
                    os._exit(3)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list_runs(tmp_path)[0].manifest is not None


def fail() -> None:
    raise ValueError("no such cell: <3>")


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("event", "kind", "reason"),
    [
        (fail, ValueError, "failed: ValueError: no such cell: <3>"),
        (interrupt, KeyboardInterrupt, "interrupted"),
    ],
)
def test_an_exception_becomes_the_stop_reason(
    tmp_path: Path, event: Callable[[], None], kind: type[BaseException], reason: str
) -> None:
    recorder = new_run(tmp_path)
    with pytest.raises(kind), recorder:
        recorder.complete_pulse(send(recorder), width=50e-9, **NOTHING_MORE)
        send(recorder)
        event()
    with RunReader(recorder.directory) as run:
        assert run.manifest.outcome == reason
        assert run.manifest.finished_utc is not None
        assert [pulse.status for pulse in run.pulses()] == ["applied", "doubtful"]


def test_misuse_is_explained(tmp_path: Path) -> None:
    with new_run(tmp_path) as recorder:
        pulse = send(recorder)
        recorder.complete_pulse(pulse, width=50e-9, **NOTHING_MORE)
        with pytest.raises(RecordError, match="never begun or has ended"):
            recorder.complete_pulse(pulse, width=50e-9, **NOTHING_MORE)
        with pytest.raises(RecordError, match="stop reason 'fine'"):
            recorder.finish("fine", {})
        with pytest.raises(RecordError, match=r"result\.model is a object"):
            recorder.finish("completed", {"model": object()})
        with pytest.raises(RecordError, match="shape"):
            recorder.record_map(0, "before", None, np.zeros((2, 3)), np.zeros((3, 2), np.int8))
        with pytest.raises(RecordError, match="3 of 2 cells"):
            recorder.record_switching(0, 0, 0, 1, 0.5, 2, 3)
        with pytest.raises(RecordError, match="array 'o'"):
            recorder.record_array("o", np.array([object()]))
        with pytest.raises(RecordError, match="0 rows"):
            recorder.begin_pulse(0, "train", 0, np.zeros(0), np.zeros(2), 1e-7, 1)
    with pytest.raises(RecordError, match="is finished"):
        recorder.message("info", "too late")
    with pytest.raises(RecordError, match="is finished"):
        send(recorder)
    with pytest.raises(RecordError, match="detail"):
        new_run(tmp_path, detail="some")


def test_manifest_round_trip(tmp_path: Path) -> None:
    text = "array:\n  rows: 14   \n\ttab: 'ü'\r\nend: |\n"
    kept = {"bench": Configuration.of("a/bench.yaml", text)}
    hostile = Configuration.of("x.yaml", "a: <b>\n# 𝛥 \x07\x85\u2028\n  ---\n")
    recorder = new_run(
        tmp_path, name="Wine & <b>/..", seed=np.int64(3), hardware=True, operator="Ada",
        configurations=kept | {"x.yaml": hostile}, die_id="W3-D7", temperature=295.5,
        identities=("ACME,1,2", ""), wiring_hash="abc",
    )  # fmt: skip
    recorder.finish("interrupted", {"nan": float("nan")})
    found = read_manifest(recorder.directory)
    assert found.name == "Wine & <b>/.."
    assert found.configurations["x.yaml"] == hostile
    assert found.configurations == recorder.manifest.configurations
    assert (found.seed, found.operator, found.die_id, found.temperature) == (3, "Ada", "W3-D7", 295.5)
    assert (found.identities, found.wiring_hash, found.hardware) == (("ACME,1,2", ""), "abc", True)
    assert found.started_utc == recorder.manifest.started_utc
    assert found.versions["mtjloop"] and found.versions["platform"]
    assert isinstance(found.result["nan"], float)
    assert recorder.directory.name == found.run_id


def test_run_ids_are_file_names() -> None:
    now = datetime(2026, 11, 24, 8, 15, 30, tzinfo=UTC)
    assert new_run_id("train", "Wine (pair) / 2", now)[:-5] == "20261124T081530Z-train-wine-pair-2"
    assert new_run_id("map", "../..", now).startswith("20261124T081530Z-map-")
    assert len(new_run_id("train", "x" * 500, now)) < 64


def test_runs_are_listed_and_found(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []
    with pytest.raises(RecordError, match="holds no runs"):
        find_run(tmp_path / "none", "last")
    made = []
    for name in ("one", "two", "three"):
        with new_run(tmp_path, name=name) as recorder:
            made.append(recorder.directory)
    broken = tmp_path / "20200101T000000Z-train-old-0000"
    broken.mkdir()
    (tmp_path / "notes").mkdir()
    (made[1] / "events.sqlite").unlink()
    entries = list_runs(tmp_path)
    assert [entry.directory for entry in entries] == [*made[::-1], broken]
    assert [entry.problem is None for entry in entries] == [True, False, True, False]
    assert find_run(tmp_path, "last") == made[2]
    assert find_run(tmp_path, made[0].name) == made[0]
    assert find_run(tmp_path, made[0].name[:-3]) == made[0]
    assert find_run(tmp_path, str(made[0])) == made[0]
    with pytest.raises(RecordError, match=r"runs in .* begin with '20'.*Give more"):
        find_run(tmp_path, "20")
    with pytest.raises(RecordError, match=r"fits 'nothing'; it holds .*-three-"):
        find_run(tmp_path, "nothing")
    with pytest.raises(RecordError, match="fits ''"):
        find_run(tmp_path, "")


def test_the_latest_run_is_found_past_damaged_and_renamed_ones(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        with new_run(tmp_path, name=name) as recorder:
            made.append(recorder.directory)
    (tmp_path / "29990101T000000Z-train-broken-0000").mkdir()
    assert find_run(tmp_path, "last") == made[1]
    # A run whose directory was renamed counts by the time in its manifest.
    kept = made[1].rename(tmp_path / "the good one")
    assert find_run(tmp_path, "last") == kept
    made[0].rename(tmp_path / "29990101T000000Z-train-one-1111")
    assert find_run(tmp_path, "last") == kept


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2", "cannot read"),
        ("- 1", "no mapping"),
        ("run_id: 3", "damaged"),
        ("format: 99", "Update mtjloop"),
    ],
)
def test_damaged_manifest_is_named(tmp_path: Path, content: str, message: str) -> None:
    with new_run(tmp_path) as recorder:
        pass
    (recorder.directory / "run.yaml").write_text(content)
    with pytest.raises(RecordError, match=message):
        RunReader(recorder.directory)
    assert list_runs(tmp_path)[0].problem


def test_damaged_events_are_named(tmp_path: Path) -> None:
    with new_run(tmp_path) as recorder:
        pass
    events = recorder.directory / "events.sqlite"
    events.write_bytes(b"not a database, and longer than one header" * 100)
    with pytest.raises(RecordError, match=r"cannot read .*events\.sqlite"):
        RunReader(recorder.directory)
    events.write_bytes(b"")
    with pytest.raises(RecordError, match="schema version 0"):
        RunReader(recorder.directory)
    events.unlink()
    with pytest.raises(RecordError, match="is absent"):
        RunReader(recorder.directory)
