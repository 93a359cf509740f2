"""What lives in the controller beside the chip: biases, normalisers and centres; vectors only."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ...compiled import kernel
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
    mean_square, centre = part.mean_square.copy(), part.centre.copy()
    follow(mean_square, centre, pre, activation)
    return HiddenDigital(mean_square, part.bias, centre)


def with_bias(part: HiddenDigital, change: Floats) -> HiddenDigital:
    """The part with its bias changed."""
    return HiddenDigital(part.mean_square, part.bias + change, part.centre)


@kernel
def follow(mean_square: Floats, centre: Floats, pre: Floats, activation: Floats) -> None:
    """Move running statistics toward one sample, in place; all (units,)."""
    for k in range(pre.size):
        mean_square[k] += _FOLLOW * (pre[k] * pre[k] - mean_square[k])
        centre[k] += _FOLLOW * (activation[k] - centre[k])


@kernel
def activate(
    pre: Floats,
    gain: float,
    mean_square: Floats,
    bias: Floats,
    centre: Floats,
    hidden: Floats,
    signal: Floats,
) -> None:
    """Activations of a hidden layer: h = tanh(g1 a/s + b), and h less its running mean.

    Args:
        pre: a, (samples, units).
        gain: g1.
        mean_square: s^2, (units,).
        bias: b, (units,).
        centre: running mean of h, (units,).
        hidden: returned, h, (samples, units).
        signal: returned, what the next layer reads, (samples, units).
    """
    for sample in range(pre.shape[0]):
        for k in range(pre.shape[1]):
            hidden[sample, k] = math.tanh(gain * pre[sample, k] / math.sqrt(mean_square[k]) + bias[k])
            signal[sample, k] = hidden[sample, k] - centre[k]
