"""The compiled solver beyond what SuperLU can check in a test: large arrays, factors kept through changes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.sim.line_solver import factor, new_network
from mtjloop.sim.lines import Lines
from mtjloop.sim.network import (
    TOLERANCE,
    FactoredArray,
    Wires,
    change_conductances,
    factor_array,
    solve,
    solve_factored,
)
from mtjloop.sim.network_solver import chebyshev, contraction, drive, new_workspace, solve_network
from mtjloop.sim.two_level import conjugate_gradients

Floats = NDArray[np.float64]
PROMISE = 10e-6
WIRES = Wires(1.0, 2.0, 5.0, 3.0)


def conductances(m: int, n: int, r_p: float = 5e3) -> Floats:
    rng = np.random.default_rng(m + n)
    return 1.0 / (
        np.where(rng.random((m, n)) < 0.5, r_p, 2.2 * r_p) * np.exp(0.08 * rng.standard_normal((m, n)))
    )


def levels(m: int, n: int, seed: int = 1) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.3, 0.3, m), rng.uniform(-0.3, 0.3, n)


def known_solution(
    g: Floats, wire: float, driver: float, currents: Floats, v_row: Floats, v_col: Floats
) -> tuple[Floats, Floats]:
    """Cell voltages that carry given cell currents, from Ohm's law along each line, and the emf that takes.

    Currents in a wire are sums of cell currents and voltages are sums of drops: no equation is solved.
    """
    along_row = np.cumsum(currents[:, ::-1], axis=1)[:, ::-1]
    row = -driver * along_row[:, :1] - wire * np.cumsum(
        np.concatenate([np.zeros((len(g), 1)), along_row[:, 1:]], axis=1), axis=1
    )
    along_col = np.cumsum(currents, axis=0)
    column = (
        driver * along_col[-1:]
        + wire * np.cumsum(np.concatenate([np.zeros((1, g.shape[1])), along_col[:-1][::-1]]), axis=0)[::-1]
    )
    scale = 0.3 / max(np.abs(row).max(), np.abs(column).max())
    volts = v_row[:, None] - v_col + scale * (row - column)
    return volts, scale * currents / g - volts


@pytest.mark.parametrize(
    ("m", "n", "wire", "r_p"),
    [
        (1024, 1024, 0.1, 5e4),
        (1024, 1024, 5.0, 5e3),
        (1024, 1024, 10.0, 1e3),
        (1024, 37, 10.0, 1e3),
        (37, 1024, 1.0, 1e3),
        (300, 500, 0.1, 5e3),
    ],
)
@pytest.mark.parametrize("smooth", [True, False])
def test_a_known_solution_is_found(m: int, n: int, wire: float, r_p: float, smooth: bool) -> None:
    g, (v_row, v_col) = conductances(m, n, r_p), levels(m, n)
    currents = np.random.default_rng(2).standard_normal((m, n))
    if smooth:
        currents = (1.0 + 0.3 * currents) * np.exp(-np.arange(n) / n) * np.exp(np.arange(m) / m)[:, None]
    volts, emf = known_solution(g, wire, 5.0, currents, v_row, v_col)
    s_row, s_col = np.full(m, 0.2), np.full(n, 0.2)
    net = factor(new_network(m, n), g, 1 / wire, 1 / wire, s_row, s_col)
    got, row, column = np.empty((m, n)), np.empty(m), np.empty(n)
    lines = Lines(1 / wire, 1 / wire, s_row, s_col, v_row, v_col)
    sweeps, estimate = solve_network(net, new_workspace(m, n), lines, emf, TOLERANCE, 500, got, row, column)
    assert sweeps >= 0
    assert estimate < TOLERANCE
    assert np.abs(got - volts).max() < PROMISE
    true_current = g * (volts + emf)
    allowed = PROMISE / 5 * max(g.sum(axis=0).max(), g.sum(axis=1).max())
    assert np.abs(row - true_current.sum(axis=1)).max() < allowed
    assert np.abs(column - true_current.sum(axis=0)).max() < allowed


@pytest.mark.parametrize("wire", [0.1, 1.0, 5.0])
def test_six_sweeps_suffice_at_1024(wire: float) -> None:
    array = factor_array(
        conductances(1024, 1024), Wires(wire, wire, 5.0, 5.0), row_resistance=5.0, column_resistance=5.0
    )
    assert solve_factored(array, *levels(1024, 1024)).iterations <= 6


def same(one: FactoredArray, other: FactoredArray) -> bool:
    """Whether two arrays are factored alike, bit for bit."""
    parts = ("g_row", "g_col", "e_row", "e_col", "drive_row", "drive_col", "reach_row", "reach_col")
    return all(np.array_equal(getattr(one.network, p), getattr(other.network, p)) for p in parts)


def factored(g: Floats) -> FactoredArray:
    return factor_array(g, WIRES, row_resistance=5.0, column_resistance=3.0)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (5, 3), (40, 70)])
def test_changed_lines_are_those_of_a_fresh_factoring(m: int, n: int) -> None:
    g = conductances(m, n)
    array = factored(g)
    rng = np.random.default_rng(4)
    cells = rng.integers(m, size=7), rng.integers(n, size=7)
    for i, j in zip(*cells, strict=True):
        g[i, j] *= 1.7
    change_conductances(array, *cells, g[cells])
    assert same(array, factored(g))


def test_lines_may_float_and_be_driven_again() -> None:
    g, (rows, columns) = conductances(20, 33), levels(20, 33)
    array = factored(g)
    first = solve_factored(array, rows, columns)
    floating = rows.copy(), columns.copy()
    floating[0][[0, 17]] = np.nan
    floating[1][5:30] = np.nan
    between = solve_factored(array, *floating)
    fresh = solve(g, *floating, WIRES, row_resistance=5.0, column_resistance=3.0)
    assert np.array_equal(between.voltages, fresh.voltages)
    assert (between.row_currents[[0, 17]] == 0.0).all()
    assert np.array_equal(solve_factored(array, rows, columns).voltages, first.voltages)
    assert same(array, factored(g))


def test_both_methods_agree() -> None:
    """Chebyshev sweeps and conjugate gradients, on an array either could be chosen for."""
    m, n = 90, 75
    g, (v_row, v_col) = conductances(m, n), levels(m, n)
    s_row, s_col = np.full(m, 0.2), np.full(n, 0.2)
    net = factor(new_network(m, n), g, 1.0, 1.0, s_row, s_col)
    work = new_workspace(m, n)
    drive(net, Lines(1.0, 1.0, s_row, s_col, v_row, v_col), np.empty((0, 0)), work)
    sweeps, error = chebyshev(net, contraction(net), 1e-7, 50, work)
    assert 0 < sweeps < 50
    assert error < 1e-7
    accelerated = work.c.copy()
    iterations, error = conjugate_gradients(
        net, work.b_row, work.b_col, 1e-7, 50, work.c, work.dr, work.r, work.z, work.p, work.sp, work.scratch
    )
    assert 0 < iterations < 50
    assert error < 1e-7
    assert np.abs(accelerated).max() > 0.01
    assert np.abs(accelerated - work.c).max() < 1e-6


def test_an_array_read_from_the_other_side_is_its_mirror_image() -> None:
    """Rows and columns play the same part once both are counted from their drivers."""
    g, (rows, columns) = conductances(48, 31), levels(48, 31)
    there = solve(g, rows, columns, WIRES, row_resistance=5.0, column_resistance=3.0)
    mirrored = np.ascontiguousarray(g[::-1, ::-1].T)
    back = solve(
        mirrored,
        columns[::-1],
        rows[::-1],
        Wires(2.0, 1.0, 3.0, 5.0),
        row_resistance=3.0,
        column_resistance=5.0,
    )
    assert np.abs(there.voltages + back.voltages.T[::-1, ::-1]).max() < PROMISE / 5


@pytest.mark.parametrize(
    ("rows", "columns", "conductance", "words"),
    [
        ([3], [0], [1e-4], "row numbers are .* 0 to 2"),
        ([0], [-1], [1e-4], "column numbers are .* 0 to 3"),
        ([0, 1], [1], [1e-4], "row numbers"),
        ([0], [1], [0.0], "conductance must be finite and > 0"),
    ],
)
def test_impossible_changes_are_refused(
    rows: list[int], columns: list[int], conductance: list[float], words: str
) -> None:
    array = factored(conductances(3, 4))
    with pytest.raises(ValueError, match=words):
        change_conductances(array, np.array(rows), np.array(columns), np.array(conductance))
