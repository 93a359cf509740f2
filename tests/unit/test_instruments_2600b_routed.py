"""Keithley 2600B that switches a 707B over TSP-Link: transcripts that read like the manual."""

from collections.abc import Iterator

import pytest

from mtjloop.errors import CapabilityError, IdentityError, InstrumentError, ReadbackError, ReplyError
from mtjloop.instruments import (
    ChannelSettings,
    PulseTrain,
    RoutedKeithley2600B,
    RoutedReads,
    RoutedSource,
)
from mtjloop.instruments.keithley_2600b_routed import MOST_READS, SCRIPT, VERSION
from mtjloop.instruments.scripted import Pair, ScriptedLink

from .test_instruments_2600b import IDN, READ_BACK, SETUP, ZERO, call, opening

MATRIX = "Keithley Instruments Inc., Model 707B, 1234567, 01.32b"
SETTINGS = ChannelSettings(1.5, 5e-4, 4e-4, integration=1e-3, pulse_integration=2e-5)
LOAD = ["loadandrunscript", *SCRIPT.strip().splitlines(), "endscript"]


class Bench:
    """An opened and joined 2600B on a script, which must be played to its end."""

    def __init__(self) -> None:
        self.link = ScriptedLink(IDN, opening())
        self.smu = RoutedKeithley2600B(self.link)
        self.calls = 3

    def call(self, commands: list[str], printed: str | None = None, errors: str = ZERO) -> None:
        self.calls += 1
        self.link.expect(*call(self.calls, commands, printed, errors))

    def join(self) -> None:
        self.link.expect(("print(tsplink.state)", "online"))
        self.call(["print(node[2].model, node[2].serialno)"], "707B\t1234567")
        self.link.expect(("print(mtjloop_routed_version)", VERSION))
        self.smu.join(2, ScriptedLink(MATRIX), 0.03)
        for smu in ("smua", "smub"):
            setup = [line.replace("smua", smu).replace("nplc = 0.001", "nplc = 0.05") for line in SETUP]
            self.call(setup, READ_BACK)
            self.smu.configure(smu[-1], SETTINGS)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.link.done()


READS = RoutedReads(
    "a", "b", [0.1, 0.0], [["1C02", "1A01"], ["1C01", "1C02"]], [["1B03", "1C04"], ["1B04", "1C03"]]
)
READ_CALL = (
    'mtjloop_routed_reads(node[2].channel, smua, smub, {0.1, 0.0}, {"1A01,1C02", "1C01,1C02"}, 2, '
    '{"1B03,1C04", "1B04,1C03"}, 2, 0.001, 0.05)'
)


def test_joining_finds_the_matrix_and_loads_the_script(bench: Bench) -> None:
    assert isinstance(bench.smu, RoutedSource)
    bench.link.expect(("print(tsplink.state)", "offline"))
    bench.call(["tsplink.reset()"])
    bench.call(["print(node[2].model, node[2].serialno)"], "707B\t1234567")
    bench.link.expect(("print(mtjloop_routed_version)", "nil"))
    bench.call(LOAD)
    bench.smu.join(2, ScriptedLink(MATRIX), 0.03)


def test_another_instrument_at_the_node_is_refused(bench: Bench) -> None:
    bench.link.expect(("print(tsplink.state)", "online"))
    bench.call(["print(node[2].model, node[2].serialno)"], "707B\t7654321")
    with pytest.raises(IdentityError, match=r"is 707B 7654321, and scripted is .*1234567"):
        bench.smu.join(2, ScriptedLink(MATRIX), 0.03)


def test_a_node_that_does_not_answer_is_refused(bench: Bench) -> None:
    bench.link.expect(("print(tsplink.state)", "online"))
    bench.call(["print(node[2].model, node[2].serialno)"], None, "1.00000e+00")
    bench.link.expect(
        ("print(errorqueue.count)", "1.00000e+00"),
        ("print(errorqueue.next())", "1.21200e+03\tInvalid node ID\t2.00000e+01\t1.00000e+00"),
    )
    with pytest.raises(IdentityError, match="nothing answers as node 2"):
        bench.smu.join(2, ScriptedLink(MATRIX), 0.03)


