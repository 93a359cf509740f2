"""A die drawn from a seed: the parameters and the first state of every cell of every tile."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ._types import Floats, States
from .cells import Cells, Dynamics
from .device import GYROMAGNETIC_RATIO, Die
from .known import KnownCells, known_or
from .spreads import decompose, log_variance
from .switching import make_law
from .thermal import temperature_scales

DEFECTS = ("none", "short", "open", "stuck_p", "stuck_ap")
"""Kinds of cells, by their number in `Drawn.defect`."""
_STUCK_P, _STUCK_AP = 3, 4


@dataclass(frozen=True)
class Drawn:
    """What was drawn, at the temperature of the die; arrays (rows, columns), SI units.

    `defect` numbers `DEFECTS`. `log_rate` is the drift with which the cell begins, in ln(rate).
    """

    area: Floats
    resistance_area: Floats
    anisotropy_field: Floats
    damping: Floats
    resistance: Floats
    tmr: Floats
    delta: Floats
    voltage_up: Floats
    voltage_down: Floats
    field: Floats
    time_unit: Floats
    breakdown_limit: Floats
    log_rate: Floats
    defect: States


@dataclass(frozen=True)
class Tile:
    """One tile as drawn: its cells, how they switch, the states they come with, and what they were drawn
    from."""

    die: Die
    cells: Cells
    dynamics: Dynamics
    state: States
    drawn: Drawn


def draw_tile(die: Die, rows: int, columns: int, seed: int, tile: int) -> Tile:
    """Draw the cells of one tile and the states they come with (P or AP with equal chance).

    The order of the draws is fixed, so switching one effect on leaves the rest of a die as it was.

    Args:
        die: nominal parameters, spreads and effects.
        rows: rows of the tile, >= 1.
        columns: columns of the tile, >= 1.
        seed: seed of the die, >= 0.
        tile: number of the tile on the die; each tile draws from its own stream.

    Raises:
        ValueError: a size, the seed or the targets are impossible, or a drawn cell leaves the range of the
        law.
    """
    if rows < 1 or columns < 1:
        raise ValueError(f"a tile of {rows} rows and {columns} columns; at least 1 of each is accepted")
    if seed < 0:
        raise ValueError(f"seed is {seed}; a whole number >= 0 is accepted")
    rng = np.random.default_rng(np.random.SeedSequence([seed, tile]))
    drawn = _draw(die, (rows, columns), rng)
    if tile < len(die.known):
        drawn = _with_known(die, drawn, die.known[tile])
    _check_range(die, drawn)
    state = rng.integers(0, 2, size=(rows, columns), dtype=np.int8)
    state[drawn.defect == _STUCK_P] = 1
    state[drawn.defect == _STUCK_AP] = 0
    return Tile(die, _cells(die, drawn), dynamics_of(die), state, drawn)


def _draw(die: Die, shape: tuple[int, int], rng: np.random.Generator) -> Drawn:
    junction, spread = die.junction, die.spread
    process = decompose(spread)
    resistance2, voltage2, delta2 = process.log_variances()
    # Means such that R, V_c0 and Delta (not their logarithms) average to the nominal values.
    area = process.area * rng.standard_normal(shape)
    ra = process.resistance_area * rng.standard_normal(shape) - 0.5 * resistance2
    anisotropy = process.anisotropy * rng.standard_normal(shape) - 0.5 * delta2
    damping = process.damping * rng.standard_normal(shape) + 0.5 * (resistance2 + delta2 - voltage2)
    asymmetry = 0.5 * process.asymmetry * rng.standard_normal(shape)
    tmr2 = log_variance(spread.tmr)
    tmr = junction.tmr * np.exp(math.sqrt(tmr2) * rng.standard_normal(shape) - 0.5 * tmr2)
    field = junction.stray_field + spread.stray_field * rng.standard_normal(shape)
    limit = (-np.log1p(-rng.random(shape))) ** (1.0 / die.breakdown.shape)
    log_rate = die.drift.sigma * rng.standard_normal(shape)
    chances = die.defects
    edges = np.cumsum([chances.short, chances.open, chances.stuck_p, chances.stuck_ap])
    place = np.searchsorted(edges, rng.random(shape), side="right")
    defect = np.where(place < 4, place + 1, 0).astype(np.int8)

    scale = temperature_scales(
        die.temperature,
        junction.reference_temperature,
        junction.curie_temperature,
        junction.anisotropy_exponent,
    )
    critical = scale.voltage * np.exp(damping + anisotropy + ra)
    alpha = junction.damping * np.exp(damping)
    anisotropy_field = junction.anisotropy_field / scale.field * np.exp(anisotropy)
    unit = (1.0 + alpha**2) / (alpha * GYROMAGNETIC_RATIO * anisotropy_field)
    if junction.law != "fokker-planck":
        unit = np.full(shape, junction.time_unit)  # these laws know time in seconds only
    return Drawn(
        area=junction.area * np.exp(area),
        resistance_area=junction.parallel_resistance * junction.area * np.exp(ra),
        anisotropy_field=anisotropy_field,
        damping=alpha,
        resistance=junction.parallel_resistance * np.exp(ra - area),
        tmr=tmr,
        delta=junction.delta * scale.delta * np.exp(anisotropy + area),
        voltage_up=junction.critical_voltage_up * critical * np.exp(asymmetry),
        voltage_down=junction.critical_voltage_down * critical * np.exp(-asymmetry),
        field=field * scale.field,
        time_unit=unit,
        breakdown_limit=limit,
        log_rate=log_rate,
        defect=defect,
    )


def _with_known(die: Die, drawn: Drawn, known: KnownCells) -> Drawn:
    """The cells as drawn, with what was measured of them in place.

    Measured values hold at the reference temperature; they follow temperature as nominal ones do. Area stays
    as drawn and RA follows the measured resistance.

    Raises:
        ValueError: the measured cells do not have the shape of the tile.
    """
    if known.shape != drawn.delta.shape:
        raise ValueError(
            f"cells: measured cells of shape {known.shape} do not fit a tile of shape {drawn.delta.shape}"
        )
    junction = die.junction
    scale = temperature_scales(
        die.temperature,
        junction.reference_temperature,
        junction.curie_temperature,
        junction.anisotropy_exponent,
    )
    # A Neel-Brown law counts time in tau0, which is the same number of units for every cell.
    unit = 1.0 if junction.law == "fokker-planck" else junction.time_unit / junction.attempt_time
    resistance = known_or(known.resistance, drawn.resistance)
    return replace(
        drawn,
        resistance=resistance,
        resistance_area=resistance * drawn.area,
        tmr=known_or(known.tmr, drawn.tmr),
        delta=known_or(known.delta, drawn.delta, scale.delta),
        voltage_up=known_or(known.voltage_up, drawn.voltage_up, scale.voltage),
        voltage_down=known_or(known.voltage_down, drawn.voltage_down, scale.voltage),
        field=known_or(known.field, drawn.field, scale.field),
        time_unit=known_or(known.time_unit, drawn.time_unit, unit * scale.field),
        defect=np.where(known.defect >= 0, known.defect, drawn.defect).astype(np.int8),
    )


def _check_range(die: Die, drawn: Drawn) -> None:
    at = f"at {die.temperature:g} K"
    worst = float(np.abs(drawn.field).max())
    if worst > 0.3:
        raise ValueError(
            f"stray_field: a cell is drawn with |h| = {worst:.3g} {at}; 0 to 0.3 is accepted, lower "
            "junction.stray_field or spread.stray_field"
        )
    low, high = float(drawn.delta.min()), float(drawn.delta.max())
    if die.junction.law == "fokker-planck" and not (low >= 5.0 and high <= 120.0):
        raise ValueError(
            f"delta: cells are drawn with {low:.3g} to {high:.3g} {at}; the Fokker-Planck law has 5 to 120; "
            "change junction.delta, spread.delta or temperature"
        )


def _cells(die: Die, drawn: Drawn) -> Cells:
    defects = die.defects
    ohmic = np.select(
        [drawn.defect == 1, drawn.defect == 2],
        [1.0 / defects.short_resistance, 1.0 / defects.open_resistance],
        default=1.0 / drawn.resistance,
    )
    bound = np.isin(drawn.defect, (0, _STUCK_AP))
    return Cells(
        conductance_p=ohmic,
        tmr=np.where(bound, drawn.tmr, 0.0),
        voltage_up=drawn.voltage_up,
        voltage_down=drawn.voltage_down,
        delta=drawn.delta,
        field=drawn.field,
        time_unit=drawn.time_unit,
        stuck=(drawn.defect > 0).astype(np.int8),
        rate=np.exp(drawn.log_rate),
        limit=drawn.breakdown_limit,
        damage=np.zeros_like(ohmic),
    )


def dynamics_of(die: Die) -> Dynamics:
    """The parameters of a die that all its cells share, as compiled code takes them."""
    junction, hop, life = die.junction, die.back_hopping, die.breakdown
    tau0 = None if junction.law == "fokker-planck" else junction.attempt_time / junction.time_unit
    return Dynamics(
        law=make_law(junction.law, tau0),
        half_voltage=junction.tmr_half_voltage,
        temperature=die.temperature,
        curie=junction.curie_temperature,
        exponent=junction.anisotropy_exponent,
        heat_resistance=die.heating.resistance,
        heat_time=die.heating.time,
        hop_up=hop.voltage_up if hop.on else math.inf,
        hop_down=hop.voltage_down if hop.on else math.inf,
        hop_delta=hop.delta,
        hop_time=hop.time,
        life_power=life.exponent if life.law == "power" else 0.0,
        life_acceleration=life.acceleration,
        life_voltage=life.voltage,
        life=life.life,
        short=1.0 / life.short_resistance,
    )
