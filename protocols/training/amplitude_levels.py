"""The encodings by amplitude and by duration: probabilities become voltages and gate widths.

Near its working point the hazard h = -ln(1 - P) of a cell rises as exp(b V) with the voltage. So ln h of a
product is the sum of two logarithms, and a sum of voltages is what a crossbar makes of its rows and columns:

`log-amplitude`      V_row,i = V/2 + ln(|f_i| / max|f|) / b,  V_col,j = -(V/2 + ln(|g_j| / max|g|) / b)
`duration-amplitude` the gate of row i is open for the width at which h is |f_i| / max|f| of what it is at
                     the full width, and column j takes the amplitude V + ln(|g_j| / max|g|) / b

with V the amplitude at which P is the wanted peak. A line whose voltage would be 0 or less is not selected.
No line exceeds V/2, so half-selected cells see V/2 at most. What the wires take, and that b differs from cell
to cell, is seen by audits as a slope other than 1.
"""

import math

from ...compiled import kernel
from ...drivers.contract import Floats
from ..selection import Flags, rest_levels
from ..switching_curve import width_at


@kernel
def peak_voltage(peak: float, intercept: float, slope: float, offset: float, most: float) -> float:
    """Amplitude in V for a peak probability: from ln h = intercept + slope V, plus an offset, capped."""
    hazard = -math.log1p(-min(peak, 1.0 - 1e-9))
    return min((math.log(hazard) - intercept) / slope + offset, most)


@kernel
def log_levels(
    rows: Floats, columns: Floats, row_flags: Flags, column_flags: Flags, polarity: int, each: int,
    row_most: float, column_most: float, peak: float, slope: float, width: float, scheme: int, gated: bool,
    row_levels: Floats, column_levels: Floats, widths: Floats,
) -> bool:  # fmt: skip
    """Levels of a `log-amplitude` pulse on a block.

    Args:
        rows: of the factor, (inputs of the block,).
        columns: of the factor, (outputs of the block,).
        row_flags: rows of this sign phase, (inputs,).
        column_flags: cell columns of this sign phase, (cell columns,).
        polarity: 1 or -1.
        each: cell columns of an output.
        row_most: largest magnitude of a row of the whole layer.
        column_most: the same of a column.
        peak: amplitude of the cell with the largest signals, V.
        slope: b, 1/V.
        width: s.
        scheme: place of the bias of unselected lines in `SCHEMES`.
        gated: whether each row has a gate.
        row_levels: returned, (rows of the tile,), V.
        column_levels: returned, (columns of the tile,), V.
        widths: returned, (rows of the tile,), s.

    Returns:
        Whether any cell is selected.
    """
    half = 0.5 * peak
    rest_row, rest_column = rest_levels(scheme, polarity * peak)
    if gated:
        rest_row = 0.0
        if scheme != 3:
            rest_column = 0.0
    some_row = some_column = False
    for i in range(row_levels.size):
        row_levels[i], widths[i] = rest_row, 0.0 if gated else width
        if i < row_flags.size and row_flags[i]:
            level = half + math.log(abs(rows[i]) / row_most) / slope
            if level > 0.0:
                row_levels[i], widths[i] = polarity * level, width
                some_row = True
    for j in range(column_levels.size):
        column_levels[j] = rest_column
        if j < column_flags.size and column_flags[j]:
            level = half + math.log(abs(columns[j // each]) / column_most) / slope
            if level > 0.0:
                column_levels[j] = -polarity * level
                some_column = True
    return some_row and some_column


@kernel
def duration_levels(
    rows: Floats, columns: Floats, row_flags: Flags, column_flags: Flags, polarity: int, each: int,
    row_most: float, column_most: float, peak: float, slope: float, log_shares: Floats, log_widths: Floats,
    shortest: float, scheme: int, row_levels: Floats, column_levels: Floats, widths: Floats,
) -> bool:  # fmt: skip
    """Levels and gate widths of a `duration-amplitude` pulse on a block of a tile with gates.

    Args:
        rows: of the factor, (inputs of the block,).
        columns: of the factor, (outputs of the block,).
        row_flags: rows of this sign phase, (inputs,).
        column_flags: cell columns of this sign phase, (cell columns,).
        polarity: 1 or -1.
        each: cell columns of an output.
        row_most: largest magnitude of a row of the whole layer.
        column_most: the same of a column.
        peak: amplitude of the cell with the largest signals, V.
        slope: b, 1/V.
        log_shares: of the `WidthCurve` of this polarity.
        log_widths: of the same.
        shortest: pulse of the bench, s; a gate that would open for less than half of it stays closed.
        scheme: place of the bias of unselected lines in `SCHEMES`.
        row_levels: returned, (rows of the tile,), V.
        column_levels: returned, (columns of the tile,), V.
        widths: returned, (rows of the tile,), s; 0 keeps a gate closed.

    Returns:
        Whether any cell is selected.
    """
    half = 0.5 * polarity * peak
    rest_column = rest_levels(scheme, polarity * peak)[1] if scheme == 3 else half
    some_row = some_column = False
    for i in range(row_levels.size):
        row_levels[i], widths[i] = 0.0, 0.0
        if i < row_flags.size and row_flags[i]:
            width = width_at(math.log(abs(rows[i]) / row_most), log_shares, log_widths)
            if width >= 0.5 * shortest:
                row_levels[i], widths[i] = half, max(width, shortest)
                some_row = True
    for j in range(column_levels.size):
        column_levels[j] = rest_column
        if j < column_flags.size and column_flags[j]:
            level = peak + math.log(abs(columns[j // each]) / column_most) / slope
            if level > 0.0:
                column_levels[j] = half - polarity * level
                some_column = True
    return some_row and some_column
