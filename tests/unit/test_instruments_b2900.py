"""Keysight B2900: transcripts that read like the manual."""

import math
import struct
from collections.abc import Iterator

import pytest

from mtjloop.errors import CapabilityError, IdentityError, InstrumentError, ReadbackError, ReplyError
from mtjloop.instruments import ChannelSettings, KeysightB2900, PulseSource, PulseTrain, SourceMeasure
from mtjloop.instruments.link import LinkState
from mtjloop.instruments.scpi import errors_of
from mtjloop.instruments.scripted import Pair, ScriptedLink

IDN = "Keysight Technologies,B2902A,MY51140001,3.4.2011.5100"
SETTINGS = ChannelSettings(voltage_range=1.5, current_limit=5e-4, current_range=4e-4, integration=2e-5)
FINE = '+0,"No error"'
NAN = "+9.910000E+37"


def message(*commands: str) -> str:
    return ";".join([*commands, ":SYST:ERR:ALL?"])


def opening(data: str = "ASC", outputs: tuple[str, str] = ("0", "0")) -> list[Pair]:
    return [
        (":SYST:ERR:ALL?", FINE),
        (message(f":FORM {data}", ":FORM:BORD SWAP", ":FORM:ELEM:SENS VOLT,CURR,STAT"), FINE),
        (":OUTP1?", outputs[0]),
        (":OUTP2?", outputs[1]),
    ]


def setup(c: str) -> str:
    return message(
        f":OUTP{c} OFF",
        f":OUTP{c}:ON:AUTO OFF",
        f":SOUR{c}:FUNC:MODE VOLT",
        f":SOUR{c}:FUNC:SHAP DC",
        f":SOUR{c}:VOLT:MODE FIX",
        f":SOUR{c}:VOLT:RANG:AUTO OFF",
        f":SOUR{c}:VOLT:RANG 2.0",
        f":SOUR{c}:VOLT 0",
        f":SOUR{c}:WAIT OFF",
        f':SENS{c}:FUNC "CURR"',
        f":SENS{c}:REM OFF",
        f":SENS{c}:CURR:RANG:AUTO OFF",
        f":SENS{c}:CURR:RANG 0.001",
        f":SENS{c}:CURR:PROT 0.0005",
        f":SENS{c}:CURR:APER 2e-05",
        f":SENS{c}:WAIT OFF",
        f":OUTP{c}?",
        f":OUTP{c}:ON:AUTO?",
        f":SOUR{c}:VOLT?",
        f":SOUR{c}:VOLT:RANG?",
        f":SENS{c}:CURR:PROT?",
        f":SENS{c}:CURR:RANG?",
    )


READ_BACK = f"0;0;+0.000000E+00;+2.000000E+00;+5.000000E-04;+1.000000E-03;{FINE}"


class Bench:
    def __init__(self, numbers: str = "ascii") -> None:
        data = "REAL,64" if numbers == "real64" else "ASC"
        self.link = ScriptedLink(IDN, opening(data))
        self.smu = KeysightB2900(self.link, numbers="real64" if numbers == "real64" else "ascii")

    def configure(self) -> None:
        for channel in ("1", "2"):
            self.link.expect((setup(channel), READ_BACK))
            self.smu.configure(channel, SETTINGS)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.link.done()


def pulse_message(levels: dict[str, str], *, cycle: bool = True) -> str:
    commands: list[str] = []
    for c, listed in levels.items():
        commands += [
            f":SOUR{c}:VOLT 0",
            f":SOUR{c}:FUNC:SHAP PULS",
            f":SOUR{c}:PULS:DEL 2e-05",
            f":SOUR{c}:PULS:WIDT 0.0001",
            f":SENS{c}:CURR:APER 2e-05",
            f":SOUR{c}:VOLT:MODE LIST",
            f":SOUR{c}:LIST:VOLT {listed}",
            f":TRIG{c}:TRAN:DEL 0",
            f":TRIG{c}:ACQ:DEL 9e-05",
            f":TRIG{c}:SOUR TIM",
            f":TRIG{c}:TRAN:TIM 0.001",
            f":TRIG{c}:ACQ:TIM 0.001",
            f":TRIG{c}:TRAN:COUN 2",
            f":TRIG{c}:ACQ:COUN 2",
        ]
    both = ",".join(levels)
    commands += [f":OUTP{c} ON" for c in levels] if cycle else []
    commands += [f":INIT (@{both})", "*WAI", f":FETC:ARR? (@{both})"]
    commands += [f":OUTP{c} OFF" for c in levels] if cycle else []
    for c in levels:
        commands += [f":SOUR{c}:VOLT 0", f":SOUR{c}:VOLT:MODE FIX", f":SOUR{c}:FUNC:SHAP DC"]
    return message(*commands)


