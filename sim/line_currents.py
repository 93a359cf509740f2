"""Currents of all lines, summed while those of all cells go by.

They are summed over cells: a driver may be too good for its drop to be told. A few dozen numbers are summed
in float32, the rest in float64. `Network` is scaled, so the currents of cells come times the resistance of a
column segment.
"""

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32
from .lanes import LANES, TURNED, Lanes, lane, plus, turned
from .line_solver import Network

TOGETHER = 64
"""Rows whose currents are summed in float32; a multiple of `lanes.TURNED`."""


@kernel
def add_lanes(value: Lanes, scale: float, first: int, total: Floats) -> None:
    """Add `scale` * value to 16 lines from `first` on, as far as there are such lines."""
    for k in range(min(LANES, total.size - first)):
        total[first + k] += scale * np.float64(lane(value, k))


@kernel
def take_row_currents(
    net: Network, sums: Floats32, scale: float, row_current: Floats, column_current: Floats
) -> None:
    """Currents of the rows, A, from sums over panels of columns, (padded rows, 16).

    Floating lines carry 0, columns too.
    """
    row_current[:] = 0.0
    for i0 in range(0, net.rows, LANES):
        first, second = turned(sums, i0, False), turned(sums, i0, True)
        total = plus(first[0], second[0])
        for k in range(1, TURNED):
            total = plus(total, plus(first[k], second[k]))
        add_lanes(total, scale, i0, row_current)
    for i in range(net.rows):
        if net.drive_row[i // LANES, i % LANES] == 0.0:
            row_current[i] = 0.0
    for j in range(net.columns):
        if net.drive_col[j // LANES, j % LANES] == 0.0:
            column_current[j] = 0.0
