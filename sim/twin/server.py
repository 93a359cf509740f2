"""Serves the instruments of a bench over loopback TCP sockets and serial pseudo-terminals."""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .bench import Bench
from .faults import Delivery, Endpoint
from .keithley707b import Keithley707B

LOOPBACK = "127.0.0.1"
_POLL = 0.05
"""How soon a server notices that it should stop, s."""
_CHUNK = 65_536


@dataclass(frozen=True)
class Address:
    """Where an instrument listens: a TCP port on the loopback interface, or a serial device."""

    port: int | None = None
    device: str | None = None

    @property
    def resource(self) -> str:
        """As a VISA resource string."""
        if self.port is not None:
            return f"TCPIP0::{LOOPBACK}::{self.port}::SOCKET"
        return f"ASRL{self.device}::INSTR"


class Served:
    """A bench that is being served: addresses and faults by the name of the instrument."""

    def __init__(self, bench: Bench, addresses: Mapping[str, Address], ends: Mapping[str, Endpoint]) -> None:
        self.bench = bench
        self.addresses = dict(addresses)
        self.endpoints = dict(ends)

    def resource(self, name: str) -> str:
        """VISA resource string of an instrument."""
        return self.addresses[name].resource

    def connect(self, name: str, timeout: float = 10.0) -> socket.socket:
        """A raw socket to an instrument served over TCP."""
        port = self.addresses[name].port
        if port is None:
            raise ValueError(f"{name} is served on {self.addresses[name].device}, not over TCP")
        return socket.create_connection((LOOPBACK, port), timeout=timeout)


@contextlib.contextmanager
def serve(bench: Bench, serial: tuple[str, ...] = ()) -> Iterator[Served]:
    """Serve every instrument of a bench until the end of the block.

    Args:
        bench: with its instruments.
        serial: names of the instruments to serve on a pseudo-terminal (POSIX) in place of a socket.
    """
    endpoints = {name: endpoint_of(bench, name) for name in bench.emulators}
    stop = threading.Event()
    servers = [
        _PtyServer(endpoint, stop) if name in serial else _TcpServer(endpoint, stop)
        for name, endpoint in endpoints.items()
    ]
    try:
        for server in servers:
            server.start()
        addresses = {name: server.address for name, server in zip(endpoints, servers, strict=True)}
        yield Served(bench, addresses, endpoints)
    finally:
        stop.set()
        bench.stop()
        for server in servers:
            server.finish()


def endpoint_of(bench: Bench, name: str) -> Endpoint:
    """The endpoint of an instrument: the place where its faults are armed."""
    emulator = bench.emulators[name]
    return Endpoint(bench, emulator, emulator.stick if isinstance(emulator, Keithley707B) else None)


class _TcpServer:
    """Listens on an ephemeral loopback port; each client has a thread, the instrument takes one at a time."""

    def __init__(self, endpoint: Endpoint, stop: threading.Event) -> None:
        self._endpoint, self._stop = endpoint, stop
        self._listener = socket.create_server((LOOPBACK, 0))
        self._listener.settimeout(_POLL)
        self.address = Address(port=self._listener.getsockname()[1])
        self._clients: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._listen, name=f"twin-{endpoint.emulator.name}")

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._thread.join()
        for client in self._clients:
            client.join()

    def _listen(self) -> None:
        with self._listener:
            while not self._stop.is_set() and not self._endpoint.dead:
                try:
                    connection, _ = self._listener.accept()
                except TimeoutError:
                    continue
                client = threading.Thread(target=self._talk, args=(connection,))
                self._clients.append(client)
                client.start()

    def _talk(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_POLL)
        lines = _Lines()
        with connection, contextlib.suppress(ConnectionError):
            while not self._stop.is_set() and not self._endpoint.dead:
                try:
                    data = connection.recv(_CHUNK)
                except TimeoutError:
                    continue
                if not data:
                    return
                _acknowledge(connection)
                for message in lines.feed(data):
                    delivery = self._endpoint.handle(message)
                    if delivery.died:
                        return
                    _pause(delivery, self._stop)
                    connection.sendall(delivery.data)


class _PtyServer:
    """Listens on a new pseudo-terminal in raw mode."""

    def __init__(self, endpoint: Endpoint, stop: threading.Event) -> None:
        import tty  # POSIX only, like pseudo-terminals

        self._endpoint, self._stop = endpoint, stop
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self.address = Address(device=os.ttyname(self._theirs))
        self._thread = threading.Thread(target=self._talk, name=f"twin-{endpoint.emulator.name}")

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._thread.join()

    def _talk(self) -> None:
        lines = _Lines()
        try:
            while not self._stop.is_set():
                ready, _, _ = select.select([self._ours], [], [], _POLL)
                if not ready:
                    continue
                for message in lines.feed(os.read(self._ours, _CHUNK)):
                    delivery = self._endpoint.handle(message)
                    if delivery.died:
                        return
                    _pause(delivery, self._stop)
                    self._send(delivery.data)
        finally:
            os.close(self._ours)
            os.close(self._theirs)

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._ours, data) :]


class _Lines:
    """Splits a stream at line feeds."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


def _acknowledge(connection: socket.socket) -> None:
    """Acknowledge at once: a client that writes twice before it reads would wait 40 ms for it."""
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _pause(delivery: Delivery, stop: threading.Event) -> None:
    if delivery.delay > 0.0:
        stop.wait(delivery.delay)
