"""Pulses that select some cells and hold the others: levels of selected and unselected lines."""

import math
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..compiled import kernel
from ..drivers.contract import FLOATING, Floats, Pulse
from ..errors import ProtocolError

Flags = NDArray[np.bool_]
Scheme = Literal["half", "third", "ground", "float"]
"""Bias of unselected lines, with selected rows at V/2 and selected columns at -V/2: half (0 V; half-selected
cells see V/2), third (unselected rows at -V/6 and columns at V/6; every other cell sees V/3), ground (the
ground of the die, which with a select voltage split evenly about it is `half`), float (connected to
nothing)."""

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
"""Schemes in the order in which compiled functions number them."""
LEVELS_NEEDED: Mapping[Scheme, int] = {"half": 2, "third": 4, "ground": 2, "float": 2}
"""Different levels besides 0 V that a pulse of each scheme drives at once."""

TO_P, TO_AP = 1, -1
"""Polarity of a pulse: AP -> P needs a positive cell voltage, P -> AP a negative one."""


def select_pulse(
    rows: Flags,
    columns: Flags,
    polarity: int,
    amplitude: float,
    width: float,
    scheme: Scheme = "half",
    repeat: int = 1,
    gated: bool = False,
) -> Pulse:
    """A pulse that puts `polarity * amplitude` across every cell of the selected rows and columns.

    Args:
        rows: which rows are selected, (rows,).
        columns: which columns are selected, (columns,).
        polarity: `TO_P` or `TO_AP`.
        amplitude: select voltage, V, > 0.
        width: s.
        scheme: bias of unselected lines.
        repeat: how many times.
        gated: whether each row has a gate: unselected rows stay closed, and unselected columns follow the
            rows, so that no other cell sees a voltage (`float` floats them).

    Raises:
        ProtocolError: the amplitude is not positive: it would switch the other way.
    """
    if not (math.isfinite(amplitude) and amplitude > 0.0):
        raise ProtocolError(f"a select amplitude of {amplitude:g} V; a finite voltage > 0 is accepted")
    row_levels, column_levels = np.empty(len(rows)), np.empty(len(columns))
    widths = np.empty(len(rows))
    select_levels(
        rows, columns, polarity, amplitude, width, SCHEMES.index(scheme), gated, row_levels, column_levels,
        widths,
    )  # fmt: skip
    return Pulse(row_levels, column_levels, widths if gated else width, repeat)


def row_pulse(
    row: int,
    columns: Flags,
    polarity: int,
    amplitude: float,
    width: float,
    scheme: Scheme,
    rows: int,
    gated: bool = False,
) -> Pulse:
    """A pulse for chosen cells of one row; where all columns are chosen the other rows see no voltage."""
    selected = np.zeros(rows, dtype=np.bool_)
    selected[row] = True
    pulse = select_pulse(selected, columns, polarity, amplitude, width, scheme, gated=gated)
    if columns.all() and not gated:
        others = np.where(selected, pulse.rows, pulse.columns[0])
        return Pulse(others, pulse.columns, width)
    return pulse


def unselected_levels(scheme: Scheme, voltage: float) -> tuple[float, float]:
    """Levels (row, column) of unselected lines under a signed select voltage, V."""
    row, column = rest_levels(SCHEMES.index(scheme), voltage)
    return row, column


@kernel
def rest_levels(scheme: int, voltage: float) -> tuple[float, float]:
    """Levels (row, column) of unselected lines; the scheme is its place in `SCHEMES`."""
    if scheme == 1:
        return -voltage / 6.0, voltage / 6.0
    if scheme == 3:
        return FLOATING, FLOATING
    return 0.0, 0.0


@kernel
def select_levels(
    rows: Flags, columns: Flags, polarity: int, amplitude: float, width: float, scheme: int, gated: bool,
    row_levels: Floats, column_levels: Floats, widths: Floats,
) -> None:  # fmt: skip
    """What every line does in a pulse on chosen rows and columns.

    Args:
        rows: which of the first rows are selected; lines beyond them are not.
        columns: which of the first columns are selected.
        polarity: 1 or -1.
        amplitude: select voltage, V.
        width: s.
        scheme: place in `SCHEMES`.
        gated: whether each row has a gate.
        row_levels: returned, (rows,), V.
        column_levels: returned, (columns,), V.
        widths: returned, (rows,), s; 0 keeps a gate closed.
    """
    voltage = polarity * amplitude
    half = 0.5 * voltage
    rest_row, rest_column = rest_levels(scheme, voltage)
    if gated:
        # Closed rows need no help; open ones share their level with the unselected columns.
        rest_row = 0.0
        if scheme != 3:
            rest_column = half
    for i in range(row_levels.size):
        chosen = i < rows.size and rows[i]
        row_levels[i] = half if chosen else rest_row
        widths[i] = width if chosen or not gated else 0.0
    for j in range(column_levels.size):
        column_levels[j] = -half if j < columns.size and columns[j] else rest_column
