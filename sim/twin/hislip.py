"""HiSLIP (IVI-6.1), synchronised mode: two TCP connections a client, messages with numbers, a device clear.

What one message draws goes back as one message under the number of that message, so a reply that comes late
is known for what it is. No locks between clients, no service requests, no `Interrupted`: an unread reply is
left for the client to drop.
"""

import itertools
import socket
import struct
import threading
from dataclasses import dataclass, field
from enum import IntEnum

from .faults import MESSAGE_AVAILABLE, Endpoint
from .listener import LOOPBACK, Gone, Lines, Listener

HEADER = struct.Struct("!2sBBIQ")
"""Prologue `HS`, message type, control code, message parameter, payload length."""
_VERSION = 0x0100
_LARGEST = 1 << 20
"""Largest message, bytes, header included."""


class _Kind(IntEnum):
    """Message types."""

    INITIALIZE = 0
    INITIALIZE_RESPONSE = 1
    FATAL_ERROR = 2
    ERROR = 3
    LOCK = 4
    LOCK_RESPONSE = 5
    DATA = 6
    DATA_END = 7
    CLEAR_COMPLETE = 8
    CLEAR_ACKNOWLEDGE = 9
    REMOTE_LOCAL = 10
    REMOTE_LOCAL_RESPONSE = 11
    TRIGGER = 12
    MAXIMUM_SIZE = 15
    MAXIMUM_SIZE_RESPONSE = 16
    ASYNC_INITIALIZE = 17
    ASYNC_INITIALIZE_RESPONSE = 18
    ASYNC_CLEAR = 19
    STATUS_QUERY = 21
    STATUS_RESPONSE = 22
    ASYNC_CLEAR_ACKNOWLEDGE = 23
    LOCK_INFO = 24
    LOCK_INFO_RESPONSE = 25


_UNKNOWN = 1, b"unrecognized message type"
"""Code and text of the error that leaves the connection usable."""


@dataclass(frozen=True)
class _Message:
    kind: int
    control: int
    parameter: int
    payload: bytes


@dataclass
class _Session:
    """One client.

    Attributes:
        clears: device clears so far; a reply that an earlier one concerned is not sent any more.
        replied: whether a reply went out that the client has not acknowledged as read.
        last: number of the message before, which a late reply answers.
        lines: of the message that is arriving.
    """

    clears: int = 0
    replied: bool = False
    last: int = 0
    lines: Lines = field(default_factory=Lines)


class HislipServer(Listener):
    """An instrument over HiSLIP."""

    def __init__(self, endpoint: Endpoint, stop: threading.Event, port: int = 0) -> None:
        super().__init__(endpoint, stop, port)
        self._numbers = itertools.count(1)
        self._sessions: dict[int, _Session] = {}

    def resource(self) -> str:
        """VISA resource string; the port after the comma is an extension that pyvisa-py and others know."""
        return f"TCPIP0::{LOOPBACK}::hislip0,{self.port}::INSTR"

    def talk(self, connection: socket.socket) -> None:
        """Find out which of its two connections a client opened, and serve that."""
        first = self._receive(connection)
        if first.kind == _Kind.INITIALIZE:
            number = next(self._numbers) & 0xFFFF
            session = self._sessions[number] = _Session()
            try:
                self._send(connection, _Kind.INITIALIZE_RESPONSE, 0, _VERSION << 16 | number)
                self._synchronous(connection, session)
            finally:
                self._sessions.pop(number, None)
        elif first.kind == _Kind.ASYNC_INITIALIZE and first.parameter in self._sessions:
            session = self._sessions[first.parameter]
            self._send(connection, _Kind.ASYNC_INITIALIZE_RESPONSE, 0, 0)
            self._asynchronous(connection, session)
        else:
            self._send(connection, _Kind.FATAL_ERROR, 3, 0, b"invalid initialization sequence")

    def _synchronous(self, connection: socket.socket, session: _Session) -> None:
        while True:
            message = self._receive(connection)
            if message.kind in (_Kind.DATA, _Kind.DATA_END, _Kind.TRIGGER):
                session.replied = session.replied and not message.control & 1
                self._take(connection, session, message)
            elif message.kind == _Kind.CLEAR_COMPLETE:
                session.lines.drop()
                session.replied = False
                self._send(connection, _Kind.CLEAR_ACKNOWLEDGE, 0, 0)
            else:
                self._send(connection, _Kind.ERROR, _UNKNOWN[0], 0, _UNKNOWN[1])

    def _take(self, connection: socket.socket, session: _Session, message: _Message) -> None:
        """Give an instrument the lines of one message, and send what comes of them as one message."""
        lines = [b"*TRG"] if message.kind == _Kind.TRIGGER else session.lines.feed(message.payload)
        if message.kind == _Kind.DATA_END:
            lines += session.lines.end()
        clears, reply, ends = session.clears, b"", True
        for line in lines:
            delivery = self.endpoint.handle(line)
            if delivery.died:
                raise Gone
            self.pause(delivery)
            if session.clears != clears:
                return
            if delivery.late:
                self._reply(connection, session, session.last, delivery.late, ends=True)
            reply, ends = reply + delivery.data, ends and delivery.ends
        if reply:
            self._reply(connection, session, message.parameter, reply, ends=ends)
        session.last = message.parameter

    def _asynchronous(self, connection: socket.socket, session: _Session) -> None:
        while True:
            message = self._receive(connection)
            match message.kind:
                case _Kind.MAXIMUM_SIZE:
                    self._send(connection, _Kind.MAXIMUM_SIZE_RESPONSE, 0, 0, struct.pack("!Q", _LARGEST))
                case _Kind.ASYNC_CLEAR:
                    session.clears += 1
                    self.endpoint.clear()
                    self._send(connection, _Kind.ASYNC_CLEAR_ACKNOWLEDGE, 0, 0)
                case _Kind.STATUS_QUERY:
                    session.replied = session.replied and not message.control & 1
                    available = MESSAGE_AVAILABLE if session.replied else 0
                    self._send(connection, _Kind.STATUS_RESPONSE, self.endpoint.status_byte() | available, 0)
                case _Kind.LOCK:  # one client at a time is enough here, so it always succeeds
                    self._send(connection, _Kind.LOCK_RESPONSE, 1, 0)
                case _Kind.LOCK_INFO:
                    self._send(connection, _Kind.LOCK_INFO_RESPONSE, 0, 0)
                case _Kind.REMOTE_LOCAL:
                    self._send(connection, _Kind.REMOTE_LOCAL_RESPONSE, 0, 0)
                case _:
                    self._send(connection, _Kind.ERROR, _UNKNOWN[0], 0, _UNKNOWN[1])

    def _receive(self, connection: socket.socket) -> _Message:
        prologue, kind, control, parameter, length = HEADER.unpack(
            self.receive_exactly(connection, HEADER.size)
        )
        if prologue != b"HS":
            self._send(connection, _Kind.FATAL_ERROR, 1, 0, b"poorly formed message header")
            raise Gone
        if length > _LARGEST:
            self._send(connection, _Kind.FATAL_ERROR, 0, 0, b"message too large")
            raise Gone
        return _Message(kind, control, parameter, self.receive_exactly(connection, length))

    def _reply(self, to: socket.socket, session: _Session, number: int, data: bytes, *, ends: bool) -> None:
        self._send(to, _Kind.DATA_END if ends else _Kind.DATA, 0, number, data)
        session.replied = True

    def _send(
        self, to: socket.socket, kind: _Kind, control: int, parameter: int, payload: bytes = b""
    ) -> None:
        self.send(to, HEADER.pack(b"HS", kind, control, parameter, len(payload)) + payload)
