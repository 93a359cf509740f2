"""What a die is made of: the nominal junction, its spread, and everything that can go wrong with it."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from .known import KnownCells
from .parameters import check_parameter, default_of
from .switching import LAW_NAMES, LawName

GYROMAGNETIC_RATIO = 1.760859630e11
"""Of the electron, rad/(s T) (CODATA 2018)."""

LifeLaw = Literal["power", "exponential"]


def _check(section: str, value: object) -> None:
    """Check every numeric field of a section of the die against `PARAMETERS`."""
    for field in fields(cast(Any, value)):
        if field.name not in ("law",):
            check_parameter(f"{section}.{field.name}", getattr(value, field.name))


@dataclass(frozen=True)
class Junction:
    """The nominal junction at its reference temperature; every drawn device scatters about it.

    Attributes:
        diameter: of the free layer, m.
        parallel_resistance: R_P at zero bias, ohm; with the diameter it fixes RA.
        tmr: (R_AP - R_P)/R_P at zero bias.
        tmr_half_voltage: V_h, V, of TMR(V) = tmr/(1 + (V/V_h)^2).
        delta: thermal stability E_b/kT without field.
        critical_voltage_up: V_c0+ of AP -> P, V.
        critical_voltage_down: V_c0- of P -> AP, V, positive.
        stray_field: H/H_k on the free layer; positive favours P.
        damping: Gilbert damping alpha; with the anisotropy field it sets the unit of time.
        anisotropy_field: mu0 H_k, T.
        attempt_time: tau0 of the Neel-Brown laws, s.
        curie_temperature: K.
        anisotropy_exponent: n of K ~ M_s^n.
        reference_temperature: at which all of these hold, K.
        law: switching law, see `mtjloop.sim.switching`.

    Raises:
        ValueError: a value is out of its range (`mtjloop.sim.parameters`); names it, the value and the range.
    """

    diameter: float = default_of("junction.diameter")
    parallel_resistance: float = default_of("junction.parallel_resistance")
    tmr: float = default_of("junction.tmr")
    tmr_half_voltage: float = default_of("junction.tmr_half_voltage")
    delta: float = default_of("junction.delta")
    critical_voltage_up: float = default_of("junction.critical_voltage_up")
    critical_voltage_down: float = default_of("junction.critical_voltage_down")
    stray_field: float = default_of("junction.stray_field")
    damping: float = default_of("junction.damping")
    anisotropy_field: float = default_of("junction.anisotropy_field")
    attempt_time: float = default_of("junction.attempt_time")
    curie_temperature: float = default_of("junction.curie_temperature")
    anisotropy_exponent: float = default_of("junction.anisotropy_exponent")
    reference_temperature: float = default_of("junction.reference_temperature")
    law: LawName = "fokker-planck"

    def __post_init__(self) -> None:
        _check("junction", self)
        if self.law not in LAW_NAMES:
            raise ValueError(f"law is {self.law!r}; one of {', '.join(LAW_NAMES)} is accepted")
        check_below_curie("reference_temperature", self.reference_temperature, self.curie_temperature)

    @property
    def time_unit(self) -> float:
        """Seconds of one unit of reduced time, (1 + alpha^2)/(alpha gamma mu0 H_k)."""
        return (1.0 + self.damping**2) / (self.damping * GYROMAGNETIC_RATIO * self.anisotropy_field)

    @property
    def area(self) -> float:
        """Of the nominal device, m^2."""
        return area_of(self.diameter)


def area_of(diameter: float) -> float:
    """Area of a round pillar, m^2."""
    return 0.25 * math.pi * diameter**2


def check_below_curie(name: str, temperature: float, curie: float) -> None:
    """Refuse a temperature at which the free layer is no magnet.

    Raises:
        ValueError: naming the argument, its value and the range.
    """
    if not temperature < curie:
        raise ValueError(
            f"{name} is {temperature:g} K; above 0 K and below the curie_temperature of {curie:g} K "
            "is accepted"
        )


@dataclass(frozen=True)
class Spread:
    """Target spreads from device to device; all relative standard deviations but the stray field's.

    Attributes:
        resistance: of R_P.
        critical_voltage: of V_c0, either polarity.
        delta: of Delta.
        asymmetry: of V_c0+/V_c0- about its nominal ratio.
        tmr: of TMR.
        stray_field: standard deviation of h itself.

    Raises:
        ValueError: a value is out of range. Targets that no device can meet jointly are refused by
            `mtjloop.sim.spreads.decompose`.
    """

    resistance: float = default_of("spread.resistance")
    critical_voltage: float = default_of("spread.critical_voltage")
    delta: float = default_of("spread.delta")
    asymmetry: float = default_of("spread.asymmetry")
    tmr: float = default_of("spread.tmr")
    stray_field: float = default_of("spread.stray_field")

    def __post_init__(self) -> None:
        _check("spread", self)


@dataclass(frozen=True)
class Heating:
    """Joule heating dT = R_th P (1 - exp(-t/tau_th)): resistance R_th in K/W (0: none), time tau_th in s."""

    resistance: float = default_of("heating.resistance")
    time: float = default_of("heating.time")

    def __post_init__(self) -> None:
        _check("heating", self)


@dataclass(frozen=True)
class BackHopping:
    """A device that has switched hops back and forth at the rate exp[-delta (1 - |V|/voltage)]/time.

    Voltages in V, one a polarity of the pulse; the default is so large that nothing hops.
    """

    voltage_up: float = default_of("back_hopping.voltage_up")
    voltage_down: float = default_of("back_hopping.voltage_down")
    delta: float = default_of("back_hopping.delta")
    time: float = default_of("back_hopping.time")

    def __post_init__(self) -> None:
        _check("back_hopping", self)

    @property
    def on(self) -> bool:
        """Whether a device can hop back at all."""
        return min(self.voltage_up, self.voltage_down) < 1e3


@dataclass(frozen=True)
class Breakdown:
    """Weibull life eta(V): `life` s at `voltage` V, falling as V^-exponent or exp(-acceleration V).

    Damage of a device is the integral of dt/eta(V); a device breaks, into a short of `short_resistance`,
    when its damage reaches a limit drawn once from a Weibull distribution of slope `shape` and scale 1.
    """

    law: LifeLaw = "power"
    voltage: float = default_of("breakdown.voltage")
    life: float = default_of("breakdown.life")
    exponent: float = default_of("breakdown.exponent")
    acceleration: float = default_of("breakdown.acceleration")
    shape: float = default_of("breakdown.shape")
    short_resistance: float = default_of("breakdown.short_resistance")

    def __post_init__(self) -> None:
        _check("breakdown", self)
        if self.law not in ("power", "exponential"):
            raise ValueError(f"law is {self.law!r}; power or exponential is accepted")


@dataclass(frozen=True)
class Drift:
    """Ornstein-Uhlenbeck drift of ln(rate) of each device: standard deviation, and memory in pulses."""

    sigma: float = default_of("drift.sigma")
    pulses: float = default_of("drift.pulses")

    def __post_init__(self) -> None:
        _check("drift", self)


@dataclass(frozen=True)
class Defects:
    """Chances, a cell, of each defect, and what a short and an open cell are, ohm."""

    short: float = default_of("defects.short")
    open: float = default_of("defects.open")
    stuck_p: float = default_of("defects.stuck_p")
    stuck_ap: float = default_of("defects.stuck_ap")
    short_resistance: float = default_of("defects.short_resistance")
    open_resistance: float = default_of("defects.open_resistance")

    def __post_init__(self) -> None:
        _check("defects", self)
        total = self.short + self.open + self.stuck_p + self.stuck_ap
        if total > 1.0:
            raise ValueError(f"short, open, stuck_p and stuck_ap add up to {total:g}; 0 to 1 is accepted")


@dataclass(frozen=True)
class Die:
    """A die to be drawn: nominal junction, spreads, temperature in K, and what may go wrong.

    `known` holds what was measured of single cells, tile by tile; it may cover fewer tiles than there are.
    """

    junction: Junction = Junction()
    spread: Spread = Spread()
    temperature: float = default_of("temperature")
    heating: Heating = Heating()
    back_hopping: BackHopping = BackHopping()
    breakdown: Breakdown = Breakdown()
    drift: Drift = Drift()
    defects: Defects = Defects()
    known: tuple[KnownCells, ...] = ()

    def __post_init__(self) -> None:
        check_parameter("temperature", self.temperature)
        check_below_curie("temperature", self.temperature, self.junction.curie_temperature)
