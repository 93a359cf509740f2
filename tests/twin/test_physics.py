"""The instruments act on the die: switching, half selection, relays, compliance, noise, time."""

import struct

import numpy as np
import pytest
from scipy import stats

from mtjloop.sim.array import Transistors
from mtjloop.sim.device import BackHopping, Breakdown, Die, Junction
from mtjloop.sim.switching import switching_probability
from mtjloop.sim.twin.bench import Bench
from mtjloop.sim.twin.die_array import DieArray, draw_array
from mtjloop.sim.twin.keithley707b import Keithley707B
from mtjloop.sim.twin.keithley2600b import Keithley2600B
from mtjloop.sim.twin.wiring import DieLine, Ground, Port, Wire, Wiring, matrix_wiring

from .conftest import ALIKE, COLUMNS, IDEAL, ROWS, keithley_bench, keysight_bench, tell, usual_array

PULSE = """
for _, smu in ipairs({smua, smub}) do
   smu.source.func = smu.OUTPUT_DCVOLTS
   smu.source.autorangev = smu.AUTORANGE_OFF smu.source.rangev = 2
   smu.source.levelv = 0 smu.source.limiti = 1e-3
   smu.measure.nplc = 0.001 smu.measure.delay = 0 smu.measure.autozero = smu.AUTOZERO_ONCE
   smu.trigger.source.action = smu.ENABLE smu.trigger.measure.action = smu.ENABLE
   smu.trigger.measure.iv(smu.nvbuffer1, smu.nvbuffer2)
   smu.trigger.endpulse.action = smu.SOURCE_IDLE smu.trigger.endsweep.action = smu.SOURCE_IDLE
   smu.trigger.source.stimulus = trigger.timer[1].EVENT_ID
   smu.trigger.measure.stimulus = trigger.timer[2].EVENT_ID
   smu.trigger.endpulse.stimulus = trigger.timer[3].EVENT_ID
   smu.source.output = smu.OUTPUT_ON
end
trigger.timer[1].passthrough = true trigger.timer[1].stimulus = smua.trigger.ARMED_EVENT_ID
trigger.timer[2].stimulus = trigger.timer[1].EVENT_ID
trigger.timer[3].stimulus = trigger.timer[1].EVENT_ID
function pulse(rows, columns, width, count)
   trigger.timer[1].count = math.max(count - 1, 1) trigger.timer[1].delay = width + 1e-3
   trigger.timer[2].delay = math.max(0, width - smua.measure.nplc / localnode.linefreq - 60e-6)
   trigger.timer[3].delay = width
   smua.trigger.source.listv({rows}) smub.trigger.source.listv({columns})
   smua.trigger.count = count smub.trigger.count = count
   smub.trigger.initiate() smua.trigger.initiate()
   waitcomplete()
end
"""


def load_pulse(bench: Bench) -> None:
    tell(bench, "smu", "loadandrunscript", *PULSE.split("\n"), "endscript")
    assert tell(bench, "smu", "print(errorqueue.next())").startswith("0.0")


def test_one_cell_switches_through_two_channels_and_a_matrix_and_half_selected_ones_do_not() -> None:
    """V/2 scheme: row 2 at +V/2, column 1 at -V/2, all others held at 0 V by the wiring's ground row."""
    array = usual_array()
    wiring = matrix_wiring({"A": Port("smu", 1), "B": Port("smu", 2), "C": Ground()}, ROWS, COLUMNS)
    bench = Bench(wiring, {0: array}, noise=False)
    Keithley2600B(bench)
    Keithley707B(bench)
    tell(bench, "matrix", 'channel.close("1A03,1B06,1C01,1C02,1C04,1C05,1C07")')
    load_pulse(bench)
    tell(bench, "smu", "pulse(0.2, -0.2, 1e-4, 1)")
    expected = np.zeros((ROWS, COLUMNS), dtype=np.int8)
    expected[2, 1] = 1
    assert (array.state == expected).all()
    (record,) = bench.pulses
    assert record.width == 1e-4
    assert record.rows.tolist() == [0.0, 0.0, 0.2, 0.0]
    assert record.columns.tolist() == [0.0, -0.2, 0.0]
    assert record.flips == 1


