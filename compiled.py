"""A typed door to numba: the one place where an untyped decorator meets strict type checking."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a function over numbers and arrays with numba; the machine code is cached on disk.

    Division follows numpy (no ZeroDivisionError). Floating point keeps IEEE order, so that results do
    not depend on how a loop was vectorised.
    """
    return cast(Callable[Arguments, Result], numba.njit(cache=True, error_model="numpy")(function))


def inlined_kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A `kernel` whose body is put in place of every call, so that a loop around the call can be vectorised.

    For straight-line functions that return several values.
    """
    return cast(
        Callable[Arguments, Result],
        numba.njit(cache=True, error_model="numpy", inline="always")(function),
    )


def fused_kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A `kernel` that may round a product and a sum at once, for estimates whose error is bounded anyway."""
    return cast(
        Callable[Arguments, Result],
        numba.njit(cache=True, error_model="numpy", fastmath={"contract"})(function),
    )
