"""The compiled loop leaves what the loop in Python leaves: states, controller, totals, records."""

import math
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mtjloop.app.fused.loop import CompiledLoop, compiled_loop
from mtjloop.drivers.bench import Bench, BenchDescription, BenchFile, open_bench
from mtjloop.drivers.compiled_crossbar import pulse_crossbar, spent_on
from mtjloop.drivers.contract import Bias
from mtjloop.drivers.guard import MADE, REFUSED, Guard
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import FaultError, LimitError, MtjloopError, ProtocolError
from mtjloop.protocols.data import Split, load_data, split_data
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.loop import LoopParts, SampleLoop, Trainer, TrainingResult
from mtjloop.protocols.training.settings import EncodingSettings, FeedbackSettings, TrainingSettings
from mtjloop.records.manifest import Configuration
from mtjloop.records.reader import RunReader
from mtjloop.records.run import Detail, RunRecorder

READ = ReadSettings(0.1)
PULSE = PulseSettings(width=1.0004e-4, search_from=0.1, search_to=0.6)
CERTAIN = EncodingSettings(probability=0.9)
SETTINGS = TrainingSettings(hidden=(4,), epochs=6, rate=0.02, audit_every=7)
THREE = "[{rows: 5, columns: 10}, {rows: 5, columns: 8}, {rows: 4, columns: 6}]"
TILES = "[{rows: 5, columns: 8}, {rows: 4, columns: 6}]"


def bench(tiles: str = TILES, kind: str = "passive", current: str = "5 mA", levels: str = "") -> Bench:
    text = f"name: t\nbackend: simulated\nsimulated:\n  die: {{kind: {kind}, tiles: {tiles}}}\n"
    text += f"  electronics: {{read_noise: 20 nA{levels}}}\n"
    text += f"limits: {{device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: {current}, "
    text += "pulse_width: 10 ms}\n"
    content = parse_yaml(text, "bench.yaml", BenchFile)
    return open_bench(BenchDescription(Path("bench.yaml"), text, content), 0)


@pytest.fixture(scope="module")
def iris() -> Split:
    return split_data(load_data("iris"), 0.3, "per-feature", 0)


class Counting:
    """A compiled loop that counts the samples it was trusted with."""

    def __init__(self) -> None:
        self.shown = 0
        self.behind: SampleLoop | None = None

    def offer(self, parts: LoopParts) -> SampleLoop | None:
        self.behind = compiled_loop(parts)
        return self

    def run(self, order: Any, fall: float, pulse: bool) -> tuple[int, int]:
        assert self.behind is not None
        shown, violators = self.behind.run(order, fall, pulse)
        self.shown += shown
        return shown, violators


def train(split: Split, place: Bench, settings: TrainingSettings, journal: Any, fast: Any) -> Any:
    trainer = Trainer(place.crossbars, split, READ, PULSE, settings, 3, journal, SilentMonitor(), fast)
    return trainer, trainer.run()


def left_by(trainer: Trainer, result: TrainingResult) -> list[Any]:
    """Everything that a training leaves, as bytes."""
    digital = result.network.digital
    left: list[Any] = [states.tobytes() for states in result.network.states]
    for part in digital.hidden:
        left += [part.mean_square.tobytes(), part.bias.tobytes(), part.centre.tobytes()]
    left += [digital.output_bias.tobytes(), result.digital_alone, result.test.accuracy]
    for crossbar in trainer.crossbars:
        totals = crossbar.totals
        left += [totals.pulses, totals.reads, totals.energy, totals.elapsed]
    return left


def told_by(run: RunReader) -> list[Any]:
    """What a run says of its pulses and reads, but not when; sums of energies to nine digits."""
    pulses = [replace(one, time=datetime.min) for one in run.pulses()]
    parts = (run.pulse_totals(), run.read_totals(), run.pulse_tally(), pulses)
    number = re.compile(r"\d\.\d+(e-?\d+)?")
    return [number.sub(lambda found: f"{float(found[0]):.9g}", repr(part)) for part in parts]


def new_run(place: Path, detail: Detail = "full") -> RunRecorder:
    return RunRecorder.create(
        place, command="train", name="t", backend="simulated", hardware=False, seed=3,
        configurations={"bench": Configuration.of(Path("bench.yaml"), "name: t\n")}, detail=detail,
    )  # fmt: skip


