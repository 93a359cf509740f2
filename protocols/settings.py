"""Settings shared by the experiments: how to read and how to pulse."""

from dataclasses import dataclass
from typing import Literal

from ..drivers.contract import Capabilities
from ..errors import ConfigurationError
from .selection import LEVELS_NEEDED, Scheme

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
    bits: int = 5

    def check(self, capabilities: Capabilities) -> None:
        """Refuse, before anything is sent, what the bench cannot do.

        Raises:
            ConfigurationError: naming the key of the bench file and what to write instead.
        """
        if self.encoding == "analog" and capabilities.read_levels is not None:
            raise ConfigurationError(
                "operation.read_encoding is analog, which drives each line at a level of its own; this bench "
                f"drives {capabilities.read_levels} besides 0 V at once in a read; write read_encoding: auto "
                "or bit-serial"
            )


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

    def check(self, capabilities: Capabilities) -> None:
        """Refuse, before anything is sent, what the bench cannot do.

        Raises:
            ConfigurationError: naming the key of the bench file and what to write instead.
        """
        _check_scheme("operation.unselected", self.unselected, capabilities)
        _check_scheme("operation.program_unselected", self.program_unselected, capabilities)


def _check_scheme(key: str, scheme: Scheme, capabilities: Capabilities) -> None:
    needed, most = LEVELS_NEEDED[scheme], capabilities.distinct_levels
    if most is not None and needed > most:
        advice = "write half, which needs 2" if most >= 2 else "selecting cells takes a bench that drives 2"
        raise ConfigurationError(
            f"{key} is {scheme}, which needs {needed} levels besides 0 V at once; this bench drives {most}; "
            f"{advice}"
        )
    if scheme == "float" and not capabilities.floating_lines:
        raise ConfigurationError(f"{key} is float; this bench cannot float lines; write half")
