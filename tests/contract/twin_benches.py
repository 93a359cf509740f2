"""Instrument benches around a simulated die, served over loopback sockets: the `smu` backend sees no twin."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType

from mtjloop.drivers.bench import Bench, BenchDescription, BenchFile, open_bench
from mtjloop.drivers.qualification import check_passively
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.sim.twin.bench import Bench as TwinBench
from mtjloop.sim.twin.die_array import DieArray, draw_array
from mtjloop.sim.twin.keithley707b import Keithley707B
from mtjloop.sim.twin.keithley2600b import Keithley2600B
from mtjloop.sim.twin.keysight_b2900 import KeysightB2900
from mtjloop.sim.twin.server import Served, serve
from mtjloop.sim.twin.wiring import Ground, Port, matrix_wiring

LIMITS = "limits: {device_voltage: 1 V, read_voltage: 0.3 V, line_current: 10 mA, pulse_width: 10 ms}"
ROWS, COLUMNS = 6, 5


class ServedBench(AbstractContextManager["ServedBench"]):
    """A bench of one source-measure unit and a 707B around a die of 6 x 5, served and opened.

    The timeout is long because the first pulse of a process waits for compilers.

    Attributes:
        twin: the emulated bench.
        served: its servers and faults.
        description: the bench file that leads to them.
        bench: open.
    """

    def __init__(self, model: str, *, link: bool, timeout: float = 60.0, options: str = "") -> None:
        self._stack = ExitStack()
        wiring = matrix_wiring(
            {"A": Port("smu", 1), "B": Port("smu", 2), "C": Ground()},
            ROWS,
            COLUMNS,
            tsp_link=("smu", "matrix") if link else (),
        )
        self.array: DieArray = draw_array(ROWS, COLUMNS, seed=3)
        self.twin = TwinBench(wiring, {0: self.array}, noise=False)
        if model == "keithley-2600b":
            Keithley2600B(self.twin)
        else:
            KeysightB2900(self.twin)
        self.matrix = Keithley707B(self.twin)
        self.served: Served = self._stack.enter_context(serve(self.twin))
        text = f"""
name: twin
backend: smu
{LIMITS}
smu:
  visa_library: "@py"
  instruments:
    smu: {{model: {model}, resource: "{self.served.resource("smu")}", timeout: {timeout:g} s}}
    matrix: {{model: keithley-707b, resource: "{self.served.resource("matrix")}", timeout: {timeout:g} s}}
  tsp_link: {"[smu, matrix]" if link else "[]"}
  matrix_rows: {{A: smu.a, B: smu.b, C: ground}}
  tiles: [{{rows: [matrix.1.1-6], columns: [matrix.1.7-11]}}]
  {options}
"""
        if model != "keithley-2600b":
            text = text.replace("smu.a", "smu.1").replace("smu.b", "smu.2")
        self.description = BenchDescription(
            Path("bench.yaml"), text, parse_yaml(text, "bench.yaml", BenchFile)
        )
        try:
            checked = check_passively(self.description).qualification
            self.bench: Bench = self._stack.enter_context(open_bench(self.description))
            self.bench.arm(checked)
        except BaseException:
            self._stack.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
