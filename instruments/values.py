"""Numbers on their way to and from an instrument: ranges checked, digits kept, locale never used."""

import math
import struct
from collections.abc import Sequence
from decimal import Decimal

from ..errors import CapabilityError


def number(value: float) -> str:
    """The shortest text that reads back as the same double, such as `0.6` or `1e-05`.

    Raises:
        CapabilityError: the value is not finite.
    """
    if not math.isfinite(value):
        raise CapabilityError(f"{value!r} cannot be sent to an instrument; a finite number is accepted")
    return repr(float(value))


def in_range(name: str, value: float, low: float, high: float, unit: str, hint: str = "") -> float:
    """The value, if it lies within low and high (both included).

    Raises:
        CapabilityError: naming the value, the accepted range and what to do; nothing was sent.
    """
    if not low <= value <= high:
        raise CapabilityError(
            f"{name} is {value:g} {unit}; {low:g} to {high:g} {unit} is accepted. Nothing was sent"
            f"{'; ' + hint if hint else ''}"
        )
    return float(value)


def one_of(name: str, value: str, accepted: Sequence[str]) -> str:
    """The value, if it is one of those accepted.

    Raises:
        CapabilityError: naming the value and what is accepted; nothing was sent.
    """
    if value not in accepted:
        raise CapabilityError(
            f"{name} is {value!r}; one of {', '.join(accepted)} is accepted. Nothing was sent"
        )
    return value


def range_for(name: str, value: float, ranges: Sequence[float], unit: str) -> float:
    """The smallest of an instrument's ranges that holds a magnitude.

    Raises:
        CapabilityError: none does.
    """
    for one in sorted(ranges):
        if abs(value) <= one * (1 + 1e-9):
            return one
    raise CapabilityError(
        f"{name} is {value:g} {unit}; up to {max(ranges):g} {unit} is accepted. Nothing was sent"
    )


def stepped(value: float, step: float) -> float:
    """The nearest multiple of a step, without the digits arithmetic adds (0.00012000000000000002)."""
    unit = Decimal(repr(step))
    return float(round(Decimal(repr(value)) / unit) * unit)


def floats(text: str) -> list[float]:
    """Numbers of a reply, separated by commas.

    Raises:
        ValueError: one is no number.
    """
    return [float(part) for part in text.split(",")]


def flag(text: str) -> bool:
    """A yes or no, as `true`, `false` or a number that is not or is 0.

    Raises:
        ValueError: it is neither.
    """
    word = text.strip().lower()
    if word in ("true", "false"):
        return word == "true"
    return float(word) != 0.0


def whole(text: str) -> int:
    """A whole number, also if it is written as `2.00000e+00`.

    Raises:
        ValueError: it is none.
    """
    value = float(text)
    if not value.is_integer():
        raise ValueError(f"{text!r} is no whole number")
    return int(value)


def doubles(data: bytes) -> list[float]:
    """IEEE 754 doubles, least significant byte first.

    Raises:
        ValueError: the length is no multiple of 8.
    """
    if len(data) % 8:
        raise ValueError(f"{len(data)} bytes are no whole number of doubles")
    return list(struct.unpack(f"<{len(data) // 8}d", data))
