"""Tasks on several processes: answers, failures, stop signals, processes that are lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mtjloop.app.process_pool import Done, run_tasks
from mtjloop.errors import ProtocolError
from mtjloop.protocols.journal import Monitor, SilentMonitor

posix = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no process groups and no signals to another process"
)

# Two workers on two tasks that never look whether they are to stop.
DEAF = """
import os, sys, time
from pathlib import Path
from mtjloop.app.console import ConsoleMonitor, error_console
from mtjloop.app.process_pool import run_tasks

def work(place, monitor):
    Path(place, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    monitor = ConsoleMonitor(error_console())
    with monitor.watching():
        list(run_tasks(work, [sys.argv[1]] * 4, 2, monitor, "deaf"))
"""


BENCH = """name: small bench
backend: simulated
limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}
operation: {search_from: 200 mV}
simulated: {die: {tiles: [{rows: 5, columns: 8}, {rows: 4, columns: 6}]}}
"""
LONG = """name: long
data: {source: iris}
network: {hidden: [4]}
training: {epochs: 90000}
"""


def _square(task: int, monitor: Monitor) -> int:
    assert not monitor.should_stop()
    if task == 2:
        raise ProtocolError("two is not liked")
    return task * task


def _until(found: Callable[[], bool]) -> None:
    for _ in range(1200):
        if found():
            return
        time.sleep(0.1)
    pytest.fail("waited in vain for two minutes")


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _drain(terminal: int, shown: bytearray) -> None:
    """Read a terminal as long as somebody writes to it, so that nobody waits for a reader."""
    with suppress(OSError):
        while read := os.read(terminal, 4096):
            shown += read
    os.close(terminal)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")  # one that nobody waits for is dead all the same
    return not (state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@contextmanager
def _deaf(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The program above with both workers at work, in a process group of its own, as in a terminal."""
    script, place = tmp_path / "deaf.py", tmp_path / "workers"
    script.write_text(DEAF, encoding="utf-8")
    place.mkdir()
    with subprocess.Popen(
        [sys.executable, str(script), str(place)], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        try:
            _until(lambda: len(list(place.iterdir())) == 2)
            yield program, [int(one.name) for one in place.iterdir()]
        finally:
            for pid in [program.pid, *(int(one.name) for one in place.iterdir())]:
                if _alive(pid):
                    os.kill(pid, signal.SIGKILL)


def test_tasks_go_to_several_processes_through_a_window() -> None:
    tasks = [1, 2, *range(3, 30)]  # many more than may wait at once
    found: dict[int, Done[int]] = {
        one.index: one for one in run_tasks(_square, tasks, 2, SilentMonitor(), "t")
    }
    assert found[1] == Done(1, None, "two is not liked")
    del found[1]
    assert {index: one.answer for index, one in found.items()} == {
        index: task * task for index, task in enumerate(tasks) if task != 2
    }


@posix
def test_ctrl_c_of_a_whole_comparison_keeps_what_is_finished(tmp_path: Path) -> None:
    import pty

    (tmp_path / "bench.yaml").write_text(BENCH, encoding="utf-8")
    (tmp_path / "long.yaml").write_text(LONG, encoding="utf-8")
    words = ["compare", "bench.yaml", "long.yaml", "--dies", "2", "--workers", "2", "--json"]
    words += ["--method", "ideal-bernoulli", "--method", "float"]
    ours, theirs = pty.openpty()  # on a terminal every finished task is shown
    with subprocess.Popen(
        [sys.executable, "-m", "mtjloop", *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs,
        start_new_session=True, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as program:  # fmt: skip
        os.close(theirs)
        try:
            shown = bytearray()
            threading.Thread(target=_drain, args=(ours, shown), daemon=True).start()
            _until(lambda: b" 25 %" in shown)  # the float network of the first die is finished
            os.killpg(program.pid, signal.SIGINT)
            assert program.stdout is not None
            result = json.loads(program.stdout.read())
            assert program.wait() == 130
        finally:
            program.kill()
    assert result["interrupted"] and result["failed"] == []
    assert [(row["method"], row["dies"]) for row in result["rows"]] == [("float", 1)]
    assert Path(tmp_path, result["result"]).exists() and Path(tmp_path, result["plot"]).exists()
    _until(lambda: not _group_lives(program.pid))


@posix
def test_a_second_ctrl_c_ends_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    with _deaf(tmp_path) as (program, workers):
        assert program.stderr is not None
        os.killpg(program.pid, signal.SIGINT)
        assert "stopping at the next safe point" in program.stderr.readline()
        assert all(_alive(pid) for pid in workers)  # they are deaf, and the first signal does not harm them
        os.killpg(program.pid, signal.SIGINT)
        _until(lambda: program.poll() is not None)
        _until(lambda: not any(_alive(pid) for pid in workers))


@posix
def test_workers_do_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    with _deaf(tmp_path) as (program, workers):
        program.kill()
        _until(lambda: not any(_alive(pid) for pid in workers))


@posix
def test_a_lost_worker_is_one_clear_message_and_not_a_failure_of_every_task(tmp_path: Path) -> None:
    with _deaf(tmp_path) as (program, workers):
        assert program.stderr is not None
        os.kill(workers[0], signal.SIGKILL)
        _until(lambda: program.poll() is not None)
        said = program.stderr.read()
        assert said.count("WorkerLostError: deaf: a worker process was ended from outside") == 1
        _until(lambda: not any(_alive(pid) for pid in workers))
