"""What a report shows of switching trials: counts, and the fit if the run was fitted."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import RecordError
from ...protocols.switching.law import fitted_law
from ...protocols.switching.likelihood import probabilities
from ...records.tallies import BlockCount, PointCount, block_counts, point_counts
from ..fit_files import FIT_FILE

Floats = NDArray[np.float64]
Device = tuple[int, int, int, int]
"""Tile, row, column, polarity."""
_KINDS = ("trial", "reference")


@dataclass(frozen=True)
class TrialEvidence:
    """Trials of a characterisation.

    Attributes:
        points: counts by device and point, trials and reference together where they meet.
        reference: counts at the reference point by device and block.
        fit: what `mtjloop fit` left in the run; None if it was not fitted.
        resistances: R_P as read, ohm, by tile (rows, columns).
    """

    points: list[PointCount]
    reference: list[BlockCount]
    fit: dict[str, Any] | None
    resistances: dict[int, Floats]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the fit, one a device and polarity; empty if there is none."""
        return list(self.fit["rows"]) if self.fit else []

    def probability(self, row: dict[str, Any], voltages: Floats, widths: Floats) -> Floats:
        """Fitted P of the device of a row at some voltages in V and widths in s."""
        fit = self.fit or {}
        theta = np.array(
            [
                math.log(row["delta"]),
                math.log(row["critical_voltage"]),
                math.log(row.get("time_unit", fit["time_unit"])),
                -row["polarity"] * row.get("field", 0.0),
            ]
        )
        return np.asarray(probabilities(fitted_law(fit["law"]), theta, voltages, widths))


def gather_trials(directory: Path, arrays: dict[str, NDArray[Any]]) -> TrialEvidence | None:
    """The trials of a run; None if it made none of its own.

    Raises:
        RecordError: the run or its fit cannot be read.
    """
    points = point_counts(directory, _KINDS)
    if not points or points[0].row is None:
        return None
    path = directory / FIT_FILE
    fit = None
    if path.exists():
        try:
            fit = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} cannot be read ({error}); make it anew with `mtjloop fit`") from error
    resistances = {
        int(name.removeprefix("parallel_ohm_")): values
        for name, values in arrays.items()
        if name.startswith("parallel_ohm_")
    }
    return TrialEvidence(points, block_counts(directory, ("reference",)), fit, resistances)


def by_device(points: Sequence[PointCount]) -> dict[Device, list[PointCount]]:
    """Points that hold trials, by device."""
    found: dict[Device, list[PointCount]] = {}
    for each in points:
        if each.row is not None and each.column is not None and each.trials:
            found.setdefault((each.tile, each.row, each.column, each.polarity), []).append(each)
    return found


def device_of(row: dict[str, Any]) -> Device:
    """The device of a row of the fit."""
    return row["tile"], row["row"], row["column"], row["polarity"]
