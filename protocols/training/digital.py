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


def started(part: HiddenDigital, pre: Floats, each: bool = True) -> HiddenDigital:
    """Start the normaliser from the pre-activations of a few samples, (samples, units).

    Args:
        part: to be started.
        pre: see above.
        each: a scale for each unit; else one for all of them.
    """
    found = (pre**2).mean(axis=0) + _LEAST_MEAN_SQUARE
    return replace(part, mean_square=found if each else np.full_like(found, found.mean()))


def followed(part: HiddenDigital, pre: Floats, activation: Floats) -> HiddenDigital:
    """Let the running statistics follow one sample, (units,) each."""
    mean_square, centre = part.mean_square.copy(), part.centre.copy()
    follow(mean_square, centre, pre, activation)
    return HiddenDigital(mean_square, part.bias, centre)


def with_bias(part: HiddenDigital, error: Floats, rate: float) -> HiddenDigital:
    """The part with its bias moved along an error, (units,)."""
    bias = part.bias.copy()
    move(bias, error, rate)
    return HiddenDigital(part.mean_square, bias, part.centre)


@kernel
def move(bias: Floats, error: Floats, rate: float) -> None:
    """Move biases along errors, in place; both (units,)."""
    for k in range(bias.size):
        bias[k] += rate * error[k]


@kernel
def scores_of(sums: Floats, gain: float, bias: Floats, scores: Floats) -> None:
    """Scores from what the last layer gives: z = gain a + c.

    Args:
        sums: a, (samples, classes).
        gain: scale of the outputs.
        bias: c, (classes,).
        scores: returned, (samples, classes).
    """
    for sample in range(sums.shape[0]):
        for k in range(sums.shape[1]):
            scores[sample, k] = gain * sums[sample, k] + bias[k]


@kernel
def before_units(error: Floats, gain: float, mean_square: Floats, driven: Floats) -> None:
    """Errors before the normalisers of a hidden layer, as the layer under it sees them: d g1/s; (units,)."""
    for k in range(error.size):
        driven[k] = error[k] * (gain / math.sqrt(mean_square[k]))


@kernel
def through_units(returned: Floats, hidden: Floats, error: Floats) -> None:
    """Errors of hidden units, from a transposed read and their activations: (W d)(1 - h^2); all (units,)."""
    for k in range(returned.size):
        error[k] = returned[k] * (1.0 - hidden[k] * hidden[k])


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
