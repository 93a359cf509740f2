"""The voltage a junction really saw: what was asked less the drop along lines, drivers and access transistor.

Line currents are taken as measured where the bench measures them, and from the last known resistances
where it does not; along a line they are shared out by the conductances.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...drivers.contract import Applied, Floats, Pulse
from .settings import LineResistances

Integers = NDArray[np.int64]


def junction_voltages(
    lines: LineResistances,
    pulse: Pulse,
    applied: Applied,
    resistance: Floats,
    row: int,
    columns: Integers,
    gated: bool,
) -> Floats:
    """Magnitude of the voltage across the junctions of chosen cells of one row, (cells,), V.

    Args:
        lines: resistances in series.
        pulse: as asked; cells on a floating line are taken to carry no current.
        applied: what the bench says of it.
        resistance: of every cell before the pulse, (rows, columns), ohm.
        row: of the chosen cells.
        columns: of the chosen cells, (cells,).
        gated: whether the gates of all other rows are closed.
    """
    volts = pulse.rows[:, None] - pulse.columns[None, :]
    if not lines.any:
        return np.asarray(np.abs(volts[row, columns]))
    conductance = np.where(np.isfinite(resistance), 1.0 / resistance, 0.0)
    if gated:
        others = np.arange(len(conductance)) != row
        conductance[others] = 0.0
    currents = np.nan_to_num(conductance * volts)
    found_rows = _measured(applied.row_currents, applied.some_rows, len(volts))
    found_columns = _measured(applied.column_currents, applied.some_columns, volts.shape[1])
    own = currents[:, columns] * _scales(currents[:, columns].sum(axis=0), found_columns[columns])
    along_row = currents[row] * _scales(np.asarray(currents[row].sum()), found_rows[row])
    places = np.arange(volts.shape[1])
    shared = np.minimum(places[:, None], columns[None, :])
    row_drop = lines.driver * along_row.sum() + lines.row_segment * (along_row @ shared)
    last = len(volts) - 1
    common = np.minimum(last - np.arange(len(volts)), last - row)
    column_drop = lines.driver * own.sum(axis=0) + lines.column_segment * (common @ own)
    junction = volts[row, columns] - row_drop - column_drop - lines.access * own[row]
    return np.asarray(np.abs(junction))


def all_junction_voltages(
    lines: LineResistances, pulse: Pulse, applied: Applied, resistance: Floats, gated: bool
) -> Floats:
    """Magnitude of the voltage across every junction in a pulse, (rows, columns), V; 0 behind a closed gate.

    Args:
        lines: resistances in series.
        pulse: as asked; floating lines are taken where the cells pull them.
        applied: what the bench says of it.
        resistance: of every cell before the pulse, (rows, columns), ohm.
        gated: whether each row has a gate; a row of width 0 keeps its own closed.
    """
    rows, columns = resistance.shape
    settled, every = _settled(pulse, resistance), np.arange(columns)
    opened = np.broadcast_to(np.asarray(pulse.width) > 0.0, (rows,))
    found = np.zeros((rows, columns))
    for row in np.flatnonzero(opened).tolist():
        found[row] = junction_voltages(lines, settled, applied, resistance, row, every, gated)
    return found


def _settled(pulse: Pulse, resistance: Floats) -> Pulse:
    """The pulse with each floating line at the level that leaves it without current; wires are left out."""
    levels = np.concatenate([pulse.rows, pulse.columns])
    floating = np.isnan(levels)
    if not floating.any():
        return pulse
    rows = len(pulse.rows)
    widths = np.broadcast_to(np.asarray(pulse.width) > 0.0, (rows,))
    between = np.where(np.isfinite(resistance) & widths[:, None], 1.0 / resistance, 0.0)
    links = np.zeros((len(levels), len(levels)))
    links[:rows, rows:], links[rows:, :rows] = between, between.T
    own = links[np.ix_(floating, floating)]
    balance = np.diag(links[floating].sum(axis=1)) - own
    given = links[np.ix_(floating, ~floating)] @ levels[~floating]
    levels[floating] = np.linalg.lstsq(balance, given, rcond=None)[0]  # a line without cells stays at 0 V
    return replace(pulse, rows=levels[:rows], columns=levels[rows:])


def _measured(every: Floats | None, some: Mapping[int, float], lines: int) -> Floats:
    """Measured line currents, (lines,), A; NaN where there is none."""
    found = np.full(lines, np.nan) if every is None else np.array(every, dtype=np.float64)
    for line, current in some.items():
        found[line] = current
    return found


def _scales(expected: Floats, found: Floats) -> Floats:
    """Measured over expected line currents; 1 where either says nothing."""
    known = np.isfinite(found) & (np.abs(expected) > 1e-12)
    ratio = np.divide(found, expected, out=np.ones_like(found), where=known)
    return np.where((ratio > 0.5) & (ratio < 2.0), ratio, 1.0)
