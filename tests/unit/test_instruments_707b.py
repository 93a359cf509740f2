"""Keithley 707B and 3706A: transcripts that read like the manual."""

from collections.abc import Iterator

import pytest

from mtjloop.errors import CapabilityError, InstrumentError, ReadbackError, ReplyError
from mtjloop.instruments import Keithley707B, Keithley3706A, SwitchMatrix
from mtjloop.instruments.link import LinkState
from mtjloop.instruments.scripted import Pair, ScriptedLink

IDN = "KEITHLEY INSTRUMENTS INC.,MODEL 707B,00000170,01.10h"
CLOSED = 'print(channel.getclose("allslots"))'


def call(number: int, *pairs: Pair, errors: str = "0.00000e+00") -> list[Pair]:
    mark = f"mtjloop end {number}"
    return [*pairs, (f'print("{mark}", errorqueue.count)', f"{mark}\t{errors}")]


def opening(closed: str = "nil") -> list[Pair]:
    return [
        ("print(errorqueue.count)", "0.00000e+00"),
        *call(1, ("localnode.prompts = 0", None), ("localnode.showerrors = 0", None)),
        *call(2, ("channel.connectrule = channel.BREAK_BEFORE_MAKE", None)),
        (CLOSED, closed),
    ]


class Bench:
    def __init__(self) -> None:
        self.link = ScriptedLink(IDN, opening())
        self.matrix = Keithley707B(self.link)
        self.calls = 2

    def call(self, *pairs: Pair, errors: str = "0.00000e+00") -> None:
        self.calls += 1
        self.link.expect(*call(self.calls, *pairs, errors=errors))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.link.done()


def test_it_offers_the_capability(bench: Bench) -> None:
    assert isinstance(bench.matrix, SwitchMatrix)
    assert bench.matrix.operate_time > 0.0
    assert bench.matrix.found.live == ()


def test_opening_reports_closed_crosspoints_and_leaves_them() -> None:
    link = ScriptedLink(IDN, opening("1B02;1A01"))
    assert Keithley707B(link).found.live == ("1A01", "1B02")
    link.done()


def test_a_pattern_is_one_call(bench: Bench) -> None:
    bench.call(('channel.exclusiveclose("1A01,1A07,2C12")', None), (CLOSED, "1A01;1A07;2C12"))
    bench.matrix.set_closed(["2C12", "1A07", "1A01"])
    bench.call(('channel.open("allslots")', None), (CLOSED, "nil"))
    bench.matrix.set_closed([])


def test_points_are_closed_and_opened_one_set_at_a_time(bench: Bench) -> None:
    bench.call(('channel.close("1A02")', None), (CLOSED, "1A01;1A02"))
    bench.matrix.close_points({"1A02"})
    bench.call(('channel.open("1A02")', None), (CLOSED, "1A01"))
    bench.matrix.open_points({"1A02"})
    bench.matrix.close_points([])
    bench.matrix.open_points([])


def test_a_relay_that_does_not_follow_is_an_error(bench: Bench) -> None:
    bench.call(('channel.open("1A02")', None), (CLOSED, "1A02"))
    with pytest.raises(ReadbackError, match=r"reads back 1A02.*1A02 open.*stuck"):
        bench.matrix.open_points(["1A02"])
    bench.call(('channel.exclusiveclose("1A01")', None), (CLOSED, "1A01;1A02"))
    with pytest.raises(ReadbackError, match=r"reads back 1A01,1A02"):
        bench.matrix.set_closed(["1A01"])
    bench.call(('channel.close("1A01,1A03")', None), (CLOSED, "1A01"))
    with pytest.raises(ReadbackError):
        bench.matrix.close_points(["1A01", "1A03"])


@pytest.mark.parametrize("point", ["A01", "7A01", "1a01", "1A1", "1001", '1A01"', "allslots", ""])
def test_what_is_no_crosspoint_is_refused_before_anything_is_sent(bench: Bench, point: str) -> None:
    with pytest.raises(CapabilityError, match="no crosspoint"):
        bench.matrix.set_closed([point])


def test_one_text_is_not_taken_for_its_characters(bench: Bench) -> None:
    with pytest.raises(CapabilityError, match="collection"):
        bench.matrix.open_points("1A02")


def test_a_forbidden_crosspoint_is_the_matrix_own_error(bench: Bench) -> None:
    bench.call(('channel.setforbidden("1A01")', None))
    bench.link.expect(('print(channel.getforbidden("allslots"))', "1A01"))
    bench.matrix.set_forbidden(["1A01"])
    bench.call(('channel.close("1A01")', None), (CLOSED, "nil"), errors="1.00000e+00")
    bench.link.expect(
        ("print(errorqueue.count)", "1.00000e+00"),
        ("print(errorqueue.next())", "1.11500e+03\tParameter error: forbidden\t2.00000e+01\t1.00000e+00"),
    )
    with pytest.raises(InstrumentError, match="forbidden"):
        bench.matrix.close_points(["1A01"])


def test_garbage_is_not_taken_for_open(bench: Bench) -> None:
    bench.link.expect((CLOSED, "1A0"))
    with pytest.raises(ReplyError, match="no crosspoint"):
        bench.matrix.closed()
    assert bench.link.state is LinkState.DIRTY


def test_safe_is_proven_open(bench: Bench) -> None:
    bench.link.expect(('channel.open("allslots")', None), (CLOSED, "nil"), ("print(errorqueue.count)", "0"))
    assert bench.matrix.make_safe().proven
    bench.link.expect(('channel.open("allslots")', None), (CLOSED, "1A01"), ("print(errorqueue.count)", "0"))
    state = bench.matrix.make_safe()
    assert not state.proven
    assert "1A01" in state.detail


def test_safe_never_raises_for_a_dead_link(bench: Bench) -> None:
    bench.link.broken = True
    assert not bench.matrix.make_safe().proven


def test_the_connect_rule_is_set_by_name(bench: Bench) -> None:
    bench.call(("channel.connectrule = channel.OFF", None))
    bench.matrix.set_connect_rule("OFF")
    with pytest.raises(CapabilityError, match="connect rule"):
        bench.matrix.set_connect_rule("FAST")
    bench.link.expect(("print(channel.connectrule)", "1.00000e+00"))
    assert bench.matrix.connect_rule() == "BREAK_BEFORE_MAKE"


def test_the_3706a_speaks_of_four_digits() -> None:
    link = ScriptedLink(
        "KEITHLEY INSTRUMENTS INC.,MODEL 3706A-SNFP,04447336,01.56a",
        [
            *opening("1001;1911"),
            *call(3, ('channel.exclusiveclose("1002,1911")', None), (CLOSED, "1002,1911")),
            ("print(slot[1].interlock.state)", "0.00000e+00"),
        ],
    )
    matrix = Keithley3706A(link)
    assert matrix.found.live == ("1001", "1911")
    matrix.set_closed(["1911", "1002"])
    assert matrix.interlock_state(1) == "0.00000e+00"
    with pytest.raises(CapabilityError, match="slot"):
        matrix.interlock_state(7)
    link.done()
