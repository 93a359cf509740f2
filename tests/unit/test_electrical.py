"""The electrical check through the contract: opens, shorts, lines that touch, cells that are stuck."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mtjloop.drivers.contract import Applied, Bias, Capabilities, Crossbar, Pulse, Reading, SafeState
from mtjloop.drivers.guard import Guard, Limits
from mtjloop.protocols.electrical import Bounds, ElectricalCheck, Verdict, check_electrically
from mtjloop.protocols.settings import PulseSettings, ReadSettings

READ = ReadSettings(voltage=0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
LIMITS = Limits(device_voltage=1.0, read_voltage=0.3, line_current=5e-3, pulse_width=1e-2)


class Silent:
    """A monitor that says nothing and may ask to stop after some steps."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.steps, self._stop_after = 0, stop_after

    def progress(self, task: str, done: int, total: int, detail: str = "") -> None:
        self.steps += 1

    def should_stop(self) -> bool:
        return self.steps > self._stop_after


@dataclass
class Resistors:
    """A crossbar of plain resistors; some pairs of lines may touch, through 1 ohm."""

    ohm: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    able: Capabilities
    row_short: tuple[int, int] | None = None
    column_short: tuple[int, int] | None = None
    pulses: list[Pulse] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return self.able

    def apply(self, pulse: Pulse) -> Applied:
        self.pulses.append(pulse)
        return Applied(1e-4, 1e-4)

    def read(self, bias: Bias) -> Reading:
        forward = bias.orientation == "forward"
        currents = np.atleast_2d(bias.levels) @ (1.0 / (self.ohm if forward else self.ohm.T))
        touching = self.row_short if forward else self.column_short
        peak = float(np.abs(bias.levels).max() / self.ohm.min())
        if touching is not None and np.ptp(np.atleast_2d(bias.levels)[0][list(touching)]) > 0.0:
            peak = 0.1
        return Reading(currents, 0.0, 1e-5, peak_current=peak, compliance=peak > LIMITS.line_current)

    def safe(self) -> SafeState:
        return SafeState(True)


@pytest.fixture
def able(ideal: Callable[..., Crossbar]) -> Capabilities:
    return ideal(rows=4, columns=5).capabilities


def two_levels() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.where(np.arange(20).reshape(4, 5) % 2, 5e3, 11e3)


def check(crossbar: Crossbar, bounds: Bounds | None = None) -> ElectricalCheck:
    return check_electrically(Guard(crossbar, LIMITS), READ, Silent(), bounds)


def test_a_good_crossbar_passes_and_gets_no_pulse(able: Capabilities) -> None:
    crossbar = Resistors(two_levels(), able)
    found = check(crossbar)
    assert found.passed
    assert np.allclose(found.resistance, two_levels())
    assert found.bounds == pytest.approx((8e3 / 5, 8e3 * 5))
    assert all(line.finding == "" for line in found.lines)
    assert [(line.side, line.number) for line in found.lines][3:6] == [
        ("row", 3),
        ("column", 0),
        ("column", 1),
    ]
    assert crossbar.pulses == []


def test_each_kind_of_bad_cell_is_told_from_the_others(able: Capabilities) -> None:
    ohm = two_levels()
    ohm[0, 1], ohm[1, 2], ohm[2, 3], ohm[3, 4] = math.inf, 300.0, 1e6, 25e3
    found = check(Resistors(ohm, able))
    expected = np.zeros((4, 5))
    expected[0, 1], expected[1, 2], expected[2, 3] = Verdict.OPEN, Verdict.SHORT, Verdict.OPEN
    expected[3, 4] = Verdict.OUTSIDE
    assert (found.verdict == expected).all()
    assert not found.passed
    assert found.lines[1].finding == "1 short"
    assert found.lines[4 + 4].finding == "1 outside"
    assert found.lines[0].highest == math.inf
    assert found.lines[1].lowest == pytest.approx(300.0)


