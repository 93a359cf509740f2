"""A crossbar for tests of experiments: no wires, spread or noise, and defects on demand."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.drivers.checks import check_bias, check_pulse
from mtjloop.drivers.contract import Applied, Bias, Capabilities, Pulse, Reading, SafeState, Timing

Floats = NDArray[np.float64]
TIMING = Timing(pulse_overhead=1e-5, repeat_gap=1e-5, read_time=1e-5)


@dataclass
class IdealCrossbar:
    """Cells that switch with a probability of their own law, P = 1 - 2^-((V/V0)^20).

    Attributes:
        rows: of the array.
        columns: of the array.
        stuck: (row, column) -> state that the cell keeps.
        median_voltage: V0, where P is one half.
        seed: of the draws.
        distinct_levels: different levels besides 0 V in a pulse; None for one a line.
        read_levels: the same in a read.
        gates: whether each row has a gate of its own; the hazard of a cell is proportional to the width.
    """

    rows: int
    columns: int
    stuck: dict[tuple[int, int], int] = field(default_factory=dict)
    median_voltage: float = 0.3
    seed: int = 0
    distinct_levels: int | None = None
    read_levels: int | None = None
    gates: bool = False

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.state = self.rng.integers(0, 2, (self.rows, self.columns))
        self.pulses: list[Pulse] = []
        self.reads = 0
        self._stick()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            rows=self.rows,
            columns=self.columns,
            kind="1T1R" if self.gates else "passive",
            voltage_range=2.0,
            voltage_resolution=0.0,
            minimum_width=1e-6,
            maximum_width=1.0,
            width_resolution=0.0,
            distinct_levels=self.distinct_levels,
            read_levels=self.read_levels,
            floating_lines=True,
            transposed_read=True,
            gate_lines=self.gates,
            timing=TIMING,
        )

    @property
    def conductance(self) -> Floats:
        return np.where(self.state == 1, 2e-4, 1e-4)

    def probability(self, volts: float) -> float:
        return float(1.0 - 2.0 ** -((abs(volts) / self.median_voltage) ** 20))

    def apply(self, pulse: Pulse) -> Applied:
        check_pulse(pulse, self.capabilities)
        self.pulses.append(pulse)
        volts = np.nan_to_num(pulse.rows)[:, None] - np.nan_to_num(pulse.columns)
        share = np.asarray(pulse.width, dtype=np.float64).reshape(-1, 1) / 1e-4 if self.gates else 1.0
        for _ in range(pulse.repeat):
            p = 1.0 - 2.0 ** -((np.abs(volts) / self.median_voltage) ** 20 * share)
            away = np.where(self.state == 1, volts < 0, volts > 0)
            flips = away & (self.rng.random(self.state.shape) < p)
            self.state = np.where(flips, 1 - self.state, self.state)
        self._stick()
        return Applied(float(np.max(pulse.width)), 1e-4, energy=1e-9)

    def read(self, bias: Bias) -> Reading:
        check_bias(bias, self.capabilities)
        self.reads += len(np.atleast_2d(bias.levels))
        g = self.conductance if bias.orientation == "forward" else self.conductance.T
        return Reading(bias.levels @ g, 0.0, 1e-5)

    def safe(self) -> SafeState:
        return SafeState(True)

    def _stick(self) -> None:
        for cell, state in self.stuck.items():
            self.state[cell] = state


@pytest.fixture
def ideal() -> Callable[..., IdealCrossbar]:
    """Maker of ideal crossbars."""
    return IdealCrossbar
