"""The electrical check of a crossbar, line by line, at read voltage: opens, shorts, lines that touch.

A cell that is stuck in a good state looks like any other at read voltage, so finding it takes pulses: that
part is asked for separately.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..drivers.contract import Bias, Crossbar, Floats, Orientation
from ..errors import FaultError
from .calibration import find_levels
from .journal import Monitor, States
from .settings import PulseSettings, ReadSettings

_READABLE = 4.0
"""Standard deviations of the read noise beyond which a current is believed."""
_FAR = 5.0
"""A resistance so many times below (above) the median of all is a short (an open)."""
_OUTSIDE = 1.7
"""A resistance so many times beyond its level belongs to neither; ten standard deviations at 5.5 %."""
_DISAGREES = 0.25
"""Forward and transposed conductance of a good cell differ by less, in parts of the larger."""
_CLEAR = 6.0
"""Standard deviations of the read noise that such a difference, or a distance, has to be on top."""

_FEWEST = 8
"""Cells that are needed to look for two levels among them."""
_APART = 6.0
"""Distance of two levels in median deviations (four standard deviations)."""

Side = Literal["row", "column"]


class Verdict(IntEnum):
    """What a cell is found to be."""

    GOOD = 0
    OPEN = 1
    SHORT = 2
    OUTSIDE = 3
    """Its resistance belongs to neither level, or differs with the direction of the read."""
    STUCK_P = 4
    STUCK_AP = 5
    UNREAD = 6
    """The check ended before this cell."""


@dataclass(frozen=True)
class Bounds:
    """Resistances, ohm, beyond which a cell is a short or an open; None means a fifth of, and five times,
    the median of what can be read."""

    short: float | None = None
    open: float | None = None


@dataclass(frozen=True)
class Line:
    """What was found on one line.

    Attributes:
        side: row or column.
        number: of the line.
        lowest: resistance of its cells, ohm; NaN if none was read.
        median: the same.
        highest: the same; infinite with an open cell.
        counts: cells of each verdict.
        finding: in words; empty if the line is good.
    """

    side: Side
    number: int
    lowest: float
    median: float
    highest: float
    counts: dict[Verdict, int]
    finding: str


@dataclass(frozen=True)
class ElectricalCheck:
    """The electrical check of one crossbar.

    Attributes:
        resistance: (rows, columns), ohm; infinite where no current was seen, NaN where it was not read.
        verdict: `Verdict` of each cell, (rows, columns).
        bounds: resistances below and above which a cell is a short or an open, ohm; None if nothing was read.
        lines: rows, then columns.
        noise: standard deviation of a conductance, S, by the read noise that the bench states.
        fault: what ended the check early; None if it is complete.
        switched: whether pulses were given to find stuck cells.
    """

    resistance: Floats
    verdict: States
    bounds: tuple[float, float] | None
    lines: tuple[Line, ...]
    noise: float
    fault: str | None
    switched: bool

    @property
    def passed(self) -> bool:
        """Whether every cell is good."""
        return self.fault is None and not self.verdict.any()

    @property
    def blind(self) -> bool:
        """Whether the read noise is so large that a good cell of high resistance may pass for an open one."""
        return self.bounds is not None and _READABLE * self.noise * self.bounds[1] > 1.0

    def count(self, verdict: Verdict) -> int:
        """How many cells have a verdict."""
        return int((self.verdict == verdict).sum())


def check_electrically(
    crossbar: Crossbar,
    read: ReadSettings,
    monitor: Monitor,
    bounds: Bounds | None = None,
    pulse: PulseSettings | None = None,
) -> ElectricalCheck:
    """Read every cell, one line driven at a time and all others at 0 V, rows first, then columns.

    A line that touches another drives into 0 V and meets its current limit: the guard stops there, all goes
    off, and the check says which line it was.

    Args:
        crossbar: to be checked.
        read: level, and reads averaged.
        monitor: shows progress.
        bounds: of shorts and opens.
        pulse: how to switch, to find cells that are stuck: what the chip held is gone then. None gives no
            pulse.

    Raises:
        StoppedError: the monitor asked to stop while cells were switched.
        ProtocolError: most cells do not switch, see `find_levels`.
    """
    forward, noise, fault = _read_lines(crossbar, read, monitor, "forward")
    backward = np.full(forward.T.shape, np.nan)
    if fault is None and crossbar.capabilities.transposed_read:
        backward, _, fault = _read_lines(crossbar, read, monitor, "transposed")
    limits = _limits(forward, bounds or Bounds())
    verdict = _verdicts(forward, backward.T, limits, noise)
    switched = False
    if pulse is not None and fault is None:
        _find_stuck(crossbar, read, pulse, monitor, verdict)
        switched = True
    return ElectricalCheck(forward, verdict, limits, _lines(forward, verdict), noise, fault, switched)


def _read_lines(
    crossbar: Crossbar, read: ReadSettings, monitor: Monitor, orientation: Orientation
) -> tuple[Floats, float, str | None]:
    """Resistances (driven, sensed) in ohm, noise of a conductance in S, the fault that ended it early."""
    rows, columns = crossbar.capabilities.shape
    driven, sensed = (rows, columns) if orientation == "forward" else (columns, rows)
    side: Side = "row" if orientation == "forward" else "column"
    resistance, noise = np.full((driven, sensed), np.nan), 0.0
    for line in range(driven):
        monitor.progress(f"check {side}s", line, driven)
        if monitor.should_stop():
            return resistance, noise / read.voltage, f"stopped at {side} {line}"
        levels = np.zeros((read.repeats, driven))
        levels[:, line] = read.voltage
        try:
            reading = crossbar.read(Bias(levels, orientation))
        except FaultError as error:
            return resistance, noise / read.voltage, f"{side} {line}: {error}"
        noise = reading.noise / math.sqrt(read.repeats)
        current = np.atleast_2d(reading.currents).mean(axis=0)
        readable = current > _READABLE * noise
        resistance[line] = np.inf
        resistance[line, readable] = read.voltage / current[readable]
    monitor.progress(f"check {side}s", driven, driven)
    return resistance, noise / read.voltage, None


def _limits(resistance: Floats, bounds: Bounds) -> tuple[float, float] | None:
    finite = resistance[np.isfinite(resistance)]
    if finite.size == 0 and (bounds.short is None or bounds.open is None):
        return None
    middle = float(np.median(finite)) if finite.size else math.nan
    return (
        middle / _FAR if bounds.short is None else bounds.short,
        middle * _FAR if bounds.open is None else bounds.open,
    )


def _verdicts(forward: Floats, backward: Floats, limits: tuple[float, float] | None, noise: float) -> States:
    verdict = np.full(forward.shape, Verdict.GOOD, dtype=np.int8)
    short, open_ = limits or (0.0, math.inf)
    ordinary = (forward >= short) & (forward <= open_) & np.isfinite(forward)
    verdict[_outside_levels(forward, ordinary, noise)] = Verdict.OUTSIDE
    one, other = 1.0 / forward, 1.0 / backward
    most = _DISAGREES * np.maximum(one, other) + _CLEAR * math.sqrt(2.0) * noise
    verdict[ordinary & (np.abs(one - other) > most)] = Verdict.OUTSIDE
    verdict[forward < short] = Verdict.SHORT
    verdict[(forward > open_) | np.isinf(forward)] = Verdict.OPEN
    verdict[np.isnan(forward)] = Verdict.UNREAD
    return verdict


def _outside_levels(resistance: Floats, ordinary: NDArray[np.bool_], noise: float) -> NDArray[np.bool_]:
    """Cells far beyond both levels, where there are two; by medians, which such cells do not move."""
    nowhere = np.zeros(resistance.shape, dtype=np.bool_)
    if ordinary.sum() < _FEWEST:
        return nowhere
    logs = np.log(resistance[ordinary])
    low, high = (float(one) for one in np.quantile(logs, [0.1, 0.9]))
    for _ in range(20):
        upper = logs > 0.5 * (low + high)
        if upper.all() or not upper.any():
            return nowhere
        low, high = float(np.median(logs[~upper])), float(np.median(logs[upper]))
    spread = float(np.median(np.abs(logs - np.where(upper, high, low))))
    if high - low < max(_APART * spread, 0.1):
        return nowhere
    conductance, margin = 1.0 / resistance, _CLEAR * noise
    above = conductance > math.exp(-low) * _OUTSIDE + margin
    below = conductance < math.exp(-high) / _OUTSIDE - margin
    return np.asarray(ordinary & (above | below))


def _find_stuck(
    crossbar: Crossbar, read: ReadSettings, pulse: PulseSettings, monitor: Monitor, verdict: States
) -> None:
    stuck = find_levels(crossbar, read, pulse, monitor, "check switching").stuck
    good = verdict == Verdict.GOOD
    verdict[good & (stuck == 1)] = Verdict.STUCK_P
    verdict[good & (stuck == 0)] = Verdict.STUCK_AP


def _lines(resistance: Floats, verdict: States) -> tuple[Line, ...]:
    rows, columns = resistance.shape
    return tuple(
        [_line("row", i, resistance[i], verdict[i]) for i in range(rows)]
        + [_line("column", j, resistance[:, j], verdict[:, j]) for j in range(columns)]
    )


def _line(side: Side, number: int, resistance: Floats, verdict: States) -> Line:
    read = resistance[~np.isnan(resistance)]
    counts = {one: int((verdict == one).sum()) for one in Verdict}
    lowest, median, highest = (
        (float(read.min()), float(np.median(read)), float(read.max())) if read.size else (math.nan,) * 3
    )
    return Line(side, number, lowest, median, highest, counts, _finding(counts, len(verdict)))


_WORDS = {
    Verdict.OPEN: "open",
    Verdict.SHORT: "short",
    Verdict.OUTSIDE: "outside",
    Verdict.STUCK_P: "stuck P",
    Verdict.STUCK_AP: "stuck AP",
    Verdict.UNREAD: "not read",
}


def _finding(counts: dict[Verdict, int], cells: int) -> str:
    if counts[Verdict.OPEN] == cells:
        return "open line: wire, relay or contact"
    if counts[Verdict.SHORT] == cells:
        return "short line"
    return ", ".join(f"{counts[one]} {word}" for one, word in _WORDS.items() if counts[one])
