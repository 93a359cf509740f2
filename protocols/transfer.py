"""A network trained elsewhere on crossbars: two- or three-valued weights, written, verified and run.

A layer computes z = x W / g + b; between layers stands the activation, and the largest z of the last layer
names the class. W is read from cells, b and g live in the controller. The gain g is that of the network, or
found on the chip as the slope of what is read against what W says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..drivers.contract import Floats
from .activations import sigmoid
from .block_writing import calibrate_block, program_block
from .journal import Monitor, States
from .recorded import RecordedCrossbar, during
from .settings import PulseSettings, ReadSettings
from .training.block import KnownTile
from .training.layer import CrossbarLayer
from .training.placement import TileLimit, place_layers
from .training.weights import WeightLayout

Activation = Literal["tanh", "sigmoid", "relu", "sign", "identity"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
_FUNCTIONS: Mapping[Activation, Callable[[Floats], Floats]] = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda z: np.maximum(z, 0.0),
    "sign": lambda z: np.where(z < 0.0, -1.0, 1.0),
    "identity": lambda z: z,
}
_LEAST_SLOPE = 0.05
"""A slope below this is no reading of the weights; the gain stays as it is."""


@dataclass(frozen=True)
class ForeignNetwork:
    """A network trained elsewhere.

    Attributes:
        weights: of each layer, (inputs, outputs), each -1, 0 or 1.
        biases: of each layer, (outputs,), added in the controller.
        activation: between layers.
        gains: g of each layer, > 0; None: to be found on the chip.
        offset: features enter as (x - offset)/scale; (features,).
        scale: (features,), > 0.
    """

    weights: tuple[States, ...]
    biases: tuple[Floats, ...]
    activation: Activation
    gains: tuple[float, ...] | None
    offset: Floats
    scale: Floats

    @property
    def sizes(self) -> tuple[int, ...]:
        """Features, units of each hidden layer, outputs."""
        return (len(self.weights[0]), *(one.shape[1] for one in self.weights))


@dataclass(frozen=True)
class TransferReport:
    """How a transfer went.

    Attributes:
        failed: cells that did not take their state, over all tiles.
        cells: cells that hold weights.
        gains: g of each layer as used.
    """

    failed: int
    cells: int
    gains: tuple[float, ...]


Product = Callable[[int, Floats], Floats]
"""x W of a layer, by its number and its inputs (samples, inputs), in units of one weight."""


def scores(network: ForeignNetwork, gains: Sequence[float], features: Floats, product: Product) -> Floats:
    """Outputs z of the last layer, (samples, outputs).

    Args:
        network: biases, activation, scaling of the features.
        gains: g of each layer.
        features: as they come, (samples, features).
        product: where x W is computed: `ideal_product`, or the chip.
    """
    signal = (features - network.offset) / network.scale
    last = len(network.weights) - 1
    for number, (bias, gain) in enumerate(zip(network.biases, gains, strict=True)):
        z = product(number, signal) / gain + bias
        signal = z if number == last else _FUNCTIONS[network.activation](z)
    return signal


def ideal_product(network: ForeignNetwork) -> Product:
    """x W in double precision: what the network reaches where nothing is analog."""
    return lambda number, signal: signal @ network.weights[number]


class TransferredNetwork:
    """A network on its crossbars, in `pair` weights; a weight of 0 rests with both sides AP.

    Args:
        crossbars: of the bench, in its order; the first ones are used, large layers take several.
        network: to be written.
        read: how to read.
        pulse: how to pulse.
        devices: cells in parallel on each side of a weight, m.
        tile: most rows and columns of a tile that a layer may use; None for what the bench offers.

    Raises:
        ConfigurationError: the layers do not fit the crossbars, or the bench cannot read as asked.
    """

    def __init__(
        self,
        crossbars: Sequence[RecordedCrossbar],
        network: ForeignNetwork,
        read: ReadSettings,
        pulse: PulseSettings,
        devices: int = 1,
        tile: TileLimit | None = None,
    ) -> None:
        self._read, self._pulse = read, pulse
        self._layout = WeightLayout("pair", devices)
        shapes = [crossbar.capabilities.shape for crossbar in crossbars]
        sizes = [(weights.shape[0], weights.shape[1]) for weights in network.weights]
        self.layers = tuple(
            CrossbarLayer(crossbars, places, read, self._layout)
            for places in place_layers(shapes, sizes, self._layout, tile)
        )
        self.network = network
        self._gains = network.gains or (1.0,) * len(self.layers)

    @property
    def gains(self) -> tuple[float, ...]:
        """g of each layer as used now."""
        return self._gains

    def prepare(self, rng: np.random.Generator, monitor: Monitor) -> None:
        """Measure the levels and the switching of every crossbar; whatever they held is gone afterwards.

        Raises:
            ProtocolError: the cells do not switch within the amplitudes allowed.
            StoppedError: the monitor asked to stop.
        """
        for block in (block for layer in self.layers for block in layer.blocks):
            found = calibrate_block(block, self._read, self._pulse, rng, monitor)
            # One weight is, nominally, the mean of G_P - G_AP as mapped cell by cell.
            step = found.levels.conductance_step
            block.resume(KnownTile(found, (step, step)))

    def write(self, network: ForeignNetwork, monitor: Monitor) -> TransferReport:
        """Program the weights of a network of the same shape, verify, retry, and take its gains.

        Raises:
            StoppedError: the monitor asked to stop; the chip holds a part of the network.
        """
        self.network = network
        self._gains = network.gains or (1.0,) * len(self.layers)
        failed = cells = 0
        for layer, weights in zip(self.layers, network.weights, strict=True):
            states = self._layout.cells_of(weights)
            for block in layer.blocks:
                failed += len(program_block(block, states, self._read, self._pulse, monitor).failed)
                cells += int((block.target(states) >= 0).sum())
        return TransferReport(failed, cells, self._gains)

    def find_gains(self, features: Floats) -> tuple[float, ...]:
        """Find the gain of each layer: the slope of what is read against what W says of the same inputs.

        No label is looked at. Where the network has gains of its own they are multiplied by the slope. Each
        layer gets the signals that the layers before it, on the chip, make of the features.

        Args:
            features: as they come, (samples, features).
        """
        gains = list(self.network.gains or (1.0,) * len(self.layers))

        def product(number: int, signal: Floats) -> Floats:
            read = self._product(number, signal)
            wanted = signal @ self.network.weights[number]
            power = float((wanted * wanted).sum())
            slope = float((wanted * read).sum()) / power if power > 0.0 else 1.0
            if slope > _LEAST_SLOPE:
                gains[number] *= slope
                # Later layers are to see the signals of the corrected one.
                return read / slope
            return read

        scores(self.network, tuple(gains), features, product)
        self._gains = tuple(gains)
        return self._gains

    def scores(self, features: Floats) -> Floats:
        """Outputs z of the last layer through the chip, (samples, outputs)."""
        return scores(self.network, self._gains, features, self._product)

    def _product(self, number: int, signal: Floats) -> Floats:
        layer = self.layers[number]
        with during((block.crossbar for block in layer.blocks), "infer"):
            return layer.forward(signal)
