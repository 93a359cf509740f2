"""The `coincidence` encoding: rows and columns fire at random, and a cell switches where both do.

In each of K slots row i fires with probability a |f_i| / max|f| and column j with probability
b |g_j| / max|g|. A cell whose row and column both fire sees the full select voltage and switches with
probability p0, so over an update p_ij = 1 - (1 - a b p0 ...)^K, close to K a b p0 |f_i g_j| / (max max)
while that is small. a b is chosen so that the largest probability is the wanted one: a = b, or a = 1
where columns alone shall be rare.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...compiled import kernel
from ...draws import Word, uniform_pair
from ...drivers.contract import Floats
from ..selection import TO_AP, TO_P, Flags
from .controller_draws import Draws
from .rule import Factor, largest_of
from .settings import EncodingSettings


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


def firing(factor: Factor, settings: EncodingSettings) -> Firing | None:
    """Firing probabilities that realise a factor; None if it asks for nothing."""
    rows, columns = np.empty_like(factor.rows), np.empty_like(factor.columns)
    share = fire_lines(
        factor.rows, factor.columns, factor.strength, settings.slots, settings.probability,
        settings.rare_lines == "columns", rows, columns,
    )  # fmt: skip
    return Firing(rows, columns, share > 1.0) if share > 0.0 else None


@kernel
def fire_lines(
    rows: Floats, columns: Floats, strength: float, slots: int, probability: float, rare_columns: bool,
    row_chances: Floats, column_chances: Floats,
) -> float:  # fmt: skip
    """Firing probabilities of one slot for a factor.

    Args:
        rows: of the factor, (inputs,).
        columns: of the factor, (outputs,).
        strength: of the factor.
        slots: in one update.
        probability: p0 of a cell that both lines select.
        rare_columns: whether columns alone fire more rarely the less is wanted.
        row_chances: returned, (inputs,), each in [0, 1].
        column_chances: returned, (outputs,), each in [0, 1].

    Returns:
        Share of slots in which a cell at the peak must be selected: over 1 where the wanted probability is
        clipped; 0 if nothing is asked for.
    """
    row_most, column_most = largest_of(rows), largest_of(columns)
    peak = min(1.0, strength * row_most * column_most)
    if not peak > 0.0:
        return 0.0
    share = -math.expm1(math.log1p(-min(peak, 1.0 - 1e-9)) / slots) / probability
    # A single row fires for certain: fewer pulses that select nothing.
    both_rare = not (rare_columns or np.count_nonzero(rows) == 1)
    row_line = min(1.0, math.sqrt(share)) if both_rare else 1.0
    column_line = row_line if both_rare else min(1.0, share)
    for i in range(rows.size):
        row_chances[i] = row_line * abs(rows[i]) / row_most
    for j in range(columns.size):
        column_chances[j] = column_line * abs(columns[j]) / column_most
    return float(share)


def fired(row_chances: Floats, column_chances: Floats, draws: Draws, slot: int) -> tuple[Flags, Flags]:
    """Which rows and which columns fire in a slot, by number since training began."""
    rows, columns = np.empty(row_chances.size, np.bool_), np.empty(column_chances.size, np.bool_)
    fire(row_chances, draws.key, draws.stream, slot, rows)
    fire(column_chances, draws.key, draws.stream + 1, slot, columns)
    return rows, columns


@kernel
def fire(chances: Floats, key: Word, stream: int, event: int, flags: Flags) -> None:
    """Let each line fire with its chance; line k takes draw k of the event.

    Args:
        chances: (lines,).
        key: of the controller's draws.
        stream: of these lines.
        event: number of the slot.
        flags: returned, (lines,).
    """
    for k in range(chances.size):
        flags[k] = uniform_pair(key, stream, event, k)[0] < chances[k]


def phases(
    rows: Floats, columns: Floats, row_fires: Flags, column_fires: Flags, cell_signs: Floats
) -> list[Phase]:
    """The pulses of one slot on one block: up to four sign phases; those that select nothing are left out.

    Args:
        rows: of the factor, (inputs of the block,).
        columns: of the factor, (outputs of the block,).
        row_fires: which of these rows fire.
        column_fires: which of these columns fire.
        cell_signs: +1 for columns of plus cells, -1 for those of minus cells, (cell columns,).
    """
    row_flags = np.empty((4, rows.size), dtype=np.bool_)
    column_flags = np.empty((4, cell_signs.size), dtype=np.bool_)
    polarities = np.empty(4, dtype=np.int64)
    count = choose_cells(
        rows, columns, row_fires, column_fires, cell_signs, row_flags, column_flags, polarities
    )
    return [Phase(row_flags[k], column_flags[k], int(polarities[k])) for k in range(count)]


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
