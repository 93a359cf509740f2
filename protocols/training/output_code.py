"""An output layer written once and never trained: every hidden unit stands for a division of the classes."""

import numpy as np

from ..calibration import Calibration
from ..journal import FinishingMonitor, Monitor, States
from ..programming import program
from ..settings import PulseSettings, ReadSettings
from .block import Block, without_stuck

_FEW = 3
"""Classes up to which one class is set against the rest, and its complement, by turns."""


def output_code(units: int, classes: int, rng: np.random.Generator) -> States:
    """Signs (units, classes): balanced divisions of the classes, drawn for each unit.

    With few classes there are too few balanced divisions; there one class against the rest and the
    complements of that follow each other.

    Args:
        units: hidden units under the output layer.
        classes: of the data.
        rng: draws the divisions.
    """
    code = np.empty((units, classes), dtype=np.int8)
    for unit in range(units):
        if classes <= _FEW:
            sign = 1 if (unit // classes) % 2 == 0 else -1
            code[unit] = np.where(np.arange(classes) == unit % classes, sign, -sign)
        else:
            half = (classes + unit % 2) // 2
            code[unit] = rng.permutation(np.where(np.arange(classes) < half, 1, -1))
    return code


def write_cells(
    block: Block, cells: States, found: Calibration, read: ReadSettings, pulse: PulseSettings,
    monitor: Monitor,
) -> int:  # fmt: skip
    """Program a block with its part of a layer's cells; returns how many failed, stuck cells not counted.

    Args:
        block: to be programmed.
        cells: states of the whole layer, (inputs, cell columns).
        found: calibration of its tile.
        read: how to verify.
        pulse: how to program.
        monitor: shows progress.
    """
    report = program(
        block.crossbar, without_stuck(block.target(cells), found.levels), found, read, pulse,
        FinishingMonitor(monitor), f"code on tile {block.crossbar.tile}",
    )  # fmt: skip
    return len(report.failed)
