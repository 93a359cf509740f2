"""What the `smu` backend does when a bench misbehaves: nothing twice, all off, proven or UNKNOWN."""

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import pytest

from mtjloop.drivers.contract import Bias, Pulse
from mtjloop.drivers.emulated import FaultName
from mtjloop.errors import ClosedError, FaultError, InstrumentError, MtjloopError, ReadbackError
from mtjloop.sim.twin.keithley707b import Keithley707B
from mtjloop.sim.twin.wiring import Port

from .opened import OpenedTwin

PULSE = Pulse(np.array([0.2, 0, 0.2, 0, 0, 0]), np.array([-0.2, 0, 0, 0, -0.2]), 1e-4, repeat=3)
OTHER = Pulse(np.array([0, 0.2, 0, 0.2, 0, 0]), np.array([0, -0.2, 0, 0, -0.2]), 1e-4)
READ = Bias(np.array([0.1, 0, 0, 0.1, 0, 0]))
BENCHES = {
    "2600B": ("keithley-2600b", False),
    "linked": ("keithley-2600b", True),
    "B2900": ("keysight-b2900", False),
}
LOSING: tuple[FaultName, ...] = ("drop", "late-reply", "truncated-line", "garbage", "error-queue-overflow")


@pytest.fixture(scope="module", params=BENCHES)
def bench(request: pytest.FixtureRequest) -> tuple[str, bool]:
    """A kind of bench; compilers have done their work when it is given."""
    model, link = BENCHES[request.param]
    with OpenedTwin(model, link=link) as opened:
        opened.crossbar.apply(PULSE)
        opened.crossbar.read(READ)
    return model, link


@pytest.fixture
def opened(bench: tuple[str, bool]) -> Iterator[OpenedTwin]:
    with OpenedTwin(bench[0], link=bench[1]) as twin:
        yield twin


def really_off(opened: OpenedTwin) -> bool:
    """What only the twin can know: no output is on, no contact is closed."""
    outputs = [opened.twin.driven(Port("smu", channel)).output for channel in (1, 2)]
    matrix = cast(Keithley707B, opened.twin.emulators["matrix"])
    return not any(outputs) and not matrix.closed


def refuses_everything(opened: OpenedTwin) -> bool:
    """Whether nothing more gets through, and nothing is sent again."""
    given = len(opened.twin.pulses)
    for operation in (lambda: opened.crossbar.apply(PULSE), lambda: opened.crossbar.read(READ)):
        with pytest.raises(ClosedError):
            operation()
    return len(opened.twin.pulses) == given


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("fault", LOSING)
def test_a_pulse_in_doubt_is_not_repeated_and_the_bench_goes_off(
    opened: OpenedTwin, fault: FaultName, skip: int
) -> None:
    opened.crossbar.apply(OTHER)
    before = len(opened.twin.pulses)
    opened.be_impatient()
    opened.served.endpoints["smu"].arm(fault, skip=skip)
    try:
        opened.crossbar.apply(PULSE)
    except MtjloopError:
        assert refuses_everything(opened)
        assert really_off(opened)
    else:  # the fault struck a message whose loss does no harm
        opened.served.endpoints["smu"].disarm()
    assert len(opened.twin.pulses) - before in (0, 3)
    assert opened.crossbar.safe().proven
    assert really_off(opened)


@pytest.mark.parametrize("fault", ["drop", "truncated-line", "garbage"])
def test_a_read_in_doubt_leaves_the_bench_off(opened: OpenedTwin, fault: FaultName) -> None:
    opened.crossbar.apply(PULSE)
    opened.be_impatient()
    opened.served.endpoints["smu"].arm(fault, messages=2)
    with pytest.raises(MtjloopError):
        opened.crossbar.read(READ)
    assert really_off(opened)
    assert refuses_everything(opened)


