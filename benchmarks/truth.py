"""Fitted parameters of devices beside the truth that a simulated die hides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mtjloop.drivers.bench import read_bench_file, tile_views

Floats = NDArray[np.float64]
Rows = Sequence[dict[str, Any]]
"""Of `mtjloop fit --json`, one a device and polarity."""
_NAMES = ("delta", "critical_voltage")


def true_parameters(bench: Path, rows: Rows, seed: int) -> Floats:
    """True (Delta, V_c0) of each row of a fit, (rows, 2); the die is drawn anew from the seed."""
    views = tile_views(read_bench_file(bench), seed)
    truth = np.empty((len(rows), 2))
    for k, row in enumerate(rows):
        parameters, cell = views[row["tile"]].parameters, (row["row"], row["column"])
        name = "critical_voltage_up_V" if row["polarity"] > 0 else "critical_voltage_down_V"
        truth[k] = parameters["delta"][cell], parameters[name][cell]
    return truth


def column(rows: Rows, name: str) -> Floats:
    """One field of all rows; NaN where it is null."""
    return np.array([row[name] for row in rows], dtype=np.float64)


def relative_errors(rows: Rows, truth: Floats) -> Floats:
    """Of Delta and V_c0, (rows, 2)."""
    return np.asarray(np.stack([column(rows, name) for name in _NAMES], 1) / truth - 1.0)


def covered(rows: Rows, truth: Floats) -> NDArray[np.bool_]:
    """Whether the intervals of Delta and V_c0 hold the truth, (rows, 2)."""
    low, high = (np.stack([column(rows, f"{name}_{end}") for name in _NAMES], 1) for end in ("low", "high"))
    return np.asarray((low <= truth) & (truth <= high))


def share(count: int, of: int) -> str:
    """A share with its exact interval of 95 %."""
    low, high = stats.binomtest(count, of).proportion_ci()
    return f"{count / of:.1%} ({low:.1%} to {high:.1%})"
