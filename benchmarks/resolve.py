"""What it matters that a flip changes the voltages of its own pulse: `resolve: event` against `frozen`.

`python benchmarks/resolve.py` prints the share of flipped cells either way, for pulses on all cells of an
array and for coincidence pulses on a third of its rows and columns.
"""

import time
from dataclasses import dataclass

import numpy as np

from mtjloop.sim.array import Resolve, SimulatedArray
from mtjloop.sim.device import Die
from mtjloop.sim.die import draw_tile
from mtjloop.sim.network import Wires

WIDTH = 100e-6


@dataclass(frozen=True)
class Share:
    """Mean share of flipped cells among the selected ones, its standard error, and seconds a pulse."""

    mean: float
    error: float
    seconds: float


def share(resolve: Resolve, rows: int, columns: int, level: float, part: float, pulses: int) -> Share:
    """Pulse an array reset to AP and count.

    Args:
        resolve: frozen or event.
        rows: of the array.
        columns: of the array.
        level: voltage between a selected row and a selected column, V.
        part: share of rows and of columns that are selected, the others being at 0 V.
        pulses: how many.
    """
    array = SimulatedArray(draw_tile(Die(), rows, columns, 0, 0), Wires(1, 1, 5, 5), None, 1, 0, resolve)
    reset = np.zeros((rows, columns), dtype=np.int8)
    rng = np.random.default_rng(0)
    shares = []
    began = time.perf_counter()
    for _ in range(pulses):
        array.restore(reset, array.pulses, array.reads)
        row = rng.random(rows) < part
        column = rng.random(columns) < part
        row[0] = column[0] = True
        array.apply(np.where(row, level / 2, 0.0), np.where(column, -level / 2, 0.0), np.array(WIDTH), 1)
        shares.append(array.state[np.ix_(row, column)].mean())
    seconds = (time.perf_counter() - began) / pulses
    return Share(float(np.mean(shares)), float(np.std(shares) / np.sqrt(pulses)), seconds)


def main() -> None:
    """Print a table."""
    print("array     selected  level    frozen            event             ratio")
    for rows, columns, part, level, pulses in (
        (14, 12, 1.0, 0.27, 200),
        (14, 12, 0.33, 0.27, 400),
        (64, 32, 1.0, 0.30, 3),
        (64, 32, 0.33, 0.28, 10),
    ):
        found = {}
        for resolve in ("frozen", "event"):
            share(resolve, 2, 2, 0.1, 1.0, 1)  # compiles
            found[resolve] = share(resolve, rows, columns, level, part, pulses)
        frozen, event = found["frozen"], found["event"]
        print(
            f"{rows:3d} x {columns:3d} {100 * part:7.0f} %  {level:.2f} V"
            f"  {frozen.mean:.4f} +- {frozen.error:.4f}"
            f"  {event.mean:.4f} +- {event.error:.4f}  {event.mean / frozen.mean:.3f}"
            f"  ({1e3 * frozen.seconds:.2f} ms against {1e3 * event.seconds:.1f} ms a pulse)",
            flush=True,
        )


if __name__ == "__main__":
    main()
