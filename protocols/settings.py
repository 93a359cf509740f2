"""Settings shared by the experiments: how to read and how to pulse."""

from dataclasses import dataclass
from typing import Literal

from .selection import Scheme

ReadEncoding = Literal["auto", "analog", "bit-serial"]
"""How a vector of signals is read: every line at its own level (analog), in reads of one level that the
controller weights (bit-serial), or analog where the bench drives any level in a read (auto)."""


@dataclass(frozen=True)
class ReadSettings:
    """How cells are read.

    Attributes:
        voltage: largest level of a read, V; bounded by read disturb.
        repeats: reads averaged for a map, >= 1.
        encoding: how a vector of signals is read.
        bits: binary digits of a magnitude in a bit-serial read, 1 to 30.
    """

    voltage: float
    repeats: int = 1
    encoding: ReadEncoding = "auto"
    bits: int = 6


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
