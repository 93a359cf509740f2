"""Progress on the terminal, and Ctrl-C as a wish to stop at the next safe point."""

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .stop_signals import STOP_SIGNALS

_PLAIN_INTERVAL = 10.0


class _ProgressBelowTable(Progress):
    """Progress bars with something above them that changes too."""

    above: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """What stands above, then the bars."""
        if self.above is not None:
            yield self.above
        yield from super().get_renderables()


class ConsoleMonitor:
    """Shows progress on standard error; the first stop signal asks the experiment to stop."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stop = False
        self._leaving = False
        self._tasks: dict[str, TaskID] = {}
        self._said = time.monotonic()
        self._progress = _ProgressBelowTable(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            transient=False,
            disable=not console.is_terminal,
        )

    def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
        """`done` of `total` steps of `task` are finished."""
        if not self._console.is_terminal:
            self._say_now_and_then(task, done, total, detail)
            return
        if task not in self._tasks:
            self._tasks[task] = self._progress.add_task(task, total=total, detail=detail)
        if detail:
            self._progress.update(self._tasks[task], completed=done, total=total, detail=detail)
        else:
            self._progress.update(self._tasks[task], completed=done, total=total)

    def show(self, above: RenderableType) -> None:
        """Show this above the bars, in place of what was shown there before; nothing without a terminal."""
        self._progress.above = above

    def should_stop(self) -> bool:
        """Whether a stop signal came."""
        return self._stop

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Show the bars and take over Ctrl-C; a second one ends the program without waiting."""
        before = {number: signal.signal(number, self._asked) for number in STOP_SIGNALS}
        try:
            with self._progress:
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self) -> None:
        """From here on signals are only noted: outputs are being switched off."""
        self._leaving = True

    def _asked(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._stop and not self._leaving:
            raise KeyboardInterrupt
        self._stop = True
        self._console.print("stopping at the next safe point; the run is kept (again: stop at once)")

    def _say_now_and_then(self, task: str, done: int, total: int, detail: str) -> None:
        now = time.monotonic()
        if now - self._said >= _PLAIN_INTERVAL:
            self._said = now
            share = 100.0 * done / max(total, 1)
            print(f"{task}: {share:.0f} % {detail}".rstrip(), file=sys.stderr, flush=True)


@contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that a stop signal sets, for a command that does nothing but wait for one."""
    stop = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {number: signal.signal(number, asked) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def error_console() -> Console:
    """A console on standard error, so that standard output stays clean."""
    return Console(stderr=True, highlight=False)
