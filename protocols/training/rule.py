"""Update rules: from input and error vectors to rank-1 factors, with vectors only as memory.

Every factor asks for switching probabilities p_ij = min(1, strength |rows_i| |columns_j|) toward
sign(rows_i columns_j). Reconstructed for two-state cells; see docs/training.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...compiled import kernel
from ...drivers.contract import Floats
from .settings import TrainingSettings, longest_period


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
    """Turns what a violating sample says into factors, now or later.

    Attributes:
        period: violators between two updates.
    """

    period: int

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """Take input signals (inputs,) and errors (outputs,) of one sample; return the updates due."""
        ...

    def adapt_period(self, peak: float, wanted: float) -> None:
        """Change the period so that the peak probability of a pulse, so far `peak`, comes near `wanted`."""
        ...


RuleMaker = Callable[[int, int, TrainingSettings, np.random.Generator], Rule]
"""Makes the rule of a layer from its inputs and outputs; draws what it starts from."""


class PerSample:
    """One rank-1 update a sample, no memory at all.

    Attributes:
        threshold: entries below this share of the largest are dropped.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.period = 1

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """The sample itself is the factor."""
        rows, columns = signal.copy(), error.copy()
        drop(rows, self.threshold)
        drop(columns, self.threshold)
        return [Factor(rows, columns, rate)]

    def adapt_period(self, peak: float, wanted: float) -> None:
        """Every sample is pulsed at once, whatever it asks for."""


class MiniBatch:
    """The gradient of a batch of violators, summed as a matrix in the controller: a control.

    It is programmed row by row, one factor a row, so the time of an update grows with the rows, and the
    controller keeps as many numbers as the layer has weights.

    Args:
        inputs: rows of the layer.
        outputs: columns of the layer.
        batch: violators summed.
        threshold: entries below this share of the largest of the matrix are dropped.
    """

    def __init__(self, inputs: int, outputs: int, batch: int, threshold: float) -> None:
        self._gradient = np.zeros((inputs, outputs))
        self._threshold = threshold
        self.period = batch
        self._count = 0

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """Add up; every `batch` calls return a factor for each row that asks for anything."""
        add_outer(self._gradient, signal, error)
        self._count += 1
        if self._count % self.period:
            return []
        drop(self._gradient.reshape(-1), self._threshold)
        rows = np.eye(len(self._gradient))
        factors = [
            Factor(rows[i], self._gradient[i].copy(), rate)
            for i in np.flatnonzero(self._gradient.any(axis=1))
        ]
        self._gradient[:] = 0.0
        return factors

    def adapt_period(self, peak: float, wanted: float) -> None:
        """The size of a batch is what was asked for."""


@kernel
def add_outer(matrix: Floats, rows: Floats, columns: Floats) -> None:
    """Add the product of two vectors to a matrix, (rows, columns)."""
    for i in range(rows.size):
        for j in range(columns.size):
            matrix[i, j] += rows[i] * columns[j]


