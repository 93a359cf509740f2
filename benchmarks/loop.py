"""Samples a second of whole training loops, reads beside dense products, replicas on all cores.

`python -m benchmarks.loop` prints the tables alone; `make bench` prints them with the rest and writes JSON.

*dense*: each sample is one forward read and two write phases that select a tenth of the lines of each layer.
*real*: training with the default schedule: forward reads, transposed reads and pulses where the margin is
violated; audits off, nothing recorded. Dies are the default one, whose conductance follows the bias (TMR(V)),
or the same without that (*linear*), as in our C prototype. Everything is solved, with read noise and disturb.
"""

import math
import mmap
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from mtjloop.app.fused.loop import compiled_loop
from mtjloop.compiled import kernel
from mtjloop.draws import uniform_pair
from mtjloop.drivers.bench import Bench, BenchDescription, BenchFile, open_bench
from mtjloop.drivers.compiled_crossbar import CompiledCrossbar, pulse_crossbar, read_crossbar
from mtjloop.drivers.contract import Bias
from mtjloop.drivers.guard import Guard
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ProtocolError
from mtjloop.protocols.data import Split, load_data, split_data
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.loop import Trainer
from mtjloop.protocols.training.settings import TrainingSettings
from mtjloop.sim.effective import read_linear

from .solver import best, multiply_often

Floats = NDArray[np.float64]
READ = ReadSettings(0.1)
PULSE = PulseSettings(1e-4, 0.1, 0.6)
SHARE = 0.1
"""Of the lines that a write phase of the dense loop selects."""
DENSE = (
    ("65 x 20", ((65, 20),)),
    ("785 x 20", ((785, 20),)),
    ("785 x 200 + 101 x 20", ((785, 200), (101, 20))),
)
GOALS = {
    "65 x 20": 25_000.0,
    "785 x 20": 2_000.0,
    "wine": 50_000.0,
    "digits": 10_000.0,
    "wine, Python": 5_000.0,
}
REAL: dict[str, tuple[tuple[int, ...], tuple[tuple[int, int], ...]]] = {
    "65 x 20": ((), ((65, 20),)),
    "785 x 20": ((), ((785, 20),)),
    "785 x 200 + 101 x 20": ((100,), ((785, 200), (100, 20))),
}
"""Networks of one tile a layer, of the sizes of the dense loop, trained on random images."""
DIGITS = ((65, 64),) * 8 + ((64, 20),) * 4


def bench(shapes: Sequence[tuple[int, int]], kind: str = "passive", linear: bool = False) -> Bench:
    tiles = ", ".join(f"{{rows: {rows}, columns: {columns}}}" for rows, columns in shapes)
    junction = "{tmr_half_voltage: 1000 kV}" if linear else "{}"
    text = f"""name: loop
backend: simulated
simulated:
  die: {{kind: {kind}, tiles: [{tiles}], junction: {junction}}}
  wires: {{row_segment: 1 ohm, column_segment: 1 ohm, driver: 5 ohm, sense: 5 ohm}}
limits: {{device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 1 A, pulse_width: 10 ms}}
"""
    content = parse_yaml(text, "loop.yaml", BenchFile)
    return open_bench(BenchDescription(Path("loop.yaml"), text, content), 0)


def compiled(place: Bench, tile: int) -> CompiledCrossbar:
    guard = place.crossbars[tile]
    made = guard.compiled() if isinstance(guard, Guard) else None
    if made is None:
        raise SystemExit("the simulated bench offers no compiled crossbar")
    return made


@kernel
def dense_samples(
    crossbar: CompiledCrossbar, samples: int, first: int, share: float, volts: float, width: float,
    gated: bool,
) -> int:  # fmt: skip
    """One read and two write phases a sample; returns how the last operation ended."""
    rows, columns = crossbar.array.state.shape
    levels, sensed = np.empty((1, rows)), np.empty((1, columns))
    row_levels, column_levels, widths = np.zeros(rows), np.zeros(columns), np.full(rows, width)
    key, ended = np.uint64(1), 0
    for sample in range(first, first + samples):
        for i in range(rows):
            levels[0, i] = 0.1 * (2.0 * uniform_pair(key, 0, sample, i)[0] - 1.0)
        ended = max(ended, read_crossbar(crossbar, levels, True, sensed))
        for phase in range(2):
            half = 0.5 * volts if phase == 0 else -0.5 * volts
            for i in range(rows):
                chosen = uniform_pair(key, 1 + phase, sample, i)[0] < share
                row_levels[i] = half if chosen else 0.0
                widths[i] = width if chosen or not gated else 0.0
            if gated and not widths.any():
                continue
            for j in range(columns):
                chosen = uniform_pair(key, 3 + phase, sample, j)[0] < share
                column_levels[j] = -half if chosen else half if gated else 0.0
            ended = max(ended, pulse_crossbar(crossbar, row_levels, column_levels, widths, width))
    return ended


