"""How a Keysight B2900 returns data: elements, ASCII or binary blocks, scalars and arrays."""

import struct
from collections.abc import Iterable

from .b2900_channel import NOT_A_NUMBER, Channel, Sample

ELEMENTS = ("VOLT", "CURR", "RES", "TIME", "STAT", "SOUR")


class DataFormat:
    """`:FORMat` settings."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """ASCII, all elements."""
        self.kind = "ASC"
        self.swapped = False
        self.elements: tuple[str, ...] = ELEMENTS

    def data(self, values: Iterable[float]) -> bytes:
        """Numbers as they leave the instrument."""
        numbers = list(values)
        if self.kind == "ASC":
            return ",".join(real(value) for value in numbers).encode("ascii")
        order = "<" if self.swapped else ">"
        letter = "f" if self.kind == "REAL,32" else "d"
        block = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        length = str(len(block))
        return f"#{len(length)}{length}".encode("ascii") + block


def real(value: float) -> str:
    """A number in the instrument's ASCII form."""
    return f"{value:+.6E}"


def element(sample: Sample, name: str, began: float, channel: Channel) -> float:
    """One element of a measurement; what was not measured is the instrument's not-a-number."""
    if name in ("VOLT", "CURR") and name not in channel.measured:
        return NOT_A_NUMBER
    if name == "VOLT":
        return sample.volts
    if name == "CURR":
        return sample.amperes
    if name == "RES":
        if "RES" not in channel.measured or not sample.amperes:
            return NOT_A_NUMBER
        return sample.volts / sample.amperes
    if name == "TIME":
        return sample.time - began
    return float(sample.status) if name == "STAT" else sample.source
