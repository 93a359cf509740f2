"""How a junction depends on temperature: magnetisation, barrier, critical voltage, unit of time.

M_s(T) = M_s(0) [1 - (T/T_C)^1.5] (Bloch's law, made to end at the Curie temperature), K ~ M_s^n. With the
ratio m = M_s(T)/M_s(T_0) to the reference temperature and the field of the surroundings held constant:
E_b ~ m^n, Delta ~ m^n T_0/T, V_c0 ~ I_c0 ~ E_b ~ m^n, H_k ~ m^(n-1), h ~ m^(1-n), time unit ~ m^(1-n).
TMR and RA are taken as independent of temperature.
"""

import math
from typing import NamedTuple

from ..compiled import kernel


class Scales(NamedTuple):
    """Factors from the reference temperature to another one."""

    delta: float
    voltage: float
    field: float
    """Also of the unit of time."""


@kernel
def magnetisation(temperature: float, curie: float) -> float:
    """M_s(T)/M_s(0), not below 1e-3 so that an overheated junction stays computable. Compiled."""
    ratio = temperature / curie
    return max(1.0 - ratio * math.sqrt(ratio), 1e-3)


@kernel
def temperature_scales(temperature: float, reference: float, curie: float, exponent: float) -> Scales:
    """Factors on Delta, V_c0, and both h and the unit of time, from `reference` to `temperature` (K).
    Compiled."""
    m = magnetisation(temperature, curie) / magnetisation(reference, curie)
    energy = math.pow(m, exponent)
    return Scales(energy * reference / temperature, energy, math.pow(m, 1.0 - exponent))


@kernel
def mean_heating(resistance: float, time_constant: float, power: float, duration: float) -> float:
    """Mean over a pulse of dT = R_th P (1 - exp(-t/tau_th)), K. Compiled.

    The hazard of a pulse is taken at this mean temperature. Its error is largest for pulses of a few tau_th
    (docs/device.md gives measured figures) and vanishes for long ones.
    """
    if resistance == 0.0 or power == 0.0 or duration <= 0.0:
        return 0.0
    x = duration / time_constant
    return resistance * power * (1.0 + math.expm1(-x) / x)
