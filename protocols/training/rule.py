"""Update rules: from input and error vectors to rank-1 factors, with vectors only as memory.

Every factor asks for switching probabilities p_ij = min(1, strength |rows_i| |columns_j|) toward
sign(rows_i columns_j). Reconstructed for two-state cells; see docs/training.md.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...drivers.contract import Floats
from .settings import TrainingSettings


@dataclass(frozen=True)
class Factor:
    """A wanted rank-1 update.

    Attributes:
        rows: (inputs,).
        columns: (outputs,).
        strength: scale of the wanted probability.
    """

    rows: Floats
    columns: Floats
    strength: float


class Rule(Protocol):
    """Turns what a violating sample says into factors, now or later."""

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """Take input signals (inputs,) and errors (outputs,) of one sample; return the updates due."""
        ...


class PerSample:
    """One rank-1 update a sample, no memory at all."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """The sample itself is the factor."""
        return [Factor(dropped(signal, self._threshold), dropped(error, self._threshold), rate)]


class RankOneMomentum:
    """Leading directions of a moving average of gradients that is never formed.

    Block power iteration: V_q += d (x . u_q), U_q += x (d . v_q); every `period` violators the directions
    u_q, V_q are pulsed, and the orthonormalised U, V become the next directions.

    Args:
        inputs: rows of the layer.
        outputs: columns of the layer.
        settings: rank, period, memory and threshold are used.
        rng: draws the first directions.
    """

    def __init__(
        self, inputs: int, outputs: int, settings: TrainingSettings, rng: np.random.Generator
    ) -> None:
        rank = min(settings.rank, inputs, outputs)
        self._period, self._memory, self._threshold = settings.period, settings.memory, settings.threshold
        self._u = orthonormal(rng.standard_normal((rank, inputs)))
        self._v = orthonormal(rng.standard_normal((rank, outputs)))
        self._sum_u = np.zeros((rank, inputs))
        self._sum_v = np.zeros((rank, outputs))
        self._count = 0

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """Follow the directions; every `period` calls return one factor for each."""
        along, across = self._u @ signal, self._v @ error
        self._sum_u += across[:, None] * signal
        self._sum_v += along[:, None] * error
        self._count += 1
        if self._count % self._period:
            return []
        factors = []
        for direction, total in zip(self._u, self._sum_v, strict=True):
            size = float(np.sqrt(total @ total))
            if size > 0.0:
                factors.append(
                    Factor(
                        dropped(direction, self._threshold),
                        dropped(total / size, self._threshold),
                        rate * size,
                    )
                )
        self._u, self._v = orthonormal(self._sum_u), orthonormal(self._sum_v)
        self._sum_u *= self._memory
        self._sum_v *= self._memory
        return factors


def make_rule(inputs: int, outputs: int, settings: TrainingSettings, rng: np.random.Generator) -> Rule:
    """The rule of the schedule for one layer."""
    if settings.schedule == "per-sample":
        return PerSample(settings.threshold)
    return RankOneMomentum(inputs, outputs, settings, rng)


def dropped(values: Floats, threshold: float) -> Floats:
    """Values with the entries below `threshold` times the largest magnitude set to 0."""
    if threshold <= 0.0:
        return values.copy()
    size = np.abs(values)
    return np.where(size > threshold * size.max(), values, 0.0)


def orthonormal(vectors: Floats) -> Floats:
    """Rows made orthonormal one after the other (modified Gram-Schmidt); a vanishing row stays near 0."""
    result = vectors.copy()
    for k in range(len(result)):
        for other in result[:k]:
            result[k] -= (result[k] @ other) * other
        result[k] /= np.sqrt(result[k] @ result[k] + 1e-30)
    return result
