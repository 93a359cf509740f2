"""Published three-valued Wine networks on simulated passive dies, nominal and calibrated gain.

    python -m benchmarks.wine_networks FOLDER [--dies 20] [--networks 300]

FOLDER holds `wine_networks.npz` (device states of 300 networks made for passive 15 x 15 arrays, Wine scaled
to [0, 1]; data files of usnistgov/daffodil-lib, BSD-3-Clause). Every die gets every network, or the same
random choice of `--networks` of them, one after the other: the die is calibrated once, each network is
programmed with verify and run on all training samples. "Nominal" takes the gain of the network, 1, with the
weight scale of the map of the die; "calibrated" finds the gain of each layer by least squares from the
training features, without labels.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtjloop.app.console import ConsoleMonitor, error_console
from mtjloop.app.experiment_file import operation_settings
from mtjloop.app.process_pool import cores, run_tasks
from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.protocols.journal import Monitor
from mtjloop.protocols.recorded import RecordedCrossbar
from mtjloop.protocols.transfer import ForeignNetwork, TransferredNetwork, ideal_product, scores

RESULTS = Path(__file__).parent / "results" / "wine_networks.json"
SEGMENTS = ("0 ohm", "1 ohm", "5 ohm")
BENCH = """name: two 15 x 15 arrays
backend: simulated
limits: {{device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}}
simulated:
  die: {{tiles: [{{rows: 15, columns: 15}}, {{rows: 15, columns: 15}}]}}
  wires: {{row_segment: {segment}, column_segment: {segment}}}
"""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """Some networks on one die."""

    folder: Path
    segment: str
    die: int
    networks: tuple[int, ...]


@dataclass(frozen=True)
class Published:
    networks: tuple[ForeignNetwork, ...]
    train_x: Floats
    train_y: NDArray[np.int64]
    test_x: Floats
    test_y: NDArray[np.int64]


def published(folder: Path) -> Published:
    with np.load(folder / "wine_networks.npz") as stored:
        content = dict(stored)
    layers = [content[f"{name}_weight"].astype(np.int8) for name in ("fc1", "fc2")]
    weights = [bits[:, :, 0::2] - bits[:, :, 1::2] for bits in layers]
    networks = tuple(
        ForeignNetwork(
            (weights[0][k], weights[1][k]),
            (content["fc1_bias"][k].astype(np.float64), content["fc2_bias"][k].astype(np.float64)),
            "tanh",
            (1.0, 1.0),
            np.zeros(13),
            np.ones(13),
        )
        for k in range(len(weights[0]))
    )
    x, y = ({part: content[f"{name}_{part}"] for part in ("train", "test")} for name in ("X", "y"))
    return Published(
        networks,
        x["train"].astype(np.float64),
        y["train"].astype(np.int64),
        x["test"].astype(np.float64),
        y["test"].astype(np.int64),
    )


def on_a_die(task: Task, monitor: Monitor) -> list[list[int]]:
    """Of each network: training samples right, nominal and calibrated, test samples right, failed cells."""
    data = published(task.folder)
    text = BENCH.format(segment=task.segment)
    content = parse_yaml(text, "bench", BenchFile)
    read, pulse = operation_settings(content)
    rows = []
    with open_bench(BenchDescription(Path("bench.yaml"), text, content), task.die) as bench:
        crossbars = [RecordedCrossbar(one, number) for number, one in enumerate(bench.crossbars)]
        chip = TransferredNetwork(crossbars, data.networks[0], read, pulse)
        chip.prepare(np.random.default_rng(task.die), monitor)
        for number in task.networks:
            report = chip.write(data.networks[number], monitor)
            nominal = correct(chip.scores(data.train_x), data.train_y)
            chip.find_gains(data.train_x)
            calibrated = correct(chip.scores(data.train_x), data.train_y)
            test = correct(chip.scores(data.test_x), data.test_y)
            rows.append([nominal, calibrated, test, report.failed])
    return rows


def correct(outputs: Floats, labels: NDArray[np.int64]) -> int:
    return int((outputs.argmax(axis=1) == labels).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dies", type=int, default=20)
    parser.add_argument("--networks", type=int, default=300)
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    data = published(asked.folder)
    everything = np.random.default_rng(0).permutation(len(data.networks))
    chosen = tuple(sorted(int(one) for one in everything[: asked.networks]))
    ideal = [
        correct(scores(one, (1.0, 1.0), data.train_x, ideal_product(one)), data.train_y)
        for one in (data.networks[number] for number in chosen)
    ]
    ideal_test = [
        correct(scores(one, (1.0, 1.0), data.test_x, ideal_product(one)), data.test_y)
        for one in (data.networks[number] for number in chosen)
    ]
    tasks = [Task(asked.folder, segment, die, chosen) for segment in SEGMENTS for die in range(asked.dies)]
    found: dict[str, dict[str, list[list[int]]]] = {segment: {} for segment in SEGMENTS}
    monitor = ConsoleMonitor(error_console())
    with monitor.watching():
        for done in run_tasks(on_a_die, tasks, cores(), monitor, "dies"):
            if done.answer is None:
                raise SystemExit(f"die {tasks[done.index]}: {done.error}")
            task = tasks[done.index]
            found[task.segment][str(task.die)] = done.answer
    asked.output.write_text(
        json.dumps(
            {
                "command": f"python -m benchmarks.wine_networks FOLDER --dies {asked.dies} "
                f"--networks {asked.networks}",
                "dies": list(range(asked.dies)),
                "networks": list(chosen),
                "samples": [len(data.train_y), len(data.test_y)],
                "columns": ["train nominal", "train calibrated", "test calibrated", "failed cells"],
                "ideal_train": ideal,
                "ideal_test": ideal_test,
                "on_dies": found,
            },
            separators=(",", ":"),
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
