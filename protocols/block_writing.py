"""Calibrating and writing the block of a layer that one crossbar holds, for networks that come as a whole."""

import numpy as np

from ..errors import StoppedError
from .calibration import DEFAULT_PROBABILITY, Calibration, calibrate
from .journal import Monitor, States
from .programming import ProgramReport, program
from .settings import PulseSettings, ReadSettings
from .training.block import Block


def calibrate_block(
    block: Block, read: ReadSettings, pulse: PulseSettings, rng: np.random.Generator, monitor: Monitor
) -> Calibration:
    """Measure the levels and the switching of its crossbar; whatever it held is gone afterwards.

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
    """Program what the block holds of the cells of its layer, verify, retry.

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
