"""Independent tasks on many machines, through the scheduler of `dask.distributed` (extra `cluster`)."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from ..errors import ConfigurationError, StoppedError
from ..protocols.journal import Monitor, SilentMonitor
from .process_pool import Answer, Done, Task, said

_LOOK = 0.1
"""Seconds between two looks at what has ended; the client hears of it by itself."""


def run_on_cluster(
    work: Callable[[Task, Monitor], Answer],
    tasks: Sequence[Task],
    address: str,
    monitor: Monitor,
    name: str,
) -> Iterator[Done[Answer]]:
    """Do independent tasks on the workers of a scheduler; yields them as they end, see `run_tasks`.

    Args:
        work: a function of a module that the workers have installed too.
        tasks: one argument each.
        address: of the scheduler, for instance `tcp://host:8786`.
        monitor: shows how many are done; may stop: tasks not begun are then cancelled, running ones are left
            to their workers and their answers dropped.
        name: shown with the progress.

    Raises:
        ConfigurationError: the extra is not installed, or no scheduler answers.
        StoppedError: the monitor asked to stop; what was yielded before is valid.
    """
    try:
        # Its functions carry no types.
        distributed: Any = import_module("distributed")
    except ImportError:
        raise ConfigurationError(
            '--scheduler needs the extra `cluster`: python -m pip install "mtjloop[cluster]"'
        ) from None
    try:
        client = distributed.Client(address, timeout="20s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--scheduler {address}: no scheduler answers ({error})") from None
    with client:
        monitor.progress(name, 0, len(tasks))
        left = iter(enumerate(tasks))
        open_: dict[Any, int] = {}
        done = 0
        while done < len(tasks):
            # Workers may come and go, so the window is measured anew.
            most = 2 * max(sum(client.nthreads().values()), 1)
            for index, task in itertools.islice(left, max(most - len(open_), 0)):
                open_[client.submit(_quietly, work, task, pure=False)] = index
            if monitor.should_stop():
                client.cancel(list(open_))
                raise StoppedError(f"{name}: stopped; what was finished is kept")
            ended = [future for future in open_ if future.done()]
            if not ended:
                time.sleep(_LOOK)
            for future in ended:
                index = open_.pop(future)
                done += 1
                monitor.progress(name, done, len(tasks))
                if future.status == "finished":
                    yield Done(index, future.result(), None)
                else:
                    failure = future.exception() if future.status == "error" else None
                    yield Done(index, None, str(future.status) if failure is None else said(failure))
                future.release()


def _quietly(work: Callable[[Task, Monitor], Answer], task: Task) -> Answer:
    return work(task, SilentMonitor())
