"""Plans: every line gets the level that was asked, every sensed line is measured once, and costs add up."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtjloop.drivers.contract import Bias, Floats, Orientation, Pulse
from mtjloop.drivers.planner import Costs, Plan, Planner, Step
from mtjloop.drivers.routes import Routes
from mtjloop.drivers.wiring import Channel, MatrixColumn, Terminal, TileWiring, Wiring
from mtjloop.instruments import Keithley2600B

A, B = Channel("smu", "a"), Channel("smu", "b")
C, D = Channel("more", "a"), Channel("more", "b")
COSTS = Costs(
    sources={"smu": Keithley2600B.COSTS, "more": Keithley2600B.COSTS},
    matrix_call=6e-4,
    relays=0.015,
    settle=1e-3,
    integration=2e-3,
    repeat_gap=1e-4,
    most_pulses=1000,
)
TWO_AND_GROUND: dict[str, Channel | None] = {"A": A, "B": B, "C": None}


def bench(
    rows: int = 3, columns: int = 2, sources: dict[str, Channel | None] | None = None, link: bool = False
) -> Wiring:
    """Lines on successive columns of one matrix; slots are as long as they must be."""
    lines = [MatrixColumn("m", 1, k + 1) for k in range(rows + columns)]
    return wired(TileWiring(tuple(lines[:rows]), tuple(lines[rows:])), sources or TWO_AND_GROUND, link)


def wired(tile: TileWiring, sources: dict[str, Channel | None], link: bool = False) -> Wiring:
    instruments = {one.instrument for one in (*sources.values(), *tile.lines) if isinstance(one, Channel)}
    return Wiring(
        {**dict.fromkeys(sorted(instruments), "keithley-2600b"), "m": "keithley-707b"},
        {("m", row): channel for row, channel in sources.items()},
        (tile,),
        ("smu", "m") if link else (),
    )


def planner(wiring: Wiring, **changes: object) -> Planner:
    return Planner(Routes(wiring, 0), replace(COSTS, routed=wiring.routed, most_reads=100, **changes))  # type: ignore[arg-type]


def levels_of(step: Step, wiring: Wiring) -> Floats:
    """What the relays and levels of a step really put on each line; NaN where nothing is connected."""
    found = np.full(len(wiring.tiles[0].lines), np.nan)
    for number, line in enumerate(wiring.tiles[0].lines):
        if isinstance(line, Channel):
            found[number] = step.levels.get(line, np.nan)
            continue
        for (matrix, row), channel in wiring.matrix_rows.items():
            if (matrix, wiring.crosspoint(row, line)) in step.points:
                assert np.isnan(found[number]), "a line is on two sources"
                found[number] = 0.0 if channel is None else step.levels[channel]
    return found


def names(step: Step) -> set[str]:
    return {point for _, point in step.points}


def test_a_half_select_pulse_is_one_step_of_two_channels_and_ground() -> None:
    plan = planner(bench()).pulse(Pulse(np.array([0.3, 0.0, 0.3]), np.array([0.0, -0.3]), 1e-4))
    (step,) = plan.steps
    assert names(step) == {"1A01", "1C02", "1A03", "1C04", "1B05"}
    assert step.levels == {A: 0.3, B: -0.3}
    assert plan.relay_operations == 5
    assert plan.round_trips == {"smu": 1, "m": 1}
    assert plan.seconds == pytest.approx(0.015 + 6e-4 + Keithley2600B.COSTS.call + 1e-4)


def test_relays_that_stand_right_cost_nothing() -> None:
    plans = planner(bench())
    first = plans.pulse(Pulse(np.array([0.3, 0.0, 0.3]), np.array([0.0, -0.3]), 1e-4))
    again = plans.pulse(Pulse(np.array([-0.2, 0.0, -0.2]), np.array([0.0, 0.2]), 1e-4), first.closed)
    assert again.relay_operations == 0
    assert again.round_trips == {"smu": 1}
    other = plans.pulse(Pulse(np.array([0.3, 0.0, 0.0]), np.array([0.0, -0.3]), 1e-4), first.closed)
    assert other.relay_operations == 2
    assert other.seconds == pytest.approx(again.seconds + 2 * 0.015 + 6e-4)


LEVELS = st.sampled_from([0.0, 0.25, -0.25, float("nan")])


@given(st.lists(LEVELS, min_size=3, max_size=3), st.lists(LEVELS, min_size=2, max_size=2))
def test_every_line_gets_its_level(rows: list[float], columns: list[float]) -> None:
    wanted = np.array(rows + columns)
    if np.isnan(wanted).all():
        return
    plan = planner(bench()).pulse(Pulse(np.array(rows), np.array(columns), 1e-4))
    assert plan.reason is None
    np.testing.assert_array_equal(levels_of(plan.steps[0], bench()), wanted)
    assert plan.steps[0].levels, "some channel must give the pulse, even one of 0 V"


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.1]), min_size=3, max_size=3), min_size=1, max_size=4),
    st.booleans(),
    st.integers(2, 4),
)
def test_every_read_senses_every_line_once_at_ground(
    reads: list[list[float]], forward: bool, channels: int
) -> None:
    wiring = bench(3, 3, dict(zip("ABDE", (A, B, C, D)[:channels], strict=False)) | {"C": None})
    orientation: Orientation = "forward" if forward else "transposed"
    plan = planner(wiring).read(Bias(np.array(reads), orientation))
    assert plan.reason is None
    measured = []
    for step in plan.steps:
        driven, sensed = np.split(levels_of(step, wiring), 2)
        if not forward:
            driven, sensed = sensed, driven
        np.testing.assert_array_equal(driven, reads[step.read])
        np.testing.assert_array_equal(sensed, np.zeros(3))
        for channel, line in step.sensed.items():
            alone = [k for k in range(6) if _on(step, wiring, k) == channel]
            assert alone == [line + (3 if forward else 0)]
            measured.append((step.read, line))
    assert sorted(measured) == [(read, line) for read in range(len(reads)) for line in range(3)]
    assert len(plan.steps) == len(reads) * -(-3 // (channels - 1))


def _on(step: Step, wiring: Wiring, number: int) -> Channel | None:
    line = wiring.tiles[0].lines[number]
    assert isinstance(line, MatrixColumn)
    for (matrix, row), channel in wiring.matrix_rows.items():
        if (matrix, wiring.crosspoint(row, line)) in step.points:
            return channel
    return None


def test_the_order_of_a_read_spares_relays() -> None:
    """From one read to the next the sensed column stays, so only rows move."""
    plan = planner(bench(3, 2)).read(Bias(np.array([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0]])))
    assert [next(iter(step.sensed.values())) for step in plan.steps] == [0, 1, 1, 0]
    assert plan.relay_operations == 5 + 4 + 4 + 4


def test_a_routed_read_is_one_message() -> None:
    wiring = bench(link=True)
    plan = planner(wiring).read(Bias(np.array([[0.1, 0.0, 0.1], [0.0, 0.0, 0.0]])))
    assert plan.round_trips == {"smu": 1}
    assert plan.routed is not None
    assert (plan.routed.drive, plan.routed.meter) == ("a", "b")
    assert [sorted(one) for one in plan.routed.driven] == [["1A01", "1A03", "1C02"], ["1C01", "1C02", "1C03"]]
    assert [sorted(one) for one in plan.routed.sensed] == [["1B04", "1C05"], ["1B05", "1C04"]]
    assert list(plan.routed.levels) == [0.1, 0.0]
    for step, (read, way) in zip(plan.steps, plan.routed.order(), strict=True):
        assert names(step) == {*plan.routed.driven[read], *plan.routed.sensed[way]}
    apart = planner(bench()).read(Bias(np.array([[0.1, 0.0, 0.1], [0.0, 0.0, 0.0]])))
    assert apart.round_trips == {"smu": 4, "m": 4}


def test_what_cannot_be_driven_is_refused_with_its_reason() -> None:
    plans = planner(bench())
    third = plans.pulse(Pulse(np.array([0.3, -0.1, -0.1]), np.array([0.1, -0.3]), 1e-4))
    assert third == Plan(reason=third.reason)
    assert third.reason is not None
    assert "needs 4 channels; smu.a, smu.b can be used" in third.reason
    read = plans.read(Bias(np.array([0.1, 0.2, 0.0])))
    assert read.reason is not None
    assert "no channel left to sense with" in read.reason


def test_long_trains_are_split() -> None:
    pulse = Pulse(np.array([0.3, 0.0, 0.3]), np.array([0.0, -0.3]), 1e-4, repeat=2500)
    plan = planner(bench()).pulse(pulse)
    assert [step.pulses for step in plan.steps] == [1000, 1000, 500]
    assert plan.round_trips == {"smu": 3, "m": 1}


def test_without_ground_a_channel_holds_zero() -> None:
    wiring = bench(sources={"A": A, "B": B, "C": C})
    can = Routes(wiring, 0).abilities()
    assert (can.problem, can.distinct_levels, can.read_levels) == (None, 1, 1)
    (first, *_) = planner(wiring).read(Bias(np.array([0.1, 0.0, 0.1]))).steps
    assert first.levels == {A: 0.1, B: 0.0, C: 0.0}
    np.testing.assert_array_equal(levels_of(first, wiring), [0.1, 0.0, 0.1, 0.0, 0.0])


def test_lines_straight_on_channels_need_no_relay() -> None:
    wiring = wired(TileWiring((A,), (B,)), {})
    can = Routes(wiring, 0).abilities()
    assert (can.distinct_levels, can.read_levels, can.floating, can.transposed) == (None, None, False, True)
    plan = planner(wiring).pulse(Pulse(np.array([0.3]), np.array([-0.3]), 1e-4))
    assert plan.steps[0].levels == {A: 0.3, B: -0.3}
    assert plan.relay_operations == 0
    read = planner(wiring).read(Bias(np.array([[0.1], [0.05]])))
    assert [dict(step.levels) for step in read.steps] == [{A: 0.1, B: 0.0}, {A: 0.05, B: 0.0}]
    assert [dict(step.sensed) for step in read.steps] == [{B: 0}, {B: 0}]
    assert read.round_trips == {"smu": 1}


def test_a_straight_line_stays_at_ground_while_others_are_sensed() -> None:
    columns: tuple[Terminal, ...] = (D, MatrixColumn("m", 1, 2), MatrixColumn("m", 1, 3))
    wiring = wired(TileWiring((MatrixColumn("m", 1, 1),), columns), TWO_AND_GROUND)
    plan = planner(wiring).read(Bias(np.array([0.1])))
    assert [dict(step.sensed) for step in plan.steps] == [{B: 1, D: 0}, {B: 2}]
    assert all(step.levels[D] == 0.0 for step in plan.steps)


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ({"A": A, "C": None}, "rows cannot be driven and columns sensed at once"),
        ({"A": A, "B": B}, "rows cannot be driven .* no row is grounded"),
        ({"A": A}, "no channel is left to pulse with"),
    ],
)
def test_impossible_routes_say_what_is_missing(sources: dict[str, Channel | None], words: str) -> None:
    problem = Routes(bench(sources=sources), 0).abilities().problem
    assert problem is not None
    assert re.search(words, problem)
    assert "smu.matrix_rows" in problem


def test_straight_lines_on_two_instruments_cannot_pulse_in_step() -> None:
    problem = Routes(wired(TileWiring((A,), (C,)), {}), 0).abilities().problem
    assert problem is not None
    assert "do not pulse in step" in problem


def test_an_update_of_any_size_takes_the_same_time() -> None:
    """Two-level pulses are parallel: all that grows with the array is the number of relays that move."""
    times = set()
    for size in (4, 16, 32):
        plans = planner(bench(size, size))
        row: Floats = 0.3 * (np.arange(size, dtype=np.float64) % 2)
        first = plans.pulse(Pulse(row, -row, 1e-4))
        times.add(round(plans.pulse(Pulse(0.3 - row, row - 0.3, 1e-4), first.closed).seconds, 9))
    assert len(times) == 1
