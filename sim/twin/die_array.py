"""One array of the die as a bench of instruments sees it: any line driven or floating, for any time."""

from dataclasses import dataclass

import numpy as np

from .._types import Floats, States
from ..array import Bias, PulseOutcome, Resolve, SimulatedArray, Transistors, Wear
from ..array_kernels import NEGLIGIBLE_DAMAGE
from ..device import Die
from ..die import Tile, draw_tile
from ..network import Wires
from .hold import NEGLIGIBLE, draw_hold, hold_damage, hold_probability


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
        resolve: whether flips within a pulse change the voltages of that pulse, see `SimulatedArray`.
    """

    def __init__(
        self,
        tile: Tile,
        wires: Wires,
        transistors: Transistors | None,
        seed: int,
        number: int,
        resolve: Resolve = "frozen",
    ) -> None:
        self._dynamics = tile.dynamics
        self._seed, self._number = np.uint64(seed), number
        self._array = SimulatedArray(tile, wires, transistors, seed, number, resolve)
        self._probability = np.empty(self._array.shape)
        self._damage = np.empty(self._array.shape)
        self.holds = 0
        self._solved: tuple[bytes, bytes, Bias] | None = None
        self.version = 0
        """Changes whenever a cell changed its state or broke."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self._array.shape

    @property
    def array(self) -> SimulatedArray:
        """The array itself, for whoever keeps a chip between two sessions."""
        return self._array

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
        solved = self._solve(row_levels, column_levels)
        return LineCurrents(solved.row_currents, solved.column_currents)

    def pulse(self, row_levels: Floats, column_levels: Floats, width: float) -> PulseOutcome:
        """Give one pulse of `width` seconds; its draws are keyed by the number of the pulse."""
        outcome = self._array.apply(row_levels, column_levels, np.array(width), 1)
        if outcome.flips or outcome.broken:
            self._changed()
        return outcome

    def hold(self, row_levels: Floats, column_levels: Floats, duration: float) -> int:
        """Leave a bias on for `duration` seconds; returns the number of cells that flipped.

        States are frozen within one hold, and junctions that it breaks break at its end. A bias too weak to
        flip anything uses no draw.
        """
        driven = np.concatenate([row_levels, column_levels])
        driven = driven[~np.isnan(driven)]
        if duration <= 0.0 or driven.size == 0 or driven.max() == driven.min():
            return 0
        volts = self._solve(row_levels, column_levels).junctions
        cells, state = self._array.cells, self._array.state
        largest = hold_probability(cells, state, self._dynamics, volts, duration, self._probability)
        flips = 0
        if largest > NEGLIGIBLE:
            flips = draw_hold(self._probability, state, self._seed, self._number, self.holds)
            self.holds += 1
        wear = None
        if hold_damage(cells, self._dynamics, volts, duration, self._damage) >= NEGLIGIBLE_DAMAGE:
            worn = self._array.wear
            wear = Wear(worn.damage + self._damage, worn.log_rate)
        if flips or wear:
            broken = self._array.broken
            self._array.restore(state, self._array.pulses, self._array.reads, wear)
            if flips or (self._array.broken != broken).any():
                self._changed()
        return flips

    def _solve(self, row_levels: Floats, column_levels: Floats) -> Bias:
        key = row_levels.tobytes(), column_levels.tobytes()
        if self._solved is not None and self._solved[:2] == key:
            return self._solved[2]
        solution = self._array.bias(row_levels, column_levels)
        self._solved = (*key, solution)
        return solution

    def _changed(self) -> None:
        self.version += 1
        self._solved = None


def draw_array(
    rows: int,
    columns: int,
    *,
    die: Die | None = None,
    wires: Wires | None = None,
    transistors: Transistors | None = None,
    seed: int = 0,
    number: int = 0,
) -> DieArray:
    """Draw array `number` of the die with this seed, exactly as the simulated backend draws its tile.

    Args:
        rows: rows of the array, >= 1.
        columns: columns of the array, >= 1.
        die: nominal parameters, spreads and effects.
        wires: resistances around the devices; 1 ohm a segment and 5 ohm a driver unless given.
        transistors: of a 1T1R array.
        seed: of the die, >= 0.
        number: of the array on the die.
    """
    tile = draw_tile(die or Die(), rows, columns, seed, number)
    return DieArray(tile, wires or Wires(1.0, 1.0, 5.0, 5.0), transistors, seed, number)


def warm_up(resolve: Resolve = "frozen") -> None:
    """Compile all that an array needs, on a throwaway one.

    The first call of a kernel after an installation compiles it for seconds: longer than a client waits for
    a reply.
    """
    array = DieArray(draw_tile(Die(), 2, 2, 0, 0), Wires(1.0, 1.0, 5.0, 5.0), None, 0, 0, resolve)
    rows, columns = np.array([0.4, np.nan]), np.array([0.0, -0.4])
    for levels in (rows, np.array([0.4, 0.0])):
        array.currents(levels, columns)
        array.hold(levels, columns, 1e-3)
        array.pulse(levels, columns, 1e-3)
