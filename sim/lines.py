"""Wires, drivers and levels of one operation, as compiled code takes them."""

import math
from typing import NamedTuple

from ..compiled import kernel
from ._types import Floats


class Lines(NamedTuple):
    """Wires, drivers and levels of one operation."""

    g_row: float
    """Conductance of one row-wire segment, S."""
    g_col: float
    """Conductance of one column-wire segment, S."""
    s_row: Floats
    """Driver conductance of each row, S; 0 floats it."""
    s_col: Floats
    """Driver conductance of each column, S; 0 floats it."""
    v_row: Floats
    """Level of each row, V; any finite number for a floating one."""
    v_col: Floats
    """Level of each column, V."""


@kernel
def take_levels(levels: Floats, driver: float, conductances: Floats, volts: Floats) -> None:
    """Driver conductances and finite levels of lines whose NaN levels mean floating.

    Args:
        levels: (lines,), V.
        driver: conductance of each driver, S.
        conductances: returned, (lines,), S; 0 where floating.
        volts: returned, (lines,), V; 0 where floating.
    """
    for k in range(levels.size):
        floats = math.isnan(levels[k])
        conductances[k] = 0.0 if floats else driver
        volts[k] = 0.0 if floats else levels[k]
