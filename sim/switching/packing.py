"""The shipped table on disk: node values in steps of 2^-15, differenced so that they compress well."""

import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .grids import HOLD_AXES, SWITCH_AXES, Axes
from .table import Coefficients, fitted

Floats: TypeAlias = NDArray[np.float64]

TABLE_FILE = "fokker_planck.npz"
VERSION = 1
QUANTUM = 2.0**-15


def write_tables(target: Path, tables: Mapping[str, tuple[Axes, Floats]]) -> None:
    """Write the node values of each named table with its axes."""
    arrays: dict[str, NDArray[np.float64] | NDArray[np.int32]] = {"version": np.array([VERSION], np.int32)}
    for name, (axes, values) in tables.items():
        if not np.isfinite(values).all():
            raise ValueError(f"table {name}: {int((~np.isfinite(values)).sum())} nodes are not finite")
        steps = np.round(values / QUANTUM).astype(np.int32)
        for axis in range(4):
            steps = np.diff(steps, axis=axis, prepend=np.int32(0))
        arrays[f"{name}_axes"] = np.array(axes, np.float64)
        arrays[f"{name}_steps"] = steps
    with target.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # numpy types no array keywords


@functools.cache
def shipped_table() -> Coefficients:
    """Spline coefficients shipped with the package: those of "switch", then those of "hold".

    Raises:
        ValueError: the file belongs to other axes than those of this release.
    """
    with resources.files(__package__).joinpath(TABLE_FILE).open("rb") as file, np.load(file) as stored:
        return np.concatenate(
            [_coefficients(stored, "switch", SWITCH_AXES), _coefficients(stored, "hold", HOLD_AXES)]
        )


def _coefficients(stored: Mapping[str, NDArray[np.float64]], name: str, axes: Axes) -> Coefficients:
    if int(stored["version"][0]) != VERSION or tuple(stored[f"{name}_axes"].tolist()) != tuple(axes):
        raise ValueError(
            f"{TABLE_FILE}: other axes than this release's; run `python -m mtjloop.sim.switching.build`"
        )
    steps = stored[f"{name}_steps"]
    for axis in range(4):
        steps = np.cumsum(steps, axis=axis, dtype=np.int32)
    return fitted(steps * QUANTUM)
