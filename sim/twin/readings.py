"""From a true value to what an instrument shows: range, noise by integration time, resolution."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..philox import normal

_NOISE_STREAM = 0x6D650000
"""Above every stream of the die; a bench has fewer than 65,536 channels."""


@dataclass(frozen=True)
class Accuracy:
    """How well a channel measures (unverified on hardware: fit it to a shorted input).

    Attributes:
        noise: standard deviation at an integration of one power line cycle, in parts of the range.
        resolution: step of a reading, in parts of the range; 0 for none.
    """

    noise: float
    resolution: float


EXACT = Accuracy(0.0, 0.0)
"""No noise, no rounding: what remains is the physics."""


class Meter:
    """The noise of one channel; every reading has its own number, so readings shift nothing else.

    Args:
        seed: of the bench, below 2^64.
        channel: number of the channel on the bench.
        accuracy: noise and resolution.
    """

    def __init__(self, seed: int, channel: int, accuracy: Accuracy) -> None:
        self._seed, self._stream = np.uint64(seed), _NOISE_STREAM + channel
        self._accuracy = accuracy
        self._readings = 0

    def show(self, value: float, full_scale: float, cycles: float) -> float:
        """A reading of `value` on the range `full_scale`, integrated over `cycles` power line cycles."""
        accuracy = self._accuracy
        if accuracy.noise > 0.0:
            sigma = accuracy.noise * full_scale / cycles**0.5
            value += sigma * normal(self._seed, self._stream, self._readings, 0)
        self._readings += 1
        return rounded(value, accuracy.resolution * full_scale)


def rounded(value: float, step: float) -> float:
    """The multiple of `step` nearest to `value`; `value` itself if the step is 0."""
    return round(value / step) * step if step > 0.0 else value


def range_for(magnitude: float, ranges: Sequence[float], headroom: float = 1.0) -> float:
    """The lowest of the rising `ranges` that holds a magnitude, or the highest there is.

    Args:
        magnitude: V or A.
        ranges: full scales in rising order.
        headroom: how far a range reaches beyond its full scale, as a factor.
    """
    place = bisect.bisect_left(ranges, abs(magnitude) / headroom * (1.0 - 1e-12))
    return ranges[min(place, len(ranges) - 1)]
