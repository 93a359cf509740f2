"""What a solution of an array leaves over, in float64."""

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32
from .lanes import LANES
from .line_solver import Network
from .panels import padded


@kernel
def add_panels(panels: Floats32, total: Floats) -> float:
    """total (nodes, lines) += panels; returns the largest number added."""
    nodes, lines = total.shape
    size = 0.0
    for k in range(nodes):
        for line in range(lines):
            value = np.float64(panels[line // LANES * padded(nodes) + k, line % LANES])
            total[k, line] += value
            size = max(size, abs(value))
    return size


@kernel
def imbalance(net: Network, dr: Floats, dc: Floats, rows: Floats, columns: Floats) -> None:
    """Subtract from the right-hand sides `rows` and `columns`, A, what deviations draw, in float64.

    All arrays are (rows, columns).
    """
    m, n = dr.shape
    depth = padded(m)
    g_row, g_col = 1.0 / net.wire_row, 1.0 / net.wire_col
    for i in range(m):
        for j in range(n):
            g = g_col * np.float64(net.g_col[j // LANES * depth + i, j % LANES])
            current = g * (dr[i, j] - dc[i, j])
            row, column = -current, current
            if j > 0:
                row += g_row * (dr[i, j - 1] - dr[i, j])
            else:
                row -= g_row * np.float64(net.drive_row[i // LANES, i % LANES]) * dr[i, j]
            if j < n - 1:
                row += g_row * (dr[i, j + 1] - dr[i, j])
            if i > 0:
                column += g_col * (dc[i - 1, j] - dc[i, j])
            if i < m - 1:
                column += g_col * (dc[i + 1, j] - dc[i, j])
            else:
                column -= g_col * np.float64(net.drive_col[j // LANES, j % LANES]) * dc[i, j]
            rows[i, j] += row
            columns[i, j] += column
