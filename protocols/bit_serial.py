"""Reads of many levels, made of reads of one level that the controller weights and adds.

A bench with few source channels cannot drive a signal vector as it is. A crossbar is linear to first order,
so the vector is taken apart: either one read for each different level in it (exact), or bit by bit, one
read for each binary digit; whichever takes fewer reads. Where the bench drives two levels, both signs go
into one read; where it drives one, negative numbers are in two's complement, whose digit of the sign is one
more read of negative weight.
"""

import numpy as np
from numpy.typing import NDArray

from ..compiled import kernel
from ..drivers.contract import Bias, Capabilities, Crossbar, Floats, Orientation
from .settings import ReadSettings


def sense(crossbar: Crossbar, levels: Floats, orientation: Orientation, read: ReadSettings) -> Floats:
    """Currents that line levels give, read as they are or bit-serially, as settings and bench want it.

    Args:
        crossbar: to be read.
        levels: (lines,) or (reads, lines), V; finite.
        orientation: of the read.
        read: encoding, bits, and the level of a bit-serial read.

    Returns:
        (sensed,) or (reads, sensed), A.
    """
    if not is_bit_serial(read, crossbar.capabilities):
        return crossbar.read(Bias(levels, orientation)).currents
    rows, columns = crossbar.capabilities.shape
    vectors = np.atleast_2d(levels)
    steps, weights, counts = decompose(vectors, read.bits, signs_together(crossbar.capabilities))
    currents = np.zeros((len(vectors), columns if orientation == "forward" else rows))
    if len(steps):
        sensed = crossbar.read(Bias(steps * read.voltage, orientation)).currents
        add_weighted(sensed, weights / read.voltage, counts, currents)
    return currents.reshape(*levels.shape[:-1], -1)


def is_bit_serial(read: ReadSettings, capabilities: Capabilities) -> bool:
    """Whether signals are read bit-serially on this bench."""
    if read.encoding == "auto":
        return capabilities.read_levels is not None
    return read.encoding == "bit-serial"


def signs_together(capabilities: Capabilities) -> bool:
    """Whether lines of both signs can be driven in one read."""
    return capabilities.read_levels is None or capabilities.read_levels >= 2


def decompose(vectors: Floats, bits: int, together: bool) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Steps of one level that add up to vectors, those of the first vector first.

    Args:
        vectors: (reads, lines), finite.
        bits: binary digits of a magnitude, 1 to 30; the largest magnitude of a vector has all of them set.
        together: whether a step may hold both signs.

    Returns:
        Steps (steps, lines) of -1, 0 and 1; weight of each step in the unit of `vectors`; number of steps of
        each vector (reads,), 0 for a vector of zeros.
    """
    reads, lines = vectors.shape
    most = min(lines, bits if together else bits + 1)
    steps, weights = np.zeros((reads * most, lines)), np.empty(reads * most)
    counts = np.empty(reads, dtype=np.int64)
    used = 0
    for place, vector in enumerate(np.ascontiguousarray(vectors)):
        counts[place] = one_level_steps(vector, bits, together, steps[used:], weights[used:])
        used += counts[place]
    return steps[:used], weights[:used], counts


@kernel
def one_level_steps(vector: Floats, bits: int, together: bool, steps: Floats, weights: Floats) -> int:
    """Take one vector apart; returns how many steps it takes.

    Args:
        vector: (lines,), finite.
        bits: binary digits of a magnitude.
        together: whether a step may hold both signs.
        steps: (at least as many as needed, lines), zeros; filled with -1, 0 and 1.
        weights: (at least as many as needed,), filled.
    """
    largest, total = 0.0, 0.0
    for value in vector:
        largest = max(largest, abs(value))
        total += value
    if not largest > 0.0:
        return 0
    # Driven at the sign of most of the signal: fewer lines in the digit of the sign, disturb both ways.
    drive = -1.0 if total < 0.0 else 1.0
    top = 2**bits - 1
    codes = np.empty(len(vector), np.int64)
    present = 0
    for i in range(len(vector)):
        codes[i] = int(abs(vector[i]) / largest * top + 0.5)
        if not together and vector[i] * drive < 0.0 and codes[i] > 0:
            codes[i] = 2 ** (bits + 1) - codes[i]
        present |= codes[i]
    planes = 0
    for digit in range(bits + 1):
        planes += present >> digit & 1
    count = _level_steps(vector, planes, together, steps, weights)
    if count <= planes:
        return count
    steps[:planes] = 0.0
    count = 0
    for digit in range(bits, -1, -1):
        if not present >> digit & 1:
            continue
        for i in range(len(vector)):
            if codes[i] >> digit & 1:
                steps[count, i] = (-1.0 if vector[i] < 0.0 else 1.0) if together else drive
        weights[count] = largest * (2.0**digit if digit < bits else -(2.0**bits)) / top
        count += 1
    return count


@kernel
def _level_steps(vector: Floats, most: int, together: bool, steps: Floats, weights: Floats) -> int:
    """One step for each different level; gives up beyond `most` and returns more than that."""
    count = 0
    for i in range(len(vector)):
        if vector[i] == 0.0:
            continue
        size = abs(vector[i])
        sign = 1.0 if vector[i] > 0.0 else -1.0
        place = 0
        while place < count and not (weights[place] == size and (together or _sign_of(steps[place]) == sign)):
            place += 1
        if place == count:
            if count == most:
                return most + 1
            weights[count] = size
            count += 1
        steps[place, i] = sign
    return count


@kernel
def _sign_of(step: Floats) -> float:
    for value in step:
        if value != 0.0:
            return float(value)
    return 0.0


@kernel
def add_weighted(currents: Floats, weights: Floats, counts: NDArray[np.int64], sums: Floats) -> None:
    """Add the currents of each vector's steps (steps, sensed), weighted, to its row of `sums`."""
    step = 0
    for vector in range(len(counts)):
        for _ in range(counts[vector]):
            for line in range(sums.shape[1]):
                sums[vector, line] += weights[step] * currents[step, line]
            step += 1
