"""HiSLIP and VXI-11 through real PyVISA, and through our own links: messages, blocks, clears, faults."""

import gc
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import cast

import pytest
import pyvisa
from pyvisa.resources import MessageBasedResource

from mtjloop.errors import LinkDirty, LinkLost, LinkTimeout
from mtjloop.instruments import Keithley707B as MatrixDriver
from mtjloop.instruments import Keithley2600B as SmuDriver
from mtjloop.instruments import KeysightB2900 as B2900Driver
from mtjloop.instruments import VisaLink
from mtjloop.instruments.link import Link, LinkState
from mtjloop.sim.twin.bench import Bench
from mtjloop.sim.twin.server import Protocol, Served, serve

from .conftest import keithley_bench, keysight_bench

PATIENT, TIMEOUT = 30.0, 0.3
"""Wait for a reply that comes, on a busy machine too; and for one that does not, s."""
IDN = "Keithley Instruments Inc., Model 2636B, 4012345, 3.2.2"
MESSAGES = pytest.mark.parametrize("protocol", ["hislip", "vxi11"])


class Client:
    """A bench served over one protocol, and PyVISA sessions to it."""

    def __init__(self, served: Served, stack: ExitStack) -> None:
        self.served, self._stack = served, stack

    def visa(self, name: str = "smu", timeout: float = PATIENT) -> MessageBasedResource:
        opened = cast(
            MessageBasedResource, pyvisa.ResourceManager("@py").open_resource(self.served.resource(name))
        )
        opened.timeout = timeout * 1e3
        opened.read_termination = opened.write_termination = "\n"
        self._stack.callback(opened.close)
        return opened

    def link(self, name: str = "smu", expected: str = "Model", timeout: float = PATIENT) -> VisaLink:
        link = VisaLink(self.served.resource(name), expected, manager="@py", timeout=timeout)
        self._stack.callback(link.close)
        return link


Open = Callable[[Bench, Protocol], Client]


@pytest.fixture
def opened() -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda bench, protocol: Client(stack.enter_context(serve(bench, protocol=protocol)), stack)


def state(link: Link) -> LinkState:
    return link.state


