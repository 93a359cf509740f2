"""Settings shared by the experiments: how to read and how to pulse."""

from dataclasses import dataclass

from .selection import Scheme


@dataclass(frozen=True)
class ReadSettings:
    """How cells are read.

    Attributes:
        voltage: largest level of a read, V; bounded by read disturb.
        repeats: reads averaged for a map, >= 1.
    """

    voltage: float
    repeats: int = 1


@dataclass(frozen=True)
class PulseSettings:
    """How cells are switched.

    Attributes:
        width: pulse width, s.
        search_from: lowest amplitude tried when switching is calibrated, V.
        search_to: highest amplitude ever used, V.
        unselected: bias of unselected lines while training.
        program_unselected: bias of unselected lines while programming, where amplitudes are high.
        attempts: rounds of program and verify before a cell counts as failed.
    """

    width: float
    search_from: float
    search_to: float
    unselected: Scheme = "half"
    program_unselected: Scheme = "third"
    attempts: int = 12
