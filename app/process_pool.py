"""Independent tasks on every core: one process a core, one thread a process, Ctrl-C heard by all."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import MtjloopError, StoppedError
from .stop_signals import STOP_SIGNALS

if TYPE_CHECKING:  # a worker imports this module before it sets what numpy and numba read when imported
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

    from ..protocols.journal import Monitor

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MOST_ON_WINDOWS = 61
"""Processes that one can wait for there."""
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


class WorkerLostError(MtjloopError):
    """A worker process ended without an answer: killed, or out of memory."""


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
    are idle. Whoever leaves in any other way, by a second Ctrl-C for instance, ends the processes at once.

    Args:
        work: a function of a module, given a task and a monitor that tells when to stop; must be picklable.
        tasks: one argument each.
        workers: processes; 1 works in this one.
        monitor: shows how many are done; may stop.
        name: shown with the progress.

    Raises:
        StoppedError: the monitor asked to stop; what was yielded before is valid.
        WorkerLostError: a process was ended from outside; what was yielded before is valid.
    """
    source = _here(work, tasks, monitor) if workers <= 1 else _spread(work, tasks, workers, monitor, name)
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
    work: Callable[[Task, Monitor], Answer], tasks: Sequence[Task], workers: int, monitor: Monitor, name: str
) -> Iterator[Done[Answer]]:
    if sys.platform == "win32":
        workers = min(workers, _MOST_ON_WINDOWS)
    # A fresh interpreter a worker: forked ones inherit threads and locks of numba.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    reader, life = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(min(workers, len(tasks)) or 1, context, _start_worker, (stop, reader))
    try:
        with life:  # however this is left, no worker outlives it
            yield from _answers(pool, work, tasks, 2 * workers, monitor, stop)
            pool.shutdown(wait=True)
    except BrokenProcessPool:
        if not monitor.should_stop():
            raise WorkerLostError(
                f"{name}: a worker process was ended from outside, for instance for want of memory. What "
                "was finished is kept, the rest is to be done: run it again, with fewer --workers if need be"
            ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        reader.close()


def _answers(
    pool: ProcessPoolExecutor,
    work: Callable[[Task, Monitor], Answer],
    tasks: Sequence[Task],
    most: int,
    monitor: Monitor,
    stop: Event,
) -> Iterator[Done[Answer]]:
    """Answers as they come, with at most so many tasks waiting or at work."""
    left = iter(enumerate(tasks))
    open_: dict[Future[Answer], int] = {}
    while True:
        if monitor.should_stop():
            stop.set()
            for future in open_:
                future.cancel()
        else:
            with _stop_signals_held():
                for index, task in itertools.islice(left, most - len(open_)):
                    open_[pool.submit(_work, work, task)] = index
        if not open_:
            return
        finished, _ = wait(open_, timeout=_LOOK, return_when=FIRST_COMPLETED)
        for future in finished:
            index = open_.pop(future)
            error = None if future.cancelled() else future.exception()
            if isinstance(error, BrokenProcessPool):
                raise error
            if error is None and not future.cancelled():
                yield Done(index, future.result(), None)
            elif error is not None and not isinstance(error, StoppedError):
                yield Done(index, None, said(error))


@contextmanager
def _stop_signals_held() -> Iterator[None]:
    """Processes started here are deaf to stop signals from their first moment on, where there are masks."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(stop: Event, reader: Connection) -> None:
    """Runs first in a worker, before numpy and numba are imported: they read these variables once."""
    if "numpy" in sys.modules or "numba" in sys.modules:  # too late: the program imports them at once
        _limit_threads()
    else:
        for name in _ONE_THREAD:
            os.environ[name] = "1"
    # Stop signals reach every process of a terminal; the parent decides what they mean.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _Worker.stop = stop
    threading.Thread(target=_end_with_parent, args=(reader,), daemon=True).start()


def _end_with_parent(reader: Connection) -> None:
    """End this process, whatever it is doing, when the parent closes the pipe or is no more."""
    with suppress(EOFError, OSError):
        reader.recv_bytes()
    os._exit(1)


def _limit_threads() -> None:
    import numba
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    numba.set_num_threads(1)


def _work(work: Callable[[Task, Monitor], Answer], task: Task) -> Answer:
    stop = _Worker.stop
    return work(task, _TaskMonitor((lambda: False) if stop is None else stop.is_set))
