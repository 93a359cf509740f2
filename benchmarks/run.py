"""`make bench`: timings as ratios within one run, printed as a table and written to benchmarks.json."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mtjloop.app.init_command import template
from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.protocols.data import load_data, split_data
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.loop import Trainer
from mtjloop.protocols.training.settings import TrainingSettings
from mtjloop.sim.network import Wires, solve

Floats = NDArray[np.float64]
SIZES = (16, 64, 128, 256)


def best(call: Callable[[], object], seconds: float = 0.5) -> float:
    """Shortest of repeated calls within about `seconds`, s; one call is made first and not counted."""
    call()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def nodal_matrix(g: Floats, wire: float, source: float) -> sp.csc_matrix:
    """Conductance matrix of all nodes of an n x n array."""
    n = len(g)
    ladder = (
        sp.diags([np.r_[1.0, np.full(n - 2, 2.0), 1.0], -np.ones(n - 1), -np.ones(n - 1)], [0, 1, -1]) / wire
    )
    first, last = sp.lil_matrix((n, n)), sp.lil_matrix((n, n))
    first[0, 0] = last[n - 1, n - 1] = 1.0 / source
    rows = sp.kron(sp.eye(n), ladder + first)
    columns = sp.kron(ladder + last, sp.eye(n))
    devices = sp.diags(g.ravel())
    return sp.csc_matrix(sp.bmat([[rows + devices, -devices], [-devices, columns + devices]]))


def solve_row(n: int, wire: float) -> dict[str, float]:
    """One exact solve beside SuperLU (factor and solve) and a dense float32 product of the same size."""
    rng = np.random.default_rng(0)
    g = 1.0 / np.where(rng.random((n, n)) < 0.5, 5e3, 11e3)
    rows, columns = rng.uniform(-0.3, 0.3, n), rng.uniform(-0.3, 0.3, n)
    wires = Wires(wire, wire, 5.0, 5.0)
    ours = best(lambda: solve(g, rows, columns, wires, row_resistance=5.0, column_resistance=5.0))
    dense_matrix, vector = g.astype(np.float32), rows.astype(np.float32)
    dense = best(lambda: dense_matrix @ vector, 0.1)
    row = {"size": n, "wire_ohm": wire, "solve_us": ours * 1e6, "over_dense_product": ours / dense}
    if n <= 128:
        matrix, right = nodal_matrix(g, wire, 5.0), rng.standard_normal(2 * n * n)
        row["superlu_over_solve"] = best(lambda: spla.splu(matrix).solve(right), 0.2) / ours
    return row


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
    solves = [solve_row(n, wire) for n in SIZES for wire in (0.1, 1.0, 5.0)]
    table = Table(title="one exact solve of an n x n passive array")
    for heading in ("n", "wire, ohm", "us", "times a dense product", "SuperLU / ours"):
        table.add_column(heading, justify="right")
    for row in solves:
        superlu = f"{row['superlu_over_solve']:.0f}" if "superlu_over_solve" in row else ""
        table.add_row(
            f"{row['size']:.0f}",
            f"{row['wire_ohm']:g}",
            f"{row['solve_us']:.0f}",
            f"{row['over_dense_product']:.0f}",
            superlu,
        )
    console = Console()
    console.print(table)
    training = training_row()
    console.print(f"Wine 13-6-3, Python-driven loop: {training['samples_per_second']:.0f} samples/s")
    Path("benchmarks.json").write_text(json.dumps({"solve": solves, "training": training}, indent=1))


if __name__ == "__main__":
    main()