def test_pulses_switch_with_the_probability_of_the_law() -> None:
    """All cells at once at a middling voltage, both channels in step; binomial against the law."""
    rows, columns, volts = 30, 20, 0.26
    array = draw_array(rows, columns, die=ALIKE, wires=IDEAL, seed=3)
    array.set_state(np.zeros((rows, columns), dtype=np.int8))
    wires = [Wire(Port("smu", 1), DieLine("row", i)) for i in range(rows)]
    wires += [Wire(Port("smu", 2), DieLine("column", j)) for j in range(columns)]
    bench = Bench(Wiring(tuple(wires)), {0: array}, noise=False)
    Keithley2600B(bench)
    load_pulse(bench)
    tell(bench, "smu", "smua.source.limiti = 1 smub.source.limiti = 1")
    tell(bench, "smu", f"pulse({volts / 2}, {-volts / 2}, 1e-4, 1)")
    junction = Junction()
    p = float(
        switching_probability(
            volts / junction.critical_voltage_up,
            1e-4 / junction.time_unit,
            junction.delta,
            law=junction.law,
        )
    )
    assert 0.1 < p < 0.9
    assert stats.binomtest(int(array.state.sum()), rows * columns, p).pvalue > 1e-3


def test_the_twin_gives_the_same_flips_as_the_array_alone_and_reads_shift_none() -> None:
    wiring = Wiring(
        tuple(
            [Wire(Port("smu", 1), DieLine("row", i)) for i in range(ROWS)]
            + [Wire(Port("smu", 2), DieLine("column", j)) for j in range(COLUMNS)]
        )
    )
    direct, twin = draw_array(ROWS, COLUMNS, seed=9), draw_array(ROWS, COLUMNS, seed=9)
    bench = Bench(wiring, {0: twin}, noise=False)
    Keithley2600B(bench)
    load_pulse(bench)
    tell(bench, "smu", "format.asciiprecision = 16")
    for number in range(30):
        volts = 0.13 if number % 2 else -0.13
        tell(bench, "smu", f"pulse({volts}, {-volts}, 1e-4, 1)")
        if number % 3 == 0:
            tell(bench, "smu", "smua.source.levelv = 0.05 print(smub.measure.i()) smua.source.levelv = 0")
        direct.pulse(np.full(ROWS, volts), np.full(COLUMNS, -volts), 1e-4)
        assert (direct.state == twin.state).all(), number
    assert len({record.flips for record in bench.pulses}) > 0
    assert sum(record.flips for record in bench.pulses) > 20


@pytest.mark.parametrize("closed", [True, False])
def test_relays_matter(closed: bool) -> None:
    array = usual_array()
    bench = keithley_bench(array)
    if closed:
        tell(bench, "matrix", 'channel.close("1A03,1B06")')
    load_pulse(bench)
    tell(bench, "smu", "pulse(0.3, -0.3, 1e-3, 1)")
    assert (array.state.sum() > 0) == closed
    assert len(bench.pulses) == (1 if closed else 0)
    current = float(tell(bench, "smu", "smua.source.levelv = 0.1 print(smub.measure.i())"))
    assert (abs(current) > 1e-7) == closed


def test_a_level_left_on_disturbs() -> None:
    """0.22 V for 100 s on one cell; for 1 ms it does nothing. The law's own numbers decide."""
    array = usual_array()
    bench = keithley_bench(array)
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    tell(bench, "smu", "smua.source.output = 1 smub.source.output = 1", "smua.source.levelv = 0.2")
    tell(bench, "smu", "delay(1e-3) smua.source.levelv = 0")
    assert array.state.sum() == 0
    tell(bench, "smu", "smua.source.levelv = 0.22 delay(100) smua.source.levelv = 0")
    assert array.state[0, 0] == 1
    assert array.pulses == 0


def test_a_level_left_on_disturbs_with_the_probability_of_the_law() -> None:
    """P -> AP of cells behind transistors, whose junctions see less than the lines: binomial."""
    access, volts, duration = Transistors(on_resistance=1e3), -0.3, 1e-4
    array = draw_array(30, 20, die=ALIKE, wires=IDEAL, transistors=access, seed=6)
    array.set_state(np.ones((30, 20), dtype=np.int8))
    flips = array.hold(np.full(30, volts / 2), np.full(20, -volts / 2), duration)
    junction = Junction()
    seen = -volts * junction.parallel_resistance / (junction.parallel_resistance + access.on_resistance)
    p = float(
        switching_probability(
            seen / junction.critical_voltage_down, duration / junction.time_unit, junction.delta
        )
    )
    assert 0.05 < p < 0.95
    assert stats.binomtest(flips, 600, p).pvalue > 1e-3
    assert int((array.state == 0).sum()) == flips


