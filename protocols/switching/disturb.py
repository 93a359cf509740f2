"""Disturb: half-selected neighbours of a selected cell, watched by maps before and after many pulses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..journal import Journal, Monitor
from ..selection import TO_P, select_pulse
from .settings import CharacterizeSettings, DisturbSettings
from .shots import on_step
from .trial import STAYED, SWITCHED, TrialTile


@dataclass(frozen=True)
class DisturbPoint:
    """Half-selected cells at one polarity and voltage.

    Attributes:
        polarity: that the pulse would move them to.
        voltage: asked across a half-selected cell, V.
        width: s.
        exposures: pulses times cells exposed in the state that can flip.
        flips: cells found flipped; a second flip between two maps goes unseen.
    """

    polarity: int
    voltage: float
    width: float
    exposures: int
    flips: int


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
    found: dict[tuple[int, float], list[int]] = {}
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
        total = found.setdefault((polarity, voltage), [0, 0])
        for _ in range(disturb.rounds):
            exposed, flipped = _expose(
                tile, cell, polarity, voltage, settings, disturb, number, journal, monitor
            )
            total[0] += exposed * disturb.pulses
            total[1] += flipped
    monitor.progress(f"disturb, tile {tile.crossbar.tile}", len(tasks), len(tasks))
    return DisturbResult(_points(found, disturb), False)


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
) -> tuple[int, int]:
    """One cell selected `disturb.pulses` times; returns neighbours exposed and flipped."""
    crossbar = tile.crossbar
    rows, columns = crossbar.capabilities.shape
    start = 0 if polarity == TO_P else 1
    tile.reset_all(-polarity, monitor)
    before = tile.map_all()
    states = tile.all_states(before)
    row_flags, column_flags = np.arange(rows) == cell[0], np.arange(columns) == cell[1]
    half = on_step(0.5 * voltage, crossbar.capabilities.voltage_resolution)
    crossbar.apply(
        select_pulse(
            row_flags, column_flags, polarity, 2.0 * half, disturb.width, settings.unselected, disturb.pulses
        )
    )
    after = tile.map_all()
    ended = tile.all_states(after)
    near = (row_flags[:, None] | column_flags[None, :]) & ~np.outer(row_flags, column_flags)
    watched = near & (states == start) & (ended >= 0) & tile.working
    where = np.argwhere(watched)
    outcomes = np.where(ended[watched] == start, STAYED, SWITCHED).astype(np.int8)
    if journal is not None and len(where):
        asked = np.full(len(where), half)
        journal.record_trials(
            crossbar.tile, polarity, block, crossbar.last_pulse, rows=where[:, 0], columns=where[:, 1],
            kinds=("disturb",) * len(where), voltages=asked, applied_voltages=asked, width=disturb.width,
            applied_width=disturb.width, repeat=disturb.pulses, resistances_before=before[watched],
            resistances_after=after[watched], states_before=states[watched], states_after=ended[watched],
            outcomes=outcomes,
        )  # fmt: skip
    return len(where), int((outcomes == SWITCHED).sum())


def _points(found: dict[tuple[int, float], list[int]], disturb: DisturbSettings) -> tuple[DisturbPoint, ...]:
    return tuple(
        DisturbPoint(polarity, 0.5 * voltage, disturb.width, exposures, flips)
        for (polarity, voltage), (exposures, flips) in sorted(found.items())
    )
