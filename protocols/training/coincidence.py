"""The `coincidence` encoding: rows and columns fire at random, and a cell switches where both do.

In each of K slots row i fires with probability a |f_i| / max|f| and column j with probability
b |g_j| / max|g|. A cell whose row and column both fire sees the full select voltage and switches with
probability p0, so over an update p_ij = 1 - (1 - a b p0 ...)^K, close to K a b p0 |f_i g_j| / (max max)
while that is small. a = b is chosen so that the largest probability is the wanted one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Floats
from ..selection import TO_AP, TO_P, Flags
from .rule import Factor
from .settings import CoincidenceSettings


@dataclass(frozen=True)
class Phase:
    """One pulse of an update: which inputs and which cell columns are selected, and the polarity.

    Attributes:
        rows: (inputs,).
        columns: (cell columns,).
        polarity: `TO_P` or `TO_AP`.
    """

    rows: Flags
    columns: Flags
    polarity: int


@dataclass(frozen=True)
class Firing:
    """Firing probabilities of one slot.

    Attributes:
        rows: (inputs,), each in [0, 1].
        columns: (outputs,), each in [0, 1].
        clipped: whether the wanted probability was more than the slots can give.
    """

    rows: Floats
    columns: Floats
    clipped: bool


def firing(factor: Factor, settings: CoincidenceSettings) -> Firing | None:
    """Firing probabilities that realise a factor; None if it asks for nothing."""
    row_size, column_size = np.abs(factor.rows), np.abs(factor.columns)
    row_most, column_most = float(row_size.max()), float(column_size.max())
    peak = min(1.0, factor.strength * row_most * column_most)
    if not peak > 0.0:
        return None
    # The share of slots in which a cell at the peak must be selected.
    share = -np.expm1(np.log1p(-min(peak, 1.0 - 1e-9)) / settings.slots) / settings.probability
    line = min(1.0, float(np.sqrt(share)))
    return Firing(line * row_size / row_most, line * column_size / column_most, share > 1.0)


def phases(
    factor: Factor,
    chances: Firing,
    settings: CoincidenceSettings,
    cell_signs: Floats,
    rng: np.random.Generator,
) -> Iterator[Phase]:
    """The pulses of one update: up to four sign phases a slot; those that select nothing are left out.

    Args:
        factor: what is asked.
        chances: from `firing`.
        settings: of the encoding.
        cell_signs: +1 for columns of plus cells, -1 for those of minus cells, (cell columns,).
        rng: fires rows and columns.
    """
    each = len(cell_signs) // len(factor.columns)
    row_sign, column_sign = np.sign(factor.rows), np.sign(factor.columns)
    for _ in range(settings.slots):
        rows = rng.random(len(row_sign)) < chances.rows
        columns = rng.random(len(column_sign)) < chances.columns
        if not rows.any() or not columns.any():
            continue
        for sign in (1.0, -1.0):
            chosen = rows & (row_sign == sign)
            if not chosen.any():
                continue
            toward = np.repeat(np.where(columns, sign * column_sign, 0.0), each) * cell_signs
            for polarity in (TO_P, TO_AP):
                yield Phase(chosen, toward * polarity > 0.0, polarity)


def requested(factor: Factor) -> Floats:
    """Wanted switching probability toward the sign of the product, (inputs, outputs)."""
    return np.minimum(1.0, factor.strength * np.abs(np.outer(factor.rows, factor.columns)))
