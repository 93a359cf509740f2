"""Which cells flip in a pulse: exact probabilities at nanoseconds a cell.

Every cell flips with the probability P of its own law. Cells are drawn in one of two ways, by the window of
`drives.fill_windows`:

- P surely below LIKELY (half-selected and idle cells): thinning. Candidates are found by geometric jumps at
  the
  rate LIKELY, and a candidate flips with P/LIKELY. The tail is exact, and idle cells cost a comparison.
- else: flip if u < P. The first 12 bits of u fall between two edges of a table of ln(-ln(1 - u)); the fitted
  log
  hazard with its error bound nearly always tells on which side P is. Only if it does not are further bits of
  u drawn and the law itself evaluated, so the outcome is that of the law whether there is a fit or not.

All draws depend on (seed, tile, event, cell) only.
"""

import math

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32, Integers, States
from .cells import Cells, Dynamics, cell_hazard, ended_switched, hop_count
from .drives import LIKELY, evaluate_fit, scale_of
from .philox import PULSE_STREAM, WEYL_0, WEYL_1, Word, philox_4x32, philox_round, uniform_pair

STEPS = 4096
"""Steps of u that its first 12 bits tell apart."""
_REFINE, _JUMP = 2**30, 2**31
"""Where the indices of further bits and of jumps begin."""
_BLOCK, _GROUP = 64, 8
_FEW = 8
"""Live cells from which a block is drawn as a whole."""
_OPEN, _FLIPS, _STAYS = 0, 1, 2
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def _edges() -> Floats:
    with np.errstate(divide="ignore"):
        edges: Floats = np.log(-np.log1p(-np.arange(STEPS + 1) / STEPS))
    return edges


EDGES = _edges()
"""ln(-ln(1 - k/STEPS)): minus infinity at 0, infinity at STEPS."""


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
def first_bits(seed: Word, tile: int, event: int, group: int) -> tuple[Word, Word, Word, Word]:
    """Random words of a group of eight cells: 16 bits a cell, two cells a word."""
    number = np.uint64(event)
    return philox_4x32(
        np.uint64(group), number & _LOW, number >> _SHIFT, np.uint64(PULSE_STREAM + 4 * tile),
        seed & _LOW, seed >> _SHIFT,
    )  # fmt: skip


@kernel
def step_of(words: tuple[Word, Word, Word, Word], member: int) -> int:
    """First 12 bits of the uniform of one member (0 to 7) of a group."""
    word = words[0] if member < 2 else words[1] if member < 4 else words[2] if member < 6 else words[3]
    return int((word >> np.uint64(4 + 16 * (member & 1))) & np.uint64(STEPS - 1))


@kernel
def thin(
    cells: Cells, dynamics: Dynamics, state: States, volts: Floats, edges: Floats, lowest: Floats,
    highest: Floats, scales: Floats32, seed: Word, tile: int, event: int, flipped: Integers,
) -> int:  # fmt: skip
    """Draw the cells inside their windows; writes the cells that flip into `flipped`, returns their
    number."""
    n = state.shape[1]
    flips, cell, jump = 0, -1, 0
    while True:
        skip, accept = uniform_pair(seed, PULSE_STREAM + 4 * tile, event, _JUMP + jump)
        length = math.log(skip) / math.log1p(-LIKELY)
        if length >= state.size - 1 - cell:
            return flips
        cell += 1 + int(length)
        jump += 1
        if lowest[cell] * scales[cell] <= 1.0 and highest[cell] * scales[cell] <= 1.0:
            i, j = cell // n, cell % n
            p = pulse_probability(cells, dynamics, state[i, j], volts, edges, i, j)
            if accept * LIKELY < p:
                flipped[flips] = cell
                flips += 1


