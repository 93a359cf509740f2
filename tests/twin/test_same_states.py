"""A network trained through the twin, over real PyVISA, ends in the states of the `simulated` backend."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.app.experiment_file import operation_settings, read_experiment_file
from mtjloop.app.twin_command import pointed_to
from mtjloop.drivers.bench import Bench, BenchDescription, BenchFile, open_bench
from mtjloop.drivers.emulated import serve_bench
from mtjloop.drivers.guard import Guard
from mtjloop.drivers.qualification import check_passively
from mtjloop.drivers.simulated import SimulatedCrossbar
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.training.loop import Trainer, TrainingResult

EXAMPLES = Path(__file__).parents[2] / "examples" / "wine"
BENCH = EXAMPLES / "bench-2600b-707b.yaml"
SEED = 3

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


def train(bench: Bench, description: BenchDescription) -> Trained:
    """One epoch over some samples of Wine, audits and the restored best state included."""
    experiment = read_experiment_file(EXAMPLES / "experiment.yaml")
    split = experiment.load_split(SEED)
    some = slice(0, 24)
    split = replace(
        split,
        train_x=split.train_x[some],
        train_y=split.train_y[some],
        test_x=split.test_x[:6],
        test_y=split.test_y[:6],
    )
    settings = replace(
        experiment.training_settings(), devices=1, epochs=2, digital_alone=False, audit_every=10
    )
    read, pulse = operation_settings(description.content)
    trainer = Trainer(bench.crossbars, split, read, pulse, settings, SEED, None, SilentMonitor())
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


def test_training_through_the_twin_ends_in_the_states_of_the_simulated_backend() -> None:
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
            twin = train(bench, description)
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
    assert twin.elapsed == pytest.approx(passed, rel=0.05)
