"""A scikit-learn classifier whose weights are cells of a crossbar.

It keeps scikit-learn's conventions without inheriting from it, and imports what is heavy when it is used:
whoever imports `mtjloop.app`, the command line above all, pays for none of it.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .classifier_chip import Chip


class CrossbarClassifier:
    """A network trained in situ on the crossbars of a bench, as a scikit-learn estimator.

    `fit` trains as `mtjloop train` does, on all samples it is given; `predict` reads the crossbars. Features
    are scaled inside, as in an experiment file. On a simulated bench what training left is programmed into
    the same die anew, as `mtjloop infer` does, and once more after a pickle. On a bench of instruments every
    call is a recorded run, which needs a passed `mtjloop check` and `arm=True`; `predict` takes the chip as
    it is.

    Args:
        bench: bench file; None simulates the default die with tiles as large as the network needs.
        hidden: units of each hidden layer.
        devices: cells in parallel on each side of a weight.
        epochs: passes over the samples.
        training: further keys of the section `training` of an experiment file, such as {"rate": 0.002}.
        network: further keys of the section `network`, such as {"weights": "reference"}.
        scaling: "per-feature" or "global".
        random_state: seed of the die, where the bench file leaves it open, and of the controller, >= 0.
        arm: let a bench of instruments be energised.
        runs: directory of the run records; None records nothing, which instruments do not allow.

    Attributes:
        classes_: labels, (classes,).
        n_features_in_: features seen by `fit`.
        network_: states of the cells and digital parts.
        n_epochs_: whole epochs trained.
        cost_: pulses, reads, energy_J and bench_time_s of `fit`.
        failed_cells_: cells that could not be brought to their state when the chip was last written.
    """

    _estimator_type = "classifier"

    def __init__(
        self,
        bench: str | Path | None = None,
        hidden: tuple[int, ...] = (8,),
        devices: int = 2,
        epochs: int = 60,
        training: dict[str, Any] | None = None,
        network: dict[str, Any] | None = None,
        scaling: str = "per-feature",
        random_state: int = 0,
        arm: bool = False,
        runs: str | Path | None = None,
    ) -> None:
        self.bench = bench
        self.hidden = hidden
        self.devices = devices
        self.epochs = epochs
        self.training = training
        self.network = network
        self.scaling = scaling
        self.random_state = random_state
        self.arm = arm
        self.runs = runs

    def fit(self, X: ArrayLike, y: ArrayLike) -> CrossbarClassifier:
        """Train on the crossbars.

        Args:
            X: (samples, features), finite numbers.
            y: class of each sample, (samples,).

        Raises:
            ValueError: samples that are no classification task.
            MtjloopError: the bench or the training cannot do it.
        """
        import numpy as np
        from sklearn.utils.multiclass import check_classification_targets
        from sklearn.utils.validation import validate_data

        from .classifier_chip import train_chip

        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("the samples are of 1 class; a classifier needs at least 2")
        fitted = train_chip(
            self.get_params(), features, np.asarray(codes, dtype=np.int64), len(self.classes_)
        )
        self._stored = fitted.stored
        self.network_, self.n_epochs_, self.cost_ = fitted.stored.network, fitted.epochs, fitted.cost
        self.failed_cells_ = fitted.failed
        self._place()
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Softmax of the outputs read from the crossbars, (samples, classes)."""
        import numpy as np

        z = self.decision_scores(X)
        raised = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class with the largest output, (samples,)."""
        import numpy as np

        best = self.decision_scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def decision_scores(self, X: ArrayLike) -> NDArray[Any]:
        """Outputs read from the crossbars, (samples, classes).

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: other features than those of `fit`.
        """
        import numpy as np
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        chip: Chip = getattr(self, "_chip", None) or self._place()
        return chip.scores(features)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Share of samples whose class is predicted."""
        import numpy as np

        return float(np.mean(self.predict(X) == np.asarray(y)))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Arguments of the constructor by name."""
        del deep
        return {name: getattr(self, name) for name in _names(type(self))}

    def set_params(self, **params: Any) -> CrossbarClassifier:
        """Change arguments of the constructor.

        Raises:
            ValueError: an unknown name.
        """
        names = _names(type(self))
        for name, value in params.items():
            if name not in names:
                raise ValueError(f"Invalid parameter {name!r}; valid parameters are {', '.join(names)}")
            setattr(self, name, value)
        return self

    def _place(self) -> Chip:
        """Have the trained network on its chip again."""
        from .classifier_chip import placed

        self._chip = placed(self._stored)
        if self._chip.live is not None:
            self.failed_cells_ = self._chip.failed
        return self._chip

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_stored")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(),
            # Reads are noisy, so that two predictions of one sample may differ.
            non_deterministic=True,
        )

    def __getstate__(self) -> dict[str, Any]:
        """All but the open chip, which is placed again when it is needed."""
        return {key: value for key, value in self.__dict__.items() if key != "_chip"}

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = ", ".join(
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not defaults[name].default
        )
        return f"{type(self).__name__}({changed})"


def _names(kind: type) -> list[str]:
    return sorted(inspect.signature(kind).parameters)
