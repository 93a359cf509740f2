"""A simulated array: every pulse and every read is solved with wires, drivers and sneak paths."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ConvergenceError
from ._types import Floats, States
from .array_kernels import break_junction
from .cells import Access, Cells, copied, overwrite
from .compiled_array import CompiledArray, cells_changed, counts_of, new_array, place_at, states_changed
from .die import Tile
from .network import Wires, conductance_of, no_convergence
from .parameters import check_parameter, default_of
from .pulsing import apply_levels
from .reading import read_levels
from .sampler import new_sampler
from .solved_reads import solve_static

Resolve = Literal["frozen", "event"]
"""Whether a flip within a pulse changes the voltages of that pulse (`event`) or not (`frozen`)."""


@dataclass(frozen=True)
class Transistors:
    """Access transistors of a 1T1R array.

    Attributes:
        on_resistance: of an open transistor, ohm, >= 0.
        leak: conductance of a cell whose gate is closed, S, > 0.
    """

    on_resistance: float = default_of("transistors.on_resistance")
    leak: float = default_of("transistors.leak")

    def __post_init__(self) -> None:
        for field in fields(self):
            check_parameter(f"transistors.{field.name}", getattr(self, field.name))


@dataclass(frozen=True)
class PulseOutcome:
    """One pulse: line currents of its first repeat in A, energy in J over all repeats, flips, broken
    junctions, largest line current of any repeat in A."""

    row_currents: Floats
    column_currents: Floats
    energy: float
    flips: int
    broken: int
    peak_current: float


@dataclass(frozen=True)
class ReadOutcome:
    """A sequence of reads: currents (reads, sensed) in A, energy in J, largest line current in A."""

    currents: Floats
    energy: float
    peak_current: float


@dataclass(frozen=True)
class Bias:
    """An array under a static bias: voltage of each junction alone, (rows, columns), V, and the current from
    each line into the array, (rows,) and (columns,), A; the currents add up to 0."""

    junctions: Floats
    row_currents: Floats
    column_currents: Floats


@dataclass(frozen=True)
class Wear:
    """What a chip carries besides its states: damage and ln(rate) of every cell, (rows, columns)."""

    damage: Floats
    log_rate: Floats


class SimulatedArray:
    """One array of a die with its hidden state.

    Args:
        tile: cells as drawn; they are copied, since an array wears.
        wires: resistances around the devices.
        transistors: of a 1T1R array; None for a passive one.
        seed: key of all draws, below 2^64.
        number: number of the array on its die, below 2^30; part of the key.
        resolve: whether a flip within a pulse changes the voltages of that pulse.

    Raises:
        ValueError: `resolve` is unknown, or is "event" for a die that hops back.
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
        if resolve not in ("frozen", "event"):
            raise ValueError(f"resolve is {resolve!r}; frozen or event is accepted")
        if resolve == "event" and tile.die.back_hopping.on:
            raise ValueError("resolve is 'event'; a die with back_hopping needs 'frozen'")
        self._fresh = tile.cells
        self._cells = copied(tile.cells)
        self._dynamics = tile.dynamics
        self._state: States = np.array(tile.state, dtype=np.int8)
        self._fixed = np.isin(tile.drawn.defect, (3, 4))
        self._wires = wires
        self._access = (
            Access(transistors.on_resistance, transistors.leak) if transistors else Access(0.0, 0.0)
        )
        self._seed, self._number = np.uint64(seed), number
        self._log_rate = np.log(self._cells.rate)
        sampler = new_sampler(
            self._cells, self._dynamics, self._seed, number, tile.die.drift.sigma, tile.die.drift.pulses,
            not tile.die.back_hopping.on, self._log_rate,
        )  # fmt: skip
        self._compiled = new_array(
            self._cells, self._dynamics, self._access, self._state, self._seed, number, sampler,
            resolve == "event", conductance_of(wires.row_segment), conductance_of(wires.column_segment),
            conductance_of(wires.driver), conductance_of(wires.sense),
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self._state.shape
        return rows, columns

    @property
    def state(self) -> States:
        """A copy of the states, (rows, columns); 1 = P, 0 = AP. Shorts, opens and broken cells keep a bit
        too."""
        return self._state.copy()

    @property
    def cells(self) -> Cells:
        """Parameters of the cells as worn by now; they are the array's own, to be looked at only."""
        return self._cells

    @property
    def wear(self) -> Wear:
        """A copy of the damage and drift of every cell."""
        return Wear(self._cells.damage.copy(), self._log_rate.copy())

    @property
    def pulses(self) -> int:
        """Pulses given so far."""
        return counts_of(self._compiled)[0]

    @property
    def reads(self) -> int:
        """Reads made so far."""
        return counts_of(self._compiled)[1]

    @property
    def compiled(self) -> CompiledArray:
        """The array as compiled code takes it; what is done to it there is done to this array."""
        return self._compiled

    @property
    def broken(self) -> NDArray[np.bool_]:
        """Cells whose junction broke, (rows, columns)."""
        return np.asarray((self._cells.stuck == 1) & (self._fresh.stuck == 0))

    def restore(self, state: States, pulses: int, reads: int, wear: Wear | None = None) -> None:
        """Take up states, event counts and wear, as when a chip is put back on the bench.

        Cells stuck in P or AP keep their state. Without `wear` the wear of the array is kept.

        Raises:
            ValueError: states or wear of another shape.
        """
        if state.shape != self.shape:
            raise ValueError(f"states of shape {state.shape} do not fit an array of shape {self.shape}")
        self._state[:] = np.where(self._fixed, self._state, state)
        place_at(self._compiled, pulses, reads)
        if wear is not None:
            if wear.damage.shape != self.shape or wear.log_rate.shape != self.shape:
                raise ValueError(f"wear of shape {wear.damage.shape} does not fit an array of {self.shape}")
            overwrite(self._cells, self._fresh)
            self._cells.damage[:] = wear.damage
            for i, j in np.argwhere((wear.damage >= self._cells.limit) & (self._cells.stuck == 0)):
                break_junction(self._cells, self._dynamics, i, j)
            self._log_rate[:] = wear.log_rate
            self._cells.rate[:] = np.exp(wear.log_rate)
            cells_changed(self._compiled)
        states_changed(self._compiled)

    def apply(self, row_levels: Floats, column_levels: Floats, widths: Floats, repeat: int) -> PulseOutcome:
        """Give a pulse `repeat` times; every cell may flip by the voltage it sees, and is worn by it.

        Args:
            row_levels: (rows,), V; NaN floats.
            column_levels: (columns,), V; NaN floats.
            widths: s, one number () or one a row (rows,) for arrays with gates; 0 keeps a gate closed.
            repeat: >= 1.

        Raises:
            ConvergenceError: the array solve failed; no cell was flipped by that repeat.
            ValueError: a width is negative or not a number, or all are 0.
        """
        rows, columns = self.shape
        if widths.ndim == 0:
            edges = widths.reshape(1)
            widths = np.full(rows, float(widths))
        else:
            edges = np.unique(widths[widths != 0.0])
        if not (len(edges) and edges[0] > 0.0 and edges[-1] < np.inf):
            raise ValueError(
                f"widths are {widths}; finite numbers > 0 s are accepted (0 closes the gate of a row)"
            )
        row_currents, column_currents = np.empty(rows), np.empty(columns)
        energy, residual, flips, broken, peak = apply_levels(
            self._compiled, row_levels, column_levels, widths, edges, repeat, row_currents, column_currents
        )
        if residual > 0.0:
            raise self._no_convergence(residual)
        return PulseOutcome(row_currents, column_currents, energy, flips, broken, peak)

    def bias(self, row_levels: Floats, column_levels: Floats) -> Bias:
        """Voltages and currents of levels that stay, all gates open: nothing is drawn, worn or switched.

        Bit for bit, levels on one side with 0 V on the other give the currents of a read that senses through
        the driver resistance, and other levels those of a pulse.

        Args:
            row_levels: (rows,), V; NaN floats.
            column_levels: (columns,), V; NaN floats.

        Raises:
            ConvergenceError: the array solve failed.
            ValueError: every line floats.
        """
        if np.isnan(row_levels).all() and np.isnan(column_levels).all():
            raise ValueError("every line floats, so no voltage is defined; drive at least one line")
        rows, columns = self.shape
        junctions, row_currents, column_currents = np.empty(self.shape), np.empty(rows), np.empty(columns)
        residual = solve_static(
            self._compiled, row_levels, column_levels, junctions, row_currents, column_currents
        )
        if residual > 0.0:
            raise self._no_convergence(residual)
        return Bias(junctions, row_currents, -column_currents)

    def read(self, levels: Floats, forward: bool, duration: float, noise: float) -> ReadOutcome:
        """Read once for each row of `levels`, with read disturb.

        Args:
            levels: (reads, driven lines), V; NaN floats.
            forward: drive rows and sense columns; otherwise the reverse.
            duration: of one read, s.
            noise: standard deviation added to each current, A.

        Raises:
            ConvergenceError: the array solve failed.
        """
        currents = np.empty((len(levels), self.shape[1] if forward else self.shape[0]))
        energy, peak, residual = read_levels(self._compiled, levels, forward, duration, noise, currents)
        if residual > 0.0:
            raise self._no_convergence(residual)
        return ReadOutcome(currents, energy, peak)

    def _no_convergence(self, residual: float) -> ConvergenceError:
        at_rest = np.where(self._state == 1, 1.0, 1.0 + self._cells.tmr)
        return no_convergence(self._cells.conductance_p / at_rest, self._wires, residual)
