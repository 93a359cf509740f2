"""Functions of units, computed in the controller without overflow."""

import numpy as np

from ..drivers.contract import Floats


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-x)) of each value; any shape."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))


def softmax(values: Floats) -> Floats:
    """exp(x) over its sum along the last axis, (..., units)."""
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
