"""Cells as the solve of an array takes them: parameters in panels, and currents of sixteen cells at once."""

from typing import NamedTuple

import numpy as np

from ..compiled import inlined_kernel, kernel
from ._types import Floats32, States
from .cells import Cells
from .lanes import (
    LANES,
    Lanes,
    fma,
    kept,
    load,
    minus,
    over,
    plus,
    reciprocal,
    splat,
    store,
    times,
    where_zero,
)
from .network_solver import Workspace, new_workspace
from .panels import new_panels, pack, padded, whole_nodes

JUNCTION_STEPS = 3
"""Newton steps for a junction behind a transistor whose voltage is roughly known."""


class BiasWorkspace(NamedTuple):
    """Cells as the solve takes them, and its scratch; all arrays are over columns."""

    network: Workspace
    conductance_p: Floats32
    """In state P, S."""
    barrier: Floats32
    """(R_AP - R_P)/R_P at zero bias in state AP, 0 in state P."""
    drop: Floats32
    """dr - dc, V; while lines are swept, dr alone."""
    junction: Floats32
    """Voltage of each junction alone, V."""
    current: Floats32
    """b in volts along a column wire: times its segment resistance."""


@kernel
def new_bias_workspace(rows: int, columns: int) -> BiasWorkspace:
    """Scratch for arrays of this size."""
    return BiasWorkspace(
        new_workspace(rows, columns), new_panels(columns, rows), new_panels(columns, rows),
        new_panels(columns, rows), new_panels(columns, rows), new_panels(columns, rows),
    )  # fmt: skip


@kernel
def load_cells(cells: Cells, state: States, work: BiasWorkspace) -> None:
    """Take up the parameters and states of all cells; needed again when any of them changed."""
    barriers = work.barrier
    pack(cells.conductance_p, 1.0, work.conductance_p)
    pack(cells.tmr, 1.0, barriers)
    rows, columns = state.shape
    depth = padded(rows)
    for j0 in range(0, columns, LANES):
        base, many = j0 // LANES * depth, min(LANES, columns - j0)
        whole = whole_nodes(rows, columns, j0)
        for i in range(whole):
            store(barriers, base + i, kept(where_zero(state, i, j0, load(barriers, base + i)), many))
        for i in range(whole, rows):
            for lane in range(many):
                barriers[base + i, lane] *= np.float32(1 - state[i, j0 + lane])


@inlined_kernel
def junction_current(conductance_p: Lanes, barrier: Lanes, volt: Lanes, scale: Lanes) -> Lanes:
    """Current of a junction, A; `scale` is 1/V_h^2.

    I = G_P V (1 + V^2/V_h^2)/(1 + V^2/V_h^2 + barrier).
    """
    shape = fma(times(volt, volt), scale, splat(np.float32(1.0)))
    return over(times(times(conductance_p, volt), shape), plus(shape, barrier))


@inlined_kernel
def junction_slope(conductance_p: Lanes, barrier: Lanes, volt: Lanes, scale: Lanes) -> tuple[Lanes, Lanes]:
    """Current of a junction, A, and its slope dI/dV, S."""
    one = splat(np.float32(1.0))
    square = times(times(volt, volt), scale)
    shape = plus(one, square)
    inverse = over(one, plus(shape, barrier))
    conductance = times(times(conductance_p, shape), inverse)
    steepening = times(times(plus(square, square), barrier), times(conductance_p, times(inverse, inverse)))
    return times(conductance, volt), plus(conductance, steepening)


@kernel
def cell_current(
    conductance_p: Lanes, barrier: Lanes, volt: Lanes, guess: Lanes, scale: Lanes, resistance: Lanes,
    steps: int,
) -> tuple[Lanes, Lanes, Lanes]:  # fmt: skip
    """Current of a cell with its transistor open, A, its slope, S, and the voltage of its junction, V.

    The junction voltage u solves u + R I(u) = V by Newton's method, from `guess`.
    """
    one = splat(np.float32(1.0))
    found = guess
    current, slope = junction_slope(conductance_p, barrier, found, scale)
    for _ in range(steps):
        excess = minus(fma(resistance, current, found), volt)
        found = minus(found, times(excess, reciprocal(fma(resistance, slope, one))))
        current, slope = junction_slope(conductance_p, barrier, found, scale)
    return current, times(slope, reciprocal(fma(resistance, slope, one))), found


@inlined_kernel
def current_at(
    conductances: Floats32, barriers: Floats32, junctions: Floats32, record: int, volt: Lanes, opened: int,
    passive: bool, leak: Lanes, scale: Lanes, ohms: Lanes,
) -> tuple[Lanes, Lanes]:  # fmt: skip
    """Currents of sixteen cells, A, and the voltages of their junctions, V, from those roughly known.

    Args:
        conductances: in state P, S, (records, 16).
        barriers: (R_AP - R_P)/R_P at zero bias in state AP, (records, 16).
        junctions: voltages of the junctions as roughly known, V, (records, 16).
        record: of the cells.
        volt: across each cell, V.
        opened: 0 where the gate of their row is closed; they leak, and the junctions are told to see nothing.
        passive: whether there are no transistors.
        leak: conductance behind a closed gate, S.
        scale: 1/V_h^2.
        ohms: resistance of an open transistor, ohm.
    """
    if opened == 0:
        current, found = times(leak, volt), splat(np.float32(0.0))
    elif passive:
        current, found = (
            junction_current(load(conductances, record), load(barriers, record), volt, scale),
            volt,
        )
    else:
        current, _, found = cell_current(
            load(conductances, record), load(barriers, record), volt, load(junctions, record), scale, ohms,
            JUNCTION_STEPS,
        )  # fmt: skip
    return current, found
