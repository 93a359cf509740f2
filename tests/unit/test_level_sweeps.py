"""Sweeps for given levels: how many are needed, what they begin with, what they leave."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import solve_banded

from mtjloop.sim.level_sweeps import MOST_ROOTS, ROOTS, guess_rows, kept_by, solve_at_levels
from mtjloop.sim.line_solver import Network, factor, new_network
from mtjloop.sim.lines import Lines
from mtjloop.sim.network_solver import (
    Workspace,
    contraction,
    few_sweeps,
    new_workspace,
    set_levels,
    share_kept,
)

from .test_network import oracle, random_case

Floats = NDArray[np.float64]


def prepared(g: Floats, wire: float, drivers: tuple[float, ...], v: tuple[Floats, Floats]) -> tuple[
    Network, Workspace
]:  # fmt: skip
    """An array factored, NaN levels floating, with its levels taken up."""
    m, n = g.shape
    s_row, s_col = (np.where(np.isnan(one), 0.0, 1.0 / r) for one, r in zip(v, drivers, strict=True))
    net, work = factor(new_network(m, n), g, 1 / wire, 1 / wire, s_row, s_col), new_workspace(m, n)
    set_levels(Lines(1 / wire, 1 / wire, s_row, s_col, np.nan_to_num(v[0]), np.nan_to_num(v[1])), work)
    return net, work


def solved(
    net: Network, work: Workspace, tolerance: float, wanted: bool = True
) -> tuple[float, Floats, Floats, Floats]:
    """The bound on the error, voltages, currents of rows and of columns."""
    volts = np.full((net.rows, net.columns) if wanted else (0, 0), np.nan)
    row, column = np.empty(net.rows), np.empty(net.columns)
    _, size = solve_at_levels(
        net, work.level_row, work.level_col, share_kept(net.reach_row), contraction(net), tolerance, 500,
        work.dr, work.c, work.held, work.start, work.drive, work.drop, work.scratch, volts, row, column,
    )  # fmt: skip
    return size, volts, row, column


@pytest.mark.parametrize("rho", [1e-4, 0.05, 0.3, 0.6])
@pytest.mark.parametrize("count", range(1, 9))
def test_the_share_that_weighted_sweeps_keep_is_that_of_their_polynomial(rho: float, count: int) -> None:
    x = np.linspace(0.0, rho, 20_001)
    polynomial = np.ones_like(x)
    for root in rho * ROOTS[count, :count]:
        polynomial *= (x - root) / (1.0 - root)
    assert kept_by(rho, count) == pytest.approx(np.abs(polynomial).max(), rel=0.03)


@pytest.mark.parametrize("rho", [0.05, 0.3, 0.6])
def test_roots_are_nearly_as_good_as_chebyshevs(rho: float) -> None:
    """With more than one, whose root is that of another number of sweeps: never as much as one sweep more."""
    for count in range(2, MOST_ROOTS + 1):
        best, next_best = (1.0 / np.cosh(k * np.arccosh(2.0 / rho - 1.0)) for k in (count, count - 1))
        assert best <= kept_by(rho, count) * (1.0 + 1e-9) < min(3.0 * best, next_best)


@pytest.mark.parametrize("columns", [1, 7, 16, 50])
def test_rows_are_guessed_as_uniform_lines_are(columns: int) -> None:
    """Rows of equal devices to columns that are held, against a tridiagonal solve of one."""
    g, wire, driver = 1e-4, 2.0, 30.0
    levels = np.array([0.3, -0.1, np.nan, 0.2, 0.0])
    net, work = prepared(np.full((5, columns), g), wire, (driver, 1.0), (levels, np.full(columns, 0.05)))
    guess_rows(net, work.level_row, work.level_col, work.start, work.drive, work.drop)
    bands = np.zeros((3, columns))
    bands[0, 1:] = bands[2, :-1] = -1.0 / wire
    bands[1] = g + 2.0 / wire
    bands[1, 0] += 1.0 / driver - 1.0 / wire
    bands[1, -1] -= 1.0 / wire
    right = np.full(columns, g * 0.05)
    for i, level in enumerate(levels):
        source = np.zeros(columns)
        source[0] = 0.0 if np.isnan(level) else level / driver
        wanted = np.full(columns, 0.05) if np.isnan(level) else solve_banded((1, 1), bands, right + source)
        start, drive = work.start[i // 16, i % 16], work.drive[i // 16, i % 16]
        assert start - drive * work.drop.ravel()[:columns] == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize("seed", range(30))
def test_errors_stay_within_the_bound(seed: int) -> None:
    """Beyond it only what rounding to float32 makes, a millionth of the levels."""
    rng = np.random.default_rng([seed, 5])
    m, n = rng.integers(2, 80, 2)
    wire, drivers = 10 ** rng.uniform(-1.0, 0.7), 10 ** rng.uniform(-0.5, 2.0, 2)
    g, rows, columns = random_case(seed, m, n, 10 ** rng.uniform(3.3, 4.5), 0.0)
    if seed % 3 == 0:
        rows[1:][rng.random(m - 1) < 0.3] = np.nan
    if seed % 2 == 0:
        columns[:] = 0.0
    (net, work), scale = prepared(g, wire, tuple(drivers), (rows, columns)), 1.0
    while not few_sweeps(contraction(net)):
        scale /= 2.0
        net, work = prepared(g, scale * wire, tuple(scale * drivers), (rows, columns))
    size, volts, *_ = solved(net, work, 1e-5)
    assert size < 1e-5
    exact, *_ = oracle(g, rows, columns, scale * wire, scale * wire, *(scale * drivers))
    assert np.abs(volts - exact).max() < size + 1e-6 * np.nanmax(np.abs([*rows, *columns]))


@pytest.mark.parametrize("driver", [1e-6, 5.0, 100.0])
def test_currents_are_those_of_the_cells_over_any_driver(driver: float) -> None:
    g, *v = random_case(3, 40, 21, 5e3, 0.0)
    net, work = prepared(g, 0.5, (driver, driver), (v[0], v[1]))
    assert few_sweeps(contraction(net))
    _, volts, row, column = solved(net, work, 1e-6)
    _, none, again, _ = solved(net, work, 1e-6, wanted=False)
    assert none.size == 0
    assert np.array_equal(row, again)
    within = 2e-6 * max(g.sum(axis=0).max(), g.sum(axis=1).max())
    assert np.abs(row - (g * volts).sum(axis=1)).max() < within
    assert np.abs(column - (g * volts).sum(axis=0)).max() < within


def test_long_floating_rows_of_poor_wires_are_solved() -> None:
    """x = 100 along rows that all float: their guess, cosh(100) between the ends, would be beyond float32."""
    g, rows, columns = np.full((2, 1024), 1e-3), np.full(2, np.nan), np.zeros(1024)
    columns[:512] = 0.3
    net, work = prepared(g, 10.0, (1.0, 1.0), (rows, columns))
    assert few_sweeps(contraction(net))
    size, volts, row, _ = solved(net, work, 1e-6)
    assert size < 1e-6
    exact, *_ = oracle(g, rows, columns, 10.0, 10.0, 1.0, 1.0)
    assert np.abs(volts - exact).max() < 2e-6
    assert not row.any()


def test_without_sweeps_enough_nothing_is_returned() -> None:
    g, *v = random_case(4, 60, 60, 5e3, 0.0)
    net, work = prepared(g, 2.0, (5.0, 5.0), (v[0], v[1]))
    volts, row, column = np.zeros((60, 60)), np.zeros(60), np.zeros(60)
    sweeps, size = solve_at_levels(
        net, work.level_row, work.level_col, share_kept(net.reach_row), contraction(net), 1e-9, 2, work.dr,
        work.c, work.held, work.start, work.drive, work.drop, work.scratch, volts, row, column,
    )  # fmt: skip
    assert sweeps == 3
    assert size > 1e-9
    assert not volts.any() and not row.any() and not column.any()