@pytest.mark.parametrize("operation", ["pulse", "read"])
def test_a_dead_source_is_unknown_and_the_relays_still_open(opened: OpenedTwin, operation: str) -> None:
    opened.crossbar.apply(OTHER)
    opened.served.endpoints["smu"].arm("process-death")
    with pytest.raises(MtjloopError):
        opened.crossbar.apply(PULSE) if operation == "pulse" else opened.crossbar.read(READ)
    state = opened.crossbar.safe()
    assert not state.proven
    assert "UNKNOWN" in state.detail
    assert not cast(Keithley707B, opened.twin.emulators["matrix"]).closed
    assert refuses_everything(opened)


def test_a_dead_matrix_is_unknown_and_the_outputs_are_off(opened: OpenedTwin) -> None:
    opened.crossbar.apply(OTHER)
    opened.served.endpoints["matrix"].arm("process-death")
    state = opened.crossbar.safe()
    assert not state.proven
    assert not any(opened.twin.driven(Port("smu", channel)).output for channel in (1, 2))


@pytest.mark.parametrize("operation", ["pulse", "read"])
def test_compliance_ends_in_a_fault(opened: OpenedTwin, operation: str) -> None:
    opened.crossbar.apply(OTHER)
    before = len(opened.twin.pulses)
    opened.served.endpoints["smu"].arm("compliance-hit", messages=3)
    with pytest.raises(FaultError, match=r"met its current limit of 0\.01 A"):
        opened.crossbar.apply(PULSE) if operation == "pulse" else opened.crossbar.read(READ)
    assert len(opened.twin.pulses) - before == (3 if operation == "pulse" else 0)
    assert really_off(opened)
    assert refuses_everything(opened)


def test_a_relay_that_sticks_between_a_source_and_ground_is_met_as_compliance(opened: OpenedTwin) -> None:
    """The matrix reads back what it commands, so only the current shows a welded contact."""
    cast(Keithley707B, opened.twin.emulators["matrix"]).stick("1A02", True)  # row 1 is at ground in PULSE
    with pytest.raises(FaultError, match="look for a short"):
        opened.crossbar.apply(PULSE)
    assert not any(opened.twin.driven(Port("smu", channel)).output for channel in (1, 2))
    assert refuses_everything(opened)


@pytest.mark.parametrize("operation", ["pulse", "read"])
def test_relays_that_do_not_close_keep_every_output_off(opened: OpenedTwin, operation: str) -> None:
    opened.crossbar.apply(OTHER)
    before = len(opened.twin.pulses)
    opened.twin.emulators["matrix"].receive(b"channel.setforbidden('1A01')")
    with pytest.raises((InstrumentError, ReadbackError)):
        opened.crossbar.apply(PULSE) if operation == "pulse" else opened.crossbar.read(READ)
    assert len(opened.twin.pulses) == before
    assert really_off(opened)
    assert refuses_everything(opened)


def test_an_interrupt_in_the_middle_is_doubt_too(opened: OpenedTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the reply is awaited: the pulse was given, is not given again, and the bench is off."""
    link = opened.bench.crossbars[0]._crossbar._instruments.sources["smu"].link  # type: ignore[attr-defined]
    read: Callable[..., bytes] = link._receive
    interrupts = iter([True])

    def receive(count: int, timeout: float) -> bytes:
        if next(interrupts, False):
            raise KeyboardInterrupt
        return read(count, timeout)

    monkeypatch.setattr(link, "_receive", receive)
    with pytest.raises(KeyboardInterrupt):
        opened.crossbar.apply(PULSE)
    assert really_off(opened)
    assert refuses_everything(opened)
    assert len(opened.twin.pulses) == 3


def test_an_open_interlock_does_not_stop_low_voltages(opened: OpenedTwin) -> None:
    """At 2 V the interlock is not needed; it guards the high range only, so nothing is claimed of it."""
    opened.served.endpoints["smu"].arm("interlock-open", messages=3)
    assert opened.crossbar.apply(PULSE).compliance is False


def test_a_failed_opening_leaves_nothing_on(bench: tuple[str, bool]) -> None:
    """Current limit out of range: refused after the links are open, with all outputs off."""
    with pytest.raises(MtjloopError, match=r"current_\w+ of .* is 10 A"):
        OpenedTwin(bench[0], link=bench[1], change=("line_current: 10 mA", "line_current: 10 A"))
