"""The `coincidence` encoding: rows and columns fire at random, and a cell switches where both do.

In each of K slots row i fires with probability a |f_i| / max|f| and column j with probability
b |g_j| / max|g|. A cell whose row and column both fire sees the full select voltage and switches with
probability p0, so over an update p_ij = 1 - (1 - a b p0 ...)^K, close to K a b p0 |f_i g_j| / (max max)
while that is small. a = b is chosen so that the largest probability is the wanted one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...compiled import kernel
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
    rows, columns = np.empty_like(factor.rows), np.empty_like(factor.columns)
    share = fire_lines(
        factor.rows, factor.columns, factor.strength, settings.slots, settings.probability, rows, columns
    )
    return Firing(rows, columns, share > 1.0) if share > 0.0 else None


@kernel
def fire_lines(
    rows: Floats, columns: Floats, strength: float, slots: int, probability: float, row_chances: Floats,
    column_chances: Floats,
) -> float:  # fmt: skip
    """Firing probabilities of one slot for a factor.

    Args:
        rows: of the factor, (inputs,).
        columns: of the factor, (outputs,).
        strength: of the factor.
        slots: in one update.
        probability: p0 of a cell that both lines select.
        row_chances: returned, (inputs,), each in [0, 1].
        column_chances: returned, (outputs,), each in [0, 1].

    Returns:
        Share of slots in which a cell at the peak must be selected: over 1 where the wanted probability is
        clipped; 0 if nothing is asked for.
    """
    row_most, column_most = 0.0, 0.0
    for value in rows:
        row_most = max(row_most, abs(value))
    for value in columns:
        column_most = max(column_most, abs(value))
    peak = min(1.0, strength * row_most * column_most)
    if not peak > 0.0:
        return 0.0
    share = -math.expm1(math.log1p(-min(peak, 1.0 - 1e-9)) / slots) / probability
    line = min(1.0, math.sqrt(share))
    for i in range(rows.size):
        row_chances[i] = line * abs(rows[i]) / row_most
    for j in range(columns.size):
        column_chances[j] = line * abs(columns[j]) / column_most
    return float(share)


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
    rows = np.empty((4, len(factor.rows)), dtype=np.bool_)
    columns = np.empty((4, len(cell_signs)), dtype=np.bool_)
    polarities = np.empty(4, dtype=np.int64)
    for _ in range(settings.slots):
        count = choose_cells(
            factor.rows, factor.columns, rng.random(len(chances.rows)) < chances.rows,
            rng.random(len(chances.columns)) < chances.columns, cell_signs, rows, columns, polarities,
        )  # fmt: skip
        for k in range(count):
            yield Phase(rows[k].copy(), columns[k].copy(), int(polarities[k]))


@kernel
def choose_cells(
    rows: Floats, columns: Floats, row_fires: Flags, column_fires: Flags, cell_signs: Floats,
    row_flags: Flags, column_flags: Flags, polarities: NDArray[np.int64],
) -> int:  # fmt: skip
    """The sign phases of one slot, those that select something.

    Args:
        rows: of the factor, (inputs,).
        columns: of the factor, (outputs,).
        row_fires: which rows fire, (inputs,).
        column_fires: which columns fire, (outputs,).
        cell_signs: +1 for columns of plus cells, -1 for those of minus cells, (cell columns,).
        row_flags: returned, selected rows of each phase, (4, inputs).
        column_flags: returned, selected cell columns, (4, cell columns).
        polarities: returned, (4,).

    Returns:
        Number of phases, up to 4.
    """
    each = cell_signs.size // columns.size
    chosen = np.empty(rows.size, np.bool_)
    count = 0
    for sign in (1.0, -1.0):
        some_row = False
        for i in range(rows.size):
            chosen[i] = row_fires[i] and rows[i] * sign > 0.0
            some_row |= chosen[i]
        if not some_row:
            continue
        for polarity in (TO_P, TO_AP):
            row_flags[count], polarities[count] = chosen, polarity
            some_column = False
            for j in range(cell_signs.size):
                toward = sign * columns[j // each] * cell_signs[j] * polarity
                column_flags[count, j] = column_fires[j // each] and toward > 0.0
                some_column |= column_flags[count, j]
            count += some_column
    return count


def requested(factor: Factor) -> Floats:
    """Wanted switching probability toward the sign of the product, (inputs, outputs)."""
    return np.minimum(1.0, factor.strength * np.abs(np.outer(factor.rows, factor.columns)))
