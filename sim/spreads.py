"""From target spreads of R, V_c0 and Delta to spreads of what varies in a process, and back to correlations.

A device is drawn from independent log-normal factors of area A, resistance-area product RA, anisotropy field
H_k and damping alpha. With R_P = RA/A, Delta = mu0 H_k M_s t A/(2 kT) and
I_c0 = (4 e alpha/(hbar eta)) Delta kT,

    ln R = r - a,    ln Delta = k + a,    ln V_c0 = ln(I_c0 R) = d + k + r:

the critical voltage does not know the area. Hence, with variances of logarithms,

    var R = r2 + a2,    var Delta = k2 + a2,    var V = d2 + k2 + r2.

Three targets leave one freedom, the share of the area: a2 lies between (var R + var Delta - var V)/2 (or 0),
where damping does not vary, and the smaller of var R and var Delta, where RA or H_k does not. Nothing known
favours either end, so the middle is taken. No a2 is possible if |var R - var Delta| > var V.
"""

import math
from dataclasses import dataclass

from .device import Spread


@dataclass(frozen=True)
class ProcessSpread:
    """Standard deviations of the logarithms of what varies in a process, and of V_c0+/V_c0-."""

    area: float
    resistance_area: float
    anisotropy: float
    damping: float
    asymmetry: float

    def log_variances(self) -> tuple[float, float, float]:
        """Variances of ln R, of ln V_c0 (either polarity) and of ln Delta."""
        a2, r2, k2, d2 = self.area**2, self.resistance_area**2, self.anisotropy**2, self.damping**2
        return r2 + a2, d2 + k2 + r2 + 0.25 * self.asymmetry**2, k2 + a2

    def correlations(self) -> dict[str, float]:
        """Expected correlations of the logarithms; 0 where a quantity does not vary."""
        a2, r2, k2 = self.area**2, self.resistance_area**2, self.anisotropy**2
        resistance, voltage, delta = self.log_variances()
        return {
            "resistance, delta": _over(-a2, resistance, delta),
            "resistance, critical_voltage": _over(r2, resistance, voltage),
            "delta, critical_voltage": _over(k2, delta, voltage),
        }


def log_variance(relative: float) -> float:
    """Variance of the logarithm of a log-normal quantity of this relative standard deviation."""
    return math.log1p(relative**2)


def decompose(spread: Spread) -> ProcessSpread:
    """Spreads of area, RA, anisotropy and damping that give the target spreads exactly.

    Raises:
        ValueError: no device meets the targets jointly; names them and what would be possible.
    """
    resistance = log_variance(spread.resistance)
    delta = log_variance(spread.delta)
    asymmetry = log_variance(spread.asymmetry)
    voltage = log_variance(spread.critical_voltage) - 0.25 * asymmetry
    least = abs(resistance - delta)
    if voltage < least - 1e-15:
        needed = math.sqrt(math.expm1(least + 0.25 * asymmetry))
        raise ValueError(
            f"spread: resistance {spread.resistance:.3%}, delta {spread.delta:.3%} and critical_voltage "
            f"{spread.critical_voltage:.3%} are impossible together: V_c0 follows RA, H_k and damping, so "
            f"what makes R and Delta differ spreads V_c0 too, by at least {needed:.3%}; raise "
            "critical_voltage to that or bring resistance and delta closer"
        )
    low = max(0.5 * (resistance + delta - voltage), 0.0)
    high = min(resistance, delta)
    area = 0.5 * (min(low, high) + high)
    ra, anisotropy = resistance - area, delta - area
    damping = voltage - ra - anisotropy
    roots = [math.sqrt(max(variance, 0.0)) for variance in (area, ra, anisotropy, damping, asymmetry)]
    return ProcessSpread(*roots)


def _over(covariance: float, one: float, other: float) -> float:
    return covariance / math.sqrt(one * other) if one > 0.0 and other > 0.0 else 0.0
