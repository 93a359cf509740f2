"""A restricted Boltzmann machine on a crossbar, trained by contrastive divergence.

Visible units are pixels in [0, 1] and a group of label units of which one is on; hidden units are on or off:

    p(h_j = 1 | v) = sigmoid(g ((v - mu) W)_j + c_j)        a forward read
    p(v_i = 1 | h) = sigmoid(g (W (h - nu))_i + b_i)        a transposed read; softmax over the label units

W is read from cells, the gain g, the biases b and c and the centres mu and nu live in the controller,
which also draws the units. CD-k asks for E[dW] ~ (v0 - mu)(h0 - nu)^T - (vk - mu)(hk - nu)^T: two rank-1
updates of opposite sign a sample, which go through the rule and the encoder of training in situ. With
momentum they cancel in the controller, in vectors, before they reach the cells. Contrastive divergence is
that of Hinton (2002), centred units that of Montavon and Mueller (2012). Reconstructed: that the extended
version of the paper trains such a machine is known from its title alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..drivers.contract import Crossbar, Floats
from .activations import sigmoid, softmax
from .data import Labels
from .journal import Journal, Monitor
from .recorded import RecordedCrossbar
from .settings import PulseSettings, ReadSettings
from .training.controller_draws import layer_draws
from .training.digital import fresh_digital
from .training.encoding import check_encoding
from .training.layer import CrossbarLayer
from .training.network import CrossbarNetwork
from .training.placement import place_layers, record_tiles, tiles_used
from .training.preparation import prepare
from .training.schedule import make_rule
from .training.settings import TrainingSettings
from .training.update import Updater

_FOLLOW = 0.01
"""Share of each batch in the running centre of the hidden units."""
_LEAST_SHARE = 0.02
"""Pixels are taken to be on at least, and at most less, this often when first biases are set."""


@dataclass(frozen=True)
class RbmSettings:
    """How a machine is trained.

    Attributes:
        hidden: hidden units.
        steps: k of CD-k, >= 1.
        epochs: passes over the training part.
        batch: samples read together, >= 1.
        gain: g times the root of the number of visible lines.
        label_lines: lines that each label unit drives, >= 1: their weights add, which gives the few labels a
            say beside the many pixels.
        digital_rate: learning rate of the biases.
        training: rule, encoding and layout of the updates; its `hidden` is not used.
    """

    hidden: int
    steps: int = 1
    epochs: int = 30
    batch: int = 10
    gain: float = 4.0
    label_lines: int = 1
    digital_rate: float = 0.05
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(hidden=()))

    def rate_share(self, epoch: int) -> float:
        """Share of the rates that is left in an epoch: they fall to nothing in a straight line."""
        return 1.0 - epoch / self.epochs


class Couplings(Protocol):
    """The weights between visible and hidden units, wherever they are."""

    def forward(self, visible: Floats) -> Floats:
        """(samples, visible) to (samples, hidden), in units of one weight."""
        ...

    def backward(self, hidden: Floats) -> Floats:
        """(samples, hidden) to (samples, visible)."""
        ...

    def learn(self, visible: Floats, hidden: Floats, sign: float, share: float, epoch: int) -> None:
        """Ask for a change along sign times visible hidden^T of one sample, (visible,) and (hidden,)."""
        ...


@dataclass
class Machine:
    """A machine: couplings and what lives in the controller.

    Attributes:
        couplings: W.
        pixels: visible lines that are pixels; the others are labels.
        classes: label units, each of which drives `label_lines` lines at once.
        gain: g.
        visible_bias: b, (visible lines,).
        hidden_bias: c, (hidden,).
        visible_centre: mu, (visible lines,).
        hidden_centre: nu, (hidden,).
    """

    couplings: Couplings
    pixels: int
    classes: int
    gain: float
    visible_bias: Floats
    hidden_bias: Floats
    visible_centre: Floats
    hidden_centre: Floats

    def hidden_chances(self, visible: Floats) -> Floats:
        """p(h = 1 | v), (samples, hidden)."""
        return sigmoid(self.hidden_drive(visible))

    def hidden_drive(self, visible: Floats) -> Floats:
        """g (v - mu) W + c, (samples, hidden)."""
        return self.gain * self.couplings.forward(visible - self.visible_centre) + self.hidden_bias

    def visible_chances(self, hidden: Floats) -> Floats:
        """p(v = 1 | h), (samples, visible); the label units share one."""
        drive = self.gain * self.couplings.backward(hidden - self.hidden_centre) + self.visible_bias
        # Lines of one label unit are on and off together, so their drives add.
        labels = drive[:, self.pixels :].reshape(len(drive), -1, self.classes).sum(axis=1)
        return self.visible(sigmoid(drive[:, : self.pixels]), softmax(labels))

    def visible(self, pixels: Floats, labels: Floats) -> Floats:
        """Levels of all visible lines, from (samples, pixels) and (samples, classes)."""
        copies = (len(self.visible_bias) - self.pixels) // self.classes
        return np.concatenate([pixels, np.tile(labels, (1, copies))], axis=1)

    def label_scores(self, pixels: Floats) -> Floats:
        """Minus the free energy of each class given the pixels, (samples, classes).

        One read a sample with no label on, and one a class for what its label unit adds to the hidden drive.
        """
        drive = self.hidden_drive(self.visible(pixels, np.zeros((len(pixels), self.classes))))
        one = np.eye(self.classes)
        added = self.gain * self.couplings.forward(self.visible(np.zeros((len(one), self.pixels)), one))
        # Centred hidden units: the energy holds -(h - nu), so nu leaves a term that is linear in the drive.
        scores = np.logaddexp(0.0, drive[:, None, :] + added).sum(axis=2) - added @ self.hidden_centre
        biases = self.visible_bias[self.pixels :].reshape(-1, self.classes).sum(axis=0)
        return np.asarray(scores + biases)


@dataclass(frozen=True)
class RbmScore:
    """How a machine does on some samples.

    Attributes:
        reconstruction: mean squared error of the pixels after one step down and up again, without draws.
        accuracy: of the class of least free energy.
    """

    reconstruction: float
    accuracy: float


class ChipCouplings:
    """Couplings on crossbars.

    Args:
        crossbars: of the bench, in its order.
        visible: units.
        settings: of the machine.
        read: how to read.
        pulse: how to pulse.
        seed: of the controller.
        journal: where to record; None records nothing.
        monitor: who watches.

    Raises:
        ConfigurationError: the layer does not fit the crossbars, or the bench cannot do what the encoding
            needs.
    """

    def __init__(
        self,
        crossbars: Sequence[Crossbar],
        visible: int,
        settings: RbmSettings,
        read: ReadSettings,
        pulse: PulseSettings,
        seed: int,
        journal: Journal | None,
        monitor: Monitor,
    ) -> None:
        training = settings.training
        shapes = [crossbar.capabilities.shape for crossbar in crossbars]
        (places,) = place_layers(shapes, [(visible, settings.hidden)], training.layout, training.tile)
        self.crossbars: tuple[RecordedCrossbar, ...] = record_tiles(crossbars, tiles_used([places]), journal)
        for crossbar in self.crossbars:
            check_encoding(training.encoding, crossbar.capabilities)
        self.layer = CrossbarLayer(self.crossbars, places, read, training.layout)
        rng = np.random.default_rng(np.random.SeedSequence([seed, 31]))
        network = CrossbarNetwork([self.layer], fresh_digital((), settings.hidden), 1.0, 1.0)
        prepare(network, read, pulse, training, rng, journal, monitor)
        self.updater = Updater(
            self.layer, training.encoding, pulse, training.audit_every, layer_draws(seed, 0), training.balance
        )
        self._rule = make_rule(visible, settings.hidden, training, rng)
        self._rate = training.rate

    def forward(self, visible: Floats) -> Floats:
        """See `Couplings.forward`."""
        return self.layer.forward(visible)

    def backward(self, hidden: Floats) -> Floats:
        """See `Couplings.backward`."""
        return self.layer.backward(hidden)

    def learn(self, visible: Floats, hidden: Floats, sign: float, share: float, epoch: int) -> None:
        """Let the rule see it; what is due is pulsed."""
        for factor in self._rule.observe(visible, sign * hidden, self._rate * share):
            self.updater.update(factor, epoch)


class FloatCouplings:
    """Couplings in double precision, moved by the gradient with momentum: the same machine in software.

    Args:
        visible: units.
        hidden: units.
        rate: learning rate of one sample.
        rng: draws first weights.
    """

    _MOMENTUM = 0.9
    _DECAY = 2e-4

    def __init__(self, visible: int, hidden: int, rate: float, rng: np.random.Generator) -> None:
        self.weights: Floats = 0.1 * rng.standard_normal((visible, hidden))
        self._speed = np.zeros_like(self.weights)
        self._gradient = np.zeros_like(self.weights)
        self._rate = rate

    def forward(self, visible: Floats) -> Floats:
        """See `Couplings.forward`."""
        return visible @ self.weights

    def backward(self, hidden: Floats) -> Floats:
        """See `Couplings.backward`."""
        return hidden @ self.weights.T

    def learn(self, visible: Floats, hidden: Floats, sign: float, share: float, epoch: int) -> None:
        """Add to the gradient of the batch; the negative phase, which comes last, moves the weights."""
        del epoch
        self._gradient += sign * np.outer(visible, hidden)
        if sign < 0:
            change = self._gradient - self._DECAY * self.weights
            self._speed = self._MOMENTUM * self._speed + (1.0 - self._MOMENTUM) * change
            self.weights += share * self._rate * self._speed
            self._gradient[:] = 0.0


class ContrastiveDivergence:
    """Trains a machine, wherever its couplings are.

    Args:
        couplings: W.
        pixels: training part, (samples, pixels) in [0, 1].
        labels: (samples,).
        classes: number of classes.
        settings: see there.
        seed: of batches and units.
    """

    def __init__(
        self,
        couplings: Couplings,
        pixels: Floats,
        labels: Labels,
        classes: int,
        settings: RbmSettings,
        seed: int,
    ) -> None:
        known = np.tile(np.eye(classes)[labels], (1, settings.label_lines))
        self._visible = np.concatenate([pixels, known], axis=1)
        self._settings = settings
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 32]))
        centre = self._visible.mean(axis=0)
        share = np.clip(centre, _LEAST_SHARE, 1.0 - _LEAST_SHARE)
        self.machine = Machine(
            couplings,
            pixels.shape[1],
            classes,
            settings.gain / float(np.sqrt(self._visible.shape[1])),
            np.log(share / (1.0 - share)),
            np.zeros(settings.hidden),
            centre,
            np.full(settings.hidden, 0.5),
        )

    def epoch(self, number: int, monitor: Monitor) -> int:
        """One pass over the samples; returns how many were shown before the monitor asked to stop."""
        settings, order = self._settings, self._rng.permutation(len(self._visible))
        share, done = settings.rate_share(number), 0
        for start in range(0, len(order), settings.batch):
            if monitor.should_stop():
                break
            batch = self._visible[order[start : start + settings.batch]]
            self._batch(batch, share, number)
            done += len(batch)
        return done

    def _batch(self, visible: Floats, share: float, epoch: int) -> None:
        machine, settings = self.machine, self._settings
        first = machine.hidden_chances(visible)
        hidden, seen, last = first, visible, first
        for _ in range(settings.steps):
            hidden = (self._rng.random(last.shape) < last).astype(np.float64)
            # Chances in place of draws for the pixels: less noise, the same mean.
            seen = machine.visible_chances(hidden)
            last = machine.hidden_chances(seen)
        up, down = visible - machine.visible_centre, seen - machine.visible_centre
        for k in range(len(visible)):
            machine.couplings.learn(up[k], first[k] - machine.hidden_centre, 1.0, share, epoch)
            machine.couplings.learn(down[k], last[k] - machine.hidden_centre, -1.0, share, epoch)
        rate = settings.digital_rate * share
        machine.visible_bias = machine.visible_bias + rate * (visible - seen).mean(axis=0)
        machine.hidden_bias = machine.hidden_bias + rate * (first - last).mean(axis=0)
        centre = machine.hidden_centre + _FOLLOW * (first.mean(axis=0) - machine.hidden_centre)
        machine.hidden_centre = centre


def judge(machine: Machine, pixels: Floats, labels: Labels) -> RbmScore:
    """Score a machine on samples; nothing is drawn and nothing changes.

    Args:
        machine: trained.
        pixels: (samples, pixels) in [0, 1].
        labels: (samples,).
    """
    scores = machine.label_scores(pixels)
    # For the reconstruction the label units show what the machine believes.
    visible = machine.visible(pixels, softmax(scores))
    again = machine.visible_chances(machine.hidden_chances(visible))[:, : machine.pixels]
    return RbmScore(float(np.mean((again - pixels) ** 2)), float(np.mean(scores.argmax(axis=1) == labels)))
