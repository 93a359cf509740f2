"""What happens to the tiles before the first sample: calibration, first weights, scale."""

import numpy as np

from ...errors import StoppedError
from ..block_writing import program_working_cells
from ..calibration import Calibration, calibrate
from ..journal import Journal, Monitor, States
from ..selection import row_pulse
from ..settings import PulseSettings, ReadSettings
from .block import Block
from .encoding import needs_of
from .network import CrossbarNetwork
from .output_code import output_code
from .settings import TrainingSettings

_LOSSY = 0.7
"""Share of the conductance of a weight below which a warning says that the wires take too much of a read."""


def prepare(
    network: CrossbarNetwork,
    read: ReadSettings,
    pulse: PulseSettings,
    settings: TrainingSettings,
    rng: np.random.Generator,
    journal: Journal | None,
    monitor: Monitor,
) -> None:
    """Calibrate every tile, leave random weights on it, and find the scale of its reads.

    Args:
        network: not calibrated yet.
        read: how to read.
        pulse: how to pulse.
        settings: encoding, and whether the output layer is a code.
        rng: draws lines and first states.
        journal: where to record; None records nothing.
        monitor: who watches.

    Raises:
        ProtocolError: the cells do not switch within the amplitudes allowed.
        StoppedError: the monitor asked to stop.
    """
    probability, needs = settings.encoding.probability, needs_of(settings.encoding)
    for number, layer in enumerate(network.layers):
        code: States | None = None
        if settings.output == "code" and number == len(network.layers) - 1:
            code = layer.layout.cells_of(output_code(layer.inputs, layer.outputs, rng))
        for block in layer.blocks:
            tile = block.crossbar.tile
            with block.crossbar.during("calibrate"):
                found = calibrate(
                    block.crossbar, read, pulse, probability, rng, monitor, f"calibrate tile {tile}", needs
                )
                write_random(block, found, pulse, rng, monitor)
                unset = write_references(block, found, read, pulse, monitor)
                failed = 0
                if code is not None:
                    failed = program_working_cells(
                        block, code, found, read, pulse, monitor, f"code on tile {tile}"
                    )
                block.calibrate(found, rng)
            if journal is not None:
                _tell(journal, block, found, probability)
                for count, what in ((unset, "reference columns"), (failed, "output code")):
                    if count:
                        journal.message("warning", f"tile {tile}: {count} cells of the {what} did not follow")


def write_random(
    block: Block, found: Calibration, pulse: PulseSettings, rng: np.random.Generator, monitor: Monitor
) -> None:
    """Leave each cell P or AP at random: training starts from random weights, not from all alike.

    Args:
        block: on the tile, all of whose cells are written.
        found: of the tile.
        pulse: width and bias of unselected lines.
        rng: draws the states.
        monitor: may ask to stop.

    Raises:
        StoppedError: the monitor asked to stop.
    """
    rows, columns = block.crossbar.capabilities.shape
    target = rng.integers(0, 2, size=(rows, columns)).astype(np.bool_)
    for polarity in (-1, 1):
        for row in range(rows):
            if monitor.should_stop():
                raise StoppedError("stopped while the first weights were written; the states are undefined")
            chosen = target[row] if polarity > 0 else ~target[row]
            if chosen.any():
                block.crossbar.apply(
                    row_pulse(
                        row, chosen, polarity, found.strong, pulse.width, pulse.program_unselected, rows,
                        block.gated,
                    )
                )  # fmt: skip


def write_references(
    block: Block, found: Calibration, read: ReadSettings, pulse: PulseSettings, monitor: Monitor
) -> int:
    """Program the reference columns of a block, if its weights have any; returns cells that failed.

    Stuck cells, which no pulse moves, are left out of that and count as failed where they hold the wrong
    state: a shared reference column then says something wrong of every output.

    Args:
        block: whose reference columns are written.
        found: of its tile.
        read: how to verify.
        pulse: how to program.
        monitor: shows progress.
    """
    if not block.layout.references:
        return 0
    failed = program_working_cells(
        block, None, found, read, pulse, monitor, f"references of tile {block.crossbar.tile}"
    )
    wanted, stuck = block.target(None), found.levels.stuck
    return failed + int(((wanted >= 0) & (stuck >= 0) & (stuck != wanted)).sum())


def _tell(journal: Journal, block: Block, found: Calibration, probability: float) -> None:
    """Say what was found, and warn of what is out of the ordinary."""
    forward, backward = block.current_steps
    stuck = int((found.levels.stuck >= 0).sum())
    journal.message(
        "warning" if stuck else "info",
        f"tile {block.crossbar.tile}: p0 = {probability:g} at "
        f"{found.to_p.amplitude(probability) * 1e3:.0f} mV (AP to P) and "
        f"{found.to_ap.amplitude(probability) * 1e3:.0f} mV (P to AP); "
        f"weight 1 is {forward * 1e6:.1f} uS forward and {backward * 1e6:.1f} uS transposed; "
        f"{stuck} stuck cells",
    )
    kept = min(forward, backward) / (found.levels.conductance_step * block.layout.unit)
    if kept < _LOSSY:
        journal.message(
            "warning",
            f"tile {block.crossbar.tile}: wires leave {kept:.0%} of a weight when all lines are read; "
            "smaller tiles (network.tile of the experiment) keep more",
        )
