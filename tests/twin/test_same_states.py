"""A network trained through the twin, over real PyVISA, ends in the states of the `simulated` backend."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.app.experiment_file import operation_settings, read_experiment_file
from mtjloop.app.plan_command import plan
from mtjloop.app.twin_command import pointed_to
from mtjloop.drivers.bench import Bench, BenchDescription, BenchFile, open_bench
from mtjloop.drivers.emulated import serve_bench
from mtjloop.drivers.guard import Guard
from mtjloop.drivers.qualification import check_passively
from mtjloop.drivers.simulated import SimulatedCrossbar
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.training.loop import Trainer, TrainingResult
from mtjloop.records.reader import RunReader
from mtjloop.records.run import RunRecorder

EXAMPLES = Path(__file__).parents[2] / "examples" / "wine"
BENCH = EXAMPLES / "bench-2600b-707b.yaml"
SEED, SAMPLES = 3, 24

# One device a side, so that every map is a quarter shorter; a ramp that starts near its end; no noise.
CHANGES = (
    ("columns: [matrix.2.3-12, matrix.3.1-12, matrix.4.1-2]", "columns: [matrix.2.3-12, matrix.3.1-2]"),
    ("columns: [matrix.4.9-12, matrix.5.1-8]", "columns: [matrix.4.9-12, matrix.5.1-2]"),
    ("{rows: 14, columns: 24}", "{rows: 14, columns: 12}"),
    ("{rows: 6, columns: 12}", "{rows: 6, columns: 6}"),
    ("search_from: 100 mV", "search_from: 300 mV"),
    ('"TCPIP0::192.168.0.10::5025::SOCKET"', '"TCPIP0::192.168.0.10::5025::SOCKET", numbers: real64'),
    ("read_noise: 200 nA", "read_noise: 0 A"),
    ("settle: 1 ms", "settle: 1 ms\n  read_noise: 0 A"),
)


@dataclass
class Trained:
    """How training ended: what the controller knows, what it spent, and the true states of every tile."""

    result: TrainingResult
    pulses: list[int]
    reads: list[int]
    elapsed: float
    states: list[NDArray[np.int8]]


def described(backend: str) -> BenchDescription:
    text = BENCH.read_text(encoding="utf-8").replace("backend: smu", f"backend: {backend}")
    for found, wanted in CHANGES:
        assert found in text
        text = text.replace(found, wanted)
    return BenchDescription(BENCH, text, parse_yaml(text, BENCH.name, BenchFile))


def train(bench: Bench, description: BenchDescription, journal: RunRecorder | None = None) -> Trained:
    """Two epochs over some samples of Wine, the restored best state included."""
    experiment = read_experiment_file(EXAMPLES / "experiment.yaml")
    split = experiment.load_split(SEED)
    some = slice(0, SAMPLES)
    split = replace(
        split,
        train_x=split.train_x[some],
        train_y=split.train_y[some],
        test_x=split.test_x[:6],
        test_y=split.test_y[:6],
    )
    settings = replace(
        experiment.training_settings(), devices=1, epochs=2, digital_alone=False, audit_every=0
    )
    read, pulse = operation_settings(description.content)
    trainer = Trainer(bench.crossbars, split, read, pulse, settings, SEED, journal, SilentMonitor())
    result = trainer.run()
    totals = [one.totals for one in trainer.crossbars]
    return Trained(
        result, [one.pulses for one in totals], [one.reads for one in totals],
        sum(one.elapsed for one in totals), [],
    )  # fmt: skip


def hidden(bench: Bench) -> list[NDArray[np.int8]]:
    states = []
    for crossbar in bench.crossbars:
        assert isinstance(crossbar, Guard)
        inner = crossbar._crossbar
        assert isinstance(inner, SimulatedCrossbar)
        states.append(inner.array.state)
    return states


def planned_epoch(place: Path, directory: Path) -> tuple[float, float]:
    """Bench time of the second epoch: from the plan's costs and what the epoch did, and as it was, s."""
    (place / "bench.yaml").write_text(described("smu").text, encoding="utf-8")
    experiment = (EXAMPLES / "experiment.yaml").read_text(encoding="utf-8")
    (place / "experiment.yaml").write_text(experiment.replace("devices: 2", "devices: 1"), encoding="utf-8")
    planned = plan(place / "bench.yaml", place / "experiment.yaml", SEED)
    layers = planned["layers"]
    assert isinstance(layers, list)
    forward, backward, update, mapping = (
        sum(layer[kind]["seconds"] for layer in layers if kind in layer)
        for kind in ("forward", "backward", "update", "map")
    )
    pulse = update / sum(layer["update"]["pulses"] for layer in layers)
    with RunReader(directory) as reader:
        metrics = {name: values[1] for name, values in reader.metrics().items()}
    value = metrics["train_accuracy"] + 0.01 * metrics["train_log_likelihood"]
    maps = float(value[1] > value[0])  # the pocket takes a map of a better state
    wanted = 2 * SAMPLES * forward + metrics["violators"][1] * SAMPLES * backward
    wanted += metrics["pulses"][1] * pulse + maps * mapping
    return wanted, metrics["bench_time"][1] - metrics["bench_time"][0]


def test_training_through_the_twin_ends_in_the_states_of_the_simulated_backend(tmp_path: Path) -> None:
    description = described("simulated")
    with open_bench(description, SEED) as bench:
        simulated = train(bench, description)
        simulated.states = hidden(bench)
    with serve_bench(described("smu"), SEED, noise=False) as served:
        text = pointed_to(described("smu"), served, BENCH)
        description = BenchDescription(BENCH, text, parse_yaml(text, BENCH.name, BenchFile))
        checked = check_passively(description).qualification
        with open_bench(description, SEED) as bench:
            bench.arm(checked)
            began = served.bench.timeline.seconds
            with RunRecorder.create(
                tmp_path, command="train", name="t", backend="smu", hardware=False
            ) as run:
                twin = train(bench, description, run)
            passed = served.bench.timeline.seconds - began
        twin.states = [served.bench.arrays[number].state for number in range(2)]
        assert not served.bench.warnings
        assert served.bench.hot_switches == 0
    assert twin.pulses == simulated.pulses
    assert twin.reads == simulated.reads
    for one, other in zip(twin.states, simulated.states, strict=True):
        assert (one == other).all()
    for found, wanted in zip(twin.result.network.states, simulated.result.network.states, strict=True):
        assert (found == wanted).all()
    # With numbers in full precision not only the states agree, but every read that led to them.
    for part, same in zip(
        twin.result.network.digital.hidden, simulated.result.network.digital.hidden, strict=True
    ):
        assert (part.mean_square == same.mean_square).all()
        assert (part.bias == same.bias).all()
    bias = simulated.result.network.digital.output_bias
    assert (twin.result.network.digital.output_bias == bias).all()
    # What the backend says an operation took is what the instruments let pass.
    assert twin.elapsed == pytest.approx(passed, rel=1e-6)
    planned, took = planned_epoch(tmp_path, run.directory)
    assert took == pytest.approx(planned, rel=0.05)
