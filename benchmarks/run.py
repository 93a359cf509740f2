"""`make bench`: timings as ratios within one run, printed as a table and written to benchmarks.json."""

import json
from pathlib import Path

from rich.console import Console

from mtjloop.app.init_command import template
from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.protocols.data import load_data, split_data
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.loop import Trainer
from mtjloop.protocols.training.settings import TrainingSettings

from .solver import solver_table


def training_row() -> dict[str, float]:
    """Samples per second of the Python-driven loop on the Wine example, nothing recorded."""
    text = template("bench.yaml")
    content = parse_yaml(text, "bench.yaml", BenchFile)
    split = split_data(load_data("wine"), 0.3, "per-feature", 0)
    crossbars = open_bench(BenchDescription(Path("bench.yaml"), text, content), 0).crossbars
    settings = TrainingSettings(hidden=(6,), epochs=40)
    read, pulse = ReadSettings(0.1), PulseSettings(1e-4, 0.1, 0.6)
    trainer = Trainer(crossbars, split, read, pulse, settings, 0, None, SilentMonitor())
    result = trainer.run()
    return {"samples_per_second": result.samples / result.wall_time}


def main() -> None:
    console = Console()
    solver = solver_table(console)
    training = training_row()
    console.print(f"Wine 13-6-3, Python-driven loop: {training['samples_per_second']:.0f} samples/s")
    Path("benchmarks.json").write_text(json.dumps({"solver": solver, "training": training}, indent=1))


if __name__ == "__main__":
    main()
