"""Find out, on the chip itself, how its cells switch: two levels of each cell, and P against amplitude."""

from dataclasses import dataclass, replace

import numpy as np

from ..drivers.contract import Crossbar, Floats
from ..errors import ProtocolError
from .few_lines import FewLines, pulse_all
from .journal import Monitor
from .mapping import (
    CellLevels,
    Resistances,
    classify,
    followed,
    levels_from_maps,
    read_resistances,
)
from .selection import TO_AP, TO_P
from .settings import PulseSettings, ReadSettings
from .switching_curve import SwitchingCurve, WidthCurve, counted_log_hazard, fit_curve, log_hazard

__all__ = [
    "DEFAULT_PROBABILITY",
    "Calibration",
    "CurveNeeds",
    "calibrate",
    "find_levels",
    "pulse_all",
]

_STEP = 1.05
DEFAULT_PROBABILITY = 0.5
"""Where the curve is refined when no training asks for another probability."""
_CEILING = 1.08
_HALVINGS = 4
"""Of the pulse width, down to which the hazard is measured."""
_MOST_CHANGE = 2.0
"""Factor by which a measured slope may differ from that of the ramp."""
_MOST_ROUNDS = 6
"""Amplitudes tried to come near a probability."""
_CLOSE = 0.3
"""Difference of log hazards at which they have; counting alone makes 0.15 of it."""
_APART = 0.6
"""Difference of log hazards from which on two measurements tell the slope between them."""
_PATIENCE = 4
"""Steps without gain after which cells that do not follow count as stuck."""


@dataclass(frozen=True)
class CurveNeeds:
    """What an encoding must know beside the amplitude of one probability.

    Attributes:
        low: also measure at this smaller probability, and take the slope between the two; None does not.
        widths: measure the hazard against the pulse width too.
    """

    low: float | None = None
    widths: bool = False


@dataclass(frozen=True)
class Calibration:
    """What an experiment knows of the cells of one crossbar.

    Attributes:
        levels: the two resistances of each cell.
        to_p: switching curve of AP -> P.
        to_ap: switching curve of P -> AP.
        strong: amplitude that switched every working cell, V.
        widths_to_p: hazard of AP -> P against pulse width; None if it was not measured.
        widths_to_ap: the same of P -> AP.
    """

    levels: CellLevels
    to_p: SwitchingCurve
    to_ap: SwitchingCurve
    strong: float
    widths_to_p: WidthCurve | None = None
    widths_to_ap: WidthCurve | None = None

    def amplitude(self, polarity: int, probability: float, pulse: PulseSettings) -> float:
        """Amplitude in V at which a cell switches with this mean probability.

        Raises:
            ProtocolError: it lies outside the amplitudes that were searched, where the curve is a guess.
        """
        amplitude = self.curve(polarity).amplitude(probability)
        if not pulse.search_from <= amplitude <= pulse.search_to:
            raise ProtocolError(
                f"a switching probability of {probability:g} would need {amplitude:.3g} V at "
                f"{pulse.width:g} s, outside {pulse.search_from:g} V to {pulse.search_to:g} V; change "
                "encoding.probability of the experiment, or operation.pulse_width, search_from or search_to "
                "of the bench"
            )
        return amplitude

    def curve(self, polarity: int) -> SwitchingCurve:
        """The curve of a polarity."""
        return self.to_p if polarity == TO_P else self.to_ap

    def widths(self, polarity: int) -> WidthCurve:
        """Hazard against pulse width of a polarity.

        Raises:
            ProtocolError: it was not measured.
        """
        found = self.widths_to_p if polarity == TO_P else self.widths_to_ap
        if found is None:
            raise ProtocolError("switching was not measured against the pulse width; calibrate the tile anew")
        return found


@dataclass(frozen=True)
class _Step:
    amplitude: float
    start: Resistances
    after_reset: Resistances
    after_set: Resistances


