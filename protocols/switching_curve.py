"""How the mean switching probability of an array follows the amplitude, measured on that very array."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ..drivers.contract import Floats
from ..errors import ProtocolError

_LEAST_SLOPE, _MOST_SLOPE = 1.0, 2e3


@dataclass(frozen=True)
class SwitchingCurve:
    """ln(-ln(1 - P)) = intercept + slope * amplitude, a straight line over the range that training uses.

    Attributes:
        intercept: at 0 V.
        slope: 1/V, > 0.
        trials: cells tested to find it.
    """

    intercept: float
    slope: float
    trials: int

    def probability(self, amplitude: float) -> float:
        """Mean switching probability of one pulse of this amplitude, V."""
        return float(-np.expm1(-np.exp(self.intercept + self.slope * amplitude)))

    def amplitude(self, probability: float) -> float:
        """Amplitude in V for a mean switching probability in (0, 1)."""
        return float((np.log(-np.log1p(-probability)) - self.intercept) / self.slope)

    def shifted(self, amplitude: float, switched: int, cells: int) -> "SwitchingCurve":
        """The same slope through a new measurement of `switched` of `cells` at `amplitude`."""
        intercept = counted_log_hazard(switched, cells) - self.slope * amplitude
        return SwitchingCurve(intercept, self.slope, self.trials + cells)


@dataclass(frozen=True)
class WidthCurve:
    """How the hazard of switching, h = -ln(1 - P), falls with the pulse width at one amplitude.

    Attributes:
        log_shares: ln of the hazard over that of the full width, (points,), rising to 0.
        log_widths: ln of the width in s, (points,), rising to that of the full width.
    """

    log_shares: Floats
    log_widths: Floats

    @classmethod
    def of(cls, widths: Floats, log_hazards: Floats) -> "WidthCurve":
        """From measured points.

        Args:
            widths: falling from the full width, (points,), s.
            log_hazards: ln of the hazard at each, (points,); made to fall with the width.
        """
        shares = np.minimum.accumulate(log_hazards - log_hazards[0] - 1e-3 * np.arange(len(widths)))
        return cls(shares[::-1].copy(), np.log(widths)[::-1].copy())

    def widths(self, log_shares: Floats) -> Floats:
        """Pulse widths in s for shares of the hazard of the full width: straight lines between the points.

        Below the shortest measured width the hazard is taken to be proportional to the width.

        Args:
            log_shares: ln of the shares, <= 0; -inf for a width of 0.
        """
        below = np.minimum(log_shares - self.log_shares[0], 0.0)
        logarithms: Floats = np.interp(log_shares, self.log_shares, self.log_widths) + below
        return np.exp(logarithms)


def log_hazard(probability: float) -> float:
    """ln(-ln(1 - P)) of a switching probability in (0, 1)."""
    return math.log(-math.log1p(-probability))


def counted_log_hazard(switched: int, cells: int) -> float:
    """`log_hazard` of a share that was counted; half a count more of both kinds keeps it finite."""
    return log_hazard((switched + 0.5) / (cells + 1.0))


def fit_curve(amplitudes: Floats, switched: Floats, cells: Floats) -> SwitchingCurve:
    """Binomial maximum likelihood of the line.

    Args:
        amplitudes: V, (points,).
        switched: how many cells switched at each, (points,).
        cells: how many were tested at each, (points,).

    Raises:
        ProtocolError: fewer than two amplitudes tell anything.
    """
    if switched.sum() < 3 or (cells - switched).sum() < 3:
        raise ProtocolError(
            f"{int(switched.sum())} of {int(cells.sum())} cells switched between {amplitudes.min():.3g} V "
            f"and {amplitudes.max():.3g} V, too few or too many to find the slope; widen "
            "operation.search_from and operation.search_to, or change operation.pulse_width (bench file)"
        )
    centre = float(np.average(amplitudes, weights=np.minimum(switched, cells - switched) + 0.1))

    def loss(parameters: Floats) -> float:
        level, log_slope = parameters
        hazard = np.exp(np.clip(level + np.exp(log_slope) * (amplitudes - centre), -50.0, 5.0))
        log_p = np.log(-np.expm1(-hazard))
        return float(-(switched * log_p - (cells - switched) * hazard).sum())

    best = minimize(
        loss,
        np.array([-0.5, np.log(40.0)]),
        bounds=[(-20.0, 5.0), (np.log(_LEAST_SLOPE), np.log(_MOST_SLOPE))],
    )
    slope = float(np.exp(best.x[1]))
    return SwitchingCurve(float(best.x[0] - slope * centre), slope, int(cells.sum()))
