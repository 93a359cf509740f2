"""Values that cross into compiled code: the cells of a tile, how they switch and conduct, their
transistors."""

import math
from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from ._types import Floats, States
from .switching import Law, equivalent_time_at, log_hazard_at
from .thermal import mean_heating, temperature_scales


class Cells(NamedTuple):
    """Parameters of all cells of one tile at the temperature of the die; every array is (rows, columns),
    SI."""

    conductance_p: Floats
    """In state P, S."""
    tmr: Floats
    """(R_AP - R_P)/R_P at zero bias; 0 where a cell conducts the same in both states (short, open, stuck
    P)."""
    voltage_up: Floats
    """Critical voltage V_c0+ of AP -> P, V."""
    voltage_down: Floats
    """Critical voltage V_c0- of P -> AP, V, positive."""
    delta: Floats
    """Thermal stability factor."""
    field: Floats
    """Stray field H/H_k; positive favours P."""
    time_unit: Floats
    """Seconds of one unit of reduced time."""
    stuck: States
    """1 where a cell never switches."""
    rate: Floats
    """Factor on the switching rate, 1 without drift."""
    limit: Floats
    """Damage at which the junction breaks."""
    damage: Floats
    """Accumulated damage."""


def copied(cells: Cells) -> Cells:
    """A copy that may wear."""
    return Cells._make(np.array(values) for values in cells)


def overwrite(cells: Cells, fresh: Cells) -> None:
    """Make worn cells, in place, what they were when drawn."""
    for name in Cells._fields:
        np.copyto(getattr(cells, name), getattr(fresh, name))


class Dynamics(NamedTuple):
    """How the cells of a die switch, heat, hop back and break."""

    law: Law
    half_voltage: float
    """V_h of TMR(V), V."""
    temperature: float
    """Of the die, K."""
    curie: float
    exponent: float
    heat_resistance: float
    """R_th, K/W; 0 for no heating."""
    heat_time: float
    hop_up: float
    """Voltage of free hopping after AP -> P, V; infinite for none."""
    hop_down: float
    hop_delta: float
    hop_time: float
    life_power: float
    """n of life ~ V^-n; 0 selects the exponential law."""
    life_acceleration: float
    life_voltage: float
    life: float
    """Life at `life_voltage`, s."""
    short: float
    """Conductance of a broken junction, S."""


class Access(NamedTuple):
    """Access transistors; a passive array has none."""

    resistance: float
    """Of an open transistor, ohm; 0 in passive arrays."""
    leak: float
    """Conductance of a cell with a closed gate, S."""


@kernel
def junction_conductance(
    cells: Cells, state: States, half_voltage: float, volt: float, i: int, j: int
) -> float:
    """Conductance I/V of the junction of cell (i, j) alone at `volt` across it, S."""
    if state[i, j] == 1:
        return float(cells.conductance_p[i, j])
    u = volt / half_voltage
    return float(cells.conductance_p[i, j] / (1.0 + cells.tmr[i, j] / (1.0 + u * u)))


@kernel
def drive_of(state: int, volt: float) -> float:
    """Voltage counted so that a positive one drives out of `state`."""
    return volt if state == 0 else -volt


@kernel
def cell_hazard(
    dynamics: Dynamics, cells: Cells, state: int, volt: float, i: int, j: int, duration: float, before: float
) -> float:
    """Integrated switching rate -ln(1 - P) of cell (i, j) out of `state`, without back-hopping.

    What the cell went through before within the same pulse is carried by equivalent elapsed time: the time
    that the law at the present voltage would have needed for the hazard collected so far.

    Args:
        dynamics: law, temperature, heating.
        cells: parameters.
        state: present state, 1 P or 0 AP.
        volt: across the junction, V; positive drives AP -> P.
        i: row.
        j: column.
        duration: of this voltage, s.
        before: hazard collected earlier in the pulse.
    """
    if cells.stuck[i, j] == 1:
        return 0.0
    overdrive, delta, field, unit = reduced_drive(dynamics, cells, state, volt, i, j, duration)
    rate = cells.rate[i, j]
    time = duration / unit
    if before > 0.0:
        time += equivalent_time_at(dynamics.law, math.log(before / rate), overdrive, delta, field)
    return float(rate * math.exp(log_hazard_at(dynamics.law, overdrive, time, delta, field)))


@kernel
def reduced_drive(
    dynamics: Dynamics, cells: Cells, state: int, volt: float, i: int, j: int, duration: float
) -> tuple[float, float, float, float]:
    """Overdrive, Delta, field (positive holds) and time unit of a cell in a pulse, heated as the pulse
    heats it."""
    delta, field, unit = cells.delta[i, j], cells.field[i, j], cells.time_unit[i, j]
    scale = 1.0
    if dynamics.heat_resistance > 0.0:
        conductance = cells.conductance_p[i, j]
        if state == 0:
            u = volt / dynamics.half_voltage
            conductance /= 1.0 + cells.tmr[i, j] / (1.0 + u * u)
        rise = mean_heating(dynamics.heat_resistance, dynamics.heat_time, volt * volt * conductance, duration)
        hot = temperature_scales(
            dynamics.temperature + rise, dynamics.temperature, dynamics.curie, dynamics.exponent
        )
        delta *= hot.delta
        field *= hot.field
        unit *= hot.field
        scale = hot.voltage
    if state == 0:
        return volt / (scale * cells.voltage_up[i, j]), delta, -field, unit
    return -volt / (scale * cells.voltage_down[i, j]), delta, field, unit


@kernel
def hop_count(dynamics: Dynamics, state: int, volt: float, duration: float) -> float:
    """Expected hops, in `duration` s at `volt`, of a device that has left `state`; 0 if the pulse holds
    it."""
    drive = drive_of(state, volt)
    free = dynamics.hop_up if state == 0 else dynamics.hop_down
    if drive <= 0.0 or math.isinf(free):
        return 0.0
    return duration / dynamics.hop_time * math.exp(min(-dynamics.hop_delta * (1.0 - drive / free), 50.0))


@kernel
def ended_switched(hazard: float, hops: float) -> float:
    """Probability of ending a pulse switched: left the state, and then hopped an even number of times."""
    return -math.expm1(-hazard) * 0.5 * (1.0 + math.exp(-2.0 * hops))


@kernel
def damage_of(dynamics: Dynamics, volt: float, duration: float) -> float:
    """Damage of `duration` s at `volt`: time over the characteristic life at that voltage."""
    size = abs(volt)
    if dynamics.life_power > 0.0:
        return duration / dynamics.life * math.pow(size / dynamics.life_voltage, dynamics.life_power)
    return (
        duration / dynamics.life * math.exp(dynamics.life_acceleration * (size - dynamics.life_voltage))
        if size > 0.0
        else 0.0
    )
