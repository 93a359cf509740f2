"""Every physical parameter of a die: unit, default, accepted range and source, in one place.

The device classes take their defaults and checks from here, die files their units and errors, and
docs/device.md its table. Marks of sources: "fit" is known from measuring the chip at hand; "memory" is a
usual value of the field that we could not trace to a paper, to be replaced by a measured one.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One physical parameter.

    Attributes:
        kind: of quantity, as in die files ("voltage", "fraction", ...); "number" is dimensionless.
        unit: SI unit, empty for numbers and fractions.
        default: in that unit.
        low: smallest accepted value.
        high: largest accepted value; beyond [low, high] a value is more likely a slip than a junction.
        meaning: in one line.
        source: of the default.
    """

    kind: str
    unit: str
    default: float
    low: float
    high: float
    meaning: str
    source: str


def _voltage(default: float, low: float, high: float, meaning: str, source: str) -> Parameter:
    return Parameter("voltage", "V", default, low, high, meaning, source)


def _time(default: float, low: float, high: float, meaning: str, source: str) -> Parameter:
    return Parameter("time", "s", default, low, high, meaning, source)


def _kelvin(default: float, low: float, high: float, meaning: str, source: str) -> Parameter:
    return Parameter("temperature", "K", default, low, high, meaning, source)


def _ohm(default: float, low: float, high: float, meaning: str, source: str) -> Parameter:
    return Parameter("resistance", "ohm", default, low, high, meaning, source)


def _number(default: float, low: float, high: float, meaning: str, source: str) -> Parameter:
    return Parameter("number", "", default, low, high, meaning, source)


def _fraction(default: float, low: float, high: float, meaning: str, source: str) -> Parameter:
    return Parameter("fraction", "", default, low, high, meaning, source)


_OFF = "off: nothing known of the chip at hand"
_BELOW_ONE = math.nextafter(1.0, 0.0)

