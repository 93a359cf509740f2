"""The resistance and the state of every cell, as read through the contract."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from ..drivers.contract import Bias, Crossbar, Floats
from ..errors import ProtocolError
from .journal import States
from .settings import ReadSettings

UNREADABLE = -1
_LEAST_SEPARATION = 4.0
"""Distance of the two levels in their own standard deviations; one Gaussian cut in half reaches 2.7."""


_READABLE = 4.0
_CLEAR = 6.0
"""Standard deviations of the read noise beyond which a current, or a change of one, is believed."""


@dataclass(frozen=True)
class Resistances:
    """Resistance of every cell, (rows, columns), ohm, and the noise of a conductance, S."""

    ohm: Floats
    noise: float


@dataclass(frozen=True)
class CellLevels:
    """The two resistances of every cell, (rows, columns), ohm; NaN where a cell did not show both.

    `stuck` is 1 or 0 where a cell stayed P or AP, -1 elsewhere.
    """

    parallel: Floats
    antiparallel: Floats
    stuck: States

    @property
    def threshold(self) -> Floats:
        """Resistance between the two levels of each cell, ohm; the median for stuck cells."""
        own = np.sqrt(self.parallel * self.antiparallel)
        return np.where(np.isfinite(own), own, np.nanmedian(own))

    @property
    def conductance_step(self) -> float:
        """Mean of G_P - G_AP over working cells, S."""
        return float(np.nanmean(1.0 / self.parallel - 1.0 / self.antiparallel))


@dataclass(frozen=True)
class ResistanceMap:
    """A map of one crossbar.

    Attributes:
        resistance: (rows, columns), ohm; infinite where no current was seen.
        state: (rows, columns); 1 P, 0 AP, -1 where the state cannot be told.
        threshold: the resistance that tells P from AP, one number or one a cell; None if unknown.
    """

    resistance: Floats
    state: States
    threshold: float | Floats | None


def read_resistances(crossbar: Crossbar, read: ReadSettings) -> Resistances:
    """Resistance of every cell: each row driven alone, all others at 0 V.

    With every other line at 0 V sneak paths carry no current, and what is left of the wires is the drop
    along them. A current within `_READABLE` standard deviations of the noise reads as infinite resistance.

    Args:
        crossbar: to be read.
        read: level of the driven row, and reads averaged for each row.
    """
    rows = crossbar.capabilities.rows
    levels = np.tile(np.eye(rows) * read.voltage, (read.repeats, 1))
    reading = crossbar.read(Bias(levels))
    currents = reading.currents.reshape(read.repeats, rows, -1).mean(axis=0)
    noise = reading.noise / math.sqrt(read.repeats)
    readable = currents > _READABLE * noise
    resistance = np.full(currents.shape, np.inf)
    resistance[readable] = read.voltage / currents[readable]
    return Resistances(resistance, noise / read.voltage)


def followed(low: Resistances, high: Resistances) -> NDArray[np.bool_]:
    """Which cells have clearly less resistance in `low` than in `high`: by 15 %, and beyond the noise."""
    readable = np.isfinite(low.ohm) & np.isfinite(high.ohm)
    step = 1.0 / low.ohm - 1.0 / high.ohm  # an infinite resistance has no conductance
    clear = step > _CLEAR * math.hypot(low.noise, high.noise)
    return np.asarray(readable & clear & (step > 0.15 / high.ohm))


def map_crossbar(
    crossbar: Crossbar, read: ReadSettings, threshold: float | Floats | None = None
) -> ResistanceMap:
    """Map a crossbar.

    Args:
        crossbar: to be mapped.
        read: how to read.
        threshold: resistance between P and AP, ohm; without it the two levels are looked for in the map,
            and where it shows only one level the states stay unknown.
    """
    resistance = read_resistances(crossbar, read).ohm
    if threshold is None:
        threshold = two_level_threshold(resistance)
    return ResistanceMap(resistance, classify(resistance, threshold), threshold)


def classify(resistance: Floats, threshold: float | Floats | None) -> States:
    """States by a threshold: 1 below it, 0 above, -1 where R is infinite or no threshold is known."""
    if threshold is None:
        return np.full(resistance.shape, UNREADABLE, dtype=np.int8)
    state = (resistance < threshold).astype(np.int8)
    state[~np.isfinite(resistance)] = UNREADABLE
    return state


def two_level_threshold(resistance: Floats) -> float | None:
    """Resistance between the two levels of a map, ohm, or None if it does not show two levels."""
    logs = np.log(resistance[np.isfinite(resistance)])
    if logs.size < 4 or np.ptp(logs) < 1e-9:
        return None
    ends = np.array([logs.min(), logs.max()])
    centres, group = kmeans2(logs, ends, minit="matrix")
    if not (group == 0).any() or not (group == 1).any():
        return None
    within = float(np.sqrt(np.mean([np.var(logs[group == 0]), np.var(logs[group == 1])])))
    if centres[1] - centres[0] < _LEAST_SEPARATION * within or centres[1] - centres[0] < 0.1:
        return None
    return float(np.exp(centres.mean()))


def levels_from_maps(after_set: Resistances, after_reset: Resistances) -> CellLevels:
    """Two levels of each cell from a map after setting all to P and one after setting all to AP.

    A cell that answers both with nearly the same resistance is stuck; which way is told by the others.

    Raises:
        ProtocolError: no cell shows two levels.
    """
    moved = followed(after_set, after_reset)
    parallel, antiparallel = after_set.ohm, after_reset.ohm
    if not moved.any():
        raise ProtocolError(
            "no cell changed its resistance between the set and the reset pulse; raise the highest "
            "amplitude (operation.search_to of the bench file) or check the wiring"
        )
    middle = float(np.median(np.sqrt(parallel[moved] * antiparallel[moved])))
    stuck = np.where(moved, -1, np.where(antiparallel < middle, 1, 0)).astype(np.int8)
    return CellLevels(np.where(moved, parallel, np.nan), np.where(moved, antiparallel, np.nan), stuck)
