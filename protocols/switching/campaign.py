"""A characterisation of one tile: blocks of randomised trials, until devices are known well or spent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ...errors import ProtocolError
from ...records.tallies import POLARITY_NAMES
from ..journal import Journal, Monitor
from ..settings import PulseSettings
from .design import Design, Device, Estimator, make_design
from .settings import CharacterizeSettings
from .shots import Request, sorted_into_shots
from .trial import RESET_FAILED, STAYED, SWITCHED, TrialTile

_PROGRESS_GROUPS = 25
"""Groups of shots between two steps of the progress bar."""
_RESET_TRIALS = 20
"""Trials after which a device most of whose resets fail is given up."""

Cell = tuple[int, int]


@dataclass(frozen=True)
class LivePoint:
    """Counts of all devices of a tile at one polarity, width in s and asked voltage in V, so far."""

    polarity: int
    width: float
    voltage: float
    switched: int
    trials: int


@dataclass(frozen=True)
class CampaignResult:
    """How the trials of one tile ended.

    Attributes:
        devices: by polarity.
        blocks: whole blocks measured.
        trials: trials that ended switched or stayed.
        reset_failed: trials discarded after the reset.
        unreadable: trials discarded because a state could not be told.
        control_switched: switched trials at 0 V.
        controls: trials at 0 V.
        interrupted: whether the monitor ended it early.
    """

    devices: dict[int, list[Device]]
    blocks: int
    trials: int
    reset_failed: int
    unreadable: int
    control_switched: int
    controls: int
    interrupted: bool


class Campaign:
    """Measures chosen cells of one tile.

    Args:
        tile: calibrated.
        cells: (row, column) of the devices; those that showed one level only are left out.
        settings: of the characterisation.
        pulse: amplitudes allowed and width of the calibration.
        rng: shuffles trials.
        journal: where the rule and its outcome are told.
        monitor: who watches.
        watch: told the counts after every block; None for nobody.

    Raises:
        ProtocolError: no device of the cells shows two levels.
    """

    def __init__(
        self,
        tile: TrialTile,
        cells: Iterable[Cell],
        settings: CharacterizeSettings,
        pulse: PulseSettings,
        rng: np.random.Generator,
        journal: Journal | None,
        monitor: Monitor,
        watch: Callable[[list[LivePoint]], None] | None = None,
    ) -> None:
        self._tile, self._settings, self._rng = tile, settings, rng
        self._journal, self._monitor, self._watch = journal, monitor, watch
        wanted = list(cells)
        self.cells = [cell for cell in wanted if tile.working[cell]]
        if not self.cells:
            raise ProtocolError(
                f"tile {tile.crossbar.tile}: none of the {len(wanted)} cells to be characterised shows two "
                "levels; name other cells in the plan, or check the chip with `mtjloop map`"
            )
        step = tile.crossbar.capabilities.voltage_resolution
        self._estimators: dict[int, Estimator] = {}
        self._designs: dict[int, Design] = {}
        self.devices: dict[int, list[Device]] = {}
        for polarity in settings.polarities:
            estimator = Estimator(settings.law, tile.calibration.curve(polarity), pulse.width)
            self._estimators[polarity] = estimator
            self._designs[polarity] = make_design(
                settings, estimator, pulse.search_from, pulse.search_to, step
            )
            self.devices[polarity] = [
                Device(row, column, estimator.start.copy()) for row, column in self.cells
            ]
        self._counts = {SWITCHED: 0, STAYED: 0, RESET_FAILED: 0, 3: 0}
        self._control_switched = self._controls = 0
        self._live: dict[tuple[int, float, float], list[int]] = {}

    def run(self) -> CampaignResult:
        """Measure block after block.

        Raises:
            SafetyError: a limit forbids a pulse, or was left.
        """
        settings, number = self._settings, self._tile.crossbar.tile
        self._say(self.rule())
        block, interrupted = 0, False
        while not interrupted:
            active = self._active()
            if not active:
                break
            rows = self._rng.permutation(sorted({device.row for _, device in active}))
            for row in rows.tolist():
                for polarity in self._rng.permutation(list(settings.polarities)).tolist():
                    here = [d for p, d in active if p == polarity and d.row == row]
                    if here and not interrupted:
                        self._row_block(row, polarity, block, here)
                    interrupted = interrupted or self._monitor.should_stop()
                self._progress()
            block += not interrupted
            if self._watch is not None:
                self._watch(self.live())
        whole = self._whole
        self._monitor.progress(f"tile {number}", whole, whole)
        self._close(interrupted)
        return CampaignResult(
            self.devices,
            block,
            self._counts[SWITCHED] + self._counts[STAYED],
            self._counts[RESET_FAILED],
            self._counts[3],
            self._control_switched,
            self._controls,
            interrupted,
        )

    def rule(self) -> str:
        """When a device is done, in words for the record."""
        settings = self._settings
        text = (
            f"blocks of fixed size ({settings.block.trials} trials, {settings.block.reference} at the "
            f"reference point, {settings.block.control} at 0 V for each device and polarity); a device is "
            f"done when its next block would pass {settings.maximum} trials"
        )
        if settings.precision is not None:
            text += (
                f", or after the block in which the standard deviations of Delta and V_c0 expected from its "
                f"information fall to {settings.precision.delta:.3g} and "
                f"{settings.precision.critical_voltage:.3g} of their values"
            )
        references = "; ".join(
            f"{POLARITY_NAMES[polarity]} {design.reference.voltage:.4g} V, {design.reference.width:.3g} s"
            for polarity, design in self._designs.items()
        )
        moved = sum(design.moved for design in self._designs.values())
        if moved:
            text += (
                f"; {moved} points of the grid lie beyond operation.search_from to search_to and were moved "
                "to the nearer of both"
            )
        return f"tile {self._tile.crossbar.tile}: {text}. Reference point: {references}."

    def live(self) -> list[LivePoint]:
        """Counts of all devices by polarity, width and voltage."""
        return [
            LivePoint(polarity, width, voltage, *counts)
            for (polarity, width, voltage), counts in sorted(self._live.items())
        ]

    def _active(self) -> list[tuple[int, Device]]:
        """Devices that get another block, after those that are done are marked."""
        settings, active = self._settings, []
        for polarity, devices in self.devices.items():
            for device in devices:
                if device.done:
                    continue
                if device.sent and settings.precision is not None:
                    self._estimators[polarity].follow(device)
                    wanted = settings.precision
                    if device.sigma[0] <= wanted.delta and device.sigma[1] <= wanted.critical_voltage:
                        device.done = "precision"
                        continue
                if device.reset_failed >= _RESET_TRIALS and 2 * device.reset_failed > device.sent:
                    device.done = "resets fail"
                elif device.sent + self._block_size(polarity) > settings.maximum:
                    device.done = "maximum"
                else:
                    active.append((polarity, device))
        return active

    def _block_size(self, polarity: int) -> int:
        block = self._settings.block
        return self._designs[polarity].trials + block.reference + block.control

    def _row_block(self, row: int, polarity: int, block: int, devices: list[Device]) -> None:
        """One block of the devices of one row."""
        design, sizes = self._designs[polarity], self._settings.block
        control = Request("control", 0.0, design.reference.width)
        wanted: dict[int, list[Request]] = {}
        for device in devices:
            wanted[device.column] = [
                *design.requests(device),
                *[design.reference] * sizes.reference,
                *[control] * sizes.control,
            ]
        by_column = {device.column: device for device in devices}
        groups = sorted_into_shots(
            self._tile.crossbar.capabilities, row, wanted, self._settings.together, self._rng
        )
        for number, shots in enumerate(groups):
            if self._monitor.should_stop():
                return
            if number % _PROGRESS_GROUPS == 0:
                self._progress()
            for shot, result in zip(shots, self._tile.shots(shots, polarity, block), strict=True):
                cells = zip(
                    shot.columns.tolist(), shot.kinds, shot.voltages.tolist(), result.outcomes.tolist(),
                    result.applied_voltages.tolist(), strict=True,
                )  # fmt: skip
                for column, kind, voltage, outcome, applied in cells:
                    self._count(by_column[column], polarity, kind, voltage, shot.width, outcome, applied)

    def _count(
        self,
        device: Device,
        polarity: int,
        kind: str,
        voltage: float,
        width: float,
        outcome: int,
        applied: float,
    ) -> None:
        device.sent += 1
        if kind == "control":
            self._control_switched += outcome == SWITCHED
            self._controls += outcome <= STAYED
        else:
            self._counts[outcome] += 1
        device.reset_failed += outcome == RESET_FAILED
        if outcome > STAYED or kind == "control":
            return
        device.add(voltage, width, applied, outcome == SWITCHED)
        total = self._live.setdefault((polarity, width, voltage), [0, 0])
        total[0] += outcome == SWITCHED
        total[1] += 1

    @property
    def _whole(self) -> int:
        return len(self.cells) * len(self._settings.polarities) * self._settings.maximum

    def _progress(self) -> None:
        """Trials done, a device that is done counting as its maximum."""
        settings = self._settings
        done = sum(
            settings.maximum if device.done else min(device.sent, settings.maximum)
            for devices in self.devices.values()
            for device in devices
        )
        self._monitor.progress(
            f"tile {self._tile.crossbar.tile}",
            done,
            self._whole,
            f"{self._counts[0] + self._counts[1]} trials",
        )

    def _close(self, interrupted: bool) -> None:
        reasons: dict[str, int] = {}
        for devices in self.devices.values():
            for device in devices:
                name = device.done or "interrupted"
                reasons[name] = reasons.get(name, 0) + 1
        ended = ", ".join(f"{count} by {name}" for name, count in sorted(reasons.items()))
        self._say(f"tile {self._tile.crossbar.tile}: devices done: {ended}", warn=interrupted)
        failed, trials = self._counts[RESET_FAILED], sum(self._counts.values())
        if trials and failed > 0.02 * trials:
            self._say(
                f"tile {self._tile.crossbar.tile}: {failed} of {trials} trials were discarded because "
                "the reset failed; raise operation.search_to or operation.pulse_width if the die allows it",
                warn=True,
            )
        if self._control_switched:
            self._say(
                f"tile {self._tile.crossbar.tile}: {self._control_switched} of {self._controls} trials at "
                "0 V ended switched: states are misread or do not last between two reads",
                warn=True,
            )

    def _say(self, text: str, warn: bool = False) -> None:
        if self._journal is not None:
            self._journal.message("warning" if warn else "info", text)
