"""Disturb: half-selected neighbours of a selected cell, watched by maps before and after many pulses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Floats
from ..journal import Journal, Monitor, States
from ..selection import TO_P, Scheme, select_pulse
from .settings import CharacterizeSettings, DisturbSettings
from .shots import on_step
from .trial import NOT_READ, RESET_FAILED, STAYED, SWITCHED, TrialTile


@dataclass(frozen=True)
class DisturbPoint:
    """Half-selected cells at one polarity and select voltage.

    Attributes:
        polarity: that the pulse would move them to.
        select_voltage: asked across the selected cell, V.
        voltage: mean across the half-selected cells that were watched, line drops taken off, V; NaN if none
            was.
        width: s.
        exposures: pulses times cells exposed in the state that can flip.
        flips: cells found flipped; a second flip between two maps goes unseen.
        reset_failed: cells left out because they were not in that state before the pulses.
        unreadable: cells left out because their state could not be told before or after.
    """

    polarity: int
    select_voltage: float
    voltage: float
    width: float
    exposures: int
    flips: int
    reset_failed: int
    unreadable: int


@dataclass(frozen=True)
class DisturbResult:
    """All points, and whether the monitor ended it early."""

    points: tuple[DisturbPoint, ...]
    interrupted: bool


def watch_disturb(
    tile: TrialTile,
    cells: Sequence[tuple[int, int]],
    settings: CharacterizeSettings,
    rng: np.random.Generator,
    journal: Journal | None,
    monitor: Monitor,
) -> DisturbResult:
    """Select each cell many times and count which of its neighbours on the same row or column flipped.

    All cells are first brought to the state that the polarity can flip; flipped ones are brought back before
    the next cell.

    Args:
        tile: calibrated.
        cells: (row, column) to be selected, in random order.
        settings: with `disturb`.
        rng: shuffles cells and voltages.
        journal: where trials are recorded, one a neighbour and map, each of many pulses.
        monitor: may stop between two cells.

    Raises:
        SafetyError: a limit forbids a pulse, or was left.
    """
    disturb = settings.disturb
    if disturb is None:
        return DisturbResult((), False)
    found: dict[tuple[int, float], list[_Exposure]] = {}
    tasks = [
        (polarity, voltage, cell)
        for polarity in settings.polarities
        for voltage in disturb.voltages
        for cell in cells
    ]
    for number, k in enumerate(rng.permutation(len(tasks)).tolist()):
        polarity, voltage, cell = tasks[k]
        monitor.progress(f"disturb, tile {tile.crossbar.tile}", number, len(tasks))
        if monitor.should_stop():
            return DisturbResult(_points(found, disturb), True)
        seen = found.setdefault((polarity, voltage), [])
        for _ in range(disturb.rounds):
            seen.append(_expose(tile, cell, polarity, voltage, settings, disturb, number, journal, monitor))
    monitor.progress(f"disturb, tile {tile.crossbar.tile}", len(tasks), len(tasks))
    return DisturbResult(_points(found, disturb), False)


@dataclass(frozen=True)
class _Exposure:
    """The neighbours of one cell after its pulses: outcomes, and the voltage that each saw in V, (cells,)."""

    outcomes: States
    voltages: Floats

    def count(self, outcome: int) -> int:
        return int((self.outcomes == outcome).sum())


def _expose(
    tile: TrialTile,
    cell: tuple[int, int],
    polarity: int,
    voltage: float,
    settings: CharacterizeSettings,
    disturb: DisturbSettings,
    block: int,
    journal: Journal | None,
    monitor: Monitor,
) -> _Exposure:
    """One cell selected `disturb.pulses` times, and what became of its neighbours."""
    crossbar, can = tile.crossbar, tile.crossbar.capabilities
    row_flags, column_flags = np.arange(can.rows) == cell[0], np.arange(can.columns) == cell[1]
    start = 0 if polarity == TO_P else 1
    tile.reset_all(-polarity, monitor)
    before = tile.map_all()
    states = tile.all_states(before)
    half = on_step(0.5 * voltage, can.voltage_resolution)
    pulse = select_pulse(
        row_flags, column_flags, polarity, 2.0 * half, disturb.width, settings.unselected, disturb.pulses,
        gated=can.gate_lines,
    )  # fmt: skip
    seen = tile.voltages(pulse, crossbar.apply(pulse))
    after = tile.map_all()
    ended = tile.all_states(after)
    near = (row_flags[:, None] | column_flags[None, :]) & ~np.outer(row_flags, column_flags) & tile.working
    outcomes = np.where(ended == start, STAYED, SWITCHED).astype(np.int8)
    outcomes[(states < 0) | (ended < 0)] = NOT_READ
    outcomes[(states >= 0) & (states != start)] = RESET_FAILED
    where = np.argwhere(near)
    if journal is not None and len(where):
        asked = 2.0 * half * _share(settings.unselected, can.gate_lines)
        journal.record_trials(
            crossbar.tile, polarity, block, crossbar.last_pulse, rows=where[:, 0], columns=where[:, 1],
            kinds=("disturb",) * len(where), voltages=np.full(len(where), asked), applied_voltages=seen[near],
            width=disturb.width, applied_width=disturb.width, repeat=disturb.pulses,
            resistances_before=before[near], resistances_after=after[near], states_before=states[near],
            states_after=ended[near], outcomes=outcomes[near],
        )  # fmt: skip
    return _Exposure(outcomes[near], seen[near])


def _share(scheme: Scheme, gated: bool) -> float:
    """Share of the select voltage that a half-selected cell is meant to see; a floating line goes half way.

    With gates the cells of other rows are shut off and unselected columns follow the selected row.
    """
    if gated and scheme != "float":
        return 0.0
    return 1.0 / 3.0 if scheme == "third" else 0.5


def _points(
    found: dict[tuple[int, float], list[_Exposure]], disturb: DisturbSettings
) -> tuple[DisturbPoint, ...]:
    points = []
    for (polarity, voltage), seen in sorted(found.items()):
        flips, stayed, failed, unread = (
            sum(each.count(outcome) for each in seen)
            for outcome in (SWITCHED, STAYED, RESET_FAILED, NOT_READ)
        )
        watched = np.concatenate([each.voltages[each.outcomes <= STAYED] for each in seen])
        mean = float(watched.mean()) if watched.size else math.nan
        exposures = (flips + stayed) * disturb.pulses
        points.append(DisturbPoint(polarity, voltage, mean, disturb.width, exposures, flips, failed, unread))
    return tuple(points)
