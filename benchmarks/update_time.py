"""Bench time of one update against the size of the array: `python -m benchmarks.update_time`.

A hidden layer of N/2 units in pairs on N - 1 inputs fills an N x N tile. It is trained by momentum, one
update a violator, on ideal crossbars that report the bench time of the simulated backend, whose lines are all
driven at once. An update is as many pulses as it has phases that select something, whatever the size.
"""

import json
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mtjloop.app.simulated_dies import ideal_crossbars
from mtjloop.drivers.bench import BenchDescription, BenchFile
from mtjloop.drivers.contract import Applied, Bias, Capabilities, Crossbar, Floats, Pulse, Reading, SafeState
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.settings import PulseSettings
from mtjloop.protocols.training.loop import Trainer
from mtjloop.protocols.training.rule import Factor, Rule
from mtjloop.protocols.training.schedule import make_rule
from mtjloop.protocols.training.settings import TrainingSettings

from .loop import READ, clouds

SIZES = (16, 64, 256, 512, 1024)
SAMPLES = 80
"""Half of them are trained on."""
RATE = 0.5
"""Large, so that lines fire in all phases at every size: pulses that would select nothing are not sent."""
PULSE = PulseSettings(1e-4, 0.25, 0.6)
"""Calibration starts at 0.25 V: the ramp is not what is measured."""
RAW = Path(__file__).parent / "results" / "update_time.json"


class TimedCrossbar:
    """A crossbar that adds up the bench time of its pulses."""

    def __init__(self, crossbar: Crossbar) -> None:
        self._crossbar = crossbar
        self.pulses, self.elapsed = 0, 0.0

    @property
    def capabilities(self) -> Capabilities:
        return self._crossbar.capabilities

    def apply(self, pulse: Pulse) -> Applied:
        applied = self._crossbar.apply(pulse)
        self.pulses += pulse.repeat
        self.elapsed += applied.elapsed
        return applied

    def read(self, bias: Bias) -> Reading:
        return self._crossbar.read(bias)

    def safe(self) -> SafeState:
        return self._crossbar.safe()


class CountingRule:
    """A rule that counts the updates it asks for."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self.period = rule.period
        self.updates = 0

    def observe(self, signal: Floats, error: Floats, rate: float) -> list[Factor]:
        factors = self._rule.observe(signal, error, rate)
        self.updates += len(factors)
        return factors

    def adapt_period(self, peak: float, wanted: float) -> None:
        self._rule.adapt_period(peak, wanted)


def update_time(size: int) -> dict[str, float]:
    """What an update of a layer that fills a tile of this size takes: bench time in s, and pulses."""
    half = size // 2
    text = f"""name: update time
backend: simulated
simulated:
  die: {{kind: passive, tiles: [{{rows: {size}, columns: {size}}}, {{rows: {half}, columns: 20}}]}}
limits: {{device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 1 A, pulse_width: 10 ms}}
"""
    bench = BenchDescription(Path("update_time.yaml"), text, parse_yaml(text, "update_time.yaml", BenchFile))
    crossbars = [TimedCrossbar(one) for one in ideal_crossbars(bench, PULSE, 0)]
    settings = TrainingSettings(hidden=(half,), epochs=1, rate=RATE, pocket=False, audit_every=0)
    rules: list[CountingRule] = []
    before: list[tuple[int, float]] = []

    def counted(
        inputs: int, outputs: int, settings: TrainingSettings, rng: np.random.Generator
    ) -> CountingRule:
        # Rules are made after calibration, whose pulses do not count.
        before.append((crossbars[len(rules)].pulses, crossbars[len(rules)].elapsed))
        rules.append(CountingRule(make_rule(inputs, outputs, settings, rng)))
        return rules[-1]

    split = clouds(size - 1, SAMPLES)
    Trainer(crossbars, split, READ, PULSE, settings, 0, None, SilentMonitor(), rule_of=counted).run()
    (pulses, elapsed), updates = before[0], rules[0].updates
    return {
        "size": size,
        "updates": updates,
        "pulses": (crossbars[0].pulses - pulses) / updates,
        "bench_time_s": (crossbars[0].elapsed - elapsed) / updates,
    }


def main() -> None:
    rows = []
    for size in SIZES:
        with threadpool_limits(1):  # BLAS of many cores is slower on maps of these sizes
            rows.append(update_time(size))
        print(rows[-1], flush=True)
        RAW.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
