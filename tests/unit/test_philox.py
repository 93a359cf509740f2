"""Philox-4x32-10 against the published known answers, and its derivatives against their distributions."""

import numpy as np
import pytest
from scipy import stats

from mtjloop.draws import normal, philox_4x32, uniform_pair
from mtjloop.sim.blocks import BLOCK, GROUP, first_bits
from mtjloop.sim.philox import PULSE_STREAM

ONES = 0xFFFFFFFF
# Known-answer vectors of the authors' Random123 distribution (kat_vectors, philox4x32 10).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], answer: tuple[int, ...]) -> None:
    words = [np.uint64(one) for one in (*counter, *key)]
    assert tuple(int(one) for one in philox_4x32(*words)) == answer


def test_words_of_a_block_are_those_of_its_groups() -> None:
    words = np.empty(BLOCK // 4, np.uint64)
    first_bits(np.uint64(7), 3, 2**33 + 5, 11, words)
    for group in range(BLOCK // GROUP):
        alone = philox_4x32(
            *(np.uint64(k) for k in (11 * BLOCK // GROUP + group, 5, 2, PULSE_STREAM + 12, 7, 0))
        )
        assert words.view(np.uint32)[4 * group : 4 * group + 4].tolist() == [int(one) for one in alone]


def draws(function: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if function == "normal":
        return np.array([normal(np.uint64(5), 2, k // 100, k % 100) for k in range(count)])
    return np.array([uniform_pair(np.uint64(5), 0, k // 100, k % 100) for k in range(count)]).ravel()


def test_uniforms_are_uniform() -> None:
    assert stats.kstest(draws("uniform", 20_000), "uniform").pvalue > 1e-3


def test_normals_are_normal() -> None:
    assert stats.kstest(draws("normal", 20_000), "norm").pvalue > 1e-3


def test_a_draw_depends_on_every_part_of_its_name() -> None:
    names = [(1, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 2**40, 0), (1, 0, 0, 1)]
    values = {uniform_pair(np.uint64(seed), stream, event, index) for seed, stream, event, index in names}
    assert len(values) == len(names)
    assert all(0.0 < one < 1.0 for pair in values for one in pair)
