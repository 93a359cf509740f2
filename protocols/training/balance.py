"""Up against down: audits tell how many cells of each polarity switched, and the amplitudes are brought in
line.

A rule asks both polarities alike, and a chip that answers them differently pushes every weight one way. What
counts is the ratio of achieved to requested flips, polarity against polarity: each amplitude moves by half of
the difference of their logarithms over the slope of the curve, so that their mean stays. That cells still in
the wrong state are slower than others, which lowers both ratios, does not matter.
"""

import math

from ..selection import TO_AP, TO_P
from .audit import Audit

_LEAST = 100.0
"""Requested flips of each polarity that a correction waits for."""
_GAIN = 0.5
_MOST = 0.05
"""Largest share of an amplitude by which it is ever moved."""


class Balance:
    """Corrections of one block.

    Attributes:
        shifts: of the amplitude by polarity, V.
    """

    def __init__(self) -> None:
        self.shifts = {TO_P: 0.0, TO_AP: 0.0}
        self._requested = {TO_P: 0.0, TO_AP: 0.0}
        self._switched = {TO_P: 0.0, TO_AP: 0.0}

    def learn(self, audit: Audit, slopes: dict[int, float], amplitudes: dict[int, float]) -> None:
        """Take in the audits of an epoch.

        Args:
            audit: of the epoch.
            slopes: of the switching curve by polarity, 1/V.
            amplitudes: calibrated, by polarity, V.
        """
        for polarity in self.shifts:
            tally = audit.by_polarity(polarity)
            self._requested[polarity] += tally.requested
            self._switched[polarity] += tally.switched
        if min(self._requested.values()) < _LEAST:
            return
        ratios = {
            polarity: math.log((self._switched[polarity] + 0.5) / (self._requested[polarity] + 0.5))
            for polarity in self.shifts
        }
        mean = 0.5 * (ratios[TO_P] + ratios[TO_AP])
        for polarity, ratio in ratios.items():
            wanted = self.shifts[polarity] + _GAIN * (mean - ratio) / slopes[polarity]
            most = _MOST * amplitudes[polarity]
            self.shifts[polarity] = min(max(wanted, -most), most)
            # What was counted before a correction says nothing about what comes after it.
            self._requested[polarity] = self._switched[polarity] = 0.0
