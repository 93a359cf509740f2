"""Streams of bytes: a raw TCP socket, or a serial pseudo-terminal; lines end with a line feed."""

import os
import select
import socket
import threading

from .faults import Endpoint
from .listener import CHUNK, LOOPBACK, POLL, Address, Gone, Lines, Listener, Server


class SocketServer(Listener):
    """An instrument on a raw socket."""

    def resource(self) -> str:
        """VISA resource string."""
        return f"TCPIP0::{LOOPBACK}::{self.port}::SOCKET"

    def talk(self, connection: socket.socket) -> None:
        """Answer lines."""
        lines = Lines()
        while True:
            for message in lines.feed(self.receive(connection)):
                delivery = self.endpoint.handle(message)
                if delivery.died:
                    raise Gone
                self.pause(delivery)
                self.send(connection, delivery.late + delivery.data)


class TerminalServer(Server):
    """An instrument on a new pseudo-terminal in raw mode."""

    def __init__(self, endpoint: Endpoint, stop: threading.Event) -> None:
        import tty  # POSIX only, like pseudo-terminals

        super().__init__(endpoint, stop)
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        device = os.ttyname(self._theirs)
        self.address = Address(f"ASRL{device}::INSTR", device=device)
        self._thread = threading.Thread(target=self._talk, name=f"twin-{endpoint.emulator.name}")

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def finish(self) -> None:
        """Wait for the thread; `stop` must be set."""
        self._thread.join()

    def _talk(self) -> None:
        lines = Lines()
        try:
            while not self.over:
                ready, _, _ = select.select([self._ours], [], [], POLL)
                if not ready:
                    continue
                for message in lines.feed(os.read(self._ours, CHUNK)):
                    delivery = self.endpoint.handle(message)
                    if delivery.died:
                        return
                    self.pause(delivery)
                    self._send(delivery.late + delivery.data)
        finally:
            os.close(self._ours)
            os.close(self._theirs)

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._ours, data) :]
