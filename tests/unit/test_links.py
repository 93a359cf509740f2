"""Links over real loopback sockets and a serial pty, through PyVISA (pyvisa-py) and pyserial."""

import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mtjloop.errors import IdentityError, LinkDirty, LinkError, LinkLost, LinkTimeout, RecordError, ReplyError
from mtjloop.instruments.base_link import BaseLink
from mtjloop.instruments.link import Link, LinkState
from mtjloop.instruments.opening import open_link
from mtjloop.instruments.serial_link import SerialLink
from mtjloop.instruments.transcript import Transcript
from mtjloop.instruments.visa_link import VisaLink

IDN = "Test Works,Model 7,42,1.0"
Answer = Callable[[str, Callable[[bytes], None]], object]
"""What an instrument does with a line: sends bytes by the function it is given; returning False hangs up."""


def answer(line: str, send: Callable[[bytes], None]) -> object:
    """An instrument with a sense of mischief."""
    match line:
        case "*IDN?":
            send(IDN.encode() + b"\n")
        case "half":
            send(b"hal")
        case "two":
            send(b"one\ntwo\n")
        case "block":
            send(b"#0" + bytes(range(20)) + b"\n")
        case "late":
            time.sleep(0.08)
            send(b"late reply\n")
        case "garbage":
            send(b"\xff\x00\x80\n")
        case "hang up":
            send(b"hal")
            return False
        case "flood":
            send(b"x" * 20_000 + b"\n")
        case "silent":
            pass
        case _:
            send(line.upper().encode() + b"\n")
    return True


