"""Each fault by its name, as a client meets it on a raw socket."""

import socket
import time

import pytest

from mtjloop.sim.twin.faults import FAULT_NAMES
from mtjloop.sim.twin.server import serve

from .conftest import Client, keithley_bench, keysight_bench


def test_all_faults_of_the_design_are_there() -> None:
    assert set(FAULT_NAMES) == {
        "drop", "delay", "late-reply", "truncated-line", "garbage", "error-queue-overflow", "interlock-open",
        "compliance-hit", "stuck-relay", "process-death",
    }  # fmt: skip


def test_drop_loses_one_message_and_its_effect() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        assert client.ask("x = 1 print(x)") == "1.00000e+00"
        served.endpoints["smu"].arm("drop")
        client.send("x = 2")
        assert client.ask("print(x)") == "1.00000e+00"
        client.close()


def test_a_dropped_query_is_never_answered() -> None:
    with serve(keithley_bench()) as served:
        link = served.connect("smu", timeout=0.3)
        served.endpoints["smu"].arm("drop")
        link.sendall(b"*IDN?\n")
        with pytest.raises(TimeoutError):
            link.recv(1)
        link.close()


def test_delay_comes_late_but_comes() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("delay", duration=0.15)
        began = time.monotonic()
        assert client.ask("print(1)") == "1.00000e+00"
        assert time.monotonic() - began >= 0.15
        client.close()


def test_late_reply_answers_the_next_query() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("late-reply")
        client.send("print('first')")
        assert client.ask("print('second')") == "first"
        assert client.read() == "second"
        client.close()


def test_truncated_line_has_no_end() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("truncated-line")
        client.send("print('abcdef')")
        assert client.read_bytes(3) == b"abc"
        assert client.ask("print('whole')") == "whole"
        client.close()


def test_garbage_is_not_ascii() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("garbage", messages=2)
        for _ in range(2):
            assert not client.ask("print(1)").isascii()
        assert client.ask("print(1)") == "1.00000e+00"
        client.close()


def test_error_queue_overflow() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("error-queue-overflow")
        assert client.ask("print(errorqueue.count)") == "1.00000e+02"
        client.send("for k = 1, 99 do errorqueue.next() end")
        assert client.ask("print(errorqueue.next())").startswith("-3.50000e+02\tQueue overflow")
        client.close()
    with serve(keysight_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("error-queue-overflow")
        assert client.ask(":SYST:ERR:ALL?").endswith('-350,"Error queue overflow"')
        client.close()


def test_interlock_open_lasts_for_its_messages() -> None:
    with serve(keysight_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("interlock-open", messages=2)
        assert [client.ask(":SYST:INT:TRIP?") for _ in range(3)] == ["1", "1", "0"]
        client.close()


def test_interlock_open_takes_a_high_voltage_off() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        client.send("smua.source.limiti = 1e-3 smua.source.levelv = 100 smua.source.output = 1")
        assert client.ask("print(smua.source.output)") == "1.00000e+00"
        served.endpoints["smu"].arm("interlock-open")
        assert client.ask("print(smua.source.output)") == "0.00000e+00"
        assert client.ask("print((errorqueue.next()))") == "8.02000e+02"
        client.close()


def test_compliance_hit_really_limits() -> None:
    with serve(keithley_bench()) as served:
        matrix, client = Client(served.connect("matrix")), Client(served.connect("smu"))
        assert matrix.ask('channel.close("1A01,1B05") print(1)') == "1.00000e+00"
        client.send("smua.source.output = 1 smub.source.output = 1 smua.source.levelv = 0.1")
        assert client.ask("print(smua.source.compliance)") == "false"
        served.endpoints["smu"].arm("compliance-hit")
        assert client.ask("print(smua.source.compliance)") == "true"
        assert client.ask("print(smua.source.compliance)") == "false"
        client.close()
        matrix.close()


@pytest.mark.parametrize("closed", [True, False])
def test_stuck_relay(closed: bool) -> None:
    bench = keithley_bench()
    with serve(bench) as served:
        matrix, client = Client(served.connect("matrix")), Client(served.connect("smu"))
        served.endpoints["matrix"].arm("stuck-relay", crosspoint="1B05", closed=closed)
        assert matrix.ask('print(channel.getclose("allslots"))') == "nil"
        assert matrix.ask('channel.close("1A01") print(1)') == "1.00000e+00"
        if not closed:
            assert matrix.ask('channel.close("1B05") print(1)') == "1.00000e+00"
        client.send("smua.source.output = 1 smub.source.output = 1 smua.source.levelv = 0.1")
        assert (abs(float(client.ask("print(smub.measure.i())"))) > 1e-7) == closed
        with pytest.raises(ValueError, match="no relays"):
            served.endpoints["smu"].arm("stuck-relay")
        client.close()
        matrix.close()


def test_process_death_cuts_the_link_for_good() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("process-death", skip=1)
        assert client.ask("print(1)") == "1.00000e+00"
        client.send("print(2)")
        assert client.read() == ""
        client.close()
        deadline = time.monotonic() + 5.0
        refused = False
        while not refused and time.monotonic() < deadline:
            try:
                served.connect("smu", timeout=0.2).close()
            except (ConnectionError, TimeoutError):
                refused = True
        assert refused
        other = Client(served.connect("matrix"))
        assert other.ask("*OPC?") == "1"
        other.close()


def test_faults_wait_for_their_turn_and_can_be_disarmed() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        served.endpoints["smu"].arm("garbage", skip=1)
        assert client.ask("print(1)") == "1.00000e+00"
        assert not client.ask("print(1)").isascii()
        served.endpoints["smu"].arm("garbage")
        served.endpoints["smu"].disarm()
        assert client.ask("print(1)") == "1.00000e+00"
        with pytest.raises(ValueError, match="fault 'fire'"):
            served.endpoints["smu"].arm("fire")  # type: ignore[arg-type]
        client.close()


def test_sockets_are_on_the_loopback_interface_only() -> None:
    with serve(keithley_bench()) as served:
        link = served.connect("smu")
        assert link.getpeername()[0] == "127.0.0.1"
        assert link.family == socket.AF_INET
        link.close()
