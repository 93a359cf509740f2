"""Counter-based random numbers, shared by the simulator and the controller: Philox-4x32-10.

A draw is a pure function of (seed, stream, event, index), so results depend neither on the order of
evaluation nor on the number of threads.
Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""

import math

import numpy as np
from numpy.typing import NDArray

from .compiled import inlined_kernel, kernel

Word = np.uint64
Words = NDArray[np.uint64]

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@inlined_kernel
def philox_round(
    x0: Word, x1: Word, x2: Word, x3: Word, key0: Word, key1: Word, number: int
) -> tuple[Word, Word, Word, Word]:
    """Round `number` (0 to 9) of Philox-4x32; all words are uint64 holding 32 bits."""
    product0 = _MULTIPLIER_0 * x0
    product1 = _MULTIPLIER_1 * x2
    return (
        (product1 >> _SHIFT) ^ x1 ^ ((key0 + np.uint64(number) * _WEYL_0) & _LOW),
        product1 & _LOW,
        (product0 >> _SHIFT) ^ x3 ^ ((key1 + np.uint64(number) * _WEYL_1) & _LOW),
        product0 & _LOW,
    )


@inlined_kernel
def philox_4x32(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word, Word]:
    """Ten rounds of Philox-4x32; all words are uint64 holding 32 bits.

    Without a loop, so that a loop over counters goes through them side by side.
    """
    x0, x1, x2, x3 = philox_round(c0, c1, c2, c3, k0, k1, 0)
    x0, x1, x2, x3 = philox_round(x0, x1, x2, x3, k0, k1, 1)
    x0, x1, x2, x3 = philox_round(x0, x1, x2, x3, k0, k1, 2)
    x0, x1, x2, x3 = philox_round(x0, x1, x2, x3, k0, k1, 3)
    x0, x1, x2, x3 = philox_round(x0, x1, x2, x3, k0, k1, 4)
    x0, x1, x2, x3 = philox_round(x0, x1, x2, x3, k0, k1, 5)
    x0, x1, x2, x3 = philox_round(x0, x1, x2, x3, k0, k1, 6)
    x0, x1, x2, x3 = philox_round(x0, x1, x2, x3, k0, k1, 7)
    x0, x1, x2, x3 = philox_round(x0, x1, x2, x3, k0, k1, 8)
    return philox_round(x0, x1, x2, x3, k0, k1, 9)


@inlined_kernel
def uniform_pair(seed: Word, stream: int, event: int, index: int | Word) -> tuple[float, float]:
    """Two independent uniforms in (0, 1), 52 bits each, for `index` of `event` in `stream`.

    Args:
        seed: 64-bit key.
        stream: what the draw is for, below 2^32.
        event: number of the pulse or read, below 2^64.
        index: number of the cell or line, below 2^32.
    """
    number = np.uint64(event)
    w0, w1, w2, w3 = philox_4x32(
        np.uint64(index), number & _LOW, number >> _SHIFT, np.uint64(stream), seed & _LOW, seed >> _SHIFT
    )
    a = (w0 << np.uint64(20)) ^ (w1 >> np.uint64(12))
    b = (w2 << np.uint64(20)) ^ (w3 >> np.uint64(12))
    return (float(a) + 0.5) * 2.0**-52, (float(b) + 0.5) * 2.0**-52


@kernel
def normal(seed: Word, stream: int, event: int, index: int) -> float:
    """A standard normal number (Box-Muller) for `index` of `event` in `stream`."""
    a, b = uniform_pair(seed, stream, event, index)
    return math.sqrt(-2.0 * math.log(a)) * math.cos(2.0 * math.pi * b)
