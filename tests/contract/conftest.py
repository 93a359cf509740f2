"""The backends that the contract suite runs through; add one here and the whole suite holds it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.contract import Crossbar
from mtjloop.drivers.yaml_file import parse_yaml

from ..twin.benches import LIMITS
from ..twin.opened import OpenedTwin

PASSIVE = "  die: {tiles: [{rows: 6, columns: 5}]}\n"


Opened = AbstractContextManager[Crossbar]


def simulated(extra: str) -> Opened:
    text = f"name: t\nbackend: simulated\n{LIMITS}\nsimulated:\n{extra}"
    content = parse_yaml(text, "bench.yaml", BenchFile)
    bench = open_bench(BenchDescription(Path("bench.yaml"), text, content), seed=3)
    return nullcontext(bench.crossbars[0])


@contextmanager
def instruments(model: str, *, link: bool = False) -> Iterator[Crossbar]:
    """Real drivers over real PyVISA, and emulated instruments at the other end of the sockets."""
    with OpenedTwin(model, link=link) as opened:
        yield opened.crossbar
        assert opened.twin.hot_switches == 0
        assert not opened.twin.warnings


BACKENDS: dict[str, Callable[[], Opened]] = {
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
    "smu, 2600B and 707B": lambda: instruments("keithley-2600b"),
    "smu, 2600B and 707B on one TSP-Link": lambda: instruments("keithley-2600b", link=True),
    "smu, B2900 and 707B": lambda: instruments("keysight-b2900"),
}


@pytest.fixture(params=BACKENDS)
def crossbar(request: pytest.FixtureRequest) -> Iterator[Crossbar]:
    """A fresh, guarded crossbar of 6 rows and 5 columns, limits as in LIMITS."""
    with BACKENDS[str(request.param)]() as opened:
        yield opened
