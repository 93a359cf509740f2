"""Checks of a pulse or a read against what a crossbar can do, shared by all backends."""

import math

import numpy as np

from ..compiled import kernel
from ..errors import CapabilityError
from .contract import Bias, Capabilities, Floats, Pulse, level_span


def quantised_pulse(pulse: Pulse, capabilities: Capabilities) -> Pulse:
    """The pulse in the steps of voltage and width that the bench can make.

    Raises:
        CapabilityError: a width that is not 0 would become 0.
    """
    width = pulse.width
    if capabilities.width_resolution > 0.0:
        asked = np.asarray(width, dtype=np.float64)
        rounded = on_grid(asked, capabilities.width_resolution)
        lost = (asked != 0.0) & (rounded == 0.0)
        if lost.any():
            raise CapabilityError(
                f"pulse width {float(asked[lost].flat[0]):g} s is less than half a step of "
                f"{capabilities.width_resolution:g} s; use a longer pulse"
            )
        width = float(rounded) if rounded.ndim == 0 else rounded
    step = capabilities.voltage_resolution
    return Pulse(on_grid(pulse.rows, step), on_grid(pulse.columns, step), width, pulse.repeat)


def quantised_bias(bias: Bias, capabilities: Capabilities) -> Bias:
    """The read in the steps of voltage that the bench can make."""
    return Bias(on_grid(bias.levels, capabilities.voltage_resolution), bias.orientation)


def on_grid(values: Floats, step: float) -> Floats:
    """Values rounded to whole steps; a step of 0 leaves them. NaN stays NaN."""
    given = np.asarray(values, dtype=np.float64)
    if not step > 0.0:
        return given
    rounded = np.empty(given.shape)
    round_to(given.reshape(-1), step, rounded.reshape(-1))
    return rounded


@kernel
def round_to(values: Floats, step: float, rounded: Floats) -> None:
    """Round values to whole steps, > 0, into `rounded`; NaN stays NaN."""
    for k in range(values.size):
        rounded[k] = np.rint(values[k] / step) * step


def check_pulse(pulse: Pulse, capabilities: Capabilities) -> None:
    """Refuse a pulse that the crossbar cannot give.

    Raises:
        CapabilityError: naming the line, the value and the accepted range.
    """
    floating = 0
    for side, levels, count in (
        ("row", pulse.rows, capabilities.rows),
        ("column", pulse.columns, capabilities.columns),
    ):
        if levels.shape != (count,):
            raise CapabilityError(
                f"a pulse needs one level for each of the {count} {side}s, got shape {levels.shape}"
            )
        floating += _check_levels(side, levels, capabilities)
    if floating == capabilities.rows + capabilities.columns:
        raise CapabilityError("every line floats, so no cell has a defined voltage; drive at least one line")
    if capabilities.distinct_levels is not None:
        lines = np.concatenate([pulse.rows, pulse.columns])
        _check_distinct("pulse", lines[None, :], capabilities.distinct_levels)
    if isinstance(pulse.repeat, bool) or int(pulse.repeat) != pulse.repeat or pulse.repeat < 1:
        raise CapabilityError(f"repeat is {pulse.repeat!r}; a whole number of at least 1 is accepted")
    if isinstance(pulse.width, float):
        _check_width(pulse.width, capabilities)
    else:
        _check_row_widths(np.asarray(pulse.width, dtype=np.float64), capabilities)


