"""Random numbers of the controller in training: counter-based, so that a compiled loop draws the same."""

from dataclasses import dataclass

import numpy as np

from ...draws import Word

_PURPOSE = 9
"""Keeps these draws apart from everything else that follows from the seed of an experiment."""
STREAMS_PER_LAYER = 8


@dataclass(frozen=True)
class Draws:
    """Names the draws of one layer.

    Attributes:
        key: of all draws of the controller.
        stream: first of the streams of the layer; see `STREAMS_PER_LAYER`.
    """

    key: Word
    stream: int


def layer_draws(seed: int, layer: int) -> Draws:
    """Draws of a layer in a training with this seed."""
    key = np.random.SeedSequence([seed, _PURPOSE]).generate_state(1, np.uint64)[0]
    return Draws(np.uint64(key), STREAMS_PER_LAYER * layer)
