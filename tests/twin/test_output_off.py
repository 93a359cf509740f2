"""What an output of a 2600B does while it is off, and that the driver leaves it at 0 V whatever was set."""

import pytest

from mtjloop.instruments import Keithley2600B, VisaLink
from mtjloop.sim.twin.bench import Bench
from mtjloop.sim.twin.circuit import Drive
from mtjloop.sim.twin.server import serve
from mtjloop.sim.twin.wiring import Port

from .conftest import keithley_bench, tell

B = Port("smu", 2)


def through_b(bench: Bench, *lines: str) -> float:
    """Current from channel A, which is on at 0.1 V, through a junction into channel B, which is off."""
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    tell(bench, "smu", "smua.source.levelv = 0.1 smua.source.output = 1", *lines)
    return float(tell(bench, "smu", "print(smua.measure.i())"))


def test_normal_off_holds_0_volts_and_takes_no_more_than_its_limit() -> None:
    assert 0.1 / 11e3 < through_b(keithley_bench()) < 0.1 / 5e3  # one junction, and paths around it
    assert through_b(keithley_bench(), "smub.source.offlimiti = 1e-6") == pytest.approx(1e-6, rel=1e-3)


@pytest.mark.parametrize(
    "line", ["smub.source.offmode = smub.OUTPUT_HIGH_Z", "smub.source.output = smub.OUTPUT_HIGH_Z"]
)
def test_high_impedance_lets_the_line_float(line: str) -> None:
    bench = keithley_bench()
    assert through_b(bench, line) == pytest.approx(0.0, abs=1e-9)
    assert bench.driven(B).kind == "open"


def test_a_high_impedance_output_reads_back_2_and_is_off() -> None:
    bench = keithley_bench()
    tell(bench, "smu", "smub.source.output = smub.OUTPUT_HIGH_Z")
    assert tell(bench, "smu", "print(smub.source.output)") == "2.00000e+00\n"
    assert not bench.driven(B).output


def test_the_current_function_takes_nothing_and_may_drift_to_its_limit() -> None:
    bench = keithley_bench()
    assert through_b(bench, "smub.source.offfunc = smub.OUTPUT_DCAMPS") == pytest.approx(0.0, abs=1e-9)
    assert bench.driven(B) == Drive("current", 0.0, 40.0)


def test_zero_keeps_the_limit_of_the_output() -> None:
    bench = keithley_bench()
    tell(bench, "smu", "smub.source.limiti = 5e-3 smub.source.offmode = smub.OUTPUT_ZERO")
    assert bench.driven(B) == Drive("voltage", 0.0, 5e-3)


@pytest.mark.parametrize(
    "line",
    [
        "smub.source.offmode = smub.OUTPUT_HIGH_Z",
        "smub.source.offfunc = smub.OUTPUT_DCAMPS",
        "smub.source.offmode = smub.OUTPUT_ZERO smub.source.limiti = 1",
        "smub.source.output = smub.OUTPUT_HIGH_Z",
        "smub.source.levelv = 1 smub.source.output = 1",
    ],
)
def test_made_safe_every_output_holds_0_volts_with_a_small_limit(line: str) -> None:
    bench = keithley_bench()
    tell(bench, "smu", line)
    with (
        serve(bench) as served,
        Keithley2600B(VisaLink(served.resource("smu"), "Model", manager="@py", timeout=10.0)) as smu,
    ):
        assert smu.make_safe().proven
        for channel in (1, 2):
            assert bench.driven(Port("smu", channel)) == Drive("voltage", 0.0, 1e-3)
