"""The best state seen so far, and how a chip is brought back to it."""

from dataclasses import dataclass
from typing import Literal

from ..block_writing import program_working_cells
from ..journal import Journal, Monitor, States
from ..settings import PulseSettings, ReadSettings
from .digital import Digital
from .network import CrossbarNetwork
from .weights import WeightKind, WeightLayout


@dataclass(frozen=True)
class TrainedNetwork:
    """What is needed to run the network again.

    Attributes:
        states: of the cells of every layer, (inputs, cell columns), 1 P, 0 AP, -1 unreadable, however many
            tiles they were on.
        digital: biases, normalisers, centres.
        devices: cells in parallel on each side of a weight.
        weights: "pair" or "reference", see `protocols.training.weights`.
        constant: what inputs of the first layer beyond the features carry.
    """

    states: tuple[States, ...]
    digital: Digital
    devices: int = 1
    weights: WeightKind = "pair"
    constant: float = 1.0

    @property
    def layout(self) -> WeightLayout:
        """How weights are made of cells."""
        return WeightLayout(self.weights, self.devices)


@dataclass(frozen=True)
class Pocketed:
    """A state worth keeping.

    Attributes:
        value: by which states are compared; the larger the better.
        epoch: after which it was seen.
        network: what it was.
        chosen_on: part of the data that the value is of, "training" or "validation".
    """

    value: float
    epoch: int
    network: TrainedNetwork
    chosen_on: Literal["training", "validation"]


def take(
    network: CrossbarNetwork, value: float, epoch: int, chosen_on: Literal["training", "validation"]
) -> Pocketed:
    """Read the chip out as it is; arguments as the attributes of `Pocketed`."""
    states = tuple(layer.cells(layer.maps()) for layer in network.layers)
    layout = network.layers[0].layout
    trained = TrainedNetwork(states, network.digital, layout.devices, layout.kind, network.constant)
    return Pocketed(value, epoch, trained, chosen_on)


def restore(
    network: CrossbarNetwork,
    pocketed: Pocketed,
    read: ReadSettings,
    pulse: PulseSettings,
    journal: Journal | None,
    monitor: Monitor,
) -> int:
    """Bring chip and controller back to a pocketed state; returns cells that would not follow.

    Args:
        network: on its chip.
        pocketed: state to come back to.
        read: how to verify.
        pulse: how to program.
        journal: where to tell; None tells nobody.
        monitor: shows progress.
    """
    failed = 0
    network.digital = pocketed.network.digital
    for layer, states in zip(network.layers, pocketed.network.states, strict=True):
        for block in layer.blocks:
            with block.crossbar.during("restore"):
                failed += program_working_cells(
                    block, states, block.calibration, read, pulse, monitor,
                    f"restore tile {block.crossbar.tile}",
                )  # fmt: skip
    if journal is not None:
        journal.message(
            "warning" if failed else "info",
            f"restored the best state on the {pocketed.chosen_on} part, of epoch {pocketed.epoch + 1}; "
            f"{failed} cells did not follow",
        )
    return failed
