"""Blocks of 64 cells judged side by side, in loops that become vector instructions.

The loops index from 0 with unsigned numbers, keep to few arrays and have no branch; each of these is needed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import fused_kernel, kernel
from ._types import Floats, Floats32, Integers, States
from .philox import PULSE_STREAM, Word, Words, philox_4x32

Halves = NDArray[np.uint16]

BLOCK = 64
GROUP = 8
"""Cells that share one set of random words, 16 bits each."""
PLANES = 5
"""Numbers of a sketch."""
SHAPE = 7
"""Coefficients of the shape that all sketches of a state share."""
AT_ONCE = 16
"""Jumps drawn side by side."""
OPEN, FLIPS, STAYS = np.int8(0), np.int8(1), np.int8(2)
STEPS = 4096
"""Steps of u that its first 12 bits tell apart."""

_U = np.uint64
_LOW, _SHIFT = _U(0xFFFFFFFF), _U(32)
_ONE = np.float32(1.0)


def _edges() -> Floats:
    with np.errstate(divide="ignore"):
        edges: Floats = np.log(-np.log1p(-np.arange(STEPS + 1) / STEPS))
    return edges


EDGES = _edges()
"""ln(-ln(1 - k/STEPS)): minus infinity at 0, infinity at STEPS."""

# Lower and upper edge of a step in one word, so that one load fetches both.
_BRACKETS: Words = np.stack([EDGES[:-1], EDGES[1:]], axis=1).astype(np.float32).ravel().view(np.uint64)


class Draft(NamedTuple):
    """Scratch of the draws of one pulse."""

    words: Words
    """Random words of a block, (BLOCK / 4,)."""
    bits: Halves
    """The same, 16 bits a cell."""
    found: Words
    """Brackets of a block, (BLOCK,)."""
    brackets: Floats32
    """The same, two numbers a cell."""
    verdicts: States
    """On the cells of a block, (BLOCK,)."""
    skips: Floats
    """Uniforms of jumps, (AT_ONCE,)."""
    accepts: Floats
    """Uniforms of the candidates they lead to, (AT_ONCE,)."""
    flipped: Integers
    """(cells,)."""


@kernel
def new_draft(cells: int) -> Draft:
    """Scratch for arrays of so many cells."""
    words, found = np.empty(BLOCK // 4, np.uint64), np.empty(BLOCK, np.uint64)
    return Draft(
        words, words.view(np.uint16), found, found.view(np.float32), np.empty(BLOCK, np.int8),
        np.empty(AT_ONCE), np.empty(AT_ONCE), np.empty(cells, np.int64),
    )  # fmt: skip


@kernel
def first_bits(seed: Word, tile: int, event: int, block: int, words: Words) -> None:
    """Random words of a block in pulse number `event`: `words` is (16,), 16 bits a cell in their order."""
    number, first = _U(event), _U(block) * _U(BLOCK // GROUP)
    for k in range(_U(BLOCK // GROUP)):
        x0, x1, x2, x3 = philox_4x32(
            first + k, number & _LOW, number >> _SHIFT, _U(PULSE_STREAM + 4 * tile),
            seed & _LOW, seed >> _SHIFT,
        )  # fmt: skip
        words[_U(2) * k] = x0 | (x1 << _SHIFT)
        words[_U(2) * k + _U(1)] = x2 | (x3 << _SHIFT)


@kernel
def step_of(bits: Halves, member: int) -> int:
    """First 12 bits of the uniform of one cell (0 to 63) of a block, from words seen as 16 bits each."""
    return int(bits[member] >> 4)


@kernel
def find_brackets(bits: Halves, found: Words) -> None:
    """Edges of ln(-ln(1 - u)) around every uniform of a block.

    Args:
        bits: (64,), the words of `first_bits` seen as 16 bits each.
        found: (64,), returned, two float32 a word.
    """
    for k in range(_U(BLOCK)):
        found[k] = _BRACKETS[_U(bits[k] >> 4)]


@kernel
def count_beyond(seen: Floats, block: int, bound: float) -> int:
    """How many cells of a whole block saw more than `bound`, V, of either sign."""
    start = _U(block) * _U(BLOCK)
    beyond = 0
    for k in range(_U(BLOCK)):
        beyond += abs(seen[start + k]) > bound
    return beyond


@kernel
def count_above(seen: Floats, block: int, side: int, bound: float) -> int:
    """How many cells of a whole block saw more than `bound`, V, of the sign that counts for `side`."""
    start = _U(block) * _U(BLOCK)
    sign, above = 1.0 if side == 0 else -1.0, 0
    for k in range(_U(BLOCK)):
        above += sign * seen[start + k] > bound
    return above


@fused_kernel
def judge_block(
    block: int, side: int, states: States, seen: Floats, shape: Floats32, sketches: Floats32,
    windows: Floats32, padded: int, margin: float, brackets: Floats32, verdicts: States,
) -> None:  # fmt: skip
    """Verdicts on the cells of one block that are in state `side`: their log hazard against their brackets.

    Args:
        block: its number.
        side: 0 for cells in AP, 1 for cells in P.
        states: (cells,).
        seen: voltage that counts for this side, (cells,), V.
        shape: (2, SHAPE) of `drives.sketch_hazards`.
        sketches: flat (2, blocks, PLANES, BLOCK) of `drives.sketch_hazards`.
        windows: flat (2, padded cells) of `drives.fill_windows`.
        padded: cells, filled up to whole blocks.
        margin: bound of the error of the sketches of this block.
        brackets: (2 BLOCK,) float32 of `find_brackets`.
        verdicts: (BLOCK,), written for the cells of this side.
    """
    start = _U(block) * _U(BLOCK)
    base = _U(PLANES) * (_U(side) * _U(padded) + start)
    window = _U(side) * _U(padded) + start
    sign = _ONE if side == 0 else -_ONE
    mine, slack = np.int8(side), np.float32(margin)
    s0, s1, s2, s3 = shape[side, 0], shape[side, 1], shape[side, 2], shape[side, 3]
    s4, s5, s6 = shape[side, 4], shape[side, 5], shape[side, 6]
    for k in range(_U(BLOCK)):
        drive = sign * np.float32(seen[start + k])
        reduced = (drive - sketches[base + k]) * sketches[base + _U(BLOCK) + k]
        x = -_ONE if reduced < -_ONE else reduced
        x = _ONE if x > _ONE else x
        bent = sketches[base + _U(3 * BLOCK) + k] + x * sketches[base + _U(4 * BLOCK) + k]
        bent = sketches[base + _U(2 * BLOCK) + k] + x * bent
        common = s0 + x * (s1 + x * (s2 + x * (s3 + x * (s4 + x * (s5 + x * s6)))))
        hazard = common + (_ONE - x * x) * bent
        flips = (reduced >= -_ONE) & (hazard - slack > brackets[_U(2) * k + _U(1)])
        below = (reduced <= _ONE) & (hazard + slack < brackets[_U(2) * k])
        stays = below | (drive <= windows[window + k])
        verdict = STAYS if stays else (FLIPS if flips else OPEN)
        verdicts[k] = verdict if states[start + k] == mine else verdicts[k]


@kernel
def flip_block(block: int, states: States, verdicts: States) -> tuple[int, int]:
    """Flip the cells of a block that are to flip; returns how many did, and how many are open."""
    start = _U(block) * _U(BLOCK)
    flips, still_open = 0, 0
    for k in range(_U(BLOCK)):
        states[start + k] ^= verdicts[k] & np.int8(1)
    for k in range(_U(BLOCK)):
        flips += verdicts[k] == FLIPS
        still_open += verdicts[k] == OPEN
    return flips, still_open