def calibrate(
    crossbar: Crossbar,
    read: ReadSettings,
    pulse: PulseSettings,
    probability: float,
    rng: np.random.Generator,
    monitor: Monitor,
    task: str = "calibrate",
    needs: CurveNeeds | None = None,
) -> Calibration:
    """Ramp the amplitude from below until every cell has switched both ways, then refine near `probability`.

    All cells are pulsed, so whatever the chip held is gone afterwards.

    Args:
        crossbar: to be calibrated.
        read: how to read.
        pulse: width, and the range of amplitudes allowed.
        probability: switching probability of one pulse that training will use.
        rng: chooses the lines of the refining pulses.
        monitor: shows progress.
        task: name shown with the progress.
        needs: what else is measured.

    Raises:
        ConfigurationError: the bench cannot bias unselected lines as asked; nothing was sent.
        ProtocolError: no cell switches up to `pulse.search_to`.
        StoppedError: the monitor asked to stop.
    """
    pulse.check(crossbar.capabilities)
    steps, enough = _ramp(crossbar, read, pulse, monitor, task)
    levels = levels_from_maps(enough.after_set, enough.after_reset)
    to_ap = _curve(steps, levels, [(s.start, s.after_reset, 1) for s in steps])
    to_p = _curve(steps, levels, [(s.after_reset, s.after_set, 0) for s in steps])
    strong = min(enough.amplitude * _CEILING, pulse.search_to)
    needs = CurveNeeds() if needs is None else needs
    few = FewLines(crossbar, read, pulse, levels, strong, rng, monitor)
    curves = {TO_P: to_p, TO_AP: to_ap}
    widths: dict[int, WidthCurve | None] = {TO_P: None, TO_AP: None}
    for polarity, rough in curves.items():
        few.forget()
        fine = _refined(few, pulse, strong, rough, polarity, probability)
        if needs.low is not None:
            fine = _sloped(few, pulse, strong, fine, polarity, (needs.low, probability))
        curves[polarity] = fine
        if needs.widths:
            shortest = crossbar.capabilities.minimum_width
            widths[polarity] = _against_width(few, pulse, strong, fine, polarity, probability, shortest)
    return Calibration(levels, curves[TO_P], curves[TO_AP], strong, widths[TO_P], widths[TO_AP])


def find_levels(
    crossbar: Crossbar, read: ReadSettings, pulse: PulseSettings, monitor: Monitor, task: str
) -> CellLevels:
    """The two resistances of every cell, and which cells are stuck, by a ramp from below as in `calibrate`.

    All cells are pulsed, so whatever the chip held is gone afterwards.

    Raises:
        ProtocolError: most cells do not switch up to `pulse.search_to`.
        StoppedError: the monitor asked to stop.
    """
    _, enough = _ramp(crossbar, read, pulse, monitor, task)
    return levels_from_maps(enough.after_set, enough.after_reset)


def _ramp(
    crossbar: Crossbar, read: ReadSettings, pulse: PulseSettings, monitor: Monitor, task: str
) -> tuple[list[_Step], _Step]:
    """Reset and set all cells at rising amplitudes until all of them, or no more, follow.

    Returns:
        All steps, and the first one at which as many cells followed as ever did.
    """
    amplitudes = _amplitudes(pulse)
    now = read_resistances(crossbar, read)
    steps: list[_Step] = []
    shares: list[float] = []
    for number, amplitude in enumerate(amplitudes):
        monitor.progress(task, number, len(amplitudes), f"{amplitude * 1e3:.0f} mV")
        pulse_all(crossbar, TO_AP, amplitude, pulse.width, monitor)
        reset = read_resistances(crossbar, read)
        pulse_all(crossbar, TO_P, amplitude, pulse.width, monitor)
        after = read_resistances(crossbar, read)
        steps.append(_Step(amplitude, now, reset, after))
        now = after
        shares.append(float(np.mean(followed(after, reset))))
        best = int(np.argmax(shares))
        # Defective cells never follow, so some steps without gain end the ramp too.
        if shares[best] == 1.0 or (shares[best] >= 0.5 and number - best >= _PATIENCE):
            break
    monitor.progress(task, len(amplitudes), len(amplitudes))
    if max(shares) < 0.5:
        raise ProtocolError(
            f"only {max(shares):.0%} of the cells switched both ways, beyond the read noise, up to "
            f"{amplitudes[-1]:.3g} V at {pulse.width:g} s; check the wiring, raise operation.search_to or "
            "operation.pulse_width within the limits of the die, or operation.read_repeats"
        )
    return steps, steps[int(np.argmax(shares))]


