"""A baseline: a network of two- or three-valued weights trained offline, then written into the chip.

Training is by the straight-through estimator: the forward pass sees quantised weights, gradients move real
ones. Topology, digital parts and values of a weight are those of the network trained in situ. After the
transfer the digital parts may be measured and moved on the chip, on the training part only, as they are in
situ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...drivers.contract import Floats
from ...errors import StoppedError
from ..data import Labels, Split, within_training
from ..inference import deploy
from ..journal import Monitor, States
from ..recorded import RecordedCrossbar
from ..settings import PulseSettings, ReadSettings
from .digital import Digital, HiddenDigital
from .loop import TrainedNetwork
from .network import CrossbarNetwork, judge_scores, with_constants
from .placement import layer_sizes
from .scores import evaluate
from .settings import TrainingSettings
from .weights import WeightLayout

_RATES = (0.003, 0.01, 0.03)
_VALIDATION = 0.25
_LARGE = 5_000
"""Weights above which fewer epochs and one start do: there are many good solutions, and each takes long."""
_RESTARTS, _EPOCHS = 3, 200
_RESTARTS_LARGE, _EPOCHS_LARGE = 1, 60
_BATCH = 64
_LEAST_MEAN_SQUARE = 1e-3
_BIAS_EPOCHS = 10


@dataclass(frozen=True)
class OfflineNetwork:
    """A network trained offline.

    Attributes:
        weights: of each layer, (inputs, outputs), multiples of 1/m in [-1, 1], without 0 where a weight is
            against a reference.
        digital: parts that live in the controller.
        rate: learning rate chosen on the validation part.
        likelihood: mean log likelihood of the training part.
    """

    weights: tuple[Floats, ...]
    digital: Digital
    rate: float
    likelihood: float


def train_offline(split: Split, settings: TrainingSettings, seed: int, monitor: Monitor) -> OfflineNetwork:
    """Train with care: the rate by a validation part, the best of some restarts by the training part.

    Args:
        split: data; the test part is not looked at.
        settings: topology, gains and values of a weight.
        seed: of the validation part, first weights and batches.
        monitor: may stop.

    Raises:
        StoppedError: the monitor asked to stop.
    """
    validation = within_training(split, _VALIDATION, seed)
    best_rate, best_score = _RATES[0], -np.inf
    sizes = layer_sizes(split.train_x.shape[1], settings.hidden, len(split.classes), settings.constants)
    restarts = _RESTARTS if sum(a * b for a, b in sizes) <= _LARGE else _RESTARTS_LARGE
    steps = len(_RATES) + restarts
    for number, rate in enumerate(_RATES):
        monitor.progress("offline training", number, steps)
        model = _Model(validation, settings, rate, np.random.default_rng([seed, 21]))
        model.run(monitor)
        score = model.likelihood(validation.test_x, validation.test_y)
        if score > best_score:
            best_rate, best_score = rate, score
    best: OfflineNetwork | None = None
    for restart in range(restarts):
        monitor.progress("offline training", len(_RATES) + restart, steps)
        model = _Model(split, settings, best_rate, np.random.default_rng([seed, 22, restart]))
        model.run(monitor)
        found = model.network(best_rate)
        if best is None or found.likelihood > best.likelihood:
            best = found
    if best is None:
        raise StoppedError("offline training was stopped")
    return best


def quantised(weights: Floats, layout: WeightLayout) -> Floats:
    """The nearest value that cells can hold: steps of 1/m for pairs, of 2/m against a reference."""
    clipped = np.clip(weights, -1.0, 1.0)
    if layout.kind == "pair":
        return np.round(clipped * layout.devices) / layout.devices
    steps = np.clip(np.floor((clipped + 1.0) / 2.0 * (layout.devices + 1)), 0, layout.devices)
    return np.asarray(2.0 * steps / layout.devices - 1.0)


def cells_of_weights(weights: Floats, layout: WeightLayout) -> States:
    """States (inputs, cell columns) that hold quantised weights; a weight of 0 rests with both sides AP."""
    m = layout.devices
    position = np.arange(m)
    if layout.kind == "reference":
        count = np.round((weights + 1.0) / 2.0 * m)
        return (position < count[:, :, None]).reshape(len(weights), -1).astype(np.int8)
    count = np.round(np.abs(weights) * m)
    chosen = position < count[:, :, None]
    sides = np.concatenate([chosen & (weights > 0)[:, :, None], chosen & (weights < 0)[:, :, None]], axis=2)
    return sides.reshape(len(weights), -1).astype(np.int8)


def transfer_offline(
    crossbars: Sequence[RecordedCrossbar],
    offline: OfflineNetwork,
    split: Split,
    settings: TrainingSettings,
    read: ReadSettings,
    pulse: PulseSettings,
    seed: int,
    monitor: Monitor,
) -> tuple[CrossbarNetwork, int]:
    """Program with verify, then calibrate the digital parts on the chip with the training part.

    Normalisers and centres are measured anew; biases take some passes of the rule that moves them in situ,
    and the better of before and after, by the likelihood of the training part, stays.

    Returns:
        The network on the chip, and how many cells could not be programmed.
    """
    layout = settings.layout
    states = tuple(cells_of_weights(one, layout) for one in offline.weights)
    trained = TrainedNetwork(states, offline.digital, layout.devices, layout.kind, settings.constant_level)
    network, failed = deploy(
        crossbars, trained, split.train_x.shape[1], (settings.hidden_gain, settings.output_gain), None, read,
        pulse, True, np.random.default_rng([seed, 23]), monitor, settings.tile,
    )  # fmt: skip
    _measure_statistics(network, split.train_x, settings.normalisers)
    if settings.digital_biases and settings.digital_rate > 0.0:
        _settle_biases(network, split, settings.digital_rate, np.random.default_rng([seed, 24]), monitor)
    return network, failed


def _measure_statistics(network: CrossbarNetwork, features: Floats, each: bool) -> None:
    """Normalisers and centres of every hidden layer; without them one scale a layer, as in situ."""
    network.start_statistics(features, each)
    if not each:
        return
    for index in range(len(network.digital.hidden)):
        centre = network.forward(features).hidden[index].mean(axis=0)
        parts = list(network.digital.hidden)
        parts[index] = replace(parts[index], centre=centre)
        network.digital = Digital(tuple(parts), network.digital.output_bias)


def _settle_biases(
    network: CrossbarNetwork, split: Split, rate: float, rng: np.random.Generator, monitor: Monitor
) -> None:
    best = network.digital
    best_value = evaluate(network, split.train_x, split.train_y).log_likelihood
    error = np.empty(len(split.classes))
    for epoch in range(_BIAS_EPOCHS):
        for sample in rng.permutation(len(split.train_x)):
            if monitor.should_stop():
                raise StoppedError("stopped while digital biases were calibrated")
            seen = network.forward(split.train_x[sample])
            judge_scores(seen.scores, int(split.train_y[sample]), error)
            network.learn_biases(network.backward(seen, error), rate * (1.0 - epoch / _BIAS_EPOCHS))
        value = evaluate(network, split.train_x, split.train_y).log_likelihood
        if value > best_value:
            best, best_value = network.digital, value
    network.digital = best


class _Model:
    """The network of `CrossbarNetwork` in software, with real weights behind the quantised ones."""

    def __init__(
        self, split: Split, settings: TrainingSettings, rate: float, rng: np.random.Generator
    ) -> None:
        self._rng, self._rate, self._layout = rng, rate, settings.layout
        sizes = layer_sizes(split.train_x.shape[1], settings.hidden, len(split.classes), settings.constants)
        self._constant = settings.constant_level
        self._x, self._y = with_constants(split.train_x, sizes[0][0], self._constant), split.train_y
        self._gains = settings.hidden_gain, settings.output_gain / np.sqrt(sizes[-1][0])
        self._weights = [rng.uniform(-1.0, 1.0, size) for size in sizes]
        self._biases = [np.zeros(size[1]) for size in sizes]
        self._hidden = len(sizes) - 1
        self._each = settings.normalisers
        biased = settings.digital_biases and settings.digital_rate > 0.0
        self._parameters = self._weights + (self._biases if biased else [])
        self._moments = [(np.zeros_like(one), np.zeros_like(one)) for one in self._parameters]
        self._step = 0

    def run(self, monitor: Monitor) -> None:
        """Adam with a falling rate.

        Raises:
            StoppedError: the monitor asked to stop.
        """
        batch = min(_BATCH, len(self._x))
        epochs = _EPOCHS if sum(one.size for one in self._weights) <= _LARGE else _EPOCHS_LARGE
        for epoch in range(epochs):
            if monitor.should_stop():
                raise StoppedError("offline training was stopped")
            order = self._rng.permutation(len(self._x))
            rate = self._rate * (1.0 - epoch / epochs)
            for start in range(0, len(order) - batch + 1, batch):
                chosen = order[start : start + batch]
                self._adam(self._gradients(self._x[chosen], self._y[chosen]), rate)

    def likelihood(self, features: Floats, labels: Labels) -> float:
        """Mean log likelihood of samples, with the statistics of the training part."""
        x = with_constants(features, self._x.shape[1], self._constant)
        _, _, z = self._forward(x, self._statistics())
        return float(np.log(_softmax(z)[np.arange(len(z)), labels]).mean())

    def network(self, rate: float) -> OfflineNetwork:
        """What came of it."""
        statistics = self._statistics()
        hidden = tuple(
            HiddenDigital(mean_square, bias.copy(), centre)
            for (mean_square, centre), bias in zip(statistics, self._biases[:-1], strict=True)
        )
        _, _, z = self._forward(self._x, statistics)
        likelihood = float(np.log(_softmax(z)[np.arange(len(z)), self._y]).mean())
        return OfflineNetwork(
            tuple(self._quantised()), Digital(hidden, self._biases[-1].copy()), rate, likelihood
        )

    def _quantised(self) -> list[Floats]:
        return [quantised(one, self._layout) for one in self._weights]

    def _statistics(self) -> list[tuple[Floats, Floats]]:
        """Mean square of the pre-activations and mean activation of every hidden layer, over all samples."""
        found: list[tuple[Floats, Floats]] = []
        signal = self._x
        for weights, bias in zip(self._quantised()[:-1], self._biases[:-1], strict=True):
            a = signal @ weights
            mean_square = self._mean_square(a)
            h = np.tanh(self._gains[0] * a / np.sqrt(mean_square) + bias)
            found.append((mean_square, self._centre(h)))
            signal = h - found[-1][1]
        return found

    def _forward(
        self, x: Floats, statistics: list[tuple[Floats, Floats]] | None
    ) -> tuple[list[Floats], list[tuple[Floats, Floats]], Floats]:
        """Signals of every layer, activations with their scale, scores; statistics of the batch if None."""
        signals, hidden = [x], []
        quantised_weights = self._quantised()
        for k in range(self._hidden):
            a = signals[-1] @ quantised_weights[k]
            mean_square = self._mean_square(a) if statistics is None else statistics[k][0]
            scale = self._gains[0] / np.sqrt(mean_square)
            h = np.tanh(a * scale + self._biases[k])
            centre = self._centre(h) if statistics is None else statistics[k][1]
            hidden.append((h, scale))
            signals.append(h - centre)
        z = self._gains[1] * (signals[-1] @ quantised_weights[-1]) + self._biases[-1]
        return signals, hidden, z

    def _mean_square(self, pre: Floats) -> Floats:
        found = (pre**2).mean(axis=0) + _LEAST_MEAN_SQUARE
        return found if self._each else np.full_like(found, found.mean())

    def _centre(self, hidden: Floats) -> Floats:
        return hidden.mean(axis=0) if self._each else np.zeros(hidden.shape[1])

    def _gradients(self, x: Floats, y: Labels) -> list[Floats]:
        """Of the mean log likelihood, straight through the quantisation; scale and centre are constants."""
        signals, hidden, z = self._forward(x, None)
        delta = -_softmax(z)
        delta[np.arange(len(y)), y] += 1.0
        delta /= len(y)
        quantised_weights = self._quantised()
        weights: list[Floats] = []
        biases: list[Floats] = []
        for k in range(self._hidden, -1, -1):
            gain = self._gains[1] if k == self._hidden else hidden[k][1]
            weights.append(signals[k].T @ (delta * gain))
            biases.append(delta.sum(axis=0))
            if k > 0:
                h = hidden[k - 1][0]
                delta = ((delta * gain) @ quantised_weights[k].T) * (1.0 - h**2)
        return [*weights[::-1], *biases[::-1]]

    def _adam(self, gradients: Sequence[Floats], rate: float) -> None:
        self._step += 1
        for parameter, gradient, (mean, square) in zip(
            self._parameters, gradients, self._moments, strict=False
        ):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            corrected = mean / (1.0 - 0.9**self._step)
            size = np.sqrt(square / (1.0 - 0.999**self._step)) + 1e-8
            parameter += rate * corrected / size
        for weights in self._weights:
            np.clip(weights, -1.0, 1.0, out=weights)


def _softmax(z: Floats) -> Floats:
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True)) + 1e-300