class Server:
    """A line server on a loopback socket."""

    def __init__(self, act: Answer = answer) -> None:
        self.act = act
        self.lines: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def resource(self) -> str:
        return f"TCPIP::127.0.0.1::{self.port}::SOCKET"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        buffer = b""
        while data := connection.recv(4096):
            buffer += data
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                self.lines.append(line.decode())
                if self.act(line.decode(), connection.sendall) is False:
                    return

    def stop(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(2.0)


class Port:
    """The same instrument behind a serial pty."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.master, self.slave = os.openpty()
        import tty

        tty.setraw(self.slave)
        self.resource = os.ttyname(self.slave)
        self.stopping, self.stopper = os.pipe()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        buffer = b""
        while True:
            ready, _, _ = select.select([self.master, self.stopping], [], [])
            if self.stopping in ready:
                return
            buffer += os.read(self.master, 4096)
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                self.lines.append(line.decode())
                answer(line.decode(), lambda data: (os.write(self.master, data), None)[1])

    def stop(self) -> None:
        os.write(self.stopper, b"x")
        self.thread.join(2.0)
        for end in (self.master, self.slave, self.stopping, self.stopper):
            with suppress(OSError):
                os.close(end)


Peer = Server | Port


def visa(peer: Peer, *, transcript: Transcript | None = None) -> BaseLink:
    resource = peer.resource if isinstance(peer, Server) else f"ASRL{peer.resource}::INSTR"
    return VisaLink(resource, "Model 7", manager="@py", timeout=0.06, transcript=transcript)


def pyserial(peer: Peer, *, transcript: Transcript | None = None) -> BaseLink:
    return SerialLink(peer.resource, "Model 7", timeout=0.06, transcript=transcript)


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
BENCHES = [
    pytest.param((Server, visa), id="socket-pyvisa"),
    pytest.param((Port, visa), id="pty-pyvisa", marks=POSIX),
    pytest.param((Port, pyserial), id="pty-pyserial", marks=POSIX),
]
Bench = tuple[Peer, Callable[..., BaseLink]]


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    make, opens = request.param
    peer = make()
    yield peer, opens
    peer.stop()


def state(link: Link) -> LinkState:
    """Asked anew each time: a type checker takes a property for a constant."""
    return link.state


@contextmanager
def served(act: Answer = answer) -> Iterator[Server]:
    server = Server(act)
    try:
        yield server
    finally:
        server.stop()


def test_a_link_opens_verifies_and_talks(bench: Bench) -> None:
    peer, opens = bench
    with opens(peer) as link:
        assert isinstance(link, Link)
        assert link.identity == IDN
        assert link.query("hello") == "HELLO"
        with link.exchange():
            link.write("two")
            assert [link.read(), link.read()] == ["one", "two"]
        assert state(link) is LinkState.READY
    assert state(link) is LinkState.CLOSED
    assert peer.lines == ["*IDN?", "hello", "two"]


def test_a_binary_block_is_read_by_length(bench: Bench) -> None:
    peer, opens = bench
    with opens(peer) as link, link.exchange():
        link.write("block")
        assert link.read_bytes(2) == b"#0"
        assert link.read_bytes(20) == bytes(range(20))  # has newlines in it
        assert link.read() == ""


def test_a_long_reply_arrives_whole(bench: Bench) -> None:
    peer, opens = bench
    with opens(peer) as link:
        assert len(link.query("flood", timeout=3.0)) == 20_000


def test_a_late_reply_never_answers_the_next_query(bench: Bench) -> None:
    peer, opens = bench
    with opens(peer) as link:
        with pytest.raises(LinkTimeout, match="dirty"):
            link.query("late")
        assert state(link) is LinkState.DIRTY
        with pytest.raises(LinkDirty, match="not sent"):
            link.query("hello")
        with pytest.raises(LinkDirty):
            link.write("hello")
        with pytest.raises(LinkDirty):
            link.read()
        assert peer.lines == ["*IDN?", "late"]
        link.write("off", urgent=True)  # switching off goes out whatever is pending
        link.clear()
        assert state(link) is LinkState.READY
        assert link.query("hello") == "HELLO"


def test_reopening_makes_a_dirty_link_ready(bench: Bench) -> None:
    peer, opens = bench
    with opens(peer) as link:
        with pytest.raises(LinkTimeout, match="nothing came"):
            link.query("silent")
        link.reopen()
        assert link.query("hello") == "HELLO"
    assert peer.lines == ["*IDN?", "silent", "*IDN?", "hello"]


def test_half_a_reply_is_a_timeout_that_shows_what_came() -> None:
    with served() as server, visa(server) as link:
        with pytest.raises(LinkTimeout, match="only b'hal' came"):
            link.query("half")
        link.clear()
        assert link.query("hello") == "HELLO"


def test_end_of_file_is_a_lost_link_and_found_soon() -> None:
    with served() as server, visa(server) as link:
        start = time.monotonic()
        with pytest.raises(LinkLost, match="closed the connection"):
            link.query("hang up", timeout=5.0)
        assert time.monotonic() - start < 1.0
        for operation in (lambda: link.write("off", urgent=True), link.read, link.clear):
            with pytest.raises(LinkLost):
                operation()
        link.reopen()
        assert link.query("hello") == "HELLO"


def test_a_refused_port_is_a_lost_link() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LinkLost, match=r"Refused|Broken|Reset"):
        VisaLink(f"TCPIP::127.0.0.1::{port}::SOCKET", "x", manager="@py", timeout=0.2)


@POSIX
def test_a_port_that_is_not_there_is_a_lost_link() -> None:
    for address in ("/dev/no-such-port", "ASRL/dev/no-such-port::INSTR", "TCPIP::nowhere.invalid::1::SOCKET"):
        with pytest.raises(LinkLost):
            open_link(address, "x", manager="@py", timeout=0.2)


def test_a_wrong_resource_name_or_library_is_a_lost_link() -> None:
    with pytest.raises(LinkLost):
        VisaLink("TCPIP::what", "x", manager="@py")
    with pytest.raises(LinkLost):
        VisaLink("TCPIP::127.0.0.1::1::SOCKET", "x", manager="/no/such/library.so")


def test_a_peer_that_hung_up_is_found_before_anything_is_sent() -> None:
    def act(line: str, send: Callable[[bytes], None]) -> object:
        answer(line, send)
        return line == "*IDN?"

    with served(act) as server, visa(server) as link:
        assert link.query("hello") == "HELLO"
        server.thread.join(0.02)
        with pytest.raises(LinkLost, match="closed the connection"):
            link.query("pulse")
        assert server.lines == ["*IDN?", "hello"]


def test_a_server_that_dies_between_queries_is_a_lost_link() -> None:
    server = Server(lambda line, send: answer(line, send) and line == "*IDN?")
    link = visa(server)
    assert link.query("hello") == "HELLO"
    server.stop()
    with pytest.raises(LinkLost):
        for _ in range(3):  # the first write may still be buffered by the system
            link.query("hello", timeout=0.3)
    with pytest.raises(LinkLost):
        link.reopen()
    assert link.state is LinkState.LOST
    link.close()
    link.close()


@POSIX
def test_an_unplugged_serial_port_is_a_lost_link() -> None:
    port = Port()
    link = pyserial(port)
    port.stop()
    with pytest.raises(LinkLost):
        link.query("hello", timeout=0.3)
    link.close()


def test_another_instrument_is_refused(bench: Bench) -> None:
    peer, _ = bench
    with pytest.raises(IdentityError, match=r"expected /Model 8/.*nothing else was sent"):
        open_link(peer.resource, "Model 8", manager="@py", timeout=0.2)
    assert peer.lines == ["*IDN?"]


def test_after_reopening_the_same_instrument_must_answer() -> None:
    answers = iter([IDN, IDN.replace("42", "43"), IDN])

    def changing(line: str, send: Callable[[bytes], None]) -> object:
        send(next(answers).encode() + b"\n")
        return True

    with served(changing) as server, visa(server) as link:
        with pytest.raises(IdentityError, match="now answers"):
            link.reopen()
        assert link.state is LinkState.LOST
        with pytest.raises(LinkLost):
            link.query("hello")
        link.reopen()
        assert link.identity == IDN


def test_garbage_taints_the_link() -> None:
    with served() as server, visa(server) as link:
        assert link.query("garbage") == "\xff\x00\x80"  # kept byte for byte; its reader taints the link
        link.taint("that was no number")
        with pytest.raises(LinkDirty, match="no number"):
            link.query("hello")
        link.clear()
        assert link.query("hello") == "HELLO"


def test_a_reply_left_unread_is_not_taken_for_the_next() -> None:
    with served() as server, visa(server) as link:
        assert link.query("two") == "one"
        with pytest.raises(LinkDirty, match="left unread"):
            link.query("hello")
        assert server.lines == ["*IDN?", "two"]


def test_an_interrupt_between_reads_leaves_the_link_dirty() -> None:
    with served() as server, visa(server) as link:
        with pytest.raises(KeyboardInterrupt), link.exchange():
            link.write("two")
            raise KeyboardInterrupt
        with pytest.raises(LinkDirty, match="KeyboardInterrupt"):
            link.query("hello")


def test_a_peer_that_talks_on_after_a_clear_is_not_trusted() -> None:
    def stubborn(line: str, send: Callable[[bytes], None]) -> object:
        send(IDN.encode() + (b"\n" if len(server.lines) == 1 else b"\nand more\n"))
        return True

    with served(stubborn) as server, visa(server) as link:
        link.taint("test")
        with pytest.raises(ReplyError, match="still sends"):
            link.clear()
        assert link.state is LinkState.DIRTY


def test_the_transcript_has_every_byte_both_ways(bench: Bench, tmp_path: Path) -> None:
    peer, opens = bench
    path = tmp_path / "transcript.jsonl"
    with Transcript(path) as transcript, opens(peer, transcript=transcript) as link:
        assert link.query("garbage") == "\xff\x00\x80"
        with pytest.raises(LinkTimeout):
            link.query("silent")
        seen = path.read_text(encoding="utf-8")  # already on disk
    entries = [json.loads(line) for line in seen.splitlines()]
    assert "utc" in entries[0]
    assert [one["t"] for one in entries] == sorted(one["t"] for one in entries)
    assert [one["sent"] for one in entries if "sent" in one] == ["*IDN?\n", "garbage\n", "silent\n"]
    received = "".join(one["received"] for one in entries if "received" in one)
    assert received.encode("latin-1") == IDN.encode() + b"\n\xff\x00\x80\n"
    assert any("no complete reply" in one.get("note", "") for one in entries)


def test_a_transcript_that_cannot_be_written_stops_the_experiment_and_not_the_switching_off(
    tmp_path: Path,
) -> None:
    with served() as server:
        transcript = Transcript(tmp_path / "transcript.jsonl")
        link = visa(server, transcript=transcript)
        transcript.close()  # as a full disk would
        with pytest.raises(RecordError, match="cannot be written"):
            link.query("pulse")
        assert server.lines == ["*IDN?"]
        link.write("off", urgent=True)
        link.reopen()
        assert server.lines == ["*IDN?", "off", "*IDN?"]
        link.close()


def test_a_transcript_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    for _ in range(2):
        Transcript(path).close()
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize("wrong", [{"timeout": 0.0}, {"timeout": float("nan")}, {"termination": ""}])
def test_senseless_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"accepted|explicit"):
        VisaLink("TCPIP::127.0.0.1::1::SOCKET", "x", manager="@py", **wrong)  # type: ignore[arg-type]


def test_link_errors_are_one_family() -> None:
    for kind in (LinkLost, LinkTimeout, LinkDirty, IdentityError, ReplyError):
        assert issubclass(kind, LinkError)
