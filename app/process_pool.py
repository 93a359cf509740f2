"""Independent tasks on every core: one process a core, one thread a process, Ctrl-C heard by all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import MtjloopError, StoppedError

if TYPE_CHECKING:  # a worker imports this module before it sets what numpy and numba read when imported
    from multiprocessing.synchronize import Event

    from ..protocols.journal import Monitor

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LOOK = 0.2
"""Seconds between two looks at the wish to stop."""


@dataclass(frozen=True)
class Done(Generic[Answer]):
    """A task that is over.

    Attributes:
        index: of the task.
        answer: what it returned; None where it failed.
        error: what went wrong, in words; None where nothing did.
    """

    index: int
    answer: Answer | None
    error: str | None


class _TaskMonitor:
    """Shows nothing of a task, and stops it at its next safe point when `asked` says so."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked

    def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
        """Show nothing: the pool shows how many tasks are done."""

    def should_stop(self) -> bool:
        """Whether the task is to end."""
        return self._asked()


class _Worker:
    """The event of this worker process: it can only be inherited, not sent with a task."""

    stop: Event | None = None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(
    work: Callable[[Task, Monitor], Answer],
    tasks: Sequence[Task],
    workers: int,
    monitor: Monitor,
    name: str,
) -> Iterator[Done[Answer]]:
    """Do independent tasks, each in its turn on a free process; yields them as they end.

    A task that fails is answered with its error and stops nothing. Asked to stop, the monitor of every
    running task says so too, tasks not begun are dropped, and `StoppedError` is raised once all processes
    are idle.

    Args:
        work: a function of a module, given a task and a monitor that tells when to stop; must be picklable.
        tasks: one argument each.
        workers: processes; 1 works in this one.
        monitor: shows how many are done; may stop.
        name: shown with the progress.

    Raises:
        StoppedError: the monitor asked to stop; what was yielded before is valid.
    """
    source = _here(work, tasks, monitor) if workers <= 1 else _spread(work, tasks, workers, monitor)
    monitor.progress(name, 0, len(tasks))
    for number, done in enumerate(source):
        monitor.progress(name, number + 1, len(tasks))
        yield done
    if monitor.should_stop():
        raise StoppedError(f"{name}: stopped; what was finished is kept")


def _here(
    work: Callable[[Task, Monitor], Answer], tasks: Sequence[Task], monitor: Monitor
) -> Iterator[Done[Answer]]:
    quiet = _TaskMonitor(monitor.should_stop)
    for index, task in enumerate(tasks):
        if monitor.should_stop():
            return
        try:
            yield Done(index, work(task, quiet), None)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - a task that fails must not stop the others
            yield Done(index, None, said(error))


def said(error: BaseException) -> str:
    """What went wrong, in words."""
    return str(error) if isinstance(error, MtjloopError) else f"{type(error).__name__}: {error}"


def _spread(
    work: Callable[[Task, Monitor], Answer], tasks: Sequence[Task], workers: int, monitor: Monitor
) -> Iterator[Done[Answer]]:
    # A fresh interpreter a worker: forked ones inherit threads and locks of numba.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(min(workers, len(tasks)) or 1, context, _start_worker, (stop,))
    try:
        open_: dict[Future[Answer], int] = {
            pool.submit(_work, work, task): index for index, task in enumerate(tasks)
        }
        while open_:
            finished, _ = wait(open_, timeout=_LOOK, return_when=FIRST_COMPLETED)
            for future in finished:
                index = open_.pop(future)
                error = None if future.cancelled() else future.exception()
                if error is None and not future.cancelled():
                    yield Done(index, future.result(), None)
                elif error is not None and not isinstance(error, StoppedError):
                    said = (
                        str(error) if isinstance(error, MtjloopError) else f"{type(error).__name__}: {error}"
                    )
                    yield Done(index, None, said)
            if monitor.should_stop() and not stop.is_set():
                stop.set()
                for future in open_:
                    future.cancel()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(stop: Event) -> None:
    """Runs first in a worker, before numpy and numba are imported: they read these variables once."""
    if "numpy" in sys.modules or "numba" in sys.modules:  # too late: the program imports them at once
        _limit_threads()
    else:
        for name in _ONE_THREAD:
            os.environ[name] = "1"
    # Ctrl-C reaches every process of a terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.stop = stop


def _limit_threads() -> None:
    import numba
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    numba.set_num_threads(1)


def _work(work: Callable[[Task, Monitor], Answer], task: Task) -> Answer:
    stop = _Worker.stop
    return work(task, _TaskMonitor((lambda: False) if stop is None else stop.is_set))
