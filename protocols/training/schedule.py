"""The update rule of a schedule."""

import numpy as np

from .column_momentum import ColumnMomentum
from .rule import MiniBatch, PerSample, RankOneMomentum, Rule
from .settings import TrainingSettings


def make_rule(inputs: int, outputs: int, settings: TrainingSettings, rng: np.random.Generator) -> Rule:
    """The rule of the schedule for one layer."""
    if settings.schedule == "per-sample":
        return PerSample(settings.threshold)
    if settings.schedule == "mini-batch":
        return MiniBatch(inputs, outputs, settings.batch, settings.threshold)
    if settings.schedule == "column-momentum":
        return ColumnMomentum(inputs, outputs, settings, rng)
    return RankOneMomentum(inputs, outputs, settings, rng)