def _amplitudes(pulse: PulseSettings) -> Floats:
    count = int(np.ceil(np.log(pulse.search_to / pulse.search_from) / np.log(_STEP))) + 1
    return np.geomspace(pulse.search_from, pulse.search_to, max(count, 2))


def _curve(
    steps: list[_Step], levels: CellLevels, moves: list[tuple[Resistances, Resistances, int]]
) -> SwitchingCurve:
    """Fit the share of cells that left the state they started from, over all steps of the ramp."""
    switched, cells = [], []
    working = levels.stuck < 0
    for before, after, start in moves:
        tested = working & (classify(before.ohm, levels.threshold) == start)
        left = tested & (classify(after.ohm, levels.threshold) == 1 - start)
        cells.append(int(tested.sum()))
        switched.append(int(left.sum()))
    amplitudes = np.array([step.amplitude for step in steps])
    return fit_curve(amplitudes, np.array(switched, dtype=np.float64), np.array(cells, dtype=np.float64))


def _refined(
    few: FewLines, pulse: PulseSettings, strong: float, curve: SwitchingCurve, polarity: int, p: float
) -> SwitchingCurve:
    """Shift a curve to what pulses on few lines do near a probability.

    Its slope may be far from that of few lines, so amplitudes are tried, by the secant of those that came
    closest, until one gives about the probability.
    """
    wanted, rough = log_hazard(p), curve.slope
    points: list[tuple[float, float]] = []
    for number in range(_MOST_ROUNDS):
        amplitude = min(max(curve.amplitude(p), pulse.search_from), strong)
        switched, cells = few.measure(polarity, amplitude, pulse.width, _cells_for(p))
        measured = counted_log_hazard(switched, cells)
        points.append((measured, amplitude))
        points.sort(key=lambda point: abs(point[0] - wanted))
        slope = _secant(points, rough)
        curve = replace(curve, slope=slope).shifted(amplitude, switched, cells)
        if number > 0 and abs(measured - wanted) < _CLOSE:
            break
    return curve


def _secant(points: list[tuple[float, float]], rough: float) -> float:
    """Slope through the first two points (log hazard, amplitude) if they are apart, else the rough one."""
    if len(points) < 2 or abs(points[0][0] - points[1][0]) < _APART:
        return rough
    (eta, volts), (other_eta, other_volts) = points[:2]
    if volts == other_volts:
        return rough
    return _near((eta - other_eta) / (volts - other_volts), rough)


def _near(slope: float, rough: float) -> float:
    """A measured slope, 1/V, kept within a factor of the rough one."""
    return min(max(slope, rough / _MOST_CHANGE), rough * _MOST_CHANGE)


def _sloped(
    few: FewLines,
    pulse: PulseSettings,
    strong: float,
    curve: SwitchingCurve,
    polarity: int,
    between: tuple[float, float],
) -> SwitchingCurve:
    """The curve with the slope between two probabilities, the upper of which it goes through."""
    low, high = between
    lower = _refined(few, pulse, strong, curve, polarity, low)
    upper, below = curve.amplitude(high), lower.amplitude(low)
    if not upper > below:
        return curve
    slope = _near((log_hazard(high) - log_hazard(low)) / (upper - below), curve.slope)
    return SwitchingCurve(log_hazard(high) - slope * upper, slope, curve.trials + lower.trials)


def _against_width(
    few: FewLines,
    pulse: PulseSettings,
    strong: float,
    curve: SwitchingCurve,
    polarity: int,
    p: float,
    shortest: float,
) -> WidthCurve:
    """Hazard at shorter and shorter pulses of the amplitude that switches with this probability."""
    amplitude = min(max(curve.amplitude(p), pulse.search_from), strong)
    widths = [pulse.width * 0.5**k for k in range(_HALVINGS + 1)]
    widths = [width for width in widths if width >= shortest] or [pulse.width]
    hazards = [log_hazard(p)]
    for width in widths[1:]:
        switched, cells = few.measure(
            polarity, amplitude, width, _cells_for(max(p * width / pulse.width, 0.01))
        )
        hazards.append(counted_log_hazard(switched, cells))
    return WidthCurve.of(np.array(widths), np.array(hazards))


def _cells_for(probability: float) -> float:
    """Cells to test for a logarithm of the hazard good to about 15 %."""
    return 40.0 / probability / (1.0 - probability)
