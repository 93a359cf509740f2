"""A command at work: an open bench, a run that records it, a terminal that shows it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..drivers.bench import Bench, BenchDescription, open_bench
from ..errors import StoppedError
from ..records.manifest import Configuration
from ..records.run import Detail, RunRecorder
from .console import ConsoleMonitor, error_console

BENCH, EXPERIMENT = "bench", "experiment"
"""Roles under which a run keeps its configuration files."""


@dataclass(frozen=True)
class Session:
    """What a command works with."""

    bench: Bench
    recorder: RunRecorder
    monitor: ConsoleMonitor


@contextmanager
def session(
    command: str,
    name: str,
    description: BenchDescription,
    seed: int,
    runs: Path,
    configurations: Mapping[str, Configuration] | None = None,
    detail: Detail = "full",
) -> Iterator[Session]:
    """Open the bench and a run; on every way out the bench is made safe before the run is closed.

    Args:
        command: for instance `train`.
        name: of the run.
        description: of the bench.
        seed: of the die, where the bench file leaves it open, and of the experiment.
        runs: directory of all runs.
        configurations: files that steer the command beside the bench file, by role.
        detail: one row a pulse, or counts.
    """
    monitor = ConsoleMonitor(error_console())
    files = {BENCH: Configuration.of(description.path, description.text), **(configurations or {})}
    recorder = RunRecorder.create(
        runs,
        command=command,
        name=name,
        backend=description.content.backend,
        hardware=description.hardware,
        seed=seed,
        configurations=files,
        detail=detail,
        durable=description.hardware,
    )
    with recorder, open_bench(description, seed) as bench, monitor.watching():
        try:
            yield Session(bench, recorder, monitor)
        except StoppedError:
            bench.safe()
            recorder.finish("interrupted", {})
            raise
