"""Passive check and arming, through real PyVISA: what is wrong is found, nothing is energised."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mtjloop.drivers.bench import BenchDescription, open_bench
from mtjloop.drivers.contract import Bias, Pulse
from mtjloop.drivers.emulated import Protocol, Served
from mtjloop.drivers.qualification import PassiveCheck, check_passively
from mtjloop.errors import ClosedError, LinkLost, MtjloopError, NotArmedError
from mtjloop.sim.twin.bench import Bench as TwinBench
from mtjloop.sim.twin.circuit import Drive
from mtjloop.sim.twin.wiring import Port

from .benches import DIE, bench_text, pointed, served_bench
from .conftest import tell

MODELS = pytest.mark.parametrize("model", ["keithley-2600b", "keysight-b2900"])
PROTOCOLS = pytest.mark.parametrize("protocol", ["socket", "hislip", "vxi11", "serial"])


class Watch:
    """Everything a twin's channels ever drove."""

    def __init__(self, bench: TwinBench) -> None:
        self.levels: list[float] = []
        self.on = 0
        original = bench.drive

        def watched(port: Port, drive: Drive) -> None:
            self.levels.append(abs(drive.level))
            self.on += drive.output
            original(port, drive)

        bench.drive = watched  # type: ignore[method-assign]

    @property
    def energised(self) -> bool:
        """Whether an output was ever on, or any level ever stood at a terminal."""
        return self.on > 0 or max(self.levels, default=0.0) > 0.0


def failures(check: PassiveCheck) -> dict[str, str]:
    return {f"{one.what}, {one.where}": one.detail for one in check.findings if not one.passed}


@MODELS
@PROTOCOLS
def test_a_bench_in_order_passes_and_nothing_is_energised(model: str, protocol: Protocol) -> None:
    with served_bench(model, protocol=protocol) as (served, bench):
        watch = Watch(served.bench)
        before = served.bench.arrays[0].state
        check = check_passively(bench)
        assert failures(check) == {}
        assert check.passed
        assert not watch.energised
        assert not served.bench.pulses
        assert served.bench.switches == 0
        assert served.bench.arrays[0].array.reads == 0
        assert (served.bench.arrays[0].state == before).all()
    by_name = {one.name: one for one in check.instruments}
    assert by_name["matrix"].serial_number == "7070707"
    assert by_name["matrix"].model == "707B"
    assert by_name["smu"].firmware in ("3.2.2", "3.4.2011.5100")
    assert by_name["smu"].interlock is not None
    assert {one.what for one in check.findings} >= {
        "identity", "off when found", "outputs off", "relays open", "wired relays open", "relays exist",
        "no errors", "pulse width", "amplitude", "read voltage",
    }  # fmt: skip


def test_the_watch_sees_what_is_energised() -> None:
    with served_bench() as (served, _):
        watch = Watch(served.bench)
        tell(served.bench, "smu", "smua.source.levelv = 0.1 smua.source.output = 1")
        assert watch.energised


def dirty_output(served: Served) -> None:
    tell(served.bench, "smu", "smub.source.output = 1")


def dirty_relays(served: Served) -> None:
    tell(served.bench, "matrix", 'channel.close("1A02,2B03")')


def dirty_errors(served: Served) -> None:
    tell(served.bench, "smu", "no such thing")


@pytest.mark.parametrize(
    ("make", "finding", "words"),
    [
        (dirty_output, "off when found, smu", "b on; switched off"),
        (dirty_relays, "off when found, matrix", "1A02, 2B03 on"),
        (dirty_errors, "error queue when found, smu", "-285"),
    ],
)
def test_what_was_left_is_found_and_put_right_and_a_second_check_passes(
    make: Callable[[Served], None], finding: str, words: str
) -> None:
    with served_bench() as (served, bench):
        make(served)
        first = check_passively(bench)
        assert list(failures(first)) == [finding]
        assert words in failures(first)[finding]
        assert check_passively(bench).passed


def test_a_relay_that_does_not_exist_is_named() -> None:
    with served_bench() as (served, _):
        bench = pointed(bench_text().replace("matrix.2.1-5", "matrix.2.9-13"), served)
        check = check_passively(bench)
        assert "compare smu.tiles with the cards" in failures(check)["relays exist, matrix"]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("pulse_width: 200 us,", "pulse_width: 20 us,", "pulse width, tile 0"),
        ("pulse_width: 200 us,", "pulse_width: 200 us, read_voltage: 100 uV,", "read voltage, tile 0"),
        ('visa_library: "@py"', 'visa_library: "@py"\n  voltage_range: 100 mV', "amplitude, tile 0"),
    ],
)
def test_what_the_bench_cannot_do_is_a_finding(old: str, new: str, finding: str) -> None:
    with served_bench() as (served, _):
        check = check_passively(pointed(bench_text().replace(old, new), served))
        assert finding in failures(check)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('serial_number: "7070707"', 'serial_number: "1111111"', "serial_number of matrix is 1111111"),
        ("line_current: 10 mA", "line_current: 10 A", "is accepted"),
    ],
)
def test_a_bench_that_cannot_be_opened_is_a_failed_check(old: str, new: str, words: str) -> None:
    with served_bench() as (served, _):
        watch = Watch(served.bench)
        check = check_passively(pointed(bench_text().replace(old, new), served))
        assert not check.passed
        assert any(words in detail for detail in failures(check).values())
        assert not watch.energised


def test_instruments_that_are_not_there_are_all_named() -> None:
    with served_bench() as (_, bench):
        pass
    check = check_passively(bench)
    assert not check.passed
    text = " ".join(failures(check).values())
    assert "smu.instruments.smu" in text or "smu.instruments.matrix" in text


