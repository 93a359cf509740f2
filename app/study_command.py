"""`mtjloop study`: swept parameters, dies and seeds; resumable, on all cores or on many machines."""

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import __version__
from ..errors import StoppedError
from ..protocols.data import fingerprint, load_data
from ..protocols.journal import Monitor
from .compare_command import Method, Outcome, Trial, chosen_methods, run_trial
from .console import ConsoleMonitor, error_console
from .experiment_file import data_source
from .process_pool import Done, WorkerLostError, cores, run_tasks
from .study_file import Point, Study, read_study_file
from .study_results import Kind, StudyResults, finished, read_rows, results_directory

_FORMAT = 2
"""Goes into the hash of a task: raised where the same files come to another answer."""
_ROWS_A_PART, _SECONDS_A_PART = 100, 20.0
_SHOWN = 10


@dataclass(frozen=True)
class StudyTask:
    """One method on one die at one point.

    Attributes:
        trial: what is run.
        point: number of its point.
        values: of the swept parameters there.
        hash: of all that decides the answer.
    """

    trial: Trial
    point: int
    values: Mapping[str, float | str]
    hash: str


@dataclass(frozen=True)
class Timed:
    """An outcome, and what it took where: wall time in s and the name of the machine."""

    outcome: Outcome
    wall_time: float
    host: str


def study(
    path: Path, results: Path | None, runs: Path, workers: int | None, scheduler: str | None
) -> dict[str, object]:
    """Run what is not finished yet of a study.

    Args:
        path: study file.
        results: directory of the Parquet parts; None takes `studies/NAME` beside the runs.
        runs: directory of all runs.
        workers: processes; None for one a core.
        scheduler: address of a `dask.distributed` scheduler; None works on this machine.

    Returns:
        How many tasks there are, were finished before, are done now and failed, as JSON goes.

    Raises:
        MtjloopError: anything a user can meet.
    """
    found = read_study_file(path)
    tasks = study_tasks(found)
    directory = results or results_directory(found.content.name, runs)
    monitor, interrupted, lost, failed = ConsoleMonitor(error_console()), False, None, []
    done = 0
    with (
        StudyResults(directory, description(found, tasks), swept_kinds(found)) as kept,
        monitor.watching(),
    ):
        before = finished(read_rows(directory))
        open_ = [task for task in tasks if task.hash not in before]
        written = time.monotonic()
        try:
            for one in _source(open_, workers, scheduler, monitor):
                kept.add(row_of(open_[one.index], one))
                done += one.answer is not None
                if one.answer is None:
                    failed.append(_failure(open_[one.index], one.error))
                if kept.waiting >= _ROWS_A_PART or time.monotonic() - written > _SECONDS_A_PART:
                    kept.flush()
                    written = time.monotonic()
        except StoppedError:
            interrupted = True
        except WorkerLostError as error:
            lost = str(error)
    return {
        "study": found.content.name,
        "points": len(found.points),
        "tasks": len(tasks),
        "finished_before": len(tasks) - len(open_),
        "done": done,
        "failed": failed,
        "results": str(directory),
        "interrupted": interrupted,
        "error": lost,
    }


def study_tasks(found: Study) -> list[StudyTask]:
    """All tasks, replica by replica, so that what is done when it is stopped covers all points alike.

    Raises:
        ConfigurationError: an unknown method, or data that cannot be used.
    """
    methods = chosen_methods(found.content.methods, "methods of the study")
    data: dict[tuple[str, str | None], str] = {}
    keys = []
    for point in found.points:
        section = point.experiment.content.data
        source = section.source, section.label
        if source not in data:
            data[source] = fingerprint(
                load_data(data_source(section.source, point.experiment.path), section.label)
            )
        keys.append((_contents(point), data[source]))
    tasks: dict[str, StudyTask] = {}
    for die, seed in found.replicas():
        for number, (point, key) in enumerate(zip(found.points, keys, strict=True)):
            for method in methods:
                trial = Trial(point.bench, point.experiment, method, seed, die)
                name = _hash(*key, method, die, seed)
                tasks.setdefault(name, StudyTask(trial, number, point.values, name))
    return list(tasks.values())


