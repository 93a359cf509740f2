"""A network whose weights are read from crossbars and whose activations are computed in the controller."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...compiled import kernel
from ...drivers.contract import Floats
from .digital import (
    Digital,
    HiddenDigital,
    activate,
    before_units,
    followed,
    move,
    scores_of,
    started,
    through_units,
    with_bias,
)
from .layer import CrossbarLayer


@dataclass(frozen=True)
class Pass:
    """A forward pass of one sample or of several, (...,).

    Attributes:
        signals: input of each layer.
        pre: pre-activation of each hidden layer, in units of one weight.
        hidden: activation of each hidden layer.
        scores: (..., classes).
    """

    signals: tuple[Floats, ...]
    pre: tuple[Floats, ...]
    hidden: tuple[Floats, ...]
    scores: Floats


class CrossbarNetwork:
    """Layers of weights on crossbars with their digital parts.

    h = tanh(g1 a/s + b) in each hidden layer, with s the running rms of a; the next layer reads h minus its
    running mean. Scores are z = g2/sqrt(n) a + c, n the inputs of the last layer. Inputs that the first layer
    has beyond the features carry a constant.

    Attributes:
        layers: in order.
        digital: their digital parts.
        hidden_gain: g1.
        output_gain: g2/sqrt(n).
        constant: what inputs of the first layer beyond the features carry.
    """

    def __init__(
        self, layers: Sequence[CrossbarLayer], digital: Digital, hidden_gain: float, output_gain: float,
        constant: float = 1.0,
    ) -> None:  # fmt: skip
        self.layers = tuple(layers)
        self.digital = digital
        self.hidden_gain = hidden_gain
        self.constant = constant
        self.output_gain = output_gain / float(np.sqrt(layers[-1].inputs))

    def forward(self, features: Floats) -> Pass:
        """Pass features (features,) or (samples, features) through the chip."""
        signal = with_constants(features, self.layers[0].inputs, self.constant)
        signals, pre, hidden = [signal], [], []
        for layer, part in zip(self.layers, self.digital.hidden, strict=False):
            a = layer.forward(signal)
            h, signal = np.empty_like(a), np.empty_like(a)
            units = len(part.bias)
            activate(
                a.reshape(-1, units), self.hidden_gain, part.mean_square, part.bias, part.centre,
                h.reshape(-1, units), signal.reshape(-1, units),
            )  # fmt: skip
            pre.append(a)
            hidden.append(h)
            signals.append(signal)
        sums = self.layers[-1].forward(signal)
        scores = np.empty_like(sums)
        classes = len(self.digital.output_bias)
        scores_of(
            sums.reshape(-1, classes),
            self.output_gain,
            self.digital.output_bias,
            scores.reshape(-1, classes),
        )
        return Pass(tuple(signals), tuple(pre), tuple(hidden), scores)

    def backward(self, forward: Pass, error: Floats) -> tuple[Floats, ...]:
        """Errors at the output of every layer for one sample, from transposed reads of the chip.

        Args:
            forward: pass of one sample.
            error: (classes,), wanted direction of the scores.
        """
        errors = [error]
        for index in range(len(self.layers) - 1, 0, -1):
            driven = errors[-1]
            if index < len(self.digital.hidden):
                driven = np.empty_like(errors[-1])
                before_units(errors[-1], self.hidden_gain, self.digital.hidden[index].mean_square, driven)
            hidden = forward.hidden[index - 1]
            found = np.empty_like(hidden)
            through_units(self.layers[index].backward(driven), hidden, found)
            errors.append(found)
        return tuple(errors[::-1])

    def start_statistics(self, features: Floats, each: bool = True) -> None:
        """Start the normalisers from a few samples (samples, features), layer by layer.

        Args:
            features: see above.
            each: a scale for each unit; else one for all units of a layer.
        """
        for index in range(len(self.digital.hidden)):
            pre = self.forward(features).pre[index]
            self._set_hidden(index, started(self.digital.hidden[index], pre, each))

    def follow(self, forward: Pass) -> None:
        """Let the running statistics follow one sample."""
        for index, (pre, h) in enumerate(zip(forward.pre, forward.hidden, strict=True)):
            self._set_hidden(index, followed(self.digital.hidden[index], pre, h))

    def learn_biases(self, errors: tuple[Floats, ...], rate: float) -> None:
        """Move the digital biases along the errors of one sample."""
        for index, error in enumerate(errors[:-1]):
            self._set_hidden(index, with_bias(self.digital.hidden[index], error, 2.0 * rate))
        bias = self.digital.output_bias.copy()
        move(bias, errors[-1], rate)
        self.digital = Digital(self.digital.hidden, bias)

    def _set_hidden(self, index: int, part: HiddenDigital) -> None:
        parts = list(self.digital.hidden)
        parts[index] = part
        self.digital = Digital(tuple(parts), self.digital.output_bias)


def with_constants(features: Floats, inputs: int, constant: float) -> Floats:
    """Features (..., features) with `constant` after them, for a first layer of so many inputs."""
    signal = np.full((*features.shape[:-1], inputs), constant)
    signal[..., : features.shape[-1]] = features
    return signal


@kernel
def judge_scores(scores: Floats, label: int, error: Floats) -> float:
    """By how much the score of the true class leads the best other, and the error of the scores.

    Args:
        scores: (classes,).
        label: true class.
        error: returned, wanted direction of the scores: target less softmax, (classes,).
    """
    best = other = -math.inf
    for k in range(scores.size):
        best = max(best, scores[k])
        if k != label:
            other = max(other, scores[k])
    total = 0.0
    for k in range(scores.size):
        error[k] = math.exp(scores[k] - best)
        total += error[k]
    for k in range(scores.size):
        error[k] = (1.0 if k == label else 0.0) - error[k] / total
    return float(scores[label] - other)
