"""The reads and pulses of training, layer by layer, without a chip behind them: what a bench would have to
do."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from ...drivers.contract import Floats
from ..mapping import read_resistances
from ..selection import TO_AP, TO_P
from ..settings import PulseSettings, ReadSettings
from .layer import CrossbarLayer
from .settings import TrainingSettings

Operation = Literal["forward", "backward", "update", "map"]
Note = Callable[[int, Operation], None]
"""Called with the number of the layer after each operation of it."""
SIGN_PHASES = 4
"""Most pulses of one slot: signs of the row signal times polarities."""


def rehearse(
    layers: Sequence[CrossbarLayer],
    features: Floats,
    read: ReadSettings,
    pulse: PulseSettings,
    settings: TrainingSettings,
    rng: np.random.Generator,
    note: Note,
) -> None:
    """Do what training does for each of some samples: forward, backward where hidden errors need it, update.

    Hidden signals and errors are random. Every update has all its sign phases, each selecting half of the
    lines at random: the most that an update takes.

    Args:
        layers: on crossbars that answer anything.
        features: (samples, inputs of the first layer), its constant inputs included.
        read: how cells are read.
        pulse: width, amplitude and bias of unselected lines.
        settings: slots of the encoding.
        rng: draws signals and selections.
        note: told after each operation.
    """
    for number, layer in enumerate(layers):
        for block in layer.blocks:
            read_resistances(block.crossbar, read)
        note(number, "map")
    for sample in features:
        for number, layer in enumerate(layers):
            layer.forward(sample if number == 0 else rng.uniform(-1.0, 1.0, layer.inputs))
            note(number, "forward")
        for number in range(len(layers) - 1, 0, -1):
            layers[number].backward(rng.standard_normal(layers[number].outputs))
            note(number, "backward")
        for number, layer in enumerate(layers):
            for _ in range(settings.encoding.chances):
                _update(layer, pulse, rng)
            note(number, "update")


def _update(layer: CrossbarLayer, pulse: PulseSettings, rng: np.random.Generator) -> None:
    """All sign phases of one slot."""
    for block in layer.blocks:
        for _ in range(SIGN_PHASES // 2):
            for polarity in (TO_P, TO_AP):
                rows = rng.random(block.place.inputs) < 0.5
                columns = rng.random(len(block.cell_signs)) < 0.5
                rows[0] |= not rows.any()
                block.crossbar.apply(
                    block.select(rows, columns, polarity, pulse.search_to, pulse.width, pulse.unselected)
                )
