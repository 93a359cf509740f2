"""Pulses that select some cells and hold the others: levels of selected and unselected lines."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..drivers.contract import FLOATING, Floats, Pulse
from ..errors import ProtocolError

Flags = NDArray[np.bool_]
Scheme = Literal["half", "third", "float"]
"""Bias of unselected lines: half (0 V; half-selected cells see V/2), third (unselected rows at -V/6 and
columns at V/6; every other cell sees V/3), float (connected to nothing)."""

LEVELS_NEEDED: Mapping[Scheme, int] = {"half": 2, "third": 4, "float": 2}
"""Different levels besides 0 V that a pulse of each scheme drives at once."""

TO_P, TO_AP = 1, -1
"""Polarity of a pulse: AP -> P needs a positive cell voltage, P -> AP a negative one."""


def select_pulse(
    rows: Flags,
    columns: Flags,
    polarity: int,
    amplitude: float,
    width: float | Floats,
    scheme: Scheme = "half",
    repeat: int = 1,
) -> Pulse:
    """A pulse that puts `polarity * amplitude` across every cell of the selected rows and columns.

    Args:
        rows: which rows are selected, (rows,).
        columns: which columns are selected, (columns,).
        polarity: `TO_P` or `TO_AP`.
        amplitude: select voltage, V, > 0.
        width: s, or one a row for crossbars with gates.
        scheme: bias of unselected lines.
        repeat: how many times.

    Raises:
        ProtocolError: the amplitude is not positive: it would switch the other way.
    """
    if not (math.isfinite(amplitude) and amplitude > 0.0):
        raise ProtocolError(f"a select amplitude of {amplitude:g} V; a finite voltage > 0 is accepted")
    half = 0.5 * polarity * amplitude
    rest_row, rest_column = unselected_levels(scheme, polarity * amplitude)
    return Pulse(
        rows=np.where(rows, half, rest_row),
        columns=np.where(columns, -half, rest_column),
        width=width,
        repeat=repeat,
    )


def row_pulse(
    row: int, columns: Flags, polarity: int, amplitude: float, width: float, scheme: Scheme, rows: int
) -> Pulse:
    """A pulse for chosen cells of one row; where all columns are chosen the other rows see no voltage."""
    selected = np.zeros(rows, dtype=np.bool_)
    selected[row] = True
    pulse = select_pulse(selected, columns, polarity, amplitude, width, scheme)
    if columns.all():
        others = np.where(selected, pulse.rows, pulse.columns[0])
        return Pulse(others, pulse.columns, width)
    return pulse


def unselected_levels(scheme: Scheme, voltage: float) -> tuple[float, float]:
    """Levels (row, column) of unselected lines under a signed select voltage, V."""
    if scheme == "half":
        return 0.0, 0.0
    if scheme == "third":
        return -voltage / 6.0, voltage / 6.0
    return FLOATING, FLOATING
