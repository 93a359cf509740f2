"""What an experiment tells the world while it runs: records on one side, progress on the other."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..drivers.contract import Floats

States = NDArray[np.int8]


class Journal(Protocol):
    """Where an experiment writes what happened; `records.RunRecorder` is one."""

    def begin_pulse(
        self,
        tile: int,
        purpose: str,
        epoch: int | None,
        row_levels: Floats,
        column_levels: Floats,
        widths: float | Floats,
        repeat: int,
    ) -> int:
        """Record a pulse before it is sent; returns its number."""
        ...

    def complete_pulse(
        self,
        pulse: int,
        *,
        width: float,
        energy: float | None,
        elapsed: float,
        compliance: bool | None,
        peak_current: float | None,
    ) -> None:
        """Complete the record of a pulse with what was applied."""
        ...

    def fail_pulse(self, pulse: int, status: Literal["refused", "doubtful"], reason: str) -> None:
        """Complete the record of a pulse that was refused, or whose outcome is unknown."""
        ...

    def count_reads(
        self, tile: int, purpose: str, epoch: int | None, reads: int, elapsed: float, energy: float | None
    ) -> None:
        """Count reads of a tile."""
        ...

    def record_map(self, tile: int, label: str, epoch: int | None, resistance: Floats, state: States) -> None:
        """Record the resistance (ohm) and state (1 P, 0 AP, -1 unreadable) of every cell of a tile."""
        ...

    def record_switching(
        self, tile: int, layer: int, epoch: int, polarity: int, requested: float, cells: int, switched: int
    ) -> None:
        """Record how many of `cells` switched where a mean probability `requested` was asked for."""
        ...

    def record_trials(
        self,
        tile: int,
        polarity: int,
        block: int,
        pulse: int | None,
        *,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        kinds: Sequence[str],
        voltages: Floats,
        applied_voltages: Floats,
        width: float,
        applied_width: float,
        repeat: int,
        resistances_before: Floats,
        resistances_after: Floats,
        states_before: States,
        states_after: States,
        outcomes: States,
    ) -> None:
        """Record the switching trials of one pulse, one entry a device (see `protocols.switching.trial`)."""
        ...

    def record_metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        """Record named numbers of an epoch."""
        ...

    def record_array(self, name: str, values: NDArray[np.generic]) -> None:
        """Record a named array."""
        ...

    def message(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """Record a message for the reader of the run."""
        ...


class Monitor(Protocol):
    """Who watches an experiment: shows progress and may ask it to stop at the next safe point."""

    def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
        """`done` of `total` steps of `task` are finished."""
        ...

    def should_stop(self) -> bool:
        """Whether the experiment is to end at its next safe point."""
        ...


class FinishingMonitor:
    """Shows progress through another monitor, and finishes what was begun even if asked to stop."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
        """Pass it on."""
        self._monitor.progress(task, done, total, detail)

    def should_stop(self) -> bool:
        """Not before the end."""
        return False


class SilentMonitor:
    """A monitor that shows nothing and never stops an experiment."""

    def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
        """Show nothing."""

    def should_stop(self) -> bool:
        """Never."""
        return False
