"""An ideal crossbar behind the contract: Bernoulli switching with spread, and no network around the cells.

Every cell sees exactly the voltage between its two lines, whatever the others do; unselected cells never
switch, reads are exact and disturb nothing. What is left of the physics is that switching is random and that
cells differ in how readily they switch. A baseline: how well a rule could do if the array were no obstacle.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .checks import check_bias, check_pulse
from .contract import Applied, Bias, Capabilities, Floats, Pulse, Reading, SafeState

_STEEPNESS = 40.0
"""d eta / d ln V of the log hazard eta = ln(-ln(1 - P)), as a junction of Delta about 45 has it."""
_CUTOFF = 0.75
"""Share of the median voltage below which a cell never switches: half-selected cells stay as they are."""
_PARALLEL, _ANTIPARALLEL = 1.0 / 5e3, 1.0 / 11e3


class IdealCrossbar:
    """Cells that switch with P = 1 - exp(-F exp(eta(V))), each with a factor F of its own for each polarity.

    Args:
        capabilities: of the crossbar it stands in for, whose bench time it reports.
        median_voltage: V at which half of the cells switch in a pulse of `width`, > 0.
        width: s, > 0; the hazard is proportional to the width of a pulse.
        spread: standard deviation of ln F from device to device, >= 0.
        seed: draws first states, spread and switching.
    """

    def __init__(
        self, capabilities: Capabilities, median_voltage: float, width: float, spread: float, seed: int
    ) -> None:
        # No grid, no limited levels: quantisation belongs to the network physics that this leaves out.
        self._capabilities = replace(
            capabilities,
            voltage_resolution=0.0,
            width_resolution=0.0,
            distinct_levels=None,
            read_levels=None,
            transposed_read=True,
            floating_lines=True,
        )
        self._median, self._width = median_voltage, width
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 77]))
        self._log_factor = spread * self._rng.standard_normal((2, *capabilities.shape))
        self._state: NDArray[np.int8] = self._rng.integers(0, 2, capabilities.shape).astype(np.int8)
        self._conductance: Floats = np.where(self._state == 1, _PARALLEL, _ANTIPARALLEL)

    @property
    def capabilities(self) -> Capabilities:
        """Those of the crossbar it stands in for, without grids and limited levels."""
        return self._capabilities

    def apply(self, pulse: Pulse) -> Applied:
        """Give a pulse; see `Crossbar.apply`. Cells of a floating line see nothing."""
        check_pulse(pulse, self._capabilities)
        widths = np.broadcast_to(np.asarray(pulse.width, dtype=np.float64), (self._capabilities.rows,))
        before = self._given(pulse, widths)
        for _ in range(pulse.repeat):
            self._switch(pulse, widths)
        timing = self._capabilities.timing
        longest = float(widths.max())
        return Applied(
            width=longest,
            elapsed=timing.pulse_overhead + pulse.repeat * (longest + timing.repeat_gap) - timing.repeat_gap,
            energy=pulse.repeat * 0.5 * (before + self._given(pulse, widths)),
            compliance=False,
        )

    def read(self, bias: Bias) -> Reading:
        """Drive one side and sense the other; see `Crossbar.read`."""
        check_bias(bias, self._capabilities)
        conductance = self._conductance
        levels = np.atleast_2d(bias.levels)
        used = np.nan_to_num(levels)
        forward = bias.orientation == "forward"
        currents = used @ (conductance if forward else conductance.T)
        duration = self._capabilities.timing.read_time
        power = (used**2) @ conductance.sum(axis=1 if forward else 0)
        return Reading(
            currents=currents[0] if bias.levels.ndim == 1 else currents,
            noise=0.0,
            elapsed=duration * len(levels),
            energy=duration * float(power.sum()),
            compliance=False,
        )

    def safe(self) -> SafeState:
        """Nothing is ever on."""
        return SafeState(proven=True, detail="an ideal crossbar has no outputs")

    def _given(self, pulse: Pulse, widths: Floats) -> float:
        """Energy that a pulse gives to the cells in their present states, J."""
        rows, columns = np.nan_to_num(pulse.rows), np.nan_to_num(pulse.columns)
        wired = ~np.isnan(pulse.columns)
        held = widths * ~np.isnan(pulse.rows)
        # G (r - c)^2, taken apart so that no matrix but G is touched.
        squares = self._conductance @ np.column_stack((wired, columns, columns**2))
        return float(held @ (rows**2 * squares[:, 0] - 2.0 * rows * squares[:, 1] + squares[:, 2]))

    def _switch(self, pulse: Pulse, widths: Floats) -> None:
        least = _CUTOFF * self._median
        held = np.flatnonzero((widths > 0.0) & reached(pulse.rows, pulse.columns, least))
        across = np.flatnonzero(reached(pulse.columns, pulse.rows, least))
        block = np.ix_(held, across)
        volts = np.nan_to_num(pulse.rows[held, None] - pulse.columns[None, across])
        away = np.where(self._state[block] == 1, -volts, volts)
        i, j = np.nonzero(away > least)
        if i.size == 0:
            return
        rows, columns = held[i], across[j]
        factor = self._log_factor[self._state[rows, columns], rows, columns]
        eta = np.log(np.log(2.0) * widths[rows] / self._width) + factor
        eta += _STEEPNESS * np.log(away[i, j] / self._median)
        flips = self._rng.random(rows.size) < -np.expm1(-np.exp(eta))
        rows, columns = rows[flips], columns[flips]
        self._state[rows, columns] ^= 1
        self._conductance[rows, columns] = np.where(self._state[rows, columns] == 1, _PARALLEL, _ANTIPARALLEL)


def reached(levels: Floats, others: Floats, least: float) -> NDArray[np.bool_]:
    """Lines at `levels`, (lines,), V, of which some line of `others` is more than `least` V away; a floating
    line, NaN, is away from none."""
    known = others[~np.isnan(others)]
    if known.size == 0:
        return np.zeros(levels.size, dtype=np.bool_)
    away = np.maximum(np.abs(levels - known.min()), np.abs(levels - known.max()))
    return np.asarray(np.nan_to_num(away) > least, dtype=np.bool_)


def ideal_median(search_from: float, search_to: float) -> float:
    """A median voltage that calibration between these amplitudes finds with room on both sides, V."""
    return float(search_from ** (1.0 / 3.0) * search_to ** (2.0 / 3.0))


def ideal_spread(critical_voltage: float, delta: float, width: float) -> float:
    """Spread of ln F that relative spreads of V_c0 and Delta amount to, where half of the cells switch.

    Args:
        critical_voltage: relative standard deviation.
        delta: relative standard deviation.
        width: s; ln(width / 1 ns) is the barrier in units of kT there.
    """
    return float(np.hypot(_STEEPNESS * critical_voltage, np.log(width / 1e-9) * delta))
