"""The restricted Boltzmann machine: energies against enumeration, learning, the command."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from mtjloop.app.main import app
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.rbm import (
    ChipCouplings,
    ContrastiveDivergence,
    FloatCouplings,
    Machine,
    RbmSettings,
    judge,
)
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.settings import TrainingSettings

from ..layers import weights_of
from .conftest import IdealCrossbar as PlainCrossbar

READ = ReadSettings(voltage=0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
RULE = TrainingSettings(hidden=(), rate=0.02, memory=0.8, period=8, rank=2, threshold=0.2, audit_every=0)
SETTINGS = RbmSettings(hidden=6, epochs=12, batch=4, gain=4.0, training=RULE)


def bars(count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Images of 3 x 3 with a row on (class 0) or a column on (class 1), a little noisy."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, count)
    images = np.zeros((count, 3, 3))
    for image, label, place in zip(images, labels, rng.integers(0, 3, count), strict=True):
        if label:
            image[:, place] = 1.0
        else:
            image[place] = 1.0
    return np.abs(images.reshape(count, 9) - 0.05), labels


def random_machine(seed: int = 0) -> Machine:
    rng = np.random.default_rng(seed)
    couplings = FloatCouplings(6, 4, 0.1, rng)
    couplings.weights = rng.standard_normal((6, 4))
    return Machine(
        couplings, 4, 2, 0.7, rng.standard_normal(6), rng.standard_normal(4), rng.random(6), rng.random(4)
    )


def weight_of(machine: Machine, visible: NDArray[np.float64], hidden: NDArray[np.float64]) -> float:
    """exp(-E) of the centred energy, written down directly."""
    assert isinstance(machine.couplings, FloatCouplings)
    product = (
        (visible - machine.visible_centre) @ machine.couplings.weights @ (hidden - machine.hidden_centre)
    )
    return float(
        np.exp(machine.gain * product + visible @ machine.visible_bias + hidden @ machine.hidden_bias)
    )


def test_classes_are_weighed_by_the_free_energy() -> None:
    machine = random_machine()
    pixels = np.random.default_rng(1).random(4)
    sums = [
        sum(
            weight_of(machine, np.concatenate([pixels, label]), np.array(hidden, dtype=float))
            for hidden in itertools.product((0, 1), repeat=4)
        )
        for label in np.eye(2)
    ]
    scores = machine.label_scores(pixels[None])[0]
    assert scores[1] - scores[0] == pytest.approx(np.log(sums[1] / sums[0]))


def test_chances_of_units_are_those_of_the_energy() -> None:
    machine = random_machine(2)
    rng = np.random.default_rng(4)
    visible, hidden = rng.integers(0, 2, 6).astype(float), rng.integers(0, 2, 4).astype(float)
    visible[4:] = [1.0, 0.0]
    for unit in range(4):
        on, off = hidden.copy(), hidden.copy()
        on[unit], off[unit] = 1.0, 0.0
        weights = weight_of(machine, visible, on), weight_of(machine, visible, off)
        expected = weights[0] / sum(weights)
        assert machine.hidden_chances(visible[None])[0, unit] == pytest.approx(expected)
    for unit in range(4):
        on, off = visible.copy(), visible.copy()
        on[unit], off[unit] = 1.0, 0.0
        weights = weight_of(machine, on, hidden), weight_of(machine, off, hidden)
        assert machine.visible_chances(hidden[None])[0, unit] == pytest.approx(weights[0] / sum(weights))
    labels = [weight_of(machine, np.concatenate([visible[:4], label]), hidden) for label in np.eye(2)]
    np.testing.assert_allclose(machine.visible_chances(hidden[None])[0, 4:], np.array(labels) / sum(labels))


def test_the_float_machine_learns_bars() -> None:
    images, labels = bars(120)
    couplings = FloatCouplings(11, 6, 0.3, np.random.default_rng(0))
    learner = ContrastiveDivergence(
        couplings, images, labels, 2, RbmSettings(hidden=6, epochs=60, batch=4, gain=np.sqrt(11)), 0
    )
    for epoch in range(60):
        assert learner.epoch(epoch, SilentMonitor()) == 120
    score = judge(learner.machine, images, labels)
    assert score.accuracy > 0.95
    assert score.reconstruction < 0.3 * np.mean((images - images.mean(axis=0)) ** 2)


def test_a_machine_on_a_crossbar_learns_bars_by_pulses() -> None:
    images, labels = bars(120)
    crossbar = PlainCrossbar(11, 12)
    couplings = ChipCouplings([crossbar], 11, SETTINGS, READ, PULSE, 0, None, SilentMonitor())
    weights = weights_of(couplings.layer)
    signals = np.random.default_rng(5).uniform(-1.0, 1.0, (3, 11))
    np.testing.assert_allclose(couplings.forward(signals), signals @ weights, atol=1e-9)
    np.testing.assert_allclose(couplings.backward(signals[:, :6]), signals[:, :6] @ weights.T, atol=1e-9)
    learner = ContrastiveDivergence(couplings, images, labels, 2, SETTINGS, 0)
    before = judge(learner.machine, images, labels)
    for epoch in range(SETTINGS.epochs):
        learner.epoch(epoch, SilentMonitor())
    after = judge(learner.machine, images, labels)
    assert (weights_of(couplings.layer) != weights).mean() > 0.1
    assert after.reconstruction < 0.75 * before.reconstruction
    assert after.reconstruction < 0.5 * np.mean((images - images.mean(axis=0)) ** 2)


def test_both_phases_reach_the_rule_with_opposite_signs() -> None:
    seen: list[tuple[NDArray[np.float64], NDArray[np.float64], float]] = []

    class Watching(FloatCouplings):
        def learn(
            self,
            visible: NDArray[np.float64],
            hidden: NDArray[np.float64],
            sign: float,
            share: float,
            epoch: int,
        ) -> None:
            seen.append((visible.copy(), hidden.copy(), sign))

    images, labels = bars(8)
    learner = ContrastiveDivergence(
        Watching(11, 6, 0.1, np.random.default_rng(0)), images, labels, 2, SETTINGS, 0
    )
    learner.epoch(0, SilentMonitor())
    assert [sign for _, _, sign in seen] == [1.0, -1.0] * 8
    positive = np.array([visible for visible, _, sign in seen if sign > 0])
    # Centred data: over all samples the positive phase has no mean.
    np.testing.assert_allclose(positive.mean(axis=0), 0.0, atol=1e-12)


def test_train_takes_an_experiment_with_a_machine(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(
        "name: b\nbackend: simulated\n"
        "limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}\n"
        "operation: {search_from: 200 mV}\n"
        "simulated: {die: {tiles: [{rows: 7, columns: 10}]}}\n"
    )
    text = "name: m\ndata: {source: iris}\nrbm: {hidden: 5, epochs: 3, label_lines: 1}\n"
    (tmp_path / "machine.yaml").write_text(text)
    files = [str(tmp_path / "bench.yaml"), str(tmp_path / "machine.yaml"), "--runs", str(tmp_path / "runs")]
    done = CliRunner().invoke(app, ["train", *files, "--json", "--report"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["kind"] == "rbm"
    assert result["network"] == "4+3 visible, 5 hidden"
    assert result["epochs"] == 3
    assert result["pulses"] > 0 and result["reads"] > 0
    assert result["float_feature_test_accuracy"] > 0.7
    assert 0.0 < result["reconstruction_error"] < 0.2
    assert Path(result["report"]).exists()
    (tmp_path / "machine.yaml").write_text(text.replace("hidden: 5", "hidden: 5, rates: 1"))
    wrong = CliRunner().invoke(app, ["train", *files])
    assert wrong.exit_code == 2
    assert "rbm.rates: unknown key" in wrong.stderr
