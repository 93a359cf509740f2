"""Column momentum: a moving average of gradients in low rank, programmed a column at a time.

Rank-1 momentum pulses the leading directions of its average one after the other. What they ask of a cell
cancels in their sum, but the cell has switched to and fro by then: flips that teach nothing, the more the
more directions are followed. Here the sum is taken in the controller, for one column of weights at a time,
and such a column is an update of its own: its inputs are asked by what the sum says of them.

A column of weights is pulsed now and then, as often as it needs: with the chance by which its largest
wanted probability falls short of p0. Mean updates are those of the average where `power` is 1. The time of
one such update does not grow with the layer; how many of its columns need one grows with their number.

A power above 1 asks less of entries of which the average says little. Each of them is mostly noise, and they
are many: at power 1 most flips are theirs.
"""

import math

import numpy as np

from ...compiled import kernel
from ...draws import Word, uniform_pair
from ...drivers.contract import Floats
from .rule import Factor, dot, drop, largest_of
from .settings import TrainingSettings

_SEARCHES = 6
"""Steps of inverse iteration; directions that it does not tell apart carry nearly the same."""
_REGULAR = 1e-12
"""Share of a length that counts as rounding."""


class ColumnMomentum:
    """A moving average of gradients, kept in low rank, whose columns are pulsed at random.

    The average is sum_k across_k (along_k), of `rank` terms; every violator adds its product of signal and
    error, and the direction that carries least is given up. Every `period` violators columns are pulsed, and
    the average is multiplied by `memory`.

    Attributes:
        period: violators between two updates.
        memory: what the average keeps from one update to the next.
        threshold: entries of a column below this share of its largest are dropped.
        power: to which the entries of a column, as shares of its largest, are raised.
        probability: p0 of the encoding.
        along: orthonormal directions over the rows, or 0, (rank, inputs).
        across: what each carries to the columns, (rank, outputs).
        key: of the draws of columns.
        count: samples seen.

    Args:
        inputs: rows of the layer.
        outputs: columns of the layer.
        settings: rank, period, memory, threshold, power and p0 are used; see `most_rank`.
        rng: draws the key.
    """

    def __init__(
        self, inputs: int, outputs: int, settings: TrainingSettings, rng: np.random.Generator
    ) -> None:
        rank = min(settings.rank, most_rank(inputs, outputs))
        self.period = 1 if settings.period == "auto" else settings.period
        self.memory, self.threshold, self.power = settings.memory, settings.threshold, settings.power
        self.probability = settings.encoding.probability
        self.along = np.zeros((rank, inputs))
        self.across = np.zeros((rank, outputs))
        self.key = rng.integers(0, 2**63, dtype=np.uint64)
        self.count = 0

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        """Add a sample; every `period` calls return one factor for each column that is pulsed."""
        self.count += 1
        add_sample(self.along, self.across, signal, error)
        if self.count % self.period:
            return []
        outputs = self.across.shape[1]
        rows, columns = np.zeros((outputs, self.along.shape[1])), np.zeros((outputs, outputs))
        strengths = np.zeros(outputs)
        draw_columns(
            self.along, self.across, self.memory, rate, self.probability, self.threshold, self.power,
            self.key, self.count, rows, columns, strengths,
        )  # fmt: skip
        return [Factor(rows[j], columns[j], float(strengths[j])) for j in np.flatnonzero(strengths > 0.0)]

    def adapt_period(self, peak: float, wanted: float) -> None:
        """Pulses ask for p0 whatever the period is."""


