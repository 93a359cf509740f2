"""Conjugate gradients for large arrays: line solves, and a coarse correction for what they leave.

Eliminating dr from the equations of `line_solver` leaves S dc = f with S = M - D (T_r + D)^-1 D and M = T_c
+ D, symmetric and positive. M alone is a good preconditioner except for smooth errors, which a large array
keeps for N^2 R_wire G iterations. On the lowest modes of the uniform crossbar (every device at the mean
conductance g, every driver at its mean) S is diagonal,

    s = mu + g lambda / (lambda + g),        M = mu + g,

with the eigenvalues lambda of T_r and mu of T_c, so B = M^-1 + Q (1/s - 1/m) Q^T on 16 x 16 modes makes the
number of iterations nearly independent of size and wires. B is only a preconditioner: the mean may be stale.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats32
from .coarse import MODES, Coarse, line_modes
from .lanes import LANES, TURNED, fma, larger, load, minus, plus, splat, store, times, turned
from .line_solver import Network, largest_of, sweep_rows, total_of
from .panels import padded


@kernel
def mean_of(panels: Floats32, count: int) -> float:
    """Mean over `count` numbers stored in panels whose padding is 0."""
    total = 0.0
    for record in range(panels.shape[0]):
        for k in range(LANES):
            total += panels[record, k]
    return total / count


@kernel
def set_coarse(net: Network) -> None:
    """Find the modes of the present mean conductance and drivers, unless they are there.

    The mean is rounded to an eighth of an octave, so that the modes change rarely and depend on the
    conductances alone, not on those before.
    """
    mean = mean_of(net.total_col, net.rows * net.columns)
    g = 2.0 ** (math.floor(8.0 * math.log2(mean) + 0.5) / 8.0)
    drive_row, drive_col = mean_of(net.drive_row, net.rows), mean_of(net.drive_col, net.columns)
    ratio = net.wire_col / net.wire_row
    key = net.coarse_key
    if key[0] == g and key[1] == drive_row and key[2] == drive_col and key[3] == ratio:
        return
    key[0], key[1], key[2], key[3] = g, drive_row, drive_col, ratio
    coarse = net.coarse
    along, across = np.zeros(MODES), np.zeros(MODES)
    coarse.weight[:] = np.float32(0.0)
    row_modes = line_modes(net.columns, drive_row, False, along, coarse.row)
    column_modes = line_modes(net.rows, drive_col, True, across, coarse.column)
    for j in range(net.columns):
        for m in range(MODES):
            coarse.row_turned[j // LANES * LANES + m, j % LANES] = coarse.row[j, m]
    for q in range(column_modes):
        for p in range(row_modes):
            wire = along[p] * ratio
            s = across[q] + g * wire / (wire + g)
            # A crossbar that floats as a whole has one mode without a restoring force.
            if s > 1e-9 * g:
                coarse.weight[q, p] = np.float32(1.0 / s - 1.0 / (across[q] + g))


@kernel
def advance(
    net: Network, alpha: float, p: Floats32, sp: Floats32, x: Floats32, r: Floats32, onto: Floats32,
    scratch: Floats32,
) -> float:  # fmt: skip
    """x += alpha p, r -= alpha sp, and onto = weight * (Q^T r) of the new r; returns r^T Q weight Q^T r.

    `scratch` is (16, 16).
    """
    depth, coarse = padded(net.rows), net.coarse
    step, back = splat(np.float32(alpha)), splat(np.float32(-alpha))
    onto[:] = np.float32(0.0)
    for panel in range(padded(net.columns) // LANES):
        base = panel * depth
        scratch[:] = np.float32(0.0)
        for i in range(0, depth, 4):
            for k in range(base + i, base + i + 4):
                store(x, k, fma(step, load(p, k), load(x, k)))
            r0 = fma(back, load(sp, base + i), load(r, base + i))
            r1 = fma(back, load(sp, base + i + 1), load(r, base + i + 1))
            r2 = fma(back, load(sp, base + i + 2), load(r, base + i + 2))
            r3 = fma(back, load(sp, base + i + 3), load(r, base + i + 3))
            store(r, base + i, r0)
            store(r, base + i + 1, r1)
            store(r, base + i + 2, r2)
            store(r, base + i + 3, r3)
            for q in range(MODES):
                total = fma(splat(coarse.column[i, q]), r0, load(scratch, q))
                total = fma(splat(coarse.column[i + 1, q]), r1, total)
                total = fma(splat(coarse.column[i + 2, q]), r2, total)
                store(scratch, q, fma(splat(coarse.column[i + 3, q]), r3, total))
        for q in range(MODES):
            total = load(onto, q)
            for k in range(LANES):
                total = fma(splat(scratch[q, k]), load(coarse.row, panel * LANES + k), total)
            store(onto, q, total)
    energy = 0.0
    for q in range(MODES):
        for m in range(MODES):
            amount = np.float64(onto[q, m])
            energy += amount * amount * coarse.weight[q, m]
            onto[q, m] *= coarse.weight[q, m]
    return energy


@kernel
def new_direction(
    net: Network, coarse: Coarse, amounts: Floats32, beta: float, z: Floats32, p: Floats32, scratch: Floats32
) -> float:
    """Add the coarse correction to z, and make p = z + beta p; returns the largest |z|, V."""
    depth = padded(net.rows)
    again, size = splat(np.float32(beta)), splat(np.float32(0.0))
    for panel in range(padded(net.columns) // LANES):
        base = panel * depth
        for q in range(MODES):
            total = splat(np.float32(0.0))
            for m in range(MODES):
                total = fma(splat(amounts[q, m]), load(coarse.row_turned, panel * LANES + m), total)
            store(scratch, q, total)
        for i in range(0, depth, 4):
            z0, z1, z2, z3 = (
                load(z, base + i),
                load(z, base + i + 1),
                load(z, base + i + 2),
                load(z, base + i + 3),
            )
            for q in range(MODES):
                part = load(scratch, q)
                z0 = fma(splat(coarse.column[i, q]), part, z0)
                z1 = fma(splat(coarse.column[i + 1, q]), part, z1)
                z2 = fma(splat(coarse.column[i + 2, q]), part, z2)
                z3 = fma(splat(coarse.column[i + 3, q]), part, z3)
            size = larger(larger(larger(larger(size, z0), z1), z2), z3)
            store(z, base + i, z0)
            store(z, base + i + 1, z1)
            store(z, base + i + 2, z2)
            store(z, base + i + 3, z3)
            store(p, base + i, fma(again, load(p, base + i), z0))
            store(p, base + i + 1, fma(again, load(p, base + i + 1), z1))
            store(p, base + i + 2, fma(again, load(p, base + i + 2), z2))
            store(p, base + i + 3, fma(again, load(p, base + i + 3), z3))
    return largest_of(size)


@kernel
def solve_columns(net: Network, r: Floats32, z: Floats32) -> float:
    """z = M^-1 r; returns r^T M^-1 r, the sum of y_k (r_k + y_{k-1}) over the eliminated y."""
    depth = padded(net.rows)
    energy = 0.0
    for panel in range(padded(net.columns) // LANES):
        base = panel * depth
        y = sums = splat(np.float32(0.0))
        for record in range(base, base + net.rows):
            own = load(net.e_col, record)
            right = plus(load(r, record), y)
            y = times(own, right)
            sums = fma(y, right, sums)
            store(z, record, y)
        energy += total_of(sums)
        for record in range(base + net.rows - 2, base - 1, -1):
            y = fma(load(net.e_col, record), y, load(z, record))
            store(z, record, y)
    return energy


@kernel
def first_residual(net: Network, dr: Floats32, b: Floats32, r: Floats32) -> None:
    """r = D dr + b, the residual at dc = 0."""
    depth, height = padded(net.rows), padded(net.columns)
    for j0 in range(0, net.columns, LANES):
        base = j0 // LANES * depth
        for i0 in range(0, net.rows, TURNED):
            across = turned(dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, net.rows)):
                store(r, base + i, fma(load(net.g_col, base + i), across[i - i0], load(b, base + i)))


@kernel
def apply_schur(net: Network, p: Floats32, dr: Floats32, sp: Floats32) -> float:
    """sp = S p, with dr = (T_r + D)^-1 D p over rows; returns p^T S p."""
    depth, height = padded(net.rows), padded(net.columns)
    last = net.rows - 1
    energy = 0.0
    for j0 in range(0, net.columns, LANES):
        base = j0 // LANES * depth
        source = load(net.drive_col, j0 // LANES)
        sums = flow = splat(np.float32(0.0))  # current from the node before
        own = load(p, base)
        for i0 in range(0, net.rows, TURNED):
            across = turned(dr, i0 // LANES * height + j0, i0 % LANES != 0)
            for i in range(i0, min(i0 + TURNED, net.rows)):
                value = fma(load(net.g_col, base + i), minus(own, across[i - i0]), flow)
                if i < last:
                    after = load(p, base + i + 1)
                    flow = minus(after, own)
                    value = minus(value, flow)
                else:
                    after = own
                    value = fma(source, own, value)
                store(sp, base + i, value)
                sums = fma(own, value, sums)
                own = after
        energy += total_of(sums)
    return energy


@kernel
def conjugate_gradients(
    net: Network, b_row: Floats32, b_col: Floats32, tolerance: float, most: int, x: Floats32,
    dr: Floats32, r: Floats32, z: Floats32, p: Floats32, sp: Floats32, scratch: Floats32,
) -> tuple[int, float]:  # fmt: skip
    """Solve for the column deviations x, starting at 0.

    Returns:
        Iterations and the size of the last preconditioned residual, V, which estimates the error of x.
    """
    coarse = net.coarse
    set_coarse(net)
    x[:] = np.float32(0.0)
    p[:] = np.float32(0.0)
    sp[:] = np.float32(0.0)
    sweep_rows(net, x, b_row, True, dr)
    first_residual(net, dr, b_col, r)
    amounts, panel = scratch[:MODES], scratch[MODES : 2 * MODES]
    iterations, previous, size, alpha = 0, 0.0, math.inf, 0.0
    while True:
        energy = advance(net, alpha, p, sp, x, r, amounts, panel) + solve_columns(net, r, z)
        beta = energy / previous if previous > 0.0 else 0.0
        size = new_direction(net, coarse, amounts, beta, z, p, panel)
        if size < tolerance or iterations == most:
            break
        iterations += 1
        previous = energy
        sweep_rows(net, p, b_row, False, dr)
        alpha = energy / apply_schur(net, p, dr, sp)
    one = splat(np.float32(1.0))
    for record in range(x.shape[0]):
        store(x, record, fma(one, load(z, record), load(x, record)))
    return iterations, size
