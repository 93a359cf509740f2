"""Compiled kernels that solve the resistive network of a crossbar, line by line.

Nodes: r[i, j] on row line i, c[i, j] on column line j. Device g[i, j] joins them; `g_row` joins r[i, j] and
r[i, j+1], `g_col` joins c[i, j] and c[i+1, j]; the driver of row i (conductance `s_row[i]`, 0 = floating)
sits at r[i, 0], that of column j (`s_col[j]`) at c[last, j]. With the deviations from ideal wires,
r = v_row + dr and c = v_col + dc, V0 = v_row - v_col, Kirchhoff's current law reads

    (T_r + D) dr = D (dc - V0),        (T_c + D) dc = D (dr + V0),

where T_r and T_c are tridiagonal along each line. Eliminating dr leaves S dc = f with
S = M - D (T_r + D)^-1 D and M = T_c + D, symmetric and positive, which conjugate gradients preconditioned
by M solve: one exact solve of every row line and of every column line an iteration. An emf E in series with
each device adds to V0.

Arrays over column lines are (rows, columns), those over row lines are kept transposed, (columns, rows), so
that each line solve runs along axis 0 and vectorises across lines.
"""

import numpy as np

from ..compiled import kernel
from ._types import Floats
from .lines import Lines


@kernel
def factor_lines(g: Floats, wire: float, source: Floats, driver_last: bool, inverse: Floats) -> None:
    """Reciprocal Thomas pivots of every line of `g` (nodes, lines), free of cancellation.

    s is the conductance to ground seen at node k looking back; the pivot is s + wire (s at the far end).
    """
    n, lines = g.shape
    for line in range(lines):
        s = 0.0
        for k in range(n):
            t = g[k, line]
            if k > 0:
                t += wire * s / (wire + s)
            if k == (n - 1 if driver_last else 0):
                t += source[line]
            s = t
            inverse[k, line] = 1.0 / (s + wire) if k < n - 1 else 1.0 / s


@kernel
def solve_lines(x: Floats, wire: float, inverse: Floats) -> None:
    """Replace the right-hand sides x (nodes, lines) by the solutions, in place."""
    n, lines = x.shape
    for line in range(lines):
        x[0, line] *= inverse[0, line]
    for k in range(1, n):
        for line in range(lines):
            x[k, line] = (x[k, line] + wire * x[k - 1, line]) * inverse[k, line]
    for k in range(n - 2, -1, -1):
        for line in range(lines):
            x[k, line] += wire * inverse[k, line] * x[k + 1, line]


@kernel
def transpose_into(source: Floats, target: Floats) -> None:
    """target = source^T in 16 x 16 tiles."""
    m, n = source.shape
    for i0 in range(0, m, 16):
        for j0 in range(0, n, 16):
            for i in range(i0, min(i0 + 16, m)):
                for j in range(j0, min(j0 + 16, n)):
                    target[j, i] = source[i, j]


@kernel
def solve_rows(dc: Floats, g_t: Floats, wire: float, inverse: Floats, dr_t: Floats) -> None:
    """dr_t = (T_r + D)^-1 D dc for every row line; dr_t is (columns, rows)."""
    transpose_into(dc, dr_t)
    n, m = g_t.shape
    for j in range(n):
        for i in range(m):
            dr_t[j, i] *= g_t[j, i]
    solve_lines(dr_t, wire, inverse)


@kernel
def solve_driven_rows(
    dc: Floats,
    g_t: Floats,
    wire: float,
    inverse: Floats,
    v_row: Floats,
    v_col: Floats,
    emf: Floats,
    dr_t: Floats,
) -> None:
    """dr_t = (T_r + D)^-1 D (dc - V0 - E) for every row line; dr_t is (columns, rows)."""
    n, m = g_t.shape
    for j in range(n):
        for i in range(m):
            dr_t[j, i] = g_t[j, i] * (dc[i, j] - emf[i, j] - v_row[i] + v_col[j])
    solve_lines(dr_t, wire, inverse)


