"""The states of a bench: every way in, and that nothing but an armed bench lets anything through."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mtjloop.drivers.arming import Arming, BenchState, Qualification, qualification_hash, text_hash
from mtjloop.drivers.contract import SafeState
from mtjloop.errors import ClosedError, LimitError, NotArmedError

FOUND = {"smu": "Keithley Instruments Inc., Model 2636B, 4301234, 3.2.2", "matrix": "K, Model 707B, 1, 1"}
HASH = text_hash("bench")
CHECKED = Qualification(HASH, FOUND, True, "2030-01-02T03:04:05+00:00")
OFF, DOUBTFUL = SafeState(True, "off"), SafeState(False, "smu does not answer")


def connected() -> Arming:
    arming = Arming()
    arming.connect(FOUND)
    return arming


def armed() -> Arming:
    arming = connected()
    arming.verify(CHECKED, HASH)
    arming.arm()
    return arming


def test_the_way_from_disconnected_to_running_and_off() -> None:
    arming = Arming()
    states = [arming.state]
    steps: tuple[Callable[[], None], ...] = (
        lambda: arming.connect(FOUND),
        lambda: arming.verify(CHECKED, HASH),
        arming.arm,
        arming.energise,
        arming.energise,
        lambda: arming.made_safe(OFF),
    )
    for step in steps:
        step()
        states.append(arming.state)
    assert states == [
        "DISCONNECTED", "CONNECTED", "VERIFIED", "ARMED", "RUNNING", "RUNNING", "SAFE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "DISCONNECTED, not ARMED"),
        (["connect"], "CONNECTED, not ARMED.*mtjloop check"),
        (["connect", "verify"], "VERIFIED, not ARMED.*--arm"),
        (["connect", "safe"], "CONNECTED, not ARMED"),
        (["connect", "verify", "safe"], "VERIFIED, not ARMED"),
        (["connect", "verify", "arm", "energise", "safe", "disconnect"], "DISCONNECTED, not ARMED"),
    ],
)
def test_nothing_is_energised_in_any_other_state(steps: list[str], words: str) -> None:
    arming = Arming()
    doing: dict[str, Callable[[], None]] = {
        "connect": lambda: arming.connect(FOUND),
        "verify": lambda: arming.verify(CHECKED, HASH),
        "arm": arming.arm,
        "energise": arming.energise,
        "safe": lambda: arming.made_safe(OFF),
        "disconnect": arming.disconnect,
    }
    for step in steps:
        doing[step]()
    before = arming.state
    with pytest.raises(NotArmedError, match=words):
        arming.energise()
    assert arming.state is before


def test_a_refusal_counts_as_one_that_sent_nothing() -> None:
    with pytest.raises(LimitError):
        Arming().energise()


@pytest.mark.parametrize(
    ("checked", "text", "words"),
    [
        (replace(CHECKED, passed=False), "bench", "did not pass; run `mtjloop check` again"),
        (CHECKED, "bench ", "bench file has changed since the check of 2030"),
        (replace(CHECKED, identities={**FOUND, "smu": "another"}), "bench", "instrument smu answers 'Keith"),
        (
            replace(CHECKED, identities={"smu": FOUND["smu"]}),
            "bench",
            "instrument matrix answers 'K.*'nothing'",
        ),
        (replace(CHECKED, identities={**FOUND, "more": "one"}), "bench", "instrument more answers 'nothing'"),
    ],
)
def test_a_check_of_something_else_verifies_nothing(checked: Qualification, text: str, words: str) -> None:
    arming = connected()
    with pytest.raises(NotArmedError, match=words):
        arming.verify(checked, text_hash(text))
    assert arming.state is BenchState.CONNECTED
    with pytest.raises(NotArmedError, match="CONNECTED; VERIFIED is needed"):
        arming.arm()


@pytest.mark.parametrize(("left", "state"), [(OFF, "FAULT"), (DOUBTFUL, "UNKNOWN")])
def test_after_a_fault_nothing_passes_and_it_is_never_called_safe(left: SafeState, state: str) -> None:
    arming = armed()
    arming.energise()
    arming.fault("a line met its current limit", left)
    assert arming.state == state
    with pytest.raises(ClosedError, match="current limit"):
        arming.energise()
    arming.made_safe(OFF)
    assert arming.state == state
    steps: tuple[Callable[[], None], ...] = (
        arming.arm,
        lambda: arming.verify(CHECKED, HASH),
        lambda: arming.connect(FOUND),
    )
    for step in steps:
        with pytest.raises(NotArmedError, match=state):
            step()


def test_outputs_that_are_not_proven_off_are_unknown() -> None:
    arming = armed()
    arming.made_safe(DOUBTFUL)
    assert arming.state is BenchState.UNKNOWN
    with pytest.raises(ClosedError, match=r"UNKNOWN .smu does not answer.*by hand"):
        arming.energise()
    arming.made_safe(OFF)
    assert arming.state is BenchState.UNKNOWN


@pytest.mark.parametrize("arming", [armed(), Arming.simulated()], ids=["hardware", "simulated"])
def test_an_armed_bench_runs_on_after_it_was_made_safe(arming: Arming) -> None:
    arming.energise()
    arming.made_safe(OFF)
    states = [arming.state]
    arming.energise()
    assert [*states, arming.state] == ["SAFE", "RUNNING"]


def test_a_simulated_bench_needs_no_check() -> None:
    arming = Arming.simulated()
    arming.arm()
    assert arming.state is BenchState.ARMED


def test_closing_keeps_how_the_bench_was_left() -> None:
    arming = connected()
    arming.disconnect()
    assert arming.state is BenchState.DISCONNECTED
    running = armed()
    running.fault("a short", DOUBTFUL)
    running.disconnect()
    assert running.state is BenchState.UNKNOWN


def test_the_hash_depends_on_file_and_instruments_and_not_on_their_order() -> None:
    assert CHECKED.hash == qualification_hash(HASH, dict(reversed(FOUND.items())))
    assert CHECKED.hash != qualification_hash(text_hash("other"), FOUND)
    assert CHECKED.hash != qualification_hash(HASH, {**FOUND, "smu": "another"})
