"""Training in situ: samples and errors through the chip, pulses to all cells in parallel."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Crossbar, Floats
from ...errors import StoppedError
from ..calibration import calibrate
from ..data import Split
from ..journal import FinishingMonitor, Journal, Monitor, States
from ..mapping import ResistanceMap
from ..programming import program
from ..selection import row_pulse
from ..settings import PulseSettings, ReadSettings
from .digital import Digital, fresh_digital
from .feedback import Feedback
from .layer import PairLayer
from .network import CrossbarNetwork, judge_scores
from .placement import layer_sizes, record_tiles
from .rule import Rule, make_rule
from .scores import Score, confusion, evaluate
from .settings import TrainingSettings
from .update import Updater

_STATISTICS_SAMPLES = 100
_LIKELIHOOD_WEIGHT = 0.01
"""Weight of the mean log likelihood beside the accuracy when the pocket chooses a state."""


@dataclass(frozen=True)
class TrainedNetwork:
    """What is needed to run the network again.

    Attributes:
        states: of every tile (rows, columns), 1 P, 0 AP, -1 unreadable.
        digital: biases, normalisers, centres.
        devices: cells in parallel on each side of a weight.
    """

    states: tuple[States, ...]
    digital: Digital
    devices: int


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


@dataclass(frozen=True)
class _Pocketed:
    value: float
    epoch: int
    network: TrainedNetwork


class Trainer:
    """A network being trained on crossbars.

    Args:
        crossbars: one a layer, in order.
        split: data.
        read: how to read.
        pulse: how to pulse.
        settings: how to train.
        seed: of everything the controller draws.
        journal: where to record; None records nothing.
        monitor: who watches.

    Raises:
        ConfigurationError: layers do not fit the crossbars.
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
    ) -> None:
        self._split, self._settings, self.seed = split, settings, seed
        self._read, self._pulse = read, pulse
        self._journal, self._monitor = journal, monitor
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
        sizes = layer_sizes(split.train_x.shape[1], settings.hidden, len(split.classes))
        self.crossbars = record_tiles(crossbars, len(sizes), journal)
        layers = [
            PairLayer(crossbar, inputs, outputs, read, settings.devices)
            for crossbar, (inputs, outputs) in zip(self.crossbars, sizes, strict=True)
        ]
        self.network = CrossbarNetwork(
            layers,
            fresh_digital(settings.hidden, len(split.classes)),
            settings.hidden_gain,
            settings.output_gain,
        )
        self._updaters: list[Updater] = []
        self._rules: list[Rule] = []
        self._pocket: _Pocketed | None = None

    def run(self) -> TrainingResult:
        """Calibrate, train, restore the best state, test.

        Raises:
            ProtocolError: the cells do not switch within the amplitudes allowed.
            SafetyError: the guard stopped an operation.
        """
        self._calibrate()
        digital_alone = self._train_digital_alone() if self._settings.digital_alone else None
        self._maps("before", None)
        self._start()
        self._follow_drift()
        began, samples = time.perf_counter(), 0
        for epoch in range(self._settings.epochs):
            samples += self._epoch(epoch)
            if self._monitor.should_stop():
                break
        epochs = samples // len(self._split.train_x)
        wall_time = time.perf_counter() - began
        interrupted = self._monitor.should_stop()
        failed = self._restore()
        maps = self._maps("after", None)
        return self._finish(maps, digital_alone, epochs, samples, wall_time, failed, interrupted)

    def _calibrate(self) -> None:
        for number, layer in enumerate(self.network.layers):
            with layer.crossbar.during("calibrate"):
                found = calibrate(
                    layer.crossbar,
                    self._read,
                    self._pulse,
                    self._settings.encoding.probability,
                    self._rng,
                    self._monitor,
                    f"calibrate tile {number}",
                )
                self._randomise(layer, found.strong)
                layer.calibrate(found, self._rng)
            if self._journal is not None:
                forward, backward = layer.current_steps
                stuck = int((found.levels.stuck >= 0).sum())
                self._journal.message(
                    "warning" if stuck else "info",
                    f"tile {number}: p0 = {self._settings.encoding.probability:g} at "
                    f"{found.to_p.amplitude(self._settings.encoding.probability) * 1e3:.0f} mV (AP to P) and "
                    f"{found.to_ap.amplitude(self._settings.encoding.probability) * 1e3:.0f} mV (P to AP); "
                    f"weight 1 is {forward * 1e6:.1f} uS forward and {backward * 1e6:.1f} uS transposed; "
                    f"{stuck} stuck cells",
                )

    def _randomise(self, layer: PairLayer, strong: float) -> None:
        """Leave each cell P or AP at random: training starts from random weights, not from all alike."""
        rows, columns = layer.crossbar.capabilities.shape
        target = self._rng.integers(0, 2, size=(rows, columns)).astype(np.bool_)
        for polarity in (-1, 1):
            for row in range(rows):
                if self._monitor.should_stop():
                    raise StoppedError(
                        "stopped while the first weights were written; the states are undefined"
                    )
                chosen = target[row] if polarity > 0 else ~target[row]
                if chosen.any():
                    layer.crossbar.apply(
                        row_pulse(
                            row, chosen, polarity, strong, self._pulse.width,
                            self._pulse.program_unselected, rows,
                        )
                    )  # fmt: skip

    def _start(self) -> None:
        """Fresh digital parts, rules and updaters for training from here."""
        settings, classes = self._settings, len(self._split.classes)
        self.network.digital = fresh_digital(settings.hidden, classes)
        with self._during("statistics", None):
            self.network.start_statistics(self._split.train_x[:_STATISTICS_SAMPLES])
        self._updaters = [
            Updater(layer, settings.encoding, self._pulse, settings.audit_every, self._rng)
            for layer in self.network.layers
        ]
        self._rules = [
            make_rule(layer.inputs, layer.outputs, settings, self._rng) for layer in self.network.layers
        ]

    def _follow_drift(self) -> None:
        """Let the select voltage of every layer follow its reference cells, if asked to."""
        settings = self._settings
        if settings.feedback is None:
            return
        for layer, updater in zip(self.network.layers, self._updaters, strict=True):
            updater.feedback = Feedback(
                layer, settings.feedback, updater.amplitudes, self._read, self._pulse, self._rng
            )

    def _epoch(self, epoch: int) -> int:
        """One pass over the training part; returns the samples done."""
        settings, split = self._settings, self._split
        fall = (1.0 - epoch / settings.epochs) ** settings.annealing
        for updater in self._updaters:
            updater.begin_epoch()
        violators = done = 0
        total = len(split.train_x) * settings.epochs
        with self._during("train", epoch):
            for sample in self._rng.permutation(len(split.train_x)):
                if self._monitor.should_stop():
                    break
                violators += self._sample(
                    split.train_x[sample], int(split.train_y[sample]), epoch, fall, True
                )
                done += 1
                if done % 16 == 0:
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
        network.follow(seen)
        error = np.empty(len(seen.scores))
        if judge_scores(seen.scores, label, error) > settings.margin:
            return False
        errors = network.backward(seen, error)
        if settings.digital_rate > 0.0:
            network.learn_biases(errors, settings.digital_rate * fall)
        if pulse:
            for rule, updater, signal, wanted in zip(
                self._rules, self._updaters, seen.signals, errors, strict=True
            ):
                for factor in rule.observe(signal, wanted, settings.rate * fall):
                    updater.update(factor, epoch)
        return True

    def _close_epoch(self, epoch: int, samples: int, violators: int) -> Score:
        """Measure, record, and pocket the state if it is the best so far on the training part."""
        with self._during("monitor", epoch):
            score = evaluate(self.network, self._split.train_x, self._split.train_y)
        value = score.accuracy + _LIKELIHOOD_WEIGHT * score.log_likelihood
        if self._settings.pocket and (self._pocket is None or value > self._pocket.value):
            with self._during("pocket", epoch):
                states = tuple(layer.map().state for layer in self.network.layers)
            trained = TrainedNetwork(states, self.network.digital, self._settings.devices)
            self._pocket = _Pocketed(value, epoch, trained)
        if self._journal is not None:
            self._record_epoch(self._journal, epoch, samples, violators, score)
        return score

    def _record_epoch(self, journal: Journal, epoch: int, samples: int, violators: int, score: Score) -> None:
        counts = [updater.counts for updater in self._updaters]
        tallies = [updater.audit.total() for updater in self._updaters]
        updates = sum(one.updates for one in counts)
        resting = sum(one.resting for one in tallies)
        journal.record_metrics(
            epoch,
            {
                "train_accuracy": score.accuracy,
                "train_log_likelihood": score.log_likelihood,
                "violators": violators / max(samples, 1),
                "pulses": float(sum(one.pulses for one in counts)),
                "clipped_share": sum(one.clipped for one in counts) / max(updates, 1),
                "audited_requested_flips": sum(one.requested for one in tallies),
                "audited_flips": float(sum(one.switched for one in tallies)),
                "audited_disturb": sum(one.unasked for one in tallies) / max(resting, 1),
                "energy": sum(crossbar.totals.energy for crossbar in self.crossbars),
                "bench_time": sum(crossbar.totals.elapsed for crossbar in self.crossbars),
            },
        )
        for number, updater in enumerate(self._updaters):
            if updater.feedback is not None:
                drift = updater.feedback.drift
                journal.record_metrics(
                    epoch, {f"drift_to_p_{number}": drift[1], f"drift_to_ap_{number}": drift[-1]}
                )
            updater.audit.write(journal, number, number, epoch)

    def _train_digital_alone(self) -> float | None:
        """What the digital parts reach on random weights, with no pulse sent; None if asked to stop.

        They start anew afterwards.
        """
        self._start()
        settings, split = self._settings, self._split
        order = np.random.default_rng(np.random.SeedSequence([self.seed, 8]))
        for epoch in range(settings.epochs):
            self._monitor.progress("digital parts alone", epoch, settings.epochs)
            fall = (1.0 - epoch / settings.epochs) ** settings.annealing
            with self._during("train", -1):
                for sample in order.permutation(len(split.train_x)):
                    if self._monitor.should_stop():
                        break
                    self._sample(split.train_x[sample], int(split.train_y[sample]), -1, fall, False)
            if self._monitor.should_stop():
                return None
        self._monitor.progress("digital parts alone", settings.epochs, settings.epochs)
        with self._during("digital alone", None):
            return evaluate(self.network, split.test_x, split.test_y).accuracy

    def _restore(self) -> int:
        """Bring chip and controller back to the pocketed state; returns cells that would not follow."""
        if self._pocket is None:
            return 0
        failed = 0
        self.network.digital = self._pocket.network.digital
        for number, (layer, states) in enumerate(
            zip(self.network.layers, self._pocket.network.states, strict=True)
        ):
            target = np.where(layer.used() & (layer.calibration.levels.stuck < 0), states, -1).astype(np.int8)
            with layer.crossbar.during("restore"):
                report = program(
                    layer.crossbar,
                    target,
                    layer.calibration,
                    self._read,
                    self._pulse,
                    FinishingMonitor(self._monitor),
                    f"restore tile {number}",
                )
            failed += len(report.failed)
        if self._journal is not None:
            self._journal.message(
                "warning" if failed else "info",
                f"restored the best state on the training part, of epoch {self._pocket.epoch + 1}; "
                f"{failed} cells did not follow",
            )
        return failed

    def _finish(
        self,
        maps: list[ResistanceMap],
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
        states = tuple(one.state for one in maps)
        trained = TrainedNetwork(states, self.network.digital, self._settings.devices)
        return TrainingResult(
            trained, test, train, digital_alone, epochs, samples, wall_time, failed, interrupted
        )

    def _maps(self, label: str, epoch: int | None) -> list[ResistanceMap]:
        maps = []
        for layer in self.network.layers:
            with layer.crossbar.during("map", epoch):
                found = layer.map()
            maps.append(found)
            if self._journal is not None:
                self._journal.record_map(layer.crossbar.tile, label, epoch, found.resistance, found.state)
        return maps

    @contextmanager
    def _during(self, purpose: str, epoch: int | None) -> Iterator[None]:
        with ExitStack() as stack:
            for crossbar in self.crossbars:
                stack.enter_context(crossbar.during(purpose, epoch))
            yield
