"""Read noise: normal numbers for all sensed lines of a read, side by side.

Four lines share one set of random words: line 64 g + 16 q + l takes quarter q of counter 16 g + l, whatever
the number of lines. Two words make two normal numbers (Box and Muller, 1958), with polynomials for logarithm,
sine and cosine that are good to float32: of noise that is 1e-7.
"""

import math
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..compiled import kernel
from ._types import Floats, Floats32
from .philox import NOISE_STREAM, Word, philox_4x32

Words32 = NDArray[np.uint32]

SIDE = 16
"""Counters taken side by side."""

_U, _F = np.uint64, np.float32
_LOW, _SHIFT = _U(0xFFFFFFFF), _U(32)
_ONE, _HALF = _F(1.0), _F(0.5)
_LN2 = _F(math.log(2.0))
_LOG_TOP = _F(32.0 * math.log(2.0))
_TURN = _F(math.pi / 4.0 / 2.0**31)


@intrinsic
def _bits_of(_typing: Any, _value: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@intrinsic
def _float_of(_typing: Any, _bits: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), generate


bits_of, float_of = cast(Any, _bits_of), cast(Any, _float_of)


@kernel
def draw_words(seed: Word, number: int, event: int, group: int, words: Words32) -> None:
    """Random words of 64 lines of a read into `words` (64,): 16 counters, first word of each, then second."""
    count, first = _U(event), _U(group) * _U(SIDE)
    for k in range(_U(SIDE)):
        x0, x1, x2, x3 = philox_4x32(
            first + k, count & _LOW, count >> _SHIFT, _U(NOISE_STREAM + 4 * number), seed & _LOW,
            seed >> _SHIFT,
        )  # fmt: skip
        words[k] = np.uint32(x0)
        words[_U(SIDE) + k] = np.uint32(x1)
        words[_U(2 * SIDE) + k] = np.uint32(x2)
        words[_U(3 * SIDE) + k] = np.uint32(x3)


@kernel
def make_normal(words: Words32, normals: Floats32) -> None:
    """Two times 16 standard normal numbers (32,) of two times 16 words (32,)."""
    for k in range(_U(SIDE)):
        u, turn = words[k], words[_U(SIDE) + k]
        # ln of (u + 1/2): mantissa from 0.7 to 1.4, and its polynomial (Cephes, S. Moshier).
        bits = bits_of(_F(u) + _HALF)
        shifted = np.uint32(bits - np.uint32(0x3F3504F3))
        exponent = _F(np.int32(shifted) >> np.int32(23))
        x = float_of(np.uint32((shifted & np.uint32(0x7FFFFF)) + np.uint32(0x3F3504F3))) - _ONE
        z = x * x
        y = _F(7.0376836292e-2) * x - _F(1.1514610310e-1)
        y = y * x + _F(1.1676998740e-1)
        y = y * x - _F(1.2420140846e-1)
        y = y * x + _F(1.4249322787e-1)
        y = y * x - _F(1.6668057665e-1)
        y = y * x + _F(2.0000714765e-1)
        y = y * x - _F(2.4999993993e-1)
        y = y * x + _F(3.3333331174e-1)
        log = exponent * _LN2 + (x + (y * x * z - _HALF * z))
        square = _F(2.0) * (_LOG_TOP - log)
        radius = _F(math.sqrt(square if square > _F(0.0) else _F(0.0)))
        # A quarter turn from 30 bits, its place on the circle from the other two.
        angle = _F(np.int32(np.uint32(turn << np.uint32(2)))) * _TURN
        s = angle * angle
        sine = _F(-1.9515295891e-4) * s + _F(8.3321608736e-3)
        sine = (sine * s - _F(1.6666654611e-1)) * s * angle + angle
        cosine = _F(2.443315711809948e-5) * s - _F(1.388731625493765e-3)
        cosine = (cosine * s + _F(4.166664568298827e-2)) * s * s - _HALF * s + _ONE
        swapped = turn >= np.uint32(0x80000000)
        size = -radius if turn & np.uint32(0x40000000) else radius
        normals[k] = size * (sine if swapped else cosine)
        normals[_U(SIDE) + k] = size * (cosine if swapped else sine)


@kernel
def add_noise(
    currents: Floats, noise: float, seed: Word, number: int, event: int, words: Words32, normals: Floats32
) -> None:
    """Add read noise to the currents of one read, in place.

    Args:
        currents: (sensed,), A.
        noise: standard deviation, A.
        seed: key of all draws.
        number: of the array on its die.
        event: number of the read.
        words: scratch (64,).
        normals: scratch (32,).
    """
    lines, half = currents.size, 2 * SIDE
    for first in range(0, lines, half):
        if first % (2 * half) == 0:
            draw_words(seed, number, event, first // (2 * half), words)
        begin = first % (2 * half)
        make_normal(words[begin : begin + half], normals)
        for k in range(min(half, lines - first)):
            currents[first + k] += noise * np.float64(normals[k])
