"""Nominal parameters of a junction and their device-to-device spread."""

import math
from dataclasses import dataclass, fields

from .switching import LAW_NAMES, LawName

GYROMAGNETIC_RATIO = 1.760859630e11
"""Of the electron, rad/(s T) (CODATA 2018)."""


@dataclass(frozen=True)
class Junction:
    """A nominal junction. Defaults: a 50 nm perpendicular junction of RA 10 ohm um^2.

    Attributes:
        parallel_resistance: R_P, ohm, > 0. Default: RA/A of that junction.
        tmr: (R_AP - R_P)/R_P near zero bias, > 0; bias dependence is not modelled yet.
        delta: thermal stability E_b/kT, > 0; 45 retains for months and switches at bench widths.
        critical_voltage_up: V_c0+ of AP -> P, V, > 0.
        critical_voltage_down: V_c0- of P -> AP, V, > 0.
        stray_field: H/H_k on the free layer, -0.3 to 0.3; positive favours P.
        damping: Gilbert damping alpha, > 0; with the anisotropy field it sets the unit of time.
        anisotropy_field: mu0 H_k, T, > 0.
        attempt_time: tau0 of the Neel-Brown laws, s, > 0; 1 ns is a habit of the field, not a measured fact.
        law: switching law, see `mtjloop.sim.switching`.
    """

    parallel_resistance: float = 5e3
    tmr: float = 1.2
    delta: float = 45.0
    critical_voltage_up: float = 0.55
    critical_voltage_down: float = 0.55
    stray_field: float = 0.0
    damping: float = 0.01
    anisotropy_field: float = 0.3
    attempt_time: float = 1e-9
    law: LawName = "neel-brown-2"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("law", "stray_field") and not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{field.name} is {value!r}; a finite number > 0 is accepted")
        if not abs(self.stray_field) <= 0.3:
            raise ValueError(f"stray_field is {self.stray_field!r}; -0.3 to 0.3 of H_k is accepted")
        if self.law not in LAW_NAMES:
            raise ValueError(f"law is {self.law!r}; one of {', '.join(LAW_NAMES)} is accepted")

    @property
    def time_unit(self) -> float:
        """Seconds of one unit of reduced time, (1 + alpha^2)/(alpha gamma mu0 H_k)."""
        return (1.0 + self.damping**2) / (self.damping * GYROMAGNETIC_RATIO * self.anisotropy_field)


@dataclass(frozen=True)
class Spread:
    """Relative device-to-device standard deviations (log-normal), each in [0, 1).

    Defaults: critical voltage 4.4 % (Worledge, IEDM 2010, 4-kbit array), resistance 8 % (Jung 2022, AP and P
    cells of 8,192, secondary), delta 7.7 % (SOT junctions, secondary).
    """

    resistance: float = 0.08
    critical_voltage: float = 0.044
    delta: float = 0.077

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0.0 <= value < 1.0:
                raise ValueError(f"spread of {field.name} is {value!r}; 0 to below 1 is accepted")
