"""One array of the die as a bench of instruments sees it: any line driven or floating, for any time."""

from dataclasses import dataclass

import numpy as np

from .._types import Floats, States
from ..array import PulseOutcome, SimulatedArray, Transistors
from ..cells import Access
from ..device import Junction, Spread
from ..die import Tile, draw_tile
from ..network import Solution, Wires, solve
from .hold import NEGLIGIBLE, draw_hold, hold_hazard


@dataclass(frozen=True)
class LineCurrents:
    """Current from each line into the array, A: (rows,) and (columns,). They add up to 0."""

    rows: Floats
    columns: Floats


class DieArray:
    """An array and the bias an instrument bench puts on it.

    `SimulatedArray` gives pulses and reads; a bench also leaves arbitrary lines at arbitrary levels, and
    measures in the middle of that. Every connected line has the driver resistance of `wires`.

    Args:
        tile: cells as drawn.
        wires: resistances around the devices.
        transistors: of a 1T1R array, whose gates a bench of source-measure units holds open; None if passive.
        seed: key of all draws.
        number: number of the array on its die.
    """

    def __init__(
        self, tile: Tile, wires: Wires, transistors: Transistors | None, seed: int, number: int
    ) -> None:
        self._cells, self._dynamics, self._wires = tile.cells, tile.dynamics, wires
        self._access = (
            Access(transistors.on_resistance, transistors.leak) if transistors else Access(0.0, 0.0)
        )
        self._seed, self._number = np.uint64(seed), number
        self._array = SimulatedArray(tile, wires, transistors, seed, number)
        self._hazard = np.empty(self._array.shape)
        self.holds = 0
        self._solved: tuple[bytes, bytes, Solution] | None = None
        self.version = 0
        """Changes whenever a cell changed its state."""
        self._g = self._conductances()

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self._array.shape

    @property
    def state(self) -> States:
        """A copy of the states, (rows, columns); 1 = P, 0 = AP."""
        return self._array.state

    @property
    def pulses(self) -> int:
        """Pulses given to the array so far."""
        return self._array.pulses

    def set_state(self, state: States) -> None:
        """Put every cell into a state, as by an external field; shape (rows, columns)."""
        self._array.restore(state, self._array.pulses, self._array.reads)
        self._changed()

    def current_bound(self, volts: float) -> float:
        """More than the current of any line can be while all lines are within `volts` of each other, A."""
        return volts * float(max(self._g.sum(axis=0).max(), self._g.sum(axis=1).max()))

    def currents(self, row_levels: Floats, column_levels: Floats) -> LineCurrents:
        """Line currents under a bias, states as they are.

        Args:
            row_levels: (rows,), V; NaN floats.
            column_levels: (columns,), V; NaN floats.

        Raises:
            ConvergenceError: the array solve failed.
        """
        if np.isnan(row_levels).all() and np.isnan(column_levels).all():
            return LineCurrents(np.zeros(len(row_levels)), np.zeros(len(column_levels)))
        # From the cells, because across an ideal driver there is no drop to tell a current from.
        through = self._solve(row_levels, column_levels).voltages * self._g
        return LineCurrents(
            np.where(np.isnan(row_levels), 0.0, through.sum(axis=1)),
            np.where(np.isnan(column_levels), 0.0, -through.sum(axis=0)),
        )

    def pulse(self, row_levels: Floats, column_levels: Floats, width: float) -> PulseOutcome:
        """Give one pulse of `width` seconds; its draws are keyed by the number of the pulse."""
        outcome = self._array.apply(row_levels, column_levels, np.array(width), 1)
        if outcome.flips:
            self._changed()
        return outcome

    def hold(self, row_levels: Floats, column_levels: Floats, duration: float) -> int:
        """Leave a bias on for `duration` seconds; returns the number of cells that flipped.

        States are frozen within one hold. A bias too weak to flip anything uses no draw, so reads at a
        proper level shift nothing.
        """
        driven = np.concatenate([row_levels, column_levels])
        driven = driven[~np.isnan(driven)]
        if duration <= 0.0 or driven.size == 0 or driven.max() == driven.min():
            return 0
        volts = self._solve(row_levels, column_levels).voltages
        state = self._array.state
        largest = hold_hazard(
            self._cells, state, self._dynamics, self._access, volts, self._g, duration, self._hazard
        )
        if largest <= NEGLIGIBLE:
            return 0
        flips = draw_hold(self._hazard, state, self._seed, self._number, self.holds)
        self.holds += 1
        if flips:
            self.set_state(state)
        return flips

    def _solve(self, row_levels: Floats, column_levels: Floats) -> Solution:
        key = row_levels.tobytes(), column_levels.tobytes()
        if self._solved is not None and self._solved[:2] == key:
            return self._solved[2]
        driver = self._wires.driver
        solution = solve(
            self._g,
            row_levels,
            column_levels,
            self._wires,
            row_resistance=driver,
            column_resistance=driver,
        )
        self._solved = (*key, solution)
        return solution

    def _conductances(self) -> Floats:
        junction = np.where(self._array.state == 1, self._cells.conductance_p, self._cells.conductance_ap)
        return np.asarray(junction / (1.0 + self._access.resistance * junction), dtype=np.float64)

    def _changed(self) -> None:
        self.version += 1
        self._solved = None
        self._g = self._conductances()


def draw_array(
    rows: int,
    columns: int,
    *,
    junction: Junction | None = None,
    spread: Spread | None = None,
    wires: Wires | None = None,
    transistors: Transistors | None = None,
    seed: int = 0,
    number: int = 0,
) -> DieArray:
    """Draw array `number` of the die with this seed, exactly as the simulated backend draws its tile.

    Args:
        rows: rows of the array, >= 1.
        columns: columns of the array, >= 1.
        junction: nominal parameters.
        spread: relative device-to-device spread.
        wires: resistances around the devices; 1 ohm a segment and 5 ohm a driver unless given.
        transistors: of a 1T1R array.
        seed: of the die, >= 0.
        number: of the array on the die.
    """
    tile = draw_tile(junction or Junction(), spread or Spread(), rows, columns, seed, number)
    return DieArray(tile, wires or Wires(1.0, 1.0, 5.0, 5.0), transistors, seed, number)
