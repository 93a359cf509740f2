"""Feedback in training: reference cells are measured again, and the select voltage follows their drift."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtjloop.app.experiment_file import read_experiment_file
from mtjloop.app.init_command import template
from mtjloop.drivers.contract import Applied, Pulse
from mtjloop.protocols.calibration import calibrate
from mtjloop.protocols.data import load_data, split_data
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.recorded import RecordedCrossbar
from mtjloop.protocols.selection import TO_AP, TO_P
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.block import Block
from mtjloop.protocols.training.feedback import Feedback
from mtjloop.protocols.training.loop import Trainer
from mtjloop.protocols.training.placement import Place
from mtjloop.protocols.training.settings import FeedbackSettings, TrainingSettings
from mtjloop.protocols.training.weights import WeightLayout

Ideal = Callable[..., Any]
READ = ReadSettings(0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
AMPLITUDES = {TO_P: 0.3, TO_AP: 0.3}
SETTINGS = FeedbackSettings(every=2, cells=10, trials=40, gain=0.5)


def feedback_on(crossbar: Any, inputs: int, outputs: int) -> tuple[Feedback, Block]:
    tile = RecordedCrossbar(crossbar, 0)
    layer = Block(tile, Place(0, 0, inputs, 0, outputs), WeightLayout(), READ)
    found = calibrate(tile, READ, PULSE, 0.5, np.random.default_rng(1), SilentMonitor())
    layer.calibrate(found, np.random.default_rng(2))
    return Feedback(layer, SETTINGS, AMPLITUDES, READ, PULSE, np.random.default_rng(3)), layer


@pytest.mark.parametrize("shift", [0.0, 0.03])
def test_the_voltage_follows_a_drift_of_the_tile(ideal: Ideal, shift: float) -> None:
    crossbar = ideal(6, 8, median_voltage=0.3)
    feedback, _ = feedback_on(crossbar, 6, 3)
    crossbar.median_voltage = 0.3 * (1.0 + shift)
    for _ in range(16):
        found = feedback.amplitudes(0)
    # 400 trials tell the log hazard to 0.07, which is 0.4 % of a voltage at this slope.
    for polarity in (TO_P, TO_AP):
        assert found[polarity] == pytest.approx(0.3 * (1.0 + shift), rel=0.01)


def test_a_correction_stays_within_bounds(ideal: Ideal) -> None:
    crossbar = ideal(6, 8, median_voltage=0.3)
    feedback, _ = feedback_on(crossbar, 6, 3)
    crossbar.median_voltage = 0.6
    for _ in range(40):
        found = feedback.amplitudes(0)
    assert max(found.values()) <= 0.33 + 1e-9


def test_unused_cells_are_taken_and_weights_stay(ideal: Ideal) -> None:
    crossbar = ideal(6, 8, median_voltage=0.3)
    feedback, _ = feedback_on(crossbar, 6, 3)
    before = crossbar.state.copy()
    feedback.amplitudes(0)
    feedback.amplitudes(0)
    # Columns 6 and 7 hold no weights; half-selected weights of this crossbar flip in one of a million.
    assert (crossbar.state[:, :6] == before[:, :6]).all()


def test_weights_that_serve_as_reference_are_put_back(ideal: Ideal) -> None:
    crossbar = ideal(6, 8, median_voltage=0.3)
    feedback, _ = feedback_on(crossbar, 6, 4)
    before = crossbar.state.copy()
    for _ in range(4):
        feedback.amplitudes(0)
    assert (crossbar.state == before).all()


def test_training_measures_every_so_many_updates(ideal: Ideal, monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_data(load_data("iris"), 0.3, "per-feature", 0)
    settings = TrainingSettings(
        hidden=(), epochs=2, audit_every=0, feedback=replace(SETTINGS, every=10, trials=2)
    )
    trainer = Trainer([ideal(6, 8)], split, READ, PULSE, settings, 0, None, SilentMonitor())
    purposes: list[str] = []
    tile = trainer.crossbars[0]
    apply = tile.crossbar.apply

    def noted(pulse: Pulse) -> Applied:
        purposes.append(tile._purpose)
        return apply(pulse)

    monkeypatch.setattr(tile.crossbar, "apply", noted)
    trainer.run()
    updates = purposes.count("train")
    assert updates > 20
    # Ten reference cells lie in at least five rows; each trial is a reset and a pulse for both polarities.
    assert purposes.count("feedback") >= 2 * 2 * 2 * (4 + 1)


def test_the_experiment_file_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        template("experiment.yaml").replace(
            "  pocket: true", "  feedback: {every: 300, cells: 4}\n  pocket: true"
        )
    )
    found = read_experiment_file(path).training_settings().feedback
    assert found == FeedbackSettings(every=300, cells=4)
    path.write_text(template("experiment.yaml"))
    assert read_experiment_file(path).training_settings().feedback is None