def test_a_level_left_on_hops_back() -> None:
    """Far above free hopping a cell ends in either state: one half of all, against all without hopping."""
    flips = []
    for hopping in (BackHopping(), BackHopping(voltage_up=0.4, voltage_down=0.4)):
        array = draw_array(30, 20, die=Die(spread=ALIKE.spread, back_hopping=hopping), wires=IDEAL, seed=8)
        array.set_state(np.zeros((30, 20), dtype=np.int8))
        flips.append(array.hold(np.full(30, 0.25), np.full(20, -0.25), 1e-3))
    assert flips[0] == 600
    assert stats.binomtest(flips[1], 600, 0.5).pvalue > 1e-3


@pytest.mark.parametrize("hopping", [BackHopping(), BackHopping(voltage_up=0.1, voltage_down=0.1)])
@pytest.mark.parametrize("state", [0, 1])
def test_a_weak_level_disturbs_with_the_probability_of_the_law(state: int, hopping: BackHopping) -> None:
    """Holds that rarely flip anything, drawn by thinning; half of those that hop stay switched."""
    volts, holds = 0.2 if state == 0 else -0.2, 2000
    array = draw_array(30, 20, die=Die(spread=ALIKE.spread, back_hopping=hopping), wires=IDEAL, seed=9)
    start = np.full((30, 20), state, dtype=np.int8)
    array.set_state(start)
    rows, columns = np.full(30, volts / 2), np.full(20, -volts / 2)
    junction, duration = Junction(), 1e-3
    p = float(
        switching_probability(
            abs(volts) / junction.critical_voltage_up, duration / junction.time_unit, junction.delta
        )
    )
    duration *= 4e-4 / p
    p = 4e-4 * (1.0 if hopping == BackHopping() else 0.5)
    cells = array.array.cells
    assert array._bounds.sums(abs(volts), duration, cells, start)[-1] < 0.5
    flips = 0
    for _ in range(holds):
        found = array.hold(rows, columns, duration)
        flips += found
        if found:
            assert int((array.state != start).sum()) == found
            array.set_state(start)
    assert stats.binomtest(flips, 600 * holds, p).pvalue > 1e-3


def test_a_level_left_on_breaks_a_junction_which_then_conducts_as_a_short() -> None:
    """1.3 V: a life of 19 us. 0.1 ms of it, as ten holds or as one, is enough for any limit drawn here."""
    die = Die(spread=ALIKE.spread, breakdown=Breakdown(shape=20.0))
    for parts in (1, 10):
        array = draw_array(2, 2, die=die, wires=IDEAL, seed=1)
        rows, columns = np.array([1.3, np.nan]), np.array([0.0, np.nan])
        version = array.version
        for _ in range(parts):
            array.hold(rows, columns, 1e-4 / parts)
        assert array.version > version
        currents = array.currents(np.array([0.1, np.nan]), np.array([0.0, np.nan]))
        others = array.currents(np.array([np.nan, 0.1]), np.array([np.nan, 0.0]))
        short = 0.1 / die.breakdown.short_resistance
        assert currents.rows[0] == pytest.approx(short, rel=0.05)
        assert 0.0 < others.rows[1] < 0.1 * short


def test_a_junction_that_a_pulse_breaks_changes_the_currents() -> None:
    array = usual_array()
    bench = keithley_bench(array)
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    load_pulse(bench)
    tell(bench, "smu", "smua.source.limiti = 10e-3 smub.source.limiti = 10e-3")
    tell(bench, "smu", "pulse(0.75, -0.75, 1e-3, 1)")
    tell(bench, "smu", "smua.source.levelv = 0.1")
    current = float(tell(bench, "smu", "print(smua.measure.i())"))
    short, paths = 0.1 / Breakdown().short_resistance, 0.1 / Junction().parallel_resistance
    assert short < current < short + paths  # 4 x 3 floating lines: three steps of R/2, R/6 and R/3, R >= R_P


