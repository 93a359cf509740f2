"""The `smu` backend on emulated instruments: round trips, bench time, opening, and the same numbers as the
simulated backend."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtjloop.drivers import smu_instruments
from mtjloop.drivers.bench import BenchDescription, open_bench
from mtjloop.drivers.contract import Bias, Crossbar, Pulse
from mtjloop.drivers.emulated import Served, serve_bench
from mtjloop.drivers.planned import planned_crossbars
from mtjloop.errors import ConfigurationError, IdentityError, LinkError
from mtjloop.instruments import Link, open_link
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.training.rehearsal import rehearse
from mtjloop.protocols.training.settings import TrainingSettings
from mtjloop.sim.twin.wiring import Port

from ..layers import layer_on_tile
from .benches import bench_text, described
from .opened import OpenedTwin, addressed, open_armed

BENCHES = {
    "2600B": {"model": "keithley-2600b", "link": False},
    "2600B linked": {"model": "keithley-2600b", "link": True},
    "B2900": {"model": "keysight-b2900", "link": False},
}
SIXTEEN = [
    ("[matrix.1.1-6]", "[matrix.1.1-12, matrix.2.1-4]"),
    ("[matrix.2.1-5]", "[matrix.3.1-12, matrix.4.1-4]"),
    ("{rows: 6, columns: 5}", "{rows: 16, columns: 16}"),
]
"""Changes that make the die of `benches` 16 x 16."""


@pytest.fixture(params=BENCHES)
def opened(request: pytest.FixtureRequest) -> Iterator[OpenedTwin]:
    options = BENCHES[request.param]
    with OpenedTwin(str(options["model"]), link=bool(options["link"])) as bench:
        yield bench


def half(rows: int, columns: int, volts: float, seed: int = 0) -> Pulse:
    """A pulse of one sign phase: some rows and columns selected, the others at ground."""
    rng = np.random.default_rng(seed)
    row = np.where(rng.random(rows) < 0.5, volts / 2, 0.0)
    column = np.where(rng.random(columns) < 0.5, -volts / 2, 0.0)
    row[0], column[0] = volts / 2, -volts / 2
    return Pulse(row, column, 1e-4)


def sent(transcript: Path) -> Counter[str]:
    """Messages of each link so far."""
    lines = [json.loads(line) for line in transcript.read_text(encoding="utf-8").splitlines()]
    return Counter(line["link"] for line in lines if "sent" in line)


@pytest.mark.parametrize("name", BENCHES)
def test_a_sign_phase_is_one_round_trip_to_each_instrument(name: str, tmp_path: Path) -> None:
    options = BENCHES[name]
    text = bench_text(str(options["model"]))
    for old, new in SIXTEEN:
        assert old in text
        text = text.replace(old, new)
    if not options["link"]:
        text = text.replace("[smu, matrix]", "[]")
    transcript = tmp_path / "bytes.jsonl"
    with (
        serve_bench(described(text), 3, noise=False) as served,
        open_armed(addressed(text, served), transcript) as bench,
    ):
        before = sent(transcript)
        for phase in range(4):
            bench.crossbars[0].apply(half(16, 16, (-1) ** phase * 0.4, phase))
        spent = sent(transcript) - before
    assert max(spent.values()) <= 4
    assert spent[served.resource("matrix")] == (0 if options["link"] else 4)
    assert len(served.bench.pulses) == 4


def test_a_linked_bench_reads_a_sequence_in_one_round_trip(tmp_path: Path) -> None:
    transcript = tmp_path / "bytes.jsonl"
    text = bench_text()
    with (
        serve_bench(described(text), 3, noise=False) as served,
        open_armed(addressed(text, served), transcript) as bench,
    ):
        before = sent(transcript)
        bench.crossbars[0].read(Bias(np.eye(6) * 0.1))
        assert sent(transcript) - before == {served.resource("smu"): 1}


def test_bench_time_is_what_the_plan_said(opened: OpenedTwin) -> None:
    clock = opened.twin.timeline
    for operation in (
        lambda: opened.crossbar.apply(half(6, 5, 0.3)),
        lambda: opened.crossbar.apply(half(6, 5, -0.3, 1)),
        lambda: opened.crossbar.apply(Pulse(np.full(6, 0.1), np.full(5, -0.1), 1e-4, repeat=20)),
        lambda: opened.crossbar.read(Bias(np.eye(6) * 0.1)),
        lambda: opened.crossbar.read(Bias(np.full(5, 0.1), "transposed")),
    ):
        began = clock.seconds
        assert operation().elapsed == pytest.approx(clock.seconds - began, rel=0.01)


def test_relays_that_move_together_take_half_the_time() -> None:
    """All outputs are off meanwhile, so nothing is switched hot."""
    seconds = []
    for rule in ("true", "false"):
        change = ('visa_library: "@py"', f'visa_library: "@py"\n  break_before_make: {rule}')
        with OpenedTwin(link=True, change=change) as opened:
            opened.crossbar.apply(half(6, 5, 0.3))
            began = opened.twin.timeline.seconds
            applied = opened.crossbar.apply(half(6, 5, 0.3, 1))
            seconds.append(opened.twin.timeline.seconds - began)
            assert applied.elapsed == pytest.approx(seconds[-1], rel=0.01)
            assert opened.twin.hot_switches == 0
    assert seconds[1] == pytest.approx(seconds[0] / 2, rel=0.05)


def test_pulses_and_reads_are_those_of_the_simulated_backend(opened: OpenedTwin) -> None:
    """Same seed, same die: the same cells switch, and currents agree to what the solver resolves."""
    simulated = open_bench(simulated_like(opened.description.text), 3).crossbars[0]
    for crossbar in (opened.crossbar, simulated):
        for k in range(6):
            crossbar.apply(half(6, 5, (-1) ** k * 0.4, k))
    for orientation, lines in (("forward", 6), ("transposed", 5)):
        bias = Bias(np.eye(lines) * 0.1, orientation)  # type: ignore[arg-type]
        assert opened.crossbar.read(bias).currents == pytest.approx(simulated.read(bias).currents, rel=1e-6)


def test_currents_are_known_of_lines_with_a_channel_of_their_own(opened: OpenedTwin) -> None:
    tile = opened.bench.crossbars[0]
    row, column = np.zeros(6), np.zeros(5)
    row[2], column[[1, 3]] = 0.1, -0.1
    array = opened.served.bench.arrays[0]
    for columns in ([1, 3], [4]):
        column = np.zeros(5)
        column[columns] = -0.1
        expected = array.currents(row, column)
        applied = tile.apply(Pulse(row, column, 1e-4))
        assert applied.some_rows == {2: pytest.approx(expected.rows[2], rel=1e-6)}
        # Two columns share a channel, which measures their sum.
        alone = {} if len(columns) > 1 else {4: pytest.approx(-expected.columns[4], rel=1e-6)}
        assert applied.some_columns == alone
        assert applied.peak_current == pytest.approx(abs(expected.rows[2]), rel=0.5)


def test_two_instruments_sense_more_lines_at_once() -> None:
    """Four channels: one drives, three sense; a read of five columns takes two steps in place of five."""
    more = '    more: {model: keithley-2600b, resource: "TCPIP0::192.0.2.3::5025::SOCKET"}'
    text = bench_text().replace("    matrix: {", f"{more}\n    matrix: {{").replace("[smu, matrix]", "[]")
    text = text.replace("B: smu.b, ", "B: smu.b, D: more.a, E: more.b, ")
    with serve_bench(described(text), 3, noise=False) as served:
        here = text.replace("TCPIP0::192.0.2.3::5025::SOCKET", served.resource("more"))
        with open_armed(addressed(here, served)) as bench, open_bench(simulated_like(here), 3) as other:
            for crossbar in (bench.crossbars[0], other.crossbars[0]):
                crossbar.apply(half(6, 5, 0.4))
            reading = bench.crossbars[0].read(Bias(np.array([0.1, 0, 0, 0.1, 0, 0])))
            expected = other.crossbars[0].read(Bias(np.array([0.1, 0, 0, 0.1, 0, 0])))
            assert reading.currents == pytest.approx(expected.currents, rel=1e-6)
            assert bench.crossbars[0].capabilities.read_levels == 3
            assert bench.crossbars[0].capabilities.distinct_levels == 2
            assert served.bench.hot_switches == 0
            assert not any(served.bench.driven(Port("more", channel)).output for channel in (1, 2))


def simulated_like(text: str) -> BenchDescription:
    """The simulated backend on the die of a bench file, with the resolution of the instruments."""
    text = text.replace("backend: smu", "backend: simulated")
    return described(text + "  electronics: {read_noise: 0 A, voltage_resolution: 10 uV}\n")


def test_a_bench_that_was_left_on_is_switched_off_before_its_relays_open() -> None:
    text = bench_text()
    with serve_bench(described(text), 3, noise=False) as served:
        for name, line in (("matrix", "channel.close('1A01,1B07')"), ("smu", "smua.source.levelv = 0.05")):
            served.bench.emulators[name].receive(line.encode())
        served.bench.emulators["smu"].receive(b"smua.source.output = 1")
        hot = served.bench.hot_switches
        with open_bench(addressed(text, served)):
            assert (
                served.bench.emulators["smu"].receive(b"print(smua.source.output)")
                == b"0.000000000000000e+00\n"
            )
            assert (
                served.bench.emulators["matrix"].receive(b"print(channel.getclose('allslots'))") == b"nil\n"
            )
            assert served.bench.hot_switches == hot


def test_leaving_the_bench_leaves_it_off_and_says_so(opened: OpenedTwin) -> None:
    opened.crossbar.apply(half(6, 5, 0.3))
    with opened.bench as bench:
        pass
    assert bench.safe().proven
    for line, reply in ((b"print(channel.getclose('allslots'))", b"nil\n"),):
        assert opened.twin.emulators["matrix"].receive(line) == reply


@contextmanager
def served_bench(text: str) -> Iterator[Served]:
    with serve_bench(described(text), 3, noise=False) as served:
        yield served


def opening(text: str, served: Served, *changes: tuple[str, str]) -> BenchDescription:
    text = addressed(text, served).text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return described(text)


def test_every_instrument_that_is_another_is_named() -> None:
    text = bench_text()
    with served_bench(text) as served:
        changes = (('serial_number: "7070707"', 'serial_number: "1"'), ("keithley-2600b", "keysight-b2900"),
                   ("smu.a", "smu.1"), ("smu.b", "smu.2"), ("[smu, matrix]", "[]"))  # fmt: skip
        with pytest.raises(LinkError) as caught:
            open_bench(opening(text, served, *changes))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("smu.instruments.smu: ")
    assert "Model 2636B" in lines[0]
    assert "serial_number of matrix is 1" in lines[1]


def test_an_instrument_that_is_not_there_is_named() -> None:
    text = bench_text()
    with served_bench(text) as served:
        here = served.resource("matrix")
        with pytest.raises(LinkError, match=r"smu\.instruments\.matrix: "):
            open_bench(opening(text, served, (here, "TCPIP0::127.0.0.1::1::SOCKET")))


def test_an_interrupt_while_links_open_closes_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    text = bench_text()
    links: list[Link] = []

    def interrupted(*arguments: Any, **options: Any) -> Link:
        if links:
            raise KeyboardInterrupt
        links.append(open_link(*arguments, **options))
        return links[0]

    with served_bench(text) as served:
        monkeypatch.setattr(smu_instruments, "open_link", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_bench(opening(text, served))
        with pytest.raises(LinkError):
            links[0].query("*IDN?")
        monkeypatch.undo()
        with open_bench(opening(text, served)):  # nothing is left reserved
            pass


def test_a_tsp_link_that_is_not_wired_is_noticed() -> None:
    text = bench_text()
    with (
        served_bench(text.replace("[smu, matrix]", "[]")) as served,
        pytest.raises(IdentityError, match="nothing answers as node 2 of the TSP-Link"),
    ):
        open_bench(opening(text, served))


def test_impossible_routes_are_refused_before_anything_is_opened() -> None:
    text = bench_text().replace("B: smu.TWO".replace("TWO", "b"), "D: smu.b").replace("D: smu.b, ", "")
    with pytest.raises(ConfigurationError, match="rows cannot be driven and columns sensed"):
        open_bench(described(text))


def test_the_serial_number_of_the_bench_file_must_answer() -> None:
    text = bench_text()
    with (
        served_bench(text) as served,
        pytest.raises((IdentityError, LinkError), match="serial_number of matrix"),
    ):
        open_bench(opening(text, served, ('"7070707"', '"7070708"')))


def test_a_plan_predicts_the_time_of_training_on_the_bench(opened: OpenedTwin) -> None:
    """The same reads and pulses, planned and done: within 5 % of the bench clock (they agree to rounding)."""
    read, pulse = ReadSettings(0.1, bits=3), PulseSettings(1e-4, 0.1, 0.3)
    (planned,) = planned_crossbars(opened.description)
    crossbars: tuple[Crossbar, ...] = (planned, opened.crossbar)
    for crossbar in crossbars:
        layer = layer_on_tile(crossbar, 6, 2, read)
        clock = opened.twin.timeline.seconds
        features = np.random.default_rng(0).uniform(-1.0, 1.0, (3, 6))
        settings = TrainingSettings(hidden=())
        rng = np.random.default_rng(1)
        rehearse([layer, layer], features, read, pulse, settings, rng, lambda layer, operation: None)
    assert opened.twin.timeline.seconds - clock == pytest.approx(planned.spent().seconds, rel=0.05)