PARAMETERS: dict[str, Parameter] = {
    "temperature": _kelvin(300.0, 1.0, 1500.0, "of the die", "room temperature"),
    "junction.diameter": Parameter(
        "length", "m", 50e-9, 5e-9, 1e-6, "of the free layer; sets area and RA", "usual pillar (memory)"
    ),
    "junction.parallel_resistance": _ohm(
        5e3, 10.0, 1e8, "R_P of the nominal device at zero bias", "RA 10 ohm um^2 on 50 nm (memory)"
    ),
    "junction.resistance_area": Parameter(
        "resistance-area", "ohm m^2", 9.817477042468103e-12, 1e-14, 1e-6, "RA; may be given in place of R_P",
        "parallel_resistance times the area",
    ),
    "junction.tmr": _fraction(1.2, 0.01, 10.0, "(R_AP - R_P)/R_P at zero bias", "CoFeB/MgO (memory)"),
    "junction.tmr_half_voltage": _voltage(
        0.5, 0.05, 1e6, "V_h: TMR(V) = TMR/(1 + (V/V_h)^2)", "CoFeB/MgO (memory); very large: no dependence"
    ),
    "junction.delta": _number(
        45.0, 5.0, 120.0, "E_b/kT of the nominal device, no field", "keeps for months, switches on a bench"
    ),
    "junction.critical_voltage_up": _voltage(0.55, 0.01, 5.0, "V_c0 of AP -> P", "50 nm pMTJ (memory)"),
    "junction.critical_voltage_down": _voltage(0.55, 0.01, 5.0, "V_c0 of P -> AP", "50 nm pMTJ (memory)"),
    "junction.stray_field": _number(0.0, -0.3, 0.3, "H/H_k on the free layer; > 0 favours P", "compensated"),
    "junction.damping": _number(0.01, 1e-4, 0.5, "Gilbert damping alpha", "thin CoFeB (memory)"),
    "junction.anisotropy_field": Parameter(
        "flux density", "T", 0.3, 0.005, 3.0, "mu0 H_k, effective", "thin CoFeB/MgO (memory)"
    ),
    "junction.attempt_time": _time(
        1e-9, 1e-16, 1e-6, "tau0 of the Neel-Brown laws only", "a habit of the field, not a measured fact"
    ),
    "junction.curie_temperature": _kelvin(
        1000.0, 50.0, 1500.0, "M_s(T) = M_s(0) [1 - (T/T_C)^1.5]", "thin CoFeB, 700 to 1300 K (memory)"
    ),
    "junction.anisotropy_exponent": _number(
        2.0, 1.0, 4.0, "n of K ~ M_s^n; E_b, V_c0 ~ M_s^n, H_k ~ M_s^(n-1)", "interface anisotropy, 1.8 to 2"
    ),
    "junction.reference_temperature": _kelvin(
        300.0, 1.0, 1500.0, "at which the values of the junction hold", "room temperature"
    ),
    "spread.resistance": _fraction(
        0.08, 0.0, _BELOW_ONE, "sigma(R_P)/R_P, target", "Jung 2022, AP and P of 8,192 cells (secondary)"
    ),
    "spread.critical_voltage": _fraction(
        0.044, 0.0, _BELOW_ONE, "sigma(V_c0)/V_c0, target", "Worledge, IEDM 2010, 4-kbit array"
    ),
    "spread.delta": _fraction(
        0.077, 0.0, _BELOW_ONE, "sigma(Delta)/Delta, target", "SOT junctions (secondary)"
    ),
    "spread.asymmetry": _fraction(0.0, 0.0, _BELOW_ONE, "sigma of V_c0+/V_c0- about its nominal", _OFF),
    "spread.tmr": _fraction(0.0, 0.0, _BELOW_ONE, "sigma(TMR)/TMR", _OFF),
    "spread.stray_field": _number(0.0, 0.0, 0.1, "sigma(h), absolute", _OFF),
    "heating.resistance": Parameter(
        "thermal resistance", "K/W", 0.0, 0.0, 1e7, "R_th: dT = R_th P (1 - exp(-t/tau_th))",
        "0: fitted V_c0 and Delta contain their heating, which must not count twice; 1e6 is usual (memory)",
    ),
    "heating.time": _time(5e-9, 1e-11, 1e-3, "tau_th", "order of ns (memory)"),
    "back_hopping.voltage_up": _voltage(
        1e6, 0.05, 1e6, "voltage at which a device just brought to P hops freely", _OFF + "; seen near 1 V"
    ),
    "back_hopping.voltage_down": _voltage(
        1e6, 0.05, 1e6, "voltage at which a device just brought to AP hops freely", _OFF
    ),
    "back_hopping.delta": _number(20.0, 0.0, 200.0, "barrier of the hop at zero voltage", "fit"),
    "back_hopping.time": _time(1e-9, 1e-13, 1e-3, "mean time between hops at that voltage", "fit"),
    "breakdown.voltage": _voltage(
        1.4, 0.1, 1e6, "voltage of the stated life; very large: never", "1.3 to 1.8 V at ns to us (memory)"
    ),
    "breakdown.life": _time(1e-6, 1e-12, 1e6, "after which 63 % are broken at that voltage", "as above"),
    "breakdown.exponent": _number(
        40.0, 1.0, 200.0, "n: life ~ V^-n (law: power)", "thin oxides, 30 to 50 (memory)"
    ),
    "breakdown.acceleration": Parameter(
        "acceleration", "1/V", 30.0, 0.1, 500.0, "gamma: life ~ exp(-gamma V) (law: exponential)",
        "slope of the power law near 1.4 V",
    ),
    "breakdown.shape": _number(1.5, 0.1, 20.0, "Weibull slope", "1 to 2 in thin MgO (memory)"),
    "breakdown.short_resistance": _ohm(
        300.0, 1.0, 1e6, "of a broken junction", "a few 100 ohm with its leads (memory)"
    ),
    "drift.sigma": _number(0.0, 0.0, 3.0, "standard deviation of ln(rate) of a device over long times", _OFF),
    "drift.pulses": _number(1e5, 1.0, 1e12, "pulses after which it has changed by about sigma", "fit"),
    "defects.short": _fraction(0.0, 0.0, 1.0, "chance that a cell is a short", _OFF),
    "defects.open": _fraction(0.0, 0.0, 1.0, "chance that a cell conducts nothing", _OFF),
    "defects.stuck_p": _fraction(0.0, 0.0, 1.0, "chance that a cell stays in P", _OFF),
    "defects.stuck_ap": _fraction(0.0, 0.0, 1.0, "chance that a cell stays in AP", _OFF),
    "defects.short_resistance": _ohm(300.0, 1.0, 1e6, "of a short", "as a broken junction"),
    "defects.open_resistance": _ohm(1e9, 1e6, 1e15, "of an open cell", "leakage around the pillar (memory)"),
    "transistors.on_resistance": _ohm(500.0, 0.0, 1e7, "of an open access transistor", "usual (memory)"),
    "transistors.leak": Parameter(
        "conductance", "S", 1e-9, 1e-15, 1e-3, "of a cell whose gate is closed", "usual (memory)"
    ),
}  # fmt: skip


def default_of(key: str) -> float:
    """Default of the parameter `key`, such as "junction.delta", in its SI unit."""
    return PARAMETERS[key].default


def check_parameter(key: str, value: float) -> float:
    """Return `value` of the parameter `key` after checking its range.

    Raises:
        ValueError: not a number or out of range; names the parameter, the value and the range.
    """
    parameter = PARAMETERS[key]
    name = key.split(".")[-1]
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; a finite number is needed ({parameter.meaning})")
    if not parameter.low <= value <= parameter.high:
        unit = f" {parameter.unit}" if parameter.unit else ""
        raise ValueError(
            f"{name} is {value:g}{unit}; {parameter.low:.6g} to {parameter.high:.6g}{unit} is accepted "
            f"({parameter.meaning})"
        )
    return float(value)


def parameter_table() -> str:
    """The parameters as a Markdown table, as docs/device.md shows them."""
    lines = [
        "| key under `die` | unit | default | range | meaning | source of the default |",
        "|---|---|---|---|---|---|",
    ]
    for key, one in PARAMETERS.items():
        scale = 100.0 if one.kind == "fraction" else 1.0
        high = 1.0 if one.high == _BELOW_ONE else one.high
        lines.append(
            f"| `{key}` | {one.unit or ('%' if one.kind == 'fraction' else '-')} | {scale * one.default:g} | "
            f"{scale * one.low:g} to {scale * high:g} | {one.meaning} | {one.source} |"
        )
    return "\n".join(lines) + "\n"
