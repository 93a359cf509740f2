"""`CrossbarClassifier` as scikit-learn sees it, and as its users do."""

import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from mtjloop.app import CrossbarClassifier
from mtjloop.app.classifier_chip import placed
from mtjloop.errors import ConfigurationError

# Without read noise two readings of a sample agree, as some checks want; small tiles make fits short.
BENCH = """name: noiseless
backend: simulated
limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}
operation: {search_from: 200 mV}
simulated:
  die: {tiles: [{rows: 21, columns: 16}, {rows: 4, columns: 16}]}
  electronics: {read_noise: 0 A}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH, encoding="utf-8")
    return path


@pytest.fixture
def make(bench: Path) -> Callable[..., CrossbarClassifier]:
    return partial(CrossbarClassifier, bench=str(bench), hidden=(4,), devices=2, epochs=6)


def test_the_checks_of_scikit_learn(make: Callable[..., CrossbarClassifier]) -> None:
    """All that scikit-learn asks of an estimator with these tags.

    By the tag `non_deterministic`, for reads are noisy, it leaves out those that compare two predictions of
    the same sample; without pandas or an array API it skips two that hand over such data.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an estimator that keeps its rules without inheriting
        results = check_estimator(make(), on_fail=None, on_skip=None)
    failed = {one["check_name"]: repr(one["exception"])[:300] for one in results if one["status"] == "failed"}
    assert failed == {}
    assert sum(one["status"] == "passed" for one in results) >= 40


def test_iris_in_cross_validation(make: Callable[..., CrossbarClassifier]) -> None:
    features, labels = load_iris(return_X_y=True)
    scores = cross_val_score(make(epochs=20), features, labels, cv=3)
    assert scores.mean() > 0.85


def test_what_fit_leaves_and_what_a_pickle_keeps(make: Callable[..., CrossbarClassifier]) -> None:
    features, labels = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[labels]
    fitted = make(random_state=4).fit(features, names)
    assert fitted.classes_.tolist() == ["a", "b", "c"]
    assert [one.shape for one in fitted.network_.states] == [(5, 16), (4, 12)]
    assert fitted.cost_["pulses"] > 0 and fitted.cost_["energy_J"] > 0
    chance = fitted.predict_proba(features)
    np.testing.assert_allclose(chance.sum(axis=1), 1.0)
    assert (fitted.classes_[chance.argmax(axis=1)] == fitted.predict(features)).all()
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(again.predict_proba(features), chance)
    assert not hasattr(clone(fitted), "classes_")


def test_every_call_is_a_run_where_runs_are_asked_for(
    make: Callable[..., CrossbarClassifier], tmp_path: Path
) -> None:
    features, labels = load_iris(return_X_y=True)
    fitted = make(runs=str(tmp_path / "runs")).fit(features, labels)
    assert fitted.score(features, labels) > 0.5
    names = sorted(one.name for one in (tmp_path / "runs").iterdir())
    assert [name.split("-")[1] for name in names] == ["fit", "predict"]


def test_cells_that_cannot_be_programmed_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH.replace("die: {tiles", "die: {defects: {stuck_p: 10 %}, tiles"), encoding="utf-8")
    features, labels = load_iris(return_X_y=True)
    fitted = CrossbarClassifier(bench=path, hidden=(4,), devices=2, epochs=3).fit(features, labels)
    assert fitted.failed_cells_ == 0  # training left stuck cells as they are
    network = fitted.network_
    other = replace(network, states=tuple(np.where(one >= 0, 1 - one, one) for one in network.states))
    chip = placed(replace(fitted._stored, network=other))
    assert 0 < chip.failed < 60
    again = pickle.loads(pickle.dumps(fitted))
    again._stored = replace(fitted._stored, network=other)
    again.predict(features)
    assert again.failed_cells_ == chip.failed


def test_a_simulated_chip_remembers_what_the_classifier_left(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH + "  memory: chip.npz\n", encoding="utf-8")
    CrossbarClassifier(bench=path, hidden=(4,), devices=2, epochs=1).fit(*load_iris(return_X_y=True))
    assert (tmp_path / "chip.npz").exists()


def test_without_a_bench_the_default_die_is_large_enough() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((40, 70))
    fitted = CrossbarClassifier(hidden=(4,), devices=1, epochs=1).fit(features, features[:, 0] > 0)
    assert fitted.network_.states[0].shape == (71, 8)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"training": {"rates": 1}}, "training.rates: unknown key"),
        ({"epochs": 0}, "training.epochs: found 0"),
        ({"random_state": -1}, "random_state: found -1"),
        ({"scaling": "none"}, "data.scaling: found 'none'"),
        ({"hidden": (4, 9)}, "layer"),
    ],
)
def test_wrong_parameters(make: Callable[..., CrossbarClassifier], params: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make(**params).fit(*load_iris(return_X_y=True))


def test_instruments_want_runs_and_arming(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "wine" / "bench-2600b-707b.yaml"
    features, labels = load_iris(return_X_y=True)
    with pytest.raises(ConfigurationError, match="what is done to a die must be recorded; give runs"):
        CrossbarClassifier(bench=example).fit(features, labels)
    with pytest.raises(NotFittedError):
        CrossbarClassifier(bench=example).predict(features)


def test_importing_the_application_imports_nothing_heavy() -> None:
    code = "import sys, mtjloop.app; print({'numpy', 'sklearn', 'numba', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
