"""Serves the instruments of a bench on the loopback interface: sockets, HiSLIP, VXI-11, pseudo-terminals."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from .bench import Bench
from .faults import Endpoint
from .hislip import HislipServer
from .keithley707b import Keithley707B
from .listener import LOOPBACK, Address, Server
from .stream import SocketServer, TerminalServer
from .vxi11 import Vxi11Server

Protocol = Literal["socket", "hislip", "vxi11", "serial"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

__all__ = ["LOOPBACK", "PROTOCOLS", "Address", "Protocol", "Served", "endpoint_of", "serve"]


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
        """A plain TCP connection to an instrument served over TCP."""
        port = self.addresses[name].port
        if port is None:
            raise ValueError(f"{name} is served on {self.addresses[name].device}, not over TCP")
        return socket.create_connection((LOOPBACK, port), timeout=timeout)


@contextlib.contextmanager
def serve(
    bench: Bench,
    serial: tuple[str, ...] = (),
    *,
    protocol: Protocol | Mapping[str, Protocol] = "socket",
    first_port: int = 0,
) -> Iterator[Served]:
    """Serve every instrument of a bench until the end of the block.

    Args:
        bench: with its instruments.
        serial: names of the instruments to serve on a pseudo-terminal (POSIX) whatever `protocol` says.
        protocol: of all instruments, or of each by its name (`socket` for those not named).
        first_port: TCP port of the first instrument, the others follow; 0 takes free ones.

    Raises:
        OSError: a port is taken.
        ValueError: a protocol is not known, or pseudo-terminals do not exist on this system.
    """
    chosen: dict[str, Protocol] = {
        name: protocol if isinstance(protocol, str) else protocol.get(name, "socket")
        for name in bench.emulators
    }
    chosen.update(dict.fromkeys(serial, "serial"))
    endpoints = {name: endpoint_of(bench, name) for name in bench.emulators}
    stop = threading.Event()
    for array in bench.arrays.values():
        array.warm_up()
    servers: dict[str, Server] = {}
    try:
        for number, (name, endpoint) in enumerate(endpoints.items()):
            port = first_port + number if first_port else 0
            servers[name] = _server(chosen[name], endpoint, stop, port)
            servers[name].start()
        yield Served(bench, {name: server.address for name, server in servers.items()}, endpoints)
    finally:
        stop.set()
        bench.stop()
        for server in servers.values():
            server.finish()


def endpoint_of(bench: Bench, name: str) -> Endpoint:
    """The endpoint of an instrument: the place where its faults are armed."""
    emulator = bench.emulators[name]
    return Endpoint(bench, emulator, emulator.stick if isinstance(emulator, Keithley707B) else None)


def _server(protocol: Protocol, endpoint: Endpoint, stop: threading.Event, port: int) -> Server:
    match protocol:
        case "socket":
            return SocketServer(endpoint, stop, port)
        case "hislip":
            return HislipServer(endpoint, stop, port)
        case "vxi11":
            return Vxi11Server(endpoint, stop, port)
        case "serial":
            if not hasattr(os, "openpty"):
                raise ValueError("this system has no pseudo-terminals; serve over a socket instead")
            return TerminalServer(endpoint, stop)
    raise ValueError(f"protocol {protocol!r}; one of {', '.join(PROTOCOLS)} is accepted")
