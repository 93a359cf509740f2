"""Which part of which layer goes on which tile.

A layer is cut into row blocks and column blocks, each on a tile of its own; the controller adds what the row
blocks give. Tiles are taken in the order of the bench. Of the ways to cut that fit, the one with the fewest
blocks is taken, and its blocks are made as equal as can be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...drivers.contract import Crossbar
from ...errors import ConfigurationError
from ..journal import Journal
from ..recorded import RecordedCrossbar
from .weights import WeightLayout

Shape = tuple[int, int]


@dataclass(frozen=True)
class TileLimit:
    """Most rows and columns of a tile that a layer may use; None for all."""

    rows: int | None = None
    columns: int | None = None

    def within(self, shape: Shape) -> Shape:
        """What may be used of a tile of this shape."""
        return min(shape[0], self.rows or shape[0]), min(shape[1], self.columns or shape[1])


@dataclass(frozen=True)
class Place:
    """A block of a layer: inputs and outputs, each from the first on, and the number of its tile."""

    tile: int
    first_input: int
    inputs: int
    first_output: int
    outputs: int


def layer_sizes(
    features: int, hidden: tuple[int, ...], classes: int, constants: int
) -> list[tuple[int, int]]:
    """(inputs, outputs) of every layer; the first gets `constants` constant inputs after the features."""
    outputs = [*hidden, classes]
    return list(zip([features + constants, *hidden], outputs, strict=True))


def place_layers(
    shapes: Sequence[Shape],
    sizes: Sequence[tuple[int, int]],
    layout: WeightLayout,
    limit: TileLimit | None = None,
) -> list[tuple[Place, ...]]:
    """Blocks of every layer, row block by row block.

    Args:
        shapes: (rows, columns) of every tile of the bench.
        sizes: (inputs, outputs) of every layer.
        layout: columns that outputs take.
        limit: most that may be used of a tile.

    Raises:
        ConfigurationError: the tiles do not suffice.
    """
    limit = TileLimit() if limit is None else limit
    free = dict(enumerate(limit.within(shape) for shape in shapes))
    placed = []
    for number, (inputs, outputs) in enumerate(sizes):
        best: tuple[Place, ...] | None = None
        for shape in dict.fromkeys(free.values()):
            found = _cut(free, shape, inputs, outputs, layout)
            if found is not None and (best is None or len(found) < len(best)):
                best = found
        if best is None:
            raise ConfigurationError(_too_few(number, len(sizes), inputs, outputs, layout, shapes, free))
        for place in best:
            del free[place.tile]
        placed.append(best)
    return placed


def record_tiles(
    crossbars: Sequence[Crossbar], count: int, journal: Journal | None
) -> tuple[RecordedCrossbar, ...]:
    """The first `count` crossbars of a bench, recorded.

    Raises:
        ConfigurationError: there are fewer.
    """
    if len(crossbars) < count:
        raise ConfigurationError(
            f"{count} tiles are needed and the bench has {len(crossbars)}; use a bench with more tiles"
        )
    return tuple(RecordedCrossbar(one, number, journal) for number, one in enumerate(crossbars[:count]))


def tiles_used(placed: Sequence[Sequence[Place]]) -> int:
    """How many of the first tiles of a bench hold all blocks."""
    return 1 + max(place.tile for layer in placed for place in layer)


def _cut(
    free: dict[int, Shape], shape: Shape, inputs: int, outputs: int, layout: WeightLayout
) -> tuple[Place, ...] | None:
    """Cut a layer for tiles of one shape; None if the free tiles do not suffice."""
    fitting = layout.outputs_within(shape[1])
    if fitting == 0:
        return None
    rows, columns = _shares(inputs, shape[0]), _shares(outputs, fitting)
    if len(rows) * len(columns) > len(free):
        return None
    left = dict(free)
    places = []
    first_input = 0
    for some_inputs in rows:
        first_output = 0
        for some_outputs in columns:
            wide = layout.columns(some_outputs)
            tile = next((k for k, (r, c) in left.items() if r >= some_inputs and c >= wide), None)
            if tile is None:
                return None
            del left[tile]
            places.append(Place(tile, first_input, some_inputs, first_output, some_outputs))
            first_output += some_outputs
        first_input += some_inputs
    return tuple(places)


def _shares(count: int, most: int) -> list[int]:
    """`count` lines in as few parts of at most `most` as will do, as equal as can be."""
    parts = math.ceil(count / most)
    return [count // parts + (k < count % parts) for k in range(parts)]


def _too_few(
    number: int, layers: int, inputs: int, outputs: int, layout: WeightLayout, shapes: Sequence[Shape],
    free: dict[int, Shape],
) -> str:  # fmt: skip
    """Why a layer found no place."""
    wanted = (
        f"layer {number} of {layers} has {inputs} inputs and {outputs} outputs and needs {inputs} rows and "
        f"{layout.columns(outputs)} columns in all"
    )
    if not free:
        return (
            f"{wanted}; the bench has {len(shapes)} tiles, and the layers before take them all; each layer "
            "needs tiles of its own; use a bench with more tiles"
        )
    rows, columns = max(free.values(), key=lambda shape: shape[0] * shape[1])
    fitting = layout.outputs_within(columns)
    parts = math.ceil(inputs / rows) * math.ceil(outputs / fitting) if fitting else None
    needed = "a tile with more columns" if parts is None else f"{parts} tiles of that size"
    return (
        f"{wanted}; the largest of the {len(free)} tiles that are left offers {rows} rows and {columns} "
        f"columns, so it would take {needed}; enlarge the tiles of the bench or give it more of them "
        "(simulated.die.tiles, count), raise network.tile, or shrink network.hidden in the experiment file"
    )
