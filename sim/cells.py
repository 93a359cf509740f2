"""Values that cross into compiled code: the cells of a tile, the lines around them, the switching law."""

import math
from typing import NamedTuple

from ..compiled import kernel
from ._types import Floats, States
from .switching import Law, equivalent_time_at, log_hazard_at


class Cells(NamedTuple):
    """Parameters of all cells of one tile; every array has shape (rows, columns), SI units."""

    conductance_p: Floats
    """In state P, S."""
    conductance_ap: Floats
    """In state AP, S."""
    voltage_up: Floats
    """Critical voltage V_c0+ of AP -> P, V."""
    voltage_down: Floats
    """Critical voltage V_c0- of P -> AP, V, positive."""
    delta: Floats
    """Thermal stability factor."""
    field: Floats
    """Stray field H/H_k; positive favours P."""


class Dynamics(NamedTuple):
    """How the cells of a die switch in time."""

    law: Law
    time_unit: float
    """Seconds of one unit of reduced time."""


class Access(NamedTuple):
    """Access transistors; a passive array has none."""

    resistance: float
    """Of an open transistor, ohm; 0 in passive arrays."""
    leak: float
    """Conductance of a cell with a closed gate, S."""


@kernel
def junction_conductance(cells: Cells, state: States, i: int, j: int) -> float:
    """Conductance of the junction of cell (i, j) alone, S."""
    own = cells.conductance_p if state[i, j] == 1 else cells.conductance_ap
    return float(own[i, j])


@kernel
def cell_hazard(
    dynamics: Dynamics, cells: Cells, state: int, volt: float, i: int, j: int, duration: float, before: float
) -> float:
    """Integrated switching rate -ln(1 - P) of cell (i, j) out of `state`.

    What the cell went through before within the same pulse is carried by equivalent elapsed time: the time
    that the law at the present voltage would have needed for the hazard collected so far.

    Args:
        dynamics: switching law and time unit.
        cells: parameters.
        state: present state, 1 P or 0 AP.
        volt: across the junction, V; positive drives AP -> P.
        i: row.
        j: column.
        duration: of this voltage, s.
        before: hazard collected earlier in the pulse.
    """
    if state == 0:
        overdrive, field = volt / cells.voltage_up[i, j], -cells.field[i, j]
    else:
        overdrive, field = -volt / cells.voltage_down[i, j], cells.field[i, j]
    delta = cells.delta[i, j]
    time = duration / dynamics.time_unit
    if before > 0.0:
        time += equivalent_time_at(dynamics.law, math.log(before), overdrive, delta, field)
    return math.exp(log_hazard_at(dynamics.law, overdrive, time, delta, field))
