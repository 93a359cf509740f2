"""One layer of weights on crossbars: blocks on tiles, whose partial sums add in the controller."""

from collections.abc import Sequence

import numpy as np

from ...drivers.contract import Floats
from ...errors import ConfigurationError
from ..journal import States
from ..mapping import ResistanceMap
from ..recorded import RecordedCrossbar
from ..settings import ReadSettings
from .block import Block
from .placement import Place
from .weights import WeightLayout


class CrossbarLayer:
    """A layer of weights.

    Attributes:
        inputs: of the layer.
        outputs: of the layer.
        layout: how weights are made of cells.
        blocks: in the order in which their partial sums are added.

    Args:
        crossbars: of the bench, by the number of their tile.
        places: blocks of the layer, from `place_layers`.
        read: how signals are read.
        layout: see above.

    Raises:
        ConfigurationError: a block does not fit its tile, or the bench cannot read as asked.
    """

    def __init__(
        self,
        crossbars: Sequence[RecordedCrossbar],
        places: Sequence[Place],
        read: ReadSettings,
        layout: WeightLayout,
    ) -> None:
        self.inputs = max(place.first_input + place.inputs for place in places)
        self.outputs = max(place.first_output + place.outputs for place in places)
        self.layout = layout
        self.blocks = tuple(Block(crossbars[place.tile], place, layout, read) for place in places)

    def forward(self, signals: Floats) -> Floats:
        """x W in units of one weight, read through the crossbars.

        Args:
            signals: (inputs,) or (reads, inputs).
        """
        rows = np.ascontiguousarray(np.atleast_2d(signals))
        sums = np.zeros((len(rows), self.outputs))
        for block in self.blocks:
            block.add_forward(rows, sums)
        return sums[0] if signals.ndim == 1 else sums

    def backward(self, errors: Floats) -> Floats:
        """W d in units of one weight, read through the crossbars with the columns driven.

        Args:
            errors: (outputs,) or (reads, outputs).
        """
        rows = np.ascontiguousarray(np.atleast_2d(errors))
        sums = np.zeros((len(rows), self.inputs))
        for block in self.blocks:
            block.add_backward(rows, sums)
        return sums[0] if errors.ndim == 1 else sums

    def maps(self) -> list[ResistanceMap]:
        """A map of the tile of every block."""
        return [block.map() for block in self.blocks]

    def cells(self, maps: Sequence[ResistanceMap]) -> States:
        """States of all cells of the layer, (inputs, cell columns), from the maps of its blocks."""
        each = self.layout.each
        whole = np.full((self.inputs, each * self.outputs), -1, dtype=np.int8)
        for block, found in zip(self.blocks, maps, strict=True):
            place = block.place
            whole[
                place.first_input : place.first_input + place.inputs,
                each * place.first_output : each * (place.first_output + place.outputs),
            ] = block.cells(found.state)
        return whole

    def check_cells(self, cells: States) -> None:
        """Refuse states that are not those of this layer.

        Raises:
            ConfigurationError: another shape.
        """
        wanted = self.inputs, self.layout.each * self.outputs
        if cells.shape != wanted:
            raise ConfigurationError(
                f"stored states of shape {cells.shape} are no layer of {wanted[0]} rows and {wanted[1]} cell "
                "columns; take the data set and the network that belong together"
            )