def test_it_offers_the_capabilities(bench: Bench) -> None:
    assert isinstance(bench.smu, SourceMeasure)
    assert isinstance(bench.smu, PulseSource)
    assert bench.smu.channels == ("1", "2")
    assert bench.smu.pulse_limits.minimum_width == 50e-6
    assert bench.smu.limits("1").current_ranges[0] == 1e-7


@pytest.mark.parametrize(
    ("identity", "channels"),
    [
        ("Agilent Technologies,B2912A,MY1,1.0", ("1", "2")),
        ("Keysight Technologies,B2901BL,MY1,1.0", ("1",)),
        ("Keysight Technologies,B2911B,MY1,1.0", ("1",)),
    ],
)
def test_channels_follow_the_model(identity: str, channels: tuple[str, ...]) -> None:
    pairs = [pair for pair in opening() if pair[0] != ":OUTP2?" or len(channels) == 2]
    link = ScriptedLink(identity, pairs)
    assert KeysightB2900(link).channels == channels
    link.done()


def test_another_model_is_refused() -> None:
    with pytest.raises(IdentityError):
        KeysightB2900(ScriptedLink("Keysight Technologies,B2985A,MY1,1.0"))


def test_opening_reports_outputs_that_are_on_and_leaves_them() -> None:
    link = ScriptedLink(IDN, opening(outputs=("0", "1")))
    assert KeysightB2900(link).found.live == ("2",)
    link.done()


def test_configuring_turns_automatic_output_off_and_reads_back(bench: Bench) -> None:
    bench.configure()


def test_an_instrument_that_keeps_automatic_output_is_refused(bench: Bench) -> None:
    bench.link.expect((setup("1"), READ_BACK.replace("0;0;", "0;1;")))
    with pytest.raises(ReadbackError, match="automatic output"):
        bench.smu.configure("1", SETTINGS)


def test_a_static_level_and_measurement(bench: Bench) -> None:
    bench.configure()
    bench.link.expect((message(":SOUR1:VOLT 0.1"), FINE))
    bench.smu.set_voltage("1", 0.1)
    bench.link.expect((message(":MEAS? (@1)"), f"{NAN},+1.420000E-05,+4.000000E+00;{FINE}"))
    reading = bench.smu.measure("1")
    assert (reading.current, reading.voltage, reading.compliance) == (1.42e-5, None, True)
    with pytest.raises(CapabilityError, match="level of channel 1"):
        bench.smu.set_voltage("1", 1.6)


def test_reads_in_one_line_each(bench: Bench) -> None:
    bench.link.expect((":SYST:INT:TRIP?", "1"), (":SENS2:CURR:PROT:TRIP?", "0"), (":OUTP2?", "1"))
    assert bench.smu.interlock_open()
    assert not bench.smu.in_compliance("2")
    assert bench.smu.output_on("2")


def test_an_output_is_read_back(bench: Bench) -> None:
    bench.configure()
    bench.link.expect((message(":OUTP1 ON", ":OUTP1?"), f"1;{FINE}"))
    bench.smu.set_output("1", True)
    bench.link.expect((message(":OUTP1 OFF", ":OUTP1?"), f"1;{FINE}"))
    with pytest.raises(ReadbackError, match="switched off"):
        bench.smu.set_output("1", False)


def test_both_channels_pulse_from_one_message(bench: Bench) -> None:
    bench.configure()
    bench.link.expect(
        (
            pulse_message({"1": "0.6,-0.6", "2": "0.0,0.3"}),
            f"5.9E-01,1.0E-04,0,1.0E-03,-1.0E-04,2,{NAN},-2.0E-04,0,3.0E-01,2.0E-04,0;{FINE}",
        )
    )
    got = bench.smu.pulse(PulseTrain({"2": [0.0, 0.3], "1": [0.6, -0.6]}, width=1e-4, period=1e-3))
    assert got.width == 1e-4
    assert got.currents == {"1": (1e-4, -2e-4), "2": (-1e-4, 2e-4)}
    assert got.voltages["1"][0] == 0.59
    assert math.isnan(got.voltages["1"][1])
    assert got.compliance == {"1": (False, False), "2": (True, False)}


