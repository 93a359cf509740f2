"""The Manhattan rule, a baseline: deterministic pulses that set cells toward the sign of the error.

A violating sample drives every row and every column whose signal is a fair share of the largest with a strong
pulse, so that each cell between them is set, surely, toward the sign of the product. Neither the size of
the error nor chance has a say; what can be tuned is how many lines take part and how seldom this happens.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...drivers.contract import Crossbar, Floats
from ..data import Split, within_training
from ..journal import Monitor
from ..settings import PulseSettings, ReadSettings
from .loop import Trainer
from .rule import Factor, RuleMaker, drop
from .settings import EncodingSettings, TrainingSettings

STRONG = 0.95
"""Switching probability of a select pulse: as sure as the calibration of a die can tell."""
_SURE = 1e9
"""Strength of a factor that asks every cell to switch."""
_VALIDATION = 0.25
_SHORTER = 4
"""Tuning trains for a fourth of the epochs."""


@dataclass(frozen=True)
class ManhattanSettings:
    """What is tuned.

    Attributes:
        every: violators from one update to the next, >= 1.
        threshold: rows and columns below this share of the largest signal stay out, in [0, 1).
    """

    every: int
    threshold: float


CANDIDATES: tuple[ManhattanSettings, ...] = tuple(
    ManhattanSettings(every, threshold) for every, threshold in itertools.product((1, 8, 64), (0.5, 0.9))
)


class SignRule:
    """Signs of a violator's signals and errors, every so often."""

    def __init__(self, settings: ManhattanSettings) -> None:
        self._settings = settings
        self._count = 0
        self.period = settings.every

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """The sample's signs as the factor, when one is due; the rate has no say."""
        del rate
        self._count += 1
        if self._count % self._settings.every:
            return []
        rows, columns = signal.copy(), error.copy()
        drop(rows, self._settings.threshold)
        drop(columns, self._settings.threshold)
        return [Factor(np.sign(rows), np.sign(columns), _SURE)]

    def adapt_period(self, peak: float, wanted: float) -> None:
        """Its period is tuned beforehand."""


def sign_rules(settings: ManhattanSettings) -> RuleMaker:
    """Makes the Manhattan rule of every layer, for a `Trainer`; pulses as of `with_strong_pulses`."""
    return lambda *_: SignRule(settings)


def with_strong_pulses(settings: TrainingSettings) -> TrainingSettings:
    """The same training with select pulses that switch surely, and one slot an update."""
    return replace(settings, encoding=EncodingSettings(probability=STRONG), schedule="per-sample")


def tune_manhattan(
    crossbars: Sequence[Crossbar],
    split: Split,
    read: ReadSettings,
    pulse: PulseSettings,
    settings: TrainingSettings,
    seed: int,
    monitor: Monitor,
) -> ManhattanSettings:
    """The best candidate on a validation part of the training part, on this very chip.

    The test part is not looked at. What the chip held is gone afterwards.

    Args:
        crossbars: tiles of the bench, in its order.
        split: data; its training part is split again.
        read: how to read.
        pulse: how to pulse.
        settings: of the training in situ beside which it stands; tuning takes a fourth of its epochs.
        seed: of the split within and of what the controller draws.
        monitor: shows progress; asked to stop, the best candidate so far is returned.
    """
    validation = within_training(split, _VALIDATION, seed)
    shorter = replace(
        with_strong_pulses(settings),
        epochs=max(1, settings.epochs // _SHORTER),
        audit_every=0,
        balance=False,
        digital_alone=False,
    )
    best, best_score = CANDIDATES[0], -1.0
    for number, candidate in enumerate(CANDIDATES):
        monitor.progress("tune Manhattan", number, len(CANDIDATES))
        trainer = Trainer(
            crossbars, validation, read, pulse, shorter, seed, None, monitor, rule_of=sign_rules(candidate)
        )
        score = trainer.run().test.accuracy
        if monitor.should_stop():
            break
        if score > best_score:
            best, best_score = candidate, score
    return best
