"""Bench and experiment files: what is accepted, and errors that say where, what and what instead."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mtjloop.app.experiment_file import ExperimentFile, read_experiment_file
from mtjloop.app.init_command import template
from mtjloop.drivers.bench import BenchFile, open_bench, read_bench_file
from mtjloop.drivers.contract import Crossbar, Pulse
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ConfigurationError, LimitError, RecordError
from mtjloop.protocols.mapping import map_crossbar
from mtjloop.protocols.settings import ReadSettings

ROOT = Path(__file__).parents[2]
BENCH = template("bench.yaml")
EXPERIMENT = template("experiment.yaml")


@pytest.mark.parametrize("example", ["wine", "breast-cancer"])
def test_examples_are_valid(example: str) -> None:
    bench = read_bench_file(ROOT / "examples" / example / "bench.yaml")
    experiment = read_experiment_file(ROOT / "examples" / example / "experiment.yaml")
    assert len(open_bench(bench).crossbars) == len(experiment.content.network.hidden) + 1


def test_the_wine_example_is_what_init_writes() -> None:
    assert (ROOT / "examples/wine/bench.yaml").read_text(encoding="utf-8") == BENCH
    assert (ROOT / "examples/wine/experiment.yaml").read_text(encoding="utf-8") == EXPERIMENT


def test_the_template_spells_out_the_defaults() -> None:
    short = "name: t\nbackend: simulated\nlimits: {device_voltage: 0.8 V, read_voltage: 0.25 V, "
    short += "line_current: 5 mA, pulse_width: 10 ms}\n"
    short += "simulated:\n  die: {tiles: [{rows: 14, columns: 24}, {rows: 6, columns: 12}]}\n"
    by_default, in_full = parse_yaml(short, "short", BenchFile), parse_yaml(BENCH, "bench.yaml", BenchFile)
    assert in_full.simulated == by_default.simulated
    assert in_full.operation == by_default.operation


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("driver: 5 ohm", "driver: 5", r"simulated\.wires\.driver: found 5; a resistance with its unit"),
        ("driver: 5 ohm", "driver: 5 V", r"simulated\.wires\.driver: .*'V' is no unit of resistance"),
        ("driver: 5 ohm", "drivr: 5 ohm", r"drivr: unknown key; accepted here: row_segment, .*driver"),
        ("driver: 5 ohm", "driver: -5 ohm", r"driver: found '-5 ohm'; .*greater than or equal to 0"),
        ("delta: 45 ", "delta: nan ", r"junction\.delta"),
        ("rows: 14,", "rows: 0,", r"simulated\.die\.tiles\.0\.rows: found 0; .*greater than or equal to 1"),
        ("rows: 14,", "rows: 14.5,", r"simulated\.die\.tiles\.0\.rows: found 14\.5"),
        ("backend: simulated", "backend: magic", r"backend: found 'magic'; .*'simulated'"),
        ("name: simulated Wine bench", "", "name: this key is missing"),
        ("  pulse_width: 10 ms ", "  # ", r"limits\.pulse_width: this key is missing"),
        ("kind: passive ", "kind: passive\n    kind: 1T1R", "'kind' is given twice"),
        ("search_to: 600 mV", "search_to: 900 mV", r"search_to can put 0\.9 V .* limits\.device_voltage"),
        ("read_voltage: 100 mV", "read_voltage: 200 mV", r"can put 0\.4 V .* limits\.read_voltage"),
        ("search_from: 100 mV", "search_from: 700 mV", "search_from below search_to"),
        ("law: fokker-planck", "law: arrhenius", r"law: found 'arrhenius'"),
        ("limits:", "limits: [", "not valid YAML"),
        ("minimum_width: 1 us", "minimum_width: 1 ms", r"operation\.pulse_width is 0\.0001 s; .*electronics"),
        (
            "voltage_resolution: 1 mV",
            "voltage_resolution: 1 V",
            r"operation\.search_from is 0\.1 V; simulated\.electronics",
        ),
    ],
)
def test_bench_errors_name_file_key_found_and_accepted(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "bench.yaml"
    assert old in BENCH
    path.write_text(BENCH.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_bench_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "test_fraction: 30 %",
            "test_fraction: 0.3",
            r"test_fraction: found 0\.3; a fraction with its unit",
        ),
        ("test_fraction: 30 %", "test_fraction: 130 %", r"test_fraction: found '130 %'; .*less than 1"),
        ("hidden: [6]", "hidden: [0]", r"network\.hidden\.0: found 0"),
        ("hidden: [6]", "hidden: 6", r"network\.hidden: found 6"),
        ("epochs: 200", "epochs: many", r"training\.epochs: found 'many'"),
        ("schedule: momentum ", "schedule: adam ", r"training\.schedule: found 'adam'; .*'momentum'"),
        ("pocket: true", "pocket: 1", r"training\.pocket: found 1"),
        ("rate: 0.003", "rate: .nan", r"training\.rate"),
    ],
)
def test_experiment_errors(old: str, new: str, words: str) -> None:
    assert old in EXPERIMENT
    with pytest.raises(ConfigurationError, match=words):
        parse_yaml(EXPERIMENT.replace(old, new, 1), "experiment.yaml", ExperimentFile)


@pytest.mark.parametrize("text", ["", "3", "- a\n- b", "\x00"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"bench\.yaml"):
        read_bench_file(path)


def test_an_absent_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file; `mtjloop init`"):
        read_bench_file(tmp_path / "nothing.yaml")


def test_limits_of_the_file_reach_the_guard(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH, encoding="utf-8")
    with open_bench(read_bench_file(path)) as bench:
        for crossbar in bench.crossbars:
            rows, columns = crossbar.capabilities.shape
            with pytest.raises(LimitError, match=r"0\.82 V"):
                crossbar.apply(Pulse(np.full(rows, 0.41), np.full(columns, -0.41), 1e-4))


def test_a_seed_in_the_file_fixes_the_die(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH.replace("    # seed: 7 ", "    seed: 7 "), encoding="utf-8")
    assert states(path, 1) == states(path, 2)
    path.write_text(BENCH, encoding="utf-8")
    assert states(path, 1) != states(path, 2)


def test_memory_keeps_a_chip_between_openings_and_refuses_another_die(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH.replace("  # memory: chip.npz ", "  memory: chip.npz "), encoding="utf-8")
    with open_bench(read_bench_file(path), seed=1) as bench:
        crossbar = bench.crossbars[0]
        rows, columns = crossbar.capabilities.shape
        crossbar.apply(Pulse(np.full(rows, 0.3), np.full(columns, -0.3), 1e-4))
    after = states(path, 1)
    assert set(after) == {1}
    # Others of the lab may read it as they may read the bench file.
    assert (tmp_path / "chip.npz").stat().st_mode == path.stat().st_mode
    with pytest.raises(ConfigurationError, match="stored for another die or seed"):
        open_bench(read_bench_file(path), seed=2)
    (tmp_path / "chip.npz").write_bytes(b"garbage")
    with pytest.raises(ConfigurationError, match=r"simulated\.memory"):
        open_bench(read_bench_file(path), seed=1)


USE = """
import sys
from pathlib import Path
import numpy as np
from mtjloop.drivers.bench import open_bench, read_bench_file
from mtjloop.drivers.contract import Crossbar, Pulse
with open_bench(read_bench_file(Path(sys.argv[1])), seed=1) as bench:
    print("held", flush=True)
    sys.stdin.readline()
    rows, columns = bench.crossbars[0].capabilities.shape
    bench.crossbars[0].apply(Pulse(np.full(rows, 0.3), np.full(columns, -0.3), 1e-4))
"""


def test_a_chip_with_a_memory_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH.replace("  # memory: chip.npz ", "  memory: chip.npz "), encoding="utf-8")
    waiting = open_bench(read_bench_file(path), seed=1)
    with subprocess.Popen(
        [sys.executable, "-c", USE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(RecordError, match="another mtjloop process has this chip"), waiting:
            pass
        assert not (tmp_path / "chip.npz").exists()
        other.communicate("\n")
    assert other.returncode == 0
    # What the other process did is there, although this bench was opened before it.
    with waiting:
        assert set(read_states(waiting.crossbars[0])) == {1}
    assert set(states(path, 1)) == {1}


def states(path: Path, seed: int) -> tuple[int, ...]:
    """States of the first tile, told from its resistances."""
    return read_states(open_bench(read_bench_file(path), seed=seed).crossbars[0])


def read_states(crossbar: Crossbar) -> tuple[int, ...]:
    return tuple(map_crossbar(crossbar, ReadSettings(0.1), threshold=7.5e3).state.ravel().tolist())


def test_the_bench_of_the_readme_is_the_template() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.split("```yaml\n")[1].split("```")[0]
    assert parse_yaml(block, "README.md", BenchFile) == parse_yaml(BENCH, "bench.yaml", BenchFile)
