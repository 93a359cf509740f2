"""A part of a layer on one tile: its reads, maps and select pulses."""

import math
from dataclasses import dataclass

import numpy as np

from ...compiled import kernel
from ...drivers.contract import Floats, Orientation, Pulse
from ...errors import ConfigurationError, ProtocolError
from ..bit_serial import sense
from ..calibration import Calibration
from ..journal import States
from ..mapping import ResistanceMap, map_crossbar
from ..recorded import RecordedCrossbar
from ..selection import Flags, Scheme, select_pulse
from ..settings import ReadSettings
from .placement import Place
from .weights import WeightLayout, add_scaled, gather_outputs, spread_errors

_SCALE_READS = 64


@dataclass(frozen=True)
class KnownTile:
    """What is known of a tile: its calibration, and siemens of weight 1 in forward and transposed reads."""

    calibration: Calibration
    steps: tuple[float, float]


class Block:
    """A block of weights in the first rows and columns of a crossbar.

    Attributes:
        crossbar: where the weights live; lines beyond the block are read at 0 V and never selected.
        place: of the block within its layer.
        layout: how weights are made of cells.
        cell_signs: +1 or -1 for each cell column, (cell columns,).
        read: how signals are read.

    Args:
        crossbar: see above.
        place: see above.
        layout: see above.
        read: largest level of a read, how signals become levels, and reads averaged for a map.

    Raises:
        ConfigurationError: the block does not fit the tile, or the bench cannot read as asked.
    """

    def __init__(
        self, crossbar: RecordedCrossbar, place: Place, layout: WeightLayout, read: ReadSettings
    ) -> None:
        read.check(crossbar.capabilities)
        self._rows, self._columns = crossbar.capabilities.shape
        needed = layout.columns(place.outputs)
        if place.inputs > self._rows or needed > self._columns:
            raise ConfigurationError(
                f"tile {crossbar.tile} has {self._rows} rows and {self._columns} columns; {place.inputs} "
                f"inputs and {place.outputs} outputs need {place.inputs} rows and {needed} columns; enlarge "
                "the tiles of the bench"
            )
        self.crossbar, self.place, self.layout = crossbar, place, layout
        self.cell_signs = layout.signs(place.outputs)
        self.read = read
        self._calibration: Calibration | None = None
        self._forward_step = self._backward_step = 1.0

    @property
    def calibration(self) -> Calibration:
        """What was measured of the cells.

        Raises:
            ConfigurationError: the block was not calibrated.
        """
        if self._calibration is None:
            raise ConfigurationError(
                f"tile {self.crossbar.tile} was read as weights before it was calibrated"
            )
        return self._calibration

    @property
    def known(self) -> KnownTile:
        """What was measured of this tile, to be taken up again by `resume`."""
        return KnownTile(self.calibration, self.current_steps)

    @property
    def current_steps(self) -> tuple[float, float]:
        """Conductance in S that stands for weight 1, in forward and in transposed reads."""
        return self._forward_step, self._backward_step

    @property
    def gated(self) -> bool:
        """Whether each row has a gate."""
        return self.crossbar.capabilities.gate_lines

    def calibrate(self, calibration: Calibration, rng: np.random.Generator) -> None:
        """Find the scale from current to weight by reading this very chip.

        Random inputs are read and compared with what the mapped states say; the slope absorbs the drop
        along the wires with many lines active.
        """
        step = calibration.levels.conductance_step * self.layout.unit
        self.resume(KnownTile(calibration, (step, step)))
        weights = self.layout.weights_of(self.cells(self.map().state))
        self._forward_step *= self._slope(True, weights, rng)
        self._backward_step *= self._slope(False, weights, rng)

    def resume(self, known: KnownTile) -> None:
        """Take up what was measured of this very crossbar earlier."""
        self._calibration = known.calibration
        self._forward_step, self._backward_step = known.steps

    def add_forward(self, signals: Floats, sums: Floats) -> None:
        """Add x W of this block, in units of one weight and read through the crossbar, to the sums.

        Args:
            signals: of the whole layer, (reads, inputs); each read is scaled to the full read range.
            sums: of the whole layer, (reads, outputs), changed.
        """
        levels, sizes = self._levels(signals, self.place.first_input, self.place.inputs, self._rows)
        currents = self._sensed(levels, "forward")
        layout = self.layout
        gather_outputs(
            currents, self.cell_signs, layout.each, layout.devices, layout.references,
            layout.reference_share, sizes / (self._forward_step * self.read.voltage),
            self.place.first_output, sums,
        )  # fmt: skip

    def add_backward(self, errors: Floats, sums: Floats) -> None:
        """Add W d of this block, read with the columns driven, to the sums.

        Args:
            errors: of the whole layer, (reads, outputs).
            sums: of the whole layer, (reads, inputs), changed.
        """
        layout, place = self.layout, self.place
        used = layout.columns(place.outputs)
        signals = np.empty((len(errors), used))
        spread_errors(
            errors, self.cell_signs, layout.each, layout.references, layout.reference_share,
            place.first_output, signals,
        )  # fmt: skip
        levels, sizes = self._levels(signals, 0, used, self._columns)
        currents = self._sensed(levels, "transposed")
        scales = sizes / (layout.devices * self._backward_step * self.read.voltage)
        add_scaled(currents, scales, place.first_input, place.inputs, sums)

    def map(self) -> ResistanceMap:
        """Resistance and state of every cell of the crossbar."""
        return map_crossbar(self.crossbar, self.read, self.calibration.levels.threshold)

    def cells(self, values: States) -> States:
        """What a map (rows, columns) says of the cells of the block, (inputs, cell columns)."""
        return values[: self.place.inputs, : len(self.cell_signs)]

    def used(self) -> Flags:
        """Which cells of the crossbar hold weights or references, (rows, columns)."""
        flags = np.zeros((self._rows, self._columns), dtype=np.bool_)
        flags[: self.place.inputs, : self.layout.columns(self.place.outputs)] = True
        return flags

    def target(self, cells: States | None) -> States:
        """What to program, (rows, columns): the layer's cells that lie here and the references; -1 elsewhere.

        Args:
            cells: of the whole layer, (inputs, cell columns); None for the references alone.
        """
        place, each = self.place, self.layout.each
        whole = np.full((self._rows, self._columns), -1, dtype=np.int8)
        if cells is not None:
            whole[: place.inputs, : len(self.cell_signs)] = cells[
                place.first_input : place.first_input + place.inputs,
                each * place.first_output : each * (place.first_output + place.outputs),
            ]
        end = len(self.cell_signs)
        whole[: place.inputs, end : end + self.layout.references] = self.layout.reference_states(place.inputs)
        return whole

    def select(
        self, rows: Flags, columns: Flags, polarity: int, amplitude: float, width: float, scheme: Scheme
    ) -> Pulse:
        """A pulse for chosen inputs (inputs,) and cell columns (cell columns,) of the block; V and s."""
        whole_rows, whole_columns = (np.zeros(n, dtype=np.bool_) for n in (self._rows, self._columns))
        whole_rows[: len(rows)] = rows
        whole_columns[: len(columns)] = columns
        return select_pulse(whole_rows, whole_columns, polarity, amplitude, width, scheme, gated=self.gated)

    def _sensed(self, levels: Floats, orientation: Orientation) -> Floats:
        """Currents of reads, (reads, sensed)."""
        one = len(levels) == 1
        found = sense(self.crossbar, levels[0] if one else levels, orientation, self.read)
        return found.reshape(len(levels), -1)

    def _slope(self, forward: bool, weights: Floats, rng: np.random.Generator) -> float:
        """Read over wanted for random signals; 1 where a comparison says nothing."""
        place = self.place
        first, lines = (place.first_input, place.inputs) if forward else (place.first_output, place.outputs)
        signals = np.zeros((_SCALE_READS, first + lines))
        signals[:, first:] = rng.uniform(-1.0, 1.0, (_SCALE_READS, lines))
        wanted = signals[:, first:] @ (weights if forward else weights.T)
        other = place.first_output + place.outputs if forward else place.first_input + place.inputs
        sums = np.zeros((_SCALE_READS, other))
        if forward:
            self.add_forward(signals, sums)
        else:
            self.add_backward(signals, sums)
        found = sums[:, place.first_output if forward else place.first_input :]
        power = float((wanted * wanted).sum())
        slope = float((wanted * found).sum()) / power if power > 0.0 else 1.0
        return slope if slope > 0.1 else 1.0

    def _levels(self, signals: Floats, first: int, count: int, lines: int) -> tuple[Floats, Floats]:
        """Line levels for some of the signals, and the size of each read that they were scaled by."""
        levels, sizes = np.zeros((len(signals), lines)), np.empty(len(signals))
        if not scale_to(self.read.voltage, signals, first, count, levels, sizes):
            # NaN would float a line; a numeric failure must not pass for that.
            raise ProtocolError("a signal to be read is not finite; lower the rates of the training section")
        return levels, sizes


@kernel
def scale_to(voltage: float, signals: Floats, first: int, count: int, levels: Floats, sizes: Floats) -> bool:
    """Scale some signals so that the largest magnitude of each read is `voltage`.

    Args:
        voltage: V.
        signals: (reads, lines of the layer).
        first: place of the first signal.
        count: of signals.
        levels: returned in the first lines, (reads, lines of the tile), V.
        sizes: returned, largest magnitude of each read, (reads,); 1 for a read of zeros.

    Returns:
        Whether all signals are finite.
    """
    for read in range(signals.shape[0]):
        largest = 0.0
        for line in range(count):
            if not math.isfinite(signals[read, first + line]):
                return False
            largest = max(largest, abs(signals[read, first + line]))
        sizes[read] = largest if largest > 0.0 else 1.0
        for line in range(count):
            levels[read, line] = signals[read, first + line] * (voltage / sizes[read])
    return True
