"""The contract between an experiment and a crossbar: small, physical, the same for every backend.

Words and signs (DESIGN 3): row i, column j, cell (i, j). The voltage of a cell is row minus column; a
positive voltage drives AP -> P. P is low resistance, state 1; AP is high resistance, state 0. SI units.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..compiled import kernel

Floats = NDArray[np.float64]
Kind = Literal["passive", "1T1R"]
Orientation = Literal["forward", "transposed"]

FLOATING = float("nan")
"""The level of a line that is connected to nothing."""


@dataclass(frozen=True)
class Timing:
    """What the bench needs besides the pulse itself, in seconds."""

    pulse_overhead: float
    """Setting all lines and triggering, once an `apply` (not once a repeat)."""
    repeat_gap: float
    """Rest between two repeats of one pulse."""
    read_time: float
    """One read of all sensed lines, settling and integration included."""


@dataclass(frozen=True)
class Capabilities:
    """What a crossbar and the bench around it can do."""

    rows: int
    columns: int
    kind: Kind
    voltage_range: float
    """Largest magnitude of one line level, V."""
    voltage_resolution: float
    """Step of a line level, V; 0 for none."""
    minimum_width: float
    maximum_width: float
    width_resolution: float
    """Shortest and longest pulse and the step of the width, s; step 0 for none."""
    distinct_levels: int | None
    """How many different levels other than 0 V can be driven at once in a pulse; None for one a line. A line
    at 0 V or floating takes none of them."""
    read_levels: int | None
    """The same for a read, in which the sensed lines too are at 0 V; None for one a line."""
    floating_lines: bool
    transposed_read: bool
    """Whether rows can be sensed with the columns driven."""
    gate_lines: bool
    """Whether each row has a gate, so that each row may have its own width (1T1R)."""
    timing: Timing

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows, self.columns


@dataclass(frozen=True)
class Pulse:
    """What every line does for how long.

    Attributes:
        rows: level of each row, shape (rows,), V; NaN floats the row.
        columns: level of each column, shape (columns,), V; NaN floats the column.
        width: pulse width in s, one number, or one a row, shape (rows,), for crossbars with gate lines;
            a row of width 0 keeps its gate closed.
        repeat: how many times in a row the pulse is given.
    """

    rows: Floats
    columns: Floats
    width: float | Floats
    repeat: int = 1


@dataclass(frozen=True)
class Applied:
    """What a crossbar really did with a pulse.

    Attributes:
        width: programmed width in s (the longest, where rows differ).
        measured_width: in s, None if the bench cannot measure it.
        row_currents: current out of each row driver during the first repeat, shape (rows,), A, or None.
        column_currents: current into each column driver, shape (columns,), A, or None.
        some_rows: current out of single row drivers during the first repeat, A, by number, where a bench
            measures some lines only.
        some_columns: current into single column drivers, A, by number, likewise.
        compliance: whether a line hit its current limit; None if unknown.
        energy: given by the drivers over all repeats, J, or None.
        elapsed: bench time used, s.
    """

    width: float
    elapsed: float
    measured_width: float | None = None
    row_currents: Floats | None = None
    column_currents: Floats | None = None
    some_rows: Mapping[int, float] = field(default_factory=dict)
    some_columns: Mapping[int, float] = field(default_factory=dict)
    compliance: bool | None = None
    energy: float | None = None

    @property
    def peak_current(self) -> float | None:
        """Largest magnitude of any known line current during the first repeat, A.

        None if no current is known, NaN if one of them is no number.
        """
        peaks = []
        for currents in (self.row_currents, self.column_currents):
            if currents is not None:
                low, high, unknown = level_span(currents)
                if unknown:
                    return float("nan")
                peaks.append(max(high, -low))
        peaks += [abs(current) for one in (self.some_rows, self.some_columns) for current in one.values()]
        if any(math.isnan(each) for each in peaks):
            return float("nan")
        return max(peaks, default=None)


@dataclass(frozen=True)
class Bias:
    """A read, or several reads one after another.

    Attributes:
        levels: level of each driven line, V: shape (lines,), or (reads, lines) for a sequence of reads.
        orientation: "forward" drives rows and senses columns at virtual ground, "transposed" the reverse.
    """

    levels: Floats
    orientation: Orientation = "forward"


@dataclass(frozen=True)
class Reading:
    """Sensed currents.

    Attributes:
        currents: into each sensed line, A: shape (sensed,), or (reads, sensed) for a sequence. A cell of
            conductance G under a driving level V contributes +G V in either orientation.
        noise: standard deviation of one current, A; 0 if the bench has none.
        elapsed: bench time used, s.
        energy: given by the drivers, J, or None.
        compliance: whether a line hit its current limit; None if unknown.
        peak_current: largest line current met, A, or None.
    """

    currents: Floats
    noise: float
    elapsed: float
    energy: float | None = None
    compliance: bool | None = None
    peak_current: float | None = None


@dataclass(frozen=True)
class SafeState:
    """Answer of `safe`: whether all outputs are off is proven (read back) or UNKNOWN."""

    proven: bool
    detail: str = field(default="")


@runtime_checkable
class Crossbar(Protocol):
    """One electrically separate array of junctions on a bench."""

    @property
    def capabilities(self) -> Capabilities:
        """What this crossbar can do; constant while it is open."""
        ...

    def apply(self, pulse: Pulse) -> Applied:
        """Give a pulse; every cell switches by the voltage it really sees.

        Raises:
            CapabilityError: the pulse does not fit the crossbar.
            SafetyError: a limit forbids it (nothing was sent), or was left (the crossbar was made safe).
        """
        ...

    def read(self, bias: Bias) -> Reading:
        """Drive one side, sense the other at virtual ground.

        Raises:
            CapabilityError: the bias does not fit the crossbar.
            SafetyError: as for `apply`.
        """
        ...

    def safe(self) -> SafeState:
        """All outputs off or at 0 V, relays open. Idempotent, never raises for a device that is gone."""
        ...


@kernel
def level_span(levels: Floats) -> tuple[float, float, int]:
    """Lowest and highest of some levels or currents, 0 counted in, and how many are NaN (floating).

    Args:
        levels: (lines,), V or A; NaN floats.

    Returns:
        Lowest level (<= 0), highest level (>= 0), floating lines.
    """
    low, high, floating = 0.0, 0.0, 0
    for level in levels:
        if np.isnan(level):
            floating += 1
        else:
            low = min(low, level)
            high = max(high, level)
    return low, high, floating


def device_voltage_bound(pulse: Pulse) -> float:
    """Largest magnitude of voltage any cell can see in a pulse, V: the spread of the driven levels.

    A floating line settles between the driven ones, so it never widens the spread. A cell that sees
    ground through an idle instrument is covered because 0 V counts as driven.
    """
    row_low, row_high, _ = level_span(pulse.rows.reshape(-1))
    column_low, column_high, _ = level_span(pulse.columns.reshape(-1))
    return max(row_high, column_high) - min(row_low, column_low)
