"""A network whose weights are read from crossbars and whose activations are computed in the controller."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...drivers.contract import Floats
from .digital import Digital, HiddenDigital, followed, started, with_bias
from .layer import PairLayer


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
    running mean. Scores are z = g2/sqrt(n) a + c, n the inputs of the last layer. The first layer gets a
    constant input 1 beside the features.
    """

    def __init__(
        self, layers: Sequence[PairLayer], digital: Digital, hidden_gain: float, output_gain: float
    ) -> None:
        self.layers = tuple(layers)
        self.digital = digital
        self._hidden_gain = hidden_gain
        self._output_gain = output_gain / float(np.sqrt(layers[-1].inputs))

    def forward(self, features: Floats) -> Pass:
        """Pass features (features,) or (samples, features) through the chip."""
        one = np.ones((*features.shape[:-1], 1))
        signal = np.concatenate([features, one], axis=-1)
        signals, pre, hidden = [signal], [], []
        for layer, part in zip(self.layers, self.digital.hidden, strict=False):
            a = layer.forward(signal)
            h = np.tanh(self._hidden_gain * a / np.sqrt(part.mean_square) + part.bias)
            signal = h - part.centre
            pre.append(a)
            hidden.append(h)
            signals.append(signal)
        scores = self._output_gain * self.layers[-1].forward(signal) + self.digital.output_bias
        return Pass(tuple(signals), tuple(pre), tuple(hidden), scores)

    def backward(self, forward: Pass, error: Floats) -> tuple[Floats, ...]:
        """Errors at the output of every layer for one sample, from transposed reads of the chip.

        Args:
            forward: pass of one sample.
            error: (classes,), wanted direction of the scores.
        """
        errors = [error]
        for layer, h in zip(self.layers[:0:-1], forward.hidden[::-1], strict=True):
            errors.append(layer.backward(errors[-1]) * (1.0 - h**2))
        return tuple(errors[::-1])

    def start_statistics(self, features: Floats) -> None:
        """Start the normalisers from a few samples (samples, features), layer by layer."""
        for index in range(len(self.digital.hidden)):
            pre = self.forward(features).pre[index]
            self._set_hidden(index, started(self.digital.hidden[index], pre))

    def follow(self, forward: Pass) -> None:
        """Let the running statistics follow one sample."""
        for index, (pre, h) in enumerate(zip(forward.pre, forward.hidden, strict=True)):
            self._set_hidden(index, followed(self.digital.hidden[index], pre, h))

    def learn_biases(self, errors: tuple[Floats, ...], rate: float) -> None:
        """Move the digital biases along the errors of one sample."""
        for index, error in enumerate(errors[:-1]):
            self._set_hidden(index, with_bias(self.digital.hidden[index], 2.0 * rate * error))
        self.digital = replace(self.digital, output_bias=self.digital.output_bias + rate * errors[-1])

    def _set_hidden(self, index: int, part: HiddenDigital) -> None:
        parts = list(self.digital.hidden)
        parts[index] = part
        self.digital = replace(self.digital, hidden=tuple(parts))


def softmax(scores: Floats) -> Floats:
    """Softmax over the last axis."""
    shifted: Floats = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shifted /= shifted.sum(axis=-1, keepdims=True)
    return shifted