class RankOneMomentum:
    """Leading directions of a moving average of gradients that is never formed.

    Block power iteration: V_q += d (x . u_q), U_q += x (d . v_q); every `period` violators the directions
    u_q, V_q are pulsed, and the orthonormalised U, V become the next directions.

    Attributes:
        period: samples between two updates now.
        first_period: the same at first; the rate is that of this period.
        memory: what the sums keep from one update to the next.
        threshold: entries below this share of the largest are dropped.
        u: directions over the rows, (rank, inputs).
        v: directions over the columns, (rank, outputs).
        sum_u: moving sums, (rank, inputs).
        sum_v: moving sums, (rank, outputs).
        count: samples seen.

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
        self.memory, self.threshold = settings.memory, settings.threshold
        self._auto = settings.period == "auto"
        self.period = 1 if settings.period == "auto" else settings.period
        self._window = self.period / (1.0 - settings.memory)
        self.first_period = self.period
        self.u = rng.standard_normal((rank, inputs))
        self.v = rng.standard_normal((rank, outputs))
        make_orthonormal(self.u)
        make_orthonormal(self.v)
        self.sum_u = np.zeros((rank, inputs))
        self.sum_v = np.zeros((rank, outputs))
        self.count = 0

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """Follow the directions; every `period` calls return one factor for each."""
        self.count += 1
        due = self.count % self.period == 0
        rate = rate * self.period / self.first_period
        rows, columns = np.empty_like(self.u), np.empty_like(self.v)
        sizes = np.zeros(len(rows))
        follow_directions(
            self.u, self.v, self.sum_u, self.sum_v, signal, error, self.memory, self.threshold, due,
            rows, columns, sizes,
        )  # fmt: skip
        return [
            Factor(rows[k], columns[k], rate * size) for k, size in enumerate(sizes.tolist()) if size > 0.0
        ]

    def adapt_period(self, peak: float, wanted: float) -> None:
        """Take another period if it is free; window and mean update stay, so memory and rate follow it."""
        if not self._auto or not peak > 0.0:
            return
        wanted_period = max(1, round(self.period * wanted / peak))
        self.period = min(wanted_period, longest_period(self._window))
        self.memory = 1.0 - self.period / self._window


@kernel
def follow_directions(
    u: Floats, v: Floats, sum_u: Floats, sum_v: Floats, signal: Floats, error: Floats, memory: float,
    threshold: float, due: bool, rows: Floats, columns: Floats, sizes: Floats,
) -> None:  # fmt: skip
    """One step of rank-1 momentum.

    Args:
        u: directions over the rows, (rank, inputs), changed when due.
        v: directions over the columns, (rank, outputs), changed when due.
        sum_u: moving sums, (rank, inputs), changed.
        sum_v: moving sums, (rank, outputs), changed.
        signal: inputs of a sample, (inputs,).
        error: errors of the sample, (outputs,).
        memory: what the sums keep when due.
        threshold: see `drop`.
        due: whether factors are wanted now.
        rows: returned when due, (rank, inputs).
        columns: returned when due, (rank, outputs), of length 1 before entries are dropped.
        sizes: returned when due, (rank,); 0 for a factor that asks for nothing.
    """
    for k in range(u.shape[0]):
        along, across = dot(u[k], signal), dot(v[k], error)
        for i in range(signal.size):
            sum_u[k, i] += across * signal[i]
        for j in range(error.size):
            sum_v[k, j] += along * error[j]
    if not due:
        return
    for k in range(u.shape[0]):
        sizes[k] = math.sqrt(dot(sum_v[k], sum_v[k]))
        if sizes[k] > 0.0:
            rows[k] = u[k]
            columns[k] = sum_v[k] / sizes[k]
            drop(rows[k], threshold)
            drop(columns[k], threshold)
    u[:] = sum_u
    v[:] = sum_v
    make_orthonormal(u)
    make_orthonormal(v)
    sum_u *= memory
    sum_v *= memory


@kernel
def dot(a: Floats, b: Floats) -> float:
    """Scalar product, summed in order."""
    total = 0.0
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@kernel
def largest_of(values: Floats) -> float:
    """Largest magnitude, 0 for none."""
    most = 0.0
    for value in values:
        most = max(most, abs(value))
    return most


@kernel
def drop(values: Floats, threshold: float) -> None:
    """Set the entries below `threshold` times the largest magnitude to 0."""
    if threshold <= 0.0:
        return
    largest = largest_of(values)
    for k in range(values.size):
        if not abs(values[k]) > threshold * largest:
            values[k] = 0.0


@kernel
def make_orthonormal(vectors: Floats) -> None:
    """Make rows orthonormal one after the other (modified Gram-Schmidt); a vanishing row stays near 0."""
    for k in range(vectors.shape[0]):
        for other in range(k):
            vectors[k] -= dot(vectors[k], vectors[other]) * vectors[other]
        vectors[k] /= math.sqrt(dot(vectors[k], vectors[k]) + 1e-30)