@pytest.mark.parametrize(
    "fault", ["drop", "truncated-line", "garbage", "process-death", "error-queue-overflow"]
)
@pytest.mark.parametrize("skip", [0, 6, 40])
def test_a_link_that_fails_is_a_failed_check_or_is_overcome(fault: str, skip: int) -> None:
    """Switching off is tried again on a clean link, and may be proven then; nothing else is ever repeated."""
    with served_bench() as (served, _):
        bench = pointed(bench_text(), served, "1 s")
        watch = Watch(served.bench)
        served.endpoints["smu"].arm(fault, skip=skip)  # type: ignore[arg-type]
        check = check_passively(bench)
        assert not watch.energised
        overcome = {one.what for one in check.findings if one.passed} >= {"outputs off", "relays open"}
        assert check.passed == (overcome and not failures(check))
        if skip == 0 or fault in ("process-death", "error-queue-overflow"):
            assert not check.passed


def test_a_stuck_relay_reads_back_open_so_a_passive_check_cannot_see_it() -> None:
    with served_bench() as (served, bench):
        served.endpoints["matrix"].arm("stuck-relay", crosspoint="1B02")
        assert check_passively(bench).passed


def armed_bench(description: BenchDescription) -> None:
    check = check_passively(description)
    with open_bench(description) as bench:
        bench.arm(check.qualification)
        assert bench.state == "ARMED"
        bench.crossbars[0].read(Bias(np.array([0.1, 0, 0, 0, 0, 0])))
        assert bench.state == "RUNNING"


@MODELS
def test_an_unarmed_bench_sends_nothing_and_an_armed_one_runs(model: str) -> None:
    with served_bench(model) as (served, description):
        watch = Watch(served.bench)
        with open_bench(description) as bench:
            assert bench.state == "CONNECTED"
            for operation in (
                lambda: bench.crossbars[0].read(Bias(np.full(6, 0.1))),
                lambda: bench.crossbars[0].apply(Pulse(np.full(6, 0.2), np.zeros(5), 2e-4)),
            ):
                with pytest.raises(NotArmedError, match="CONNECTED, not ARMED; nothing was sent"):
                    operation()
        assert bench.state == "DISCONNECTED"
        assert not watch.energised
        assert served.bench.switches == 0
        armed_bench(description)
        assert watch.energised


def test_a_check_of_another_file_or_of_other_instruments_does_not_arm() -> None:
    with served_bench() as (served, description):
        check = check_passively(description)
        changed = pointed(bench_text() + "# a comment\n", served)
        with open_bench(changed) as bench, pytest.raises(NotArmedError, match="bench file has changed"):
            bench.arm(check.qualification)
        other = replace(check.qualification, identities={**check.qualification.identities, "smu": "Another"})
        with open_bench(description) as bench, pytest.raises(NotArmedError, match="instrument smu answers"):
            bench.arm(other)
        failed = replace(check.qualification, passed=False)
        with open_bench(description) as bench:
            with pytest.raises(NotArmedError, match="did not pass"):
                bench.arm(failed)
            with pytest.raises(NotArmedError):
                bench.crossbars[0].read(Bias(np.full(6, 0.1)))


@pytest.mark.parametrize("fault", ["process-death", "drop", "garbage"])
def test_a_link_that_fails_while_it_runs_closes_every_crossbar(fault: str) -> None:
    with served_bench() as (served, description):
        check = check_passively(description)
        with open_bench(description) as bench:
            bench.arm(check.qualification)
            served.endpoints["smu"].arm(fault)  # type: ignore[arg-type]
            instruments = bench.crossbars[0]._crossbar._instruments  # type: ignore[attr-defined]
            instruments.sources["smu"].link._timeout = 2.0
            with pytest.raises(MtjloopError):
                bench.crossbars[0].apply(Pulse(np.full(6, 0.2), np.zeros(5), 2e-4))
            assert bench.state == ("UNKNOWN" if fault == "process-death" else "FAULT")
            with pytest.raises(ClosedError):
                bench.crossbars[0].read(Bias(np.full(6, 0.1)))
        if fault == "process-death":
            assert bench.state == "UNKNOWN"
            assert not bench.safe().proven


def test_a_compliance_hit_ends_in_a_fault_with_everything_off() -> None:
    with served_bench() as (served, description):
        check = check_passively(description)
        with open_bench(description) as bench:
            bench.arm(check.qualification)
            served.endpoints["smu"].arm("compliance-hit", messages=50)
            with pytest.raises(MtjloopError, match="current limit"):
                bench.crossbars[0].apply(Pulse(np.full(6, 0.2), np.zeros(5), 2e-4))
            assert bench.state == "FAULT"
            assert not served.bench.driven(Port("smu", 1)).output
        assert tell(served.bench, "matrix", 'print(channel.getclose("allslots"))') == "nil\n"


def test_a_simulated_bench_has_nothing_to_check_and_is_armed_from_the_start() -> None:
    with served_bench() as (served, _):
        description = pointed(bench_text(backend="simulated", die=DIE), served)
    check = check_passively(description)
    assert check.passed
    assert check.instruments == ()
    with open_bench(description) as bench:
        assert bench.state == "ARMED"
    assert json.dumps(dict(check.qualification.identities)) == "{}"


def test_a_lost_link_is_not_found_by_a_later_check() -> None:
    with served_bench() as (served, description):
        served.endpoints["matrix"].arm("process-death")
        check = check_passively(description)
        assert not check.passed
        with pytest.raises((LinkLost, MtjloopError)):
            open_bench(description)
