"""Program a pattern into a crossbar: pulse, verify, retry, report what failed."""

from dataclasses import dataclass

import numpy as np

from ..drivers.contract import Crossbar
from ..errors import ProtocolError
from .calibration import Calibration
from .journal import Monitor, States
from .mapping import ResistanceMap, map_crossbar
from .selection import TO_AP, TO_P, row_pulse
from .settings import PulseSettings, ReadSettings

_FIRST_PROBABILITY = 0.9
_RAISE = 1.03


@dataclass(frozen=True)
class ProgramReport:
    """How programming ended.

    Attributes:
        target: wanted states, (rows, columns); -1 where any state will do.
        final: map after the last round.
        failed: cells not in their wanted state, as (row, column).
        rounds: rounds of pulses given.
        pulses: pulses given.
        stopped: whether the monitor asked to stop before all rounds were done.
    """

    target: States
    final: ResistanceMap
    failed: tuple[tuple[int, int], ...]
    rounds: int
    pulses: int
    stopped: bool


def program(
    crossbar: Crossbar,
    target: States,
    calibration: Calibration,
    read: ReadSettings,
    pulse: PulseSettings,
    monitor: Monitor,
    task: str = "program",
) -> ProgramReport:
    """Bring every cell to its target state; only wrong cells are pulsed, in rising amplitude.

    Args:
        crossbar: to be programmed.
        target: (rows, columns); 1 P, 0 AP, -1 leave as it is.
        calibration: of this crossbar.
        read: how to verify.
        pulse: width, bias of unselected lines, number of attempts.
        monitor: shows progress; may stop between rows.
        task: name shown with the progress.

    Raises:
        ConfigurationError: the bench cannot bias unselected lines as asked; nothing was sent.
        ProtocolError: the pattern does not fit the crossbar.
    """
    pulse.check(crossbar.capabilities)
    shape = crossbar.capabilities.shape
    if target.shape != shape:
        raise ProtocolError(
            f"the pattern has {target.shape[0]} rows and {target.shape[1]} columns, the crossbar "
            f"{shape[0]} and {shape[1]}"
        )
    rounds = pulses = 0
    stopped = False
    for attempt in range(pulse.attempts + 1):
        found = map_crossbar(crossbar, read, calibration.levels.threshold)
        wrong = (target >= 0) & (found.state != target)
        monitor.progress(task, int((~wrong).sum()), wrong.size, f"round {attempt}")
        if not wrong.any() or attempt == pulse.attempts or stopped:
            break
        rounds += 1
        for polarity, wanted in ((TO_AP, 0), (TO_P, 1)):
            first = max(calibration.curve(polarity).amplitude(_FIRST_PROBABILITY), pulse.search_from)
            amplitude = min(first * _RAISE**attempt, pulse.search_to)
            for row in np.flatnonzero((wrong & (target == wanted)).any(axis=1)):
                if monitor.should_stop():
                    stopped = True
                    break
                cells = wrong[row] & (target[row] == wanted)
                crossbar.apply(
                    row_pulse(
                        int(row), cells, polarity, amplitude, pulse.width, pulse.program_unselected, shape[0],
                        crossbar.capabilities.gate_lines,
                    )
                )  # fmt: skip
                pulses += 1
    failed = tuple((int(row), int(column)) for row, column in np.argwhere(wrong))
    return ProgramReport(target, found, failed, rounds, pulses, stopped)
