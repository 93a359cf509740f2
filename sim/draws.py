"""Which cells flip in a pulse: exact probabilities at nanoseconds a cell.

Every cell flips with the probability P of its own law. Cells are drawn in one of two ways, by the windows of
`drives.fill_windows`:

- P surely below LIKELY (half-selected and idle cells): thinning. Candidates are found by geometric jumps at
  the rate LIKELY, and a candidate flips with P/LIKELY. The tail is exact, and a block of idle cells costs a
  comparison a cell.
- else: flip if u < P. The first 12 bits of u lie between two edges of a table of ln(-ln(1 - u)). A short form
  of the log hazard with its error bound nearly always tells on which side of both P is; if not, all bits of
  u against the fitted log hazard with its much smaller bound; and if that does not either, the law itself.
  So the outcome is that of the law whether there are fits or not.

All draws depend on (seed, tile, event, cell) only.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, States
from .blocks import (
    AT_ONCE,
    BLOCK,
    EDGES,
    OPEN,
    STAYS,
    STEPS,
    Draft,
    count_above,
    count_beyond,
    find_brackets,
    first_bits,
    flip_block,
    judge_block,
    step_of,
)
from .cells import Cells, Dynamics, cell_hazard, ended_switched, hop_count
from .drives import FAINT, FAINTER, LIKELY, evaluate_fit
from .philox import PULSE_STREAM, Word, uniform_pair

_REFINE, _JUMP = 2**30, 2**31
"""Where the indices of further bits and of jumps begin."""
_LOG_UNLIKELY = math.log1p(-LIKELY)


@kernel
def pulse_probability(
    cells: Cells, dynamics: Dynamics, state: int, volts: Floats, edges: Floats, i: int, j: int
) -> float:
    """Probability that cell (i, j) ends a pulse switched, with voltages (intervals, rows, columns) up to
    `edges`."""
    hazard, hops, began = 0.0, 0.0, 0.0
    for k in range(edges.size):
        duration = edges[k] - began
        began = edges[k]
        hazard = cell_hazard(dynamics, cells, state, volts[k, i, j], i, j, duration, hazard)
        hops += hop_count(dynamics, state, volts[k, i, j], duration)
    return ended_switched(hazard, hops)


@kernel
def uniform_of(seed: Word, tile: int, event: int, cell: int, step: int) -> float:
    """The uniform of a cell whose first 12 bits are `step`."""
    further, _ = uniform_pair(seed, PULSE_STREAM + 4 * tile, event, _REFINE + cell)
    return (step + further) / STEPS


@kernel
def unlikely(state: int, lowest: float, highest: float, windows: Floats32, cell: int) -> bool:
    """Whether a cell in `state` stayed inside its window."""
    if state == 0:
        return bool(highest <= windows[cell])
    return bool(-lowest <= windows[windows.size // 2 + cell])


@kernel
def thin(
    cells: Cells, dynamics: Dynamics, state: States, volts: Floats, edges: Floats, lowest: Floats,
    highest: Floats, windows: Floats32, faint: Floats32, seed: Word, tile: int, event: int, draft: Draft,
) -> int:  # fmt: skip
    """Draw the cells inside their windows; writes the cells that flip into `draft.flipped`, returns their
    number."""
    n = state.shape[1]
    flips, cell, jump = 0, -1, 0
    skips, accepts, flipped = draft.skips, draft.accepts, draft.flipped
    while True:
        if jump % AT_ONCE == 0:
            for k in range(np.uint64(AT_ONCE)):
                skips[k], accepts[k] = uniform_pair(
                    seed, PULSE_STREAM + 4 * tile, event, np.uint64(_JUMP + jump) + k
                )
        accept = accepts[jump % AT_ONCE]
        length = math.log(skips[jump % AT_ONCE]) / _LOG_UNLIKELY
        if length >= state.size - 1 - cell:
            return flips
        cell += 1 + int(length)
        jump += 1
        i, j = cell // n, cell % n
        before = state[i, j]
        # Most candidates: P is below a bound, and so below what it would take to flip.
        if accept * LIKELY >= FAINT and unlikely(before, lowest[cell], highest[cell], faint[0], cell):
            continue
        if accept * LIKELY >= FAINTER and unlikely(before, lowest[cell], highest[cell], faint[1], cell):
            continue
        if unlikely(before, lowest[cell], highest[cell], windows, cell):
            p = pulse_probability(cells, dynamics, before, volts, edges, i, j)
            if accept * LIKELY < p:
                flipped[flips] = cell
                flips += 1


@kernel
def draw_pulse(
    cells: Cells, dynamics: Dynamics, state: States, states: States, volts: Floats, edges: Floats,
    lowest: Floats, highest: Floats, windows: Floats32, faint: Floats32, bounds: Floats, fits: Floats32,
    margin: float, shape: Floats32, sketches: Floats32, margins: Floats, drifting: bool, seed: Word,
    tile: int, event: int, draft: Draft,
) -> tuple[int, int]:  # fmt: skip
    """Flip cells by what they saw in one pulse.

    Args:
        cells: parameters.
        dynamics: law.
        state: (rows, columns), changed in place.
        states: the same, (cells,).
        volts: of the junctions, (intervals, rows, columns), V.
        edges: ends of the intervals, s.
        lowest: lowest voltage of each cell over the intervals, (cells,).
        highest: highest voltage.
        windows: flat (2, padded cells) of `fill_windows` at LIKELY, for a pulse at least as long.
        faint: the same at FAINT and at FAINTER, (2, 2 padded cells).
        bounds: (blocks,) of `fill_windows` at LIKELY.
        fits: (2, cells, 2 + TERMS) from `fit_hazards` for exactly this one interval; no cells for none.
        margin: bound of the error of the fits.
        shape: (2, SHAPE) from `sketch_hazards` of these fits.
        sketches: flat (2, blocks, PLANES, BLOCK) from the same.
        margins: (2, blocks), bounds of the error of the sketches.
        drifting: whether any rate differs from 1.
        seed: key.
        tile: number of the array.
        event: number of the pulse.
        draft: scratch.

    Returns:
        Number of flips, and how often the law was evaluated for want of a fit.
    """
    size, padded = states.size, windows.size // 2
    rare = thin(
        cells, dynamics, state, volts, edges, lowest, highest, windows, faint, seed, tile, event, draft
    )
    sketched = fits.shape[1] > 0 and not drifting
    words, bits, found, brackets = draft.words, draft.bits, draft.found, draft.brackets
    verdicts, flipped = draft.verdicts, draft.flipped
    flips, evaluated, single = 0, 0, edges.size == 1
    for block in range(padded // BLOCK):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, size)
        whole = stop - start == BLOCK
        if (
            whole
            and (count_beyond(highest, block, bounds[block]) == 0)
            and (single or count_beyond(lowest, block, bounds[block]) == 0)
        ):
            continue
        first_bits(seed, tile, event, block, words)
        if whole and sketched:
            find_brackets(bits, found)
            verdicts[:] = STAYS
            for side in range(2):
                seen = highest if side == 0 else lowest
                if count_above(seen, block, side, bounds[block]) > 0:
                    judge_block(
                        block, side, states, seen, shape, sketches, windows, padded, margins[side, block],
                        brackets, verdicts,
                    )  # fmt: skip
            some, still_open = flip_block(block, states, verdicts)
            flips += some
            if still_open == 0:
                continue
        else:
            for cell in range(start, stop):
                inside = unlikely(states[cell], lowest[cell], highest[cell], windows, cell)
                verdicts[cell - start] = STAYS if inside else OPEN
        for cell in range(start, stop):
            if verdicts[cell - start] == OPEN:
                flip, asked = ask(
                    cells, dynamics, states[cell], volts, edges, lowest[cell], highest[cell], fits, margin,
                    seed, tile, event, cell, step_of(bits, cell - start),
                )  # fmt: skip
                states[cell] ^= flip
                flips += flip
                evaluated += asked
    for k in range(rare):
        states[flipped[k]] ^= np.int8(1)
    return flips + rare, evaluated


@kernel
def ask(
    cells: Cells, dynamics: Dynamics, before: int, volts: Floats, edges: Floats, lowest: float,
    highest: float, fits: Floats32, margin: float, seed: Word, tile: int, event: int, cell: int, step: int,
) -> tuple[int, int]:  # fmt: skip
    """Whether a cell flips, from its fit if that can tell and from the law if not.

    Returns:
        1 if it flips, else 0; and 1 if the law was evaluated, else 0.
    """
    n = volts.shape[2]
    i, j = cell // n, cell % n
    if fits.shape[1] > 0:
        fit, shift = fits[before, cell], math.log(cells.rate[i, j])
        drive = highest if before == 0 else -lowest
        x = (drive - fit[0]) * fit[1]
        hazard = evaluate_fit(fit, min(max(x, -1.0), 1.0)) + shift
        if x >= -1.0 and hazard - margin > EDGES[step + 1]:
            return 1, 0
        if x <= 1.0 and hazard + margin < EDGES[step]:
            return 0, 0
        u = uniform_of(seed, tile, event, cell, step)
        if abs(x) <= 1.0:
            edge = math.log(-math.log1p(-u))
            if hazard - margin > edge:
                return 1, 0
            if hazard + margin < edge:
                return 0, 0
    else:
        u = uniform_of(seed, tile, event, cell, step)
    p = pulse_probability(cells, dynamics, before, volts, edges, i, j)
    return (1 if u < p else 0), 1
