"""Solves of pulses and reads whose cells follow their bias, and the panels they are made with."""

from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from mtjloop.sim.bias import factor_biased, solve_biased, solve_pulse
from mtjloop.sim.cell_panels import BiasWorkspace, load_cells, new_bias_workspace
from mtjloop.sim.cells import Access, Cells
from mtjloop.sim.line_solver import Network, factor, new_network
from mtjloop.sim.lines import Lines
from mtjloop.sim.network import Wires, factor_array, solve_factored
from mtjloop.sim.network_solver import contraction, few_sweeps
from mtjloop.sim.panels import new_panels, pack, unpack

Floats = NDArray[np.float64]
States = NDArray[np.int8]
sp = cast(Any, scipy.sparse)
PROMISE = 1e-5
HALF_VOLTAGE = 0.5
NOTHING: Floats = np.empty((0, 0))


def random_cells(m: int, n: int) -> tuple[Cells, States]:
    """Cells of 5 kOhm in P and twice that in AP with 8 % spread, half of them in P; drawn once."""
    rng = np.random.default_rng(m + n)
    one, none = np.ones((m, n)), np.zeros((m, n), np.int8)
    conductance = np.exp(0.08 * rng.standard_normal((m, n))) / 5e3
    cells = Cells(conductance, 0.9 + 0.2 * rng.random((m, n)), one, one, one, one, one, none, one, one, one)
    return cells, rng.integers(2, size=(m, n), dtype=np.int8)


