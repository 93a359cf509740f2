"""Keithley 2600B: transcripts that read like the manual."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mtjloop.errors import (
    CapabilityError,
    IdentityError,
    InstrumentError,
    LinkDirty,
    LinkTimeout,
    ReadbackError,
    ReplyError,
)
from mtjloop.instruments import ChannelSettings, Keithley2600B, PulseSource, PulseTrain, SourceMeasure
from mtjloop.instruments.keithley_2600b_script import SCRIPT, VERSION
from mtjloop.instruments.link import LinkState
from mtjloop.instruments.scripted import Pair, ScriptedLink

IDN = "Keithley Instruments Inc., Model 2636B, 4412345, 3.2.1"
SETTINGS = ChannelSettings(voltage_range=1.5, current_limit=5e-4, current_range=4e-4, integration=2e-5)
ZERO, ONE = "0.000000000000000e+00", "1.000000000000000e+00"


def call(
    number: int, commands: list[str], printed: str | bytes | None = None, errors: str = ZERO
) -> list[Pair]:
    """Lines sent in one go, what they print, and the end mark."""
    pairs: list[Pair] = [(command, None) for command in commands[:-1]]
    pairs.append((commands[-1], printed))
    pairs.append((f'print("mtjloop end {number}", errorqueue.count)', f"mtjloop end {number}\t{errors}"))
    return pairs


def opening(outputs: tuple[str, str] = (ZERO, ZERO), data: str = "ASCII", version: str = "nil") -> list[Pair]:
    load = call(3, ["loadandrunscript", *SCRIPT.strip().splitlines(), "endscript"])
    return [
        ("print(errorqueue.count)", "0.00000e+00"),
        *call(1, ["localnode.prompts = 0", "localnode.showerrors = 0"]),
        *call(
            2,
            [
                f"format.data = format.{data}",
                "format.asciiprecision = 16",
                "format.byteorder = format.LITTLEENDIAN",
            ],
        ),
        ("print(localnode.linefreq)", "5.000000000000000e+01"),
        ("print(mtjloop_version)", version),
        *(load if version == "nil" else []),
        ("print(smua.source.output)", outputs[0]),
        ("print(smub.source.output)", outputs[1]),
    ]


SETUP = [
    "smua.reset()",
    "smua.source.output = smua.OUTPUT_OFF",
    "smua.source.offmode = smua.OUTPUT_NORMAL",
    "smua.source.offfunc = smua.OUTPUT_DCVOLTS",
    "smua.source.offlimiti = 0.0005",
    "smua.source.func = smua.OUTPUT_DCVOLTS",
    "smua.sense = smua.SENSE_LOCAL",
    "smua.source.autorangev = smua.AUTORANGE_OFF",
    "smua.source.rangev = 2.0",
    "smua.source.levelv = 0",
    "smua.source.limiti = 0.0005",
    "smua.trigger.source.limiti = 0.0005",
    "smua.measure.autozero = smua.AUTOZERO_ONCE",
    "smua.measure.autorangei = smua.AUTORANGE_OFF",
    "smua.measure.rangei = 0.001",
    "smua.measure.nplc = 0.001",
    "smua.measure.delay = 0",
    "smua.nvbuffer1.clear() smua.nvbuffer2.clear()",
    "smua.nvbuffer1.appendmode = 1 smua.nvbuffer2.appendmode = 1",
    "print(smua.source.output, smua.source.levelv, smua.source.rangev, smua.source.limiti, "
    "smua.measure.rangei, smua.source.offmode, smua.source.offfunc, smua.source.offlimiti)",
]
READ_BACK = "0.00e+00\t0.00e+00\t2.00e+00\t5.00e-04\t1.00e-03\t0.00e+00\t1.00e+00\t5.00e-04"


class Bench:
    """An opened 2600B on a script, which must be played to its end."""

    def __init__(self, **options: Any) -> None:
        numbers = options.pop("numbers", "ascii")
        data = "REAL64" if numbers == "real64" else "ASCII"
        self.link = ScriptedLink(IDN, opening(data=data, **options))
        self.smu = Keithley2600B(self.link, numbers=numbers)
        self.link.done()
        self.calls = 3

    def call(self, commands: list[str], printed: str | bytes | None = None, errors: str = ZERO) -> None:
        self.calls += 1
        self.link.expect(*call(self.calls, commands, printed, errors))

    def configure(self) -> None:
        for smu in ("smua", "smub"):
            self.call([line.replace("smua", smu) for line in SETUP], READ_BACK)
            self.smu.configure(smu[-1], SETTINGS)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.link.done()


def test_it_offers_the_capabilities(bench: Bench) -> None:
    assert isinstance(bench.smu, SourceMeasure)
    assert isinstance(bench.smu, PulseSource)
    assert bench.smu.model == "2636B"
    assert bench.smu.channels == ("a", "b")
    assert bench.smu.limits("a").voltage_ranges == (0.2, 2.0, 20.0, 200.0)
    assert bench.smu.limits("b").integration == (2e-5, 0.5)
    assert bench.smu.pulse_limits.minimum_width == 100e-6


def test_opening_reports_outputs_that_are_on_and_leaves_them() -> None:
    link = ScriptedLink(IDN, opening(outputs=(ONE, ZERO)))
    assert Keithley2600B(link).found.live == ("a",)
    link.done()  # nothing else was sent


def test_opening_drains_and_reports_old_errors() -> None:
    link = ScriptedLink(
        IDN,
        [
            ("print(errorqueue.count)", "1.00000e+00"),
            (
                "print(errorqueue.next())",
                "-2.85000e+02\tTSP Syntax error at line 1: x\t2.00000e+01\t1.00000e+00",
            ),
            *opening()[1:],
        ],
    )
    assert Keithley2600B(link).found.errors == ("error -285: TSP Syntax error at line 1: x",)
    link.done()


def test_a_script_that_is_there_is_not_loaded_again() -> None:
    link = ScriptedLink(IDN, opening(version=VERSION))
    Keithley2600B(link)
    link.done()


def test_another_model_is_refused_and_nothing_is_sent() -> None:
    link = ScriptedLink("KEITHLEY INSTRUMENTS INC.,MODEL 2450,04000000,1.7.0")
    with pytest.raises(IdentityError, match="no Keithley Series 2600B"):
        Keithley2600B(link)


def test_one_channel_models_have_one_channel() -> None:
    pairs = [pair for pair in opening() if "smub.source.output)" not in pair[0]]
    link = ScriptedLink(IDN.replace("2636B", "2635B"), pairs)
    assert Keithley2600B(link).channels == ("a",)
    link.done()


def test_configuring_sets_ranges_and_limits_and_reads_them_back(bench: Bench) -> None:
    bench.call(SETUP, READ_BACK)
    bench.smu.configure("a", SETTINGS)


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [(5, "2.00e+00", "offmode"), (6, "0.00e+00", "offfunc"), (7, "1.00e-01", "offlimiti")],
)
def test_another_output_off_mode_is_refused(bench: Bench, place: int, value: str, name: str) -> None:
    values = READ_BACK.split("\t")
    values[place] = value
    bench.call(SETUP, "\t".join(values))
    with pytest.raises(ReadbackError, match=rf"smua\.{name}"):
        bench.smu.configure("a", SETTINGS)


def test_a_high_limit_is_not_that_of_an_output_that_is_off(bench: Bench) -> None:
    lines = [line.replace("limiti = 0.0005", "limiti = 0.05") for line in SETUP]
    lines[lines.index("smua.source.offlimiti = 0.05")] = "smua.source.offlimiti = 0.001"
    bench.call(lines, READ_BACK.replace("5.00e-04", "5.00e-02", 1).replace("5.00e-04", "1.00e-03"))
    bench.smu.configure("a", replace(SETTINGS, current_limit=0.05))


def test_an_output_off_with_its_relay_open_is_off(bench: Bench) -> None:
    bench.link.expect(("print(smua.source.output)", "2.000000000000000e+00"))
    assert not bench.smu.output_on("a")


def test_a_limit_that_reads_back_differently_is_refused(bench: Bench) -> None:
    bench.call(SETUP, READ_BACK.replace("5.00e-04", "1.00e-01"))
    with pytest.raises(ReadbackError, match=r"limiti.*0.1.*0.0005"):
        bench.smu.configure("a", SETTINGS)
    with pytest.raises(CapabilityError, match="not configured"):
        bench.smu.set_voltage("a", 0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voltage_range": 300.0}, "voltage_range"),
        ({"voltage_range": 100.0, "current_limit": 0.5}, "current_limit"),
        ({"current_limit": 0.0}, "current_limit"),
        ({"current_limit": float("nan")}, "current_limit"),
        ({"current_range": 2.0}, "current_range"),
        ({"integration": 1e-6}, "integration"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_sent(
    bench: Bench, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(CapabilityError, match=message):
        bench.smu.configure("a", replace(SETTINGS, **change))


def test_a_level_is_sent_with_all_its_digits(bench: Bench) -> None:
    bench.configure()
    bench.call(["smua.source.levelv = 0.6123456789012345"])
    bench.smu.set_voltage("a", 0.6123456789012345)
    for volts in (1.6, -1.6, float("nan"), float("inf")):
        with pytest.raises(CapabilityError, match="level of channel a"):
            bench.smu.set_voltage("a", volts)
    with pytest.raises(CapabilityError, match="one of a, b"):
        bench.smu.set_voltage("c", 0.1)


def test_a_static_measurement(bench: Bench) -> None:
    bench.call(["print(smua.measure.iv())", "print(smua.source.compliance)"])
    bench.link._pairs[0] = ("print(smua.measure.iv())", "1.420000000000000e-05\t9.990000000000000e-02")
    bench.link._pairs[1] = ("print(smua.source.compliance)", "false")
    reading = bench.smu.measure("a")
    assert (reading.current, reading.voltage, reading.compliance) == (1.42e-5, 0.0999, False)


def test_reads_in_one_line_each(bench: Bench) -> None:
    bench.link.expect(("print(smub.source.compliance)", "true"))
    assert bench.smu.in_compliance("b")
    bench.link.expect(("print(status.measurement.condition)", "2.048000000000000e+03"))
    assert bench.smu.interlock_asserted()
    bench.link.expect(("print(status.measurement.condition)", "2.560000000000000e+02"))
    assert not bench.smu.interlock_asserted()
    bench.link.expect(("print(smua.source.output)", ONE))
    assert bench.smu.output_on("a")


def test_an_output_is_read_back(bench: Bench) -> None:
    bench.configure()
    bench.call(["smua.source.output = smua.OUTPUT_ON", "print(smua.source.output)"], ONE)
    bench.smu.set_output("a", True)
    bench.call(["smua.source.output = smua.OUTPUT_OFF", "print(smua.source.output)"], ONE)
    with pytest.raises(ReadbackError, match="switched off"):
        bench.smu.set_output("a", False)


def test_an_output_is_not_switched_on_before_it_is_configured(bench: Bench) -> None:
    with pytest.raises(CapabilityError, match="configure it first"):
        bench.smu.set_output("a", True)


def test_an_update_is_one_call(bench: Bench) -> None:
    bench.configure()
    bench.call(
        [
            "mtjloop_pulse({smua, smub}, {{0.6, -0.6}, {0.0, 0.3}}, 2, 2, 0.0002, 0.001, 0.00012, "
            "{0.001, 0.001}, true)"
        ],
        "1.0e-04, 5.9e-01, 0.0e+00, -1.0e-04, 1.0e-03, 6.4e+01, "
        "-2.0e-04, -5.9e-01, 0.0e+00, 2.0e-04, 3.0e-01, 0.0e+00",
    )
    got = bench.smu.pulse(PulseTrain({"b": [0.0, 0.3], "a": [0.6, -0.6]}, width=2e-4, period=1e-3))
    assert got.width == 2e-4
    assert got.currents == {"a": (1e-4, -2e-4), "b": (-1e-4, 2e-4)}
    assert got.voltages == {"a": (0.59, -0.59), "b": (1e-3, 0.3)}
    assert got.compliance == {"a": (False, False), "b": (True, False)}


def test_a_long_train_of_one_level_is_filled_by_the_instrument(bench: Bench) -> None:
    bench.configure()
    bench.call(
        ["mtjloop_pulse({smub}, {mtjloop_fill(50, 0.4)}, 1, 50, 0.0002, 0.001, 0.00012, {0.001}, false)"],
        ", ".join(["1e-5, 0.4, 0"] * 50),
    )
    got = bench.smu.pulse(PulseTrain({"b": [0.4] * 50}, 2e-4, 1e-3), cycle_output=False)
    assert got.currents["b"] == (1e-5,) * 50


def test_doubles_come_back_exactly() -> None:
    bench = Bench(numbers="real64")
    bench.configure()
    values = [0.1 + 0.2, 1 / 3, 64.0]
    bench.call(
        ["mtjloop_steps({smua}, {{0.1}}, 1, 1, 0.0001, {0.001}, true)"],
        b"#0" + struct.pack("<3d", *values) + b"\n",
    )
    got = bench.smu.source_and_measure({"a": [0.1]}, 1e-4)
    assert (got.currents["a"], got.voltages["a"], got.compliance["a"]) == ((0.1 + 0.2,), (1 / 3,), (True,))
    assert got.width is None
    bench.link.done()


def test_a_binary_reply_that_is_text_is_an_error_not_a_number() -> None:
    bench = Bench(numbers="real64")
    bench.configure()
    bench.call(["mtjloop_steps({smua}, {{0.1}}, 1, 1, 0.0, {0.001}, true)"], "mtjloop short\t0.00000e+00")
    with pytest.raises(InstrumentError, match="an output was off"):
        bench.smu.source_and_measure({"a": [0.1]}, 0.0)


@pytest.mark.parametrize(
    ("width", "period", "message"),
    [
        (50e-6, 1e-3, "pulse width"),
        (20.0, 30.0, "pulse width"),
        (2e-4, 2.5e-4, "pulse period"),
        (float("nan"), 1e-3, "pulse width"),
    ],
)
def test_trains_out_of_range_are_refused_before_anything_is_sent(
    bench: Bench, width: float, period: float, message: str
) -> None:
    bench.configure()
    with pytest.raises(CapabilityError, match=message):
        bench.smu.pulse(PulseTrain({"a": [0.1]}, width, period))


def test_a_measurement_that_does_not_fit_the_pulse_is_refused(bench: Bench) -> None:
    bench.call([line.replace("nplc = 0.001", "nplc = 0.01") for line in SETUP], READ_BACK)
    bench.smu.configure("a", ChannelSettings(1.5, 5e-4, 4e-4, 2e-4))
    with pytest.raises(CapabilityError, match="shorten the integration"):
        bench.smu.pulse(PulseTrain({"a": [0.1]}, 2e-4, 1e-3))


def test_levels_must_be_as_many_on_every_channel() -> None:
    with pytest.raises(CapabilityError, match="same number of levels"):
        PulseTrain({"a": [0.1], "b": [0.1, 0.2]}, 2e-4, 1e-3)


def test_an_error_in_the_queue_is_raised_with_code_and_message(bench: Bench) -> None:
    bench.configure()
    bench.call(["smua.source.levelv = 0.1"], errors="2.00000e+00")
    bench.link.expect(
        ("print(errorqueue.count)", "2.00000e+00"),
        ("print(errorqueue.next())", "1.10200e+03\tParameter too big\t2.00000e+01\t1.00000e+00"),
        ("print(errorqueue.next())", "-2.86000e+02\tTSP Runtime error\t2.00000e+01\t1.00000e+00"),
    )
    with pytest.raises(InstrumentError, match=r"Parameter too big.*levelv.*Runtime error") as caught:
        bench.smu.set_voltage("a", 0.1)
    assert caught.value.code == 1102
    assert bench.link.state is LinkState.READY


def test_a_function_that_aborts_still_answers(bench: Bench) -> None:
    bench.configure()
    bench.call(["mtjloop_steps({smua}, {{0.1}}, 1, 1, 0.0, {0.001}, true)"], None, "1.00000e+00")
    bench.link.expect(
        ("print(errorqueue.count)", "1.00000e+00"),
        ("print(errorqueue.next())", "-2.86000e+02\tTSP Runtime error at line 4\t2.00000e+01\t1.00000e+00"),
    )
    with pytest.raises(InstrumentError, match="error -286"):
        bench.smu.source_and_measure({"a": [0.1]}, 0.0)


def test_garbage_makes_the_link_dirty(bench: Bench) -> None:
    bench.link.expect(("print(smua.source.output)", "TSP>"))
    with pytest.raises(ReplyError, match="TSP>"):
        bench.smu.output_on("a")
    with pytest.raises(LinkDirty):
        bench.smu.output_on("a")


def test_an_end_mark_of_another_call_is_not_taken(bench: Bench) -> None:
    bench.configure()
    bench.link.expect(
        ("smua.source.levelv = 0.1", None),
        ('print("mtjloop end 6", errorqueue.count)', f"mtjloop end 5\t{ZERO}"),
    )
    with pytest.raises(ReplyError, match="mtjloop end 6"):
        bench.smu.set_voltage("a", 0.1)
    assert bench.link.state is LinkState.DIRTY


OFF: list[Pair] = [
    ("abort", None),
    ("smua.source.output = smua.OUTPUT_OFF", None),
    ("smub.source.output = smub.OUTPUT_OFF", None),
    ("smua.source.offmode = smua.OUTPUT_NORMAL", None),
    ("smua.source.offfunc = smua.OUTPUT_DCVOLTS", None),
    ("smub.source.offmode = smub.OUTPUT_NORMAL", None),
    ("smub.source.offfunc = smub.OUTPUT_DCVOLTS", None),
    ("smua.abort()", None),
    ("smub.abort()", None),
    ("smua.source.levelv = 0", None),
    ("smub.source.levelv = 0", None),
]
PROOF: list[Pair] = [
    ("print(smua.source.output)", ZERO),
    ("print(smub.source.output)", ZERO),
    ("print(errorqueue.count)", ZERO),
]


def test_safe_is_proven_by_reading_back(bench: Bench) -> None:
    for _ in range(2):
        bench.link.expect(*OFF, *PROOF)
        assert bench.smu.make_safe().proven


def test_an_output_that_stays_on_is_not_safe(bench: Bench) -> None:
    bench.link.expect(*OFF, ("print(smua.source.output)", ONE), *PROOF[1:])
    state = bench.smu.make_safe()
    assert not state.proven
    assert "a still on" in state.detail


def test_safe_goes_out_on_a_dirty_link(bench: Bench) -> None:
    bench.configure()
    bench.link.expect(("print(smua.source.output)", None))
    with pytest.raises(LinkTimeout):
        bench.smu.output_on("a")
    bench.link.expect(*OFF, *PROOF)
    assert bench.smu.make_safe().proven


def test_safe_never_raises_for_a_dead_link(bench: Bench) -> None:
    bench.link.broken = True
    state = bench.smu.make_safe()
    assert not state.proven
    assert "UNKNOWN" in state.detail
    bench.smu.close()
    assert not bench.smu.make_safe().proven


def test_recovering_re_reads_the_state_and_forgets_the_settings(bench: Bench) -> None:
    bench.configure()
    bench.link.taint("test")
    pairs = opening(outputs=(ONE, ZERO), version=VERSION)
    bench.link.expect(
        *[(sent.replace("end 1", "end 6").replace("end 2", "end 7"),
           got.replace("end 1", "end 6").replace("end 2", "end 7") if isinstance(got, str) else got)
          for sent, got in pairs]
    )  # fmt: skip
    assert bench.smu.recover().live == ("a",)
    with pytest.raises(CapabilityError, match="not configured"):
        bench.smu.set_voltage("a", 0.1)
