"""The line solver against nodal analysis with SuperLU, over the ranges that are promised."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mtjloop.errors import ConvergenceError
from mtjloop.sim import network
from mtjloop.sim.network import Wires, device_voltages, solve

Floats = NDArray[np.float64]

PROMISE = 10e-6
"""Largest error of a device voltage, V."""


def oracle(
    g: Floats, rows: Floats, columns: Floats, r_row: float, r_col: float, r_source: float, r_sense: float
) -> tuple[Floats, Floats, Floats]:
    """Cell voltages, row driver currents, column driver currents; levels NaN = floating."""
    m, n = int(g.shape[0]), int(g.shape[1])
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


def random_case(seed: int, m: int, n: int, r_p: float, floating: float) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    resistance = np.where(rng.random((m, n)) < 0.5, r_p, 2.2 * r_p) * np.exp(
        0.08 * rng.standard_normal((m, n))
    )
    rows, columns = rng.uniform(-0.5, 0.5, m), rng.uniform(-0.5, 0.5, n)
    rows[rng.random(m) < 0.2] = 0.0
    rows[rng.random(m) < floating] = np.nan
    columns[rng.random(n) < floating] = np.nan
    if np.isnan(rows).all() and np.isnan(columns).all():
        rows[0] = 0.3
    return 1.0 / resistance, rows, columns


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    m=st.integers(1, 24),
    n=st.integers(1, 24),
    wire=st.floats(0.1, 10.0),
    r_p=st.floats(1e3, 5e4),
    floating=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    source=st.floats(0.5, 50.0),
)
def test_small_arrays(
    seed: int, m: int, n: int, wire: float, r_p: float, floating: float, source: float
) -> None:
    g, rows, columns = random_case(seed, m, n, r_p, floating)
    got = solve(
        g, rows, columns, Wires(wire, 2 * wire, source, 3.0), row_resistance=source, column_resistance=3.0
    )
    volts, row_current, column_current = oracle(g, rows, columns, wire, 2 * wire, source, 3.0)
    assert np.abs(got.voltages - volts).max() < PROMISE
    # What an error of a fifth of the promise in every device of the strongest line would carry.
    allowed = PROMISE / 5 * max(g.sum(axis=0).max(), g.sum(axis=1).max())
    assert np.abs(got.row_currents - row_current).max() < allowed
    assert np.abs(got.column_currents - column_current).max() < allowed


@pytest.mark.parametrize(
    ("m", "n", "wire", "r_p", "floating"),
    [
        (128, 128, 10.0, 1e3, 0.0),
        (128, 128, 10.0, 1e3, 0.5),
        (1, 1024, 10.0, 1e3, 0.0),
        (1024, 1, 10.0, 1e3, 0.0),
        (200, 40, 0.1, 5e4, 0.9),
        (96, 160, 1.0, 5e3, 0.2),
        (1024, 16, 10.0, 1e3, 0.5),
        (16, 1024, 0.1, 5e4, 0.95),
        (128, 128, 0.1, 5e4, 1.0),
    ],
)
def test_large_and_long_arrays(m: int, n: int, wire: float, r_p: float, floating: float) -> None:
    g, rows, columns = random_case(1, m, n, r_p, floating)
    got = device_voltages(g, rows, columns, wire_resistance=wire, source_resistance=5.0, sense_resistance=5.0)
    volts, _, _ = oracle(g, rows, columns, wire, wire, 5.0, 5.0)
    assert np.abs(got - volts).max() < PROMISE


def test_ideal_wires_give_the_levels_themselves() -> None:
    g, rows, columns = random_case(3, 12, 9, 5e3, 0.0)
    got = device_voltages(g, rows, columns, wire_resistance=0.0, source_resistance=0.0, sense_resistance=0.0)
    assert np.abs(got - (rows[:, None] - columns)).max() < 1e-6


def test_one_device_is_a_divider() -> None:
    got = device_voltages(
        [[1e-3]], [0.5], [0.0], wire_resistance=(1.0, 1.0), source_resistance=100.0, sense_resistance=400.0
    )
    assert got[0, 0] == pytest.approx(0.5 * 1000.0 / 1500.0, abs=1e-7)


@pytest.mark.parametrize(
    ("g", "rows", "columns", "words"),
    [
        ([[1e-3, 0.0]], [0.1], [0.0, 0.0], "conductance must be finite and > 0"),
        ([[1e-3, np.nan]], [0.1], [0.0, 0.0], "conductance must be finite and > 0"),
        ([[1e-3]], [0.1, 0.2], [0.0], "do not fit"),
        ([[1e-3]], [np.nan], [np.nan], "every line floats"),
        ([[1e-3]], [np.inf], [0.0], "infinite"),
    ],
)
def test_bad_arguments_are_named(
    g: list[list[float]], rows: list[float], columns: list[float], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        device_voltages(g, rows, columns, wire_resistance=1.0, source_resistance=1.0, sense_resistance=1.0)


def test_negative_wire_resistance_is_refused() -> None:
    with pytest.raises(ValueError, match="row_segment is -1"):
        device_voltages(
            [[1e-3]], [0.1], [0.0], wire_resistance=-1.0, source_resistance=1.0, sense_resistance=1.0
        )


def test_no_convergence_raises_with_x_and_residual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MOST_ITERATIONS", 1)
    g, rows, columns = random_case(1, 64, 64, 1e3, 0.0)
    with pytest.raises(ConvergenceError, match=r"residual of .* V .* x = N sqrt"):
        device_voltages(g, rows, columns, wire_resistance=10.0, source_resistance=5.0, sense_resistance=5.0)
