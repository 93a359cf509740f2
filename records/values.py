"""What a reader of a run returns."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MapRecord:
    """A resistance map.

    Attributes:
        resistance: float64[rows, columns] in ohms.
        state: int8[rows, columns]: 1 = P, 0 = AP, -1 = unreadable.
        time: aware UTC time.
    """

    tile: int
    label: str
    epoch: int | None
    resistance: NDArray[np.float64]
    state: NDArray[np.int8]
    time: datetime


@dataclass(frozen=True)
class SwitchingRecord:
    """Of `cells` asked to switch with mean probability `requested`, `switched` did; +1 is AP -> P."""

    tile: int
    layer: int
    epoch: int
    polarity: int
    requested: float
    cells: int
    switched: int


@dataclass(frozen=True)
class PulseRecord:
    """One pulse, asked and applied together.

    Attributes:
        pulse: its number in the run.
        time: aware UTC time at which it was recorded, before it was sent.
        status: `applied`, `refused` or `doubtful` (begun and never completed, or its outcome was unknown).
        row_levels: float64[rows] in volts, NaN = floating; kept to float32 precision, like column_levels.
        column_levels: float64[columns] in volts.
        widths: asked, seconds: one number or float64[rows].
        repeat: how often it was to be sent.
        width: applied, seconds.
        energy: joules.
        elapsed: bench time, seconds.
        compliance: whether a source hit its limit.
        peak_current: amperes.
        reason: why it was refused or is doubtful; None of a pulse that was begun and never completed.
    """

    pulse: int
    time: datetime
    tile: int
    purpose: str
    epoch: int | None
    status: str
    row_levels: NDArray[np.float64]
    column_levels: NDArray[np.float64]
    widths: float | NDArray[np.float64]
    repeat: int
    width: float | None
    energy: float | None
    elapsed: float | None
    compliance: bool | None
    peak_current: float | None
    reason: str | None


@dataclass(frozen=True)
class PulseTotal:
    """Pulses of one tile, purpose and epoch.

    Attributes:
        count: records that were applied.
        repeats: pulses that were applied, each repeat counted.
        refused: records refused before anything was sent.
        doubtful: records whose outcome is unknown, with those begun and not (yet) completed.
        energy: joules, None if it is known of no pulse.
        elapsed: bench time, seconds.
    """

    tile: int
    purpose: str
    epoch: int | None
    count: int
    repeats: int
    refused: int
    doubtful: int
    energy: float | None
    elapsed: float


@dataclass(frozen=True)
class ReadTotal:
    """Reads of one tile, purpose and epoch; energy in joules, None if unknown; elapsed in seconds."""

    tile: int
    purpose: str
    epoch: int | None
    count: int
    energy: float | None
    elapsed: float


@dataclass(frozen=True)
class PulseTally:
    """How many pulses asked for one amplitude, width and polarity and ended in one status.

    Attributes:
        amplitude: the largest row-column difference among driven lines, volts, to a millivolt.
        width: the longest width asked, seconds, to three significant digits.
        polarity: +1 drives AP -> P, -1 P -> AP, 0 nothing.
    """

    tile: int
    purpose: str
    epoch: int | None
    amplitude: float
    width: float
    polarity: int
    status: str
    count: int


@dataclass(frozen=True)
class MessageRecord:
    """A remark for people, with its aware UTC time and level (`info`, `warning`, `error`)."""

    time: datetime
    level: str
    text: str
