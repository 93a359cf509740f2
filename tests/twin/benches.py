"""Bench files for the twin: two instruments around one simulated die."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtjloop.drivers.bench import BenchDescription, BenchFile
from mtjloop.drivers.emulated import Protocol, Served, serve_bench
from mtjloop.drivers.yaml_file import parse_yaml

LIMITS = "limits: {device_voltage: 1 V, read_voltage: 0.3 V, line_current: 10 mA, pulse_width: 10 ms}\n"
SMU = """
smu:
  instruments:
    smu: {model: MODEL, resource: "TCPIP0::192.0.2.1::5025::SOCKET"}
    matrix: {model: keithley-707b, resource: "TCPIP0::192.0.2.2::5025::SOCKET", serial_number: "7070707"}
  tsp_link: LINK
  matrix_rows: {A: smu.ONE, B: smu.TWO, C: ground}
  visa_library: "@py"
  tiles:
    - {rows: [matrix.1.1-6], columns: [matrix.2.1-5]}
"""
DIE = "simulated:\n  die: {tiles: [{rows: 6, columns: 5}]}\n  wires: {driver: 5 ohm, sense: 5 ohm}\n"
EXTRA = "operation: {pulse_width: 200 us, program_unselected: half}\n"


def bench_text(model: str = "keithley-2600b", *, backend: str = "smu", die: str = DIE) -> str:
    one, two, link = ("a", "b", "[smu, matrix]") if model == "keithley-2600b" else ("1", "2", "[]")
    smu = SMU.replace("MODEL", model).replace("ONE", one).replace("TWO", two).replace("LINK", link)
    return f"name: twin test\nbackend: {backend}\n{LIMITS}{EXTRA}{smu}{die}"


def described(text: str) -> BenchDescription:
    return BenchDescription(Path("bench.yaml"), text, parse_yaml(text, "bench.yaml", BenchFile))


def description(model: str = "keithley-2600b", **changes: str) -> BenchDescription:
    return described(bench_text(model, **changes))


RESOURCES = {name: f"TCPIP0::192.0.2.{k}::5025::SOCKET" for k, name in ((1, "smu"), (2, "matrix"))}


def pointed(text: str, served: Served, timeout: str = "30 s") -> BenchDescription:
    """The bench file that leads to a twin; its wait for a reply is long, as machines that test are busy."""
    for name, resource in RESOURCES.items():
        text = text.replace(f'"{resource}"', f'"{served.resource(name)}", timeout: {timeout}')
    return described(text)


@contextmanager
def served_bench(
    model: str = "keithley-2600b", *, protocol: Protocol = "socket", noise: bool = False, **changes: str
) -> Iterator[tuple[Served, BenchDescription]]:
    """A twin that is served, and the bench file that leads to it."""
    text = bench_text(model, **changes)
    with serve_bench(described(text), 3, protocol=protocol, noise=noise) as served:
        yield served, pointed(text, served)
