"""What a 2600B says, as literal (command, reply) pairs over a raw socket; None is no reply."""

import struct

import pytest

from .conftest import Connect, keithley_bench

Transcript = list[tuple[str, str | None]]
OK = ("print(errorqueue.next())", "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00")

TRANSCRIPTS: dict[str, Transcript] = {
    "identity": [
        ("*IDN?", "Keithley Instruments Inc., Model 2636B, 4012345, 3.2.2"),
        ("print(localnode.model)", "2636B"),
        ("print(localnode.linefreq)", "6.00000e+01"),
        ("*OPC?", "1"),
        ("*TST?", "0"),
        ("*STB?", "0"),
        OK,
    ],
    "levels are rounded to their range and read back": [
        ("reset() errorqueue.clear() smua.reset()", None),
        ("smua.source.func = smua.OUTPUT_DCVOLTS", None),
        ("smua.source.autorangev = smua.AUTORANGE_OFF", None),
        ("smua.source.rangev = 1.5", None),
        ("print(smua.source.rangev)", "2.00000e+00"),
        ("smua.source.levelv = 0.25", None),
        ("print(smua.source.levelv)", "2.50000e-01"),
        ("smua.source.limiti = 1e-3", None),
        ("print(smua.source.limiti, smua.source.output)", "1.00000e-03\t0.00000e+00"),
        OK,
    ],
    "number formats": [
        ("print(1/3)", "3.33333e-01"),
        ("format.asciiprecision = 16", None),
        ("print(1/3, format.asciiprecision)", "3.333333333333333e-01\t1.600000000000000e+01"),
        ("printnumber(1, 0.5)", "1.000000000000000e+00, 5.000000000000000e-01"),
        ("format.asciiprecision = 17", None),
        (
            "print(errorqueue.next())",
            "1.101000000000000e+03\tParameter too big\t2.000000000000000e+01\t1.000000000000000e+00",
        ),
    ],
    "Lua is Lua": [
        ("function twice(x) return 2 * x end", None),
        ("for k = 1, 3 do print(twice(k)) end", "2.00000e+00"),
        ("t = {1, 2, 3}", "4.00000e+00"),
        ("print(table.getn(t), tostring(7), type(smua), type(smua.measure.v))", "6.00000e+00"),
    ],
    "errors of its own": [
        ("smua.source.levelv = = 1", None),
        (
            "print(errorqueue.next())",
            "-2.85000e+02\tTSP Syntax error at line 1: unexpected symbol near `='\t2.00000e+01\t1.00000e+00",
        ),
        (":SOUR:VOLT 1", None),
        ("code, text = errorqueue.next() print(code)", "-2.85000e+02"),
        ("channel.close('1A01')", None),
        (
            "print(errorqueue.next())",
            "-2.86000e+02\tTSP Runtime error at line 1: attempt to index global `channel' (a nil value)"
            "\t2.00000e+01\t1.00000e+00",
        ),
        ("smua.source.levlev = 1", None),
        ("print(errorqueue.count)", "1.00000e+00"),
        (
            "print(errorqueue.next())",
            "-2.86000e+02\tTSP Runtime error at line 1: attempt to write unknown attribute `levlev'"
            "\t2.00000e+01\t1.00000e+00",
        ),
        ("print(smua.source.levlev)", "nil"),
        ("smua.source.levelv = 500", None),
        ("print(errorqueue.next())", "1.10100e+03\tParameter too big\t2.00000e+01\t1.00000e+00"),
        ("smua.source.rangev = 2 smua.source.levelv = 10", None),
        ("print(errorqueue.next())", "5.00500e+03\tSMU A: Value too big for range\t2.00000e+01\t1.00000e+00"),
        ("smua.source.levelv = 'abc'", None),
        ("print(errorqueue.next())", "-1.04000e+02\tData type error\t2.00000e+01\t1.00000e+00"),
        ("smua.measure.nplc = 0.0001", None),
        ("print(errorqueue.next())", "1.10200e+03\tParameter too small\t2.00000e+01\t1.00000e+00"),
        ("smua.trigger.source.action = smua.ENABLE smua.trigger.initiate()", None),
        (
            "print(errorqueue.next())",
            "5.05900e+03\ttrigger.source.action enabled without configuration\t2.00000e+01\t1.00000e+00",
        ),
        ("*XYZ", None),
        (
            "print(errorqueue.next())",
            "-2.85000e+02\tTSP Syntax error at line 1: unexpected symbol near `*'\t2.00000e+01\t1.00000e+00",
        ),
        ("*ESR?", "56"),
        ("*ESR?", "0"),
        OK,
    ],
    "a runtime error ends the script, a refused command does not": [
        ("smua.measure.nplc = 99 print('on')", "on"),
        ("nosuch() print('never')", None),
        ("print(errorqueue.count)", "2.00000e+00"),
        ("*CLS", None),
        ("print(errorqueue.count)", "0.00000e+00"),
    ],
    "safe operating area": [
        ("smua.source.levelv = 30", None),
        ("smua.source.limiti = 1", None),
        (
            "print(errorqueue.next())",
            "5.00700e+03\tSMU A: Operation would exceed safe operating area of the instrument"
            "\t2.00000e+01\t1.00000e+00",
        ),
    ],
    "scripts": [
        ("loadscript hello", None),
        ("print('hello')", None),
        ("return 1", None),
        ("endscript", None),
        ("hello()", "hello"),
        ("hello.run()", "hello"),
        ("print(hello.name, type(script.user.scripts.hello))", "hello\ttable"),
        ("loadandrunscript", None),
        ("for k = 1, 2 do", None),
        ("  print(k)", None),
        ("end", None),
        ("endscript", "1.00000e+00"),
        ("print('more')", "2.00000e+00"),
        ("loadscript broken", "more"),
        ("for k = 1 2", None),
        ("", None),
        ("endscript", None),
        (
            "print(errorqueue.next())",
            "-2.85000e+02\tTSP Syntax error at line 1: `,' expected near `2'\t2.00000e+01\t1.00000e+00",
        ),
        ("script.delete('hello') print(hello)", "nil"),
    ],
    "display, beeper and friends are accepted": [
        ("display.clear() display.settext('TWIN')", None),
        ("display.screen = display.SMUA_SMUB display.smua.measure.func = display.MEASURE_DCAMPS", None),
        ("display.sendkey(75) display.smua.digits = display.DIGITS_6_5", None),
        ("beeper.enable = beeper.ON beeper.beep(0.1, 2400)", None),
        ("print(bit.bitand(6, 3), digio.readport())", "2.00000e+00\t0.00000e+00"),
        ("smua.measure.filter.count = 4 smua.measure.filter.enable = 1 smua.sense = smua.SENSE_REMOTE", None),
        ("smua.source.settling = smua.SETTLE_FAST_RANGE smua.source.offmode = smua.OUTPUT_HIGH_Z", None),
        OK,
    ],
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, connect: Connect) -> None:
    client = connect(keithley_bench(), "smu")
    replies = [reply for _, reply in TRANSCRIPTS[name] if reply is not None]
    client.send(*[command for command, _ in TRANSCRIPTS[name]])
    assert [client.read() for _ in replies] == replies


