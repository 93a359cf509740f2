"""One layer of weights on a crossbar: `pair` weights, forward and transposed reads, select pulses.

Weight (i, j) is m plus cells and m minus cells of row i, side by side on 2 m columns:
w = (sum of s_plus - sum of s_minus) / (2 m) with s = 1 for P and -1 for AP, so w is -1, 0 or 1 for m = 1.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ...compiled import kernel
from ...drivers.contract import Floats, Pulse
from ...errors import ConfigurationError, ProtocolError
from ..bit_serial import sense
from ..calibration import Calibration
from ..journal import States
from ..mapping import ResistanceMap, map_crossbar
from ..recorded import RecordedCrossbar
from ..selection import Flags, Scheme, select_pulse
from ..settings import ReadSettings

_SCALE_READS = 64


class PairLayer:
    """A layer of `inputs` x `outputs` pair weights in the first rows and columns of a crossbar.

    Attributes:
        cell_signs: +1 for columns of plus cells, -1 for those of minus cells, (2 m outputs,).

    Args:
        crossbar: where the weights live; lines beyond the layer are read at 0 V and never selected.
        inputs: rows used.
        outputs: each takes 2 `devices` columns.
        read: largest level of a read, how signals become levels, and reads averaged for a map.
        devices: cells in parallel on each side of a weight, m >= 1.

    Raises:
        ConfigurationError: the layer does not fit the tile, or the bench cannot read as asked.
    """

    def __init__(
        self,
        crossbar: RecordedCrossbar,
        inputs: int,
        outputs: int,
        read: ReadSettings,
        devices: int = 1,
    ) -> None:
        read.check(crossbar.capabilities)
        rows, columns = crossbar.capabilities.shape
        self.cell_signs: Floats = np.tile(np.repeat([1.0, -1.0], devices), outputs)
        if inputs > rows or len(self.cell_signs) > columns:
            raise ConfigurationError(
                f"tile {crossbar.tile} has {rows} rows and {columns} columns; a layer of {inputs} inputs and "
                f"{outputs} outputs in pairs needs {inputs} rows and {len(self.cell_signs)} columns; enlarge "
                "the tiles of the bench or shrink network.hidden in the experiment file"
            )
        self.crossbar = crossbar
        self.inputs, self.outputs = inputs, outputs
        self._devices = devices
        self._rows, self._columns = rows, columns
        self._read = read
        self._calibration: Calibration | None = None
        self._forward_step = self._backward_step = 1.0

    @property
    def calibration(self) -> Calibration:
        """What was measured of the cells.

        Raises:
            ConfigurationError: the layer was not calibrated.
        """
        if self._calibration is None:
            raise ConfigurationError(
                f"tile {self.crossbar.tile} was read as weights before it was calibrated"
            )
        return self._calibration

    @property
    def current_steps(self) -> tuple[float, float]:
        """Conductance in S that stands for weight 1, in forward and in transposed reads."""
        return self._forward_step, self._backward_step

    def calibrate(self, calibration: Calibration, rng: np.random.Generator) -> None:
        """Find the scale from current to weight by reading this very chip.

        Random inputs are read and compared with what the mapped states say; the slope absorbs the drop
        along the wires with many lines active.
        """
        self._calibration = calibration
        self._forward_step = self._backward_step = calibration.levels.conductance_step
        weights = self.weights_of(self.map().state)
        for forward in (True, False):
            signals = rng.uniform(-1.0, 1.0, (_SCALE_READS, self.inputs if forward else self.outputs))
            wanted = signals @ (weights if forward else weights.T)
            read = self.forward(signals) if forward else self.backward(signals)
            power = float((wanted * wanted).sum())
            slope = float((wanted * read).sum()) / power if power > 0.0 else 1.0
            if slope > 0.1:
                if forward:
                    self._forward_step *= slope
                else:
                    self._backward_step *= slope

    def resume(self, calibration: Calibration, steps: tuple[float, float]) -> None:
        """Take up what was measured of this very crossbar earlier."""
        self._calibration = calibration
        self._forward_step, self._backward_step = steps

    def forward(self, signals: Floats) -> Floats:
        """x W in units of one weight, read through the crossbar.

        Args:
            signals: (inputs,) or (reads, inputs); each read is scaled to the full read range.
        """
        levels, sizes = self._levels(signals, self._rows)
        currents = sense(self.crossbar, levels, "forward", self._read)
        return self._by_output(currents, sizes / (self._forward_step * self._read.voltage))

    def backward(self, errors: Floats) -> Floats:
        """W d in units of one weight, read through the crossbar with the columns driven.

        Args:
            errors: (outputs,) or (reads, outputs).
        """
        signals = np.repeat(errors, 2 * self._devices, axis=-1) * self.cell_signs
        levels, sizes = self._levels(signals, self._columns)
        currents = sense(self.crossbar, levels, "transposed", self._read)[..., : self.inputs]
        scales = sizes / (self._devices * self._backward_step * self._read.voltage)
        scaled: Floats = currents * (scales[0] if signals.ndim == 1 else scales[:, None])
        return scaled

    def map(self) -> ResistanceMap:
        """Resistance and state of every cell of the crossbar."""
        return map_crossbar(self.crossbar, self._read, self.calibration.levels.threshold)

    def weights_of(self, state: States) -> Floats:
        """Weights (inputs, outputs) of a map of states; an unreadable cell counts as AP."""
        return 0.5 * self._by_output(np.where(state[: self.inputs] == 1, 1.0, -1.0))

    def used(self) -> Flags:
        """Which cells of the crossbar hold weights, (rows, columns)."""
        flags = np.zeros((self._rows, self._columns), dtype=np.bool_)
        flags[: self.inputs, : len(self.cell_signs)] = True
        return flags

    def padded(self, state: States) -> States:
        """States of this layer's cells, taken from another tile's map, in the shape of this crossbar.

        Raises:
            ConfigurationError: the map is smaller than the layer.
        """
        used = self.inputs, len(self.cell_signs)
        if state.shape[0] < used[0] or state.shape[1] < used[1]:
            raise ConfigurationError(
                f"stored states of shape {state.shape} hold no layer of {used[0]} rows and {used[1]} columns"
            )
        whole = np.full((self._rows, self._columns), -1, dtype=np.int8)
        whole[: used[0], : used[1]] = state[: used[0], : used[1]]
        return whole

    def select(
        self, rows: Flags, columns: Flags, polarity: int, amplitude: float, width: float, scheme: Scheme
    ) -> Pulse:
        """A pulse for chosen inputs (inputs,) and cell columns (2 m outputs,); V and s."""
        return select_pulse(
            _padded(rows, self._rows), _padded(columns, self._columns), polarity, amplitude, width, scheme
        )

    def _by_output(self, values: Floats, scales: Floats | None = None) -> Floats:
        """Plus cells less minus cells of every output, over m, times a scale for each read.

        (columns,) or (reads, columns) becomes (outputs,) or (reads, outputs).
        """
        rows = np.atleast_2d(values)
        summed = np.empty((len(rows), self.outputs))
        add_pairs(
            rows, self.cell_signs, self._devices, np.ones(len(rows)) if scales is None else scales, summed
        )
        return summed[0] if values.ndim == 1 else summed

    def _levels(self, signals: Floats, lines: int) -> tuple[Floats, Floats]:
        """Line levels for signals, and the size of each signal vector, (reads,), that they were scaled by."""
        rows = np.atleast_2d(signals)
        levels, sizes = np.zeros((len(rows), lines)), np.empty(len(rows))
        if not scale_to(self._read.voltage, rows, levels, sizes):
            # NaN would float a line; a numeric failure must not pass for that.
            raise ProtocolError("a signal to be read is not finite; lower the rates of the training section")
        return levels[0] if signals.ndim == 1 else levels, sizes


@kernel
def scale_to(voltage: float, signals: Floats, levels: Floats, sizes: Floats) -> bool:
    """Scale signals so that the largest magnitude of each read is `voltage`.

    Args:
        voltage: V.
        signals: (reads, used lines).
        levels: returned in the used lines, (reads, lines), V.
        sizes: returned, largest magnitude of each read, (reads,); 1 for a read of zeros.

    Returns:
        Whether all signals are finite.
    """
    for read in range(signals.shape[0]):
        largest = 0.0
        for line in range(signals.shape[1]):
            if not math.isfinite(signals[read, line]):
                return False
            largest = max(largest, abs(signals[read, line]))
        sizes[read] = largest if largest > 0.0 else 1.0
        for line in range(signals.shape[1]):
            levels[read, line] = signals[read, line] * (voltage / sizes[read])
    return True


@kernel
def add_pairs(values: Floats, signs: Floats, devices: int, scales: Floats, sums: Floats) -> None:
    """Plus cells less minus cells of each output over `devices`, times the scale of the read.

    Args:
        values: (reads, at least as many columns as signs).
        signs: of the columns, (2 devices outputs,).
        devices: cells on each side of a weight.
        scales: (reads,).
        sums: returned, (reads, outputs).
    """
    each = 2 * devices
    for read in range(sums.shape[0]):
        for output in range(sums.shape[1]):
            total = 0.0
            for column in range(output * each, (output + 1) * each):
                total += values[read, column] * signs[column]
            sums[read, output] = total / devices * scales[read]


def _padded(flags: Flags, size: int) -> NDArray[np.bool_]:
    whole = np.zeros(size, dtype=np.bool_)
    whole[: len(flags)] = flags
    return whole
