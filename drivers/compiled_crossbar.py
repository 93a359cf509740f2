"""A simulated crossbar as compiled code takes it: reads and pulses within its limits, and what they cost.

`read_crossbar` and `pulse_crossbar` do what `Guard` and `SimulatedCrossbar` do in Python, so a compiled loop
leaves the same states, to the last bit. They tell by a number how an operation ended (`Ended`), for
`Guard.settle` to judge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..compiled import Pointer, by_reference, kernel
from ..sim.compiled_array import CompiledArray, shape_of
from ..sim.pulsing import apply_levels
from ..sim.reading import read_levels
from .checks import round_to
from .contract import Floats, Timing, level_span
from .guard import MADE, OVER_CURRENT, REFUSED, UNSOLVED, Limits

Read = Callable[[CompiledArray, Floats, bool, float, float, Floats], tuple[float, float, float]]
Apply = Callable[
    [CompiledArray, Floats, Floats, Floats, Floats, int, Floats, Floats], tuple[float, float, int, int, float]
]


@by_reference
@dataclass
class CompiledCrossbar:
    """A crossbar behind its guard; made by `compile_crossbar`.

    Attributes:
        array: what is behind it.
        read: `sim.reading.read_levels`.
        apply: `sim.pulsing.apply_levels`.
        device_voltage: limit of a pulse, V.
        read_voltage: limit of a read, V.
        line_current: limit of every line, A.
        least_width: shortest pulse, s.
        most_width: longest pulse, s.
        voltage_range: largest magnitude of a level, V.
        voltage_step: of a level, V; 0 for none.
        read_noise: standard deviation of one sensed current, A.
        read_time: of one read, s.
        pulse_overhead: of one pulse, s.
        repeat_gap: rest between repeats, s.
        pulses: counted since `start_counting`, as all that follows, where the operation was made.
        reads: counted since then.
        energy: counted since then, J.
        read_energy: its part that went into reads, J.
        elapsed: bench time counted since then, s.
        read_elapsed: its part that went into reads, s.
        last_energy: of the latest pulse, J.
        last_peak: largest line current of the latest operation, A.
        row_levels: of the latest pulse as driven, (rows,), V.
        column_levels: of the latest pulse as driven, (columns,), V.
        row_scratch: (1, rows).
        column_scratch: (1, columns).
        edge: (1,).
    """

    array: CompiledArray
    read: Read
    apply: Apply
    device_voltage: float
    read_voltage: float
    line_current: float
    least_width: float
    most_width: float
    voltage_range: float
    voltage_step: float
    read_noise: float
    read_time: float
    pulse_overhead: float
    repeat_gap: float
    pulses: int
    reads: int
    energy: float
    read_energy: float
    elapsed: float
    read_elapsed: float
    last_energy: float
    last_peak: float
    row_levels: Floats
    column_levels: Floats
    row_scratch: Floats
    column_scratch: Floats
    edge: Floats


@dataclass(frozen=True)
class Spent:
    """What was spent on a crossbar: see the attributes of `CompiledCrossbar`."""

    pulses: int
    reads: int
    energy: float
    read_energy: float
    elapsed: float
    read_elapsed: float


def compile_crossbar(
    array: CompiledArray, limits: Limits, line_current: float, widths: tuple[float, float],
    voltage_range: float, voltage_step: float, read_noise: float, timing: Timing,
) -> CompiledCrossbar:  # fmt: skip
    """A crossbar for compiled code.

    Args:
        array: behind it.
        limits: of its die.
        line_current: compliance of the bench, A.
        widths: shortest and longest pulse of the bench, s.
        voltage_range: largest magnitude of a level, V.
        voltage_step: of a level, V; 0 for none.
        read_noise: standard deviation of one sensed current, A.
        timing: costs in bench time.
    """
    rows, columns = shape_of(array)
    one_row, one_column, edge = np.zeros((1, rows)), np.zeros((1, columns)), np.zeros(1)
    read = Pointer(read_levels, array, one_row, True, 0.0, 0.0, one_column)
    apply = Pointer(
        apply_levels, array, one_row[0], one_column[0], one_row[0], edge, 1, one_row[0], one_column[0]
    )
    return _new(
        array, cast(Any, read), cast(Any, apply), limits.device_voltage, limits.read_voltage,
        min(limits.line_current, line_current), widths[0], min(widths[1], limits.pulse_width),
        voltage_range, voltage_step, read_noise, timing.read_time, timing.pulse_overhead, timing.repeat_gap,
    )  # fmt: skip


@kernel
def _new(
    array: CompiledArray, read: Read, apply: Apply, device_voltage: float, read_voltage: float,
    line_current: float, least_width: float, most_width: float, voltage_range: float, voltage_step: float,
    read_noise: float, read_time: float, pulse_overhead: float, repeat_gap: float,
) -> CompiledCrossbar:  # fmt: skip
    rows, columns = array.state.shape
    return CompiledCrossbar(
        array, read, apply, device_voltage, read_voltage, line_current, least_width, most_width,
        voltage_range, voltage_step,
        read_noise, read_time, pulse_overhead, repeat_gap, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        np.zeros(rows), np.zeros(columns), np.zeros((1, rows)), np.zeros((1, columns)), np.zeros(1),
    )  # fmt: skip


@kernel
def start_counting(crossbar: CompiledCrossbar, energy: float, elapsed: float) -> None:
    """Count from nothing on, but for energy, J, and bench time, s, which go on from what is given."""
    crossbar.pulses = crossbar.reads = 0
    crossbar.energy, crossbar.elapsed = energy, elapsed
    crossbar.read_energy = crossbar.read_elapsed = 0.0


@kernel
def _counted(crossbar: CompiledCrossbar) -> tuple[int, int, float, float, float, float]:
    return (
        crossbar.pulses, crossbar.reads, crossbar.energy, crossbar.read_energy, crossbar.elapsed,
        crossbar.read_elapsed,
    )  # fmt: skip


def spent_on(crossbar: CompiledCrossbar) -> Spent:
    """What was counted since `start_counting`."""
    return Spent(*_counted(crossbar))


@kernel
def last_peak_of(crossbar: CompiledCrossbar) -> float:
    """Largest line current of the latest operation, A."""
    return crossbar.last_peak


@kernel
def read_crossbar(crossbar: CompiledCrossbar, levels: Floats, forward: bool, currents: Floats) -> int:
    """Make one read.

    Args:
        crossbar: changed.
        levels: (1, driven lines), V, none floating.
        forward: drive rows and sense columns; otherwise the reverse.
        currents: returned, (1, sensed lines), A.

    Returns:
        How it ended, see `Guard.settle`.
    """
    driven = crossbar.row_scratch if forward else crossbar.column_scratch
    if crossbar.voltage_step > 0.0:
        round_to(levels[0], crossbar.voltage_step, driven[0])
    else:
        driven[:] = levels
    low, high, floating = level_span(driven[0])
    if (
        floating > 0
        or high - low > crossbar.read_voltage * (1.0 + 1e-9)
        or max(high, -low) > crossbar.voltage_range
    ):
        return REFUSED
    energy, peak, residual = crossbar.read(
        crossbar.array, driven, forward, crossbar.read_time, crossbar.read_noise, currents
    )
    if residual > 0.0:
        return UNSOLVED
    crossbar.last_peak = peak
    if not peak <= crossbar.line_current:
        return OVER_CURRENT
    crossbar.reads += 1
    crossbar.energy += energy
    crossbar.read_energy += energy
    crossbar.elapsed += crossbar.read_time
    crossbar.read_elapsed += crossbar.read_time
    return MADE


@kernel
def pulse_crossbar(
    crossbar: CompiledCrossbar, row_levels: Floats, column_levels: Floats, widths: Floats, width: float
) -> int:
    """Give one pulse.

    Args:
        crossbar: changed.
        row_levels: (rows,), V; NaN floats.
        column_levels: (columns,), V; NaN floats.
        widths: of each row, (rows,), s: `width`, or 0 where a gate stays closed.
        width: s, on the grid of the bench and within its range.

    Returns:
        How it ended, see `Guard.settle`.
    """
    if crossbar.voltage_step > 0.0:
        round_to(row_levels, crossbar.voltage_step, crossbar.row_levels)
        round_to(column_levels, crossbar.voltage_step, crossbar.column_levels)
    else:
        crossbar.row_levels[:] = row_levels
        crossbar.column_levels[:] = column_levels
    row_low, row_high, row_floating = level_span(crossbar.row_levels)
    column_low, column_high, column_floating = level_span(crossbar.column_levels)
    low, high = min(row_low, column_low), max(row_high, column_high)
    if (
        high - low > crossbar.device_voltage * (1.0 + 1e-9)
        or max(high, -low) > crossbar.voltage_range * (1.0 + 1e-12)
        or row_floating + column_floating == row_levels.size + column_levels.size
        or not crossbar.least_width * (1.0 - 1e-9) <= width <= crossbar.most_width * (1.0 + 1e-9)
    ):
        return REFUSED
    crossbar.edge[0] = width
    array = crossbar.array
    energy, residual, _, _, peak = crossbar.apply(
        array, crossbar.row_levels, crossbar.column_levels, widths, crossbar.edge, 1,
        crossbar.row_scratch[0], crossbar.column_scratch[0],
    )  # fmt: skip
    if residual > 0.0:
        return UNSOLVED
    crossbar.last_energy, crossbar.last_peak = energy, peak
    if not peak <= crossbar.line_current:
        return OVER_CURRENT
    crossbar.pulses += 1
    crossbar.energy += energy
    crossbar.elapsed += crossbar.pulse_overhead + (width + crossbar.repeat_gap) - crossbar.repeat_gap
    return MADE