def test_compliance_limits_the_current_and_protects_the_cell() -> None:
    array = usual_array()
    bench = keithley_bench(array)
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    tell(bench, "smu", "smua.source.limiti = 1e-6 smua.source.output = 1 smub.source.output = 1")
    tell(bench, "smu", "smua.source.levelv = 0.5")
    volts, amperes = tell(bench, "smu", "i, v = smua.measure.iv() print(v, i)").split("\t")
    assert float(amperes) == pytest.approx(1e-6, rel=1e-5)
    assert float(volts) < 0.05
    assert tell(bench, "smu", "print(smua.source.compliance)") == "true\n"
    assert tell(bench, "smu", "print(status.measurement.instrument.smua.condition)") == "2.00000e+00\n"
    tell(bench, "smu", "delay(10) smua.source.levelv = 0")
    assert array.state.sum() == 0
    assert tell(bench, "smu", "print(smua.source.compliance)") == "false\n"


def test_an_output_that_is_off_still_holds_its_line_unless_high_impedance() -> None:
    bench = keithley_bench()
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    tell(bench, "smu", "smua.source.levelv = 0.1 smua.source.output = 1")
    held = float(tell(bench, "smu", "print(smua.measure.i())"))
    tell(bench, "smu", "smub.source.offmode = smub.OUTPUT_HIGH_Z")
    floating = float(tell(bench, "smu", "print(smua.measure.i())"))
    assert held > 1e-5
    assert abs(floating) < 1e-9


def test_two_sources_on_one_line_are_reported() -> None:
    bench = keithley_bench()
    tell(bench, "matrix", 'channel.close("1A01,1B01")')
    tell(bench, "smu", "smua.source.limiti = 1e-3 smub.source.limiti = 1e-4")
    tell(bench, "smu", "smua.source.levelv = 0.1 smua.source.output = 1 smub.source.output = 1")
    assert float(tell(bench, "smu", "print(smub.measure.i())")) == pytest.approx(-1e-4)
    assert tell(bench, "smu", "print(smub.source.compliance)") == "true\n"
    assert any("two sources on one line" in warning for warning in bench.warnings)


def test_hot_switching_is_counted_and_may_weld() -> None:
    array = usual_array()
    bench = Bench(matrix_wiring({"A": Port("smu", 1), "B": Port("smu", 2)}, ROWS, COLUMNS), {0: array})
    Keithley2600B(bench)
    matrix = Keithley707B(bench, weld_when_hot=True)
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    assert bench.hot_switches == 0
    tell(bench, "smu", "smub.source.output = 1 smua.source.output = 1 smua.source.levelv = 0.1")
    tell(bench, "matrix", 'channel.open("1A01")')
    assert bench.hot_switches == 1
    assert tell(bench, "matrix", 'print(channel.getclose("allslots"))') == "1B05\n"
    assert {str(one) for one in matrix.closed} == {"1A01", "1B05"}
    assert float(tell(bench, "smu", "print(smub.measure.i())")) < -1e-7


@pytest.mark.parametrize("nplc", [0.01, 1.0, 10.0])
def test_noise_falls_with_the_square_root_of_the_integration_time(nplc: float) -> None:
    """200 readings each: the spread lies in the 99.9 % interval of its chi-square law."""
    bench = keithley_bench(noise=True, seed=5)
    tell(bench, "smu", "smua.measure.rangei = 1e-3 smua.measure.autozero = 0 smua.source.output = 1")
    tell(bench, "smu", f"smua.measure.nplc = {nplc} smua.measure.count = 200")
    tell(bench, "smu", "format.asciiprecision = 16 smua.measure.i(smua.nvbuffer1)")
    reply = tell(bench, "smu", "printbuffer(1, 200, smua.nvbuffer1)")
    values = np.array([float(one) for one in reply.split(", ")])
    expected = 1e-6 * 1e-3 / np.sqrt(nplc)
    low, high = stats.chi2.ppf(5e-4, 199), stats.chi2.ppf(1 - 5e-4, 199)
    assert low < 199 * values.var(ddof=1) / expected**2 < high


