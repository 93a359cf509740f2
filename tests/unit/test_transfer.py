"""Networks trained elsewhere: their file, their way onto crossbars, the command."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mtjloop.app.main import app
from mtjloop.app.transfer_file import read_foreign_network
from mtjloop.drivers.contract import Bias, Reading
from mtjloop.errors import ConfigurationError
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.recorded import RecordedCrossbar
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.transfer import (
    ForeignNetwork,
    TransferredNetwork,
    ideal_product,
    scores,
)

from .conftest import IdealCrossbar

READ = ReadSettings(voltage=0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
SOUND: dict[str, Any] = {
    "W0": np.array([[1, -1, 0], [0, 1, -1]]),
    "W1": np.array([[1, -1], [-1, 1], [1, 1]]),
    "b0": np.array([0.1, -0.2, 0.0]),
    "b1": np.array([0.0, 0.3]),
    "activation": "tanh",
    "gain": 1.0,
}
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"W0": None}, "W0 is missing; found W1, activation, b0, b1, gain"),
    ({"W0": np.array([[1, 2, 0], [0, 1, -1]])}, r"W0\[0, 1\] is 2; weights of -1, 0 and 1 are accepted"),
    ({"W0": np.array([[np.nan, 1, 0], [0, 1, -1]])}, "W0 holds a value that is not finite"),
    ({"W0": np.array([1, -1])}, r"W0 has shape \(2,\); \(inputs, outputs\) is accepted"),
    ({"W0": np.array([["a"]])}, "W0 holds <U1; numbers are accepted"),
    ({"W1": np.ones((2, 2))}, r"W1 has 2 inputs \(rows\); W0 has 3 outputs"),
    ({"W3": np.ones((2, 2))}, "W3 is there and W2 is not"),
    ({"b2": np.ones(2)}, "b2 belongs to no layer; the last one is W1"),
    ({"b0": np.ones(2)}, r"b0 has shape \(2,\); \(3,\) is accepted"),
    ({"activation": "softplus"}, "activation: found 'softplus'; accepted are tanh, sigmoid"),
    ({"activation": None}, "activation is missing"),
    ({"gain": np.ones(3)}, r"gain: found \[1.0, 1.0, 1.0\]; accepted is one number > 0, 2 of them"),
    ({"gain": -1.0}, r"gain: found \[-1.0\]"),
    ({"gain": "fit"}, "gain: found 'fit'; accepted is .* or 'calibrate'"),
    ({"scale": np.zeros(2)}, "scale: the smallest is 0"),
    ({"weights": np.ones(2)}, "unknown key weights; accepted are W0, W1"),
]


def write(path: Path, **changes: Any) -> Path:
    kept = {key: value for key, value in {**SOUND, **changes}.items() if value is not None}
    np.savez(path, **kept)
    return path


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_wrong_network_file_is_answered_with_key_and_value(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_foreign_network(write(tmp_path / "n.npz", **change))


@pytest.mark.parametrize("gain", [2.0, np.array([2.0, 2.0])])
def test_a_file_gives_weights_biases_and_gains(tmp_path: Path, gain: Any) -> None:
    found = read_foreign_network(write(tmp_path / "n.npz", gain=gain, b1=None))
    assert found.sizes == (2, 3, 2)
    assert found.gains == (2.0, 2.0)
    assert found.biases[1].tolist() == [0.0, 0.0]
    assert read_foreign_network(write(tmp_path / "m.npz", gain="calibrate")).gains is None


def test_other_files_are_no_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such network file"):
        read_foreign_network(tmp_path / "none.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(ConfigurationError, match="a single array"):
        read_foreign_network(tmp_path / "one.npy")
    (tmp_path / "text.npz").write_text("W0")
    with pytest.raises(ConfigurationError, match="no NPZ file of plain arrays"):
        read_foreign_network(tmp_path / "text.npz")


def test_a_forward_pass_by_hand() -> None:
    network = _network(gains=(2.0, 0.5))
    x = np.array([[0.4, -0.6]])
    hidden = np.tanh(np.array([0.4 / 2 + 0.1, (-0.4 - 0.6) / 2 - 0.2, 0.6 / 2]))
    wanted = [
        (hidden[0] - hidden[1] + hidden[2]) / 0.5,
        (-hidden[0] + hidden[1] + hidden[2]) / 0.5 + 0.3,
    ]
    np.testing.assert_allclose(scores(network, (2.0, 0.5), x, ideal_product(network))[0], wanted)


def test_a_weight_of_0_rests_with_both_sides_ap() -> None:
    chip = _on(lambda rows, columns: IdealCrossbar(rows, columns), _network(None))
    found = chip.layers[0].cells(chip.layers[0].maps())
    assert found.tolist() == [[1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1]]


class Drooping(IdealCrossbar):
    """With more than one line driven, only a share of the current arrives."""

    share = 0.8

    def read(self, bias: Bias) -> Reading:
        found = super().read(bias)
        driven = np.count_nonzero(np.atleast_2d(bias.levels), axis=1)
        lost = np.where(driven > 1, self.share, 1.0)
        currents = found.currents * (lost[:, None] if found.currents.ndim == 2 else lost[0])
        return Reading(currents, found.noise, found.elapsed)


def test_the_chip_computes_what_the_network_says() -> None:
    chip = _on(lambda rows, columns: IdealCrossbar(rows, columns), _network((2.0, 0.5)))
    features = np.random.default_rng(1).uniform(-1.0, 1.0, (20, 2))
    wanted = scores(chip.network, (2.0, 0.5), features, ideal_product(chip.network))
    np.testing.assert_allclose(chip.scores(features), wanted, atol=1e-9)


def test_gains_found_on_the_chip_undo_a_droop() -> None:
    chip = _on(lambda rows, columns: Drooping(rows, columns), _network((2.0, 0.5)))
    features = np.random.default_rng(1).uniform(0.1, 1.0, (20, 2))
    wanted = scores(chip.network, (2.0, 0.5), features, ideal_product(chip.network))
    assert np.abs(chip.scores(features) - wanted).max() > 0.1
    assert chip.find_gains(features) == pytest.approx((1.6, 0.4))
    np.testing.assert_allclose(chip.scores(features), wanted, atol=1e-9)


def test_cells_that_do_not_follow_are_counted() -> None:
    stuck = {(0, 0): 0, (1, 1): 0}  # in the first tile (1, 1) is to be AP anyway, in the second both are not
    chip = _on(lambda rows, columns: IdealCrossbar(rows, columns, stuck=stuck), _network(None), write=False)
    report = chip.write(chip.network, SilentMonitor())
    assert (report.failed, report.cells) == (1 + 2, 12 + 12)


def test_the_command_runs_a_network_through_an_array(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(
        "name: b\nbackend: simulated\n"
        "limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}\n"
        "simulated: {die: {tiles: [{rows: 2, columns: 6}, {rows: 3, columns: 4}]}}\n"
    )
    write(tmp_path / "n.npz", gain="calibrate")
    features = np.random.default_rng(3).uniform(-1.0, 1.0, (40, 2))
    network = _network(None)
    labels = scores(network, (1.0, 1.0), features, ideal_product(network)).argmax(axis=1)
    np.savez(tmp_path / "data.npz", X=features, y=labels)
    where = [str(tmp_path / "bench.yaml"), str(tmp_path / "n.npz")]
    options = ["--data", str(tmp_path / "data.npz"), "--runs", str(tmp_path / "runs")]
    done = CliRunner().invoke(app, ["transfer", *where, *options, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["ideal_accuracy"] == 1.0
    assert result["accuracy"] >= 0.9
    assert result["failed_cells"] == 0
    expected = hashlib.sha256((tmp_path / "n.npz").read_bytes()).hexdigest()
    assert result["network_file_sha256"] == expected
    assert result["gains_found_on_chip"] and all(0.8 < one < 1.1 for one in result["gains"])
    wrong = CliRunner().invoke(app, ["transfer", *where, "--data", "iris", *options[2:]])
    assert wrong.exit_code == 2
    assert "4 features; W0 takes 2" in wrong.stderr


def _network(gains: tuple[float, ...] | None) -> ForeignNetwork:
    return ForeignNetwork(
        (SOUND["W0"].astype(np.int8), SOUND["W1"].astype(np.int8)),
        (SOUND["b0"], SOUND["b1"]),
        "tanh",
        gains,
        np.zeros(2),
        np.ones(2),
    )


def _on(
    make: Callable[[int, int], IdealCrossbar], network: ForeignNetwork, write: bool = True
) -> TransferredNetwork:
    crossbars = [RecordedCrossbar(make(*shape), k) for k, shape in enumerate(((2, 6), (3, 4)))]
    chip = TransferredNetwork(crossbars, network, READ, PULSE)
    chip.prepare(np.random.default_rng(0), SilentMonitor())
    if write:
        assert chip.write(network, SilentMonitor()).failed == 0
    return chip
