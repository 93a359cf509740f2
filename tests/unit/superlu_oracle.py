"""An independent solution of the crossbar network: nodal analysis with SuperLU."""

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def oracle(
    g: Floats, rows: Floats, columns: Floats, r_row: float, r_col: float, r_source: float, r_sense: float
) -> tuple[Floats, Floats, Floats]:
    """Cell voltages, row driver currents, column driver currents; levels NaN = floating."""
    m, n = g.shape
    row, column, value = [], [], []
    b = np.zeros(2 * m * n)

    def node(i: int, j: int, side: int) -> int:
        return side * m * n + i * n + j

    def resistor(a: int, c: int, conductance: float) -> None:
        row.extend([a, c, a, c])
        column.extend([a, c, c, a])
        value.extend([conductance, conductance, -conductance, -conductance])

    def source(a: int, level: float, conductance: float) -> None:
        if np.isfinite(level):
            row.append(a)
            column.append(a)
            value.append(conductance)
            b[a] += conductance * level

    for i in range(m):
        source(node(i, 0, 0), rows[i], 1 / r_source)
        for j in range(n):
            resistor(node(i, j, 0), node(i, j, 1), g[i, j])
            if j + 1 < n:
                resistor(node(i, j, 0), node(i, j + 1, 0), 1 / r_row)
            if i + 1 < m:
                resistor(node(i, j, 1), node(i + 1, j, 1), 1 / r_col)
    for j in range(n):
        source(node(m - 1, j, 1), columns[j], 1 / r_sense)
    matrix = sp.csc_matrix((value, (row, column)), shape=(2 * m * n, 2 * m * n))
    v = spla.splu(matrix).solve(b).reshape(2, m, n)
    row_current = np.where(np.isnan(rows), 0.0, (np.nan_to_num(rows) - v[0, :, 0]) / r_source)
    column_current = np.where(np.isnan(columns), 0.0, (v[1, -1] - np.nan_to_num(columns)) / r_sense)
    return v[0] - v[1], row_current, column_current
