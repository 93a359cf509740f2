"""Quantities with units as a person writes them in YAML: `50 us`, `0.6 V`, `4.4 %`."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

_PREFIX = {"": 0, "f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "k": 3, "M": 6, "G": 9}
"""Powers of ten."""
_UNITS: dict[str, dict[str, int]] = {
    "voltage": {"V": 0},
    "time": {"s": 0},
    "resistance": {"ohm": 0, "Ohm": 0, "Ω": 0},
    "conductance": {"S": 0},
    "current": {"A": 0},
    "energy": {"J": 0},
    "temperature": {"K": 0},
    "flux density": {"T": 0, "Oe": -4},
    "length": {"m": 0},
    "thermal resistance": {"K/W": 0, "K/mW": 3, "K/uW": 6, "K/µW": 6},
    "acceleration": {"/V": 0},
    "resistance-area": {"ohm um^2": -12, "ohm µm^2": -12, "Ω µm^2": -12, "ohm m^2": 0},
}
"""Symbols of units with their powers of ten; each takes an SI prefix."""
_EXAMPLE = {
    "voltage": "0.6 V", "time": "50 us", "resistance": "5 kohm", "conductance": "200 uS",
    "current": "1 mA", "energy": "2 uJ", "temperature": "300 K", "flux density": "300 mT",
    "fraction": "4.4 %", "length": "50 nm", "thermal resistance": "1 K/uW", "acceleration": "30 /V",
    "resistance-area": "10 ohm um^2",
}  # fmt: skip
_PATTERN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s.]\S*(?:\s+\S+)?)")


def parse_quantity(value: object, kind: str) -> float:
    """The SI value of a quantity written with its unit.

    Args:
        value: text such as `50 us`; a bare number is refused, since its unit would be a guess.
        kind: "fraction" (which is written in per cent) or one of "voltage", "time", "resistance",
            "conductance", "current", "energy", "temperature", "flux density", "length", "thermal resistance",
            "acceleration", "resistance-area".

    Raises:
        ValueError: naming what was found and what is accepted.
    """
    wanted = f"a {kind} with its unit, for example '{_EXAMPLE[kind]}'"
    if not isinstance(value, str):
        raise ValueError(f"found {value!r}; {wanted} is accepted")
    match = _PATTERN.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"found {value!r}; {wanted} is accepted")
    number, unit = match[1], match[2]
    power = _power_of_ten(unit, kind)
    if power is None:
        raise ValueError(f"found {value!r}, whose unit {unit!r} is no unit of {kind}; {wanted} is accepted")
    try:
        result = float(Decimal(number).scaleb(power))  # decimal, so that 4.4 % is 0.044 to the last bit
    except ArithmeticError:
        result = math.inf
    if not math.isfinite(result):
        raise ValueError(f"found {value!r}, which is not finite; {wanted} is accepted")
    return result


def _power_of_ten(unit: str, kind: str) -> int | None:
    if kind == "fraction":
        return -2 if unit == "%" else None
    written = " ".join(unit.split())
    for base, power in _UNITS[kind].items():
        if written.endswith(base) and written.removesuffix(base) in _PREFIX:
            return power + _PREFIX[written.removesuffix(base)]
    return None


@dataclass(frozen=True)
class _Parser:
    kind: str

    def __call__(self, value: object) -> float:
        return parse_quantity(value, self.kind)


def _of(kind: str) -> BeforeValidator:
    parser: Callable[[object], float] = _Parser(kind)
    return BeforeValidator(parser)


Voltage = Annotated[float, _of("voltage")]
Duration = Annotated[float, _of("time")]
Resistance = Annotated[float, _of("resistance")]
Conductance = Annotated[float, _of("conductance")]
Current = Annotated[float, _of("current")]
Energy = Annotated[float, _of("energy")]
FluxDensity = Annotated[float, _of("flux density")]
Fraction = Annotated[float, _of("fraction")]

PositiveVoltage = Annotated[Voltage, Field(gt=0)]
PositiveDuration = Annotated[Duration, Field(gt=0)]
PositiveResistance = Annotated[Resistance, Field(gt=0)]
PositiveCurrent = Annotated[Current, Field(gt=0)]
