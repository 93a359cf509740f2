"""Pulses for chosen cells of one row, each at a voltage of its own, and trials sorted into such pulses.

Shots that share a reset and the reads before and after are one *group*: each cell is in one of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...drivers.contract import Capabilities, Floats, Pulse
from ..selection import Scheme, unselected_levels

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Request:
    """A trial wanted of one device: kind (trial, reference, control), magnitude in V, width in s."""

    kind: str
    voltage: float
    width: float


@dataclass(frozen=True)
class Shot:
    """Trials of several cells of one row in one pulse.

    Attributes:
        row: of all cells.
        columns: of the cells, (cells,).
        kinds: of the trials.
        voltages: magnitudes across the cells, (cells,), V, on the grid of the bench.
        width: s.
    """

    row: int
    columns: Integers
    kinds: tuple[str, ...]
    voltages: Floats
    width: float


def row_shot_pulse(
    capabilities: Capabilities, shot: Shot, polarity: int, scheme: Scheme, repeat: int = 1
) -> Pulse:
    """The pulse that puts its own voltage across each cell of a shot.

    The row takes half of the mean voltage and each column the rest. Where all columns are pulsed, the other
    rows are held at the mean column level, so their cells see only what the columns differ by; else
    unselected lines follow `scheme`. With gates, all other rows stay closed.
    """
    rows, columns = capabilities.shape
    step = capabilities.voltage_resolution
    middle = float(shot.voltages.mean()) if len(shot.voltages) else 0.0
    row_level = on_step(0.5 * middle, step)
    others, idle = unselected_levels(scheme, middle)
    if len(shot.columns) == columns:
        others = row_level - on_step(middle, step)
    row_levels = np.full(rows, on_step(others, step))
    row_levels[shot.row] = row_level
    column_levels = np.full(columns, on_step(idle, step))
    column_levels[shot.columns] = row_level - shot.voltages
    width: float | Floats = shot.width
    if capabilities.gate_lines:
        column_levels[:] = row_level
        column_levels[shot.columns] = row_level - shot.voltages
        width = np.where(np.arange(rows) == shot.row, shot.width, 0.0)
    return Pulse(polarity * row_levels, polarity * column_levels, width, repeat)


def sorted_into_shots(
    capabilities: Capabilities,
    row: int,
    wanted: Mapping[int, Sequence[Request]],
    together: bool,
    rng: np.random.Generator,
) -> list[list[Shot]]:
    """All trials of a row and block as groups of shots, in random order.

    Controls are at 0 V on all lines, so they are apart. Where every line has a level of its own, a group is
    one shot. A bench with few distinct levels gets one voltage a shot; there the cells of a group have
    neighbouring places among their own trials in order of width and voltage, so that few shots serve them.

    Args:
        capabilities: of the crossbar.
        row: of all cells.
        wanted: trials by column.
        together: whether cells of the row may share a pulse.
        rng: shuffles.
    """
    few_levels = together and capabilities.distinct_levels is not None
    kept_apart: dict[tuple[bool, float], dict[int, list[Request]]] = {}
    for column, requests in wanted.items():
        for request in requests:
            key = (request.kind == "control", 0.0 if few_levels else request.width)
            kept_apart.setdefault(key, {}).setdefault(column, []).append(request)
    groups: list[list[Shot]] = []
    for queues in kept_apart.values():
        orders: dict[int, Integers] = {}
        for queue in queues.values():
            if few_levels:
                queue.sort(key=lambda one: (one.width, one.voltage))
            # Queues of one length share an order, so that a grid keeps one voltage a shot.
            elif len(queue) not in orders:
                orders[len(queue)] = rng.permutation(len(queue))
        for number in range(max(map(len, queues.values()))):
            cells = [
                (column, queue[number if few_levels else orders[len(queue)][number]])
                for column, queue in queues.items()
                if number < len(queue)
            ]
            if few_levels:
                groups.append(_by_pulse(row, cells, rng))
            else:
                groups += [[_shot(row, part)] for part in ([cells] if together else [[one] for one in cells])]
    return [groups[k] for k in rng.permutation(len(groups))]


def on_step(value: float, step: float) -> float:
    """A level in whole steps of the bench; a step of 0 leaves it, and so does NaN (floating)."""
    return round(value / step) * step if step > 0.0 and math.isfinite(value) else value


def _by_pulse(row: int, cells: list[tuple[int, Request]], rng: np.random.Generator) -> list[Shot]:
    """One shot for each voltage and width among the cells, in random order."""
    pulses: dict[tuple[float, float], list[tuple[int, Request]]] = {}
    for cell in cells:
        pulses.setdefault((cell[1].voltage, cell[1].width), []).append(cell)
    shots = [_shot(row, part) for part in pulses.values()]
    return [shots[k] for k in rng.permutation(len(shots))]


def _shot(row: int, cells: list[tuple[int, Request]]) -> Shot:
    columns = np.array([column for column, _ in cells], dtype=np.int64)
    voltages = np.array([request.voltage for _, request in cells])
    return Shot(row, columns, tuple(one.kind for _, one in cells), voltages, cells[0][1].width)
