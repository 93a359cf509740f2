"""How weights are made of cells: which columns an output takes, and how currents become weights.

`pair`: an output takes m plus and m minus cells in every row, side by side on 2 m columns;
w = (sum of s_plus - sum of s_minus) / (2 m), so w is -1, 0 or 1 for m = 1.
`reference`: an output takes m cells in every row, whose current is compared with that of two reference
columns shared by all outputs of a tile; one holds P where the other holds AP, so that their mean lies
half-way between the two states. w = (sum of s) / m, so w is -1 or 1 for m = 1.
(s is 1 for a cell in P and -1 in AP.)
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...compiled import kernel
from ...drivers.contract import Floats
from ..journal import States

WeightKind = Literal["pair", "reference"]
REFERENCES = 2
"""Reference columns of a tile."""


@dataclass(frozen=True)
class WeightLayout:
    """How a layer's weights are made of cells.

    Attributes:
        kind: "pair" or "reference".
        devices: cells in parallel on each side of a weight, m >= 1.
    """

    kind: WeightKind = "pair"
    devices: int = 1

    @property
    def each(self) -> int:
        """Cell columns of one output."""
        return 2 * self.devices if self.kind == "pair" else self.devices

    @property
    def references(self) -> int:
        """Reference columns of a tile."""
        return REFERENCES if self.kind == "reference" else 0

    @property
    def reference_share(self) -> float:
        """With what a reference column counts beside a cell column of an output."""
        return -self.devices / REFERENCES if self.kind == "reference" else 0.0

    @property
    def unit(self) -> float:
        """Conductance that stands for weight 1, in steps between P and AP of one cell."""
        return 1.0 if self.kind == "pair" else 0.5

    def columns(self, outputs: int) -> int:
        """Columns that some outputs take on one tile, reference columns included."""
        return self.each * outputs + self.references

    def outputs_within(self, columns: int) -> int:
        """Outputs that fit on a tile of so many columns."""
        return max(0, (columns - self.references) // self.each)

    def signs(self, outputs: int) -> Floats:
        """+1 for columns whose cells raise a weight in P, -1 for those that lower it, (each * outputs,)."""
        if self.kind == "pair":
            return np.tile(np.repeat([1.0, -1.0], self.devices), outputs)
        return np.ones(self.devices * outputs)

    def reference_states(self, rows: int) -> States:
        """States of the reference columns, (rows, references): P beside AP, by turns."""
        turns = np.indices((rows, self.references)).sum(axis=0) % 2
        return np.asarray(turns, dtype=np.int8)

    def weights_of(self, cells: States) -> Floats:
        """Weights (inputs, outputs) of states (inputs, cell columns); an unreadable cell counts as AP."""
        outputs = cells.shape[1] // self.each
        sums = np.zeros((len(cells), outputs))
        gather_outputs(
            np.where(cells == 1, 1.0, -1.0), self.signs(outputs), self.each, self.devices, 0, 0.0,
            np.ones(len(cells)), 0, sums,
        )  # fmt: skip
        return 0.5 / self.unit * sums

    def cells_of(self, signs: States) -> States:
        """States (inputs, cell columns) of the largest weights of given signs -1 or 1, (inputs, outputs)."""
        wanted = np.repeat(signs, self.each, axis=1) * self.signs(signs.shape[1])
        return (wanted > 0).astype(np.int8)


@kernel
def gather_outputs(
    values: Floats, signs: Floats, each: int, devices: int, references: int, share: float, scales: Floats,
    first: int, sums: Floats,
) -> None:  # fmt: skip
    """Add what the columns of a tile say of its outputs to the sums of the layer.

    Args:
        values: (reads, columns): cell columns, then reference columns, then any others.
        signs: of the cell columns, (each outputs of the tile,).
        each: cell columns of an output.
        devices: cells on each side of a weight.
        references: number of reference columns.
        share: with what a reference column counts.
        scales: (reads,).
        first: first output of the tile within the layer.
        sums: (reads, outputs of the layer); those of the tile are changed.
    """
    outputs = signs.size // each
    for read in range(values.shape[0]):
        common = 0.0
        for column in range(signs.size, signs.size + references):
            common += values[read, column] * share
        for output in range(outputs):
            total = 0.0
            for column in range(output * each, (output + 1) * each):
                total += values[read, column] * signs[column]
            sums[read, first + output] += (total + common) / devices * scales[read]


@kernel
def spread_errors(
    errors: Floats, signs: Floats, each: int, references: int, share: float, first: int, signals: Floats
) -> None:
    """Signals of the columns of a tile for a transposed read.

    Args:
        errors: (reads, outputs of the layer).
        signs: of the cell columns, (each outputs of the tile,).
        each: cell columns of an output.
        references: number of reference columns.
        share: with what a reference column counts.
        first: first output of the tile within the layer.
        signals: returned, (reads, cell and reference columns).
    """
    for read in range(errors.shape[0]):
        common = 0.0
        for column in range(signs.size):
            error = errors[read, first + column // each]
            signals[read, column] = error * signs[column]
            if column % each == 0:
                common += error
        for column in range(signs.size, signs.size + references):
            signals[read, column] = share * common


@kernel
def add_scaled(values: Floats, scales: Floats, first: int, count: int, sums: Floats) -> None:
    """Add the first `count` lines of each read, times its scale, to the sums from place `first` on.

    Args:
        values: (reads, at least `count`).
        scales: (reads,).
        first: place of the first line within the layer.
        count: lines of the tile in use.
        sums: (reads, lines of the layer), changed.
    """
    for read in range(values.shape[0]):
        for line in range(count):
            sums[read, first + line] += values[read, line] * scales[read]
