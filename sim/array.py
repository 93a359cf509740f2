"""A simulated array: every pulse and every read is solved with wires, drivers and sneak paths."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ._types import Floats, States
from .array_kernels import (
    add_noise,
    break_junction,
    pulse_voltages,
    read_sequence,
    solve_interval,
    wear,
)
from .bias import factor_biased, load_cells, new_bias_workspace, solve_biased
from .cells import Access, Cells, copied, overwrite
from .die import Tile
from .disturb import RUNGS, hazard_bounds, sum_bounds
from .events import pulse_events
from .line_solver import Network, conductances_of, new_network
from .lines import Lines
from .network import MOST_ITERATIONS, TOLERANCE, Wires, conductance_of, line_drivers, no_convergence
from .parameters import check_parameter, default_of
from .sampler import Sampler

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


@dataclass(frozen=True)
class _Factors:
    """Lines of the array factored for one orientation and one set of states."""

    network: Network
    lines: Lines


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
        self._resolve = resolve
        self._seed = np.uint64(seed)
        self._number = number
        self._sampler = Sampler(tile.die, self._cells, self._dynamics, self._seed, number)
        self._g_row = conductance_of(wires.row_segment)
        self._g_col = conductance_of(wires.column_segment)
        self._factors: dict[bool, _Factors] = {}
        self._bias_factors: _Factors | None = None
        self._network = new_network(*self._state.shape)
        self._read_networks = {forward: new_network(*self._state.shape) for forward in (True, False)}
        self._work = new_bias_workspace(*self._state.shape)
        self._bounds = np.empty((len(RUNGS), 2, self._state.size))
        self._sums = np.empty((len(RUNGS), self._state.size))
        self._bounded = np.zeros(len(RUNGS), np.bool_)
        self._summed = np.zeros(len(RUNGS), np.int8)
        self._read_duration = 0.0
        self._scratch = np.empty(self._state.size, np.int64)
        self.pulses = 0
        self.reads = 0

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
        return Wear(self._cells.damage.copy(), self._sampler.log_rate)

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
        self.pulses, self.reads = pulses, reads
        if wear is not None:
            if wear.damage.shape != self.shape or wear.log_rate.shape != self.shape:
                raise ValueError(f"wear of shape {wear.damage.shape} does not fit an array of {self.shape}")
            overwrite(self._cells, self._fresh)
            self._cells.damage[:] = wear.damage
            for i, j in np.argwhere((wear.damage >= self._cells.limit) & (self._cells.stuck == 0)):
                break_junction(self._cells, self._dynamics, i, j)
            self._sampler.restore_drift(wear.log_rate)
            self._cells_changed()
        self._states_changed()

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
        s_row, v_row = line_drivers(row_levels, self._wires.driver)
        s_col, v_col = line_drivers(column_levels, self._wires.driver)
        lines = Lines(self._g_row, self._g_col, s_row, s_col, v_row, v_col)
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
        volts = np.empty((len(edges), rows, columns))
        currents: list[tuple[Floats, Floats]] = []
        energy, flips, broken = 0.0, 0, 0
        for _ in range(repeat):
            if self._sampler.drift(self.pulses):
                self._summed[:] = 0
            row_current, column_current = np.empty(rows), np.empty(columns)
            if self._resolve == "frozen":
                given, residual = pulse_voltages(
                    self._cells, self._state, self._dynamics, self._access, lines, widths, edges, TOLERANCE,
                    MOST_ITERATIONS, self._network, self._work, volts, row_current, column_current,
                )  # fmt: skip
                flipped = 0
                if not np.isnan(given):
                    flipped = self._sampler.draw(self._state, volts, edges, self.pulses)
            else:
                given, residual, flipped = pulse_events(
                    self._cells, self._state, self._dynamics, self._access, lines, widths, edges, TOLERANCE,
                    MOST_ITERATIONS, self._network, self._work, self._seed, self._number, self.pulses,
                    row_current, column_current, volts[-1], self._scratch,
                )  # fmt: skip
            if np.isnan(given):
                raise no_convergence(self._conductances(), self._wires, residual)
            currents.append((row_current, column_current))
            energy += given
            self.pulses += 1
            flips += flipped
            if flipped:
                self._states_changed()
            broken += self._worn(volts, edges)
        peak = max(float(np.abs(part).max()) for pair in currents for part in pair)
        return PulseOutcome(*currents[0], energy, flips, broken, peak)

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
        s_row, v_row = line_drivers(row_levels, self._wires.driver)
        s_col, v_col = line_drivers(column_levels, self._wires.driver)
        if not (s_row.any() or s_col.any()):
            raise ValueError("every line floats, so no voltage is defined; drive at least one line")
        rows, columns = self.shape
        lines, opened = Lines(self._g_row, self._g_col, s_row, s_col, v_row, v_col), np.ones(rows, np.int8)
        junctions, row_currents, column_currents = np.empty(self.shape), np.empty(rows), np.empty(columns)
        if s_row.all() and s_col.all() and not (v_row.any() and v_col.any()):
            if self._bias_factors is None:
                self._bias_factors = self._factor_lines(s_row, s_col, new_network(rows, columns))
            outer, residual = solve_biased(
                self._bias_factors.network, self._work, self._access, self._dynamics.half_voltage, opened,
                lines, TOLERANCE, MOST_ITERATIONS, np.empty((0, 0)), junctions, row_currents, column_currents,
            )  # fmt: skip
        else:
            outer, residual = solve_interval(
                self._cells, self._state, self._dynamics, self._access, lines, opened, TOLERANCE,
                MOST_ITERATIONS, self._network, self._work, junctions, row_currents, column_currents,
            )  # fmt: skip
        if outer < 0:
            raise no_convergence(self._conductances(), self._wires, residual)
        return Bias(junctions, row_currents, -column_currents)

    def _worn(self, volts: Floats, edges: Floats) -> int:
        """Wear the junctions by one pulse; returns how many broke."""
        broken, began = 0, 0.0
        parts = volts if self._resolve == "frozen" else volts[-1:]
        ends = edges if self._resolve == "frozen" else edges[-1:]
        for seen, end in zip(parts, ends, strict=True):
            broken += wear(self._cells, self._dynamics, seen, end - began)
            began = end
        if broken:
            self._cells_changed()
        return broken

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
        if np.isnan(levels).any():
            # The pivots depend on which lines float, so such reads are taken one by one.
            parts = [self._read_same_drivers(row[None, :], forward, duration) for row in levels]
            outcome = ReadOutcome(
                np.concatenate([part.currents for part in parts]),
                sum(part.energy for part in parts),
                max(part.peak_current for part in parts),
            )
        else:
            outcome = self._read_same_drivers(levels, forward, duration)
        if noise > 0.0:
            reads = len(outcome.currents)
            add_noise(outcome.currents, noise, self._seed, self._number, self.reads - reads)
        return outcome

    def _read_same_drivers(self, levels: Floats, forward: bool, duration: float) -> ReadOutcome:
        """Read a sequence whose floating lines, if any, are those of its first read."""
        driven = np.isfinite(levels[0])
        all_driven = bool(driven.all())
        values = levels if all_driven else np.where(driven, levels, 0.0)
        currents = np.empty((len(levels), self.shape[1] if forward else self.shape[0]))
        done, energy, peak = 0, 0.0, 0.0
        self._set_read_duration(duration)
        while done < len(levels):
            factors = self._factored(forward) if all_driven else self._factor(forward, driven)
            reads, flips, used, largest_current, residual = read_sequence(
                self._cells, self._state, self._dynamics, self._access, factors.lines,
                factors.network, self._work, values[done:], forward,
                TOLERANCE, MOST_ITERATIONS, self._sums, self._summed, duration, self._seed, self._number,
                self.reads, currents[done:],
            )  # fmt: skip
            if residual > 0.0:
                raise no_convergence(self._conductances(), self._wires, residual)
            if flips < 0:
                self._bound_disturb(-1 - flips)
            elif flips:
                self._states_changed()
            done += reads
            self.reads += reads
            energy += used
            peak = max(peak, largest_current)
        return ReadOutcome(currents, energy, peak)

    def _conductances(self) -> Floats:
        """Of all cells at zero bias."""
        return conductances_of(self._factored(True).network)

    def _factored(self, forward: bool) -> _Factors:
        if forward not in self._factors:
            driven = np.ones(self.shape[0] if forward else self.shape[1], dtype=np.bool_)
            self._factors[forward] = self._factor(forward, driven)
        return self._factors[forward]

    def _factor(self, forward: bool, driven: NDArray[np.bool_]) -> _Factors:
        rows, columns = self.shape
        drive = np.where(driven, conductance_of(self._wires.driver), 0.0)
        sense = np.full(columns if forward else rows, conductance_of(self._wires.sense))
        s_row, s_col = (drive, sense) if forward else (sense, drive)
        return self._factor_lines(
            s_row, s_col, self._read_networks[forward] if driven.all() else self._network
        )

    def _factor_lines(self, s_row: Floats, s_col: Floats, empty: Network) -> _Factors:
        """Factor the lines, in their present states, for driver conductances in S, 0 where a line floats.

        `empty` is overwritten.
        """
        rows, columns = self.shape
        lines = Lines(self._g_row, self._g_col, s_row, s_col, np.zeros(rows), np.zeros(columns))
        load_cells(self._cells, self._state, self._work)
        network = factor_biased(
            empty, self._work, self._access, self._dynamics.half_voltage, np.ones(rows, np.int8), lines
        )
        return _Factors(network, lines)

    def _set_read_duration(self, duration: float) -> None:
        if duration != self._read_duration:
            self._read_duration = duration
            self._bounded[:] = False
            self._summed[:] = 0

    def _bound_disturb(self, rung: int) -> None:
        """Make the disturb bounds of one rung of read voltages ready for the present states."""
        if not self._bounded[rung]:
            hazard_bounds(
                self._cells, self._dynamics, rung, self._read_duration, self._sampler.headroom,
                self._bounds[rung],
            )  # fmt: skip
            self._bounded[rung] = True
        sum_bounds(self._bounds[rung], self._state, self._sums[rung])
        self._summed[rung] = 1

    def _states_changed(self) -> None:
        """Drop what was computed from the previous states."""
        self._factors.clear()
        self._bias_factors = None
        self._summed[:] = 0

    def _cells_changed(self) -> None:
        """Drop what was computed from cells that have changed."""
        self._bounded[:] = False
        self._sampler.cells_changed()
        self._states_changed()
