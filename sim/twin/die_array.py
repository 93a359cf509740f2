"""One array of the die as a bench of instruments sees it: any line driven or floating, for any time."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .._types import Floats, States
from ..array import Bias, PulseOutcome, Resolve, SimulatedArray, Transistors, Wear
from ..array_kernels import NEGLIGIBLE_DAMAGE
from ..cells import Cells, Dynamics, damage_of
from ..device import Die
from ..die import Tile, draw_tile
from ..disturb import RUNGS, hazard_bounds, sum_bounds
from ..network import Wires
from .hold import (
    draw_candidates,
    draw_hold,
    hold_damage,
    hold_is_calm,
    hold_probability,
    spread_of,
)

_STRONG = 1.0
"""Summed bound of all cells beyond which a bias is drawn cell by cell."""
_MOST_KEPT = 256
_UNTIL_FITTED = 200
"""Pulses of one width after which `SimulatedArray` surely draws with fits."""


@dataclass(frozen=True)
class LineCurrents:
    """Current from each line into the array, A: (rows,) and (columns,). They add up to 0."""

    rows: Floats
    columns: Floats

    def of(self, side: Literal["row", "column"]) -> Floats:
        """Currents of the rows or of the columns."""
        return self.rows if side == "row" else self.columns


class HoldBounds:
    """Bounds on what a bias left for a while can switch, kept for the spreads and durations that come up.

    Args:
        dynamics: switching law, heating, back-hopping.
    """

    def __init__(self, dynamics: Dynamics) -> None:
        self._dynamics = dynamics
        self._bounds: dict[tuple[int, float], Floats] = {}
        self._sums: dict[tuple[int, float], Floats] = {}

    def sums(self, spread: float, duration: float, cells: Cells, state: States) -> Floats:
        """Running sums over the cells of bounds on their hazards in their present states, (cells,).

        Args:
            spread: no junction sees more, V.
            duration: s.
            cells: parameters; those of every call since `cells_changed`.
            state: (rows, columns); those of every call since `states_changed`.
        """
        rung = min(int(np.searchsorted(RUNGS, spread)), len(RUNGS) - 1)
        key = rung, duration
        if key not in self._sums:
            if key not in self._bounds:
                if len(self._bounds) >= _MOST_KEPT:
                    self.cells_changed()
                bounds = np.empty((2, state.size))
                hazard_bounds(cells, self._dynamics, rung, duration, float(cells.rate.max()), bounds)
                self._bounds[key] = bounds
            sums = np.empty(state.size)
            sum_bounds(self._bounds[key], state, sums)
            self._sums[key] = sums
        return self._sums[key]

    def states_changed(self) -> None:
        """Forget what depends on the states."""
        self._sums.clear()

    def cells_changed(self) -> None:
        """Forget everything."""
        self._sums.clear()
        self._bounds.clear()


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
        self._die, self._wires, self._transistors, self._resolve = tile.die, wires, transistors, resolve
        self._probability = np.empty(self._array.shape)
        self._damage = np.empty(self._array.shape)
        self._bounds = HoldBounds(tile.dynamics)
        self._drifts = tile.die.drift.sigma > 0.0
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

    def warm_up(self) -> None:
        """Compile all that this array needs, on another of its kind, before anybody waits for a reply.

        The first call of a kernel after an installation takes seconds.
        """
        rows, columns = self.shape
        other = DieArray(
            draw_tile(self._die, rows, columns, 0, 0), self._wires, self._transistors, 0, 0, self._resolve
        )
        levels = np.full(rows, 0.3), np.full(columns, -0.3)
        floating = np.where(np.arange(rows) == 0, 0.3, np.nan), levels[1]
        for bias in (levels, floating):
            other.currents(*bias)
            other.hold(*bias, 1e-4)
            other.pulse(*bias, 1e-4)
        small = DieArray(
            draw_tile(self._die, 2, 2, 0, 0), self._wires, self._transistors, 0, 0, self._resolve
        )
        for k in range(_UNTIL_FITTED):  # a width used that often is fitted, by kernels of its own
            level = np.full(2, (0.25 if k % 2 else -0.25) * self._die.junction.critical_voltage_up)
            small.pulse(level, -level, 1e-4)
        small.warm_up_draws()

    def warm_up_draws(self) -> None:
        """Compile what holds need only now and then; what it does to the array is undefined."""
        cells, state, volts = self._array.cells, self._array.state, np.full(self.shape, 0.1)
        hold_probability(cells, state, self._dynamics, volts, 1e-4, self._probability)
        draw_hold(self._probability, state, self._seed, self._number, 0)
        sums = np.full(state.size, 50.0)
        draw_candidates(cells, state, self._dynamics, volts, sums, 1e-4, self._seed, self._number, 0)
        hold_damage(cells, self._dynamics, volts, 1e-4, self._damage)

    def currents(self, row_levels: Floats, column_levels: Floats) -> LineCurrents:
        """Line currents under a bias, states as they are.

        Args:
            row_levels: (rows,), V; NaN floats.
            column_levels: (columns,), V; NaN floats.

        Raises:
            ConvergenceError: the array solve failed.
        """
        known = self._known(row_levels, column_levels)
        if known is None and np.isnan(row_levels).all() and np.isnan(column_levels).all():
            return LineCurrents(np.zeros(len(row_levels)), np.zeros(len(column_levels)))
        solved = known or self._solve(row_levels, column_levels)
        return LineCurrents(solved.row_currents, solved.column_currents)

    def pulse(self, row_levels: Floats, column_levels: Floats, width: float) -> PulseOutcome:
        """Give one pulse of `width` seconds; its draws are keyed by the number of the pulse."""
        outcome = self._array.apply(row_levels, column_levels, np.array(width), 1)
        if outcome.flips or outcome.broken:
            self._changed()
        if outcome.broken or self._drifts:
            self._bounds.cells_changed()
        return outcome

    def hold(self, row_levels: Floats, column_levels: Floats, duration: float) -> int:
        """Leave a bias on for `duration` seconds; returns the number of cells that flipped.

        States are frozen within one hold, and junctions that it breaks break at its end.
        """
        spread = spread_of(row_levels, column_levels)
        if duration <= 0.0 or spread == 0.0:
            return 0
        hold, self.holds = self.holds, self.holds + 1
        cells, state = self._array.cells, self._array.state
        sums = self._bounds.sums(spread, duration, cells, state)
        wears = damage_of(self._dynamics, spread, duration) >= NEGLIGIBLE_DAMAGE
        if not wears and sums[-1] < _STRONG and hold_is_calm(sums[-1], self._seed, self._number, hold):
            return 0
        volts = self._solve(row_levels, column_levels).junctions
        if sums[-1] < _STRONG:
            flips = draw_candidates(
                cells, state, self._dynamics, volts, sums, duration, self._seed, self._number, hold
            )
        else:
            hold_probability(cells, state, self._dynamics, volts, duration, self._probability)
            flips = draw_hold(self._probability, state, self._seed, self._number, hold)
        wear = None
        if wears and hold_damage(cells, self._dynamics, volts, duration, self._damage) >= NEGLIGIBLE_DAMAGE:
            worn = self._array.wear
            wear = Wear(worn.damage + self._damage, worn.log_rate)
        if flips or wear:
            broken = self._array.broken
            self._array.restore(state, self._array.pulses, self._array.reads, wear)
            if flips or (self._array.broken != broken).any():
                self._changed()
                self._bounds.cells_changed()
        return flips

    def _solve(self, row_levels: Floats, column_levels: Floats) -> Bias:
        known = self._known(row_levels, column_levels)
        if known is not None:
            return known
        solution = self._array.bias(row_levels, column_levels)
        self._solved = row_levels.tobytes(), column_levels.tobytes(), solution
        return solution

    def _known(self, row_levels: Floats, column_levels: Floats) -> Bias | None:
        """The solution of the latest bias, if it is this one and nothing changed since."""
        solved = self._solved
        if solved is None or solved[0] != row_levels.tobytes() or solved[1] != column_levels.tobytes():
            return None
        return solved[2]

    def _changed(self) -> None:
        self.version += 1
        self._solved = None
        self._bounds.states_changed()


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