def test_outputs_may_stay_on_between_trains(bench: Bench) -> None:
    bench.configure()
    bench.link.expect((pulse_message({"1": "0.1,0.1"}, cycle=False), f"0.1,1E-5,0,0.1,1E-5,0;{FINE}"))
    bench.smu.pulse(PulseTrain({"1": [0.1, 0.1]}, 1e-4, 1e-3), cycle_output=False)


def test_static_steps_are_one_message(bench: Bench) -> None:
    bench.configure()
    wanted = (
        pulse_message({"1": "0.1,0.2"})
        .replace(":SOUR1:FUNC:SHAP PULS;:SOUR1:PULS:DEL 2e-05;:SOUR1:PULS:WIDT 0.0001", ":SOUR1:FUNC:SHAP DC")
        .replace("ACQ:DEL 9e-05", "ACQ:DEL 0.001")
        .replace("TIM 0.001", "TIM 0.00107")
    )
    bench.link.expect((wanted, f"0.1,1E-5,0,0.2,2E-5,0;{FINE}"))
    got = bench.smu.source_and_measure({"1": [0.1, 0.2]}, settle=1e-3)
    assert got.currents == {"1": (1e-5, 2e-5)}
    assert got.width is None


def test_doubles_come_back_exactly() -> None:
    bench = Bench("real64")
    bench.configure()
    data = struct.pack("<6d", 0.1 + 0.2, 1 / 3, 0.0, math.nan, 2 / 3, 6.0)
    bench.link.expect((pulse_message({"2": "0.1,0.2"}), b"#248" + data + b";" + FINE.encode() + b"\n"))
    got = bench.smu.pulse(PulseTrain({"2": [0.1, 0.2]}, 1e-4, 1e-3))
    assert got.currents["2"] == (1 / 3, 2 / 3)
    assert got.voltages["2"][0] == 0.1 + 0.2
    assert got.compliance["2"] == (False, True)
    bench.link.done()


def test_a_refused_train_raises_the_instruments_error() -> None:
    for numbers in ("ascii", "real64"):
        bench = Bench(numbers)
        bench.configure()
        bench.link.expect((pulse_message({"1": "0.1,0.2"}), '-222,"Data out of range;:SOUR1:PULS:WIDT"'))
        with pytest.raises(InstrumentError, match="Data out of range") as caught:
            bench.smu.pulse(PulseTrain({"1": [0.1, 0.2]}, 1e-4, 1e-3))
        assert caught.value.code == -222


def test_missing_measurements_are_an_error(bench: Bench) -> None:
    bench.configure()
    bench.link.expect((pulse_message({"1": "0.1,0.2"}), f"{NAN},{NAN},0,{NAN},{NAN},0;{FINE}"))
    with pytest.raises(InstrumentError, match="missing"):
        bench.smu.pulse(PulseTrain({"1": [0.1, 0.2]}, 1e-4, 1e-3))
    bench.link.expect((pulse_message({"1": "0.1,0.2"}), f"0.1,1E-5,0;{FINE}"))
    with pytest.raises(ReplyError, match="6 were expected"):
        bench.smu.pulse(PulseTrain({"1": [0.1, 0.2]}, 1e-4, 1e-3))
    assert bench.link.state is LinkState.DIRTY


@pytest.mark.parametrize(
    ("width", "period", "message"),
    [(20e-6, 1e-3, "pulse width"), (1e-4, 1.2e-4, "pulse period"), (20.0, 30.0, "pulse width")],
)
def test_trains_out_of_range_are_refused(bench: Bench, width: float, period: float, message: str) -> None:
    bench.configure()
    with pytest.raises(CapabilityError, match=message):
        bench.smu.pulse(PulseTrain({"1": [0.1]}, width, period))


def test_safe_is_proven_by_reading_back(bench: Bench) -> None:
    bench.link.expect(
        (":OUTP1 OFF", None),
        (":OUTP2 OFF", None),
        (":ABOR (@1,2)", None),
        (":SOUR1:VOLT 0", None),
        (":SOUR2:VOLT 0", None),
        (":OUTP1?", "0"),
        (":OUTP2?", "0"),
        (":SYST:ERR:ALL?", FINE),
    )
    assert bench.smu.make_safe().proven


def test_error_queues_are_read_entry_by_entry() -> None:
    found = errors_of('-113,"Undefined header; say ""what""",+302,"Oven"')
    assert [(one.code, one.message) for one in found] == [
        (-113, 'Undefined header; say "what"'),
        (302, "Oven"),
    ]
    assert errors_of('+0,"No error"') == ()
    for text in ("", "0", "garbage", '+0,"No error" and more'):
        with pytest.raises(ValueError, match="expected"):
            errors_of(text)
