"""From a bench file to a twin: the same die as the simulated backend, and wires that lead where it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtjloop.drivers.bench import open_bench, read_bench_file
from mtjloop.drivers.contract import Bias, Pulse
from mtjloop.drivers.emulated import emulated_bench, serve_bench
from mtjloop.drivers.guard import Guard
from mtjloop.drivers.simulated import SimulatedCrossbar
from mtjloop.errors import ConfigurationError

from .benches import DIE, bench_text, described, description
from .conftest import tell

MODELS = ("keithley-2600b", "keysight-b2900")


def simulated_states(seed: int, **changes: str) -> list[list[int]]:
    crossbar = open_bench(description(backend="simulated", **changes), seed).crossbars[0]
    assert isinstance(crossbar, Guard)
    hidden = crossbar._crossbar
    assert isinstance(hidden, SimulatedCrossbar)
    return [[int(one) for one in row] for row in hidden.array.state]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", [0, 7])
def test_the_die_is_that_of_the_simulated_backend(model: str, seed: int) -> None:
    bench = emulated_bench(description(model), seed)
    assert bench.arrays[0].state.tolist() == simulated_states(seed)


def test_the_seed_of_the_file_wins() -> None:
    die = DIE.replace("tiles:", "seed: 5, tiles:")
    assert emulated_bench(description(die=die), 1).arrays[0].state.tolist() == simulated_states(5)


def test_wires_lead_where_the_file_says() -> None:
    """A read of row 4 and column 2 alone, through relays, gives the current of the simulated backend."""
    bench = emulated_bench(description(), 3, noise=False)
    points = ["1A05", "2B03", *(f"1C{i + 1:02d}" for i in range(6) if i != 4)]
    tell(bench, "matrix", f'channel.close("{",".join([*points, "2C01", "2C02", "2C04", "2C05"])}")')
    tell(bench, "smu", "smua.source.levelv = 0.1 smua.source.output = 1 smub.source.output = 1")
    current = -float(tell(bench, "smu", "format.asciiprecision = 16 print(smub.measure.i())"))
    crossbar = open_bench(description(backend="simulated"), 3).crossbars[0]
    levels = np.zeros(6)
    levels[4] = 0.1
    quiet = description(backend="simulated", die=DIE + "  electronics: {read_noise: 0 A}\n")
    crossbar = open_bench(quiet, 3).crossbars[0]
    assert current == pytest.approx(float(crossbar.read(Bias(levels)).currents[2]), rel=1e-6)


def test_pulses_flip_the_cells_that_the_simulated_backend_flips() -> None:
    """Ten pulses on all rows against all columns, at about the median voltage: the same flips."""
    bench = emulated_bench(description(), 3, noise=False)
    rows, columns = ",".join(f"1A{k:02d}" for k in range(1, 7)), ",".join(f"2C{k:02d}" for k in range(1, 6))
    tell(bench, "matrix", f'channel.close("{rows},{columns}")')
    setup = """
    smua.source.autorangev = 0 smua.source.rangev = 2 smua.source.limiti = 0.1 smua.measure.nplc = 0.001
    smua.trigger.source.action = smua.ENABLE smua.trigger.endpulse.action = smua.SOURCE_IDLE
    trigger.timer[1].delay = 200e-6 trigger.timer[1].stimulus = smua.trigger.SOURCE_COMPLETE_EVENT_ID
    smua.trigger.endpulse.stimulus = trigger.timer[1].EVENT_ID
    smua.trigger.count = 1 smua.source.output = 1
    """
    tell(bench, "smu", " ".join(setup.split()))
    crossbar = open_bench(description(backend="simulated"), 3).crossbars[0]
    assert isinstance(crossbar, Guard)
    flips = 0
    for number in range(10):
        level = (-1.0) ** number * 0.27
        before = bench.arrays[0].state
        tell(bench, "smu", f"smua.trigger.source.listv({{{level}}}) smua.trigger.initiate() waitcomplete()")
        crossbar.apply(Pulse(np.full(6, level), np.zeros(5), 200e-6))
        hidden = crossbar._crossbar
        assert isinstance(hidden, SimulatedCrossbar)
        assert (bench.arrays[0].state == hidden.array.state).all()
        flips += int((bench.arrays[0].state != before).sum())
    assert tell(bench, "smu", "print(errorqueue.count)") == "0.00000e+00\n"
    assert flips > 10


def test_identities_carry_the_serial_numbers_of_the_file() -> None:
    bench = emulated_bench(description())
    assert "7070707" in tell(bench, "matrix", "*IDN?")
    assert tell(bench, "smu", "*IDN?") == "Keithley Instruments Inc., Model 2636B, 4012345, 3.2.2\n"


def test_a_chip_with_a_memory_keeps_its_states_between_twins(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text(bench_text(die=DIE + "  memory: chip.npz\n"), encoding="utf-8")
    bench = read_bench_file(path)
    with serve_bench(bench, 2) as served:
        array = served.bench.arrays[0]
        flipped = 1 - array.state
        array.set_state(flipped)
    with serve_bench(bench, 2) as served:
        assert (served.bench.arrays[0].state == flipped).all()
    path.write_text(path.read_text(encoding="utf-8").replace("backend: smu", "backend: simulated"), "utf-8")
    with open_bench(read_bench_file(path), 2) as simulated:
        crossbar = simulated.crossbars[0]
        assert isinstance(crossbar, Guard)
        hidden = crossbar._crossbar
        assert isinstance(hidden, SimulatedCrossbar)
        assert (hidden.array.state == flipped).all()


def test_what_is_missing_is_named() -> None:
    whole = description()
    for key in ("smu", "simulated"):
        content = whole.content.model_copy(update={key: None})
        with pytest.raises(ConfigurationError, match=f"{key}: this key is missing"):
            emulated_bench(replace(whole, content=content))


def test_a_model_without_an_emulator_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    text = bench_text().replace("keithley-707b", "keithley-3706a").replace("A: smu.a", "'1': smu.a")
    text = text.replace("B: smu.b", "'2': smu.b").replace("C: ground", "'3': ground")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="does not emulate a keithley-3706a"):
        emulated_bench(read_bench_file(path))


def test_cards_are_as_wide_as_the_wiring_needs() -> None:
    wide = bench_text().replace("matrix.2.1-5", "matrix.2.40-44")
    bench = emulated_bench(described(wide))
    tell(bench, "matrix", 'channel.close("2A44")')
    assert tell(bench, "matrix", 'print(channel.getclose("allslots"))') == "2A44\n"
