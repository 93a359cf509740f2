"""Binomial likelihood of switching counts under a switching law, and its maximum. Compiled.

Parameters of one device and polarity are (ln Delta, ln V_c0, ln tau, h): thermal stability, critical voltage
in V, unit of time in s (tau_D of the Fokker-Planck law, tau0 of the Neel-Brown laws), and the field that
holds the initial state. Any of them may be held fixed. The log hazard eta = ln(-ln(1 - P)) is nearly linear
in them, so steps are taken with the expected information (Fisher scoring) and halve when they overshoot.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ...compiled import kernel
from ...drivers.contract import Floats
from .law import Law, log_hazard_at

Flags = NDArray[np.bool_]

PARAMETERS = 4
LOG_DELTA, LOG_VOLTAGE, LOG_TIME, FIELD = 0, 1, 2, 3
LOWEST = np.array([math.log(5.0), math.log(0.005), math.log(1e-17), -0.3])
HIGHEST = np.array([math.log(120.0), math.log(20.0), math.log(1e-3), 0.3])
"""Range of each parameter: that of the Fokker-Planck table, and what a junction can be."""
_STEPS = np.array([5e-3, 1e-3, 1e-2, 1e-3])
"""Of numerical derivatives; the table of the law is smooth to 1e-5."""
_MOST_STEPS = 60
_SMALL = 1e-7
_LARGEST_STEP = np.array([0.3, 0.1, 2.0, 0.1])


@kernel
def device_log_hazard(law: Law, theta: Floats, voltage: float, width: float) -> float:
    """ln(-ln(1 - P)) of a device under a pulse of `voltage` V (away from its state) and `width` s."""
    return log_hazard_at(
        law,
        voltage / math.exp(theta[LOG_VOLTAGE]),
        width / math.exp(theta[LOG_TIME]),
        math.exp(theta[LOG_DELTA]),
        theta[FIELD],
    )


@kernel
def gradient(law: Law, theta: Floats, free: Flags, voltage: float, width: float, out: Floats) -> None:
    """d eta/d theta at one point into `out`; 0 for fixed parameters."""
    for j in range(PARAMETERS):
        out[j] = 0.0
        if free[j]:
            kept = theta[j]
            up = min(kept + _STEPS[j], HIGHEST[j])
            down = max(kept - _STEPS[j], LOWEST[j])
            theta[j] = up
            above = device_log_hazard(law, theta, voltage, width)
            theta[j] = down
            below = device_log_hazard(law, theta, voltage, width)
            theta[j] = kept
            out[j] = (above - below) / (up - down)


@kernel
def log_hazards(law: Law, theta: Floats, voltages: Floats, widths: Floats) -> Floats:
    """ln(-ln(1 - P)) at several points, (points,)."""
    out = np.empty(voltages.size)
    for m in range(voltages.size):
        out[m] = device_log_hazard(law, theta, voltages[m], widths[m])
    return out


def probabilities(law: Law, theta: Floats, voltages: Floats, widths: Floats) -> Floats:
    """Switching probability at several points, (points,)."""
    return np.asarray(-np.expm1(-np.exp(np.minimum(log_hazards(law, theta, voltages, widths), 50.0))))


@kernel
def gradients(law: Law, theta: Floats, free: Flags, voltages: Floats, widths: Floats) -> Floats:
    """d eta/d theta at several points, (points, 4); 0 for fixed parameters."""
    out = np.empty((voltages.size, PARAMETERS))
    for m in range(voltages.size):
        gradient(law, theta, free, voltages[m], widths[m], out[m])
    return out


@kernel
def information_weights(etas: Floats) -> Floats:
    """`information_weight` of several log hazards."""
    out = np.empty(etas.size)
    for m in range(etas.size):
        out[m] = information_weight(etas[m])
    return out


@kernel
def information_weight(eta: float) -> float:
    """Fisher information of one trial about eta: h^2 exp(-h)/(1 - exp(-h)), h = exp(eta)."""
    hazard = math.exp(min(eta, 50.0))
    if hazard < 1e-8:
        return hazard
    if hazard > 500.0:
        return 0.0
    return hazard * hazard / math.expm1(hazard)


@kernel
def log_probability(eta: float) -> float:
    """ln P at the log hazard eta."""
    hazard = math.exp(min(eta, 50.0))
    if hazard < 1e-8:
        return eta
    if hazard > 700.0:
        return 0.0
    return math.log(-math.expm1(-hazard))


@kernel
def log_likelihood(
    law: Law, theta: Floats, voltages: Floats, widths: Floats, switched: Floats, trials: Floats
) -> float:
    """Binomial log likelihood without its constant; arrays are (points,)."""
    total = 0.0
    for m in range(voltages.size):
        eta = device_log_hazard(law, theta, voltages[m], widths[m])
        if switched[m] > 0.0:
            total += switched[m] * log_probability(eta)
        if trials[m] > switched[m]:
            total -= (trials[m] - switched[m]) * math.exp(min(eta, 50.0))
    return total


@kernel
def information(
    law: Law, theta: Floats, free: Flags, voltages: Floats, widths: Floats, trials: Floats, out: Floats
) -> None:
    """Expected Fisher information about theta, (4, 4), into `out`; rows of fixed parameters are 0."""
    out[:] = 0.0
    slope = np.empty(PARAMETERS)
    for m in range(voltages.size):
        gradient(law, theta, free, voltages[m], widths[m], slope)
        weight = trials[m] * information_weight(device_log_hazard(law, theta, voltages[m], widths[m]))
        for a in range(PARAMETERS):
            for b in range(PARAMETERS):
                out[a, b] += weight * slope[a] * slope[b]


@kernel
def score_and_information(
    law: Law,
    theta: Floats,
    free: Flags,
    voltages: Floats,
    widths: Floats,
    switched: Floats,
    trials: Floats,
    score: Floats,
    out: Floats,
) -> None:
    """Derivative of the log likelihood, (4,), and expected information, (4, 4)."""
    score[:] = 0.0
    out[:] = 0.0
    slope = np.empty(PARAMETERS)
    for m in range(voltages.size):
        eta = device_log_hazard(law, theta, voltages[m], widths[m])
        hazard = math.exp(min(eta, 50.0))
        p = -math.expm1(-hazard)
        pull = (switched[m] - trials[m] * p) * (hazard / p if hazard > 1e-12 else 1.0)
        weight = trials[m] * information_weight(eta)
        gradient(law, theta, free, voltages[m], widths[m], slope)
        for a in range(PARAMETERS):
            score[a] += pull * slope[a]
            for b in range(PARAMETERS):
                out[a, b] += weight * slope[a] * slope[b]


@kernel
def solve_free(matrix: Floats, vector: Floats, free: Flags, out: Floats) -> bool:
    """Solve the free part of a symmetric 4 x 4 system by elimination; False if it is singular."""
    index = np.flatnonzero(free)
    size = index.size
    a = np.empty((size, size + 1))
    for r in range(size):
        for c in range(size):
            a[r, c] = matrix[index[r], index[c]]
        a[r, size] = vector[index[r]]
    for r in range(size):
        best = r
        for q in range(r + 1, size):
            if abs(a[q, r]) > abs(a[best, r]):
                best = q
        if not abs(a[best, r]) > 1e-14:
            return False
        if best != r:
            for c in range(size + 1):
                a[r, c], a[best, c] = a[best, c], a[r, c]
        for q in range(r + 1, size):
            factor = a[q, r] / a[r, r]
            for c in range(r, size + 1):
                a[q, c] -= factor * a[r, c]
    out[:] = 0.0
    for r in range(size - 1, -1, -1):
        value = a[r, size]
        for c in range(r + 1, size):
            value -= a[r, c] * out[index[c]]
        out[index[r]] = value / a[r, r]
    return True


@kernel
def covariance(matrix: Floats, free: Flags, out: Floats) -> bool:
    """Inverse of the free part of an information matrix, (4, 4); False if it is singular."""
    out[:] = 0.0
    unit, column = np.zeros(PARAMETERS), np.zeros(PARAMETERS)
    for j in range(PARAMETERS):
        if free[j]:
            unit[:] = 0.0
            unit[j] = 1.0
            if not solve_free(matrix, unit, free, column):
                return False
            for a in range(PARAMETERS):
                out[a, j] = column[a]
    return True


@kernel
def maximise(
    law: Law,
    theta: Floats,
    free: Flags,
    prior_mean: Floats,
    prior_weight: Floats,
    voltages: Floats,
    widths: Floats,
    switched: Floats,
    trials: Floats,
) -> float:
    """Move the free parameters of `theta`, in place, to the maximum of likelihood times a normal prior.

    Args:
        law: switching law.
        theta: start, (4,).
        free: which parameters move, (4,).
        prior_mean: (4,).
        prior_weight: 1/variance of the prior, (4,); 0 for none.
        voltages: (points,), V.
        widths: (points,), s.
        switched: counts (points,).
        trials: counts (points,).

    Returns:
        Log likelihood with the prior at the maximum.
    """
    score, matrix = np.empty(PARAMETERS), np.empty((PARAMETERS, PARAMETERS))
    step, trial = np.empty(PARAMETERS), np.empty(PARAMETERS)
    damping = 1e-3
    value = _penalised(law, theta, prior_mean, prior_weight, voltages, widths, switched, trials)
    for _ in range(_MOST_STEPS):
        score_and_information(law, theta, free, voltages, widths, switched, trials, score, matrix)
        for j in range(PARAMETERS):
            score[j] -= prior_weight[j] * (theta[j] - prior_mean[j])
            matrix[j, j] += prior_weight[j]
            matrix[j, j] = matrix[j, j] * (1.0 + damping) + 1e-9
        if not solve_free(matrix, score, free, step):
            break
        size = 0.0
        for j in range(PARAMETERS):
            limited = min(max(step[j], -_LARGEST_STEP[j]), _LARGEST_STEP[j])
            trial[j] = min(max(theta[j] + limited, LOWEST[j]), HIGHEST[j]) if free[j] else theta[j]
            size = max(size, abs(trial[j] - theta[j]))
        if size < _SMALL:
            break
        found = _penalised(law, trial, prior_mean, prior_weight, voltages, widths, switched, trials)
        if found >= value:
            gain = found - value
            theta[:] = trial
            value = found
            damping = max(damping * 0.1, 1e-9)
            if gain < 1e-9:
                break
        else:
            damping = max(damping, 1e-4) * 10.0
            if damping > 1e8:
                break
    return value


@kernel
def _penalised(
    law: Law,
    theta: Floats,
    prior_mean: Floats,
    prior_weight: Floats,
    voltages: Floats,
    widths: Floats,
    switched: Floats,
    trials: Floats,
) -> float:
    value = log_likelihood(law, theta, voltages, widths, switched, trials)
    for j in range(PARAMETERS):
        value -= 0.5 * prior_weight[j] * (theta[j] - prior_mean[j]) ** 2
    return value
