"""Benches to test: two channels and a matrix around a small array, served over raw sockets."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from mtjloop.sim.device import Die, Spread
from mtjloop.sim.network import Wires
from mtjloop.sim.twin.bench import Bench
from mtjloop.sim.twin.die_array import DieArray, draw_array
from mtjloop.sim.twin.keithley707b import Keithley707B
from mtjloop.sim.twin.keithley2600b import Keithley2600B
from mtjloop.sim.twin.keysight_b2900 import KeysightB2900
from mtjloop.sim.twin.server import Served, serve
from mtjloop.sim.twin.wiring import Port, TriggerPin, Wiring, matrix_wiring

ROWS, COLUMNS = 4, 3
ALIKE = Die(spread=Spread(0.0, 0.0, 0.0))
IDEAL = Wires(0.0, 0.0, 0.0, 0.0)


class Client:
    """A raw socket that speaks lines."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._file = link.makefile("rb")

    def send(self, *lines: str) -> None:
        for line in lines:
            self.link.sendall(line.encode("latin-1") + b"\n")

    def read(self) -> str:
        return self._file.readline().decode("latin-1").removesuffix("\n")

    def ask(self, line: str) -> str:
        self.send(line)
        return self.read()

    def read_bytes(self, count: int) -> bytes:
        return self._file.read(count)

    def close(self) -> None:
        self._file.close()
        self.link.close()


def usual_wiring() -> Wiring:
    """SMU 1 on matrix row A, SMU 2 on row B; rows of the array on columns 1 to 4, columns on 5 to 7."""
    return matrix_wiring(
        {"A": Port("smu", 1), "B": Port("smu", 2)},
        ROWS,
        COLUMNS,
        trigger_lines=(
            (TriggerPin("smu", 1), TriggerPin("matrix", 1)),
            (TriggerPin("smu", 2), TriggerPin("matrix", 2)),
        ),
        tsp_link=("smu", "matrix"),
    )


def usual_array(seed: int = 1) -> DieArray:
    array = draw_array(ROWS, COLUMNS, die=ALIKE, wires=IDEAL, seed=seed)
    array.set_state(np.zeros((ROWS, COLUMNS), dtype=np.int8))
    return array


def keithley_bench(array: DieArray | None = None, *, noise: bool = False, seed: int = 0) -> Bench:
    bench = Bench(usual_wiring(), {0: array or usual_array()}, noise=noise, seed=seed)
    Keithley2600B(bench)
    Keithley707B(bench)
    return bench


def keysight_bench(array: DieArray | None = None, *, noise: bool = False, seed: int = 0) -> Bench:
    bench = Bench(usual_wiring(), {0: array or usual_array()}, noise=noise, seed=seed)
    KeysightB2900(bench)
    Keithley707B(bench)
    return bench


def tell(bench: Bench, name: str, *lines: str) -> str:
    """Give lines to an instrument in-process; returns all its replies."""
    return b"".join(bench.emulators[name].receive(line.encode("latin-1")) for line in lines).decode("latin-1")


Connect = Callable[[Bench, str], Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Serve a bench and connect to one of its instruments; everything is closed in the end."""
    with ExitStack() as stack:
        served: dict[int, Served] = {}

        def open_client(bench: Bench, name: str) -> Client:
            if id(bench) not in served:
                served[id(bench)] = stack.enter_context(serve(bench))
            client = Client(served[id(bench)].connect(name))
            stack.callback(client.close)
            return client

        yield open_client