def dense_rate(shapes: Sequence[tuple[int, int]], kind: str, linear: bool) -> float:
    """Samples a second of the dense loop over some layers."""
    place = bench(shapes, kind, linear)
    crossbars = [compiled(place, number) for number in range(len(shapes))]

    def run(samples: int, first: int) -> float:
        began = time.perf_counter()
        for crossbar in crossbars:
            if dense_samples(crossbar, samples, first, SHARE, 0.3, 1e-4, kind == "1T1R"):
                raise SystemExit("an operation of the dense loop was not made")
        return time.perf_counter() - began

    first = 3
    run(first, 0)
    samples = max(3, int(0.3 / (run(3, first) / 3)))
    first += 3
    found = []
    for _ in range(5):
        found.append(samples / run(samples, first))
        first += samples
    return max(found)


@kernel
def effective_reads(times: int, crossbar: CompiledCrossbar, levels: Floats) -> None:
    """Sensed currents of reads between flips, and nothing else."""
    array = crossbar.array
    for _ in range(times):
        read_linear(array.forward_matrix, levels, array.state.shape[1], False)


@kernel
def whole_reads(times: int, crossbar: CompiledCrossbar, levels: Floats, sensed: Floats) -> None:
    """The same with energy, largest current, noise and disturb, as a crossbar makes them."""
    for _ in range(times):
        read_crossbar(crossbar, levels, True, sensed)


def read_rows() -> list[dict[str, float | str]]:
    """Reads between flips beside dense products of the same size."""
    found: list[dict[str, float | str]] = []
    for rows, columns in ((65, 20), (65, 64), (128, 128), (256, 256), (512, 512), (785, 20), (1024, 1024)):
        place = bench(((rows, columns),), linear=True)
        crossbar = compiled(place, 0)
        levels = np.random.default_rng(0).uniform(-0.1, 0.1, (1, rows))
        if (
            rows * columns <= 128 * 128
        ):  # making the matrix of larger arrays takes a while; its time is the same
            place.crossbars[0].read(Bias(np.repeat(levels, rows + 2, axis=0)))
        sensed = np.empty((1, columns))
        matrix = np.random.default_rng(1).random((columns, rows)).astype(np.float32)
        vector = levels[0].astype(np.float32)
        out = np.empty(columns, np.float32)
        row: dict[str, float | str] = {"array": f"{rows} x {columns}"}
        row["dense_us"] = 1e6 * best(partial(multiply_often, matrix=matrix, vector=vector, out=out))
        row["read_us"] = 1e6 * best(partial(effective_reads, crossbar=crossbar, levels=levels[0]))
        row["ratio"] = float(row["read_us"]) / float(row["dense_us"])
        if rows * columns <= 128 * 128:
            whole = partial(whole_reads, crossbar=crossbar, levels=levels, sensed=sensed)
            row["whole_us"] = 1e6 * best(whole)
        found.append(row)
    return found


def clouds(features: int, samples: int = 400) -> Split:
    """Ten classes of random images: as large as wanted, as hard as nothing."""
    rng = np.random.default_rng(0)
    labels = np.arange(samples) % 10
    middles, noise = rng.standard_normal((10, features)), rng.standard_normal((samples, features))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "clouds.npz"
        np.savez(path, X=middles[labels] + noise, y=labels)
        return split_data(load_data(path), 0.5, "global", 0)


def real_rate(task: str, fast: bool, epochs: int, seed: int = 0, kind: str = "passive") -> float:
    """Samples a second of training as the example does it, without audits, pocket and records."""
    shapes: Sequence[tuple[int, int]]
    if task in REAL:
        hidden, tiles = REAL[task]
        shapes, split = tiles, clouds(tiles[0][0] - 1)
        settings = TrainingSettings(hidden=hidden, epochs=epochs)
    elif task == "wine":
        split = split_data(load_data("wine"), 0.3, "per-feature", seed)
        shapes = ((14, 12), (6, 6))
        settings = TrainingSettings(hidden=(6,), epochs=epochs)
    else:
        split = split_data(load_data("digits"), 0.3, "global", seed)
        shapes = DIGITS
        settings = TrainingSettings(
            hidden=(256,), epochs=epochs, period=16, rank=4, memory=0.96, rate=0.004, margin=3.0,
            threshold=0.4, output_gain=3.0,
        )  # fmt: skip
    settings = replace(settings, audit_every=0, pocket=False)
    trainer = TimedTrainer(
        bench(shapes, kind).crossbars, split, READ, PULSE, settings, seed, None, SilentMonitor(),
        compiled_loop if fast else None,
    )  # fmt: skip
    trainer.run()
    return float(np.median(trainer.rates[-3:]))


