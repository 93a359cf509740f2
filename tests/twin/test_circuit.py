"""Operating points against circuits solved by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest

from mtjloop.errors import ConfigurationError
from mtjloop.sim.array import Transistors
from mtjloop.sim.device import Defects, Die, Junction
from mtjloop.sim.die import draw_tile
from mtjloop.sim.network import device_voltages
from mtjloop.sim.twin import circuit
from mtjloop.sim.twin.bench import Bench
from mtjloop.sim.twin.circuit import Drive, OperatingPoint, operating_point
from mtjloop.sim.twin.die_array import DieArray, draw_array
from mtjloop.sim.twin.wiring import (
    Crosspoint,
    DieLine,
    Ground,
    MatrixColumn,
    Netlist,
    Port,
    Wire,
    Wiring,
    matrix_wiring,
)

from .conftest import ALIKE, IDEAL

ONE, TWO = Port("smu", 1), Port("smu", 2)
R_P = 5e3


def single_cell() -> DieArray:
    array = draw_array(1, 1, die=ALIKE, wires=IDEAL)
    array.set_state(np.ones((1, 1), dtype=np.int8))
    return array


def solve(array: DieArray, *wires: Wire, **drives: Drive) -> OperatingPoint:
    ports = {"one": ONE, "two": TWO}
    netlist = Netlist(Wiring(wires), ())
    return operating_point(netlist, {ports[name]: drive for name, drive in drives.items()}, {0: array})


ROW, COLUMN = DieLine("row", 0), DieLine("column", 0)
ACROSS = (Wire(ONE, ROW), Wire(TWO, COLUMN))


def test_two_sources_across_one_cell() -> None:
    point = solve(single_cell(), *ACROSS, one=Drive("voltage", 0.3, 1.0), two=Drive("voltage", -0.2, 1.0))
    assert point.currents[ONE] == pytest.approx(0.5 / R_P, rel=1e-6)
    assert point.currents[TWO] == pytest.approx(-0.5 / R_P, rel=1e-6)
    assert not point.limited


def test_the_limit_of_a_voltage_source_holds() -> None:
    point = solve(single_cell(), *ACROSS, one=Drive("voltage", 0.5, 20e-6), two=Drive("voltage", 0.0, 1.0))
    assert point.currents[ONE] == pytest.approx(20e-6, rel=1e-9)
    assert point.volts[0] == pytest.approx(20e-6 * R_P, rel=1e-6)
    assert point.limited == {ONE}
    assert point.levels[0][0][0] == pytest.approx(0.1, rel=1e-6)


def test_a_current_source_and_its_voltage_limit() -> None:
    free = solve(single_cell(), *ACROSS, one=Drive("current", 30e-6, 1.0), two=Drive("voltage", 0.0, 1.0))
    assert free.volts[0] == pytest.approx(30e-6 * R_P, rel=1e-6)
    assert not free.limited
    held = solve(single_cell(), *ACROSS, one=Drive("current", 30e-6, 0.05), two=Drive("voltage", 0.0, 1.0))
    assert held.volts[0] == 0.05
    assert held.currents[ONE] == pytest.approx(0.05 / R_P, rel=1e-6)
    assert held.limited == {ONE}


def test_a_current_source_into_nothing_runs_to_its_limit() -> None:
    point = solve(single_cell(), Wire(ONE, ROW), one=Drive("current", 1e-6, 2.0))
    assert abs(point.volts[0]) <= 2.0
    assert point.currents[ONE] in (1e-6, 0.0) or abs(point.currents[ONE]) < 1e-6


def test_two_sources_on_one_line_conflict_and_the_stronger_wins() -> None:
    wires = (Wire(ONE, ROW), Wire(TWO, ROW), Wire(Ground(), COLUMN))
    point = solve(single_cell(), *wires, one=Drive("voltage", 0.3, 10e-3), two=Drive("voltage", 0.1, 1e-3))
    assert point.conflicts == (0,)
    assert point.volts[0] == 0.3
    assert point.currents[TWO] == -1e-3
    assert point.currents[ONE] == pytest.approx(0.3 / R_P + 1e-3, rel=1e-6)
    assert point.limited == {TWO}


def test_a_short_to_ground_puts_the_source_at_its_limit() -> None:
    point = solve(single_cell(), Wire(ONE, ROW), Wire(Ground(), ROW), one=Drive("voltage", 0.3, 1e-3))
    assert point.volts[0] == 0.0
    assert point.currents[ONE] == 1e-3
    assert point.limited == {ONE}


def test_lines_joined_to_each_other_only_share_the_voltage_that_takes_no_current() -> None:
    """Rows 1 and 2 tied together and to nothing else: compare with the same array without the tie, where
    the tied rows are driven at the voltage found; their currents must cancel."""
    array = draw_array(3, 2, seed=4)
    wires = (Wire(ONE, DieLine("row", 0)), Wire(Ground(), DieLine("column", 0)),
             Wire(DieLine("row", 1), DieLine("row", 2)))  # fmt: skip
    point = solve(array, *wires, one=Drive("voltage", 0.2, 1.0))
    rows, columns = point.levels[0]
    assert rows[1] == rows[2]
    assert 0.0 < rows[1] < 0.2
    currents = array.currents(rows, columns)
    assert currents.rows[1] + currents.rows[2] == pytest.approx(0.0, abs=1e-10)
    assert abs(currents.rows[1]) > 1e-9


@pytest.mark.parametrize("transistors", [None, Transistors(on_resistance=1e3)])
def test_unlimited_currents_are_those_of_the_network(transistors: Transistors | None) -> None:
    """Conductances by hand, at the voltages found so far, and an independent solve until nothing changes."""
    array, cells = draw_array(3, 2, transistors=transistors, seed=4), draw_tile(Die(), 3, 2, 4, 0).cells
    state = array.state
    wires = (Wire(ONE, DieLine("row", 1)), Wire(TWO, DieLine("column", 0)))
    point = solve(array, *wires, one=Drive("voltage", 0.4, 1.0), two=Drive("voltage", 0.0, 1.0))
    access = transistors.on_resistance if transistors else 0.0
    volts = junctions = np.zeros((3, 2))
    for _ in range(60):
        tmr = cells.tmr / (1.0 + (junctions / Junction().tmr_half_voltage) ** 2)
        junction = (1.0 + np.where(state == 0, tmr, 0.0)) / cells.conductance_p
        g = 1.0 / (junction + access)
        volts = device_voltages(
            g, [math.nan, 0.4, math.nan], [0.0, math.nan],
            wire_resistance=1.0, source_resistance=5.0, sense_resistance=5.0,
        )  # fmt: skip
        junctions = volts * g * junction
    assert point.currents[ONE] == pytest.approx(float((volts[1] * g[1]).sum()), rel=1e-5)
    assert point.currents[TWO] == pytest.approx(-float((volts[:, 0] * g[:, 0]).sum()), rel=1e-5)
    assert (array.state == state).all()


def test_a_current_source_finds_the_voltage_of_a_cell_whose_resistance_follows_it() -> None:
    array = draw_array(1, 1, die=ALIKE, wires=IDEAL)
    array.set_state(np.zeros((1, 1), dtype=np.int8))
    point = solve(array, *ACROSS, one=Drive("current", 50e-6, 2.0), two=Drive("voltage", 0.0, 1.0))
    junction, volts = Junction(), point.volts[0]
    tmr = junction.tmr / (1.0 + (volts / junction.tmr_half_voltage) ** 2)
    assert volts / (R_P * (1.0 + tmr)) == pytest.approx(50e-6, rel=1e-6)


def test_defects_conduct_as_what_they_are() -> None:
    defects = Defects(short=0.4, open=0.4, stuck_ap=0.2, short_resistance=200.0, open_resistance=1e8)
    die = Die(spread=ALIKE.spread, defects=defects)
    array, tile = draw_array(8, 1, die=die, wires=IDEAL, seed=2), draw_tile(die, 8, 1, 2, 0)
    array.set_state(np.ones((8, 1), dtype=np.int8))
    kinds = tile.drawn.defect[:, 0]
    tmr = Junction().tmr / (1.0 + (0.1 / Junction().tmr_half_voltage) ** 2)
    expected = 0.1 / np.select([kinds == 1, kinds == 2, kinds == 4], [200.0, 1e8, R_P * (1.0 + tmr)])
    assert set(kinds) == {1, 2, 4}
    assert array.currents(np.full(8, 0.1), np.zeros(1)).rows == pytest.approx(expected, rel=1e-5)


def test_closed_crosspoints_join_and_open_ones_do_not() -> None:
    wiring = matrix_wiring({"A": ONE, "B": TWO}, 4, 3)
    assert all(len(net.ports) + len(net.lines) <= 1 for net in Netlist(wiring, ()).nets)
    closed = [Crosspoint("matrix", 1, "A", 3), Crosspoint("matrix", 1, "B", 5)]
    netlist = Netlist(wiring, closed)
    joined = {net.ports[0]: net.lines for net in netlist.nets if net.ports}
    assert joined == {ONE: (DieLine("row", 2),), TWO: (DieLine("column", 0),)}


def test_the_backplane_joins_rows_of_all_slots() -> None:
    wiring = matrix_wiring({"A": ONE}, 20, 1)
    netlist = Netlist(wiring, [Crosspoint("matrix", 2, "A", 1), Crosspoint("matrix", 1, "A", 12)])
    (net,) = [net for net in netlist.nets if net.ports]
    assert net.lines == (DieLine("row", 11), DieLine("row", 12))


def test_a_line_of_the_die_has_one_wire() -> None:
    with pytest.raises(ConfigurationError, match="is wired twice"):
        Wiring((Wire(MatrixColumn("m", 1, 1), ROW), Wire(MatrixColumn("m", 1, 2), ROW)))


def test_a_limit_is_approached_without_a_jump() -> None:
    """Currents through a limit are continuous in the level: no hysteresis, no lost iteration."""
    currents = []
    for level in np.linspace(0.05, 0.15, 41):
        point = solve(
            single_cell(), *ACROSS, one=Drive("voltage", float(level), 20e-6), two=Drive("voltage", 0.0, 1.0)
        )
        currents.append(point.currents[ONE])
    assert all(0.0 <= after - before <= 0.6e-6 for before, after in pairwise(currents))
    assert currents[-1] == pytest.approx(20e-6)


def test_the_short_way_gives_what_the_general_way_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the sources do: hold a net, meet a limit, fight, give a current, or nothing."""
    wiring = matrix_wiring({"A": ONE, "B": TWO, "C": Ground()}, 4, 3)
    array = draw_array(4, 3, seed=2)
    rng = np.random.default_rng(5)
    kinds: list[Drive] = [
        Drive("voltage", 0.05, 1.0), Drive("voltage", -0.2, 1.0), Drive("voltage", 0.0, 1.0),
        Drive("voltage", 0.3, 1e-5), Drive("open"), Drive("current", 1e-5, 0.5),
    ]  # fmt: skip
    short = 0
    for _ in range(80):
        closed = [
            Crosspoint("matrix", 1, "ABC"[row], column + 1)
            for column, row in enumerate(rng.integers(0, 4, 7).tolist())
            if row < 3
        ]
        if rng.random() < 0.2:
            closed.append(Crosspoint("matrix", 1, "A", 1))
        netlist = Netlist(wiring, closed)
        drives = {port: kinds[int(rng.choice(6, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1]))] for port in (ONE, TWO)}
        found = operating_point(netlist, drives, {0: array})
        with monkeypatch.context() as patched:
            patched.setattr(circuit, "_held_everywhere", lambda *_: None)
            general = operating_point(netlist, drives, {0: array})
        short += circuit._held_everywhere(netlist, drives, {0: array}) is not None
        assert found.volts == pytest.approx(general.volts, abs=0.0, nan_ok=True)
        assert (found.currents, found.limited) == (general.currents, general.limited)
        assert found.conflicts == general.conflicts
        for number, levels in found.levels.items():
            for one, other in zip(levels, general.levels[number], strict=True):
                np.testing.assert_array_equal(one, other)
    assert 15 < short < 75


def test_nets_are_found_again_when_relays_come_back() -> None:
    """The bench keeps the nets of relays it has seen; terminals named later do not disturb them."""
    wiring = matrix_wiring({"A": ONE, "B": TWO}, 4, 3)
    bench = Bench(wiring, {0: draw_array(4, 3)}, noise=False)
    first, second = (Crosspoint("matrix", 1, "A", 2),), (Crosspoint("matrix", 6, "B", 12),)
    for relays in (first, second, first, (*first, *second), first):
        bench.set_relays("matrix", relays)
        bench.drive(ONE, Drive("voltage", 0.1, 1.0, output=True))
        levels = bench.operating_point().levels.get(0)
        rows = np.full(4, np.nan) if levels is None else levels[0]
        expected = np.full(4, np.nan)
        if first[0] in relays:
            expected[1] = 0.1
        np.testing.assert_array_equal(rows, expected)
        bench.drive(ONE, Drive("voltage", 0.0, 1.0, output=True))
