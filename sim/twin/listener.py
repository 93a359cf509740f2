"""What all servers of an emulated instrument share: a loopback port, a thread a client, an end that comes."""

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass

from .faults import Delivery, Endpoint

LOOPBACK = "127.0.0.1"
POLL = 0.05
"""How soon a server notices that it should stop, s."""
CHUNK = 65_536


@dataclass(frozen=True)
class Address:
    """Where an instrument listens.

    Attributes:
        resource: VISA resource string.
        port: TCP port on the loopback interface, None on a serial device.
        device: serial device, None over TCP.
    """

    resource: str
    port: int | None = None
    device: str | None = None


class Gone(Exception):  # noqa: N818 - no error: the end of a conversation
    """The client hung up, the instrument died, or the bench is being switched off."""


class Server(ABC):
    """Serves one instrument in threads of its own.

    Args:
        endpoint: the instrument and its faults.
        stop: set when the bench is being switched off.
    """

    address: Address

    def __init__(self, endpoint: Endpoint, stop: threading.Event) -> None:
        self.endpoint, self.stop = endpoint, stop

    @property
    def over(self) -> bool:
        """Whether nothing is to be answered any more."""
        return self.stop.is_set() or self.endpoint.dead

    @abstractmethod
    def start(self) -> None:
        """Listen from now on."""

    @abstractmethod
    def finish(self) -> None:
        """Wait for all threads; `stop` must be set."""

    def pause(self, delivery: Delivery) -> None:
        """Wait as long as a delivery is delayed."""
        if delivery.delay > 0.0:
            self.stop.wait(delivery.delay)


class Listener(Server):
    """Listens on a loopback port and has one conversation a client; each runs in its own thread.

    Args:
        endpoint: the instrument and its faults.
        stop: set when the bench is being switched off.
        port: TCP port; 0 takes a free one.
    """

    def __init__(self, endpoint: Endpoint, stop: threading.Event, port: int = 0) -> None:
        super().__init__(endpoint, stop)
        self._listener = socket.create_server((LOOPBACK, port))
        self._listener.settimeout(POLL)
        self.port = int(self._listener.getsockname()[1])
        self.address = Address(self.resource(), port=self.port)
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._listen, name=f"twin-{endpoint.emulator.name}")

    @abstractmethod
    def resource(self) -> str:
        """VISA resource string of the instrument at `port`."""

    @abstractmethod
    def talk(self, connection: socket.socket) -> None:
        """One conversation; `Gone` ends it."""

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def finish(self) -> None:
        """Wait for all threads; `stop` must be set."""
        self._thread.join()
        for thread in self._threads:
            thread.join()

    def receive(self, connection: socket.socket) -> bytes:
        """Some bytes, at least one.

        Raises:
            Gone: there will be none.
        """
        return self._some(connection, CHUNK)

    def receive_exactly(self, connection: socket.socket, count: int) -> bytes:
        """So many bytes.

        Raises:
            Gone: there will be fewer.
        """
        data = bytearray()
        while len(data) < count:
            data += self._some(connection, min(count - len(data), CHUNK))
        return bytes(data)

    def send(self, connection: socket.socket, data: bytes) -> None:
        """Send all bytes, however slowly the client takes them.

        Raises:
            Gone: it will not take them all.
        """
        left = memoryview(data)
        while left:
            if self.over:
                raise Gone
            with contextlib.suppress(TimeoutError):
                left = left[connection.send(left) :]

    def _some(self, connection: socket.socket, most: int) -> bytes:
        while not self.over:
            try:
                data = connection.recv(most)
            except TimeoutError:
                continue
            if not data:
                break
            _acknowledge(connection)
            return data
        raise Gone

    def _listen(self) -> None:
        with self._listener:
            while not self.over:
                try:
                    connection, _ = self._listener.accept()
                except TimeoutError:
                    continue
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(POLL)
        with connection, contextlib.suppress(Gone, ConnectionError):
            self.talk(connection)


class Lines:
    """Splits a stream at line feeds."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines

    def end(self) -> list[bytes]:
        """What is left, where the link itself marks the end of a message."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def drop(self) -> None:
        """Forget an unfinished line."""
        self._rest = b""


def _acknowledge(connection: socket.socket) -> None:
    """Acknowledge at once: a client that writes twice before it reads would wait 40 ms for it."""
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
