"""Read noise made side by side: against Box and Muller in float64, and against the normal law."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from mtjloop.sim.noise import SIDE, add_noise, draw_words, make_normal
from mtjloop.sim.philox import NOISE_STREAM, philox_4x32

Floats = NDArray[np.float64]
SEED = np.uint64(2**40 + 7)


def noise_of(seed: np.uint64, number: int, event: int, lines: int) -> Floats:
    currents = np.zeros(lines)
    words, normals = np.zeros(4 * SIDE, np.uint32), np.zeros(2 * SIDE, np.float32)
    add_noise(currents, 1.0, seed, number, event, words, normals)
    return currents


def test_words_are_those_of_their_counters() -> None:
    words = np.empty(4 * SIDE, np.uint32)
    event = 2**33 + 5
    draw_words(SEED, 3, event, 2, words)
    for k in range(SIDE):
        name = (2 * SIDE + k, 5, 2, NOISE_STREAM + 12, 7, 2**8)
        alone = philox_4x32(*(np.uint64(one) for one in name))
        assert words[k::SIDE].tolist() == [int(one) for one in alone]


def test_normals_are_those_of_their_words() -> None:
    """Against the formula in float64, extreme words included."""
    words, normals = np.empty(2 * SIDE, np.uint32), np.empty(2 * SIDE, np.float32)
    rng = np.random.default_rng(0)
    for trial in range(200):
        words[:] = rng.integers(0, 2**32, 2 * SIDE)
        if trial == 0:
            words[:8] = [0, 1, 2, 2**24 - 1, 2**24, 2**31, 2**32 - 2**9, 2**32 - 1]
            words[SIDE : SIDE + 4] = [0, 2**30 - 1, 2**30, 2**31]
        make_normal(words, normals)
        radius = np.sqrt(-2.0 * np.log((words[:SIDE] + 0.5) / 2.0**32))
        turn = words[SIDE:].astype(np.int64)
        signed = ((turn << 2) % 2**32 + 2**31) % 2**32 - 2**31
        angle = signed * (np.pi / 4.0 / 2.0**31)
        one, other = np.cos(angle), np.sin(angle)
        swapped, sign = turn >= 2**31, np.where((turn >> 30) % 2 == 1, -1.0, 1.0)
        wanted = np.concatenate([np.where(swapped, other, one), np.where(swapped, one, other)])
        wanted *= np.tile(sign * radius, 2)
        # The square of a radius is a difference of numbers near 22 in float32, and so is known to 4e-6.
        allowed = 2e-6 + np.minimum(4e-6 / np.maximum(radius, 1e-9), 2e-3)
        assert (np.abs(normals - wanted) < np.tile(allowed, 2)).all()


def test_noise_is_normal_and_lines_and_reads_know_nothing_of_each_other() -> None:
    found = np.array([noise_of(SEED, 1, event, 80) for event in range(2_000)])
    assert stats.kstest(found.ravel(), "norm").pvalue > 1e-3
    size = 1.0 / np.sqrt(len(found))
    between = np.corrcoef(np.hstack([found[:-1], found[1:]]).T) - np.eye(160)
    # 160 x 159 / 2 coefficients: the largest of so many is rarely beyond 5 of their standard deviations.
    assert np.abs(between).max() < 5.5 * size
    squares = np.corrcoef((found**2).T) - np.eye(80)
    assert np.abs(squares).max() < 6.5 * size


@pytest.mark.parametrize("lines", [1, 6, 16, 20, 33, 64])
def test_noise_of_a_line_does_not_depend_on_how_many_there_are(lines: int) -> None:
    assert (noise_of(SEED, 1, 9, lines) == noise_of(SEED, 1, 9, 80)[:lines]).all()


def test_noise_depends_on_every_part_of_its_name() -> None:
    names = [(SEED, 1, 0), (np.uint64(5), 1, 0), (SEED, 2, 0), (SEED, 1, 1), (SEED, 1, 2**40)]
    assert len({float(noise_of(*name, 1)[0]) for name in names}) == len(names)
