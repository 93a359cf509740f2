"""VXI-11: writes, reads that wait, serial poll, trigger, device clear, locks and abort over Sun RPC.

Each instrument has a port of its own. There is no portmapper (it would need the privileged port 111), so a
client must be given the port: `TCPIP0::127.0.0.1,PORT::inst0::INSTR`, which pyvisa-py understands.
"""

import itertools
import socket
import threading
from collections import deque
from dataclasses import dataclass

from . import rpc
from .faults import MESSAGE_AVAILABLE, Endpoint
from .listener import LOOPBACK, POLL, Gone, Lines, Listener

CORE, ABORT = 0x0607AF, 0x0607B0
"""Program numbers of the core and the abort channel; both are served on one port."""
_VERSION = 1
_LARGEST = 1 << 20
"""Largest piece of a message in one write, bytes."""
_NO_LINK, _NOT_THERE, _NOT_SUPPORTED, _LOCKED, _NO_LOCK, _TIMEOUT, _ABORTED = 4, 3, 8, 11, 12, 15, 23
"""Error codes of VXI-11."""
_END, _TERMINATED = 8, 128
"""Flags of a call: the message ends here, the termination character counts."""
_COUNT_REACHED, _CHARACTER, _ENDED = 1, 2, 4
"""Reasons why a read is over."""


@dataclass
class _Reply:
    data: bytes
    ends: bool


class _Link:
    """One link of a client: what it wrote and what it has not read yet. Messages run in a thread of its own,
    so that a write returns at once and a read can time out while a script runs."""

    def __init__(self, server: "Vxi11Server", number: int) -> None:
        self.number = number
        self._server = server
        self._lines = Lines()
        self._waiting: deque[bytes] = deque()
        self._replies: deque[_Reply] = deque()
        self._changed = threading.Condition()
        self._clears = 0
        self._aborted = self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"twin-vxi11-{number}")
        self._thread.start()

    @property
    def available(self) -> bool:
        """Whether a reply waits to be read."""
        return bool(self._replies)

    def write(self, data: bytes, *, ends: bool) -> None:
        """Take a piece of a message."""
        lines = self._lines.feed(data)
        if ends:
            lines += self._lines.end()
        self.enqueue(*lines)

    def enqueue(self, *lines: bytes) -> None:
        """Let the instrument have lines, one after another."""
        with self._changed:
            self._waiting.extend(lines)
            self._changed.notify_all()

    def read(self, count: int, timeout: float, character: int | None) -> tuple[int, int, bytes]:
        """Error, reason and some bytes of the first reply that waits."""
        with self._changed:
            self._aborted = False
            left = timeout
            while not self._replies and left > 0.0 and not (self._aborted or self._server.over):
                self._changed.wait(min(left, POLL))
                left -= POLL
            if self._server.over:
                raise Gone
            if self._aborted:
                return _ABORTED, 0, b""
            if not self._replies:
                return _TIMEOUT, 0, b""
            return 0, *self._take(count, character)

    def abort(self) -> None:
        """End a read that waits."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Drop what was written and not run, and what was not read."""
        with self._changed:
            self._clears += 1
            self._lines.drop()
            self._waiting.clear()
            self._replies.clear()
            self._server.endpoint.clear()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _take(self, count: int, character: int | None) -> tuple[int, bytes]:
        first = self._replies[0]
        data, reason = first.data[:count], 0
        if character is not None and (place := data.find(character)) >= 0:
            data, reason = data[: place + 1], _CHARACTER
        if len(data) == count:
            reason |= _COUNT_REACHED
        first.data = first.data[len(data) :]
        if not first.data:
            self._replies.popleft()
            reason |= _ENDED if first.ends else 0
        return reason, data

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed and not self._server.over:
                    self._changed.wait(POLL)
                if self._closed or self._server.over:
                    return
                line, clears = self._waiting.popleft(), self._clears
            delivery = self._server.endpoint.handle(line)
            self._server.pause(delivery)
            with self._changed:
                if self._clears == clears:
                    if delivery.late:
                        self._replies.append(_Reply(delivery.late, True))
                    if delivery.data:
                        self._replies.append(_Reply(delivery.data, delivery.ends))
                    self._changed.notify_all()