@kernel
def draw_pulse(
    cells: Cells, dynamics: Dynamics, state: States, volts: Floats, edges: Floats, lowest: Floats,
    highest: Floats, drives: Floats, scales: Floats32, fits: Floats32, margin: float, drifting: bool,
    seed: Word, tile: int, event: int, flipped: Integers,
) -> tuple[int, int]:  # fmt: skip
    """Flip cells by what they saw in one pulse.

    Args:
        cells: parameters.
        dynamics: law.
        state: (rows, columns), changed in place.
        volts: of the junctions, (intervals, rows, columns), V.
        edges: ends of the intervals, s.
        lowest: lowest voltage of each cell over the intervals, (cells,).
        highest: highest voltage.
        drives: (2, cells) from `likely_drives` for a pulse at least as long.
        scales: windows of the present states from `fill_windows`, kept up to date.
        fits: (2, cells, 2 + TERMS) from `fit_hazards` for exactly this one interval; no cells for none.
        margin: bound of the error of the fits.
        drifting: whether any rate differs from 1.
        seed: key.
        tile: number of the array.
        event: number of the pulse.
        flipped: scratch (cells,).

    Returns:
        Number of flips, and how often the law was evaluated for want of a fit.
    """
    n = state.shape[1]
    states, rates = state.ravel(), cells.rate.ravel()
    size = states.size
    unlikely = thin(cells, dynamics, state, volts, edges, lowest, highest, scales, seed, tile, event, flipped)
    fitted = fits.shape[1] > 0
    flips, evaluated = 0, 0
    steps, verdicts = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int8)
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        live = count_live(lowest[start:stop], highest[start:stop], scales[start:stop])
        if live == 0:
            continue
        if live < _FEW:
            verdicts[:] = _OPEN
        elif fitted and not drifting and stop - start == _BLOCK:
            draw_block(
                seed, tile, event, start, states, lowest, highest, scales, fits, margin, steps, verdicts
            )
        else:
            first_steps(seed, tile, event, start, steps)
            verdicts[:] = _OPEN
        for cell in range(start, stop):
            verdict = verdicts[cell - start]
            if verdict == _STAYS:
                continue
            before = states[cell]
            if verdict == _OPEN:
                scale = scales[cell]
                if lowest[cell] * scale <= 1.0 and highest[cell] * scale <= 1.0:
                    continue
                if live < _FEW:
                    words = first_bits(seed, tile, event, cell // _GROUP)
                    steps[cell - start] = step_of(words, cell % _GROUP)
                step = steps[cell - start]
                if fitted and (drifting or live < _FEW or stop - start < _BLOCK):
                    verdict = judge(
                        fits[before, cell], before, lowest[cell], highest[cell], rates[cell], step, margin
                    )
                if verdict == _OPEN:
                    p = pulse_probability(cells, dynamics, before, volts, edges, cell // n, cell % n)
                    verdict = _FLIPS if uniform_of(seed, tile, event, cell, step) < p else _STAYS
                    evaluated += 1
            if verdict == _FLIPS:
                states[cell] = 1 - before
                scales[cell] = scale_of(drives, 1 - before, cell)
                flips += 1
    for k in range(unlikely):
        cell = flipped[k]
        states[cell] = 1 - states[cell]
        scales[cell] = scale_of(drives, states[cell], cell)
    return flips + unlikely, evaluated


@kernel
def judge(
    fit: Floats32, before: int, lowest: float, highest: float, rate: float, step: int, margin: float
) -> int:
    """What a fit says of one cell whose uniform begins with `step`; `_OPEN` if the law must be asked."""
    drive = highest if before == 0 else -lowest
    x = (drive - fit[0]) * fit[1]
    hazard = evaluate_fit(fit, min(max(x, -1.0), 1.0)) + math.log(rate)
    if x >= -1.0 and hazard - margin > EDGES[step + 1]:
        return _FLIPS
    if x <= 1.0 and hazard + margin < EDGES[step]:
        return _STAYS
    return _OPEN


@kernel
def draw_block(
    seed: Word, tile: int, event: int, start: int, states: States, lowest: Floats, highest: Floats,
    scales: Floats32, fits: Floats32, margin: float, steps: Integers, verdicts: States,
) -> None:  # fmt: skip
    """`judge` for a whole block at once without branches; cells inside their windows stay."""
    first_steps(seed, tile, event, start, steps)
    for k in range(_BLOCK):
        cell = start + k
        before = states[cell]
        scale = scales[cell]
        fit = fits[before, cell]
        drive = highest[cell] if before == 0 else -lowest[cell]
        x = (drive - fit[0]) * fit[1]
        hazard = evaluate_fit(fit, min(max(x, -1.0), 1.0))
        step = steps[k]
        flips = (x >= -1.0) & (hazard - margin > EDGES[step + 1])
        stays = (x <= 1.0) & (hazard + margin < EDGES[step])
        inside = (lowest[cell] * scale <= 1.0) & (highest[cell] * scale <= 1.0)
        verdicts[k] = _STAYS if (stays | inside) else (_FLIPS if flips else _OPEN)


@kernel
def first_steps(seed: Word, tile: int, event: int, start: int, steps: Integers) -> None:
    """First 12 bits of the uniforms of a block, eight groups side by side (the rounds of `philox_4x32`)."""
    groups = _BLOCK // _GROUP
    x0, x1, x2, x3 = (
        np.empty(groups, np.uint64), np.empty(groups, np.uint64), np.empty(groups, np.uint64),
        np.empty(groups, np.uint64),
    )  # fmt: skip
    number = np.uint64(event)
    first = np.uint64(start // _GROUP)
    for k in range(groups):
        x0[k] = (first + np.uint64(k)) & _LOW
        x1[k] = number & _LOW
        x2[k] = number >> _SHIFT
        x3[k] = np.uint64(PULSE_STREAM + 4 * tile)
    key0, key1 = seed & _LOW, seed >> _SHIFT
    for _ in range(10):
        philox_round(x0, x1, x2, x3, key0, key1)
        key0 = (key0 + WEYL_0) & _LOW
        key1 = (key1 + WEYL_1) & _LOW
    for k in range(groups):
        base = k * _GROUP
        words = (x0[k], x1[k], x2[k], x3[k])
        for member in range(_GROUP):
            steps[base + member] = step_of(words, member)


@kernel
def count_live(lowest: Floats, highest: Floats, scales: Floats32) -> int:
    """How many cells of a block saw a voltage outside their window."""
    live = 0
    for k in range(scales.size):
        live += (not lowest[k] * scales[k] <= 1.0) | (not highest[k] * scales[k] <= 1.0)
    return live