def description(found: Study, tasks: Sequence[StudyTask]) -> Mapping[str, object]:
    """What is kept of a study beside its rows, see `read_description`."""
    return {
        "name": found.content.name,
        "parameters": list(found.content.sweep),
        "sampling": found.content.sampling,
        "text": found.text,
        "bench": {"path": str(found.bench.path), "text": found.bench.text},
        "experiment": {"path": str(found.experiment.path), "text": found.experiment.text},
        "points": [dict(point.values) for point in found.points],
        "tasks": {task.hash: task.point for task in tasks},
    }


def swept_kinds(found: Study) -> Mapping[str, Kind]:
    """Kind of the column of every swept parameter: numbers only where all its values are numbers."""
    return {
        key: "text" if any(isinstance(point.values[key], str) for point in found.points) else "number"
        for key in found.content.sweep
    }


def row_of(task: StudyTask, done: Done[Timed]) -> dict[str, Any]:
    """One row of the results; what a failed task has no answer to is left out."""
    return {
        "hash": task.hash,
        "method": task.trial.method,
        "die": task.trial.die,
        "seed": task.trial.seed,
        **task.values,
        **({} if done.answer is None else done.answer.outcome.by_name()),
        "error": done.error,
        "wall_time_s": None if done.answer is None else done.answer.wall_time,
        "host": None if done.answer is None else done.answer.host,
        "finished_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
    }


def run_study_task(task: StudyTask, monitor: Monitor) -> Timed:
    """Run a task where it was sent."""
    began = time.perf_counter()
    outcome = run_trial(task.trial, monitor)
    return Timed(outcome, time.perf_counter() - began, platform.node())


def print_study(result: Mapping[str, Any]) -> None:
    """What was done, what failed, where the results are."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{result['study']}: {result['points']} points, {result['tasks']} tasks; {result['finished_before']} "
        f"were finished before, {result['done']} are done now, {len(result['failed'])} failed"
    )
    for one in result["failed"][:_SHOWN]:
        console.print(f"failed: {one['task']}: {one['error']}")
    if len(result["failed"]) > _SHOWN:
        console.print(f"and {len(result['failed']) - _SHOWN} more; the column `error` has them all")
    if result["interrupted"]:
        console.print("interrupted: the same command goes on where it stopped")
    if result["error"]:
        console.print(result["error"])
    console.print(f"results: {result['results']}")
    console.print(f"report: mtjloop report {result['results']}")


def _source(
    tasks: Sequence[StudyTask], workers: int | None, scheduler: str | None, monitor: Monitor
) -> Iterator[Done[Timed]]:
    if scheduler is None:
        return run_tasks(run_study_task, tasks, workers or cores(), monitor, "study")
    from .cluster import run_on_cluster

    return run_on_cluster(run_study_task, tasks, scheduler, monitor, "study")


def _failure(task: StudyTask, error: str | None) -> dict[str, object]:
    values = ", ".join(f"{key} = {value}" for key, value in task.values.items())
    trial = task.trial
    return {"task": f"{trial.method}, die {trial.die}, seed {trial.seed}; {values}", "error": error}


def _contents(point: Point) -> str:
    """What the files of a point come to; where the chip remembers its states has no say."""
    bench = {key: value for key, value in point.bench_content.items() if key != "name"}
    if isinstance(bench.get("simulated"), dict):
        bench["simulated"] = {key: value for key, value in bench["simulated"].items() if key != "memory"}
    experiment = {
        key: value for key, value in point.experiment_content.items() if key not in ("name", "record")
    }
    return json.dumps([bench, experiment], sort_keys=True, default=str)


def _hash(*parts: str | int | Method) -> str:
    text = json.dumps([_FORMAT, *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