def test_reading_noise_shifts_no_flip() -> None:
    finals = []
    for noise in (False, True):
        array = usual_array()
        bench = keithley_bench(array, noise=noise)
        tell(bench, "matrix", 'channel.close("1A01:1A04,1B05:1B07")')
        load_pulse(bench)
        for number in range(10):
            volts = 0.13 if number % 2 == 0 else -0.13
            tell(bench, "smu", f"pulse({volts}, {-volts}, 1e-4, 1) print(smua.measure.i())")
        finals.append(array.state)
    assert (finals[0] == finals[1]).all()


def test_the_virtual_clock_passes_exactly_what_was_programmed() -> None:
    bench = keithley_bench()
    before = bench.timeline.now
    tell(bench, "smu", "delay(0.25)")
    assert bench.timeline.now - before == 250_000_000 + 200_000
    load_pulse(bench)
    before = bench.timeline.now
    tell(bench, "smu", "pulse(0.1, -0.1, 5e-4, 4)")
    assert bench.timeline.now - before == 200_000 + 3 * 1_500_000 + 500_000
    before = bench.timeline.now
    tell(bench, "matrix", 'channel.close("1A01")')
    assert bench.timeline.now - before == 200_000 + 15_000_000
    before = bench.timeline.now
    tell(
        bench,
        "smu",
        "smua.measure.nplc = 5 smua.measure.autozero = 0 smua.measure.delay = 0 smua.measure.v()",
    )
    assert bench.timeline.now - before == pytest.approx(200_000 + 50_000 + 5e9 / 60, abs=2)


def test_a_pulse_too_short_for_the_trigger_model_is_stretched() -> None:
    bench = keithley_bench()
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    load_pulse(bench)
    tell(bench, "smu", "pulse(0.1, -0.1, 2e-5, 1)")
    assert [record.width for record in bench.pulses] == [1e-4]


def test_pulse_functions_of_the_maker() -> None:
    bench = keithley_bench()
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    tell(bench, "smu", "smua.source.output = 1 smub.source.output = 1")
    configure = "print(ConfigPulseVMeasureI(smua, 0, 0.1, 1e-3, {ton}, 1e-2, 3, smua.nvbuffer1, 1))"
    assert tell(bench, "smu", configure.format(ton="1e-4")).startswith("false\t")
    assert "nplc" in tell(bench, "smu", configure.format(ton="5e-4"))
    tell(bench, "smu", "smua.measure.nplc = 0.001")
    assert tell(bench, "smu", configure.format(ton="5e-4")) == "true\t\n"
    assert tell(bench, "smu", "print(InitiatePulseTest(1))") == "true\t\n"
    assert [record.width for record in bench.pulses] == [5e-4] * 3
    assert tell(bench, "smu", "print(smua.nvbuffer1.n)") == "3.00000e+00\n"


def test_a_trigger_over_the_interface_starts_a_sweep() -> None:
    bench = keithley_bench()
    load_pulse(bench)
    tell(bench, "smu", "smua.trigger.source.stimulus = 0 smua.trigger.measure.stimulus = 0")
    tell(bench, "smu", "smua.trigger.endpulse.stimulus = 0 smua.trigger.count = 2")
    tell(bench, "smu", "smua.trigger.source.listv({0.1, 0.2}) smua.trigger.arm.stimulus = trigger.EVENT_ID")
    tell(bench, "smu", "smua.trigger.initiate()")
    assert tell(bench, "smu", "print(status.operation.sweeping.condition)") == "0.00000e+00\n"
    tell(bench, "smu", "*TRG")
    assert tell(bench, "smu", "*OPC?", "print(smua.nvbuffer2[2])") == "1\n2.00000e-01\n"


def test_two_instruments_in_step_over_their_trigger_lines() -> None:
    """The matrix steps on its own script and each closure triggers one pulse, whose end lets it go on."""
    array = usual_array()
    bench = keithley_bench(array)
    load_pulse(bench)
    setup = """
    smua.trigger.source.listv({0.2}) smub.trigger.source.listv({-0.2})
    smua.trigger.count = 3 smub.trigger.count = 3
    for _, smu in ipairs({smua, smub}) do smu.trigger.measure.action = smu.DISABLE end
    trigger.timer[1].count = 1 trigger.timer[1].delay = 0 trigger.timer[1].passthrough = false
    trigger.timer[1].stimulus = digio.trigger[1].EVENT_ID
    trigger.timer[3].delay = 5e-4
    digio.trigger[2].stimulus = smua.trigger.PULSE_COMPLETE_EVENT_ID
    smub.trigger.initiate() smua.trigger.initiate()
    """
    tell(bench, "smu", "loadandrunscript", *setup.split("\n"), "endscript")
    steps = """
    for _, where in ipairs({"1A01,1B05", "1A02,1B06", "1A03,1B07"}) do
       channel.exclusiveclose(where)
       digio.trigger[1].assert()
       print(digio.trigger[2].wait(1))
    end
    """
    assert tell(bench, "matrix", "loadandrunscript", *steps.split("\n"), "endscript") == "true\n" * 3
    assert [record.width for record in bench.pulses] == [5e-4] * 3
    assert [int(np.isfinite(record.rows).argmax()) for record in bench.pulses] == [0, 1, 2]


