"""The guard refuses before anything is sent, and leaves the bench safe after a fault."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mtjloop.drivers.arming import Arming, BenchState
from mtjloop.drivers.bench import Bench as OpenBench
from mtjloop.drivers.contract import (
    Applied,
    Bias,
    Capabilities,
    Pulse,
    Reading,
    SafeState,
    Timing,
    device_voltage_bound,
)
from mtjloop.drivers.guard import Guard, Limits
from mtjloop.errors import CapabilityError, FaultError, LimitError, NotArmedError, SafetyError

LIMITS = Limits(device_voltage=0.8, read_voltage=0.2, line_current=1e-3, pulse_width=1e-3)
CAPABILITIES = Capabilities(
    2, 2, "passive", 2.0, 0.0, 1e-6, 1.0, 0.0, None, None, True, True, False, Timing(0, 0, 0)
)


@dataclass
class Bench:
    """A crossbar that logs every call and answers with the current it is told."""

    current: float = 1e-4
    compliance: bool | None = False
    error: BaseException | None = None
    proven: bool = True
    calls: list[str] = field(default_factory=list)
    can: Capabilities = CAPABILITIES
    sent: Pulse | None = None

    @property
    def capabilities(self) -> Capabilities:
        return self.can

    def apply(self, pulse: Pulse) -> Applied:
        self.calls.append("apply")
        self.sent = pulse
        if self.error is not None:
            raise self.error
        return Applied(1e-4, 1e-4, row_currents=np.full(2, self.current), compliance=self.compliance)

    def read(self, bias: Bias) -> Reading:
        self.calls.append("read")
        if self.error is not None:
            raise self.error
        return Reading(
            np.full(2, self.current), 0.0, 1e-5, compliance=self.compliance, peak_current=self.current
        )

    def safe(self) -> SafeState:
        self.calls.append("safe")
        return SafeState(self.proven)


def pulse(row: float = 0.2, column: float = -0.2, width: float = 1e-4) -> Pulse:
    return Pulse(np.array([row, 0.0]), np.array([column, 0.0]), width)


def test_what_keeps_the_limits_passes() -> None:
    bench = Bench()
    guard = Guard(bench, LIMITS)
    guard.apply(pulse(0.4, -0.4))
    guard.read(Bias(np.array([0.1, -0.1])))
    assert bench.calls == ["apply", "read"]


@pytest.mark.parametrize(
    "bad",
    [
        pulse(0.5, -0.4),
        pulse(0.9, 0.0),
        pulse(-0.9, 0.0),
        pulse(width=2e-3),
        pulse(width=float("nan")),
        Pulse(np.array([0.5, -0.4]), np.full(2, np.nan), 1e-4),
        Pulse(np.array([0.2, 0.0]), np.zeros(2), np.array([1e-4, 2e-3])),
    ],
)
def test_pulses_over_a_limit_never_reach_the_bench(bad: Pulse) -> None:
    bench = Bench()
    guard = Guard(bench, LIMITS)
    with pytest.raises(LimitError, match="nothing was sent"):
        guard.apply(bad)
    assert bench.calls == []
    guard.apply(pulse())
    assert bench.calls == ["apply"]


def test_reads_over_the_limit_never_reach_the_bench() -> None:
    bench = Bench()
    with pytest.raises(LimitError, match=r"limits\.read_voltage"):
        Guard(bench, LIMITS).read(Bias(np.array([0.15, -0.15])))
    assert bench.calls == []


@pytest.mark.parametrize(("current", "compliance"), [(2e-3, False), (1e-4, True), (float("nan"), None)])
@pytest.mark.parametrize("operation", ["apply", "read"])
def test_a_current_over_the_limit_is_a_fault(operation: str, current: float, compliance: bool | None) -> None:
    bench = Bench(current=current, compliance=compliance)
    guard = Guard(bench, LIMITS)
    with pytest.raises(FaultError, match=r"current limit of 0.001 A.*outputs are off"):
        guard.apply(pulse()) if operation == "apply" else guard.read(Bias(np.zeros(2)))
    assert bench.calls == [operation, "safe"]
    with pytest.raises(SafetyError, match="closed after a fault"):
        guard.apply(pulse())
    with pytest.raises(SafetyError, match="closed after a fault"):
        guard.read(Bias(np.zeros(2)))
    assert guard.safe().proven
    assert bench.calls == [operation, "safe", "safe"]


def test_an_unproven_safe_state_is_said_to_be_unknown() -> None:
    with pytest.raises(FaultError, match="outputs are UNKNOWN"):
        Guard(Bench(compliance=True, proven=False), LIMITS).apply(pulse())


@pytest.mark.parametrize("error", [RuntimeError("link lost"), KeyboardInterrupt()])
def test_any_exception_leaves_the_bench_safe_and_closed(error: BaseException) -> None:
    bench = Bench(error=error)
    guard = Guard(bench, LIMITS)
    with pytest.raises(type(error)):
        guard.apply(pulse())
    assert bench.calls == ["apply", "safe"]
    with pytest.raises(SafetyError, match="closed after a fault"):
        guard.apply(pulse())


def test_a_guard_of_an_unarmed_bench_lets_nothing_through() -> None:
    bench = Bench()
    guard = Guard(bench, LIMITS, Arming())
    with pytest.raises(NotArmedError, match="nothing was sent"):
        guard.apply(pulse())
    with pytest.raises(NotArmedError, match="nothing was sent"):
        guard.read(Bias(np.array([0.1, 0.0])))
    assert guard.safe().proven
    assert bench.calls == ["safe"]


def test_a_fault_closes_all_crossbars_of_a_bench() -> None:
    first, second, arming = Bench(compliance=True), Bench(), Arming.simulated()
    guards = Guard(first, LIMITS, arming), Guard(second, LIMITS, arming)
    with pytest.raises(FaultError):
        guards[0].apply(pulse())
    with pytest.raises(SafetyError, match="closed after a fault"):
        guards[1].apply(pulse())
    assert second.calls == []
    assert arming.state is BenchState.FAULT


def test_bound_on_the_device_voltage_counts_ground_and_ignores_floating_lines() -> None:
    nan = float("nan")
    assert device_voltage_bound(Pulse(np.array([0.3, nan]), np.array([0.2, nan]), 1e-4)) == pytest.approx(0.3)
    assert device_voltage_bound(Pulse(np.array([0.3, nan]), np.array([-0.2, nan]), 1e-4)) == pytest.approx(
        0.5
    )


def test_what_the_bench_would_make_of_a_pulse_is_what_is_checked() -> None:
    """Coarse steps round 0.4 V up to 0.5 V: 1 V across a junction under a limit of 0.8 V."""
    bench = Bench()
    coarse = replace(CAPABILITIES, voltage_resolution=0.25, width_resolution=1e-4)
    bench.can = coarse
    guard = Guard(bench, LIMITS)
    with pytest.raises(LimitError, match="1 V across a junction"):
        guard.apply(pulse(0.38, -0.38))
    with pytest.raises(LimitError, match=r"limits\.pulse_width"):
        guard.apply(pulse(width=1.06e-3))
    with pytest.raises(CapabilityError, match="less than half a step"):
        guard.apply(pulse(width=4e-5))
    assert bench.calls == []
    guard.apply(pulse(0.3, -0.3))
    assert bench.sent is not None
    assert bench.sent.rows.tolist() == [0.25, 0.0]


def test_every_crossbar_of_a_bench_is_made_safe_whatever_another_does() -> None:
    class Dead(Bench):
        def safe(self) -> SafeState:
            self.calls.append("safe")
            raise OSError("no link")

    first, second = Dead(), Bench()
    state = OpenBench("two", (first, second), None).safe()
    assert first.calls == second.calls == ["safe"]
    assert not state.proven
    assert "no link" in state.detail