def pulse_lines(m: int, n: int, wire: float, floats: bool) -> Lines:
    """A tenth of the lines selected at +-0.3 V, at least one; the other rows at 0 V or floating."""
    rng = np.random.default_rng(1)
    rows, columns = rng.random(m) < 0.1, rng.random(n) < 0.1
    rows[m // 2] = columns[n // 2] = True
    s_row = np.where(rows | (not floats), 0.2, 0.0)
    v_row, v_col = np.where(rows, 0.3, 0.0), np.where(columns, -0.3, 0.0)
    return Lines(1 / wire, 1 / wire, s_row.astype(float), np.full(n, 0.2), v_row, v_col)


def ladder(count: int, conductance: float) -> Any:
    """Conductances of one wire of `count` nodes."""
    edges = sp.diags([-np.ones(count - 1), np.ones(count - 1)], [0, 1], (count - 1, count))
    return sp.csr_matrix(conductance * (edges.T @ edges))


def cell_currents(
    cells: Cells, state: States, access: Access, opened: States, volts: Floats
) -> tuple[Floats, Floats, Floats]:
    """Currents, slopes and junction voltages of all cells in float64."""
    barrier, own = cells.tmr * (1 - state), volts.copy()
    for _ in range(50):
        shape = 1.0 + (own / HALF_VOLTAGE) ** 2
        g = cells.conductance_p * shape / (shape + barrier)
        bend = 2.0 * (own / HALF_VOLTAGE) ** 2 * barrier * cells.conductance_p / (shape + barrier) ** 2
        slope, current = g + bend, g * own
        own = own - (own + access.resistance * current - volts) / (1.0 + access.resistance * slope)
    closed = opened[:, None] == 0
    return (
        np.where(closed, access.leak * volts, current),
        np.where(closed, access.leak, slope / (1.0 + access.resistance * slope)),
        np.where(closed, 0.0, own),
    )


def solved(
    cells: Cells, state: States, access: Access, opened: States, lines: Lines
) -> tuple[Floats, Floats, Floats]:
    """Junction voltages and currents of rows and columns by Newton's method on all nodes."""
    m, n = state.shape
    first = sp.csr_matrix(([1.0], ([0], [0])), (n, n))
    last = sp.csr_matrix(([1.0], ([m - 1], [m - 1])), (m, m))
    wires_row = sp.kron(sp.eye(m), ladder(n, lines.g_row)) + sp.kron(sp.diags(lines.s_row), first)
    wires_col = sp.kron(ladder(m, lines.g_col), sp.eye(n)) + sp.kron(last, sp.diags(lines.s_col))
    row, column = np.zeros((m, n)), np.zeros((m, n))
    given_row, given_col = np.zeros((m, n)), np.zeros((m, n))
    given_row[:, 0], given_col[-1] = lines.s_row * lines.v_row, lines.s_col * lines.v_col
    change = np.inf
    for _ in range(30):
        current, slope, own = cell_currents(cells, state, access, opened, row - column)
        if change < 1e-12:
            break
        d = sp.diags(slope.ravel())
        matrix = sp.bmat([[wires_row + d, -d], [-d, wires_col + d]], format="csc")
        left_row = given_row.ravel() - wires_row @ row.ravel() - current.ravel()
        left_col = given_col.ravel() - wires_col @ column.ravel() + current.ravel()
        step = splu(matrix).solve(np.concatenate([left_row, left_col])).reshape(2, m, n)
        row, column, change = row + step[0], column + step[1], float(np.abs(step).max())
    assert change < 1e-12
    driven = lines.s_row > 0.0
    return own, np.where(driven, current.sum(axis=1), 0.0), current.sum(axis=0)


def prepared(cells: Cells, state: States, lines: Lines) -> tuple[Network, BiasWorkspace]:
    """A network that knows its wires, and loaded cells."""
    m, n = state.shape
    net = factor(
        new_network(m, n), cells.conductance_p, lines.g_row, lines.g_col, np.full(m, 0.2), np.full(n, 0.2)
    )
    work = new_bias_workspace(m, n)
    load_cells(cells, state, work)
    return net, work


@pytest.mark.parametrize(
    ("m", "n", "wire"),
    [(1, 1, 1.0), (65, 20, 1.0), (65, 20, 5.0), (20, 33, 10.0), (14, 24, 0.1), (70, 65, 1.0), (300, 20, 1.0)],
)
@pytest.mark.parametrize("floats", [False, True])
@pytest.mark.parametrize("gated", [False, True])
def test_a_pulse_agrees_with_newton_on_all_nodes(
    m: int, n: int, wire: float, floats: bool, gated: bool
) -> None:
    """Closed gates, transistors and floating rows or not; 1 uV over all cells of a line in its current."""
    cells, state = random_cells(m, n)
    lines = pulse_lines(m, n, wire, floats)
    access = Access(2e3, 1e-9) if gated else Access(0.0, 0.0)
    opened = ((lines.v_row != 0.0) | (not gated)).astype(np.int8)
    net, work = prepared(cells, state, lines)
    got, row, column = np.empty((m, n)), np.empty(m), np.empty(n)
    sweeps, _ = solve_pulse(
        net, work, access, HALF_VOLTAGE, opened, lines, 1e-6, 500, NOTHING, got, row, column
    )
    assert sweeps > 0
    volts, row_current, column_current = solved(cells, state, access, opened, lines)
    assert np.abs(got - volts).max() < PROMISE
    assert np.abs(row - row_current).max() < 1e-6 * n / 5e3 + 1e-9
    assert np.abs(column - column_current).max() < 1e-6 * m / 5e3 + 1e-9


@pytest.mark.parametrize(("m", "n", "wire"), [(65, 20, 1.0), (40, 70, 5.0)])
def test_a_read_agrees_with_newton_on_all_nodes(m: int, n: int, wire: float) -> None:
    """Lines factored once, for the slopes at zero bias."""
    cells, state = random_cells(m, n)
    lines = pulse_lines(m, n, wire, False)
    access, opened = Access(0.0, 0.0), np.ones(m, np.int8)
    net, work = prepared(cells, state, lines)
    rest = lines._replace(v_row=np.zeros(m), v_col=np.zeros(n))
    factor_biased(net, work, access, HALF_VOLTAGE, opened, rest)
    lines = lines._replace(v_row=np.random.default_rng(3).uniform(-0.3, 0.3, m), v_col=np.zeros(n))
    got, row, column = np.empty((m, n)), np.empty(m), np.empty(n)
    sweeps, _ = solve_biased(
        net, work, access, HALF_VOLTAGE, opened, lines, 1e-6, 500, NOTHING, got, row, column
    )
    assert sweeps > 0
    volts, _, column_current = solved(cells, state, access, opened, lines)
    assert np.abs(got - volts).max() < PROMISE
    assert np.abs(column - column_current).max() < 1e-6 * m / 5e3


def test_sweeps_and_outer_iterations_agree_on_either_side_of_the_choice() -> None:
    """At 1.5 ohm lines are swept, at 6 ohm each outer iteration is a solve of its own."""
    for wire, swept in ((1.5, True), (6.0, False)):
        cells, state = random_cells(100, 90)
        lines = pulse_lines(100, 90, wire, False)
        access, opened = Access(0.0, 0.0), np.ones(100, np.int8)
        net, work = prepared(cells, state, lines)
        got, row, column = np.empty((100, 90)), np.empty(100), np.empty(90)
        solve_pulse(net, work, access, HALF_VOLTAGE, opened, lines, 1e-6, 500, NOTHING, got, row, column)
        assert few_sweeps(contraction(net)) == swept
        assert np.abs(got - solved(cells, state, access, opened, lines)[0]).max() < PROMISE


def shared_resistance(count: int, source: float) -> Floats:
    """Resistance that two nodes of a line share towards its driver at node 0, over that of a segment."""
    place = np.arange(count)
    return 1.0 / source + np.minimum(place[:, None], place[None, :])


def test_reach_is_the_norm_that_bounds_how_strongly_devices_pull() -> None:
    rng = np.random.default_rng(5)
    m, n = 35, 50
    g = np.exp(rng.standard_normal((m, n))) * 1e-3
    g[0], g[:, 0] = 1e-3, 1e-3
    s_row, s_col = rng.uniform(0.05, 2.0, m), rng.uniform(0.05, 2.0, n)
    s_row[3] = 0.0
    net = factor(new_network(m, n), g, 0.5, 0.25, s_row, s_col)
    for i in range(m):
        reach = net.reach_row.ravel()[i]
        if i == 3:
            assert np.isinf(reach)
            continue
        scaled = np.sqrt(np.outer(g[i], g[i])) / 0.5 * shared_resistance(n, s_row[i] / 0.5)
        assert reach == pytest.approx(np.linalg.norm(scaled), rel=1e-5)
        assert reach > np.linalg.eigvalsh(scaled)[-1] * (1.0 - 1e-5)
    for j in range(n):
        along = g[::-1, j]  # columns are driven at their last row
        scaled = np.sqrt(np.outer(along, along)) / 0.25 * shared_resistance(m, s_col[j] / 0.25)
        assert net.reach_col.ravel()[j] == pytest.approx(np.linalg.norm(scaled), rel=1e-5)
    assert (net.reach_row.ravel()[m:] == 0.0).all()


@pytest.mark.parametrize("wire", [0.1, 1.0, 20.0])
def test_no_sweep_keeps_more_of_an_error_than_its_bound(wire: float) -> None:
    m, n = 17, 23
    g = random_cells(m, n)[0].conductance_p
    net = factor(new_network(m, n), g, 1 / wire, 1 / wire, np.full(m, 0.2), np.full(n, 0.2))
    first, last = np.zeros((n, n)), np.zeros((m, m))
    first[0, 0] = last[-1, -1] = 0.2
    d = np.diag(g.ravel())
    rows = np.kron(np.eye(m), ladder(n, 1 / wire).toarray() + first) + d
    columns = np.kron(ladder(m, 1 / wire).toarray() + last, np.eye(n)) + d
    sweep = np.linalg.solve(columns, d @ np.linalg.solve(rows, d))
    kept = np.abs(np.linalg.eigvals(sweep)).max()
    assert kept < contraction(net) < kept + 0.15


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1, 40), (17, 20), (16, 32), (65, 20), (9, 33)])
def test_panels_give_back_what_was_packed_and_nothing_else(shape: tuple[int, int]) -> None:
    m, n = shape
    rng = np.random.default_rng(6)
    values = rng.standard_normal(shape)
    panels = new_panels(n, m)
    assert panels.ctypes.data % 64 == 0
    pack(values, 2.0, panels)
    assert np.count_nonzero(panels) == m * n
    around = np.full(m * n + 64, 7.0)
    unpack(panels, around[: m * n].reshape(shape))
    assert around[: m * n].reshape(shape) == pytest.approx(2.0 * values, rel=1e-7)
    assert (around[m * n :] == 7.0).all()