def test_one_script_drives_both_instruments_over_tsp_link() -> None:
    bench = keithley_bench()
    assert tell(bench, "smu", "print(tsplink.reset())") == "2.00000e+00\n"
    tell(bench, "smu", 'node[2].channel.close("1A01,1B05")')
    assert tell(bench, "matrix", 'print(channel.getclose("allslots"))') == "1A01;1B05\n"
    assert tell(bench, "smu", "node[1].smua.source.levelv = 0.1 print(smua.source.levelv)") == "1.00000e-01\n"
    tell(bench, "smu", "x = node[3]")
    assert "Invalid node ID" in tell(bench, "smu", "print(errorqueue.next())")


KEYSIGHT_PULSE = (
    ":SOUR1:FUNC:SHAP PULS;:SOUR2:FUNC:SHAP PULS;:SOUR1:VOLT:TRIG 0.2;:SOUR2:VOLT:TRIG -0.2",
    ":SENS1:CURR:PROT 1e-3;:SENS2:CURR:PROT 1e-3;:SENS1:CURR:APER 2e-5;:SENS2:CURR:APER 2e-5",
    ":SOUR1:PULS:DEL 2e-5;WIDT 1e-4;:SOUR2:PULS:DEL 2e-5;WIDT 1e-4",
    ":TRIG1:SOUR TIM;TIM 1e-3;COUN 3;:TRIG2:SOUR TIM;TIM 1e-3;COUN 3",
    ":TRIG1:ACQ:DEL 7e-5;:TRIG2:ACQ:DEL 7e-5;:OUTP1 ON;:OUTP2 ON",
)


def test_b2900_pulses_both_channels_in_step_as_one_pulse_of_the_array() -> None:
    array = usual_array()
    bench = keysight_bench(array)
    tell(bench, "matrix", 'channel.close("1A03,1B06")')
    tell(bench, "smu", *KEYSIGHT_PULSE)
    before = bench.timeline.now
    tell(bench, "smu", ":INIT (@1,2)")
    assert tell(bench, "smu", "*OPC?") == "1\n"
    assert bench.timeline.now - before == 200_000 + 2_000_000 + 120_000
    assert [record.width for record in bench.pulses] == [1e-4] * 3
    assert array.state[2, 1] == 1
    reply = bench.emulators["smu"].receive(b":FORM REAL,64;:FETC:ARR:CURR? (@1)")
    first, second, _ = struct.unpack(">3d", reply[4:-1])
    assert second > 1.3 * first > 0.0, "the first pulse switched the cell, the second saw it"


def test_b2900_protection_switches_off() -> None:
    bench = keysight_bench()
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    tell(bench, "smu", ":OUTP1:PROT ON;:SENS1:CURR:PROT 1e-7;:OUTP2 ON;:SOUR1:VOLT 0.1;:OUTP1 ON")
    assert tell(bench, "smu", ":OUTP1?") == "0\n"
    tell(bench, "smu", ":OUTP1:PROT OFF;:OUTP1 ON")
    assert tell(bench, "smu", ":OUTP1?;:SENS1:CURR:PROT:TRIP?") == "1;1\n"


def test_realtime_takes_the_time_it_says() -> None:
    array: DieArray = usual_array()
    bench = Bench(matrix_wiring({"A": Port("smu", 1)}, ROWS, COLUMNS), {0: array}, realtime=True)
    Keithley2600B(bench)
    began = bench.timeline.now
    tell(bench, "smu", "delay(0.05)")
    assert bench.timeline.now - began >= 50_000_000
