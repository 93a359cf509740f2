"""What a simulated tile hides, laid open for people: every parameter of every cell, spreads, P(V)."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..compiled import kernel
from ._types import Floats
from .cells import Cells, Dynamics
from .device import Die
from .die import DEFECTS, Tile, draw_tile
from .draws import pulse_probability
from .spreads import decompose


@dataclass(frozen=True)
class TileView:
    """One tile as drawn."""

    tile: Tile
    seed: int

    @staticmethod
    def drawn_from(die: Die, rows: int, columns: int, seed: int, number: int) -> "TileView":
        """Draw the tile; raises the ValueErrors of `draw_tile`."""
        return TileView(draw_tile(die, rows, columns, seed, number), seed)

    @property
    def parameters(self) -> dict[str, Floats]:
        """Drawn parameters, each (rows, columns), at the temperature of the die; the unit ends the name."""
        drawn = self.tile.drawn
        return {
            "resistance_parallel_ohm": drawn.resistance,
            "resistance_antiparallel_ohm": drawn.resistance * (1.0 + drawn.tmr),
            "tmr": drawn.tmr,
            "delta": drawn.delta,
            "critical_voltage_up_V": drawn.voltage_up,
            "critical_voltage_down_V": drawn.voltage_down,
            "stray_field": drawn.field,
            "area_m2": drawn.area,
            "resistance_area_ohm_m2": drawn.resistance_area,
            "anisotropy_field_T": drawn.anisotropy_field,
            "damping": drawn.damping,
            "time_unit_s": self.tile.cells.time_unit,
            "breakdown_limit": drawn.breakdown_limit,
            "log_rate": drawn.log_rate,
        }

    @property
    def defects(self) -> list[list[str]]:
        """Kind of every cell: none, short, open, stuck_p or stuck_ap."""
        return [[DEFECTS[kind] for kind in row] for row in self.tile.drawn.defect]

    @property
    def states(self) -> list[list[int]]:
        """States that the cells come with, 1 P and 0 AP."""
        return [[int(state) for state in row] for row in self.tile.state]

    def probability(self, volts: Floats, width: float, most: int | None = None) -> Floats:
        """Switching probability of every cell in one pulse from equilibrium, without wires.

        Args:
            volts: across the junction, (n,), V; positive ones drive AP -> P, negative ones P -> AP.
            width: s, > 0.
            most: cells to take at most, the first ones; None for all.

        Returns:
            (n, cells).

        Raises:
            ValueError: the width or a voltage is no number of that range.
        """
        if not (math.isfinite(width) and width > 0.0):
            raise ValueError(f"width is {width!r} s; a finite number > 0 s is accepted")
        if not np.isfinite(volts).all():
            raise ValueError(f"volts are {volts!r}; finite numbers are accepted")
        size = self.tile.state.size
        found = np.empty((len(volts), size if most is None else min(most, size)))
        _probabilities(self.tile.cells, self.tile.dynamics, np.asarray(volts, np.float64), width, found)
        return found


def target_spreads(die: Die) -> dict[str, float]:
    """Target spreads of a die by name of the drawn parameter, with those of what varies in the process.

    Log-normal quantities have relative standard deviations; the stray field has an absolute one.
    """
    spread, process = die.spread, decompose(die.spread)

    def relative(log_sigma: float) -> float:
        return math.sqrt(math.expm1(log_sigma**2))

    return {
        "resistance_parallel_ohm": spread.resistance,
        "critical_voltage_up_V": spread.critical_voltage,
        "critical_voltage_down_V": spread.critical_voltage,
        "delta": spread.delta,
        "tmr": spread.tmr,
        "stray_field": spread.stray_field,
        "area_m2": relative(process.area),
        "resistance_area_ohm_m2": relative(process.resistance_area),
        "anisotropy_field_T": relative(process.anisotropy),
        "damping": relative(process.damping),
    }


def drawn_spreads(views: tuple[TileView, ...]) -> dict[str, tuple[float, float]]:
    """Mean and spread (as in `target_spreads`) of each parameter over all cells of all tiles."""
    found = {}
    for name in target_spreads(views[0].tile.die):
        values = np.concatenate([view.parameters[name].ravel() for view in views])
        mean, sigma = float(values.mean()), float(values.std())
        found[name] = (mean, sigma if name == "stray_field" else sigma / mean)
    return found


def correlations(views: tuple[TileView, ...]) -> dict[str, tuple[float, float | None]]:
    """Expected and drawn correlation of the logarithms of R, V_c0+ and Delta, by pair; None if one is
    constant."""
    expected = decompose(views[0].tile.die.spread).correlations()
    names = {
        "resistance": "resistance_parallel_ohm",
        "delta": "delta",
        "critical_voltage": "critical_voltage_up_V",
    }
    logs = {
        name: np.log(np.concatenate([view.parameters[key].ravel() for view in views]))
        for name, key in names.items()
    }
    found: dict[str, tuple[float, float | None]] = {}
    for one, other in combinations(names, 2):
        varies = min(np.ptp(logs[one]), np.ptp(logs[other])) > 1e-12
        drawn = float(np.corrcoef(logs[one], logs[other])[0, 1]) if varies else None
        found[f"{one}, {other}"] = (expected[f"{one}, {other}"], drawn)
    return found


@kernel
def _probabilities(cells: Cells, dynamics: Dynamics, volts: Floats, width: float, found: Floats) -> None:
    m, n = cells.delta.shape
    edges = np.full(1, width)
    seen = np.empty((1, m, n))
    for k in range(volts.size):
        seen[:] = volts[k]
        state = 0 if volts[k] >= 0.0 else 1
        for cell in range(found.shape[1]):
            found[k, cell] = pulse_probability(cells, dynamics, state, seen, edges, cell // n, cell % n)
