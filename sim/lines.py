"""Wires, drivers and levels of one operation, as compiled code takes them."""

from typing import NamedTuple

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
