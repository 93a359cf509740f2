"""A die file that carries measured cells: read, written, and in place of what would be drawn."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from mtjloop.drivers.bench import read_bench_file, tile_views
from mtjloop.drivers.die_cells import parse_cells, written_cells
from mtjloop.drivers.die_file import DieSection
from mtjloop.drivers.simulated import KnownCells
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ConfigurationError

DIE = """tiles: [{rows: 2, columns: 3}, {rows: 1, columns: 1}]
seed: 4
"""
CELLS = """cells: |
  tile,row,column,resistance_ohm,tmr,delta,critical_voltage_up_V,critical_voltage_down_V,stray_field,time_unit_s,defect
  0,1,2,6000,1.5,50,0.6,0.5,0.02,2.5e-09,none
  0,0,0,,,,,,,,stuck_p
"""
BENCH = """name: t
backend: simulated
limits: {device_voltage: 1 V, read_voltage: 0.3 V, line_current: 10 mA, pulse_width: 10 ms}
simulated: {die: die.yaml}
"""


def die(text: str) -> DieSection:
    return parse_yaml(text, "die.yaml", DieSection)


def test_known_cells_replace_drawn_ones_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(BENCH)
    (tmp_path / "die.yaml").write_text(DIE)
    plain = tile_views(read_bench_file(tmp_path / "bench.yaml"))[0]
    (tmp_path / "die.yaml").write_text(DIE + CELLS)
    known = tile_views(read_bench_file(tmp_path / "bench.yaml"))[0]
    wanted = {
        "resistance_parallel_ohm": 6000.0, "tmr": 1.5, "delta": 50.0, "critical_voltage_up_V": 0.6,
        "critical_voltage_down_V": 0.5, "stray_field": 0.02, "time_unit_s": 2.5e-9,
    }  # fmt: skip
    for name, value in wanted.items():
        assert known.parameters[name][1, 2] == pytest.approx(value)
        others = np.ones((2, 3), dtype=bool)
        others[1, 2] = False
        assert (known.parameters[name][others] == plain.parameters[name][others]).all()
    assert known.defects[0][0] == "stuck_p" and known.states[0][0] == 1
    assert known.tile.cells.stuck[0, 0] == 1
    assert (known.parameters["breakdown_limit"] == plain.parameters["breakdown_limit"]).all()


def test_measured_cells_follow_temperature_as_nominal_ones(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(BENCH)
    shares = []
    for text in (DIE, DIE + CELLS):
        found = []
        for kelvin in (300, 360):
            (tmp_path / "die.yaml").write_text(f"temperature: {kelvin} K\n{text}")
            found.append(tile_views(read_bench_file(tmp_path / "bench.yaml"))[0].parameters["delta"][1, 2])
        shares.append(found[1] / found[0])
    assert shares[0] == pytest.approx(shares[1]) and shares[0] < 0.9


def test_written_tables_read_back() -> None:
    known = [KnownCells.nothing(2, 2), KnownCells.nothing(1, 3)]
    known[0].delta[1, 0], known[1].voltage_up[0, 2], known[1].defect[0, 1] = 41.25, 0.5125, 4
    found = parse_cells(written_cells(known), [(2, 2), (1, 3)])
    for one, other in zip(known, found, strict=True):
        assert one.delta == pytest.approx(other.delta, nan_ok=True)
        assert one.voltage_up == pytest.approx(other.voltage_up, nan_ok=True)
        assert (one.defect == other.defect).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0,1,2,6000", "0,2,2,6000", "line 2: tile 0 has no cell \\(2, 2\\)"),
        ("0,1,2,6000", "0,1,x,6000", "line 2: column is 'x'"),
        ("1.5,50,", "1.5,500,", "line 2: delta: .*500"),
        ("1.5,50,", "1.5,much,", "line 2: delta: .*much"),
        ("stuck_p", "lost", "line 3: defect is 'lost'"),
        ("tile,row,column,resistance_ohm", "tile,row,column,ohm", "the heading is"),
        ("2.5e-09", "2.5", "1e-17 to 1e-3 s"),
    ],
)
def test_a_wrong_table_names_line_and_column(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        die(DIE + CELLS.replace(old, new))


def test_provenance_is_kept() -> None:
    text = yaml.safe_dump({**yaml.safe_load(DIE), "provenance": {"run": "abc"}})
    assert die(text).provenance == {"run": "abc"}