def recorded_end(recorder: RunRecorder) -> list[Any]:
    """How the last pulse ended, and how many ended in which way."""
    with RunReader(recorder.directory) as run:
        last = list(run.pulses())[-1]
        ends = [(one.tile, one.purpose, one.count, one.refused, one.doubtful) for one in run.pulse_totals()]
    return [last.status, last.row_levels.tobytes(), last.column_levels.tobytes(), last.width, ends]


CASES = [
    pytest.param(SETTINGS, {}, id="momentum, audited"),
    pytest.param(replace(SETTINGS, rank=2, period=3, threshold=0.0), {}, id="rank 2"),
    pytest.param(replace(SETTINGS, schedule="per-sample", digital_alone=True), {}, id="per-sample"),
    pytest.param(SETTINGS, {"kind": "1T1R"}, id="1T1R"),
    pytest.param(
        replace(SETTINGS, devices=2, weights="reference"),
        {"tiles": "[{rows: 3, columns: 7, count: 8}]"},
        id="tiles, reference",
    ),
    pytest.param(replace(SETTINGS, hidden=(5, 4), balance=True), {"tiles": THREE}, id="three layers"),
    pytest.param(
        replace(SETTINGS, output="code", normalisers=False, digital_biases=False, period="auto"),
        {},
        id="code, no digital parts, period of its own",
    ),
    pytest.param(
        replace(SETTINGS, constants=3, constant_level=0.3, digital_biases=False),
        {"tiles": "[{rows: 4, columns: 8, count: 2}, {rows: 4, columns: 6}]"},
        id="three constants, no digital biases",
    ),
    pytest.param(replace(SETTINGS, constants=0), {}, id="no constant"),
    pytest.param(replace(SETTINGS, encoding=EncodingSettings(gating="auto", slots=2)), {}, id="gating"),
    pytest.param(replace(SETTINGS, encoding=EncodingSettings(gating=0.5)), {}, id="half the lines"),
    pytest.param(replace(SETTINGS, encoding=EncodingSettings(rare_lines="columns")), {}, id="rare columns"),
    pytest.param(
        replace(SETTINGS, schedule="column-momentum", period=3, rank=2, power=2.5), {}, id="column momentum"
    ),
    pytest.param(
        replace(SETTINGS, schedule="column-momentum", hidden=(5, 4), devices=2, rank=8, audit_every=0),
        {"tiles": "[{rows: 3, columns: 9, count: 16}]"},
        id="column momentum, tiles, three layers",
    ),
    pytest.param(replace(SETTINGS, hidden=()), {"tiles": "[{rows: 5, columns: 6}]"}, id="no hidden layer"),
]


@pytest.mark.parametrize(("settings", "more"), CASES)
def test_same_states_bit_for_bit_from_both_loops(
    iris: Split, settings: TrainingSettings, more: dict[str, str]
) -> None:
    slow = left_by(*train(iris, bench(**more), settings, None, None))
    counting = Counting()
    fast = left_by(*train(iris, bench(**more), settings, None, counting.offer))
    assert slow == fast
    # The loop in Python must not have done it all: it takes over for audits only.
    assert counting.shown > 0.5 * settings.epochs * len(iris.train_x)


@pytest.mark.parametrize(("alone", "offers"), [(False, 1), (True, 2)])
def test_a_compiled_loop_is_made_once_a_training(iris: Split, alone: bool, offers: int) -> None:
    """And once more for the digital parts alone, which are trained first."""
    seen: list[LoopParts] = []
    settings = replace(SETTINGS, epochs=1, digital_alone=alone, feedback=FeedbackSettings(every=50, trials=1))

    def offer(parts: LoopParts) -> None:
        seen.append(parts)

    train(iris, bench(), settings, None, offer)
    assert len(seen) == offers
    # What is offered last is what trains: with its feedback, which the digital parts alone have no use for.
    followed = [parts.updaters[0].blocks[0].feedback is not None for parts in seen]
    assert followed == [False, True][-offers:]


def test_the_number_of_threads_changes_nothing(iris: Split) -> None:
    left = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            left.append(left_by(*train(iris, bench(), SETTINGS, None, compiled_loop)))
    assert left[0] == left[1]