@pytest.mark.parametrize("shape", [(3, 5), (65, 20), (33, 16)])
def test_cells_in_p_have_no_barrier(shape: tuple[int, int]) -> None:
    m, n = shape
    cells, state = random_cells(m, n)
    work, got = new_bias_workspace(m, n), np.empty(shape)
    for now in (state, 1 - state):
        load_cells(cells, now, work)
        unpack(work.barrier, got)
        assert got == pytest.approx(cells.tmr * (1 - now), rel=1e-7)
        assert np.count_nonzero(work.barrier) == np.count_nonzero(now == 0)


@pytest.mark.parametrize(("m", "n"), [(7, 3), (150, 37), (64, 16), (129, 18)])
def test_line_currents_are_those_of_their_cells(m: int, n: int) -> None:
    """More rows than are summed together, panels filled and not."""
    g = random_cells(m, n)[0].conductance_p
    array = factor_array(g, Wires(1.0, 1.0, 5.0, 5.0), row_resistance=5.0, column_resistance=5.0)
    rng = np.random.default_rng(7)
    found = solve_factored(array, rng.uniform(-0.3, 0.3, m), rng.uniform(-0.1, 0.1, n))
    carried = g * found.voltages
    total = np.abs(carried)
    assert np.abs(found.row_currents - carried.sum(axis=1)).max() < 1e-6 * total.sum(axis=1).max()
    assert np.abs(found.column_currents - carried.sum(axis=0)).max() < 1e-6 * total.sum(axis=0).max()
    assert abs(found.row_currents.sum() - found.column_currents.sum()) < 1e-6 * total.sum()


def test_the_same_pulse_gives_the_same_numbers_whatever_was_solved_before() -> None:
    m, n = 65, 20
    cells, state = random_cells(m, n)
    access, opened = Access(0.0, 0.0), np.ones(m, np.int8)
    lines = pulse_lines(m, n, 1.0, False)
    other = lines._replace(v_row=-lines.v_row, v_col=0.2 * np.arange(n) / n)
    net, work = prepared(cells, state, lines)
    found = []
    for levels in (lines, other, lines):
        got, row, column = np.empty((m, n)), np.empty(m), np.empty(n)
        solve_pulse(net, work, access, HALF_VOLTAGE, opened, levels, 1e-6, 500, NOTHING, got, row, column)
        found.append(np.concatenate([got.ravel(), row, column]))
    assert np.array_equal(found[0], found[2])
    assert all(not np.array_equal(one, two) for one, two in pairwise(found))
