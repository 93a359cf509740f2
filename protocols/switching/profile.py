"""Profile-likelihood intervals: how far a parameter can be moved while the others follow. Compiled."""

import math

import numpy as np

from ...compiled import kernel
from ...drivers.contract import Floats
from .law import Law
from .likelihood import HIGHEST, LOWEST, PARAMETERS, Flags, maximise

_TOLERANCE = 1e-3
_MOST_STEPS = 40


@kernel
def next_distance(
    inner: float,
    inner_root: float,
    outer: float,
    outer_root: float,
    away: float,
    reached: float,
    root: float,
    limit: float,
) -> float:
    """How far to go next on the way to where the signed root of twice the loss of likelihood passes `root`.

    That root is nearly straight in the parameter, so secant steps find it; they are kept inside a bracket.

    Args:
        inner: largest distance from the maximum at which less was lost.
        inner_root: reached there.
        outer: least distance at which more was lost, or `limit`.
        outer_root: reached there; infinite while it is not known.
        away: the distance just tried.
        reached: there.
        root: wanted.
        limit: largest distance.
    """
    if outer_root == math.inf:
        following = away * min(root / max(reached, 0.2), 2.0) * 1.02
    else:
        following = inner + (outer - inner) * (root - inner_root) / (outer_root - inner_root)
    following = min(following, limit)
    if not inner < following <= outer or following == away:
        following = 0.5 * (inner + outer)
    return following


@kernel
def profile_end(
    law: Law,
    best: Floats,
    value: float,
    free: Flags,
    spread: Floats,
    parameter: int,
    side: float,
    root: float,
    voltages: Floats,
    widths: Floats,
    switched: Floats,
    trials: Floats,
) -> float:
    """One end of the interval of a parameter.

    Args:
        law: switching law.
        best: maximum, (4,).
        value: log likelihood there.
        free: which parameters were estimated, (4,).
        spread: covariance at the maximum, (4, 4).
        parameter: index of the parameter.
        side: -1 for the lower end, 1 for the upper.
        root: normal quantile of the confidence.
        voltages: (points,), V.
        widths: (points,), s.
        switched: counts (points,).
        trials: counts (points,).

    Returns:
        The end; that of the parameter's range if the likelihood never falls so far.
    """
    others = free.copy()
    others[parameter] = False
    none = np.zeros(PARAMETERS)
    sigma = math.sqrt(max(spread[parameter, parameter], 1e-12))
    limit = (HIGHEST[parameter] if side > 0.0 else LOWEST[parameter]) - best[parameter]
    limit = abs(limit)
    inner, inner_root, outer, outer_root = 0.0, 0.0, limit, math.inf
    away = min(root * sigma, limit)
    theta = best.copy()
    for _ in range(_MOST_STEPS):
        for j in range(PARAMETERS):
            theta[j] = best[j]
            if others[j]:
                along = spread[j, parameter] / (sigma * sigma) * side * away
                theta[j] = min(max(best[j] + along, LOWEST[j]), HIGHEST[j])
        theta[parameter] = best[parameter] + side * away
        found = maximise(law, theta, others, none, none, voltages, widths, switched, trials)
        reached = math.sqrt(max(2.0 * (value - found), 0.0))
        if abs(reached - root) < _TOLERANCE:
            break
        if reached < root:
            inner, inner_root = away, reached
            if away >= limit:
                break
        else:
            outer, outer_root = away, reached
        if outer - inner < 1e-7:
            break
        away = next_distance(inner, inner_root, outer, outer_root, away, reached, root, limit)
    return float(best[parameter] + side * away)