def test_noise_alone_makes_no_cell_bad_and_hides_no_defect(able: Capabilities) -> None:
    """2 % of the current of a P cell, 4 % of that of an AP cell."""
    rng = np.random.default_rng(3)
    noise = 0.02 * READ.voltage / 5e3

    class Noisy(Resistors):
        def read(self, bias: Bias) -> Reading:
            reading = super().read(bias)
            currents = reading.currents + rng.normal(0.0, noise, reading.currents.shape)
            return replace(reading, currents=currents, noise=noise)

    for _ in range(50):
        ohm = two_levels()
        ohm[0, 1], ohm[1, 2] = math.inf, 300.0
        found = check(Noisy(ohm, able))
        bad = {tuple(cell): found.verdict[tuple(cell)] for cell in np.argwhere(found.verdict)}
        assert bad == {(0, 1): Verdict.OPEN, (1, 2): Verdict.SHORT}
        assert found.noise == pytest.approx(noise / READ.voltage)
        assert not found.blind
    noise *= 5.0
    assert check(Noisy(two_levels(), able)).blind


def test_a_line_without_any_current_is_open_as_a_line(able: Capabilities) -> None:
    ohm = two_levels()
    ohm[2] = math.inf
    found = check(Resistors(ohm, able))
    assert found.lines[2].finding == "open line: wire, relay or contact"
    assert found.lines[4].finding == "1 open"
    assert found.count(Verdict.OPEN) == 5


def test_bounds_may_be_given(able: Capabilities) -> None:
    found = check(Resistors(two_levels(), able), Bounds(short=6e3, open=10e3))
    assert found.count(Verdict.SHORT) == found.count(Verdict.OPEN) == 10
    nothing = check(Resistors(np.full((4, 5), math.inf), able))
    assert nothing.bounds is None
    assert nothing.count(Verdict.OPEN) == 20


def test_a_cell_that_depends_on_the_direction_is_not_good(able: Capabilities) -> None:
    class Diode(Resistors):
        def read(self, bias: Bias) -> Reading:
            reading = super().read(bias)
            if bias.orientation == "transposed":
                reading.currents[:, 2] *= 0.5
            return reading

    found = check(Diode(two_levels(), able))
    assert (found.verdict[2] == Verdict.OUTSIDE).all()
    assert found.count(Verdict.OUTSIDE) == 5


@pytest.mark.parametrize(
    ("row", "column", "words", "unread"),
    [((1, 3), None, "row 1: a line met its current limit", 15), (None, (0, 4), "column 0: a line met", 0)],
)
def test_lines_that_touch_stop_the_check_and_are_named(
    able: Capabilities, row: tuple[int, int] | None, column: tuple[int, int] | None, words: str, unread: int
) -> None:
    found = check(Resistors(two_levels(), able, row, column))
    assert found.fault is not None
    assert found.fault.startswith(words)
    assert found.count(Verdict.UNREAD) == unread
    assert not found.passed
    if unread:
        assert found.lines[3].finding == "5 not read"
        assert math.isnan(found.lines[3].median)


def test_a_stop_leaves_the_rest_unread(able: Capabilities) -> None:
    found = check_electrically(Guard(Resistors(two_levels(), able), LIMITS), READ, Silent(stop_after=2))
    assert found.fault == "stopped at row 2"
    assert found.count(Verdict.UNREAD) == 10


def test_stuck_cells_show_only_when_cells_are_switched(ideal: Callable[..., Crossbar]) -> None:
    stuck = {(0, 1): 1, (2, 3): 0}
    quiet = check(ideal(rows=4, columns=5, stuck=stuck))
    assert quiet.passed
    assert not quiet.switched
    found = check_electrically(
        Guard(ideal(rows=4, columns=5, stuck=stuck), LIMITS), READ, Silent(), pulse=PULSE
    )
    assert found.switched
    assert {tuple(cell) for cell in np.argwhere(found.verdict)} == {(0, 1), (2, 3)}
    assert found.verdict[0, 1] == Verdict.STUCK_P
    assert found.verdict[2, 3] == Verdict.STUCK_AP
    assert found.lines[0].finding == "1 stuck P"
