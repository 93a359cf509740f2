"""`mtjloop twin` as a user meets it: addresses, a written bench file, faults by name, an end by a signal."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import pyvisa
import yaml
from pyvisa.resources import MessageBasedResource

from mtjloop.app.twin_command import parse_fault, pointed_to, run_twin
from mtjloop.drivers.bench import read_bench_file
from mtjloop.drivers.emulated import serve_bench
from mtjloop.errors import ConfigurationError

BENCH = """# Our bench.
name: lab bench
backend: simulated   # or smu
limits: {device_voltage: 1 V, read_voltage: 0.3 V, line_current: 10 mA, pulse_width: 10 ms}
operation: {pulse_width: 200 us}
smu:
  instruments:
    smu:
      model: keithley-2600b
      resource: TCPIP0::192.0.2.1::5025::SOCKET  # rack 3
      serial_number: "4301234"
    matrix: {model: keithley-707b, resource: "TCPIP0::192.0.2.2::5025::SOCKET"}
  matrix_rows: {A: smu.a, B: smu.b, C: ground}
  tiles:
    - {rows: [matrix.1.1-4], columns: [matrix.1.5-7]}
simulated:
  die: {tiles: [{rows: 4, columns: 3}]}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bench.yaml").write_text(BENCH, encoding="utf-8")
    return tmp_path


def start(place: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "mtjloop", "twin", "bench.yaml", *arguments],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def twin(place: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """The twin as a process; its JSON. It ends by a polite kill, with exit code 0."""
    process = start(place, "--json", *arguments)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


def ask(resource: str, query: str) -> str:
    visa = cast(MessageBasedResource, pyvisa.ResourceManager("@py").open_resource(resource))
    visa.timeout = 2000
    visa.read_termination = visa.write_termination = "\n"
    try:
        return visa.query(query)
    finally:
        visa.close()


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no pseudo-terminals and no signals to another process"
)
@pytest.mark.parametrize("protocol", ["socket", "hislip", "vxi11", "serial"])
def test_addresses_answer_and_the_written_file_points_to_them(place: Path, protocol: str) -> None:
    with twin(place, "--protocol", protocol, "--write", "twin.yaml") as result:
        assert result["bench"] == "lab bench"
        assert result["written"] == "twin.yaml"
        written = read_bench_file(place / "twin.yaml").content
        assert written.backend == "smu"
        assert written.smu is not None
        for name, model in (("smu", "Model 2636B, 4301234"), ("matrix", "Model 707B")):
            resource = result["instruments"][name]["resource"]
            assert written.smu.instruments[name].resource == resource
            assert model in ask(resource, "*IDN?")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to another process")
def test_a_table_for_people_and_what_was_done_at_the_end(place: Path) -> None:
    process = start(place)
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or "Ctrl-C" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], process.communicate()[1]
    assert "twin of lab bench" in lines[0]
    (address,) = [line.split()[-1] for line in lines if line.split()[:2] == ["matrix", "keithley-707b"]]
    assert ask(address, 'channel.close("1A01,1C05") print(1)') == "1.00000e+00"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "0 pulses, 2 relays moved, 0 of them hot" in out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to another process")
def test_faults_wait_for_their_message(place: Path) -> None:
    with twin(
        place, "--fault", "garbage@smu:1", "--fault", "stuck-relay=1B05@matrix", "--no-noise"
    ) as result:
        smu = result["instruments"]["smu"]["resource"]
        assert ask(smu, "print(1)") == "1.00000e+00"
        with pytest.raises(UnicodeDecodeError):
            ask(smu, "print(1)")
        assert ask(smu, "print(2)") == "2.00000e+00"