def test_binary_formats_have_the_header_and_order_that_drivers_unpack(connect: Connect) -> None:
    client = connect(keithley_bench(), "smu")
    client.send("format.data = format.REAL64 format.byteorder = format.LITTLEENDIAN printnumber(1/3, 2)")
    assert client.read_bytes(2 + 16 + 1) == b"#0" + struct.pack("<2d", 1 / 3, 2.0) + b"\n"
    client.send("format.data = format.REAL32 format.byteorder = format.BIGENDIAN printnumber(0.5)")
    assert client.read_bytes(2 + 4 + 1) == b"#0" + struct.pack(">f", 0.5) + b"\n"


def test_the_object_tree_can_be_explored_as_on_the_instrument(connect: Connect) -> None:
    client = connect(keithley_bench(), "smu")
    client.send("mt = getmetatable(smua.measure)")
    assert client.ask("print(type(mt.Getters), type(mt.Setters), type(mt.Objects))") == "table\ttable\ttable"
    assert client.ask("print(type(mt.Getters.nplc), type(mt.Setters.nplc))") == "function\tfunction"
    assert client.ask("print(getmetatable(smua.nvbuffer1).luatype)") == "reading_buffer"
    client.send("n = 0 for name in pairs(getmetatable(smua).Objects) do n = n + 1 end")
    assert float(client.ask("print(n)")) > 40
    assert client.ask("print(next(_G) ~= nil, type(_G.smub))") == "true\ttable"


def test_interlock_blocks_the_high_range(connect: Connect) -> None:
    bench = keithley_bench()
    client = connect(bench, "smu")
    assert float(client.ask("print(status.measurement.condition)")) == 2048
    bench.emulators["smu"].set_interlock(False)
    assert float(client.ask("print(status.measurement.condition)")) == 0
    client.send("smua.source.levelv = 100 smua.source.limiti = 1e-3 smua.source.output = 1")
    assert client.ask("print(errorqueue.next())").startswith("8.02000e+02\tOUTPUT blocked by interlock")
    assert client.ask("print(smua.source.output)") == "0.00000e+00"


def test_buffers_overwrite_or_append(connect: Connect) -> None:
    client = connect(keithley_bench(), "smu")
    client.send("b = smua.makebuffer(10) b.collectsourcevalues = 1 smua.measure.count = 3 smua.measure.v(b)")
    assert client.ask("print(b.n, b.capacity)") == "3.00000e+00\t1.00000e+01"
    client.send("smua.measure.count = 1 smua.measure.v(b)")
    assert client.ask("print(b.n)") == "1.00000e+00"
    client.send("b.appendmode = 1 smua.measure.v(b) smua.measure.v(b)")
    assert client.ask("print(b.n, b.readings[1], b[9])") == "3.00000e+00\t0.00000e+00\tnil"
    client.send("b.collectsourcevalues = 0")
    assert "5.03200e+03" in client.ask("print(errorqueue.next())")
    client.send("printbuffer(1, 9, b)")
    assert "4.90000e+03\tReading buffer index 9 is invalid" in client.ask("print(errorqueue.next())")
