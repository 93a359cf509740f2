"""`mtjloop die`, die files, and the documented table of parameters."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from mtjloop.app.main import app
from mtjloop.drivers.bench import BenchFile, open_bench, read_bench_file
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ConfigurationError
from mtjloop.sim.parameters import PARAMETERS, parameter_table

ROOT = Path(__file__).parents[2]
HEAD = "name: t\nbackend: simulated\nlimits: {device_voltage: 0.8 V, read_voltage: 0.25 V, "
HEAD += "line_current: 5 mA, pulse_width: 10 ms}\n"
DIE = "tiles: [{rows: 5, columns: 4}]\nseed: 3\njunction: {delta: 40, resistance_area: 8 ohm um^2}\n"


def bench(directory: Path, die: str) -> Path:
    path = directory / "bench.yaml"
    path.write_text(f"{HEAD}simulated:\n  die: {die}\n", encoding="utf-8")
    return path


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_json_holds_every_parameter_of_every_cell(tmp_path: Path) -> None:
    path = bench(tmp_path, "{tiles: [{rows: 3, columns: 2}, {rows: 1, columns: 4}], defects: {open: 100 %}}")
    answer = CliRunner().invoke(app, ["die", str(path), "--json", "--seed", "4"])
    assert answer.exit_code == 0
    result = json.loads(answer.stdout)
    assert [len(tile["cells"]) for tile in result["tiles"]] == [6, 4]
    cell = result["tiles"][0]["cells"][3]
    assert (cell["row"], cell["column"], cell["defect"]) == (1, 1, "open")
    for key in ("resistance_parallel_ohm", "resistance_antiparallel_ohm", "tmr", "delta", "damping"):
        assert cell[key] > 0
    assert cell["resistance_antiparallel_ohm"] == pytest.approx(2.2 * cell["resistance_parallel_ohm"])
    summary = result["summary"]
    assert summary["cells"] == summary["defects"]["open"] == 10
    assert summary["parameters"]["delta"]["target_spread"] == 0.077
    assert set(summary["correlations"]["resistance, delta"]) == {"expected", "drawn"}


def test_what_the_command_shows_is_the_die_that_experiments_meet(tmp_path: Path) -> None:
    path = bench(tmp_path, "{tiles: [{rows: 5, columns: 4}], junction: {tmr_half_voltage: 1000 V}}")
    result = json.loads(CliRunner().invoke(app, ["die", str(path), "--json", "--seed", "9"]).stdout)
    cells = result["tiles"][0]["cells"]
    array = open_bench(read_bench_file(path), seed=9).crossbars[0]._crossbar.array  # type: ignore[attr-defined]
    assert array._cells.delta.ravel().tolist() == [cell["delta"] for cell in cells]
    assert array.state.ravel().tolist() == [cell["state"] for cell in cells]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_plot(tmp_path: Path, kind: str) -> None:
    plot = tmp_path / f"die.{kind}"
    answer = CliRunner().invoke(
        app,
        [
            "die",
            str(bench(tmp_path, "{" + DIE.replace("\n", ", ")[:-2] + "}")),
            "--plot",
            str(plot),
            "--width",
            "1 us",
        ],
    )
    assert answer.exit_code == 0, answer.output
    assert "correlation of ln resistance and ln delta" in answer.stdout
    assert plot.stat().st_size > 5_000


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--plot", "die.txt"], "ends in .png, .svg, .pdf"),
        (["--width", "3"], "--width: found '3'"),
        (["--width", "0 s"], "a time above 0 s"),
    ],
)
def test_wrong_options(tmp_path: Path, extra: list[str], words: str) -> None:
    answer = CliRunner().invoke(
        app, ["die", str(bench(tmp_path, "{tiles: [{rows: 2, columns: 2}]}")), *extra]
    )
    assert answer.exit_code == 2
    assert words in answer.stderr


def test_a_die_file_is_the_section_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "measured.yaml").write_text(DIE, encoding="utf-8")
    named = read_bench_file(bench(tmp_path, "measured.yaml"))
    inline = parse_yaml(named.text, "bench.yaml", BenchFile)
    assert inline == named.content
    section = named.content.simulated
    assert section is not None
    assert section.die.seed == 3
    junction = section.die.description().junction
    assert junction.parallel_resistance == pytest.approx(8e-12 / (np.pi * 25e-9**2))


@pytest.mark.parametrize(
    ("die", "words"),
    [
        ("nowhere.yaml", r"nowhere\.yaml: no such file"),
        (
            "{tiles: [{rows: 2, columns: 2}], junction: {delta: 500}}",
            r"simulated\.die\.junction\.delta: delta is 500",
        ),
        (
            "{tiles: [{rows: 2, columns: 2}], junction: {diameter: 50}}",
            r"die\.junction\.diameter: found 50; a length",
        ),
        ("{tiles: [{rows: 2, columns: 2}], junction: {delta: 45 V}}", r"delta: found '45 V'; a plain number"),
        ("{tiles: [{rows: 2, columns: 2}], temperature: 1200 K}", r"simulated\.die: temperature is 1200 K"),
        ("{tiles: [{rows: 2, columns: 2}], temperature: 900 K}", r"simulated\.die: delta: cells are drawn"),
        (
            "{tiles: [{rows: 2, columns: 2}], spread: {delta: 20 %}}",
            r"simulated\.die\.spread: .*impossible together",
        ),
        (
            "{tiles: [{rows: 2, columns: 2}], heating: {resistance: 20 K/uW}}",
            r"heating\.resistance: resistance is 2e",
        ),
        (
            "{tiles: [{rows: 2, columns: 2}], transistors: {leak: 1 nS}}",
            r"simulated\.die: transistors are given",
        ),
        (
            "{tiles: [{rows: 2, columns: 2}], "
            "junction: {resistance_area: 8 ohm um^2, parallel_resistance: 5 kohm}}",
            "give one of them",
        ),
        (
            "{tiles: [{rows: 2, columns: 2}], defects: {short: 60 %, open: 60 %}}",
            r"die\.defects: .*add up to 1\.2",
        ),
    ],
)
def test_errors_in_a_die_name_the_key(tmp_path: Path, die: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        open_bench(read_bench_file(bench(tmp_path, die)))


def test_errors_in_a_die_file_name_that_file(tmp_path: Path) -> None:
    (tmp_path / "measured.yaml").write_text(DIE.replace("delta: 40", "delta: 400"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"measured\.yaml: junction\.delta: delta is 400; 5 to 120"):
        read_bench_file(bench(tmp_path, "measured.yaml"))


def test_every_parameter_has_a_key_in_the_die_file() -> None:
    text = f"{HEAD}simulated:\n  die: {{kind: 1T1R, tiles: [{{rows: 1, columns: 1}}]}}\n"
    short = parse_yaml(text, "b", BenchFile)
    assert short.simulated is not None
    die = short.simulated.die
    for key, parameter in PARAMETERS.items():
        if key == "junction.resistance_area" or key.startswith("transistors."):
            continue
        value: object = die
        for part in key.split("."):
            value = getattr(value, part)
        assert value == parameter.default, key
    assert die.access() is not None


def test_the_documented_table_is_that_of_the_code() -> None:
    assert parameter_table() in (ROOT / "docs" / "device.md").read_text(encoding="utf-8")


def test_half_select_flips_agree_with_the_law() -> None:
    """A short form of benchmarks/half_select.py."""
    found = loaded("half_select").compare(0.22, 400, size=32, delta=35.0)
    assert found.flips > 50
    assert found.p_value > 1e-3


def test_draw_benchmark_runs() -> None:
    found = loaded("draws").measure(size=8, repeats=2)
    assert found["selected"] > 0
    assert 0.1 < found["selected flips"] < 0.9