@MESSAGES
def test_addresses_are_visa_resources_with_a_port(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    port = client.served.addresses["smu"].port
    assert (
        client.served.resource("smu")
        == {
            "hislip": f"TCPIP0::127.0.0.1::hislip0,{port}::INSTR",
            "vxi11": f"TCPIP0::127.0.0.1,{port}::inst0::INSTR",
        }[protocol]
    )
    assert client.visa().query("*IDN?") == IDN


@MESSAGES
def test_every_instrument_has_its_own_port(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    assert client.visa("smu").query("*IDN?") != client.visa("matrix").query("*IDN?")
    assert client.visa("smu").query("print(1)") == "1.00000e+00"  # two clients of one instrument


@MESSAGES
def test_a_message_of_many_lines_and_one_longer_than_a_packet(opened: Open, protocol: Protocol) -> None:
    visa = opened(keithley_bench(), protocol).visa()
    visa.write("x = 1\nx = x + 1\nprint(x)\nprint(x + 1)")
    assert visa.read() == "2.00000e+00" + ("\n3.00000e+00" if protocol == "hislip" else "")
    if protocol == "vxi11":
        assert visa.read() == "3.00000e+00"
    long = "x" * 1_500_000
    assert visa.query(f"print('{long}')") == long


@MESSAGES
def test_binary_blocks_hold_line_feeds(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    with client.link() as link, link.exchange():
        link.write("format.data = format.REAL64 format.byteorder = format.BIGENDIAN printnumber(5.5e-310, 2)")
        head = link.read_bytes(2)
        data = link.read_bytes(16)
        assert head == b"#0"
        assert struct.unpack(">2d", data) == (5.5e-310, 2.0)
        assert link.read() == ""


@MESSAGES
def test_serial_poll_trigger_and_clear(opened: Open, protocol: Protocol) -> None:
    visa = opened(keysight_bench(), protocol).visa()
    assert visa.read_stb() & 4 == 0
    visa.write(":NO:SUCH:COMMAND")
    while not visa.read_stb() & 4:  # an error waits; the message may still be on its way
        pass
    visa.write("*IDN?")
    while not visa.read_stb() & 16:  # and now a reply
        pass
    if protocol == "hislip":  # pyvisa-py takes an unread reply for the acknowledgement of its clear
        assert visa.read().startswith("Keysight")
    visa.clear()
    assert visa.query(":SYST:ERR:COUN?") == "1"
    if protocol == "vxi11":  # pyvisa-py has no trigger over HiSLIP
        visa.assert_trigger()
        assert visa.query("*OPC?") == "1"


@MESSAGES
def test_our_drivers_run_over_it(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    with SmuDriver(client.link("smu")) as smu, MatrixDriver(client.link("matrix")) as matrix:
        matrix.set_closed(["1A01", "1B05"])
        assert matrix.closed() == {"1A01", "1B05"}
        assert smu.interlock_asserted()
        assert smu.make_safe().proven
    client = opened(keysight_bench(), protocol)
    with B2900Driver(client.link("smu", "B29")) as keysight:
        assert keysight.live() == ()


@MESSAGES
def test_drop_is_a_timeout_and_a_clear_makes_it_good(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    link = client.link()
    client.served.endpoints["smu"].arm("drop")
    link._timeout = TIMEOUT
    with pytest.raises(LinkTimeout):
        link.query("print(1)")
    with pytest.raises(LinkDirty):
        link.query("print(1)")
    link._timeout = PATIENT
    link.clear()
    assert link.query("print(2)") == "2.00000e+00"


@MESSAGES
def test_a_late_reply_answers_nothing(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    link = client.link()
    client.served.endpoints["smu"].arm("late-reply")
    link._timeout = TIMEOUT
    with pytest.raises(LinkTimeout):
        link.query("print('first')")
    link._timeout = PATIENT
    link.clear()
    assert link.query("print('second')") == "second"


def test_hislip_knows_a_late_reply_by_its_number(opened: Open) -> None:
    client = opened(keithley_bench(), "hislip")
    visa = client.visa(timeout=TIMEOUT)
    client.served.endpoints["smu"].arm("late-reply")
    with pytest.raises(pyvisa.VisaIOError):
        visa.query("print('first')")
    visa.timeout = PATIENT * 1e3
    assert visa.query("print('second')") == "second"


def test_vxi11_does_not(opened: Open) -> None:
    client = opened(keithley_bench(), "vxi11")
    visa = client.visa(timeout=TIMEOUT)
    client.served.endpoints["smu"].arm("late-reply")
    with pytest.raises(pyvisa.VisaIOError):
        visa.query("print('first')")
    visa.timeout = PATIENT * 1e3
    assert visa.query("print('second')") == "first"


@MESSAGES
def test_a_delayed_reply_that_was_cleared_away_never_comes(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    link = client.link()
    client.served.endpoints["smu"].arm("delay", duration=0.5)
    link._timeout = TIMEOUT
    with pytest.raises(LinkTimeout):
        link.query("print('slow')")
    client.served.endpoints["smu"].disarm()
    link._timeout = PATIENT
    while state(link) is not LinkState.READY:
        try:
            link.clear()
        except LinkTimeout:
            continue
    assert link.query("print('next')") == "next"


@MESSAGES
def test_a_truncated_reply_has_no_end(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    link = client.link()
    client.served.endpoints["smu"].arm("truncated-line")
    link._timeout = TIMEOUT
    with pytest.raises(LinkTimeout):
        link.query("print('abcdef')")
    link._timeout = PATIENT
    link.reopen()
    assert link.query("print('whole')") == "whole"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyvisa-py leaks a socket
@MESSAGES
def test_process_death_is_a_lost_link(opened: Open, protocol: Protocol) -> None:
    client = opened(keithley_bench(), protocol)
    link = client.link()
    client.served.endpoints["smu"].arm("process-death")
    link._timeout = TIMEOUT
    with pytest.raises(LinkLost):
        link.query("print(1)")
    with pytest.raises(LinkLost):
        link.reopen()
    gc.collect()


def test_hislip_refuses_what_is_no_hislip(opened: Open) -> None:
    served = opened(keithley_bench(), "hislip").served
    for data, code in ((b"*IDN?\n" + bytes(10), 1), (struct.pack("!2sBBIQ", b"HS", 7, 0, 0, 0), 3)):
        with served.connect("smu") as link:
            link.sendall(data)
            assert link.recv(16)[:4] == bytes([*b"HS", 2, code])
            assert link.recv(100) != b""  # the text
            assert link.recv(1) == b""


def call(
    link: socket.socket, program: int, procedure: int, arguments: bytes = b"", version: int = 1
) -> bytes:
    """Accept status and results of a call, written from the RFC."""
    body = struct.pack("!10I", 7, 0, 2, program, version, procedure, 0, 0, 0, 0) + arguments
    link.sendall(struct.pack("!I", 0x80000000 | len(body)) + body)
    (mark,) = struct.unpack("!I", link.recv(4))
    record = link.recv(mark & 0x7FFFFFFF)
    assert struct.unpack("!5I", record[:20]) == (7, 1, 0, 0, 0)
    return record[20:]


def test_vxi11_answers_other_programs_links_and_locks_by_the_book(opened: Open) -> None:
    served = opened(keithley_bench(), "vxi11").served
    core = 0x0607AF
    create = struct.pack("!4I", 1, 0, 0, 5) + b"inst0\0\0\0"
    with served.connect("smu") as one, served.connect("smu") as two:
        assert call(one, 100000, 3) == struct.pack("!I", 1)
        assert call(one, core, 0, version=9) == struct.pack("!3I", 2, 1, 1)
        assert call(one, core, 99) == struct.pack("!I", 3)
        assert call(one, core, 10, b"\0") == struct.pack("!I", 4)
        assert call(one, core, 10, create.replace(b"inst0", b"inst7"))[:8] == struct.pack("!2I", 0, 3)
        _, error, first, port, _ = struct.unpack("!5I", call(one, core, 10, create))
        assert (error, port) == (0, served.addresses["smu"].port)
        second = struct.unpack("!5I", call(two, core, 10, create))[2]
        assert call(one, core, 18, struct.pack("!3I", first, 0, 0)) == struct.pack("!2I", 0, 0)
        write = struct.pack("!5I", second, 0, 0, 8, 4) + b"*TRG"
        assert call(two, core, 11, write) == struct.pack("!3I", 0, 11, 0)
        assert call(one, core, 19, struct.pack("!I", first)) == struct.pack("!2I", 0, 0)
        assert call(two, core, 11, write) == struct.pack("!3I", 0, 0, 4)
        assert call(two, core, 23, struct.pack("!I", second)) == struct.pack("!2I", 0, 0)
        assert call(two, core, 11, write) == struct.pack("!3I", 0, 4, 0)
