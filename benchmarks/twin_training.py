"""Wine trained through the twin of a 2600B and a 707B, over real PyVISA, beside the `simulated` backend.

`states` trains with noise off and numbers in full precision and compares the final states cell by cell, the
bench time that the backend reports with the clock of the twin, and the wall time of an epoch. `noise` trains
several dies with noise on and compares accuracies.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import stats

from mtjloop.app.experiment_file import operation_settings, read_experiment_file
from mtjloop.app.twin_command import pointed_to
from mtjloop.drivers.bench import Bench, BenchDescription, BenchFile, open_bench
from mtjloop.drivers.emulated import serve_bench
from mtjloop.drivers.guard import Guard
from mtjloop.drivers.qualification import check_passively
from mtjloop.drivers.simulated import SimulatedCrossbar
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ProtocolError
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.training.loop import Trainer, TrainingResult
from mtjloop.protocols.training.settings import TrainingSettings

EXAMPLES = Path(__file__).parents[1] / "examples" / "wine"
BENCH = EXAMPLES / "bench-2600b-707b.yaml"
Changes = Sequence[tuple[str, str]]

QUIET: Changes = (
    ("read_noise: 200 nA", "read_noise: 0 A"),
    ("settle: 1 ms", "settle: 1 ms\n  read_noise: 0 A"),
    ("model: keithley-2600b,", "model: keithley-2600b, numbers: real64,"),
)
ONE_DEVICE: Changes = (
    ("columns: [matrix.2.3-12, matrix.3.1-12, matrix.4.1-2]", "columns: [matrix.2.3-12, matrix.3.1-2]"),
    ("columns: [matrix.4.9-12, matrix.5.1-8]", "columns: [matrix.4.9-12, matrix.5.1-2]"),
    ("{rows: 14, columns: 24}", "{rows: 14, columns: 12}"),
    ("{rows: 6, columns: 12}", "{rows: 6, columns: 6}"),
    ("search_from: 100 mV", "search_from: 300 mV"),
)


@dataclass
class Epochs(SilentMonitor):
    """Wall time at the end of every epoch, s."""

    ends: list[float] = field(default_factory=list)

    def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
        del done, total
        if task == "train" and detail:
            self.ends.append(time.perf_counter())


@dataclass
class Trained:
    """What training came to; times in s, one wall time for each epoch but the first."""

    result: TrainingResult
    pulses: int
    reads: int
    elapsed: float
    epochs: list[float]


def described(backend: str, changes: Changes) -> BenchDescription:
    text = BENCH.read_text(encoding="utf-8").replace("backend: smu", f"backend: {backend}")
    for found, wanted in changes:
        if found not in text:
            raise SystemExit(f"{BENCH} no longer holds {found!r}")
        text = text.replace(found, wanted)
    return parsed(text)


def parsed(text: str) -> BenchDescription:
    return BenchDescription(BENCH, text, parse_yaml(text, BENCH.name, BenchFile))


def train(bench: Bench, description: BenchDescription, settings: TrainingSettings, seed: int) -> Trained:
    split = read_experiment_file(EXAMPLES / "experiment.yaml").load_split(seed)
    read, pulse = operation_settings(description.content)
    monitor = Epochs()
    trainer = Trainer(bench.crossbars, split, read, pulse, settings, seed, None, monitor)
    result = trainer.run()
    totals = [one.totals for one in trainer.crossbars]
    return Trained(
        result,
        sum(one.pulses for one in totals),
        sum(one.reads for one in totals),
        sum(one.elapsed for one in totals),
        np.diff(monitor.ends).tolist(),
    )


def hidden(bench: Bench) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int8]]]:
    return [
        crossbar._crossbar.array.state
        for crossbar in bench.crossbars
        if isinstance(crossbar, Guard) and isinstance(crossbar._crossbar, SimulatedCrossbar)
    ]


def same_states(settings: TrainingSettings, changes: Changes, seed: int) -> dict[str, object]:
    """Train on both and compare."""
    description = described("simulated", (*changes, *QUIET))
    with open_bench(description, seed) as bench:
        simulated = train(bench, description, settings, seed)
        wanted = hidden(bench)
    twin_file = described("smu", (*changes, *QUIET))
    with serve_bench(twin_file, seed, noise=False) as served:
        description = parsed(pointed_to(twin_file, served, BENCH))
        checked = check_passively(description).qualification
        with open_bench(description, seed) as bench:
            bench.arm(checked)
            began = served.bench.timeline.seconds
            twin = train(bench, description, settings, seed)
            passed = served.bench.timeline.seconds - began
        found = [array.state for array in served.bench.arrays.values()]
        hot = served.bench.hot_switches
    return {
        "seed": seed,
        "epochs": settings.epochs,
        "cells": sum(one.size for one in found),
        "cells_that_differ": sum(int((a != b).sum()) for a, b in zip(found, wanted, strict=True)),
        "pulses": (simulated.pulses, twin.pulses),
        "reads": (simulated.reads, twin.reads),
        "test_accuracy": (simulated.result.test.accuracy, twin.result.test.accuracy),
        "largest_difference_of_output_bias": float(
            np.abs(
                simulated.result.network.digital.output_bias - twin.result.network.digital.output_bias
            ).max()
        ),
        "bench_time_reported_s": twin.elapsed,
        "bench_time_of_the_twin_s": passed,
        "relays_switched_hot": hot,
        "wall_time_of_epochs_s": twin.epochs,
    }


def with_noise(settings: TrainingSettings, changes: Changes, seed: int) -> dict[str, object]:
    """Accuracies of one die on both, noise on."""
    description = described("simulated", changes)
    with open_bench(description, seed) as bench:
        simulated = train(bench, description, settings, seed)
    twin_file = described("smu", changes)
    with serve_bench(twin_file, seed) as served:
        description = parsed(pointed_to(twin_file, served, BENCH))
        checked = check_passively(description).qualification
        with open_bench(description, seed) as bench:
            bench.arm(checked)
            twin = train(bench, description, settings, seed)
    return {
        "seed": seed,
        "simulated": (simulated.result.test.accuracy, simulated.result.train.accuracy),
        "twin": (twin.result.test.accuracy, twin.result.train.accuracy),
        "failed_cells": (simulated.result.failed_cells, twin.result.failed_cells),
    }


def summary(rows: list[dict[str, object]]) -> None:
    """Mean difference of the accuracies, twin less simulated, with its 95 % interval by Student's t."""
    for place, part in enumerate(("test", "training")):
        twin = np.array([row["twin"] for row in rows], dtype=np.float64)[:, place]
        simulated = np.array([row["simulated"] for row in rows], dtype=np.float64)[:, place]
        difference = twin - simulated
        half = stats.t.ppf(0.975, len(rows) - 1) * difference.std(ddof=1) / np.sqrt(len(rows))
        print(
            f"{part}: simulated {simulated.mean():.4f}, twin {twin.mean():.4f}, "
            f"difference {difference.mean():+.4f} +- {half:.4f} (95 %, {len(rows)} dies)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("states", "noise"))
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--seed", type=int, default=0, help="of the first die")
    parser.add_argument("--dies", type=int, default=1)
    parser.add_argument("--devices", type=int, choices=(1, 2), default=2)
    chosen = parser.parse_args()
    settings = replace(
        read_experiment_file(EXAMPLES / "experiment.yaml").training_settings(),
        epochs=chosen.epochs,
        devices=chosen.devices,
        digital_alone=False,
        audit_every=0,
    )
    if chosen.rate is not None:
        settings = replace(settings, rate=chosen.rate)
    changes = ONE_DEVICE if chosen.devices == 1 else ()
    rows = []
    for seed in range(chosen.seed, chosen.seed + chosen.dies):
        try:
            one = (same_states if chosen.what == "states" else with_noise)(settings, changes, seed)
        except ProtocolError as error:
            print(json.dumps({"seed": seed, "refused": str(error)}), flush=True)
            continue
        print(json.dumps(one), flush=True)
        rows.append(one)
    if chosen.what == "noise" and len(rows) > 1:
        summary(rows)


if __name__ == "__main__":
    main()
