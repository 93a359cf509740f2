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

from dataclasses import dataclass

import numpy as np

from ...drivers.contract import FLOATING, Capabilities, Floats, Pulse
from ..selection import Flags, unselected_levels
from ..settings import PulseSettings
from ..switching_curve import SwitchingCurve, WidthCurve


@dataclass(frozen=True)
class LineShares:
    """What the lines of a block have of the peak of an update, in one sign phase.

    Attributes:
        rows: ln(|f_i| / max|f|), <= 0, (inputs,); -inf for a row that is not selected.
        columns: ln(|g_j| / max|g|), <= 0, (cell columns,); -inf for a column that is not selected.
        polarity: 1 or -1.
    """

    rows: Floats
    columns: Floats
    polarity: int


def log_shares(signals: Floats, most: float, chosen: Flags) -> Floats:
    """ln(|signal| / most) of the chosen lines, -inf of the others; (lines,)."""
    shares = np.full(len(signals), -np.inf)
    shares[chosen] = np.log(np.abs(signals[chosen]) / most)
    return shares


def peak_voltage(peak: float, curve: SwitchingCurve, offset: float) -> float:
    """Amplitude in V at which a cell switches with the peak probability (1 at most), plus an offset."""
    return curve.amplitude(min(peak, 1.0 - 1e-9)) + offset


def log_pulse(
    shares: LineShares, peak: float, slope: float, pulse: PulseSettings, tile: Capabilities
) -> Pulse | None:
    """A `log-amplitude` pulse; None if it would select no cell.

    Args:
        shares: of the lines of the block.
        peak: amplitude of a cell with the largest signals, V.
        slope: b, 1/V.
        pulse: width and bias of unselected lines.
        tile: that the block lies on.
    """
    sign = shares.polarity
    rest_row, rest_column = unselected_levels(pulse.unselected, sign * peak)
    if tile.gate_lines:  # closed rows need no bias, and open ones are at levels of their own
        rest_row, rest_column = 0.0, rest_column if pulse.unselected == "float" else 0.0
    rows, columns = (0.5 * peak + one / slope for one in (shares.rows, shares.columns))
    if not ((rows > 0.0).any() and (columns > 0.0).any()):
        return None
    open_gates = _whole(np.where(rows > 0.0, pulse.width, 0.0), tile.rows, 0.0)
    return Pulse(
        _whole(np.where(rows > 0.0, sign * rows, rest_row), tile.rows, rest_row),
        _whole(np.where(columns > 0.0, -sign * columns, rest_column), tile.columns, rest_column),
        open_gates if tile.gate_lines else pulse.width,
    )


def duration_pulse(
    shares: LineShares, peak: float, slope: float, curve: WidthCurve, pulse: PulseSettings, tile: Capabilities
) -> Pulse | None:
    """A `duration-amplitude` pulse on a tile with gates; None if it would select no cell.

    A gate that would open for less than half of the shortest pulse of the bench stays closed.

    Args:
        shares: of the lines of the block.
        peak: amplitude of a cell with the largest signals, V.
        slope: b, 1/V.
        curve: hazard against pulse width, of this polarity.
        pulse: bias of unselected lines.
        tile: that the block lies on.
    """
    half = 0.5 * shares.polarity * peak
    # Unselected columns follow the open rows, so that only selected cells see a voltage.
    rest_column = FLOATING if pulse.unselected == "float" else half
    widths = curve.widths(shares.rows)
    widths = np.where(widths >= 0.5 * tile.minimum_width, np.maximum(widths, tile.minimum_width), 0.0)
    amplitudes = peak + shares.columns / slope
    if not (widths.any() and (amplitudes > 0.0).any()):
        return None
    columns = np.where(amplitudes > 0.0, half - shares.polarity * amplitudes, rest_column)
    return Pulse(
        _whole(np.where(widths > 0.0, half, 0.0), tile.rows, 0.0),
        _whole(columns, tile.columns, rest_column),
        _whole(widths, tile.rows, 0.0),
    )


def _whole(values: Floats, lines: int, rest: float) -> Floats:
    """Values of the first lines of a tile, and the same `rest` for those beyond them; (lines,)."""
    return np.pad(values, (0, lines - len(values)), constant_values=rest)
