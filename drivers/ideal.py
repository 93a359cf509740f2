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

    @property
    def capabilities(self) -> Capabilities:
        """Those of the crossbar it stands in for, without grids and limited levels."""
        return self._capabilities

    def apply(self, pulse: Pulse) -> Applied:
        """Give a pulse; see `Crossbar.apply`. Cells of a floating line see nothing."""
        check_pulse(pulse, self._capabilities)
        widths = np.broadcast_to(np.asarray(pulse.width, dtype=np.float64), (self._capabilities.rows,))
        volts = np.nan_to_num(pulse.rows[:, None] - pulse.columns[None, :])
        before = self._conductance()
        for _ in range(pulse.repeat):
            self._switch(volts, widths)
        timing = self._capabilities.timing
        longest = float(widths.max())
        given = 0.5 * (before + self._conductance()) * volts**2 * widths[:, None]
        return Applied(
            width=longest,
            elapsed=timing.pulse_overhead + pulse.repeat * (longest + timing.repeat_gap) - timing.repeat_gap,
            energy=pulse.repeat * float(given.sum()),
            compliance=False,
        )

    def read(self, bias: Bias) -> Reading:
        """Drive one side and sense the other; see `Crossbar.read`."""
        check_bias(bias, self._capabilities)
        conductance = self._conductance()
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

    def _conductance(self) -> Floats:
        return np.where(self._state == 1, _PARALLEL, _ANTIPARALLEL)

    def _switch(self, volts: Floats, widths: Floats) -> None:
        away = np.where(self._state == 1, -volts, volts)
        rows, columns = np.nonzero((away > _CUTOFF * self._median) & (widths[:, None] > 0.0))
        if rows.size == 0:
            return
        factor = self._log_factor[self._state[rows, columns], rows, columns]
        eta = np.log(np.log(2.0) * widths[rows] / self._width) + factor
        eta += _STEEPNESS * np.log(away[rows, columns] / self._median)
        flips = self._rng.random(rows.size) < -np.expm1(-np.exp(eta))
        self._state[rows[flips], columns[flips]] ^= 1


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
