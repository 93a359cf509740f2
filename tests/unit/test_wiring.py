"""Wiring of a bench of instruments: what is accepted, and every mistake named before anything opens."""

from pathlib import Path

import pytest

from mtjloop.drivers.bench import read_bench_file
from mtjloop.drivers.wiring import Channel, MatrixColumn
from mtjloop.errors import ConfigurationError

LIMITS = "limits: {device_voltage: 1 V, read_voltage: 0.3 V, line_current: 10 mA, pulse_width: 10 ms}"
BENCH = f"""
name: lab
backend: smu
{LIMITS}
smu:
  instruments:
    smu: {{model: keithley-2600b, resource: "TCPIP0::192.168.0.10::5025::SOCKET"}}
    matrix: {{model: keithley-707b, resource: "TCPIP0::192.168.0.11::5025::SOCKET"}}
  tsp_link: [smu, matrix]
  matrix_rows: {{A: smu.a, B: smu.b, C: ground}}
  tiles:
    - rows: [matrix.1.1-6]
      columns: [matrix.1.7-10, matrix.2.1]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bench.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_follow_the_ranges(tmp_path: Path) -> None:
    description = read_bench_file(written(tmp_path, BENCH))
    wiring = description.wiring
    assert description.shapes == ((6, 5),)
    assert wiring.tiles[0].rows[2] == MatrixColumn("matrix", 1, 3)
    assert wiring.tiles[0].columns[4] == MatrixColumn("matrix", 2, 1)
    assert wiring.channels == (Channel("smu", "a"), Channel("smu", "b"))
    assert wiring.row_of("matrix", None) == "C"
    row = wiring.row_of("matrix", Channel("smu", "a"))
    assert row == "A"
    assert wiring.crosspoint(row, MatrixColumn("matrix", 1, 3)) == "1A03"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("matrix.1.7-10", "matrix.1.6-9", r"tiles\.0\.columns, line 0: matrix\.1\.6 is wired to tiles\.0"),
        ("matrix.2.1", "matrix.7.1", r"found 'matrix\.7\.1'; accepted: slots 1 to 6"),
        ("matrix.1.7-10", "matrix.1.10-7", "rising columns"),
        ("matrix.1.1-6", "matrx.1.1-6", r"found 'matrx\.1\.1-6'; accepted: a switch matrix of this file"),
        ("matrix.2.1", "smu.c", r"found 'smu\.c'; accepted: smu\.a, smu\.b"),
        ("matrix.2.1", "smu.b", r"smu\.b is on row matrix\.B too"),
        ("matrix.2.1", "matrix.a", r"found 'matrix\.a'; accepted: a source-measure unit"),
        ("matrix.2.1", "1C03", r"found '1C03'; accepted: .*matrix\.1\.3"),
        ("B: smu.b", "B: smu.a", r"matrix_rows\.B: smu\.a is on another row"),
        ("C: ground", "C: earth", r"matrix_rows\.C: found 'earth'"),
        ("C: ground", "Z: ground", r"found 'Z'; accepted: a row of a switch matrix, A B C"),
        ("A: smu.a, B: smu.b, C: ground", "", "no row of matrix is wired to a channel"),
        ("[smu, matrix]", "[matrix, smu]", r"tsp_link: found 'matrix'; accepted: a Keithley 2600B as the"),
        ("[smu, matrix]", "[smu, other]", r"tsp_link: found 'other'"),
        (
            "tsp_link",
            "  spare: {model: keysight-b2900, resource: x}\n  tsp_link",
            "spare: it is wired to not",
        ),
        ("model: keithley-707b", "model: keithley-707", r"instruments\.matrix\.model: found 'keithley-707'"),
        (", B: smu.b", "", r"smu\.tiles\.0: rows cannot be driven and columns sensed at once; .*smu\.a"),
        ("smu:\n  inst", "operation: {pulse_width: 50 us}\nsmu:\n  inst", "give pulses of 0.0001 s to 10 s"),
        ("backend: smu", "backend: simulated", "a section `simulated:` with the die is needed"),
        (
            "smu:\n  inst",
            "simulated: {die: {tiles: [{rows: 6, columns: 4}]}}\nsmu:\n  inst",
            "6 x 5, .*6 x 4",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in BENCH
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_bench_file(written(tmp_path, BENCH.replace(old, new, 1)))
    assert "bench.yaml: " in str(caught.value)


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    text = BENCH.replace("matrix.2.1", "matrix.9.1").replace("C: ground", "C: earth")
    with pytest.raises(ConfigurationError) as caught:
        read_bench_file(written(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 2
