"""What a 707B says, as literal (command, reply) pairs over a raw socket; None is no reply."""

import pytest

from .conftest import Connect, keithley_bench

Transcript = list[tuple[str, str | None]]
CLOSED = 'print(channel.getclose("allslots"))'

TRANSCRIPTS: dict[str, Transcript] = {
    "identity": [
        ("*IDN?", "Keithley Instruments Inc., Model 707B, 1234567, 01.32b"),
        ("print(errorqueue.count)", "0.00000e+00"),
        (CLOSED, "nil"),
    ],
    "close and open": [
        ("channel.connectrule = channel.BREAK_BEFORE_MAKE", None),
        ('channel.close("1A01,1B02")', None),
        (CLOSED, "1A01;1B02"),
        ('channel.close("1A07")', None),
        (CLOSED, "1A01;1A07;1B02"),
        ('channel.open("1A02")', None),
        (CLOSED, "1A01;1A07;1B02"),
        ('channel.open("1A01")', None),
        (CLOSED, "1A07;1B02"),
        ('print(channel.getstate("1A01,1A07"))', "0,1"),
        ('print(channel.getclose("slot2"))', "nil"),
        ('channel.open("allslots")', None),
        (CLOSED, "nil"),
        ('print(channel.getcount("1A01,1A02"))', "2,0"),
    ],
    "ranges": [
        ('channel.close("1A01:1A03")', None),
        (CLOSED, "1A01;1A02;1A03"),
        ('channel.exclusiveclose("1B02:1C03")', None),
        (CLOSED, "1B02;1B03;1C02;1C03"),
        ('channel.exclusiveslotclose("2H12")', None),
        (CLOSED, "1B02;1B03;1C02;1C03;2H12"),
        ('channel.open("slot1")', None),
        (CLOSED, "2H12"),
        ("reset()", None),
        (CLOSED, "nil"),
    ],
    "refusals": [
        ('channel.close("allslots")', None),
        ("print(errorqueue.next())", "-2.24000e+02\tIllegal parameter value\t2.00000e+01\t1.00000e+00"),
        ('channel.close("1A01,1Z01")', None),
        ("print(errorqueue.next())", "-2.24000e+02\tIllegal parameter value\t2.00000e+01\t1.00000e+00"),
        ('channel.close("")', None),
        ("print(errorqueue.count) errorqueue.clear()", "1.00000e+00"),
        ("channel.close()", None),
        ("print(errorqueue.next())", "-1.09000e+02\tMissing parameter\t2.00000e+01\t1.00000e+00"),
        ('channel.close("1A13")', None),
        ("print(errorqueue.count) errorqueue.clear()", "1.00000e+00"),
        (CLOSED, "nil"),
    ],
    "forbidden channels and patterns": [
        ('channel.setforbidden("1A01")', None),
        ('channel.close("1A01")', None),
        ("print(errorqueue.next())", "1.11400e+03\tSettings conflict\t2.00000e+01\t1.00000e+00"),
        (CLOSED, "nil"),
        ('print(channel.getforbidden("allslots"))', "1A01"),
        ('channel.clearforbidden("allslots")', None),
        ('channel.pattern.setimage("1A01,1B05", "cell")', None),
        ('channel.close("cell")', None),
        (CLOSED, "1A01;1B05"),
        ('print(channel.pattern.getimage("cell"))', "1A01,1B05"),
        ("print(errorqueue.count)", "0.00000e+00"),
    ],
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, connect: Connect) -> None:
    client = connect(keithley_bench(), "matrix")
    for command, reply in TRANSCRIPTS[name]:
        client.send(command)
        if reply is not None:
            assert client.read() == reply, command
