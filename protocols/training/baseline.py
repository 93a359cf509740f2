"""The float network of the same shape, trained in software with care."""

import itertools
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..data import Split
from ..journal import Monitor

Activation = Literal["tanh", "relu"]

ACTIVATIONS: tuple[Activation, ...] = ("tanh", "relu")
_DECAYS = (1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 4
_MANY = 2_000
"""Samples above which one held-out part, as large as a fold, tells candidates apart well enough."""
_LARGE = 5_000
"""Weights above which the stochastic solver is used."""


@dataclass(frozen=True)
class FloatBaseline:
    """What the float network reached.

    Attributes:
        test_accuracy: on the test part, 0 to 1.
        train_accuracy: on the training part, 0 to 1.
        weight_decay: chosen on the training part.
        activation: of hidden units, chosen on the training part; None without any.
    """

    test_accuracy: float
    train_accuracy: float
    weight_decay: float
    activation: Activation | None

    @property
    def chosen(self) -> str:
        """What was chosen, in words."""
        decay = f"weight decay {self.weight_decay:g}"
        return decay if self.activation is None else f"{self.activation}, {decay}"


def float_baseline(
    split: Split,
    hidden: tuple[int, ...],
    seed: int,
    monitor: Monitor,
    activations: tuple[Activation, ...] = ACTIVATIONS,
) -> FloatBaseline:
    """Train layers of the same widths in double precision.

    Activation of hidden units and weight decay are chosen together within the training part: by
    cross-validation, or by one held-out part where there are many samples. The test part is touched once,
    at the end.

    Args:
        split: data, scaled as for the chip.
        hidden: units of each hidden layer.
        seed: of parts and first weights.
        monitor: shows progress; asked to stop, the search ends with what it has.
        activations: of hidden units to choose from.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import cross_val_score
    from threadpoolctl import threadpool_limits

    candidates: list[tuple[Activation | None, float]] = [
        (activation, decay) for activation in (activations if hidden else (None,)) for decay in _DECAYS
    ]
    parts = _parts(split, seed)
    best, best_score = candidates[0], -1.0
    # Matrices this small lose time on more than one thread.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A network that still improves after this many steps is no error.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for number, candidate in enumerate(candidates):
            monitor.progress("float baseline", number, len(candidates) + 1)
            model = _model(split, hidden, *candidate, seed)
            score = float(np.mean(cross_val_score(model, split.train_x, split.train_y, cv=parts)))
            if score > best_score:
                best, best_score = candidate, score
            if monitor.should_stop():
                break
        trained = _model(split, hidden, *best, seed)
        trained.fit(split.train_x, split.train_y)
    monitor.progress("float baseline", len(candidates) + 1, len(candidates) + 1)
    activation, decay = best
    return FloatBaseline(
        float(trained.score(split.test_x, split.test_y)),
        float(trained.score(split.train_x, split.train_y)),
        decay,
        activation,
    )


def _model(
    split: Split, hidden: tuple[int, ...], activation: Activation | None, decay: float, seed: int
) -> Any:
    """An untrained classifier of scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    if activation is None:
        return LogisticRegression(C=1.0 / decay, max_iter=2_000)
    sizes = (split.train_x.shape[1], *hidden, len(split.classes))
    large = sum(a * b for a, b in itertools.pairwise(sizes)) > _LARGE
    return MLPClassifier(
        hidden,
        activation=activation,
        solver="adam" if large else "lbfgs",
        alpha=decay,
        max_iter=150 if large else 500,
        random_state=seed % 2**32,
    )


def _parts(split: Split, seed: int) -> Any:
    """Folds, or one held-out part where there are many samples."""
    from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

    if len(split.train_y) > _MANY:
        return StratifiedShuffleSplit(1, test_size=1 / _FOLDS, random_state=seed % 2**32)
    return StratifiedKFold(_folds(split), shuffle=True, random_state=seed % 2**32)


def _folds(split: Split) -> int:
    """As many folds as the smallest class allows."""
    smallest = int(np.bincount(split.train_y).min())
    return max(2, min(_FOLDS, smallest))
