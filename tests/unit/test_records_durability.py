"""Nothing recorded is lost, whatever happens to the process or the disk."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mtjloop.errors import RecordError
from mtjloop.records.event_file import EventFile
from mtjloop.records.index import list_runs
from mtjloop.records.manifest import read_manifest
from mtjloop.records.reader import RunReader
from mtjloop.records.run import RunRecorder

from .new_runs import NOTHING_MORE, new_run, send


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX systems can fork a process")
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
