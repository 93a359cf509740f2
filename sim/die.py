"""A die drawn from a seed: the parameters and the first state of every cell of every tile."""

from dataclasses import dataclass

import numpy as np

from ._types import Floats, States
from .cells import Cells, Dynamics
from .device import Junction, Spread
from .switching import make_law


@dataclass(frozen=True)
class Tile:
    """One tile as drawn: parameters of its cells, how they switch, and the states they come with."""

    cells: Cells
    dynamics: Dynamics
    state: States


def draw_tile(junction: Junction, spread: Spread, rows: int, columns: int, seed: int, tile: int) -> Tile:
    """Draw the cells of one tile and the states they come with (P or AP with equal chance).

    Args:
        junction: nominal parameters.
        spread: relative standard deviations.
        rows: rows of the tile, >= 1.
        columns: columns of the tile, >= 1.
        seed: seed of the die, >= 0.
        tile: number of the tile on the die; each tile draws from its own stream.

    Raises:
        ValueError: a size or the seed is out of range.
    """
    if rows < 1 or columns < 1:
        raise ValueError(f"a tile of {rows} rows and {columns} columns; at least 1 of each is accepted")
    if seed < 0:
        raise ValueError(f"seed is {seed}; a whole number >= 0 is accepted")
    rng = np.random.default_rng(np.random.SeedSequence([seed, tile]))

    def factors(relative: float) -> Floats:
        # Log-normal of mean 1 and this relative standard deviation.
        sigma = np.sqrt(np.log1p(relative**2))
        drawn: Floats = np.exp(sigma * rng.standard_normal((rows, columns)) - 0.5 * sigma**2)
        return drawn

    resistance = junction.parallel_resistance * factors(spread.resistance)
    voltage = factors(spread.critical_voltage)
    cells = Cells(
        conductance_p=1.0 / resistance,
        conductance_ap=1.0 / (resistance * (1.0 + junction.tmr)),
        voltage_up=junction.critical_voltage_up * voltage,
        voltage_down=junction.critical_voltage_down * voltage,
        delta=junction.delta * factors(spread.delta),
        field=np.full((rows, columns), junction.stray_field),
    )
    tau0 = None if junction.law == "fokker-planck" else junction.attempt_time / junction.time_unit
    dynamics = Dynamics(make_law(junction.law, tau0), junction.time_unit)
    return Tile(cells, dynamics, rng.integers(0, 2, size=(rows, columns), dtype=np.int8))
