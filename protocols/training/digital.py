"""What lives in the controller beside the chip: biases, normalisers and centres; vectors only."""

from dataclasses import dataclass, replace

import numpy as np

from ...drivers.contract import Floats

_FOLLOW = 0.005
"""Share of each sample in the running statistics."""
_LEAST_MEAN_SQUARE = 1e-3


@dataclass(frozen=True)
class HiddenDigital:
    """Digital part of one hidden layer; every array has shape (units,).

    Attributes:
        mean_square: running mean square of the pre-activations.
        bias: digital bias.
        centre: running mean of the activations, subtracted before the next layer.
    """

    mean_square: Floats
    bias: Floats
    centre: Floats


@dataclass(frozen=True)
class Digital:
    """Digital parts of a network: one entry a hidden layer, and the output bias (classes,)."""

    hidden: tuple[HiddenDigital, ...]
    output_bias: Floats


def fresh_digital(hidden: tuple[int, ...], classes: int) -> Digital:
    """Digital parts before any sample was seen."""
    return Digital(
        tuple(HiddenDigital(np.ones(n), np.zeros(n), np.zeros(n)) for n in hidden), np.zeros(classes)
    )


def started(part: HiddenDigital, pre: Floats) -> HiddenDigital:
    """Start the normaliser from the pre-activations of a few samples, (samples, units)."""
    return replace(part, mean_square=(pre**2).mean(axis=0) + _LEAST_MEAN_SQUARE)


def followed(part: HiddenDigital, pre: Floats, activation: Floats) -> HiddenDigital:
    """Let the running statistics follow one sample, (units,) each."""
    return replace(
        part,
        mean_square=part.mean_square + _FOLLOW * (pre**2 - part.mean_square),
        centre=part.centre + _FOLLOW * (activation - part.centre),
    )


def with_bias(part: HiddenDigital, change: Floats) -> HiddenDigital:
    """The part with its bias changed."""
    return replace(part, bias=part.bias + change)
