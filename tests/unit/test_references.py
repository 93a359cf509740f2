"""Kernels count references only where something depends on them, and what they give back lives on."""

import gc
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.compiled import by_reference, compiler_for, kernel

Floats = NDArray[np.float64]


@by_reference
@dataclass
class Pair:
    first: Floats
    second: Floats


@kernel
def pair_of(size: int) -> Pair:
    return Pair(np.ones(size), np.full(size, 2.0))


@kernel
def total(pair: Pair) -> float:
    """Takes both arrays, a slice of one, and writes into them."""
    found = 0.0
    chosen = pair.first if pair.first.size > 1 else pair.second
    tail = chosen[1:]
    for k in range(tail.size):
        found += tail[k]
    for value in pair.second:
        found += value
    pair.second[:] = 3.0
    return found


@kernel
def nested(pair: Pair) -> float:
    return total(pair) + total(pair)


@kernel
def first_of(pair: Pair) -> Floats:
    return pair.first


@kernel
def swapped(pair: Pair) -> int:
    pair.first, pair.second = pair.second, pair.first
    return pair.first.size


@kernel
def made_inside(pair: Pair) -> float:
    return float((pair.first + pair.second).sum())


@kernel
def calls_a_maker(pair: Pair) -> float:
    return float(first_of(pair)[0])


@kernel
def picked(pair: Pair, which: NDArray[np.int64]) -> float:
    some = pair.first[which]
    return float(some[0])


def counts(function: Callable[..., Any], *arguments: object) -> bool:
    """Whether the machine code of a kernel counts references."""
    # Compiled anew: what comes from the cache cannot be looked into.
    fresh: Any = cast(Any, numba).njit(**compiler_for(numba.__version__))(cast(Any, function).py_func)
    fresh(*arguments)
    (code,) = fresh.inspect_llvm().values()
    start = rf"^define [^\n]*@_ZN(?!7cpython)\w*{function.__name__}"
    (body,) = re.findall(start + r"[^\n]*\{\n(.*?)^\}", code, re.S | re.M)
    return "@NRT_incref" in body or "@NRT_decref" in body


def references(pair: Pair) -> int:
    """How many hold the first array of a pair, this kernel's caller included."""
    return int(cast(Any, first_of(pair).base).refcount)


def test_a_numba_that_was_not_tried_compiles_by_itself() -> None:
    assert compiler_for("0.60.0") == compiler_for("0.680.0") == compiler_for("1.0") == {}


def test_what_only_borrows_does_not_count_unless_numba_is_left_alone() -> None:
    pair, left_alone = pair_of(5), not compiler_for(numba.__version__)
    assert total(pair) == 14.0
    assert nested(pair) == 38.0
    assert counts(total, pair) == left_alone
    assert counts(nested, pair) == left_alone


@pytest.mark.parametrize("function", [first_of, swapped, made_inside])
def test_what_keeps_makes_or_gives_back_counts(function: Callable[[Pair], Any]) -> None:
    assert counts(function, pair_of(5))


def test_a_copy_by_an_array_of_places_counts() -> None:
    assert counts(picked, pair_of(3), np.array([1, 2]))


def test_no_call_leaves_a_reference_behind_or_takes_one_away() -> None:
    pair = pair_of(5)
    before = references(pair)
    for _ in range(100):
        total(pair)
        nested(pair)
        made_inside(pair)
        calls_a_maker(pair)
        picked(pair, np.array([1, 2]))
    assert references(pair) == before


def test_what_was_given_back_outlives_its_record() -> None:
    pair = pair_of(1000)
    kept = first_of(pair)
    del pair
    gc.collect()
    others = [pair_of(1000) for _ in range(50)]
    for one in others:
        total(one)
    assert (kept == 1.0).all()
