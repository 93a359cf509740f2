"""Trials on one tile: reset with a strong opposite pulse, read, pulse, read, classify each by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...drivers.contract import Applied, Bias, Floats, Pulse
from ..calibration import Calibration, pulse_all
from ..journal import Journal, Monitor, States
from ..mapping import UNREADABLE, read_resistances
from ..recorded import RecordedCrossbar
from ..selection import TO_P
from ..settings import PulseSettings, ReadSettings
from .lines import all_junction_voltages, junction_voltages
from .settings import LineResistances
from .shots import Integers, Shot, row_shot_pulse

SWITCHED, STAYED, RESET_FAILED, NOT_READ = 0, 1, 2, 3
"""Outcomes of a trial, as records number them."""
_LEAST_MARGIN, _MOST_MARGIN = 0.2, 4.0
"""Share of the way from the middle to either level within which, and beyond which, a resistance tells no
state: between the levels, or far outside both, as of a broken junction."""


@dataclass(frozen=True)
class DeviceLevels:
    """How states are told: the middle of the two levels of each device in ln R, and half their distance.

    Arrays (rows, columns); NaN where a device did not show both levels.
    """

    middle: Floats
    half: Floats

    @staticmethod
    def of(calibration: Calibration) -> "DeviceLevels":
        """From the two resistances found when the tile was calibrated."""
        low, high = np.log(calibration.levels.parallel), np.log(calibration.levels.antiparallel)
        return DeviceLevels(0.5 * (low + high), 0.5 * (high - low))

    def margin(self, resistance: Floats, row: int, columns: Integers) -> Floats:
        """Where resistances (cells,) lie between the levels: 1 at AP, -1 at P, 0 in the middle."""
        with np.errstate(divide="ignore"):
            return np.asarray((np.log(resistance) - self.middle[row, columns]) / self.half[row, columns])

    def states(self, resistance: Floats, row: int, columns: Integers) -> States:
        """States (cells,): 1 P, 0 AP, -1 where the margin tells none or no current was seen."""
        margin = self.margin(resistance, row, columns)
        clear = (np.abs(margin) > _LEAST_MARGIN) & (np.abs(margin) < _MOST_MARGIN)  # False for NaN
        return np.where(clear, (margin < 0.0).astype(np.int8), UNREADABLE).astype(np.int8)


@dataclass(frozen=True)
class ShotResult:
    """What became of a shot: outcomes and applied voltages in V, (cells,), and the applied width in s."""

    outcomes: States
    applied_voltages: Floats
    applied_width: float


class TrialTile:
    """A calibrated tile on which trials are made.

    Args:
        crossbar: recorded; every pulse is on the record before it is sent.
        calibration: of this tile.
        read: how states are read.
        pulse: width of the reset and bias of unselected lines.
        lines: resistances in series with the junctions.
        journal: where trials are recorded; None records nothing.
    """

    def __init__(
        self,
        crossbar: RecordedCrossbar,
        calibration: Calibration,
        read: ReadSettings,
        pulse: PulseSettings,
        lines: LineResistances,
        journal: Journal | None,
    ) -> None:
        self.crossbar, self.calibration = crossbar, calibration
        self.levels = DeviceLevels.of(calibration)
        self._read, self._pulse, self._lines, self._journal = read, pulse, lines, journal
        first = read_resistances(crossbar, read)
        self._resistance, self._noise = first.ohm, first.noise

    @property
    def working(self) -> NDArray[np.bool_]:
        """Devices that showed two levels, (rows, columns)."""
        return np.asarray(self.calibration.levels.stuck < 0)

    def noise_margin(self) -> Floats:
        """From the middle to the nearer level of each device, in standard deviations of one read's noise.

        (rows, columns); infinite without noise, NaN where a device showed one level only.
        """
        low, high = self.calibration.levels.parallel, self.calibration.levels.antiparallel
        middle = np.exp(-self.levels.middle)
        nearer = np.minimum(1.0 / low - middle, middle - 1.0 / high)
        with np.errstate(divide="ignore"):
            return np.asarray(nearer / self._noise)

    def read_row(self, row: int, columns: Integers) -> Floats:
        """Resistances of some cells of a row, (cells,), ohm, all other lines at 0 V."""
        capabilities = self.crossbar.capabilities
        levels = np.zeros((self._read.repeats, capabilities.rows))
        levels[:, row] = self._read.voltage
        currents = self.crossbar.read(Bias(levels)).currents.mean(axis=0)
        found: Floats = np.divide(
            self._read.voltage, currents, out=np.full(capabilities.columns, np.inf), where=currents > 0.0
        )
        self._resistance[row] = found
        return found[columns]

    def map_all(self) -> Floats:
        """Resistances of all cells, (rows, columns), ohm."""
        self._resistance = read_resistances(self.crossbar, self._read).ohm
        return self._resistance.copy()

    def all_states(self, resistance: Floats) -> States:
        """States of all cells from their resistances, (rows, columns)."""
        columns = np.arange(resistance.shape[1])
        return np.stack([self.levels.states(each, row, columns) for row, each in enumerate(resistance)])

    def reset_all(self, polarity: int, monitor: Monitor) -> None:
        """Drive every cell with a strong pulse of this polarity, row by row.

        Raises:
            StoppedError: the monitor asked to stop.
        """
        pulse_all(self.crossbar, polarity, self.calibration.strong, self._pulse.width, monitor)

    def voltages(self, pulse: Pulse, applied: Applied) -> Floats:
        """Magnitude across every junction in a pulse, by the resistances last read, (rows, columns), V."""
        gated = self.crossbar.capabilities.gate_lines
        return all_junction_voltages(self._lines, pulse, applied, self._resistance, gated)

    def shot(self, shot: Shot, polarity: int, block: int) -> ShotResult:
        """Make one trial on every cell of a shot and record them; see `shots`."""
        (result,) = self.shots([shot], polarity, block)
        return result

    def shots(self, shots: Sequence[Shot], polarity: int, block: int) -> list[ShotResult]:
        """Make one trial on every cell of some shots of one row and record them.

        All cells are reset in one pulse and read together before and after; in between they are pulsed, one
        shot after the other, so a cell is half-selected while the others have their turn. Cells that are not
        in their start state after the reset are not pulsed: their trial is discarded and counted as a failed
        reset.

        Args:
            shots: of one row; no cell is in two of them.
            polarity: of the pulses.
            block: number for the record.

        Raises:
            SafetyError: a limit forbids a pulse, or was left.
        """
        crossbar, row = self.crossbar, shots[0].row
        columns = np.concatenate([shot.columns for shot in shots])
        start = 0 if polarity == TO_P else 1
        self._reset(row, columns, -polarity)
        before = self.read_row(row, columns)
        states_before = self.levels.states(before, row, columns)
        ready = states_before == start
        outcomes = np.where(states_before == UNREADABLE, NOT_READ, RESET_FAILED).astype(np.int8)
        after, states_after = before.copy(), states_before.copy()
        ends = np.cumsum([len(shot.columns) for shot in shots]).tolist()
        places = [slice(end - len(shot.columns), end) for end, shot in zip(ends, shots, strict=True)]
        given = [
            self._pulse_ready(shot, ready[own], polarity) for shot, own in zip(shots, places, strict=True)
        ]
        if ready.any():
            after = self.read_row(row, columns)
            states_after = self.levels.states(after, row, columns)
            ended = np.where(states_after == start, STAYED, SWITCHED)
            outcomes[ready] = np.where(states_after == UNREADABLE, NOT_READ, ended)[ready]
        results = []
        for shot, own, (number, voltages, width) in zip(shots, places, given, strict=True):
            results.append(ShotResult(outcomes[own], voltages, width))
            if self._journal is not None:
                self._journal.record_trials(
                    crossbar.tile, polarity, block, number,
                    rows=np.full(len(shot.columns), row, dtype=np.int64), columns=shot.columns,
                    kinds=shot.kinds, voltages=shot.voltages, applied_voltages=voltages, width=shot.width,
                    applied_width=width, repeat=1, resistances_before=before[own],
                    resistances_after=after[own], states_before=states_before[own],
                    states_after=states_after[own], outcomes=outcomes[own],
                )  # fmt: skip
        return results

    def _reset(self, row: int, columns: Integers, polarity: int) -> None:
        """Drive some cells of a row with one strong pulse of this polarity."""
        strong = np.full(len(columns), self.calibration.strong)
        shot = Shot(row, columns, (), strong, self._pulse.width)
        capabilities = self.crossbar.capabilities
        self.crossbar.apply(row_shot_pulse(capabilities, shot, polarity, self._pulse.program_unselected))

    def _pulse_ready(
        self, shot: Shot, ready: NDArray[np.bool_], polarity: int
    ) -> tuple[int | None, Floats, float]:
        """Pulse the cells of a shot that are in their start state.

        Returns:
            Number of the pulse on the record, applied voltages of all cells in V, applied width in s.
        """
        crossbar, capabilities = self.crossbar, self.crossbar.capabilities
        voltages = shot.voltages.copy()
        if not ready.any():
            return crossbar.last_pulse, voltages, shot.width
        chosen = shot.columns[ready]
        kinds = tuple(kind for kind, good in zip(shot.kinds, ready, strict=True) if good)
        given = Shot(shot.row, chosen, kinds, shot.voltages[ready], shot.width)
        pulse = row_shot_pulse(capabilities, given, polarity, self._pulse.unselected)
        applied = crossbar.apply(pulse)
        voltages[ready] = junction_voltages(
            self._lines, pulse, applied, self._resistance, shot.row, chosen, capabilities.gate_lines
        )
        return crossbar.last_pulse, voltages, applied.measured_width or applied.width
