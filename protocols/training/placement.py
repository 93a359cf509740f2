"""Which layer goes on which tile."""

from collections.abc import Sequence

from ...drivers.contract import Crossbar
from ...errors import ConfigurationError
from ..journal import Journal
from ..recorded import RecordedCrossbar


def layer_sizes(features: int, hidden: tuple[int, ...], classes: int) -> list[tuple[int, int]]:
    """(inputs, outputs) of every layer; the first gets a constant input beside the features."""
    outputs = [*hidden, classes]
    return list(zip([features + 1, *hidden], outputs, strict=True))


def record_tiles(
    crossbars: Sequence[Crossbar], layers: int, journal: Journal | None
) -> tuple[RecordedCrossbar, ...]:
    """The first `layers` crossbars, recorded.

    Raises:
        ConfigurationError: there are fewer crossbars than layers.
    """
    if len(crossbars) < layers:
        raise ConfigurationError(
            f"the network has {layers} layers and the bench {len(crossbars)} tiles; each layer needs a "
            "tile of its own; use a bench with more tiles"
        )
    return tuple(RecordedCrossbar(one, number, journal) for number, one in enumerate(crossbars[:layers]))
