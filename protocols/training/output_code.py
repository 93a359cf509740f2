"""An output layer written once and never trained: every hidden unit stands for a division of the classes."""

import numpy as np

from ..journal import States

_FEW = 3
"""Classes up to which one class is set against the rest, and its complement, by turns."""


def output_code(units: int, classes: int, rng: np.random.Generator) -> States:
    """Signs (units, classes): balanced divisions of the classes, drawn for each unit.

    With few classes there are too few balanced divisions; there one class against the rest and the
    complements of that follow each other.

    Args:
        units: hidden units under the output layer.
        classes: of the data.
        rng: draws the divisions.
    """
    code = np.empty((units, classes), dtype=np.int8)
    for unit in range(units):
        if classes <= _FEW:
            sign = 1 if (unit // classes) % 2 == 0 else -1
            code[unit] = np.where(np.arange(classes) == unit % classes, sign, -sign)
        else:
            half = (classes + unit % 2) // 2
            code[unit] = rng.permutation(np.where(np.arange(classes) < half, 1, -1))
    return code
