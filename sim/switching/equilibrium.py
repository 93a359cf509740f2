"""Where the occupancy of the other well tends to under a lasting drive, in closed form.

With b = i - h the stationary density is exp(Delta (x - b)^2) up to a constant, so both occupancies are Dawson
functions (derived here): with F the Dawson integral and s = sqrt(Delta),

    other well    [e^(y1^2) F(y1) - e^(y0^2) F(y0)],   y0 = i s,  y1 = (1 + b) s
    initial well  [e^(y0^2) F(y0) + e^(y2^2) F(y2)],   y2 = (1 - b) s
"""

import math

from ...compiled import kernel

_SPACING = 0.3
_TERMS = 11
_GAUSSIANS = tuple(math.exp(-(((2 * k + 1) * _SPACING) ** 2)) for k in range(_TERMS))
_INVERSE_ROOT_PI = 1.0 / math.sqrt(math.pi)


@kernel
def dawson(x: float) -> float:
    """Dawson's integral exp(-x^2) times the integral of exp(t^2) from 0 to x; relative error below 1e-7."""
    size = abs(x)
    if size < 0.2:
        y = x * x
        return x * (1.0 - y * (2.0 / 3.0) * (1.0 - y * 0.4 * (1.0 - y * (2.0 / 7.0))))
    if size > 6.0:
        z = 0.5 / (x * x)
        return (0.5 / x) * (
            1.0 + z * (1.0 + z * (3.0 + z * (15.0 + z * (105.0 + z * (945.0 + z * 10395.0)))))
        )
    # Rybicki's sampling of the integral (Computers in Physics 3, 85, 1989)
    even = 2.0 * math.floor(0.5 * size / _SPACING + 0.5)
    rest = size - even * _SPACING
    grow = math.exp(2.0 * rest * _SPACING)
    square = grow * grow
    above, below = even + 1.0, even - 1.0
    total = 0.0
    for gaussian in _GAUSSIANS:
        total += gaussian * (grow / above + 1.0 / (below * grow))
        above += 2.0
        below -= 2.0
        grow *= square
    return math.copysign(_INVERSE_ROOT_PI * math.exp(-rest * rest) * total, x)


@kernel
def equilibrium_log_odds(overdrive: float, delta: float, field: float) -> float:
    """ln(P_eq/(1 - P_eq)) of the occupancy of x < -h under a lasting overdrive and field. Compiled."""
    root = math.sqrt(delta)
    y0 = overdrive * root
    y1 = (1.0 + overdrive - field) * root
    y2 = (1.0 - overdrive + field) * root
    f0 = dawson(y0)
    top_left = max(y0 * y0, y1 * y1)
    top_right = max(y0 * y0, y2 * y2)
    left = math.exp(y1 * y1 - top_left) * dawson(y1) - math.exp(y0 * y0 - top_left) * f0
    right = math.exp(y0 * y0 - top_right) * f0 + math.exp(y2 * y2 - top_right) * dawson(y2)
    return top_left - top_right + math.log(left / right)
