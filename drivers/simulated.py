"""The `simulated` backend: the contract on top of a simulated die."""

from dataclasses import dataclass

import numpy as np

from ..sim.array import Resolve, SimulatedArray, Transistors, Wear
from ..sim.device import (
    BackHopping,
    Breakdown,
    Defects,
    Die,
    Drift,
    Heating,
    Junction,
    LifeLaw,
    Spread,
    area_of,
)
from ..sim.die import DEFECTS, draw_tile
from ..sim.known import KnownCells
from ..sim.network import Wires
from ..sim.parameters import PARAMETERS, check_parameter, default_of
from ..sim.spreads import decompose
from ..sim.switching import LawName
from ..sim.view import TileView, correlations, drawn_spreads, target_spreads
from .checks import check_bias, check_pulse, on_grid
from .compiled_crossbar import CompiledCrossbar, compile_crossbar
from .contract import Applied, Bias, Capabilities, Kind, Pulse, Reading, SafeState, Timing
from .guard import Limits

__all__ = [
    "DEFECTS",
    "PARAMETERS",
    "BackHopping",
    "Breakdown",
    "Defects",
    "Die",
    "Drift",
    "Electronics",
    "Heating",
    "Junction",
    "KnownCells",
    "LawName",
    "LifeLaw",
    "Resolve",
    "SimulatedArray",
    "SimulatedCrossbar",
    "Spread",
    "TileView",
    "Transistors",
    "Wear",
    "Wires",
    "area_of",
    "check_parameter",
    "correlations",
    "decompose",
    "default_of",
    "drawn_spreads",
    "simulated_tile",
    "target_spreads",
]


@dataclass(frozen=True)
class Electronics:
    """What drives and senses the simulated array.

    Attributes:
        voltage_range: largest magnitude of a line level, V.
        voltage_resolution: step of a level, V; 0 for none.
        minimum_width: shortest pulse, s.
        maximum_width: longest pulse, s.
        width_resolution: step of the width, s; 0 for none.
        read_noise: standard deviation of one sensed current, A.
        line_current: compliance of every line, A.
        timing: costs in bench time.
        distinct_levels: different levels besides 0 V at once in a pulse; None for one a line.
        read_levels: the same in a read.
    """

    voltage_range: float
    voltage_resolution: float
    minimum_width: float
    maximum_width: float
    width_resolution: float
    read_noise: float
    line_current: float
    timing: Timing
    distinct_levels: int | None = None
    read_levels: int | None = None


class SimulatedCrossbar:
    """A crossbar whose junctions are simulated; what it hides is the array it holds."""

    def __init__(self, array: SimulatedArray, kind: Kind, electronics: Electronics) -> None:
        rows, columns = array.shape
        self._array = array
        self._electronics = electronics
        self._capabilities = Capabilities(
            rows=rows,
            columns=columns,
            kind=kind,
            voltage_range=electronics.voltage_range,
            voltage_resolution=electronics.voltage_resolution,
            minimum_width=electronics.minimum_width,
            maximum_width=electronics.maximum_width,
            width_resolution=electronics.width_resolution,
            distinct_levels=electronics.distinct_levels,
            read_levels=electronics.read_levels,
            floating_lines=True,
            transposed_read=True,
            gate_lines=kind == "1T1R",
            timing=electronics.timing,
        )

    @property
    def capabilities(self) -> Capabilities:
        """Constant while the crossbar is open."""
        return self._capabilities

    @property
    def array(self) -> SimulatedArray:
        """The hidden array, for tests and for the bench that stores a chip; experiments never see it."""
        return self._array

    def compiled(self, limits: Limits) -> CompiledCrossbar:
        """This very crossbar, behind a guard with these limits, for compiled code."""
        electronics = self._electronics
        return compile_crossbar(
            self._array.compiled, limits, electronics.line_current,
            (electronics.minimum_width, electronics.maximum_width), electronics.voltage_range,
            electronics.voltage_resolution, electronics.read_noise, electronics.timing,
        )  # fmt: skip

    def apply(self, pulse: Pulse) -> Applied:
        """Give a pulse; see `Crossbar.apply`."""
        check_pulse(pulse, self._capabilities)
        electronics, timing = self._electronics, self._electronics.timing
        widths = on_grid(np.asarray(pulse.width, dtype=np.float64), electronics.width_resolution)
        outcome = self._array.apply(
            on_grid(pulse.rows, electronics.voltage_resolution),
            on_grid(pulse.columns, electronics.voltage_resolution),
            widths,
            pulse.repeat,
        )
        width = float(widths.max())
        # Flips toward P raise the current from one repeat to the next.
        return Applied(
            width=width,
            elapsed=timing.pulse_overhead + pulse.repeat * (width + timing.repeat_gap) - timing.repeat_gap,
            row_currents=outcome.row_currents,
            column_currents=outcome.column_currents,
            energy=outcome.energy,
            compliance=outcome.peak_current > electronics.line_current,
        )

    def read(self, bias: Bias) -> Reading:
        """Drive one side and sense the other; see `Crossbar.read`."""
        check_bias(bias, self._capabilities)
        electronics = self._electronics
        duration = electronics.timing.read_time
        levels = np.atleast_2d(on_grid(bias.levels, electronics.voltage_resolution))
        outcome = self._array.read(levels, bias.orientation == "forward", duration, electronics.read_noise)
        return Reading(
            currents=outcome.currents[0] if bias.levels.ndim == 1 else outcome.currents,
            noise=electronics.read_noise,
            elapsed=duration * len(levels),
            energy=outcome.energy,
            compliance=outcome.peak_current > electronics.line_current,
            peak_current=outcome.peak_current,
        )

    def safe(self) -> SafeState:
        """A simulated bench is at 0 V between operations, so this is always proven."""
        return SafeState(proven=True, detail="simulated outputs are at 0 V between operations")


def simulated_tile(
    die: Die,
    rows: int,
    columns: int,
    wires: Wires,
    transistors: Transistors | None,
    electronics: Electronics,
    seed: int,
    tile: int,
    resolve: Resolve = "frozen",
) -> SimulatedCrossbar:
    """Draw tile number `tile` of the die with this seed and put it behind the contract.

    Raises:
        ValueError: the die cannot be drawn, see `mtjloop.sim.die.draw_tile`.
    """
    drawn = draw_tile(die, rows, columns, seed, tile)
    array = SimulatedArray(drawn, wires, transistors, seed, tile, resolve)
    kind: Kind = "passive" if transistors is None else "1T1R"
    return SimulatedCrossbar(array, kind, electronics)
