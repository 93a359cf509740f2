"""Lowest modes of a uniform crossbar, for the coarse correction of `two_level`."""

import math
from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ._types import Floats, Floats32
from .lanes import LANES
from .panels import padded

MODES = LANES
_BISECTIONS = 48


class Coarse(NamedTuple):
    """Lowest modes of a uniform crossbar."""

    row: Floats32
    """Modes along rows: (padded columns, 16 modes)."""
    row_turned: Floats32
    """The same with columns as lanes: record 16 p + mode of column panel p."""
    column: Floats32
    """Modes along columns: (padded rows, 16 modes)."""
    weight: Floats32
    """1/s - 1/m, (16 column modes, 16 row modes); 0 where there is no mode."""


@kernel
def new_coarse(rows: int, columns: int) -> Coarse:
    """Empty modes."""
    return Coarse(
        np.zeros((padded(columns), MODES), np.float32),
        np.zeros((padded(columns), LANES), np.float32),
        np.zeros((padded(rows), MODES), np.float32),
        np.zeros((MODES, MODES), np.float32),
    )


@kernel
def line_modes(n: int, drive: float, driver_last: bool, eigenvalues: Floats, modes: Floats32) -> int:
    """Lowest modes of one line of n nodes whose wires have conductance 1 and whose driver has `drive`.

    The mode of angle t is cos(t (n - 1/2 - k)) at k nodes from the driver, with eigenvalue 2 (1 - cos t); the
    driver asks for cos(t (n + 1/2)) = (1 - drive) cos(t (n - 1/2)), which has one root between
    m pi/n and (m + 1/2) pi/(n - 1/2) for each mode m. Returns the number of modes, at most half of n.
    """
    many = min(MODES, n // 2)
    for m in range(many):
        low, high = m * math.pi / n, (m + 0.5) * math.pi / (n - 0.5)
        sign = 1.0 if m % 2 == 0 else -1.0
        for _ in range(_BISECTIONS):
            t = 0.5 * (low + high)
            if sign * (math.cos(t * (n + 0.5)) - (1.0 - drive) * math.cos(t * (n - 0.5))) > 0.0:
                low = t
            else:
                high = t
        t = 0.5 * (low + high)
        eigenvalues[m] = 2.0 * (1.0 - math.cos(t))
        norm = 0.0
        for k in range(n):
            norm += math.cos(t * (n - 0.5 - k)) ** 2
        for k in range(n):
            node = n - 1 - k if driver_last else k
            modes[node, m] = np.float32(math.cos(t * (n - 0.5 - k)) / math.sqrt(norm))
    return many