def test_relays_and_pulse_are_one_call(bench: Bench) -> None:
    bench.join()
    bench.call(
        [
            'mtjloop_routed_pulse(node[2].channel, "1A01,1B03,1C02", {smua, smub}, {{0.3}, {-0.3}}, 2, 1, '
            "0.0001, 0.0002, 2e-05, {0.001, 0.001}, true)"
        ],
        "1.0e-04, 3.0e-01, 0.0e+00, -1.0e-04, -3.0e-01, 0.0e+00",
    )
    train = PulseTrain({"a": [0.3], "b": [-0.3]}, width=1e-4, period=2e-4)
    got = bench.smu.routed_pulse({"1C02", "1A01", "1B03"}, train)
    assert got.currents == {"a": (1e-4,), "b": (-1e-4,)}


def test_a_sequence_of_reads_is_one_call(bench: Bench) -> None:
    """Ways go up in the first read and down in the second; they come back in their own places."""
    bench.join()
    bench.calls += 1
    bench.link.expect(
        (READ_CALL, "1e-6, 2e-6, 4e-6, 3e-6\nmtjloop limited\t1.000000000000000e+00"),
        (f'print("mtjloop end {bench.calls}", errorqueue.count)', f"mtjloop end {bench.calls}\t{ZERO}"),
    )
    got = bench.smu.routed_reads(READS, 1e-3)
    assert got.currents == ((1e-6, 2e-6), (3e-6, 4e-6))
    assert got.limited == 1


@pytest.mark.parametrize("what", ["closed are 1A01;1B03", "smua is on", "an output stayed off"])
def test_relays_in_the_way_are_an_error_and_nothing_is_on(bench: Bench, what: str) -> None:
    bench.join()
    bench.call([READ_CALL], f"mtjloop relays\t{what}")
    with pytest.raises(ReadbackError, match=f"before it switched an output on: {what}"):
        bench.smu.routed_reads(READS, 1e-3)


def test_missing_measurements_are_an_error(bench: Bench) -> None:
    bench.join()
    bench.calls += 1
    bench.link.expect(
        (READ_CALL, "1e-6, 2e-6, 4e-6\nmtjloop limited\t0.000000000000000e+00"),
        (f'print("mtjloop end {bench.calls}", errorqueue.count)', f"mtjloop end {bench.calls}\t{ZERO}"),
    )
    with pytest.raises(ReplyError, match="4 numbers expected"):
        bench.smu.routed_reads(READS, 1e-3)


def test_long_sequences_are_sent_in_parts(bench: Bench) -> None:
    bench.join()
    count = MOST_READS + 1
    reads = RoutedReads("a", "b", [0.1] * count, [["1A01"]] * count, [["1B03"]])
    for part in (MOST_READS, 1):
        levels, driven = ", ".join(["0.1"] * part), ", ".join(['"1A01"'] * part)
        command = (
            f"mtjloop_routed_reads(node[2].channel, smua, smub, {{{levels}}}, {{{driven}}}, {part}, "
            '{"1B03"}, 1, 0.0, 0.05)'
        )
        bench.calls += 1
        printed: Pair = (command, ", ".join(["1e-6"] * part) + f"\nmtjloop limited\t{ZERO}")
        mark = f"mtjloop end {bench.calls}"
        bench.link.expect(printed, (f'print("{mark}", errorqueue.count)', f"{mark}\t{ZERO}"))
    assert bench.smu.routed_reads(reads, 0.0).currents == ((1e-6,),) * count


def test_nothing_is_routed_before_the_matrix_was_found(bench: Bench) -> None:
    with pytest.raises(CapabilityError, match="not configured"):
        bench.smu.routed_reads(READS, 1e-3)
    with pytest.raises(InstrumentError, match="not joined to its matrix"):
        bench.smu.routed_pulse(["1A01"], PulseTrain({"a": [0.3]}, 1e-4, 2e-4))


def test_levels_and_reads_must_be_as_many() -> None:
    with pytest.raises(CapabilityError, match="as many levels as reads"):
        RoutedReads("a", "b", [0.1], [], [["1B03"]])
