"""Layers of one tile, for tests."""

import numpy as np

from mtjloop.drivers.contract import Crossbar, Floats
from mtjloop.protocols.calibration import CurveNeeds, calibrate
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.recorded import RecordedCrossbar
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.layer import CrossbarLayer
from mtjloop.protocols.training.placement import Place
from mtjloop.protocols.training.weights import WeightLayout

PAIRS = WeightLayout()


def layer_on_tile(
    crossbar: Crossbar, inputs: int, outputs: int, read: ReadSettings, layout: WeightLayout = PAIRS
) -> CrossbarLayer:
    """A whole layer on one tile, not calibrated."""
    return CrossbarLayer([RecordedCrossbar(crossbar, 0)], [Place(0, 0, inputs, 0, outputs)], read, layout)


def calibrated_layer(
    crossbar: Crossbar,
    inputs: int,
    outputs: int,
    read: ReadSettings,
    pulse: PulseSettings,
    layout: WeightLayout = PAIRS,
    probability: float = 0.3,
    needs: CurveNeeds | None = None,
) -> CrossbarLayer:
    """A whole layer on one tile, calibrated for pulses of a switching probability."""
    layer = layer_on_tile(crossbar, inputs, outputs, read, layout)
    (block,), rng = layer.blocks, np.random.default_rng(0)
    found = calibrate(block.crossbar, read, pulse, probability, rng, SilentMonitor(), needs=needs)
    block.calibrate(found, rng)
    return layer


def weights_of(layer: CrossbarLayer) -> Floats:
    """Weights (inputs, outputs) as maps of the tiles show them."""
    return layer.layout.weights_of(layer.cells(layer.maps()))