def most_rank(inputs: int, outputs: int) -> int:
    """Largest rank that takes no more than half as many numbers as the layer has weights; 1 at least."""
    return max(1, inputs * outputs // (2 * (inputs + outputs)))


@kernel
def add_sample(along: Floats, across: Floats, signal: Floats, error: Floats) -> None:
    """Add the product of a signal and an error to a matrix in low rank, and give up what carries least.

    Args:
        along: orthonormal directions over the rows, or 0, (rank, inputs), changed.
        across: what each carries, (rank, outputs), changed.
        signal: (inputs,).
        error: (outputs,).
    """
    rank = along.shape[0]
    rest, shares = signal.copy(), np.zeros(rank)
    for _ in range(2):  # the second time for what rounding left of the first
        for k in range(rank):
            share = dot(along[k], rest)
            shares[k] += share
            rest -= share * along[k]
    size = math.sqrt(dot(rest, rest))
    known = size <= _REGULAR * math.sqrt(dot(signal, signal))
    if not known:
        rest /= size
    carried = np.empty((rank + 1, error.size))
    for k in range(rank):
        carried[k] = across[k] + shares[k] * error
        if not known and dot(along[k], along[k]) == 0.0:  # still free
            along[k], carried[k], known = rest, size * error, True
    if known:
        across[:] = carried[:rank]
        return
    carried[rank] = size * error
    normal = weakest(carried)
    # A reflection that takes the weakest direction to the last place, which is then left out.
    normal[rank] -= 1.0
    square = dot(normal, normal)
    turned, moved = normal[rank] * rest, normal[rank] * carried[rank]
    for k in range(rank):
        turned += normal[k] * along[k]
        moved += normal[k] * carried[k]
    for k in range(rank):
        share = 2.0 * normal[k] / square
        along[k] -= share * turned
        across[k] = carried[k] - share * moved


@kernel
def weakest(rows: Floats) -> Floats:
    """Combination of rows, of length 1, whose sum is (nearly) the shortest; its last entry is 0 or less.

    Args:
        rows: (combined, columns).
    """
    count = rows.shape[0]
    lower = np.empty((count, count))
    trace = 0.0
    for i in range(count):
        for j in range(i + 1):
            lower[i, j] = dot(rows[i], rows[j])
        trace += lower[i, i]
    found = np.zeros(count)
    found[count - 1] = -1.0
    if not trace > 0.0:
        return found
    for i in range(count):
        lower[i, i] += _REGULAR * trace
    for i in range(count):  # Cholesky factor in place
        for j in range(i + 1):
            left = lower[i, j]
            for k in range(j):
                left -= lower[i, k] * lower[j, k]
            lower[i, j] = math.sqrt(max(left, _REGULAR * _REGULAR * trace)) if i == j else left / lower[j, j]
    found[:] = 1.0
    for _ in range(_SEARCHES):
        for i in range(count):
            for k in range(i):
                found[i] -= lower[i, k] * found[k]
            found[i] /= lower[i, i]
        for i in range(count - 1, -1, -1):
            for k in range(i + 1, count):
                found[i] -= lower[k, i] * found[k]
            found[i] /= lower[i, i]
        found /= math.sqrt(dot(found, found))
    if found[count - 1] > 0.0:
        found *= -1.0
    return found


@kernel
def draw_columns(
    along: Floats, across: Floats, memory: float, rate: float, probability: float, threshold: float,
    power: float, key: Word, event: int, rows: Floats, columns: Floats, strengths: Floats,
) -> None:  # fmt: skip
    """Draw the columns that are pulsed, and let the average fade.

    Args:
        along: see `ColumnMomentum`.
        across: the same, changed.
        memory: what the average keeps.
        rate: wanted probability for an entry of 1.
        probability: p0: a column whose largest wanted probability is w is pulsed with a chance of w / p0, and
            asks p0 of that entry then; w where it is more than p0.
        threshold: see `drop`.
        power: an entry that is a share s of the largest of its column is returned as s^power, with its sign.
        key: of the draws.
        event: number of the update.
        rows: returned where a column is pulsed, (outputs, inputs), the largest entry 1 or -1.
        columns: returned there, (outputs, outputs): 1 at the column.
        strengths: returned, (outputs,): of each factor; 0 for a column that is not pulsed.
    """
    for j in range(across.shape[1]):
        strengths[j] = 0.0
        wanted = rows[j]
        wanted[:] = 0.0
        for k in range(along.shape[0]):
            wanted += across[k, j] * along[k]
        most = largest_of(wanted)
        peak = rate * most
        if not peak > 0.0 or uniform_pair(key, 0, event, j)[0] * probability >= peak:
            continue
        drop(wanted, threshold)
        wanted /= most
        if power != 1.0:
            wanted[:] = np.sign(wanted) * np.abs(wanted) ** power
        columns[j] = 0.0
        columns[j, j] = 1.0
        strengths[j] = max(probability, peak)
    across *= memory
