"""Find out, on the chip itself, how its cells switch: two levels of each cell, and P against amplitude."""

from dataclasses import dataclass

import numpy as np

from ..drivers.contract import Crossbar, Floats
from ..errors import ProtocolError, StoppedError
from .journal import Monitor, States
from .mapping import (
    CellLevels,
    Resistances,
    classify,
    followed,
    levels_from_maps,
    read_resistances,
)
from .selection import TO_AP, TO_P, row_pulse, select_pulse
from .settings import PulseSettings, ReadSettings
from .switching_curve import SwitchingCurve, fit_curve

_STEP = 1.05
DEFAULT_PROBABILITY = 0.5
"""Where the curve is refined when no training asks for another probability."""
_CEILING = 1.08
_PATIENCE = 4
"""Steps without gain after which cells that do not follow count as stuck."""
_LINES_ACTIVE = 0.4
"""Share of rows and of columns selected together while the curve is refined; training selects fewer lines
than all, and the drop along the wires depends on how many."""


@dataclass(frozen=True)
class Calibration:
    """What an experiment knows of the cells of one crossbar.

    Attributes:
        levels: the two resistances of each cell.
        to_p: switching curve of AP -> P.
        to_ap: switching curve of P -> AP.
        strong: amplitude that switched every working cell, V.
    """

    levels: CellLevels
    to_p: SwitchingCurve
    to_ap: SwitchingCurve
    strong: float

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
    rough = Calibration(levels, to_p, to_ap, strong)
    return Calibration(
        levels,
        _refine(crossbar, read, pulse, rough, TO_P, probability, rng, monitor),
        _refine(crossbar, read, pulse, rough, TO_AP, probability, rng, monitor),
        strong,
    )


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


def pulse_all(crossbar: Crossbar, polarity: int, amplitude: float, width: float, monitor: Monitor) -> None:
    """Pulse every cell once, row by row; only the cells of that row see a voltage.

    Raises:
        StoppedError: the monitor asked to stop.
    """
    rows, columns = crossbar.capabilities.shape
    gated = crossbar.capabilities.gate_lines
    every = np.ones(columns, dtype=np.bool_)
    for row in range(rows):
        if monitor.should_stop():
            raise StoppedError("stopped while the cells were calibrated; their states are undefined")
        crossbar.apply(row_pulse(row, every, polarity, amplitude, width, "half", rows, gated))


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


def _refine(
    crossbar: Crossbar,
    read: ReadSettings,
    pulse: PulseSettings,
    rough: Calibration,
    polarity: int,
    probability: float,
    rng: np.random.Generator,
    monitor: Monitor,
) -> SwitchingCurve:
    """Shift a curve to what pulses on few lines do near the probability that training asks for."""
    curve, levels = rough.curve(polarity), rough.levels
    rows, columns = crossbar.capabilities.shape
    wanted = 40.0 / probability / (1.0 - probability)
    start = 0 if polarity == TO_P else 1

    def states_now() -> States:
        return classify(read_resistances(crossbar, read).ohm, levels.threshold)

    for _ in range(2):
        amplitude = min(max(curve.amplitude(probability), pulse.search_from), rough.strong)
        switched = cells = 0
        state: States | None = None
        for _ in range(200):
            if monitor.should_stop():
                raise StoppedError("stopped while the cells were calibrated; their states are undefined")
            if state is None or np.mean(state[levels.stuck < 0] == start) < 0.7:
                pulse_all(crossbar, -polarity, rough.strong, pulse.width, monitor)
                state = states_now()
            some_rows = rng.random(rows) < max(_LINES_ACTIVE, 1.0 / rows)
            some_columns = rng.random(columns) < max(_LINES_ACTIVE, 1.0 / columns)
            if not some_rows.any() or not some_columns.any():
                continue
            crossbar.apply(
                select_pulse(
                    some_rows, some_columns, polarity, amplitude, pulse.width, pulse.unselected,
                    gated=crossbar.capabilities.gate_lines,
                )
            )  # fmt: skip
            after = states_now()
            tested = (levels.stuck < 0) & np.outer(some_rows, some_columns) & (state == start)
            cells += int(tested.sum())
            switched += int((tested & (after == 1 - start)).sum())
            state = after
            if cells >= wanted:
                break
        if cells == 0:
            raise ProtocolError("no cell could be brought to its start state while switching was calibrated")
        curve = curve.shifted(amplitude, switched, cells)
    return curve
