"""The switching law for people: checked arguments, broadcasting arrays."""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...compiled import kernel
from .arguments import checked
from .law import Law, LawName, equivalent_time_at, log_hazard_at, make_law

Floats: TypeAlias = NDArray[np.float64]

DELTA_RANGE = (5.0, 120.0)
FIELD_RANGE = (-0.3, 0.3)
OVERDRIVE_RANGE = (-5.0, 5.0)


def switching_probability(
    overdrive: ArrayLike,
    reduced_time: ArrayLike,
    delta: ArrayLike,
    field: ArrayLike = 0.0,
    law: LawName = "fokker-planck",
    *,
    tau0: float | None = None,
) -> Floats:
    """Probability that a junction in thermal equilibrium in its initial well is found switched after a pulse.

    Arguments broadcast against each other; the result has the broadcast shape (a 0-d array for scalars).

    Args:
        overdrive: i = V/V_c0, dimensionless. i > 0 drives away from the initial state, i < 0 into it.
            Fokker-Planck: -5 to 5.
        reduced_time: tau = t alpha gamma mu0 H_k/(1 + alpha^2) >= 0, gamma in rad/(s T), mu0 H_k in tesla.
        delta: thermal stability factor E_b/kT at zero field, > 0. Fokker-Planck: 5 to 120.
        field: h = H_z/H_k; h > 0 favours the initial state. Fokker-Planck: |h| <= 0.3; Neel-Brown: |h| < 1.
        law: "fokker-planck", "neel-brown-1" or "neel-brown-2".
        tau0: attempt time of the Neel-Brown laws in reduced time; by default sqrt(pi/delta).

    Returns:
        P, accurate relatively in the lower tail (down to 1e-300). Where 1 - P matters, use `log_hazard`.

    Raises:
        ArgumentError: (a ValueError) an argument is NaN or out of range.
    """
    return np.asarray(-np.expm1(-np.exp(log_hazard(overdrive, reduced_time, delta, field, law, tau0=tau0))))


def log_hazard(
    overdrive: ArrayLike,
    reduced_time: ArrayLike,
    delta: ArrayLike,
    field: ArrayLike = 0.0,
    law: LawName = "fokker-planck",
    *,
    tau0: float | None = None,
) -> Floats:
    """ln(-ln(1 - P)), which resolves both tails of P; -inf at zero time.

    Takes the arguments of `switching_probability` and raises the same errors.
    """
    made = make_law(law, tau0)
    arguments = _checked_device(made, overdrive, delta, field)
    tau = checked("reduced_time", reduced_time, 0.0, math.inf, high_open=True)
    i, tau, barrier, h = np.broadcast_arrays(arguments[0], tau, arguments[1], arguments[2])
    out = np.empty(i.size)
    _log_hazard_each(made, i.ravel(), tau.ravel(), barrier.ravel(), h.ravel(), out)
    return out.reshape(i.shape)


def equivalent_time(
    log_hazard: ArrayLike,
    overdrive: ArrayLike,
    delta: ArrayLike,
    field: ArrayLike = 0.0,
    law: LawName = "fokker-planck",
    *,
    tau0: float | None = None,
) -> Floats:
    """Reduced time after which a device driven at `overdrive` has accumulated `log_hazard` = ln(-ln(1 - P)).

    A piecewise-constant voltage history is carried by it: at each change of voltage the hazard so far becomes
    an elapsed time at the new voltage, to which the next duration is added. Zero for -inf; inf where the law
    at this drive never reaches that hazard (the occupancy at equilibrium is lower), so that the hazard stays
    what it is. Start every pulse from -inf: waiting at rest does not bring a ballistic pulse forward. An
    approximation; docs/switching.md states how good it is.

    Raises:
        ArgumentError: (a ValueError) an argument is NaN or out of range.
    """
    made = make_law(law, tau0)
    arguments = _checked_device(made, overdrive, delta, field)
    target = checked("log_hazard", log_hazard, -math.inf, math.inf)
    target, i, barrier, h = np.broadcast_arrays(target, *arguments)
    out = np.empty(i.size)
    _equivalent_time_each(made, target.ravel(), i.ravel(), barrier.ravel(), h.ravel(), out)
    return out.reshape(i.shape)


def _checked_device(
    law: Law, overdrive: ArrayLike, delta: ArrayLike, field: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    if law.exponent == 0.0:
        return (
            checked("overdrive", overdrive, *OVERDRIVE_RANGE),
            checked("delta", delta, *DELTA_RANGE),
            checked("field", field, *FIELD_RANGE),
        )
    return (
        checked("overdrive", overdrive, -math.inf, math.inf, low_open=True, high_open=True),
        checked("delta", delta, 0.0, math.inf, low_open=True, high_open=True),
        checked("field", field, -1.0, 1.0, low_open=True, high_open=True),
    )


@kernel
def _log_hazard_each(law: Law, i: Floats, tau: Floats, delta: Floats, field: Floats, out: Floats) -> None:
    for k in range(out.size):
        out[k] = log_hazard_at(law, i[k], tau[k], delta[k], field[k])


@kernel
def _equivalent_time_each(
    law: Law, target: Floats, i: Floats, delta: Floats, field: Floats, out: Floats
) -> None:
    for k in range(out.size):
        out[k] = equivalent_time_at(law, target[k], i[k], delta[k], field[k])
