"""Time of one exact solve of a passive array, beside a dense product, SuperLU and badcrossbar, on one core.

`python -m benchmarks.solver` prints the table alone; `make bench` prints it with the rest and writes JSON.
Ours and the dense product are timed inside compiled loops, so that no call from Python counts.
"""

import importlib.util
import json
import logging
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from mtjloop.compiled import kernel
from mtjloop.sim.line_solver import Network, change_cell, factor, factor_column, factor_row
from mtjloop.sim.lines import Lines
from mtjloop.sim.network import FactoredArray, Wires, device_voltages, factor_array, solve_factored
from mtjloop.sim.network_solver import Workspace, solve_network

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

SIZES = ((14, 24), (65, 20), (16, 16), (32, 32), (64, 64), (128, 128), (256, 256), (512, 512), (1024, 1024))
"""The first two are layers as trained; the rest is the square range of the promise."""
WIRES = (0.1, 1.0, 5.0)
PEER_CELLS, SUPERLU_CELLS = 128 * 128, 128 * 128
DRIVER = 5.0
TOLERANCE = 1e-6


@kernel
def solve_often(
    times: int, net: Network, work: Workspace, lines: Lines, volts: Floats, rows: Floats, columns: Floats
) -> int:
    """Solve again and again; returns the sweeps of the last."""
    none = np.empty((0, 0))
    sweeps = 0
    for _ in range(times):
        sweeps, _ = solve_network(net, work, lines, none, TOLERANCE, 500, volts, rows, columns)
    return sweeps


@kernel
def multiply_often(times: int, matrix: Floats32, vector: Floats32, out: Floats32) -> None:
    """Dense products; numba hands each to BLAS."""
    for _ in range(times):
        np.dot(matrix, vector, out)


@kernel
def flip_often(times: int, net: Network, i: int, j: int, conductance: float) -> None:
    """Change one cell and factor its lines."""
    for _ in range(times):
        change_cell(net, i, j, conductance)
        factor_row(net, i)
        factor_column(net, j)


def best(call: Callable[[int], object], seconds: float = 0.4, repeats: int = 9) -> float:
    """Shortest time of one turn of call(turns) in s, over `repeats` loops that share `seconds`."""
    call(1)
    began = time.perf_counter()
    call(1)
    turns = max(1, int(seconds / repeats / max(time.perf_counter() - began, 1e-7)))
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        call(turns)
        found.append((time.perf_counter() - began) / turns)
    return min(found)


def repeated(call: Callable[[], object]) -> Callable[[int], None]:
    def turns(times: int) -> None:
        for _ in range(times):
            call()

    return turns


def nodal_matrix(g: Floats, wire: float, source: float) -> sp.csc_matrix:
    """Conductance matrix of all nodes; row-major rows first, then columns."""
    m, n = g.shape

    def ladder(count: int) -> Any:
        ends = np.full(count, 2.0)
        ends[0] -= 1.0
        ends[-1] -= 1.0
        between = -np.ones(count - 1)
        return cast(Any, sp).diags([ends, between, between], [0, 1, -1]) / wire

    first, last = sp.lil_matrix((n, n)), sp.lil_matrix((m, m))
    first[0, 0] = last[m - 1, m - 1] = 1.0 / source
    rows, columns = sp.kron(sp.eye(m), ladder(n) + first), sp.kron(ladder(m) + last, sp.eye(n))
    devices = sp.diags(g.ravel())
    return sp.csc_matrix(sp.bmat([[rows + devices, -devices], [-devices, columns + devices]]))


def superlu(matrix: sp.csc_matrix) -> Any:
    """SuperLU as favourable as it gets: symmetric ordering, no pivoting."""
    return spla.splu(
        matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )


def case(m: int, n: int) -> tuple[Floats, Floats, Floats]:
    """Random binary states with 8 % spread; read-like levels on the rows, columns at 0 V."""
    rng = np.random.default_rng(0)
    resistance = np.where(rng.random((m, n)) < 0.5, 5e3, 10e3) * np.exp(0.08 * rng.standard_normal((m, n)))
    return 1.0 / resistance, rng.uniform(-0.3, 0.3, m), np.zeros(n)


def compiled_times(array: FactoredArray, g: Floats, rows: Floats, columns: Floats) -> dict[str, float]:
    m, n = g.shape
    net = array.network
    wire = 1.0 / net.wire_row
    drivers = np.full(m, 1.0 / DRIVER), np.full(n, 1.0 / DRIVER)
    lines = Lines(wire, wire, *drivers, rows, columns)
    volts, row_current, column_current = np.empty((m, n)), np.empty(m), np.empty(n)
    arguments = (net, array.workspace, lines, volts, row_current, column_current)
    sweeps = solve_often(1, *arguments)
    ours = best(lambda times: solve_often(times, *arguments))
    matrix, vector, out = (g.T / g.max()).astype(np.float32), rows.astype(np.float32), np.empty(n, np.float32)
    matrix = np.ascontiguousarray(matrix)
    dense = best(lambda times: multiply_often(times, matrix, vector, out))
    cell = m // 2, n // 2
    return {
        "rows": m,
        "columns": n,
        "wire_ohm": 1.0 / wire,
        "sweeps": sweeps,
        "solve_us": ours * 1e6,
        "dense_us": dense * 1e6,
        "over_dense": ours / dense,
        "factor_us": best(repeated(lambda: factor(net, g, wire, wire, *drivers)), 0.1) * 1e6,
        "flip_us": best(lambda times: flip_often(times, net, *cell, g[cell]), 0.1) * 1e6,
        "from_python_us": best(repeated(lambda: solve_factored(array, rows, columns)), 0.2) * 1e6,
    }