def test_everything_else_of_the_file_is_kept(place: Path) -> None:
    bench = read_bench_file(place / "bench.yaml")
    with serve_bench(bench) as served:
        text = pointed_to(bench, served, place / "twin.yaml")
        smu, matrix = served.resource("smu"), served.resource("matrix")
    expected = BENCH.replace("backend: simulated ", 'backend: "smu" ')
    expected = expected.replace("TCPIP0::192.0.2.1::5025::SOCKET ", f'"{smu}" ')
    expected = expected.replace('"TCPIP0::192.0.2.2::5025::SOCKET"', f'"{matrix}"')
    expected = expected.replace(
        "smu:\n  instruments", 'smu:\n  emulated: true\n  visa_library: "@py"\n  instruments'
    )
    first, _, rest = text.partition("\n")
    assert first == "# Written by `mtjloop twin` from bench.yaml; its addresses hold while that runs."
    assert rest == expected


def test_a_chip_memory_is_found_from_where_the_file_is_written(place: Path) -> None:
    (place / "bench.yaml").write_text(BENCH + "  memory: chip.npz\n", encoding="utf-8")
    bench = read_bench_file(place / "bench.yaml")
    with serve_bench(bench) as served:
        beside = pointed_to(bench, served, place / "twin.yaml")
        elsewhere = pointed_to(bench, served, place.parent / "twin.yaml")
    assert yaml.safe_load(beside)["simulated"]["memory"] == "chip.npz"
    assert yaml.safe_load(elsewhere)["simulated"]["memory"] == str((place / "chip.npz").resolve())
    assert (place / "chip.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--protocol", "usb"), "--protocol usb: one of socket, hislip, vxi11, serial is accepted"),
        (("--fault", "fire@smu"), "with NAME one of drop, delay"),
        (("--fault", "drop@other"), "no such instrument; the bench file has smu, matrix"),
        (("--fault", "stuck-relay@smu"), "smu has no relays"),
        (("--write", "bench.yaml"), "--write bench.yaml: exists already, and no twin wrote it"),
        (("--write", "absent/twin.yaml"), "--write absent/twin.yaml: cannot be written"),
    ],
)
def test_mistakes_are_named_before_anything_is_served(
    place: Path, arguments: tuple[str, ...], words: str
) -> None:
    process = start(place, *arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert words in err
    assert "Traceback" not in err
    assert (place / "bench.yaml").read_text(encoding="utf-8") == BENCH
    assert out == ""


def test_a_bench_without_instruments_has_no_twin(place: Path) -> None:
    text = BENCH[: BENCH.index("smu:\n  instruments")] + BENCH[BENCH.index("simulated:\n  die") :]
    (place / "bench.yaml").write_text(text, encoding="utf-8")
    process = start(place)
    assert "smu: this key is missing; a twin needs" in process.communicate(timeout=60)[1]
    assert process.returncode == 2


def test_without_the_extra_it_says_what_to_install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lupa.lua51", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'mtjloop\[twin\]'"):
        run_twin(place / "bench.yaml")


def test_a_port_may_be_chosen_and_one_that_is_taken_is_named(place: Path) -> None:
    bench = read_bench_file(place / "bench.yaml")
    with serve_bench(bench) as other:
        taken = other.addresses["matrix"].port
        assert taken is not None
        with (
            pytest.raises(ConfigurationError, match="cannot be served"),
            serve_bench(bench, first_port=taken),
        ):
            pass


@pytest.mark.parametrize(
    ("text", "name", "instrument", "skip", "crosspoint"),
    [
        ("drop@smu", "drop", "smu", 0, "1A01"),
        ("late-reply@my-smu:12", "late-reply", "my-smu", 12, "1A01"),
        ("stuck-relay=2B05@matrix:3", "stuck-relay", "matrix", 3, "2B05"),
    ],
)
def test_faults_as_written(text: str, name: str, instrument: str, skip: int, crosspoint: str) -> None:
    fault = parse_fault(text)
    assert (fault.name, fault.instrument, fault.skip, fault.crosspoint) == (
        name,
        instrument,
        skip,
        crosspoint,
    )


@pytest.mark.parametrize("text", ["drop", "drop@", "drop@smu:x", "drop=1B05@smu", "@smu", "no@smu"])
def test_faults_that_are_none(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--fault"):
        parse_fault(text)
