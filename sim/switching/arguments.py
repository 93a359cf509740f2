"""Checks of public arguments: a message names the argument, the value found and the accepted range."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import MtjloopError


class ArgumentError(MtjloopError, ValueError):
    """An argument is outside the range in which the law is defined or tabulated."""


def checked(
    name: str, value: ArrayLike, low: float, high: float, *, low_open: bool = False, high_open: bool = False
) -> NDArray[np.float64]:
    """Return `value` as a float array after checking that every element lies between `low` and `high`.

    Raises:
        ArgumentError: an element is NaN or outside the range (it is also a ValueError).
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} = {value!r} is not a number or an array of numbers") from error
    above = array > low if low_open else array >= low
    below = array < high if high_open else array <= high
    good = above & below
    if not good.all():
        worst = array[~good].flat[0]
        bracket_left, bracket_right = "(" if low_open else "[", ")" if high_open else "]"
        raise ArgumentError(
            f"{name} = {worst:g} is outside its range {bracket_left}{low:g}, {high:g}{bracket_right}"
            + (f" ({int((~good).sum())} of {array.size} values are)" if array.size > 1 else "")
        )
    return array
