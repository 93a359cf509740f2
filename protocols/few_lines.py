"""Switching measured as training pulses: on some rows and columns at a time, at any amplitude and width."""

import numpy as np

from ..drivers.contract import Crossbar
from ..errors import ProtocolError, StoppedError
from .journal import Monitor, States
from .mapping import CellLevels, classify, read_resistances
from .selection import TO_P, row_pulse, select_pulse
from .settings import PulseSettings, ReadSettings

_LINES = 6.0
"""Rows, and columns, that are selected together on average, whatever the size of a tile: training selects two
or three at a time, and the drop along the wires depends on how many; fewer test too few cells in a pulse."""
_MOST_SHARE = 0.4
"""Largest share of the lines of a small tile that is selected together."""
_MOST_PULSES = 200
_LEFT = 0.7
"""Share of cells in their start state below which all are brought back."""


class FewLines:
    """Counts how many cells of a crossbar switch in pulses on some of its lines.

    Args:
        crossbar: to be pulsed; what it holds is lost.
        read: how states are told.
        pulse: width of resets, bias of unselected lines.
        levels: the two resistances of every cell.
        strong: amplitude that switched every working cell, V.
        rng: chooses lines.
        monitor: may stop between pulses.
    """

    def __init__(
        self, crossbar: Crossbar, read: ReadSettings, pulse: PulseSettings, levels: CellLevels,
        strong: float, rng: np.random.Generator, monitor: Monitor,
    ) -> None:  # fmt: skip
        self._crossbar, self._read, self._pulse = crossbar, read, pulse
        self._levels, self._strong = levels, strong
        self._rng, self._monitor = rng, monitor
        self._state: States | None = None

    def measure(self, polarity: int, amplitude: float, width: float, wanted: float) -> tuple[int, int]:
        """Pulse until enough cells were tested.

        Args:
            polarity: of the pulses.
            amplitude: V.
            width: s.
            wanted: cells to be tested.

        Returns:
            Cells that switched, and cells tested.

        Raises:
            ProtocolError: no cell could be tested.
            StoppedError: the monitor asked to stop.
        """
        rows, columns = self._crossbar.capabilities.shape
        start = 0 if polarity == TO_P else 1
        working = self._levels.stuck < 0
        switched = cells = 0
        for _ in range(_MOST_PULSES):
            if self._monitor.should_stop():
                raise StoppedError("stopped while the cells were calibrated; their states are undefined")
            if self._state is None or np.mean(self._state[working] == start) < _LEFT:
                self._state = self._brought_back(polarity)
            some_rows = self._rng.random(rows) < _active(rows)
            some_columns = self._rng.random(columns) < _active(columns)
            if not some_rows.any() or not some_columns.any():
                continue
            self._crossbar.apply(
                select_pulse(
                    some_rows, some_columns, polarity, amplitude, width, self._pulse.unselected,
                    gated=self._crossbar.capabilities.gate_lines,
                )
            )  # fmt: skip
            after = self._states_now()
            tested = working & np.outer(some_rows, some_columns) & (self._state == start)
            cells += int(tested.sum())
            switched += int((tested & (after == 1 - start)).sum())
            self._state = after
            if cells >= wanted:
                break
        if cells == 0:
            raise ProtocolError("no cell could be brought to its start state while switching was calibrated")
        return switched, cells

    def forget(self) -> None:
        """Take the states for unknown, so that the next measurement begins with a reset."""
        self._state = None

    def _brought_back(self, polarity: int) -> States:
        """States after every cell was driven against the polarity."""
        pulse_all(self._crossbar, -polarity, self._strong, self._pulse.width, self._monitor)
        return self._states_now()

    def _states_now(self) -> States:
        return classify(read_resistances(self._crossbar, self._read).ohm, self._levels.threshold)


def _active(lines: int) -> float:
    """Share of lines to select together."""
    return max(min(_MOST_SHARE, _LINES / lines), 1.0 / lines)


def pulse_all(crossbar: Crossbar, polarity: int, amplitude: float, width: float, monitor: Monitor) -> None:
    """Pulse every cell once, row by row; only the cells of that row see a voltage.

    Raises:
        StoppedError: the monitor asked to stop.
    """
    rows, columns = crossbar.capabilities.shape
    gated = crossbar.capabilities.gate_lines
    every = np.ones(columns, dtype=np.bool_)
    for row in range(rows):
        if monitor.should_stop():
            raise StoppedError("stopped while the cells were calibrated; their states are undefined")
        crossbar.apply(row_pulse(row, every, polarity, amplitude, width, "half", rows, gated))