@kernel
def solve_network(
    g: Floats,
    lines: Lines,
    tolerance: float,
    most: int,
    volts: Floats,
    row_current: Floats,
    column_current: Floats,
) -> tuple[int, float]:
    """Solve one crossbar for one set of levels.

    Args:
        g: device conductances (rows, columns), S, all > 0.
        lines: wires, drivers and levels; at least one line must be driven.
        tolerance: largest change of a column node in the last preconditioned residual, V.
        most: iterations allowed.
        volts: returned cell voltages, row minus column, (rows, columns).
        row_current: returned current out of each row driver, A.
        column_current: returned current into each column driver, A.

    Returns:
        Iterations used (-1 if `most` did not suffice) and the last preconditioned residual, V.
    """
    m, n = g.shape
    g_t = np.empty((n, m))
    transpose_into(g, g_t)
    inverse_row = np.empty((n, m))
    inverse_col = np.empty((m, n))
    factor_lines(g_t, lines.g_row, lines.s_row, False, inverse_row)
    factor_lines(g, lines.g_col, lines.s_col, True, inverse_col)
    emf = np.zeros((m, n))
    return solve_factored(
        g, g_t, inverse_row, inverse_col, lines, emf, tolerance, most, volts, row_current, column_current
    )


@kernel
def solve_factored(
    g: Floats,
    g_t: Floats,
    inverse_row: Floats,
    inverse_col: Floats,
    lines: Lines,
    emf: Floats,
    tolerance: float,
    most: int,
    volts: Floats,
    row_current: Floats,
    column_current: Floats,
) -> tuple[int, float]:
    """As `solve_network`, with the transposed conductances and the pivots of all lines at hand.

    The current of a cell is g (V + emf): `emf`, (rows, columns) in V, lets a caller correct for a
    conductance that differs from the factored one.
    """
    m, n = g.shape
    dc = np.zeros((m, n))
    dr_t = np.empty((n, m))
    z = np.empty((m, n))  # preconditioned residual M^-1 (f - S dc)
    u = np.empty((m, n))  # residual
    p = np.empty((m, n))
    mp = np.empty((m, n))  # M p
    w = np.empty((m, n))  # D (T_r + D)^-1 D p
    y = np.empty((m, n))  # M^-1 w

    solve_driven_rows(dc, g_t, lines.g_row, inverse_row, lines.v_row, lines.v_col, emf, dr_t)
    transpose_into(dr_t, u)
    size = 0.0
    for i in range(m):
        for j in range(n):
            u[i, j] = g[i, j] * (u[i, j] + emf[i, j] + lines.v_row[i] - lines.v_col[j])
            z[i, j] = u[i, j]
    solve_lines(z, lines.g_col, inverse_col)
    rz = 0.0
    for i in range(m):
        for j in range(n):
            rz += u[i, j] * z[i, j]
            size = max(size, abs(z[i, j]))
            p[i, j] = z[i, j]
            mp[i, j] = u[i, j]

    iterations = 0
    while size > tolerance and iterations < most:
        iterations += 1
        solve_rows(p, g_t, lines.g_row, inverse_row, dr_t)
        transpose_into(dr_t, w)
        p_s_p = 0.0
        for i in range(m):
            for j in range(n):
                w[i, j] *= g[i, j]
                y[i, j] = w[i, j]
                p_s_p += p[i, j] * (mp[i, j] - w[i, j])
        solve_lines(y, lines.g_col, inverse_col)
        alpha = rz / p_s_p
        previous, rz, size = rz, 0.0, 0.0
        for i in range(m):
            for j in range(n):
                dc[i, j] += alpha * p[i, j]
                z[i, j] -= alpha * (p[i, j] - y[i, j])
                u[i, j] -= alpha * (mp[i, j] - w[i, j])
                rz += u[i, j] * z[i, j]
                size = max(size, abs(z[i, j]))
        beta = rz / previous
        for i in range(m):
            for j in range(n):
                p[i, j] = z[i, j] + beta * p[i, j]
                mp[i, j] = u[i, j] + beta * mp[i, j]

    solve_driven_rows(dc, g_t, lines.g_row, inverse_row, lines.v_row, lines.v_col, emf, dr_t)
    transpose_into(dr_t, volts)
    # Currents add up over the cells of a line: its driver may be too good for its drop to be told.
    column_current[:] = 0.0
    for i in range(m):
        total = 0.0
        for j in range(n):
            volts[i, j] += lines.v_row[i] - lines.v_col[j] - dc[i, j]
            current = g[i, j] * (volts[i, j] + emf[i, j])
            total += current
            column_current[j] += current
        row_current[i] = total if lines.s_row[i] > 0.0 else 0.0
    for j in range(n):
        if lines.s_col[j] == 0.0:
            column_current[j] = 0.0
    return (iterations if size <= tolerance else -1), size
