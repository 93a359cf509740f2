"""What a B2900 says, as literal (command, reply) pairs over a raw socket; None is no reply."""

import struct

import pytest

from .conftest import Connect, keysight_bench

Transcript = list[tuple[str, str | None]]
OK = (":SYST:ERR:ALL?", '+0,"No error"')

TRANSCRIPTS: dict[str, Transcript] = {
    "identity": [
        ("*IDN?", "Keysight Technologies,B2902A,MY51140000,3.4.2011.5100"),
        ("*RST", None),
        ("*OPC?", "1"),
        ("*TST?", "0"),
        (":SYST:VERS?", "1999.0"),
        (":SYST:LFR?", "50"),
        (":SYST:INT:TRIP?", "0"),
        OK,
    ],
    "short and long forms, optional nodes, suffixes, units": [
        (":SOUR1:VOLT 0.5", None),
        ("SOURce:VOLTage:LEVel:IMMediate:AMPLitude?", "+5.000000E-01"),
        (":sour2:volt 100 mV", None),
        (":SOUR2:VOLT?", "+1.000000E-01"),
        (":VOLT?;:SOUR2:VOLT?", "+5.000000E-01;+1.000000E-01"),
        (":SENS1:CURR:PROT 1 mA;PROT?", "+1.000000E-03"),
        (":SOUR1:PULS:WIDT 123.4us;DEL 2E-5", None),
        (":SOUR1:PULS:WIDT?;DEL?", "+1.230000E-04;+2.000000E-05"),
        (":SOUR1:PULS:WIDT? MIN", "+1.230000E-04"),
        (":SOUR1:FUNC:MODE VOLTage; SHAPe PULSe", None),
        (":SOUR1:FUNC:MODE?;:SOUR1:FUNC:SHAP?", "VOLT;PULS"),
        OK,
    ],
    "lists and triggers": [
        (":SOUR1:LIST:VOLT 0.1,0.2,-300mV", None),
        (":SOUR1:LIST:VOLT?", "+1.000000E-01,+2.000000E-01,-3.000000E-01"),
        (":SOUR1:LIST:VOLT:APP 0.4", None),
        (":SOUR1:LIST:VOLT:POIN?", "4"),
        (":SOUR1:VOLT:MODE LIST;MODE?", "LIST"),
        (":TRIG1:SOUR TIM; COUN 5; TIM 1e-3", None),
        (":TRIG1:TRAN:COUN?;:TRIG1:ACQ:SOUR?;:TRIG1:ACQ:TIM?", "5;TIM;+1.000000E-03"),
        (":TRIG1:ACQ:DEL 7e-5;:TRIG1:ACQ:DEL?;:TRIG1:TRAN:DEL?", "+7.000000E-05;+0.000000E+00"),
        (":FORM:ELEM:SENS VOLT,CURR;SENS?", "VOLT,CURR"),
        (':SENS1:FUNC:OFF "VOLT";:SENS1:FUNC?', '"CURR"'),
        OK,
    ],
    "output": [
        (":OUTP1?", "0"),
        (":OUTP1 ON;:OUTP2:STAT 1", None),
        (":OUTP1?;:OUTP2?", "1;1"),
        (":OUTP1:OFF:MODE HIZ;MODE?", "HIZ"),
        (":OUTP1 OFF", None),
        (":OUTP1?", "0"),
        (":OUTP:PROT ON;PROT?", "1"),
        OK,
    ],
    "errors of its own": [
        (":FOO:BAR 1", None),
        (":SYST:ERR?", '-113,"Undefined header"'),
        (":SOUR1:PULS:WIDT 10E-6", None),
        (":SOUR1:VOLT 500", None),
        (":SYST:ERR:COUN?", "2"),
        (":SYST:ERR:ALL?", '-222,"Data out of range",-222,"Data out of range"'),
        (":SOUR1:VOLT", None),
        (":SOUR1:VOLT 1,2", None),
        (":SOUR1:VOLT abc", None),
        (":SOUR1:VOLT 1 Q", None),
        (":SOUR3:VOLT 1", None),
        (":INIT (@3)", None),
        (":FETC:ARR:CURR? (@1)", None),
        (
            ":SYST:ERR:ALL?",
            '-109,"Missing parameter",-108,"Parameter not allowed",-141,"Invalid character data",'
            '-131,"Invalid suffix",-114,"Header suffix out of range",-222,"Data out of range",'
            '-230,"Data corrupt or stale"',
        ),
        ("*ESR?", "48"),
        ("*ESR?", "0"),
        (":TRIG", None),
        (":SYST:ERR?", '-211,"Trigger ignored"'),
        (":VOLT:RANG 2;:VOLT 10", None),
        (":SYST:ERR?", '-222,"Data out of range"'),
        ("*CLS", None),
        OK,
    ],
    "display, beeper and friends are accepted": [
        (":DISP:ENAB ON;:DISP:VIEW DUAL;:SYST:BEEP:STAT OFF", None),
        (":OUTP1:FILT ON;:OUTP1:LOW GRO;:SENS1:REM OFF;:SENS1:CURR:RANG:AUTO ON", None),
        (":TRAC1:CLE;:TRAC1:FEED SENS;:STAT:PRES", None),
        OK,
    ],
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, connect: Connect) -> None:
    client = connect(keysight_bench(), "smu")
    for command, reply in TRANSCRIPTS[name]:
        client.send(command)
        if reply is not None:
            assert client.read() == reply, command


def test_binary_block(connect: Connect) -> None:
    client = connect(keysight_bench(), "smu")
    client.send(":FORM REAL,64;:FORM:BORD SWAP;:SOUR1:VOLT 0.25;:INIT (@1);:FETC:ARR:VOLT? (@1)")
    assert client.read_bytes(3 + 8 + 1) == b"#18" + struct.pack("<d", 0.25) + b"\n"


def test_bus_triggers_step_one_point_each(connect: Connect) -> None:
    client = connect(keysight_bench(), "smu")
    client.send(":SOUR1:VOLT:MODE LIST;:SOUR1:LIST:VOLT 0.1,0.2;:TRIG1:SOUR BUS;COUN 2")
    client.send(":SENS1:CURR:APER 1e-5;:INIT (@1)", "*TRG", "*TRG")
    assert client.ask(":FETC:ARR:SOUR? (@1)") == "+1.000000E-01,+2.000000E-01"
    assert client.ask(":SYST:ERR?") == '+0,"No error"'


def test_interlock_keeps_high_voltage_off(connect: Connect) -> None:
    bench = keysight_bench()
    client = connect(bench, "smu")
    bench.emulators["smu"].set_interlock(False)
    assert client.ask(":SYST:INT:TRIP?") == "1"
    client.send(":SOUR1:VOLT 100;:OUTP1 ON")
    assert client.ask(":SYST:ERR?") == '+302,"Interlock open"'
    assert client.ask(":OUTP1?") == "0"
