"""Serving: clients one after the other and at once, pseudo-terminals, and an end that comes."""

import ast
import os
import select
import time
from pathlib import Path

import pytest

from mtjloop.sim.twin.server import serve

from .conftest import Client, keithley_bench

TWIN = Path(__file__).parents[2] / "sim" / "twin"


def test_clients_come_and_go_and_the_instrument_keeps_its_state() -> None:
    with serve(keithley_bench()) as served:
        for number in range(3):
            client = Client(served.connect("smu"))
            client.send(f"x{number} = {number}")
            assert client.ask(f"print(x{number}, x0)") == f"{number:.5e}\t{0:.5e}"
            client.close()


def test_two_clients_at_once_get_their_own_replies() -> None:
    with serve(keithley_bench()) as served:
        one, two = Client(served.connect("smu")), Client(served.connect("smu"))
        one.send("print('one')")
        two.send("print('two')")
        assert (one.read(), two.read()) == ("one", "two")
        one.close()
        two.close()


def test_a_message_may_arrive_in_pieces_and_several_at_once() -> None:
    with serve(keithley_bench()) as served:
        client = Client(served.connect("smu"))
        for piece in (b"pri", b"nt(1)\r\nprint(2)\npr", b"int(3)\n"):
            client.link.sendall(piece)
            time.sleep(0.01)
        assert [client.read() for _ in range(3)] == ["1.00000e+00", "2.00000e+00", "3.00000e+00"]
        client.close()


def test_serving_ends_although_a_script_does_not() -> None:
    began = time.monotonic()
    with serve(keithley_bench()) as served:
        link = served.connect("smu")
        link.sendall(b"while true do end\n")
        time.sleep(0.1)
        link.close()
    assert time.monotonic() - began < 5.0


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_a_pseudo_terminal_is_raw() -> None:
    with serve(keithley_bench(), serial=("smu",)) as served:
        device = served.addresses["smu"].device
        assert device is not None
        assert served.resource("smu") == f"ASRL{device}::INSTR"
        link = os.open(device, os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(link, b"*IDN?\nprint(2)\n")
            data = b""
            while data.count(b"\n") < 2:
                assert select.select([link], [], [], 5.0)[0], data
                data += os.read(link, 1000)
            assert data == b"Keithley Instruments Inc., Model 2636B, 4012345, 3.2.2\n2.00000e+00\n"
        finally:
            os.close(link)


def test_the_twin_imports_nothing_of_ours_but_the_simulator() -> None:
    """The emulators are an independent reading of the manuals: no driver, no instrument class."""
    for path in TWIN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 3:
                assert node.module in ("errors", "compiled"), (path.name, node.module)
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith("mtjloop") for name in names), path.name
