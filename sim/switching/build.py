"""Generator of the shipped table: `python -m mtjloop.sim.switching.build` (a quarter of an hour on one core).

Two tables share one file. "switch" covers i >= 0 and starts, as every switching measurement does, from
thermal equilibrium under the field alone. "hold" covers i < 0, where the current presses the junction into
its initial state: there the start is equilibrium with the pulse already on, since the thermal tail that the
current sweeps back within tau ~ 1 would make P fall with time.
"""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .direct import extrapolated
from .grids import HOLD_AXES, SWITCH_AXES, Axes
from .packing import TABLE_FILE, write_tables

Floats: TypeAlias = NDArray[np.float64]


def node(
    kind: Literal["switch", "hold"], scaled_overdrive: float, times: Floats, delta: float, field: float
) -> Floats:
    """ln X at `times` for one (overdrive, delta, field) node of a table: what the table interpolates."""
    i = scaled_overdrive * (1 + field) if kind == "switch" else -scaled_overdrive * (1 - field)
    # Cells in proportion to the steepest drift keep the extrapolated error of ln X near 1e-4.
    cells = 8 * math.ceil(min(max(12 * delta * (1 + abs(i - field)), 1600), 9600) / 8)
    return extrapolated(i, delta, field, times, cells=cells, start="field" if kind == "switch" else "pulse")


def tabulate(kind: Literal["switch", "hold"], axes: Axes, report: Callable[[float], None]) -> Floats:
    """ln X at every node, shape (fields, deltas, times, overdrives); `report` gets the finished fraction."""
    fields, deltas, times, overdrives = axes.fields(), axes.deltas(), axes.times(), axes.overdrives()
    values = np.empty((fields.size, deltas.size, times.size, overdrives.size))
    for a, field in enumerate(fields):
        for d, delta in enumerate(deltas):
            for p, scaled in enumerate(overdrives):
                values[a, d, :, p] = node(kind, float(scaled), times, float(delta), float(field))
            report((a * deltas.size + d + 1) / (fields.size * deltas.size))
    return values


def main(target: Path) -> None:
    """Compute both tables and write them to `target`."""
    began = time.monotonic()

    def report(fraction: float) -> None:
        sys.stderr.write(f"\r{100 * fraction:5.1f} %  {time.monotonic() - began:6.0f} s")

    hold = tabulate("hold", HOLD_AXES, report)
    switch = tabulate("switch", SWITCH_AXES, report)
    write_tables(target, {"switch": (SWITCH_AXES, switch), "hold": (HOLD_AXES, hold)})
    sys.stderr.write(f"\nwrote {target}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name(TABLE_FILE))
