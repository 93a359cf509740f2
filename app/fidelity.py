"""Achieved against requested updates, layer by layer, as results carry them and reports show them."""

import math
from collections.abc import Iterator, Sequence

from ..drivers.contract import Floats
from ..protocols.training.fidelity import Estimate, fidelity_of

POLARITIES = ("both", "to_p", "to_ap")
Row = dict[str, object]


def fidelity_rows(audits: Sequence[Floats], encoding: str, kind: str) -> list[Row]:
    """One row for each layer and polarity that was audited, as JSON goes (None for what is not known).

    Args:
        audits: of every trained layer, (audits, 2, groups, 3), see `Updater.audits`.
        encoding: of the experiment.
        kind: of the crossbar.
    """
    return [row for layer, found in enumerate(audits) for row in _rows(layer, found, encoding, kind)]


def _rows(layer: int, audits: Floats, encoding: str, kind: str) -> Iterator[Row]:
    """Both polarities together, then each alone."""
    if not len(audits):
        return
    both = audits.reshape(len(audits), -1, audits.shape[-1])
    for polarity, part in zip(POLARITIES, (both, audits[:, 0], audits[:, 1]), strict=True):
        if not part[:, :, 0].sum() > 0.0:
            continue
        found = fidelity_of(part)
        yield {
            "layer": layer,
            "encoding": encoding,
            "kind": kind,
            "polarity": polarity,
            **_estimate("slope", found.slope),
            **_estimate("intercept", found.intercept),
            "audits": found.audits,
            "cells": found.cells,
            "requested_flips": found.requested,
            "flips": found.switched,
        }


def _estimate(name: str, found: Estimate) -> Row:
    numbers = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return {key: number if math.isfinite(number) else None for key, number in numbers.items()}
