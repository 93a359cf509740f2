"""How the network solver stores an array: sixteen lines a panel, so that line solves run across them.

An array *over columns* holds lanes of 16 neighbouring columns: record p * depth + i is row i of panel p,
columns 16 p to 16 p + 15. An array *over rows* holds lanes of 16 neighbouring rows: record p * depth + j is
column j of panel p. `depth` is the number of nodes of a line, rounded up to 16, so that 16 x 16 tiles are
contiguous and are turned from one layout to the other without strides. Whatever lies outside the array is 0.
"""

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32
from .lanes import LANES, TURNED, kept, load, load_wide, splat, store, store_wide, times, turned

PAGE = 1024
"""Numbers in a page of memory."""


@kernel
def padded(count: int) -> int:
    """`count` rounded up to whole lanes."""
    return (count + LANES - 1) // LANES * LANES


@kernel
def new_records(records: int, place: int = 0) -> Floats32:
    """Zeros, (records, 16), each record in one cache line of 64 bytes: it is loaded in half the time.

    Args:
        records: how many.
        place: eighth of a page of memory that a large array begins at, 0 to 7. Arrays that are gone through
            together should not begin at the same: their records would crowd in a few places of the cache.
    """
    period = PAGE if records * LANES > PAGE else LANES
    numbers = np.zeros(records * LANES + period, np.float32)
    start = (place * (PAGE // 8) - np.int64(numbers.ctypes.data) // 4) % period
    return numbers[start : start + records * LANES].reshape((records, LANES))


@kernel
def new_panels(lines: int, nodes: int, place: int = 0) -> Floats32:
    """Zeros for `lines` lines of `nodes` nodes: (records, 16); `place` as in `new_records`."""
    return new_records(padded(lines) // LANES * padded(nodes), place)


@kernel
def whole_nodes(nodes: int, lines: int, first: int) -> int:
    """How many nodes, from node 0 on, have 16 numbers from line `first` on within an array (nodes, lines)."""
    return max((nodes * lines - first - LANES) // lines + 1, 0)


@kernel
def pack(values: Floats, scale: float, panels: Floats32) -> None:
    """Store `scale` * values (nodes, lines), C-ordered, as panels."""
    nodes, lines = values.shape
    depth = padded(nodes)
    single = np.float32(scale)
    factor = splat(single)
    for first in range(0, lines, LANES):
        base = first // LANES * depth
        many = min(LANES, lines - first)
        whole = whole_nodes(nodes, lines, first)
        for k in range(whole):
            store(panels, base + k, kept(times(factor, load_wide(values, k, first)), many))
        for k in range(whole, nodes):
            for lane in range(many):
                panels[base + k, lane] = single * np.float32(values[k, first + lane])


@kernel
def unpack(panels: Floats32, values: Floats) -> None:
    """Copy panels into values (nodes, lines), C-ordered."""
    nodes, lines = values.shape
    depth = padded(nodes)
    # From the last panel to the first: what is written beyond the last line is written over.
    for panel in range((lines - 1) // LANES, -1, -1):
        base, first = panel * depth, panel * LANES
        whole = whole_nodes(nodes, lines, first)
        for k in range(whole):
            store_wide(values, k, first, load(panels, base + k))
        for k in range(whole, nodes):
            for lane in range(min(LANES, lines - first)):
                values[k, first + lane] = np.float64(panels[base + k, lane])


@kernel
def clear(panels: Floats32) -> None:
    """Set everything to 0."""
    zero = splat(np.float32(0.0))
    for record in range(panels.shape[0]):
        store(panels, record, zero)


@kernel
def copy(source: Floats32, target: Floats32) -> None:
    """Copy one array of panels into another."""
    for record in range(source.shape[0]):
        store(target, record, load(source, record))


@kernel
def turn(lines: int, nodes: int, source: Floats32, scale: float, target: Floats32) -> None:
    """target = scale * source of `nodes` lines with `lines` nodes each, with lines and nodes exchanged."""
    depth, height = padded(nodes), padded(lines)
    factor = splat(np.float32(scale))
    for first in range(0, height, LANES):
        for k0 in range(0, depth, TURNED):
            across = turned(source, k0 // LANES * height + first, k0 % LANES != 0)
            for k in range(TURNED):
                store(target, first // LANES * depth + k0 + k, times(factor, across[k]))
