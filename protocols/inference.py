"""Put a trained network back on crossbars and run samples through it."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ConfigurationError
from .block_writing import calibrate_block, program_block
from .journal import Monitor, States
from .recorded import RecordedCrossbar
from .settings import PulseSettings, ReadSettings
from .training.block import Block, KnownTile
from .training.layer import CrossbarLayer
from .training.loop import TrainedNetwork
from .training.network import CrossbarNetwork
from .training.placement import TileLimit, layer_sizes, place_layers


def deploy(
    crossbars: Sequence[RecordedCrossbar],
    trained: TrainedNetwork,
    features: int,
    gains: tuple[float, float],
    known: Mapping[int, KnownTile] | None,
    read: ReadSettings,
    pulse: PulseSettings,
    write: bool,
    rng: np.random.Generator,
    monitor: Monitor,
    tile: TileLimit | None = None,
) -> tuple[CrossbarNetwork, int]:
    """Make a network of crossbars that hold, or are made to hold, a trained network.

    Args:
        crossbars: of the bench, in its order; the first ones are used.
        trained: states and digital parts.
        features: of the data.
        gains: g1 and g2 of the network.
        known: of these very crossbars, by number of the tile; None calibrates them, which overwrites
            what they hold.
        read: how to read.
        pulse: how to pulse.
        write: program the states; otherwise the crossbars are taken as they are.
        rng: for the calibration.
        monitor: shows progress.
        tile: most rows and columns of a tile that a layer may use; None for what the bench offers.

    Returns:
        The network, and how many cells could not be programmed.

    Raises:
        ConfigurationError: the layers do not fit the crossbars, or these are others than `known`.
        ProtocolError: the cells do not switch within the amplitudes allowed.
        StoppedError: the monitor asked to stop before all was written.
    """
    hidden = tuple(len(part.bias) for part in trained.digital.hidden)
    constants = len(trained.states[0]) - features
    sizes = layer_sizes(features, hidden, len(trained.digital.output_bias), constants)
    shapes = [crossbar.capabilities.shape for crossbar in crossbars]
    layers, failed = [], 0
    for places, cells in zip(place_layers(shapes, sizes, trained.layout, tile), trained.states, strict=True):
        layer = CrossbarLayer(crossbars, places, read, trained.layout)
        layer.check_cells(cells)
        for block in layer.blocks:
            failed += _put(block, cells, known, read, pulse, write, rng, monitor)
        layers.append(layer)
    return CrossbarNetwork(layers, trained.digital, *gains, trained.constant), failed


def _put(
    block: Block,
    cells: States,
    known: Mapping[int, KnownTile] | None,
    read: ReadSettings,
    pulse: PulseSettings,
    write: bool,
    rng: np.random.Generator,
    monitor: Monitor,
) -> int:
    """Calibrate or take up one block and write its cells; returns how many could not be programmed."""
    crossbar, failed = block.crossbar, 0
    if known is None:
        found = calibrate_block(block, read, pulse, rng, monitor)
        step = found.levels.conductance_step * block.layout.unit
        block.resume(KnownTile(found, (step, step)))
    elif crossbar.tile in known:
        block.resume(known[crossbar.tile])
    else:
        raise ConfigurationError(
            f"tile {crossbar.tile} was not in use when the network was trained, so nothing is known of it; "
            "give the bench and network.tile of that training, or let the tiles be calibrated anew"
        )
    if write:
        failed = len(program_block(block, cells, read, pulse, monitor).failed)
    if known is None:
        with crossbar.during("calibrate"):
            block.calibrate(block.calibration, rng)
    return failed
