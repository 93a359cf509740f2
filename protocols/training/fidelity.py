"""Achieved against requested updates: how much of a wanted E[dw] the chip delivers, with its uncertainty.

Audits compare, cell by cell, the switching probability that was asked for with what happened. Over the cells
that could still switch, flips = intercept + slope * requested is fitted by least squares, each entry weighted
by the inverse of the flips it should give. dw is a flip times the step of a weight, so the slope is also that
of achieved against requested E[dw]; the intercept is a probability a cell and update that was not asked for.

Flips of one update come together: all cells of a fired row and column see the pulse at once. So whole audits
are drawn again for the interval (bootstrap of clusters), never cells.
"""

from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Floats

_RESAMPLES = 1_000
_MOST_CLUSTERS = 1_000
"""More audits than this are taken together, neighbours first, before they are drawn again."""
_FEWEST = 5
"""Audits below which no interval is given."""
_SINGULAR = 1e-9
REQUESTED, CELLS, SWITCHED = 0, 1, 2
"""What an entry of an audit holds, for cells of a similar requested probability."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where the data do not tell."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Fidelity:
    """Achieved against requested flips.

    Attributes:
        slope: of achieved against requested probabilities.
        intercept: probability of a flip that was not asked for, a cell and update.
        audits: updates that were checked.
        cells: asked to switch in them, and able to.
        requested: sum of the probabilities asked for.
        switched: cells that switched.
    """

    slope: Estimate
    intercept: Estimate
    audits: int
    cells: int
    requested: float
    switched: int


def fidelity_of(audits: Floats) -> Fidelity:
    """Fit the line through audited updates.

    Args:
        audits: (audits, entries, 3): sum of requested probabilities, cells, and cells that switched, for
            groups of cells of similar requested probability.
    """
    requested, cells, switched = (audits[:, :, k] for k in (REQUESTED, CELLS, SWITCHED))
    asked = requested > 0.0
    share = np.divide(cells, requested, out=np.zeros_like(requested), where=asked)
    sums = np.stack(
        [
            (share * cells).sum(axis=1),
            np.where(asked, cells, 0.0).sum(axis=1),
            requested.sum(axis=1),
            (share * switched).sum(axis=1),
            np.where(asked, switched, 0.0).sum(axis=1),
        ],
        axis=1,
    )
    intercept, slope = _line(sums.sum(axis=0, keepdims=True))
    bounds = np.full((2, 2), np.nan)
    if len(sums) >= _FEWEST:
        bounds = _interval(sums)
    return Fidelity(
        Estimate(float(slope[0]), float(bounds[0, 1]), float(bounds[1, 1])),
        Estimate(float(intercept[0]), float(bounds[0, 0]), float(bounds[1, 0])),
        len(audits),
        int(sums[:, 1].sum()),
        float(sums[:, 2].sum()),
        int(sums[:, 4].sum()),
    )


def _line(sums: Floats) -> tuple[Floats, Floats]:
    """Intercept and slope from the sums of the normal equations, (samples, 5) to (samples,) each.

    Where all cells were asked alike the intercept is unknown, and the slope is the ratio of the totals.
    """
    weight, cells, requested, weighted, switched = sums.T
    determinant = weight * requested - cells**2
    told = determinant > _SINGULAR * weight * requested
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(told, (weight * switched - cells * weighted) / determinant, switched / requested)
        intercept = np.where(told, (weighted * requested - switched * cells) / determinant, np.nan)
    return intercept, slope


def _interval(sums: Floats) -> Floats:
    """2.5 % and 97.5 % points of intercept and slope over audits drawn again, (2, 2)."""
    if len(sums) > _MOST_CLUSTERS:
        starts = np.linspace(0, len(sums), _MOST_CLUSTERS, endpoint=False).astype(np.int64)
        sums = np.add.reduceat(sums, starts, axis=0)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(sums), np.full(len(sums), 1.0 / len(sums)), _RESAMPLES)
    found = np.stack(_line(counts @ sums), axis=1)
    bounds = np.full((2, 2), np.nan)
    for k in range(2):
        known = found[np.isfinite(found[:, k]), k]
        if len(known) > _RESAMPLES // 2:
            bounds[:, k] = np.percentile(known, [2.5, 97.5])
    return bounds
