"""A command at work: an open bench, a run that records it, a terminal that shows it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..drivers.bench import Bench, BenchDescription, open_bench
from ..errors import RecordError, SafetyError, StoppedError
from ..records.manifest import Configuration
from ..records.run import Detail, RunRecorder
from .clearance import clearance
from .console import ConsoleMonitor, error_console

BENCH, EXPERIMENT = "bench", "experiment"
"""Roles under which a run keeps its configuration files."""
TRANSCRIPT = "transcript.jsonl"
"""Every byte to and from the instruments, in the run directory, if the bench file asks for it."""


@dataclass
class Session:
    """What a command works with, and what it leaves.

    Attributes:
        bench: open.
        recorder: of the run.
        monitor: of the terminal.
        result: of the command, kept with the run.
        interrupted: whether the command ended early because it was asked to.
    """

    bench: Bench
    recorder: RunRecorder
    monitor: ConsoleMonitor
    result: dict[str, object] = field(default_factory=dict)
    interrupted: bool = False


@contextmanager
def session(
    command: str,
    name: str,
    description: BenchDescription,
    seed: int,
    runs: Path,
    configurations: Mapping[str, Configuration] | None = None,
    detail: Detail = "full",
    arm: bool = False,
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
        arm: let a bench of instruments be energised; a simulated one needs no arming.

    Raises:
        NotArmedError: see `clearance`; nothing was opened and no run was begun. Or other instruments answer
            than those that were checked.
        SafetyError: it is not proven that all outputs are off; from what ended the command, if anything did.
    """
    cleared = clearance(description, runs, arm)
    monitor = ConsoleMonitor(error_console())
    files = {BENCH: configuration(description.path, description.text), **(configurations or {})}
    recorder = RunRecorder.create(
        runs,
        command=command,
        name=name,
        backend=description.content.backend,
        hardware=description.real,
        seed=seed,
        configurations=files,
        detail=detail,
        durable=description.real,
        identities=() if cleared is None else tuple(cleared.identities.values()),
        wiring_hash=None if cleared is None else cleared.hash,
    )
    with recorder, monitor.watching():
        bench = open_bench(description, seed, _transcript(description, recorder))
        now = Session(bench, recorder, monitor)
        try:
            with bench:
                try:
                    if cleared is not None:
                        bench.arm(cleared)
                    yield now
                finally:
                    monitor.leave()
        except BaseException as error:
            _refuse_unknown(now, command, error)
            if isinstance(error, StoppedError):
                now.interrupted = True
                recorder.finish("interrupted", now.result)
            raise
        _refuse_unknown(now, command, None)
        recorder.finish("interrupted" if now.interrupted else "completed", now.result)


def _refuse_unknown(now: Session, command: str, cause: BaseException | None) -> None:
    """Say it, whatever else happened, if it is not proven that all outputs are off."""
    left = now.bench.safe()
    if left.proven:
        return
    reason = "" if cause is None else f" ({type(cause).__name__}: {cause})"
    with suppress(RecordError):  # a full disk must not hide it
        now.recorder.message("error", f"outputs are UNKNOWN: {left.detail}")
        now.recorder.finish(f"failed: outputs are UNKNOWN{reason}", now.result)
    raise SafetyError(
        f"{'' if cause is None else f'{cause}. '}Outputs are UNKNOWN after {command} ({left.detail}); switch "
        f"the instruments off by hand. The run is kept in {now.recorder.directory}"
    ) from cause


def _transcript(description: BenchDescription, recorder: RunRecorder) -> Path | None:
    section = description.content.smu
    wanted = description.hardware and section is not None and section.transcript
    return recorder.directory / TRANSCRIPT if wanted else None


def configuration(path: Path, text: str) -> Configuration:
    """A file as a run keeps it: by its whole path, so that what it names is found from anywhere."""
    return Configuration.of(path.resolve(), text)