def check_bias(bias: Bias, capabilities: Capabilities) -> None:
    """Refuse a read that the crossbar cannot make.

    Raises:
        CapabilityError: naming the line, the value and the accepted range.
    """
    if bias.orientation not in ("forward", "transposed"):
        raise CapabilityError(f"orientation is {bias.orientation!r}; 'forward' or 'transposed' is accepted")
    if bias.orientation == "transposed" and not capabilities.transposed_read:
        raise CapabilityError("this bench cannot sense rows (transposed read)")
    forward = bias.orientation == "forward"
    side, count = ("row", capabilities.rows) if forward else ("column", capabilities.columns)
    if bias.levels.ndim not in (1, 2) or bias.levels.shape[-1] != count or bias.levels.size == 0:
        raise CapabilityError(
            f"a {bias.orientation} read needs one level for each of the {count} {side}s, "
            f"got shape {bias.levels.shape}"
        )
    if capabilities.read_levels is None and _surely_driven(bias.levels, capabilities):
        return
    reads = np.atleast_2d(bias.levels)
    # What fits taken together fits one by one; only what may not is looked at read by read.
    low, high, floating = level_span(reads.ravel())
    if floating or max(high, -low) > capabilities.voltage_range:
        for levels in reads:
            if _check_levels(side, levels, capabilities) == count:
                raise CapabilityError(f"every driven {side} of a read floats; drive at least one")
    if capabilities.read_levels is not None:
        _check_distinct("read", reads, capabilities.read_levels)


def _surely_driven(levels: Floats, capabilities: Capabilities) -> bool:
    """Whether all levels of a sequence are in range and none floats; most reads need no closer look."""
    low, high, floating = level_span(levels.reshape(-1))
    return floating == 0 and max(high, -low) <= capabilities.voltage_range


def _check_levels(side: str, levels: Floats, capabilities: Capabilities) -> int:
    """Check the levels of one side; returns how many lines float."""
    low, high, floating = level_span(levels)
    if floating and not capabilities.floating_lines:
        line = int(np.argmax(np.isnan(levels)))
        raise CapabilityError(f"{side} {line} is floating; this bench cannot float lines")
    if max(high, -low) > capabilities.voltage_range * (1 + 1e-12):
        line = int(np.nanargmax(np.abs(levels)))
        raise CapabilityError(
            f"{side} {line} asks for {levels[line]:g} V; this bench drives "
            f"{-capabilities.voltage_range:g} V to {capabilities.voltage_range:g} V"
        )
    return floating


def _check_distinct(what: str, levels: Floats, most: int) -> None:
    distinct = most_distinct(levels)
    if distinct > most:
        advice = (
            "operation.unselected and operation.program_unselected: half needs two"
            if what == "pulse"
            else "operation.read_encoding: bit-serial needs one"
        )
        raise CapabilityError(
            f"a {what} with {distinct} different levels besides 0 V; this bench drives {most} at once "
            f"({advice})"
        )


@kernel
def most_distinct(levels: Floats) -> int:
    """Most different levels besides 0 V in any row of `levels` (operations, lines); NaN is no level."""
    most = 0
    found = np.empty(levels.shape[1])
    for row in levels:
        count = 0
        for level in row:
            if level == 0.0 or np.isnan(level):
                continue
            place = 0
            while place < count and found[place] != level:
                place += 1
            if place == count:
                found[count] = level
                count += 1
        most = max(most, count)
    return most


def _check_width(width: float, capabilities: Capabilities) -> None:
    low, high = capabilities.minimum_width, capabilities.maximum_width
    if not (math.isfinite(width) and low * (1 - 1e-9) <= width <= high * (1 + 1e-9)):
        raise CapabilityError(f"pulse width {width:g} s; this bench gives {low:g} s to {high:g} s")


def _check_row_widths(widths: Floats, capabilities: Capabilities) -> None:
    if widths.ndim == 0:
        _check_width(float(widths), capabilities)
        return
    if not capabilities.gate_lines:
        raise CapabilityError("a width for each row needs gate lines (1T1R); this crossbar has none")
    if widths.shape != (capabilities.rows,):
        raise CapabilityError(f"{capabilities.rows} row widths are needed, got shape {widths.shape}")
    if not (widths != 0.0).any():
        raise CapabilityError("every gate stays closed (all row widths are 0); nothing would be pulsed")
    for width in widths[widths != 0.0]:
        _check_width(float(width), capabilities)
