"""Random gating: only some rows and columns take part in an update, and those with a larger probability.

Wanted probabilities of a training pulse are often 1e-3 and less, below what a bench gives reliably. With a
share q of the rows and of the columns taking part, each with chance q, the others must be asked q^-2 times as
much for the same mean, and fewer active lines take less voltage from each other.
"""

import math

import numpy as np

from ...compiled import kernel
from ...draws import Word, uniform_pair
from ...drivers.contract import Floats
from .controller_draws import Draws
from .rule import Factor, largest_of
from .settings import EncodingSettings

_LEAST_LINES = 1.0
"""Lines that take part on average at least, however small a share is wanted."""


def gated(factor: Factor, settings: EncodingSettings, draws: Draws, update: int) -> Factor:
    """The factor on the lines that take part in an update, by number since training began."""
    share = settings.gated_share
    if share == 0.0:
        return factor
    rows, columns = np.empty_like(factor.rows), np.empty_like(factor.columns)
    strength = gate_lines(
        factor.rows, factor.columns, factor.strength, share, settings.probability, draws.key,
        draws.stream + 2, update, rows, columns,
    )  # fmt: skip
    return Factor(rows, columns, strength)


@kernel
def gate_lines(
    rows: Floats, columns: Floats, strength: float, share: float, probability: float, key: Word,
    stream: int, event: int, some_rows: Floats, some_columns: Floats,
) -> float:  # fmt: skip
    """Leave lines out of a factor at random.

    Args:
        rows: of the factor, (inputs,).
        columns: of the factor, (outputs,).
        strength: of the factor.
        share: of the lines that takes part; negative for the one that brings the peak to `probability`.
        probability: see above.
        key: of the controller's draws.
        stream: of the rows; the next one is that of the columns.
        event: number of the update.
        some_rows: returned, 0 for rows left out.
        some_columns: returned, 0 for columns left out.

    Returns:
        Strength of what is left.
    """
    if share < 0.0:
        peak = min(1.0, strength * largest_of(rows) * largest_of(columns))
        share = math.sqrt(min(1.0, peak / probability))
    row_share = min(1.0, max(share, _LEAST_LINES / rows.size))
    column_share = min(1.0, max(share, _LEAST_LINES / columns.size))
    for i in range(rows.size):
        some_rows[i] = rows[i] if uniform_pair(key, stream, event, i)[0] < row_share else 0.0
    for j in range(columns.size):
        some_columns[j] = columns[j] if uniform_pair(key, stream + 1, event, j)[0] < column_share else 0.0
    return strength / (row_share * column_share)