class TimedTrainer(Trainer):
    """A training that notes samples a second of each epoch, without the evaluation after it."""

    rates: list[float]
    _seconds, _samples = 0.0, 0

    def _show(self, order: NDArray[np.int64], epoch: int, fall: float, pulse: bool) -> tuple[int, int]:
        began = time.perf_counter()
        shown, violators = super()._show(order, epoch, fall, pulse)
        self._seconds += time.perf_counter() - began
        self._samples += shown
        if shown == len(order):
            self.rates = [*getattr(self, "rates", []), self._samples / self._seconds]
            self._seconds, self._samples = 0.0, 0
        return shown, violators


def _replica(seed: int) -> tuple[float, float]:
    """Rate of one replica, and the memory of its process in MB."""
    rate = real_rate("wine", True, 60, seed)
    return rate, used_bytes() / 1e6


def scaling() -> dict[str, float]:
    """Replicas of the Wine loop at once, one a process and core."""
    cores = multiprocessing.cpu_count()
    context = multiprocessing.get_context("spawn")
    found: dict[str, float] = {"cores": cores}
    for replicas in (1, cores):
        with context.Pool(replicas) as pool:
            pool.map(_replica, range(replicas))  # loads the kernels
            rates = pool.map(_replica, range(replicas), chunksize=1)
        found[f"samples_per_second_{replicas}"] = sum(rate for rate, _ in rates)
        found["process_MB"] = max(memory for _, memory in rates)
    return found


def used_bytes() -> float:
    """Memory of this process, bytes; NaN where there is no /proc (it is there on Linux)."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * mmap.PAGESIZE if statm.exists() else math.nan


def tile_bytes(rows: int, columns: int) -> float:
    """Bytes of memory of one more array in a process, measured over several."""
    keep = [bench(((rows, columns),))]
    before = used_bytes()
    for _ in range(20):
        place = bench(((rows, columns),))
        place.crossbars[0].read(Bias(np.full((2 * rows, rows), 0.1)))
        keep.append(place)
    return (used_bytes() - before) / 20


def loop_tables(console: Console) -> dict[str, object]:
    """All tables, printed as they are found."""
    found: dict[str, object] = {}
    with threadpool_limits(1):  # BLAS takes all cores for large products
        reads = read_rows()
    table = Table(
        "array", "dense us", "read us", "ratio", "whole read us", title="Reads between flips, linear die"
    )
    for row in reads:
        table.add_row(*(_text(row.get(key)) for key in ("array", "dense_us", "read_us", "ratio", "whole_us")))
    console.print(table)
    found["reads"] = reads
    dense = []
    table = Table("layers", "kind", "die", "samples/s", "goal", title="Dense loop, compiled, 1 ohm")
    for name, shapes in DENSE:
        for kind in ("passive", "1T1R"):
            for linear in (True, False):
                rate = dense_rate(shapes, kind, linear)
                goal = GOALS.get(name) if kind == "passive" else None
                die = "linear" if linear else "TMR(V)"
                dense.append({"layers": name, "kind": kind, "die": die, "samples_per_second": rate})
                table.add_row(name, kind, die, _text(rate), _text(goal))
    console.print(table)
    found["dense"] = dense
    table = Table("task", "loop", "samples/s", "goal", title="Real loop, passive, 1 ohm, TMR(V)")
    real = []
    for task, loop, fast, epochs in (
        ("wine", "compiled", True, 60), ("wine", "Python", False, 6), ("digits", "compiled", True, 4),
        ("digits", "Python", False, 3),
    ):  # fmt: skip
        rate = real_rate(task, fast, epochs)
        real.append({"task": task, "loop": loop, "samples_per_second": rate})
        goal = GOALS.get(task if fast else f"{task}, {loop}")
        table.add_row(task, loop, _text(rate), _text(goal))
    for task in REAL:
        for kind in ("passive", "1T1R"):
            try:
                rate = real_rate(task, True, 3, kind=kind)
            except ProtocolError as error:
                console.print(f"{task}, {kind}: no real loop: {error}")
                continue
            real.append({"task": f"{task}, {kind}", "loop": "compiled", "samples_per_second": rate})
            table.add_row(f"{task}, {kind}", "compiled", _text(rate), "")
    console.print(table)
    found["real"] = real
    found["scaling"] = together = scaling()
    found["tile_bytes"] = {"14 x 12": tile_bytes(14, 12), "65 x 64": tile_bytes(65, 64)}
    console.print(
        f"replicas of the Wine loop at once: {together}; bytes of one more array: {found['tile_bytes']}"
    )
    return found


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if value < 1000.0 else f"{value:,.0f}"


if __name__ == "__main__":
    loop_tables(Console())
