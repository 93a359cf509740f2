"""The backends that the contract suite runs through; add one here and the whole suite holds it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.contract import Crossbar
from mtjloop.drivers.yaml_file import parse_yaml

LIMITS = "limits: {device_voltage: 1 V, read_voltage: 0.3 V, line_current: 10 mA, pulse_width: 10 ms}"

PASSIVE = "  die: {tiles: [{rows: 6, columns: 5}]}\n"


def simulated(extra: str) -> Crossbar:
    text = f"name: t\nbackend: simulated\n{LIMITS}\nsimulated:\n{extra}"
    content = parse_yaml(text, "bench.yaml", BenchFile)
    return open_bench(BenchDescription(Path("bench.yaml"), text, content), seed=3).crossbars[0]


BACKENDS: dict[str, Callable[[], Crossbar]] = {
    "simulated passive": lambda: simulated(f"{PASSIVE}  electronics: {{read_noise: 0 A}}\n"),
    "simulated 1T1R": lambda: simulated(
        "  die: {kind: 1T1R, tiles: [{rows: 6, columns: 5}]}\n  electronics: {read_noise: 0 A}\n"
    ),
    "simulated, flips resolved": lambda: simulated(
        f"{PASSIVE}  resolve: event\n  electronics: {{read_noise: 0 A}}\n"
    ),
    "simulated, two levels": lambda: simulated(
        PASSIVE + "  electronics: {read_noise: 0 A, distinct_levels: 2, read_levels: 1}\n"
    ),
    "simulated noisy, coarse": lambda: simulated(
        PASSIVE + "  electronics: {read_noise: 50 nA, voltage_resolution: 5 mV, width_resolution: 1 us}\n"
    ),
}


@pytest.fixture(params=BACKENDS)
def crossbar(request: pytest.FixtureRequest) -> Crossbar:
    """A fresh, guarded crossbar of 6 rows and 5 columns, limits as in LIMITS."""
    return BACKENDS[str(request.param)]()