class Vxi11Server(Listener):
    """An instrument over VXI-11."""

    def __init__(self, endpoint: Endpoint, stop: threading.Event, port: int = 0) -> None:
        super().__init__(endpoint, stop, port)
        self._numbers = itertools.count(1)
        self._links: dict[int, _Link] = {}
        self._locked: int | None = None

    def resource(self) -> str:
        """VISA resource string; the port after the comma is an extension that pyvisa-py knows."""
        return f"TCPIP0::{LOOPBACK},{self.port}::inst0::INSTR"

    def talk(self, connection: socket.socket) -> None:
        """Answer calls; links end with the connection they were made on."""
        mine: list[int] = []
        try:
            while True:
                call = rpc.read_call(self._record(connection))
                self.send(connection, self._answer(call, mine))
        finally:
            for number in mine:
                self._destroy(number)

    def _record(self, connection: socket.socket) -> bytes:
        data, last = b"", False
        while not last:
            length, last = rpc.fragment(self.receive_exactly(connection, 4))
            data += self.receive_exactly(connection, length)
        return data

    def _answer(self, call: rpc.Call, mine: list[int]) -> bytes:
        if call.program not in (CORE, ABORT):
            return rpc.reply(call, rpc.Status.NO_PROGRAM)
        if call.version != _VERSION:
            return rpc.reply(call, rpc.Status.NO_VERSION, rpc.numbers(_VERSION, _VERSION))
        try:
            results = self._aborting(call) if call.program == ABORT else self._core(call, mine)
        except ValueError:
            return rpc.reply(call, rpc.Status.GARBAGE)
        if results is None:
            return rpc.reply(call, rpc.Status.NO_PROCEDURE)
        return rpc.reply(call, rpc.Status.SUCCESS, results)

    def _aborting(self, call: rpc.Call) -> bytes | None:
        if call.procedure == 0:
            return b""
        if call.procedure != 1:
            return None
        link = self._links.get(call.arguments.number())
        if link is None:
            return rpc.numbers(_NO_LINK)
        link.abort()
        return rpc.numbers(0)

    def _core(self, call: rpc.Call, mine: list[int]) -> bytes | None:
        """Results of a procedure of the core channel; None if there is no such procedure."""
        arguments = call.arguments
        match call.procedure:
            case 0:
                return b""
            case 10:
                return self._create_link(arguments, mine)
            case 25 | 26:  # interrupt channel, for service requests
                return rpc.numbers(_NOT_SUPPORTED)
        if call.procedure not in (*range(11, 21), 22, 23):
            return None
        number = arguments.number()
        link = self._links.get(number)
        error = _NO_LINK if link is None else 0
        if link is not None and self._locked not in (None, number) and call.procedure not in (18, 19, 20, 23):
            error, link = _LOCKED, None
        match call.procedure:
            case 11:
                return self._write(link, error, arguments)
            case 12:
                return self._read(link, error, arguments)
            case 13:
                status = self.endpoint.status_byte() | (MESSAGE_AVAILABLE if link and link.available else 0)
                return rpc.numbers(error, status)
            case 14 if link is not None:
                link.enqueue(b"*TRG")
            case 15 if link is not None:
                link.clear()
            case 18 if link is not None:
                error = _LOCKED if self._locked not in (None, number) else 0
                self._locked = self._locked if error else number
            case 19 if link is not None:
                error = 0 if self._locked == number else _NO_LOCK
                self._locked = None if not error else self._locked
            case 20:
                return rpc.numbers(error or _NOT_SUPPORTED)
            case 22:
                return rpc.numbers(error or _NOT_SUPPORTED) + rpc.opaque(b"")
            case 23 if link is not None:
                mine[:] = [one for one in mine if one != number]
                self._destroy(number)
        return rpc.numbers(error)

    def _create_link(self, arguments: rpc.Arguments, mine: list[int]) -> bytes:
        _client, lock, _wait = arguments.number(), arguments.number(), arguments.number()
        if arguments.opaque().lower() not in (b"inst0", b""):
            return rpc.numbers(_NOT_THERE, 0, self.port, _LARGEST)
        if lock and self._locked is not None:
            return rpc.numbers(_LOCKED, 0, self.port, _LARGEST)
        number = next(self._numbers)
        self._links[number] = _Link(self, number)
        mine.append(number)
        if lock:
            self._locked = number
        return rpc.numbers(0, number, self.port, _LARGEST)

    def _write(self, link: _Link | None, error: int, arguments: rpc.Arguments) -> bytes:
        _timeout, _lock_timeout, flags = arguments.number(), arguments.number(), arguments.number()
        data = arguments.opaque()
        if link is None:
            return rpc.numbers(error, 0)
        link.write(data, ends=bool(flags & _END))
        return rpc.numbers(0, len(data))

    def _read(self, link: _Link | None, error: int, arguments: rpc.Arguments) -> bytes:
        count, timeout, _lock_timeout = arguments.number(), arguments.number(), arguments.number()
        flags, character = arguments.number(), arguments.number() & 255
        if link is None:
            return rpc.numbers(error, 0) + rpc.opaque(b"")
        error, reason, data = link.read(count, timeout * 1e-3, character if flags & _TERMINATED else None)
        return rpc.numbers(error, reason) + rpc.opaque(data)

    def _destroy(self, number: int) -> None:
        link = self._links.pop(number, None)
        if self._locked == number:
            self._locked = None
        if link is not None:
            link.close()
