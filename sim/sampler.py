"""Draws the flips of pulses of one array, keeping what makes draws fast: windows, fits, drift."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba.typed import List

from ..compiled import by_reference, kernel
from ._types import Floats, Floats32, States
from .blocks import BLOCK, PLANES, SHAPE, Draft, new_draft
from .cells import Cells, Dynamics
from .draws import draw_pulse
from .drives import FAINT, FAINTER, LIKELY, TERMS, drives_at, fill_windows, fit_hazards, sketch_hazards
from .philox import EXTRA_STREAM, Word, normal

_EVALUATIONS = 40.0
"""Evaluations of the law a cell, of one width, from which fits for that width pay."""
_RUNG = 1e-9
"""Windows are made for widths of this times a power of two, s."""
_DRIFT_STEPS = 64
"""Steps in which drift moves over its memory."""
_MOST_WIDTHS = 64
"""Widths that are remembered."""


class Windows(NamedTuple):
    """Drives up to which cells are unlikely to flip, or most unlikely, and the smallest of each block."""

    windows: Floats32
    faint: Floats32
    bounds: Floats


class Fits(NamedTuple):
    """Fits for pulses of one width and bounds of their errors, see `drives`; no cells until
    they are made."""

    fits: Floats32
    margin: float
    shape: Floats32
    sketches: Floats32
    margins: Floats


@by_reference
@dataclass
class Sampler:
    """Flips cells of one array after each pulse; made by `new_sampler`.

    Attributes:
        cells: parameters, shared with the array.
        dynamics: law.
        seed: key of all draws.
        number: of the array on its die.
        headroom: how much a rate that drifts may exceed 1.
        drift_sigma: standard deviation of ln(rate).
        drift_pulses: memory of the drift, pulses.
        log_rate: ln(rate) of each cell by drift, (rows, columns).
        fittable: whether the law can be fitted; it cannot where cells hop back.
        rungs: of the windows at hand.
        windows: for each of these rungs.
        widths: pulse widths met so far, s.
        evaluated: evaluations of the law for pulses of each of these.
        fits: for each of these widths.
        no_fits: stands for fits where there are none.
        width: of the latest pulse, s; 0 if what is known for it has to be looked up again.
        single: whether that pulse had one interval.
        near: windows for it.
        place: its place among the widths; -1 if it has none.
        fit: fits for it.
        draft: scratch.
    """

    cells: Cells
    dynamics: Dynamics
    seed: Word
    number: int
    headroom: float
    drift_sigma: float
    drift_pulses: float
    log_rate: Floats
    fittable: bool
    rungs: list[int]
    windows: list[Windows]
    widths: list[float]
    evaluated: list[int]
    fits: list[Fits]
    no_fits: Fits
    width: float
    single: bool
    near: Windows
    place: int
    fit: Fits
    draft: Draft


@kernel
def new_sampler(
    cells: Cells, dynamics: Dynamics, seed: Word, number: int, drift_sigma: float, drift_pulses: float,
    fittable: bool, log_rate: Floats,
) -> Sampler:  # fmt: skip
    """A sampler that has met no width yet; arguments as its attributes."""
    none = np.empty(0, np.float32)
    windows = Windows(none, np.empty((2, 0), np.float32), np.empty(0))
    fits = Fits(
        np.empty((2, 0, 2 + TERMS), np.float32), 0.0, np.empty((2, SHAPE), np.float32), none, np.empty((2, 0))
    )
    # A list takes its type from what is put in.
    rungs = List()
    rungs.append(0)
    known_windows = List()
    known_windows.append(windows)
    widths = List()
    widths.append(0.0)
    evaluated = List()
    evaluated.append(0)
    known_fits = List()
    known_fits.append(fits)
    made = Sampler(
        cells, dynamics, seed, number, math.exp(6.0 * drift_sigma), drift_sigma, drift_pulses, log_rate,
        fittable, rungs, known_windows, widths, evaluated, known_fits, fits,
        0.0, True, windows, -1, fits, new_draft(cells.delta.size),
    )  # fmt: skip
    forget_cells(made)
    return made


@kernel
def forget_cells(sampler: Sampler) -> None:
    """A junction broke: what was computed of the cells no longer holds."""
    sampler.rungs.clear()
    sampler.windows.clear()
    _forget_widths(sampler)


@kernel
def _forget_widths(sampler: Sampler) -> None:
    sampler.widths.clear()
    sampler.evaluated.clear()
    sampler.fits.clear()
    sampler.width = 0.0


@kernel
def draw_flips(
    sampler: Sampler, state: States, volts: Floats, edges: Floats, lowest: Floats, highest: Floats, event: int
) -> int:
    """Flip cells; returns how many.

    Args:
        sampler: of the array.
        state: (rows, columns), changed in place.
        volts: of the junctions in each interval, (intervals, rows, columns), V.
        edges: ends of the intervals, s, rising.
        lowest: scratch (cells,), used for more than one interval.
        highest: the same.
        event: number of the pulse.
    """
    width, cells, single = edges[-1], volts[0].size, edges.size == 1
    if width != sampler.width or single != sampler.single:
        _look_up(sampler, width, single)
    if single:
        lowest = highest = volts.reshape(-1)
    else:
        parts = volts.reshape((edges.size, cells))
        for cell in range(cells):
            lowest[cell] = highest[cell] = parts[0, cell]
            for part in range(1, edges.size):
                lowest[cell] = min(lowest[cell], parts[part, cell])
                highest[cell] = max(highest[cell], parts[part, cell])
    return _draw(sampler, state, state.reshape(-1), volts, edges, lowest, highest, event)


@kernel
def _look_up(sampler: Sampler, width: float, single: bool) -> None:
    """Have windows and fits for pulses of `width` s at hand."""
    sampler.near = windows_for(sampler, width)
    sampler.place = -1
    sampler.fit = sampler.no_fits
    if single and sampler.fittable:
        sampler.place = _place_of(sampler, width, sampler.cells.delta.size)
        sampler.fit = sampler.fits[sampler.place]
    sampler.width = width
    sampler.single = single


@kernel
def _draw(
    sampler: Sampler, state: States, states: States, volts: Floats, edges: Floats, lowest: Floats,
    highest: Floats, event: int,
) -> int:  # fmt: skip
    """As `draw_flips`, with what is known of pulses of this width at hand; `states` is `state`, (cells,)."""
    near, fit = sampler.near, sampler.fit
    flips, evaluated = draw_pulse(
        sampler.cells, sampler.dynamics, state, states, volts, edges, lowest, highest, near.windows,
        near.faint, near.bounds, fit.fits, fit.margin, fit.shape, fit.sketches, fit.margins,
        sampler.drift_sigma > 0.0, sampler.seed, sampler.number, event, sampler.draft,
    )  # fmt: skip
    if sampler.place >= 0 and evaluated > 0:
        _count(sampler, evaluated)
    return flips


@kernel
def _count(sampler: Sampler, evaluated: int) -> None:
    """Note evaluations of the law for the width at hand; fits may pay from now on."""
    sampler.evaluated[sampler.place] += evaluated
    sampler.width = 0.0


@kernel
def windows_for(sampler: Sampler, width: float) -> Windows:
    """Have the windows for pulses of `width` s ready."""
    rung = max(math.ceil(math.log2(width / _RUNG)), 0)
    for place in range(len(sampler.rungs)):
        if sampler.rungs[place] == rung:
            return sampler.windows[place]
    made = _windows_at(sampler, _RUNG * 2.0**rung)
    sampler.rungs.append(rung)
    sampler.windows.append(made)
    return made


@kernel
def _windows_at(sampler: Sampler, width: float) -> Windows:
    cells = sampler.cells
    blocks = (cells.delta.size + BLOCK - 1) // BLOCK
    drives = np.empty((2, cells.delta.size))
    windows = np.empty(2 * blocks * BLOCK, np.float32)
    faint = np.empty((2, windows.size), np.float32)
    bounds = np.empty(blocks)
    for chance, found in ((FAINTER, faint[1]), (FAINT, faint[0]), (LIKELY, windows)):
        drives_at(cells, sampler.dynamics, width, chance / sampler.headroom, drives)
        fill_windows(drives, found, bounds)
    return Windows(windows, faint, bounds)


@kernel
def fitted(sampler: Sampler, width: float) -> bool:
    """Whether pulses of this width, s, are drawn with fits."""
    for place in range(len(sampler.widths)):
        if sampler.widths[place] == width:
            return sampler.fits[place].fits.size > 0
    return False


@kernel
def fits_of(sampler: Sampler, width: float) -> Fits:
    """Fits for pulses of this width, s; none before they pay."""
    place = _place_of(sampler, width, sampler.cells.delta.size)
    return sampler.fits[place]


@kernel
def _place_of(sampler: Sampler, width: float, cells: int) -> int:
    """Place of a width among those met; makes its fits as soon as they pay."""
    place = 0
    while place < len(sampler.widths) and sampler.widths[place] != width:
        place += 1
    if place == len(sampler.widths):
        if place >= _MOST_WIDTHS:
            _forget_widths(sampler)
            place = 0
        sampler.widths.append(width)
        sampler.evaluated.append(0)
        sampler.fits.append(sampler.no_fits)
    if sampler.fits[place].fits.size == 0 and sampler.evaluated[place] > _EVALUATIONS * cells:
        sampler.fits[place] = _fitted_to(sampler, width)
    return place


@kernel
def _fitted_to(sampler: Sampler, width: float) -> Fits:
    cells = sampler.cells
    blocks = (cells.delta.size + BLOCK - 1) // BLOCK
    fits = np.empty((2, cells.delta.size, 2 + TERMS), np.float32)
    error = fit_hazards(cells, sampler.dynamics, width, fits)
    margin = 2.0 * error + 1e-5
    shape = np.empty((2, SHAPE), np.float32)
    sketches = np.empty(2 * blocks * PLANES * BLOCK, np.float32)
    margins = np.empty((2, blocks))
    sketch_hazards(fits, margin, shape, sketches, margins)
    return Fits(fits, margin, shape, sketches, margins)


@kernel
def drift(sampler: Sampler, event: int) -> bool:
    """Let the rates drift before pulse number `event`; returns whether they moved."""
    if sampler.drift_sigma == 0.0:
        return False
    every = max(round(sampler.drift_pulses / _DRIFT_STEPS), 1)
    if event % every != 0 or event == 0:
        return False
    keep = math.exp(-every / sampler.drift_pulses)
    spread = sampler.drift_sigma * math.sqrt(-math.expm1(-2.0 * every / sampler.drift_pulses))
    log_rate, rate = sampler.log_rate, sampler.cells.rate
    m, n = log_rate.shape
    for i in range(m):
        for j in range(n):
            draw = normal(sampler.seed, EXTRA_STREAM + 4 * sampler.number, event, i * n + j)
            log_rate[i, j] = keep * log_rate[i, j] + spread * draw
            rate[i, j] = math.exp(log_rate[i, j])
    return True
