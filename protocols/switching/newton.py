"""Maximum and profile intervals of a likelihood given by its value, score and information.

For likelihoods that `likelihood.maximise` does not know: several data sets that share parameters, or counts
that scatter more than binomial ones. That one and `profile` do the same for one device, compiled as a whole
and several times faster, as an adaptive campaign asks for after every block of every device.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...drivers.contract import Floats
from .likelihood import Flags
from .profile import next_distance

_MOST_STEPS, _MOST_ENDS = 60, 40
_SMALL_GAIN, _SMALL_STEP = 1e-9, 1e-7
_TOLERANCE = 1e-3

Local = tuple[float, Floats, Floats]
"""Log likelihood, its derivative (parameters,), and a positive information (parameters, parameters)."""


@dataclass(frozen=True)
class Problem:
    """A likelihood to be maximised.

    Attributes:
        at: value, score and information at some parameters.
        lowest: of each parameter.
        highest: of each parameter.
        largest_step: of each parameter.
    """

    at: Callable[[Floats], Local]
    lowest: Floats
    highest: Floats
    largest_step: Floats


def maximum(problem: Problem, start: Floats, free: Flags) -> tuple[Floats, float]:
    """Parameters of the maximum and the log likelihood there; those not free stay as in `start`."""
    theta = start.copy()
    value, score, matrix = problem.at(theta)
    damping = 1e-3
    for _ in range(_MOST_STEPS if free.any() else 0):
        step = np.zeros_like(theta)
        own = matrix[np.ix_(free, free)].copy()
        own[np.diag_indices_from(own)] *= 1.0 + damping
        own[np.diag_indices_from(own)] += 1e-9
        step[free] = np.linalg.solve(own, score[free])
        wanted = theta + np.clip(step, -problem.largest_step, problem.largest_step)
        wanted = np.clip(wanted, problem.lowest, problem.highest)
        if np.abs(wanted - theta).max() < _SMALL_STEP:
            break
        found = problem.at(wanted)
        if found[0] >= value:
            gain = found[0] - value
            theta, (value, score, matrix) = wanted, found
            damping = max(0.1 * damping, 1e-9)
            if gain < _SMALL_GAIN:
                break
        else:
            damping = max(damping, 1e-4) * 10.0
            if damping > 1e8:
                break
    return theta, value


def spread_at(problem: Problem, theta: Floats, free: Flags) -> Floats | None:
    """Covariance by the information, 0 for fixed parameters; None if it is singular."""
    matrix = problem.at(theta)[2][np.ix_(free, free)]
    if not np.linalg.cond(matrix) < 1e13:
        return None
    found = np.zeros((len(theta), len(theta)))
    found[np.ix_(free, free)] = np.linalg.inv(matrix)
    return found


def interval(
    problem: Problem, best: Floats, value: float, free: Flags, spread: Floats, parameter: int, root: float
) -> tuple[float, float]:
    """Profile-likelihood interval of one parameter.

    Args:
        problem: of which `best` is the maximum.
        best: parameters.
        value: log likelihood there.
        free: parameters that were estimated.
        spread: covariance at the maximum.
        parameter: index of the parameter.
        root: normal quantile of the confidence.
    """
    return (
        _end(problem, best, value, free, spread, parameter, -1.0, root),
        _end(problem, best, value, free, spread, parameter, 1.0, root),
    )


def _end(
    problem: Problem,
    best: Floats,
    value: float,
    free: Flags,
    spread: Floats,
    parameter: int,
    side: float,
    root: float,
) -> float:
    """One end; the edge of the range if the likelihood never falls so far."""
    others = free.copy()
    others[parameter] = False
    variance = max(float(spread[parameter, parameter]), 1e-12)
    along = np.where(others, spread[:, parameter] / variance, 0.0)
    along[parameter] = 1.0
    edge = problem.highest[parameter] if side > 0.0 else problem.lowest[parameter]
    limit = abs(float(edge - best[parameter]))
    inner, inner_root, outer, outer_root = 0.0, 0.0, limit, math.inf
    away = min(root * math.sqrt(variance), limit)
    for _ in range(_MOST_ENDS):
        start = np.clip(best + side * away * along, problem.lowest, problem.highest)
        _, found = maximum(problem, start, others)
        reached = math.sqrt(max(2.0 * (value - found), 0.0))
        if abs(reached - root) < _TOLERANCE or outer - inner < 1e-7:
            break
        if reached < root:
            inner, inner_root = away, reached
            if away >= limit:
                break
        else:
            outer, outer_root = away, reached
        away = next_distance(inner, inner_root, outer, outer_root, away, reached, root, limit)
    return float(best[parameter] + side * away)