def solver_row(m: int, n: int, wire: float) -> dict[str, float]:
    """One line of the table; ratios within this run."""
    g, rows, columns = case(m, n)
    wires = Wires(wire, wire, DRIVER, DRIVER)
    array = factor_array(g, wires, row_resistance=DRIVER, column_resistance=DRIVER)
    row = compiled_times(array, g, rows, columns)
    ours = row["solve_us"] * 1e-6
    if m * n <= SUPERLU_CELLS:
        matrix = nodal_matrix(g, wire, DRIVER)
        right = np.zeros((2, m, n))
        right[0, :, 0] = rows / DRIVER
        began = time.perf_counter()
        solved = superlu(matrix)
        row["superlu_factor_us"] = (time.perf_counter() - began) * 1e6
        row["superlu_over_ours"] = best(repeated(lambda: solved.solve(right.ravel())), 0.1) / ours
        exact = solved.solve(right.ravel()).reshape(2, m, n)
        got = solve_factored(array, rows, columns).voltages
        row["error_uv"] = float(np.abs(got - (exact[0] - exact[1])).max() * 1e6)
    if m == n <= 128 and wire == 1.0 and importlib.util.find_spec("badcrossbar"):
        peer = badcrossbar_time(g, rows, wire)
        row["badcrossbar_over_ours"] = peer / ours
        whole = best(
            repeated(
                lambda: device_voltages(
                    g, rows, columns, wire_resistance=wire, source_resistance=wire, sense_resistance=wire
                )
            ),
            0.2,
        )
        row["badcrossbar_over_one_off"] = peer / whole
    return row


def badcrossbar_time(g: Floats, rows: Floats, wire: float) -> float:
    """Seconds of badcrossbar for one vector (its drivers are one segment of wire)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when its plotting library is absent
        badcrossbar = cast(Any, importlib.import_module("badcrossbar"))
        logging.getLogger().setLevel(logging.WARNING)
        call = repeated(lambda: badcrossbar.compute(rows[:, None], 1.0 / g, r_i=wire))
        return best(call, 0.1, repeats=3)


def first_call() -> dict[str, float]:
    """Seconds of a first solve in a fresh process with kernels cached, over importing numba; median of 3."""
    program = (
        "import time; began = time.perf_counter(); import numba; imported = time.perf_counter()\n"
        "from mtjloop.sim.network import device_voltages\n"
        "device_voltages([[1e-4]], [0.1], [0.0], wire_resistance=1.0, source_resistance=1.0,"
        " sense_resistance=1.0)\n"
        "print(time.perf_counter() - imported, imported - began)"
    )
    times = []
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        times.append([float(part) for part in done.stdout.split()])
    over, numba_itself = (statistics.median(part) for part in zip(*times[1:], strict=True))
    return {"over_importing_numba_s": over, "importing_numba_s": numba_itself}


def solver_table(console: Console) -> dict[str, Any]:
    """Print the table; returns what is written as JSON."""
    if importlib.util.find_spec("badcrossbar") is None:
        console.print("badcrossbar is not installed (pip install 'mtjloop[bench]'): its column is left empty")
    table = Table(title="one exact solve of a passive array, lines factored, one core")
    columns: tuple[tuple[str, Callable[[dict[str, float]], str]], ...] = (
        ("size", lambda r: f"{r['rows']:.0f} x {r['columns']:.0f}"),
        ("wire, ohm", lambda r: f"{r['wire_ohm']:g}"),
        ("sweeps", lambda r: f"{r['sweeps']:.0f}"),
        ("us", lambda r: f"{r['solve_us']:.3g}"),
        ("dense us", lambda r: f"{r['dense_us']:.3g}"),
        ("times dense", lambda r: f"{r['over_dense']:.0f}"),
        ("factor us", lambda r: f"{r['factor_us']:.3g}"),
        ("one flip us", lambda r: f"{r['flip_us']:.3g}"),
        ("from Python us", lambda r: f"{r['from_python_us']:.3g}"),
        ("SuperLU / ours", lambda r: f"{r['superlu_over_ours']:.0f}" if "superlu_over_ours" in r else ""),
        ("error uV", lambda r: f"{r['error_uv']:.2f}" if "error_uv" in r else ""),
        (
            "badcrossbar / ours",
            lambda r: f"{r['badcrossbar_over_ours']:.0f}" if "badcrossbar_over_ours" in r else "",
        ),
    )
    for heading, _ in columns:
        table.add_column(heading, justify="right")
    rows = []
    with threadpool_limits(1):
        for m, n in SIZES:
            for wire in WIRES:
                rows.append(solver_row(m, n, wire))
                table.add_row(*(text(rows[-1]) for _, text in columns))
    console.print(table)
    first = first_call()
    console.print(
        f"first solve in a fresh process, kernels cached: {first['over_importing_numba_s']:.2f} s after "
        f"importing numba ({first['importing_numba_s']:.2f} s)"
    )
    return {"solves": rows, "first_call": first}


if __name__ == "__main__":
    print(json.dumps(solver_table(Console(width=150)), indent=1), file=sys.stderr)
