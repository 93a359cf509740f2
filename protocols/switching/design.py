"""Where the trials of the next block go: a grid for all devices, or what tells most about each of them."""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ...compiled import kernel
from ...drivers.contract import Floats
from ..switching_curve import SwitchingCurve
from .law import Law, fitted_law
from .likelihood import (
    LOG_DELTA,
    LOG_VOLTAGE,
    PARAMETERS,
    Flags,
    covariance,
    device_log_hazard,
    gradient,
    information,
    information_weight,
    maximise,
)
from .settings import AdaptiveSettings, CharacterizeSettings, GridSettings, LawSettings
from .shots import Request, on_step

_DELTA_SIGMA, _VOLTAGE_SIGMA = 0.4, 0.3
"""Of ln Delta and ln V_c0 before any trial; they only place trials and never enter a fit."""
_CALIBRATION_TRIALS = 4.0
"""What the array-wide calibration counts for as trials of one device at P = 1/2."""
_LEAST_P, _MOST_P = 0.03, 0.97
_GRID_P = (0.02, 0.98)
_HALF = math.log(math.log(2.0))
"""ln(-ln(1 - P)) at P = 1/2."""


@dataclass
class Device:
    """A device and polarity under trial.

    Attributes:
        row: of the device.
        column: of the device.
        sent: trials asked so far, controls and failed resets counted.
        done: why no more are asked; empty while they are.
        theta: present estimate of (ln Delta, ln V_c0, ln tau, h).
        sigma: standard deviations of ln Delta and ln V_c0 by its information.
    """

    row: int
    column: int
    theta: Floats
    sent: int = 0
    reset_failed: int = 0
    done: str = ""
    sigma: tuple[float, float] = (math.inf, math.inf)
    counts: dict[tuple[float, float], list[float]] = field(default_factory=dict)

    def add(self, voltage: float, width: float, applied: float, switched: bool) -> None:
        """Count a trial at an asked voltage in V and width in s; `applied` is what the junction saw, V."""
        total = self.counts.setdefault((voltage, width), [0.0, 0.0, 0.0])
        total[0] += switched
        total[1] += 1.0
        total[2] += applied


class Design(Protocol):
    """Places the trials of one tile and polarity."""

    reference: Request
    """Measured again in every block."""
    trials: int
    """Of the design for one device in one block, reference and controls not counted."""
    moved: int
    """Points that the design wanted beyond the voltages allowed, and that were moved to their edge."""

    def requests(self, device: Device) -> list[Request]:
        """The trials of the design for this device in the next block."""
        ...


class Estimator:
    """Follows what the trials of a device tell so far, to place the next ones and to see when it is done.

    Args:
        law: what is taken as known.
        curve: switching of the array at `width` s, from its calibration.
        width: of the calibration, s.
    """

    def __init__(self, law: LawSettings, curve: SwitchingCurve, width: float) -> None:
        self.law: Law = fitted_law(law.name)
        self._half_voltage, self._width = curve.amplitude(0.5), width
        self.free: Flags = np.array([True, True, False, False])
        theta = np.array(
            [math.log(law.delta), math.log(2.0 * self._half_voltage), math.log(law.time_unit), 0.0]
        )
        theta[LOG_VOLTAGE] = _critical_for(self.law, theta, self._half_voltage, width)
        self.start: Floats = theta
        self._weight = np.array([_DELTA_SIGMA**-2, _VOLTAGE_SIGMA**-2, 0.0, 0.0])

    def follow(self, device: Device) -> Floats:
        """Update the estimate of a device; returns its information with the prior, (4, 4)."""
        points = device.counts
        voltages = np.array([self._half_voltage] + [total[2] / total[1] for total in points.values()])
        widths = np.array([self._width] + [width for _, width in points])
        switched = np.array([0.5 * _CALIBRATION_TRIALS] + [total[0] for total in points.values()])
        trials = np.array([_CALIBRATION_TRIALS] + [total[1] for total in points.values()])
        maximise(
            self.law, device.theta, self.free, self.start, self._weight, voltages, widths, switched, trials
        )
        found = np.empty((PARAMETERS, PARAMETERS))
        information(self.law, device.theta, self.free, voltages, widths, trials, found)
        found[np.diag_indices(PARAMETERS)] += self._weight
        spread = np.empty((PARAMETERS, PARAMETERS))
        if covariance(found, self.free, spread):
            device.sigma = (
                math.sqrt(max(spread[LOG_DELTA, LOG_DELTA], 0.0)),
                math.sqrt(max(spread[LOG_VOLTAGE, LOG_VOLTAGE], 0.0)),
            )
        return found

    def voltage_for(self, theta: Floats, log_hazard: float, width: float) -> float:
        """Voltage in V at which a device reaches a log hazard in one pulse of `width` s."""
        return float(_voltage_for(self.law, theta, log_hazard, width))


