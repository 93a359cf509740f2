"""The float network of the same shape, trained in software with care."""

import itertools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Split
from ..journal import Monitor

_DECAYS = (1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 4
_LARGE = 5_000
"""Weights above which the stochastic solver is used."""


@dataclass(frozen=True)
class FloatBaseline:
    """What the float network reached: accuracies, and the weight decay chosen on the training part."""

    test_accuracy: float
    train_accuracy: float
    weight_decay: float


def float_baseline(split: Split, hidden: tuple[int, ...], seed: int, monitor: Monitor) -> FloatBaseline:
    """Train tanh layers of the same widths in double precision.

    The weight decay is chosen by cross-validation within the training part; the test part is touched
    once, at the end.

    Args:
        split: data, scaled as for the chip.
        hidden: units of each hidden layer.
        seed: of folds and first weights.
        monitor: shows progress; asked to stop, the search ends with what it has.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    sizes = (split.train_x.shape[1], *hidden, len(split.classes))
    weights = sum(a * b for a, b in itertools.pairwise(sizes))

    def model(decay: float) -> Any:
        if not hidden:
            return LogisticRegression(C=1.0 / decay, max_iter=2_000)
        if weights > _LARGE:
            return MLPClassifier(
                hidden, activation="tanh", solver="adam", alpha=decay, max_iter=150, random_state=seed % 2**32
            )
        return MLPClassifier(
            hidden, activation="tanh", solver="lbfgs", alpha=decay, max_iter=500, random_state=seed % 2**32
        )

    folds = StratifiedKFold(_folds(split), shuffle=True, random_state=seed % 2**32)
    best_decay, best_score = _DECAYS[0], -1.0
    # Matrices this small lose time on more than one thread.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A network that still improves after this many steps is no error.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for number, decay in enumerate(_DECAYS):
            monitor.progress("float baseline", number, len(_DECAYS) + 1)
            score = float(np.mean(cross_val_score(model(decay), split.train_x, split.train_y, cv=folds)))
            if score > best_score:
                best_decay, best_score = decay, score
            if monitor.should_stop():
                break
        trained = model(best_decay)
        trained.fit(split.train_x, split.train_y)
    monitor.progress("float baseline", len(_DECAYS) + 1, len(_DECAYS) + 1)
    return FloatBaseline(
        float(trained.score(split.test_x, split.test_y)),
        float(trained.score(split.train_x, split.train_y)),
        best_decay,
    )


def _folds(split: Split) -> int:
    """As many folds as the smallest class allows."""
    smallest = int(np.bincount(split.train_y).min())
    return max(2, min(_FOLDS, smallest))
