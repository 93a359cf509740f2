"""Neel-Brown laws: the usual circuit models, P = 1 - exp[-(tau/tau0) exp(-barrier)].

The barrier is Delta (1 + h)^2 (1 - i/(1 + h))^n: a field h that holds the initial state raises the barrier to
Delta (1 + h)^2 and the critical overdrive from 1 to 1 + h. For n = 2 this is Delta (1 + h - i)^2, the barrier
of a perpendicular junction (Taniguchi and Imamura, arXiv 1010.5845); n = 1 is the form that many circuit
models still use.

At and above the critical overdrive the barrier is zero and the attempt rate 1/tau0 is a ceiling: these laws
know no incubation, which is why they are wrong by orders of magnitude between 1 and 50 ns.
"""

import math

from ...compiled import kernel


@kernel
def neel_brown_barrier(exponent: float, overdrive: float, delta: float, field: float) -> float:
    """Barrier over kT of the Neel-Brown law of exponent 1 or 2; zero from the critical overdrive on."""
    critical = 1.0 + field
    margin = 1.0 - overdrive / critical
    if margin <= 0.0:
        return 0.0 * margin  # zero, but NaN stays NaN
    power = margin if exponent == 1.0 else margin * margin
    return delta * critical * critical * power


@kernel
def neel_brown_log_rate(exponent: float, tau0: float, overdrive: float, delta: float, field: float) -> float:
    """ln of the switching rate per unit of reduced time.

    `tau0` <= 0 stands for sqrt(pi/Delta), the prefactor of Brown (1963) at zero overdrive and field, so that
    the law is right for retention. (1 ns, or 0.53 in reduced time, is a habit and not a fact.)
    """
    log_attempt = -math.log(tau0) if tau0 > 0.0 else 0.5 * math.log(delta / math.pi)
    return log_attempt - neel_brown_barrier(exponent, overdrive, delta, field)
