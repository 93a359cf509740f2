"""Calibrating and writing the block of a layer that one crossbar holds."""

import numpy as np

from ..errors import StoppedError
from .calibration import DEFAULT_PROBABILITY, Calibration, calibrate
from .journal import FinishingMonitor, Monitor, States
from .programming import ProgramReport, program
from .settings import PulseSettings, ReadSettings
from .training.block import Block


def calibrate_block(
    block: Block, read: ReadSettings, pulse: PulseSettings, rng: np.random.Generator, monitor: Monitor
) -> Calibration:
    """Measure the levels and the switching of its crossbar; whatever it held is gone afterwards.

    Args:
        block: of a network that comes as a whole.
        read: how to read.
        pulse: how to pulse.
        rng: chooses the lines that are pulsed together.
        monitor: shows progress; may ask to stop.

    Raises:
        ProtocolError: the cells do not switch within the amplitudes allowed.
        StoppedError: the monitor asked to stop.
    """
    crossbar = block.crossbar
    with crossbar.during("calibrate"):
        return calibrate(
            crossbar, read, pulse, DEFAULT_PROBABILITY, rng, monitor, f"calibrate tile {crossbar.tile}"
        )


def program_block(
    block: Block, cells: States, read: ReadSettings, pulse: PulseSettings, monitor: Monitor
) -> ProgramReport:
    """Program what the block holds of the cells of its layer, stuck ones too: they count as failed.

    Args:
        block: calibrated, of a network that comes as a whole.
        cells: states of the whole layer, (inputs, cell columns).
        read: how to verify.
        pulse: how to program.
        monitor: shows progress; may ask to stop.

    Raises:
        StoppedError: the monitor asked to stop; the chip holds a part of the network.
    """
    crossbar = block.crossbar
    with crossbar.during("program"):
        report = program(
            crossbar, block.target(cells), block.calibration, read, pulse, monitor,
            f"program tile {crossbar.tile}",
        )  # fmt: skip
    if report.stopped:
        raise StoppedError("stopped while the network was written; the chip holds a part of it")
    return report


def program_working_cells(
    block: Block, cells: States | None, found: Calibration, read: ReadSettings, pulse: PulseSettings,
    monitor: Monitor, task: str,
) -> int:  # fmt: skip
    """Program what the block holds of the cells of its layer, and its references, to the end.

    Nothing is asked of stuck cells, which no pulse moves: training learns around them.

    Args:
        block: to be programmed.
        cells: states of the whole layer, (inputs, cell columns); None for the references alone.
        found: calibration of its tile.
        read: how to verify.
        pulse: how to program.
        monitor: shows progress; is not asked whether to stop.
        task: name shown with the progress.

    Returns:
        How many cells failed, stuck ones not counted.
    """
    target = block.target(cells)
    target[found.levels.stuck >= 0] = -1
    report = program(block.crossbar, target, found, read, pulse, FinishingMonitor(monitor), task)
    return len(report.failed)
