"""The shipped table on disk: node values in steps of 2^-15, differenced so that they compress well."""

import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .table import Axes, Table, fitted

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
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


@functools.cache
def shipped_tables() -> tuple[Table, Table]:
    """The "switch" and "hold" tables shipped with the package, ready to evaluate."""
    with resources.files(__package__).joinpath(TABLE_FILE).open("rb") as file, np.load(file) as stored:
        if int(stored["version"][0]) != VERSION:
            raise ValueError(f"{TABLE_FILE} has version {stored['version'][0]}, this release reads {VERSION}")
        return _unpacked(stored, "switch"), _unpacked(stored, "hold")


def _unpacked(stored: Mapping[str, NDArray[np.float64]], name: str) -> Table:
    fields = stored[f"{name}_axes"].tolist()
    kinds = Axes.__annotations__
    axes = Axes(*[kind(value) for kind, value in zip(kinds.values(), fields, strict=True)])
    steps = stored[f"{name}_steps"]
    for axis in range(4):
        steps = np.cumsum(steps, axis=axis, dtype=np.int32)
    return fitted(axes, steps * QUANTUM)