class GridDesign:
    """The same voltages at every width for all devices, in every block.

    Args:
        settings: of the characterisation.
        grid: of this design.
        estimator: tells the voltages where none are given.
        least: lowest voltage that may be asked, V.
        most: highest voltage that may be asked, V.
        step: of the bench, V.
    """

    def __init__(
        self,
        settings: CharacterizeSettings,
        grid: GridSettings,
        estimator: Estimator,
        least: float,
        most: float,
        step: float,
    ) -> None:
        self._points: list[Request] = []
        self.moved = 0
        for width in settings.widths:
            voltages = grid.voltages
            if not voltages:
                ends = [
                    estimator.voltage_for(estimator.start, math.log(-math.log1p(-p)), width) for p in _GRID_P
                ]
                voltages = tuple(np.linspace(ends[0], ends[1], grid.steps))
                self.moved += sum(not least <= each <= most for each in voltages)
            # Rounded voltages may fall together; each is one point.
            allowed = {on_step(min(max(each, least), most), step) for each in voltages}
            self._points += [Request("trial", voltage, width) for voltage in sorted(allowed)]
        each = max(settings.block.trials // len(self._points), 1)
        self._block = self._points * each
        self.trials = len(self._block)
        self.reference = _reference(settings, estimator, least, most, step)

    def requests(self, device: Device) -> list[Request]:
        """Every point of the grid, as often as the block allows and at least once."""
        del device
        return list(self._block)


class AdaptiveDesign:
    """Points that reduce most what is not yet known of ln Delta and ln V_c0 of a device.

    The sum of both variances, in units of the wanted precision, is made least for the information expected
    from a point; the information of a point is averaged over what is not known of P there.

    Args:
        settings: of the characterisation.
        adaptive: of this design.
        estimator: follows each device.
        least: lowest voltage that may be asked, V.
        most: highest voltage that may be asked, V.
        step: of the bench, V.
    """

    def __init__(
        self,
        settings: CharacterizeSettings,
        adaptive: AdaptiveSettings,
        estimator: Estimator,
        least: float,
        most: float,
        step: float,
    ) -> None:
        count = max(int(math.log(most / least) / math.log1p(adaptive.voltage_step)), 1) + 1
        ladder = {on_step(float(each), step) for each in np.geomspace(least, most, count)}
        self._voltages = np.array(
            sorted(each for each in ladder if least * (1 - 1e-9) <= each <= most * (1 + 1e-9))
        )
        self._widths = np.array(settings.widths)
        self._estimator = estimator
        wanted = settings.precision
        targets = (wanted.delta, wanted.critical_voltage) if wanted else (0.05, 0.01)
        self._weights = np.array([targets[0] ** -2, targets[1] ** -2])
        self._each = [len(part) for part in np.array_split(np.arange(settings.block.trials), adaptive.points)]
        self.trials, self.moved = settings.block.trials, 0
        self.reference = _reference(settings, estimator, least, most, step)

    def requests(self, device: Device) -> list[Request]:
        """Trials at the best points for this device, found one after the other."""
        known = self._estimator.follow(device)
        found: list[Request] = []
        for each in self._each:
            v, w = best_point(
                self._estimator.law, device.theta, self._estimator.free, known, self._weights,
                self._voltages, self._widths, float(each),
            )  # fmt: skip
            voltage, width = float(self._voltages[v]), float(self._widths[w])
            information_of_point(
                self._estimator.law, device.theta, self._estimator.free, voltage, width, float(each), known
            )
            found += [Request("trial", voltage, width)] * each
        return found


def make_design(
    settings: CharacterizeSettings, estimator: Estimator, least: float, most: float, step: float
) -> Design:
    """The design of a plan; voltages stay within `least` and `most` V."""
    if isinstance(settings.design, GridSettings):
        return GridDesign(settings, settings.design, estimator, least, most, step)
    return AdaptiveDesign(settings, settings.design, estimator, least, most, step)


def _reference(
    settings: CharacterizeSettings, estimator: Estimator, least: float, most: float, step: float
) -> Request:
    """P = 1/2 of the array at the middle width."""
    width = sorted(settings.widths)[len(settings.widths) // 2]
    voltage = estimator.voltage_for(estimator.start, _HALF, width)
    return Request("reference", on_step(min(max(voltage, least), most), step), width)


def _critical_for(law: Law, theta: Floats, half_voltage: float, width: float) -> float:
    """ln V_c0 of a device that switches with P = 1/2 at `half_voltage` V."""
    unit = theta.copy()
    unit[LOG_VOLTAGE] = 0.0
    return math.log(half_voltage / _voltage_for(law, unit, _HALF, width))


@kernel
def _voltage_for(law: Law, theta: Floats, log_hazard: float, width: float) -> float:
    low, high = 0.0, 5.0 * math.exp(theta[LOG_VOLTAGE])
    for _ in range(60):
        middle = 0.5 * (low + high)
        if device_log_hazard(law, theta, middle, width) < log_hazard:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@kernel
def best_point(
    law: Law,
    theta: Floats,
    free: Flags,
    known: Floats,
    weights: Floats,
    voltages: Floats,
    widths: Floats,
    trials: float,
) -> tuple[int, int]:
    """Indices (voltage, width) of the point whose trials leave the least weighted variance. Compiled.

    Args:
        law: switching law.
        theta: estimate, (4,).
        free: which parameters are estimated, (4,).
        known: information so far, (4, 4).
        weights: of the variances of ln Delta and ln V_c0, (2,).
        voltages: to choose from, rising, V.
        widths: to choose from, s.
        trials: of the point.
    """
    spread, after = np.empty((PARAMETERS, PARAMETERS)), np.empty((PARAMETERS, PARAMETERS))
    total, slope = np.empty((PARAMETERS, PARAMETERS)), np.empty(PARAMETERS)
    covariance(known, free, spread)
    best, best_v, best_w = math.inf, 0, 0
    for w in range(widths.size):
        for v in range(voltages.size):
            eta = device_log_hazard(law, theta, voltages[v], widths[w])
            p = -math.expm1(-math.exp(min(eta, 50.0)))
            if not _LEAST_P <= p <= _MOST_P:
                continue
            gradient(law, theta, free, voltages[v], widths[w], slope)
            variance = 0.0
            for a in range(PARAMETERS):
                for b in range(PARAMETERS):
                    variance += slope[a] * spread[a, b] * slope[b]
            weight = trials * expected_weight(eta, variance)
            for a in range(PARAMETERS):
                for b in range(PARAMETERS):
                    total[a, b] = known[a, b] + weight * slope[a] * slope[b]
            if not covariance(total, free, after):
                continue
            loss = weights[0] * after[LOG_DELTA, LOG_DELTA] + weights[1] * after[LOG_VOLTAGE, LOG_VOLTAGE]
            if loss < best:
                best, best_v, best_w = loss, v, w
    if best == math.inf:
        best_v = nearest_to_half(law, theta, voltages, widths[0])
    return best_v, best_w


@kernel
def nearest_to_half(law: Law, theta: Floats, voltages: Floats, width: float) -> int:
    """Index of the voltage whose P is nearest to one half. Compiled."""
    best, place = math.inf, 0
    for v in range(voltages.size):
        off = abs(device_log_hazard(law, theta, voltages[v], width) - _HALF)
        if off < best:
            best, place = off, v
    return place


@kernel
def expected_weight(eta: float, variance: float) -> float:
    """Information of a trial about eta, averaged over eta known with `variance` (three-point quadrature)."""
    away = math.sqrt(3.0 * variance)
    return (
        4.0 * information_weight(eta) + information_weight(eta - away) + information_weight(eta + away)
    ) / 6.0


@kernel
def information_of_point(
    law: Law, theta: Floats, free: Flags, voltage: float, width: float, trials: float, known: Floats
) -> None:
    """Add the information expected from trials at a point to `known`, (4, 4). Compiled."""
    slope = np.empty(PARAMETERS)
    gradient(law, theta, free, voltage, width, slope)
    weight = trials * information_weight(device_log_hazard(law, theta, voltage, width))
    for a in range(PARAMETERS):
        for b in range(PARAMETERS):
            known[a, b] += weight * slope[a] * slope[b]
