"""A link over HiSLIP, against a small server written from the IVI-6.1 specification."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mtjloop.errors import LinkDirty, LinkLost, LinkTimeout
from mtjloop.instruments.link import Link, LinkState
from mtjloop.instruments.visa_link import VisaLink

IDN = "Test Works,Model 7,42,1.0"
HEADER = struct.Struct("!2sBBIQ")
INITIALIZE, DATA_END, CLEAR_COMPLETE, MAX_SIZE, ASYNC_INITIALIZE, ASYNC_CLEAR = 0, 7, 8, 15, 17, 19


class Server:
    """Synchronised mode; a reply that is late carries the number of its question."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.late: tuple[int, bytes] | None = None
        self.open: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP::127.0.0.1::hislip0,{self.listener.getsockname()[1]}::INSTR"
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            self.threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self.threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, struct.error):
            while True:
                _, kind, control, parameter, length = HEADER.unpack(self._exactly(connection, HEADER.size))
                payload = self._exactly(connection, length)
                if kind == INITIALIZE:
                    self._send(connection, 1, 0, (0x0100 << 16) | 1)
                elif kind == ASYNC_INITIALIZE:
                    self._send(connection, 18, 0, 0)
                elif kind == MAX_SIZE:
                    self._send(connection, 16, 0, 0, payload)
                elif kind == ASYNC_CLEAR:
                    self._send(connection, 23, 0, 0)
                elif kind == CLEAR_COMPLETE:
                    self.late = None
                    self._send(connection, 9, control, 0)
                elif kind == DATA_END and self._act(connection, parameter, payload.decode()) is False:
                    return

    def _act(self, connection: socket.socket, number: int, message: str) -> object:
        if self.late is not None:
            self._send(connection, DATA_END, 0, *self.late)
            self.late = None
        self.lines.append(message)
        match message.rstrip("\n"):
            case "*IDN?":
                self._send(connection, DATA_END, 0, number, IDN.encode() + b"\n")
            case "no newline":
                self._send(connection, DATA_END, 0, number, b"bare")
            case "one\ntwo":
                self._send(connection, DATA_END, 0, number, b"1\n")
                self._send(connection, DATA_END, 0, number, b"2\n")
            case "block":
                self._send(connection, DATA_END, 0, number, b"#0" + bytes(range(20)) + b"\n")
            case "late":
                self.late = number, b"late reply\n"
            case "hang up":
                for one in list(self.open):
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                return False
        return True

    @staticmethod
    def _exactly(connection: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    @staticmethod
    def _send(to: socket.socket, kind: int, control: int, parameter: int, payload: bytes = b"") -> None:
        to.sendall(HEADER.pack(b"HS", kind, control, parameter, len(payload)) + payload)

    def stop(self) -> None:
        for one in (self.listener, *self.open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self.threads:
            thread.join(2.0)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


def state(link: Link) -> LinkState:
    return link.state


def opened(server: Server) -> VisaLink:
    return VisaLink(server.resource, "Model 7", manager="@py", timeout=0.1)


def test_messages_blocks_and_bare_ends(server: Server) -> None:
    with opened(server) as link:
        assert link.identity == IDN
        assert link.query("no newline") == "bare"
        with link.exchange():
            link.write("block")
            assert link.read_bytes(22) == b"#0" + bytes(range(20))
            assert link.read() == ""
    assert server.lines == ["*IDN?\n", "no newline\n", "block\n"]


def test_a_second_reply_to_one_message_is_a_timeout_not_an_empty_line(server: Server) -> None:
    with opened(server) as link, link.exchange():
        link.write("one\ntwo")
        assert link.read() == "1"
        with pytest.raises(LinkTimeout):  # pyvisa-py cannot read it
            link.read()


def test_a_late_reply_is_never_taken(server: Server) -> None:
    with opened(server) as link:
        with pytest.raises(LinkTimeout):
            link.query("late")
        with pytest.raises(LinkDirty):
            link.query("*IDN?")
        link.clear()
        assert state(link) is LinkState.READY
        assert link.query("no newline") == "bare"


def test_a_dropped_connection_is_a_lost_link(server: Server) -> None:
    with opened(server) as link:
        with pytest.raises(LinkLost):
            link.query("hang up")
        assert state(link) is LinkState.LOST
        link.reopen()
        assert link.query("no newline") == "bare"
