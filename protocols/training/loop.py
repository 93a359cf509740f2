"""Training in situ: samples and errors through the chip, pulses to all cells in parallel."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ...drivers.contract import Crossbar, Floats
from ..data import Split, split_validation
from ..journal import Journal, Monitor
from ..mapping import ResistanceMap
from ..recorded import during
from ..settings import PulseSettings, ReadSettings
from .controller_draws import layer_draws
from .digital import fresh_digital
from .encoding import check_encoding
from .epoch_record import Epoch, record_epoch
from .feedback import Feedback
from .layer import CrossbarLayer
from .network import CrossbarNetwork, judge_scores
from .placement import layer_sizes, place_layers, record_tiles, tiles_used
from .pocket import Pocketed, TrainedNetwork, restore, take
from .preparation import prepare
from .rule import Rule, RuleMaker
from .schedule import make_rule
from .scores import Score, confusion, evaluate
from .settings import FeedbackSettings, TrainingSettings
from .update import Updater

__all__ = ["TrainedNetwork", "Trainer", "TrainingResult"]

_STATISTICS_SAMPLES = 100
_AT_ONCE = 256
"""Samples shown between two looks at whoever watches."""
_TOLD_EVERY = 16
"""Samples between two notes of progress."""
_ADAPTING_EPOCHS = 3
"""First epochs after which an automatic period may change."""
_PEAK_SHARE = 0.2
"""Mean peak of pulses that an automatic period aims at, as a share of p0; some ask for much more."""
_LIKELIHOOD_WEIGHT = 0.01
"""Weight of the mean log likelihood beside the accuracy when the pocket chooses a state."""


@dataclass(frozen=True)
class TrainingResult:
    """How training ended.

    Attributes:
        network: as it is on the chip at the end.
        test: score on the test part, read through the chip.
        train: score on the training part.
        digital_alone: test accuracy of the digital parts on the untrained chip; None if not asked for.
        epochs: whole epochs done.
        samples: samples trained on.
        wall_time: s spent in the epochs.
        failed_cells: cells that could not be restored to the pocketed state, over all tiles.
        interrupted: whether the monitor ended the training early.
        audits: audited updates of every trained layer, see `Updater.audits`.
    """

    network: TrainedNetwork
    test: Score
    train: Score
    digital_alone: float | None
    epochs: int
    samples: int
    wall_time: float
    failed_cells: int
    interrupted: bool
    audits: tuple[Floats, ...] = ()


@dataclass(frozen=True)
class LoopParts:
    """What showing samples works on; all of it changes in place.

    Attributes:
        network: layers and digital parts.
        rules: one a layer.
        updaters: one a layer.
        split: data; the training part is shown.
        settings: how to train.
        pulse: how to pulse.
    """

    network: CrossbarNetwork
    rules: Sequence[Rule]
    updaters: Sequence[Updater]
    split: Split
    settings: TrainingSettings
    pulse: PulseSettings


class SampleLoop(Protocol):
    """Shows samples of the training part in place of the loop in Python: same states, to the last bit."""

    def run(self, order: NDArray[np.int64], fall: float, pulse: bool) -> tuple[int, int]:
        """Show samples in turn until one needs the loop in Python.

        Args:
            order: numbers of samples.
            fall: factor on all rates.
            pulse: whether pulses are sent.

        Returns:
            Samples shown, and how many of them violated the margin.

        Raises:
            SafetyError: the guard stopped an operation.
        """
        ...


class Trainer:
    """A network being trained on crossbars.

    Args:
        crossbars: tiles of the bench, in its order; the layers are placed on the first of them.
        split: data.
        read: how to read.
        pulse: how to pulse.
        settings: how to train.
        seed: of everything the controller draws.
        journal: where to record; None records nothing.
        monitor: who watches.
        compile_loop: offers a loop that is as good as this one and faster, or none; None never asks.
        rule_of: makes the update rule of a layer from its inputs, outputs and the settings.

    Raises:
        ConfigurationError: layers do not fit the crossbars, or the bench cannot do what the encoding needs.
    """

    def __init__(
        self,
        crossbars: Sequence[Crossbar],
        split: Split,
        read: ReadSettings,
        pulse: PulseSettings,
        settings: TrainingSettings,
        seed: int,
        journal: Journal | None,
        monitor: Monitor,
        compile_loop: Callable[[LoopParts], SampleLoop | None] | None = None,
        rule_of: RuleMaker = make_rule,
    ) -> None:
        split, self._validation = split_validation(split, settings.validation_fraction, seed)
        self._split, self._settings, self.seed = split, settings, seed
        self._read, self._pulse = read, pulse
        self._journal, self._monitor = journal, monitor
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
        sizes = layer_sizes(split.train_x.shape[1], settings.hidden, len(split.classes), settings.constants)
        shapes = [crossbar.capabilities.shape for crossbar in crossbars]
        placed = place_layers(shapes, sizes, settings.layout, settings.tile)
        self.crossbars = record_tiles(crossbars, tiles_used(placed), journal)
        for crossbar in self.crossbars:
            check_encoding(settings.encoding, crossbar.capabilities)
        layers = [CrossbarLayer(self.crossbars, places, read, settings.layout) for places in placed]
        self.network = CrossbarNetwork(
            layers,
            fresh_digital(settings.hidden, len(split.classes)),
            settings.hidden_gain,
            settings.output_gain,
            settings.constant_level,
        )
        self._compile, self._rule_of = compile_loop, rule_of
        self._fast: SampleLoop | None = None
        self._updaters: list[Updater] = []
        self._rules: list[Rule] = []
        self._pocket: Pocketed | None = None
        self._best = (-math.inf, -1)

    def run(self) -> TrainingResult:
        """Calibrate, train, restore the best state, test.

        Raises:
            ProtocolError: the cells do not switch within the amplitudes allowed.
            SafetyError: the guard stopped an operation.
        """
        prepare(
            self.network, self._read, self._pulse, self._settings, self._rng, self._journal, self._monitor
        )  # fmt: skip
        digital_alone = self._train_digital_alone() if self._settings.digital_alone else None
        self._maps("before", None)
        self._start(self._settings.feedback)
        began, samples = time.perf_counter(), 0
        for epoch in range(self._settings.epochs):
            samples += self._epoch(epoch)
            if self._monitor.should_stop() or self._gave_up(epoch):
                break
        epochs = samples // len(self._split.train_x)
        wall_time = time.perf_counter() - began
        interrupted = self._monitor.should_stop()
        failed = 0
        if self._pocket is not None:
            failed = restore(
                self.network, self._pocket, self._read, self._pulse, self._journal, self._monitor
            )
        maps = self._maps("after", None)
        return self._finish(maps, digital_alone, epochs, samples, wall_time, failed, interrupted)

    def _start(self, feedback: FeedbackSettings | None) -> None:
        """Fresh digital parts, rules and updaters for training from here, with feedback if any."""
        settings, classes = self._settings, len(self._split.classes)
        self.network.digital = fresh_digital(settings.hidden, classes)
        with self._during("statistics", None):
            some = self._split.train_x[:_STATISTICS_SAMPLES]
            self.network.start_statistics(some, settings.normalisers)
        trained = self.network.layers[: settings.trained_layers]
        self._updaters = [
            Updater(
                layer,
                settings.encoding,
                self._pulse,
                settings.audit_every,
                layer_draws(self.seed, number),
                settings.balance,
            )
            for number, layer in enumerate(trained)
        ]
        self._rules = [self._rule_of(layer.inputs, layer.outputs, settings, self._rng) for layer in trained]
        if feedback is not None:
            for one in (block for updater in self._updaters for block in updater.blocks):
                one.feedback = Feedback(
                    one.block, feedback, one.amplitudes, self._read, self._pulse, self._rng
                )
        parts = LoopParts(self.network, self._rules, self._updaters, self._split, settings, self._pulse)
        self._fast = None if self._compile is None else self._compile(parts)

    def _show(self, order: NDArray[np.int64], epoch: int, fall: float, pulse: bool) -> tuple[int, int]:
        """Show the first of some samples, or as many as the compiled loop takes; how many, and violators."""
        if self._fast is not None:
            shown, violators = self._fast.run(order[:_AT_ONCE], fall, pulse)
            if shown > 0:
                return shown, violators
        split = self._split
        violated = self._sample(split.train_x[order[0]], int(split.train_y[order[0]]), epoch, fall, pulse)
        return 1, int(violated)

    def _epoch(self, epoch: int) -> int:
        """One pass over the training part; returns the samples done."""
        settings, split = self._settings, self._split
        fall = settings.rate_share(epoch)
        for updater in self._updaters:
            updater.begin_epoch()
        violators = done = told = 0
        total = len(split.train_x) * settings.epochs
        order = self._rng.permutation(len(split.train_x))
        with self._during("train", epoch):
            while done < len(order) and not self._monitor.should_stop():
                shown, some = self._show(order[done:], epoch, fall, True)
                done += shown
                violators += some
                if done >= told + _TOLD_EVERY:
                    told = done
                    self._monitor.progress("train", epoch * len(split.train_x) + done, total)
        score = self._close_epoch(epoch, done, violators)
        self._monitor.progress(
            "train", epoch * len(split.train_x) + done, total, f"epoch {epoch + 1}, {score.accuracy:.3f}"
        )
        return done

    def _sample(self, features: Floats, label: int, epoch: int, fall: float, pulse: bool) -> bool:
        """Show one sample; returns whether it violated the margin and so changed something."""
        settings, network = self._settings, self.network
        seen = network.forward(features)
        if settings.normalisers:
            network.follow(seen)
        error = np.empty(len(seen.scores))
        if judge_scores(seen.scores, label, error) > settings.margin:
            return False
        errors = network.backward(seen, error)
        if settings.digital_biases and settings.digital_rate > 0.0:
            network.learn_biases(errors, settings.digital_rate * fall)
        if pulse:
            # An output layer that is a code has neither rule nor updater.
            for rule, updater, signal, wanted in zip(
                self._rules, self._updaters, seen.signals, errors, strict=False
            ):
                for factor in rule.observe(signal, wanted, settings.rate * fall):
                    updater.update(factor, epoch)
        return True

    def _close_epoch(self, epoch: int, samples: int, violators: int) -> Score:
        """Measure, record, correct, and pocket the state if it is the best so far.

        Returns:
            The score by which states are compared: of the validation part, or without one of the training
            part.
        """
        settings, held = self._settings, self._validation
        with self._during("monitor", epoch):
            train = evaluate(self.network, self._split.train_x, self._split.train_y)
            score = train if held is None else evaluate(self.network, held.features, held.labels)
        value = score.accuracy + _LIKELIHOOD_WEIGHT * score.log_likelihood
        if value > self._best[0]:
            self._best = value, epoch
            if settings.pocket:
                with self._during("pocket", epoch):
                    part: Literal["training", "validation"] = "training" if held is None else "validation"
                    self._pocket = take(self.network, value, epoch, part)
        for updater in self._updaters:
            updater.close_epoch()
        if self._journal is not None:
            done = Epoch(epoch, samples, violators, train, None if held is None else score)
            record_epoch(self._journal, done, self._updaters, self._rules, self.crossbars)
        if epoch < _ADAPTING_EPOCHS:
            self._adapt_periods(settings.rate_share(epoch))
        return score

    def _adapt_periods(self, share: float) -> None:
        """Let rules that may choose their period bring the peak of a pulse near p0."""
        for rule, updater in zip(self._rules, self._updaters, strict=True):
            if updater.counts.updates:
                peak = updater.counts.peaks / updater.counts.updates / share
                rule.adapt_period(peak, _PEAK_SHARE * self._settings.encoding.probability)

    def _gave_up(self, epoch: int) -> bool:
        """Whether too many epochs passed without a better state."""
        patience = self._settings.patience
        if not 0 < patience <= epoch - self._best[1]:
            return False
        if self._journal is not None:
            self._journal.message(
                "info", f"stopped after epoch {epoch + 1}: no better state for {patience} epochs (patience)"
            )
        return True

    def _train_digital_alone(self) -> float | None:
        """What the digital parts reach on random weights, with no pulse sent; None if asked to stop.

        They start anew afterwards.
        """
        self._start(None)
        settings, split = self._settings, self._split
        order = np.random.default_rng(np.random.SeedSequence([self.seed, 8]))
        for epoch in range(settings.epochs):
            self._monitor.progress("digital parts alone", epoch, settings.epochs)
            fall = settings.rate_share(epoch)
            with self._during("train", -1):
                samples = order.permutation(len(split.train_x))
                while len(samples) and not self._monitor.should_stop():
                    shown, _ = self._show(samples, -1, fall, False)
                    samples = samples[shown:]
            if self._monitor.should_stop():
                return None
        self._monitor.progress("digital parts alone", settings.epochs, settings.epochs)
        with self._during("digital alone", None):
            return evaluate(self.network, split.test_x, split.test_y).accuracy

    def _finish(
        self,
        maps: list[list[ResistanceMap]],
        digital_alone: float | None,
        epochs: int,
        samples: int,
        wall_time: float,
        failed: int,
        interrupted: bool,
    ) -> TrainingResult:
        split = self._split
        with self._during("test", None):
            train = evaluate(self.network, split.train_x, split.train_y)
            test = evaluate(self.network, split.test_x, split.test_y)
        if self._journal is not None:
            self._journal.record_array(
                "confusion", confusion(split.test_y, test.predicted, len(split.classes))
            )
        states = tuple(layer.cells(found) for layer, found in zip(self.network.layers, maps, strict=True))
        settings = self._settings
        trained = TrainedNetwork(
            states, self.network.digital, settings.devices, settings.weights, settings.constant_level
        )
        return TrainingResult(
            trained, test, train, digital_alone, epochs, samples, wall_time, failed, interrupted,
            tuple(updater.audits for updater in self._updaters),
        )  # fmt: skip

    def _maps(self, label: str, epoch: int | None) -> list[list[ResistanceMap]]:
        """Map every tile, layer by layer."""
        maps = []
        for layer in self.network.layers:
            with self._during("map", epoch):
                found = layer.maps()
            maps.append(found)
            if self._journal is not None:
                for block, one in zip(layer.blocks, found, strict=True):
                    self._journal.record_map(block.crossbar.tile, label, epoch, one.resistance, one.state)
        return maps

    def _during(self, purpose: str, epoch: int | None) -> AbstractContextManager[None]:
        return during(self.crossbars, purpose, epoch)
