"""How well a network on chips does on a set of samples."""

from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Floats
from ..data import Labels
from .network import CrossbarNetwork


@dataclass(frozen=True)
class Score:
    """Accuracy, mean log likelihood, and predicted classes (samples,)."""

    accuracy: float
    log_likelihood: float
    predicted: Labels


def evaluate(network: CrossbarNetwork, features: Floats, labels: Labels) -> Score:
    """Pass all samples through the chip once; nothing is updated.

    Args:
        network: on its crossbars.
        features: (samples, features).
        labels: (samples,).
    """
    z = network.forward(features).scores
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted[np.arange(len(z)), labels] - np.log(np.exp(shifted).sum(axis=1))
    predicted = np.asarray(z.argmax(axis=1), dtype=np.int64)
    return Score(float(np.mean(predicted == labels)), float(log_p.mean()), predicted)


def confusion(labels: Labels, predicted: Labels, classes: int) -> Labels:
    """Counts (true class, predicted class) of labels and predictions, (samples,) each."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts
