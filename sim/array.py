"""A simulated array: every pulse and every read is solved with wires, drivers and sneak paths."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._types import Floats, States
from .array_kernels import (
    add_noise,
    cell_conductances,
    disturb_bounds,
    draw_flips,
    pulse_hazard,
    read_sequence,
)
from .cells import Access
from .die import Tile
from .line_solver import factor_lines, transpose_into
from .lines import Lines
from .network import MOST_ITERATIONS, TOLERANCE, Wires, conductance_of, line_drivers, no_convergence


@dataclass(frozen=True)
class Transistors:
    """Access transistors of a 1T1R array.

    Attributes:
        on_resistance: of an open transistor, ohm, >= 0.
        leak: conductance of a cell whose gate is closed, S, > 0.
    """

    on_resistance: float = 500.0
    leak: float = 1e-9


@dataclass(frozen=True)
class PulseOutcome:
    """One pulse: line currents of its first repeat in A, energy in J over all repeats, flips."""

    row_currents: Floats
    column_currents: Floats
    energy: float
    flips: int


@dataclass(frozen=True)
class ReadOutcome:
    """A sequence of reads: currents (reads, sensed) in A, energy in J, largest line current in A."""

    currents: Floats
    energy: float
    peak_current: float


@dataclass(frozen=True)
class _Factors:
    """Lines of the array factored for one orientation and one set of states."""

    g: Floats
    g_t: Floats
    inverse_row: Floats
    inverse_col: Floats
    lines: Lines


class SimulatedArray:
    """One array of a die with its hidden state.

    Args:
        tile: cells as drawn.
        wires: resistances around the devices.
        transistors: of a 1T1R array; None for a passive one.
        seed: key of all draws, below 2^64.
        number: number of the array on its die, below 2^30; part of the key.
    """

    def __init__(
        self, tile: Tile, wires: Wires, transistors: Transistors | None, seed: int, number: int
    ) -> None:
        self._cells, self._dynamics = tile.cells, tile.dynamics
        self._state: States = np.array(tile.state, dtype=np.int8)
        self._wires = wires
        self._access = (
            Access(transistors.on_resistance, transistors.leak) if transistors else Access(0.0, 0.0)
        )
        self._seed = np.uint64(seed)
        self._number = number
        self._g_row = conductance_of(wires.row_segment)
        self._g_col = conductance_of(wires.column_segment)
        self._factors: dict[bool, _Factors] = {}
        self._bounds = np.empty(self._state.size)
        self._bounded = (-1.0, 0.0)
        self.pulses = 0
        self.reads = 0

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self._state.shape
        return rows, columns

    @property
    def state(self) -> States:
        """A copy of the states, (rows, columns); 1 = P, 0 = AP."""
        return self._state.copy()

    def restore(self, state: States, pulses: int, reads: int) -> None:
        """Take up states and event counts, as when a chip is put back on the bench."""
        if state.shape != self.shape:
            raise ValueError(f"states of shape {state.shape} do not fit an array of shape {self.shape}")
        self._state[:] = state
        self.pulses, self.reads = pulses, reads
        self._forget()

    def apply(self, row_levels: Floats, column_levels: Floats, widths: Floats, repeat: int) -> PulseOutcome:
        """Give a pulse `repeat` times; every cell may flip by the voltage it sees.

        Args:
            row_levels: (rows,), V; NaN floats.
            column_levels: (columns,), V; NaN floats.
            widths: s, one number () or one a row (rows,) for arrays with gates; 0 keeps a gate closed.
            repeat: >= 1.

        Raises:
            ConvergenceError: the array solve failed; no cell was flipped by that repeat.
        """
        s_row, v_row = line_drivers(row_levels, self._wires.driver)
        s_col, v_col = line_drivers(column_levels, self._wires.driver)
        lines = Lines(self._g_row, self._g_col, s_row, s_col, v_row, v_col)
        rows, columns = self.shape
        if widths.ndim == 0:
            edges = widths.reshape(1)
            widths = np.full(rows, float(widths))
        else:
            edges = np.unique(widths[widths > 0.0])
        hazard = np.empty((rows, columns))
        currents: list[tuple[Floats, Floats]] = []
        energy, flips = 0.0, 0
        for _ in range(repeat):
            row_current, column_current = np.empty(rows), np.empty(columns)
            given, residual = pulse_hazard(
                self._cells, self._state, self._dynamics, self._access, lines, widths, edges,
                TOLERANCE, MOST_ITERATIONS, hazard, row_current, column_current,
            )  # fmt: skip
            if np.isnan(given):
                raise no_convergence(self._conductances(), self._wires, residual)
            currents.append((row_current, column_current))
            energy += given
            flipped = draw_flips(hazard, self._state, self._seed, self._number, self.pulses)
            self.pulses += 1
            if flipped:
                flips += flipped
                self._forget()
        return PulseOutcome(*currents[0], energy, flips)

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
        else:
            parts = [self._read_same_drivers(levels, forward, duration)]
        currents = np.concatenate([part.currents for part in parts])
        if noise > 0.0:
            add_noise(currents, noise, self._seed, self._number, self.reads - len(currents))
        return ReadOutcome(
            currents, sum(part.energy for part in parts), max(part.peak_current for part in parts)
        )

    def _read_same_drivers(self, levels: Floats, forward: bool, duration: float) -> ReadOutcome:
        """Read a sequence whose floating lines, if any, are those of its first read."""
        driven = np.isfinite(levels[0])
        values = np.where(driven, levels, 0.0)
        spread = float(max(values.max(), 0.0) - min(values.min(), 0.0))  # sensed lines sit at 0 V
        currents = np.empty((len(levels), self.shape[1] if forward else self.shape[0]))
        done, energy, peak = 0, 0.0, 0.0
        while done < len(levels):
            factors = self._factored(forward) if driven.all() else self._factor(forward, driven)
            self._bound_disturb(spread, duration)
            reads, flips, used, largest_current, residual = read_sequence(
                self._cells, self._state, self._dynamics, self._access, factors.lines,
                factors.g, factors.g_t, factors.inverse_row, factors.inverse_col, values[done:], forward,
                TOLERANCE, MOST_ITERATIONS, self._bounds, duration, self._seed, self._number, self.reads,
                currents[done:],
            )  # fmt: skip
            if residual > 0.0:
                raise no_convergence(factors.g, self._wires, residual)
            if flips:
                self._forget()
            done += reads
            self.reads += reads
            energy += used
            peak = max(peak, largest_current)
        return ReadOutcome(currents, energy, peak)

    def _conductances(self) -> Floats:
        g = np.empty(self.shape)
        opened = np.ones(self.shape[0], dtype=np.int8)
        cell_conductances(self._cells, self._state, self._access, opened, g)
        return g

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
        g = self._conductances()
        g_t, inverse_row = np.empty((columns, rows)), np.empty((columns, rows))
        inverse_col = np.empty((rows, columns))
        transpose_into(g, g_t)
        factor_lines(g_t, self._g_row, s_row, False, inverse_row)
        factor_lines(g, self._g_col, s_col, True, inverse_col)
        lines = Lines(self._g_row, self._g_col, s_row, s_col, np.zeros(rows), np.zeros(columns))
        return _Factors(g, g_t, inverse_row, inverse_col, lines)

    def _bound_disturb(self, volt: float, duration: float) -> None:
        """Make the disturb bounds cover |V| <= volt; they grow with the largest read level seen."""
        bounded_volt, bounded_duration = self._bounded
        if volt > bounded_volt or duration != bounded_duration:
            disturb_bounds(self._cells, self._state, self._dynamics, volt, duration, self._bounds)
            self._bounded = (volt, duration)

    def _forget(self) -> None:
        """Drop what was computed from the previous states."""
        self._factors.clear()
        self._bounded = (-1.0, 0.0)