@pytest.mark.parametrize("detail", ["full", "tally"])
def test_records_are_the_same_but_for_their_times(iris: Split, tmp_path: Path, detail: Detail) -> None:
    found = []
    for name, fast in (("slow", None), ("fast", compiled_loop)):
        recorder = new_run(tmp_path / name, detail)
        with recorder:
            train(iris, bench(), SETTINGS, recorder, fast)
            recorder.finish("completed", {})
        with RunReader(recorder.directory) as run:
            found.append(told_by(run))
    assert found[0] == found[1]


@pytest.mark.parametrize("amplitude", [0.9, math.nan])
def test_what_a_limit_forbids_is_refused_as_in_python(iris: Split, amplitude: float, tmp_path: Path) -> None:
    """Select voltages over the limit of 0.8 V, as feedback gone wrong would make them."""
    ends = []
    for fast in (None, compiled_loop):
        place, recorder = bench(), new_run(tmp_path)

        def spoil(parts: LoopParts, fast: Any = fast) -> SampleLoop | None:
            for updater in parts.updaters:
                for one in updater.blocks:
                    one.amplitudes.update({1: amplitude, -1: amplitude})
            return fast(parts) if fast is not None else None

        with recorder, pytest.raises(MtjloopError) as caught:
            train(iris, place, SETTINGS, recorder, spoil)
        assert isinstance(caught.value, LimitError if amplitude == 0.9 else ProtocolError)
        ends.append(recorded_end(recorder))
    assert ends[0] == ends[1]
    assert ends[0][0] == ("refused" if amplitude == 0.9 else "applied")


@pytest.mark.parametrize(
    ("width", "ended"), [(1e-4, MADE), (0.02, REFUSED), (1e-7, REFUSED), (math.nan, REFUSED)]
)
def test_widths_beyond_limit_and_bench_are_refused(width: float, ended: int) -> None:
    """The die allows 10 ms, the bench nothing under 1 us."""
    guard = bench().crossbars[0]
    assert isinstance(guard, Guard)
    crossbar = guard.compiled()
    assert crossbar is not None
    rows, columns = np.full(5, 0.1), np.full(8, -0.1)
    assert pulse_crossbar(crossbar, rows, columns, np.full(5, width), width) == ended
    assert spent_on(crossbar).pulses == (1 if ended == MADE else 0)


def test_a_line_that_meets_its_limit_stops_the_bench(iris: Split, tmp_path: Path) -> None:
    """0.65 mA is enough for reads and for the calibration, not for twice its voltages."""
    causes, ends = [], []
    for fast in (None, compiled_loop):
        place, recorder = bench(current="0.65 mA"), new_run(tmp_path)
        settings = replace(SETTINGS, rate=1.0, threshold=0.0, epochs=20, encoding=CERTAIN)

        def strengthen(parts: LoopParts, fast: Any = fast) -> SampleLoop | None:
            for updater in parts.updaters:
                for one in updater.blocks:
                    one.amplitudes.update({1: 0.75, -1: 0.75})
            return fast(parts) if fast is not None else None

        with recorder, pytest.raises(FaultError, match="current limit"):
            train(iris, place, settings, recorder, strengthen)
        ends.append(recorded_end(recorder))
        with pytest.raises(LimitError, match="current limit"):
            place.crossbars[0].read(Bias(np.zeros(5)))
        causes.append(place.safe().proven)
    assert causes == [True, True]
    assert ends[0] == ends[1]
    assert ends[0][0] == "doubtful"


def test_benches_that_need_the_loop_in_python_get_none(iris: Split) -> None:
    offered: list[SampleLoop | None] = []

    def offer(parts: LoopParts) -> None:
        offered.append(compiled_loop(parts))

    short = replace(SETTINGS, epochs=1)
    train(iris, bench(levels=", read_levels: 1"), short, None, offer)
    assert offered[-1] is None
    train(iris, bench(), replace(short, feedback=FeedbackSettings(every=50, trials=1)), None, offer)
    assert offered[-1] is None
    train(iris, bench(), short, None, offer)
    assert isinstance(offered[-1], CompiledLoop)
