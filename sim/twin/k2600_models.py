"""Models of the Keithley 2600B series: ranges, largest values and resolutions."""

from dataclasses import dataclass

from .readings import Accuracy

MINIMUM_PULSE = 100e-6
"""Shortest time between the source action and the end of a pulse, s; a shorter one is stretched to it.
The trigger model of a 2600B gets down to about this (unverified on hardware)."""
MEASURE_OVERHEAD = 50e-6
"""Time of a measurement outside the trigger model beside its integration, s (unverified on hardware)."""
SOURCE_STEP = 2.5e-5
"""Step of a source level in parts of its range: 50 uV on 2 V, 20 nA on 1 mA to within a factor of 2."""
ACCURACY = Accuracy(noise=1e-6, resolution=1e-7)
AUTOZERO_FACTOR = 3
"""With autozero on every reading, a reference and a zero are measured as well."""


@dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        name: as in the identity.
        volt_ranges: full scales, V, rising.
        amp_ranges: full scales, A, rising.
        channels: 1 or 2.
        interlocked: voltage range that needs the interlock, V; None for none.
        power: (volts, amperes) corners of the safe operating area: up to so many volts, so many amperes.
    """

    name: str
    volt_ranges: tuple[float, ...]
    amp_ranges: tuple[float, ...]
    channels: int
    interlocked: float | None
    power: tuple[tuple[float, float], ...]

    @property
    def most_volts(self) -> float:
        """Largest source level, V."""
        return 1.01 * self.volt_ranges[-1]

    @property
    def most_amperes(self) -> float:
        """Largest source level, A."""
        return 1.01 * self.amp_ranges[-1]

    def allows(self, volts: float, amperes: float) -> bool:
        """Whether a source level and a limit are within the safe operating area."""
        for most_volts, most_amperes in self.power:
            if abs(volts) <= most_volts * 1.01:
                return abs(amperes) <= most_amperes * 1.01
        return False


_LOW_VOLTS, _HIGH_VOLTS = (0.1, 1.0, 6.0, 40.0), (0.2, 2.0, 20.0, 200.0)
_AMPS = (100e-9, 1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0)
_LOW_POWER, _HIGH_POWER = ((6.0, 3.0), (40.0, 1.0)), ((20.0, 1.5), (200.0, 0.1))


def _low(name: str, channels: int) -> Model:
    return Model(name, _LOW_VOLTS, (*_AMPS, 3.0), channels, None, _LOW_POWER)


def _high(name: str, channels: int, lowest: tuple[float, ...] = ()) -> Model:
    return Model(name, _HIGH_VOLTS, (*lowest, *_AMPS, 1.5), channels, 200.0, _HIGH_POWER)


_FINE = (1e-9, 10e-9)
MODELS = {
    model.name: model
    for model in (
        _low("2601B", 1), _low("2602B", 2), _low("2604B", 2),
        _high("2611B", 1), _high("2612B", 2), _high("2614B", 2),
        _high("2634B", 2, _FINE), _high("2635B", 1, (100e-12, *_FINE)), _high("2636B", 2, (100e-12, *_FINE)),
    )
}  # fmt: skip
