"""Trials through the contract: what is pulsed, what each device sees, how outcomes are told and counted."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.app.dry_run_command import KeptJournal
from mtjloop.app.init_command import template
from mtjloop.drivers.bench import BenchDescription, BenchFile, open_bench
from mtjloop.drivers.contract import Applied, Capabilities, Crossbar, Pulse, Timing
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ProtocolError
from mtjloop.protocols.calibration import calibrate
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.recorded import RecordedCrossbar
from mtjloop.protocols.selection import TO_AP, TO_P, Scheme, select_pulse
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.switching.campaign import Campaign
from mtjloop.protocols.switching.disturb import watch_disturb
from mtjloop.protocols.switching.lines import all_junction_voltages, junction_voltages
from mtjloop.protocols.switching.settings import (
    BlockSettings,
    CharacterizeSettings,
    DisturbSettings,
    GridSettings,
    LineResistances,
    Precision,
)
from mtjloop.protocols.switching.shots import Request, Shot, row_shot_pulse, sorted_into_shots
from mtjloop.protocols.switching.trial import RESET_FAILED, STAYED, SWITCHED, TrialTile
from mtjloop.sim.network import Wires, solve

Ideal = Callable[..., Any]
READ = ReadSettings(0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
RNG = np.random.default_rng


class Kept(KeptJournal):
    """A journal that keeps trials and messages."""

    def __init__(self) -> None:
        super().__init__()
        self.trials: list[dict[str, Any]] = []

    def record_trials(self, *args: object, **entries: Any) -> None:
        tile, polarity, block, pulse = args
        self.trials.append({"tile": tile, "polarity": polarity, "block": block, "pulse": pulse, **entries})


def capabilities(**changes: Any) -> Capabilities:
    values: dict[str, Any] = {
        "rows": 4, "columns": 5, "kind": "passive", "voltage_range": 2.0, "voltage_resolution": 1e-3,
        "minimum_width": 1e-6, "maximum_width": 1.0, "width_resolution": 0.0, "distinct_levels": None,
        "read_levels": None,
        "floating_lines": True, "transposed_read": True, "gate_lines": False,
        "timing": Timing(1e-5, 1e-5, 1e-5),
    }  # fmt: skip
    return Capabilities(**{**values, **changes})


def seen(pulse: Pulse) -> NDArray[np.float64]:
    return pulse.rows[:, None] - pulse.columns[None, :]


def simulated(extra: str = "") -> Crossbar:
    text = template("bench.yaml").replace("rows: 14, columns: 24", "rows: 6, columns: 5") + extra
    content = parse_yaml(text, "bench.yaml", BenchFile)
    return open_bench(BenchDescription(Path("bench.yaml"), text, content), seed=5).crossbars[0]


def tile_of(crossbar: Crossbar, journal: Any = None, lines: LineResistances | None = None) -> TrialTile:
    recorded = RecordedCrossbar(crossbar, 0, journal)
    found = calibrate(recorded, READ, PULSE, 0.5, RNG(1), SilentMonitor())
    return TrialTile(recorded, found, READ, PULSE, lines or LineResistances(), journal)


@pytest.mark.parametrize("polarity", [TO_P, TO_AP])
@pytest.mark.parametrize("columns", [[0, 1, 2, 3, 4], [1, 3]])
def test_each_cell_of_a_shot_sees_its_own_voltage(polarity: int, columns: list[int]) -> None:
    volts = np.array([0.301, 0.287, 0.322, 0.299, 0.310])[: len(columns)]
    shot = Shot(2, np.array(columns), ("trial",) * len(columns), volts, 1e-4)
    found = seen(row_shot_pulse(capabilities(), shot, polarity, "half"))
    assert polarity * found[2, columns] == pytest.approx(volts, abs=1e-12)
    found[2, columns] = 0.0
    # All others see at most V/2, or the differences between columns where the whole row is pulsed.
    assert np.abs(found).max() < (0.03 if len(columns) == 5 else 0.17)


def test_gates_of_other_rows_stay_closed() -> None:
    shot = Shot(1, np.array([0, 4]), ("trial",) * 2, np.array([0.3, 0.2]), 2e-4)
    pulse = row_shot_pulse(capabilities(gate_lines=True, kind="1T1R"), shot, TO_AP, "half")
    assert np.asarray(pulse.width).tolist() == [0.0, 2e-4, 0.0, 0.0]
    assert seen(pulse)[1] == pytest.approx([-0.3, 0.0, 0.0, 0.0, -0.2])


def test_a_control_leaves_every_line_at_0() -> None:
    shot = Shot(0, np.array([2, 3]), ("control",) * 2, np.zeros(2), 1e-4)
    pulse = row_shot_pulse(capabilities(), shot, TO_P, "half")
    assert not pulse.rows.any() and not pulse.columns.any()


def test_sorting_keeps_every_request_once() -> None:
    wanted: dict[int, Sequence[Request]] = {
        0: [Request("trial", 0.3, 1e-4)] * 7 + [Request("control", 0.0, 1e-4)] * 2,
        2: [Request("trial", 0.2, 1e-3)] * 5 + [Request("reference", 0.3, 1e-4)] * 3,
    }
    shots = [one for group in sorted_into_shots(capabilities(), 3, wanted, True, RNG(0)) for one in group]
    counted: dict[int, list[tuple[str, float, float]]] = {0: [], 2: []}
    for shot in shots:
        for column, kind, volt in zip(shot.columns.tolist(), shot.kinds, shot.voltages.tolist(), strict=True):
            counted[column].append((kind, volt, shot.width))
    for column, requests in wanted.items():
        assert sorted(counted[column]) == sorted((one.kind, one.voltage, one.width) for one in requests)
    assert len({len(shot.columns) for shot in shots}) > 1


def test_a_bench_of_two_levels_gets_one_voltage_a_shot() -> None:
    able = capabilities(distinct_levels=2)
    wanted: dict[int, Sequence[Request]] = {
        c: [Request("trial", 0.2 + 0.01 * k, 1e-4 if k % 2 else 1e-3) for k in range(c + 3)]
        + [Request("control", 0.0, 1e-4)]
        for c in range(4)
    }
    groups = sorted_into_shots(able, 0, wanted, True, RNG(0))
    counted: dict[int, list[tuple[str, float, float]]] = {c: [] for c in range(4)}
    for group in groups:
        cells = [c for shot in group for c in shot.columns.tolist()]
        assert len(cells) == len(set(cells))  # each cell once between two reads
        kinds = {kind for shot in group for kind in shot.kinds}
        assert kinds in ({"trial"}, {"control"})
        for shot in group:
            assert len(set(shot.voltages.tolist())) == 1
            for c, kind, volt in zip(shot.columns.tolist(), shot.kinds, shot.voltages.tolist(), strict=True):
                counted[c].append((kind, volt, shot.width))
    for c, requests in wanted.items():
        assert sorted(counted[c]) == sorted((one.kind, one.voltage, one.width) for one in requests)
    assert len(groups) == 6 + 1  # as many as the longest queue, whatever the widths
    grid = {c: [Request("trial", 0.2 + 0.01 * k, 1e-4) for k in range(5)] for c in range(4)}
    assert [len(group) for group in sorted_into_shots(able, 0, grid, True, RNG(0))] == [1] * 5
    alone = sorted_into_shots(able, 0, grid, False, RNG(0))
    assert [[len(shot.columns) for shot in group] for group in alone] == [[1]] * 20


def test_trials_of_a_bench_of_two_levels_come_in_random_order() -> None:
    wanted = {c: [Request("trial", 0.2 + 0.01 * k, 1e-4) for k in range(30)] for c in range(2)}
    groups = sorted_into_shots(capabilities(distinct_levels=2), 0, wanted, True, RNG(4))
    volts = [float(group[0].voltages[0]) for group in groups]
    assert abs(np.corrcoef(volts, np.arange(30))[0, 1]) < 0.4


def test_shots_between_two_reads_pulse_each_cell_at_its_own_voltage(ideal: Ideal) -> None:
    crossbar, journal = ideal(4, 6, median_voltage=0.3), Kept()
    tile = tile_of(crossbar, journal)
    crossbar.stuck = {(1, 4): 1}
    before = len(crossbar.pulses)
    high = Shot(1, np.array([0, 3]), ("trial",) * 2, np.full(2, 0.6), 1e-4)
    low = Shot(1, np.array([2, 4]), ("trial", "reference"), np.full(2, 0.1), 1e-3)
    first, second = tile.shots([high, low], TO_P, block=7)
    assert first.outcomes.tolist() == [SWITCHED, SWITCHED]
    assert second.outcomes.tolist() == [STAYED, RESET_FAILED]
    assert len(crossbar.pulses) - before == 3  # one reset for all, one pulse a shot
    reset, one, other = (seen(pulse)[1] for pulse in crossbar.pulses[before:])
    assert (reset[[0, 2, 3, 4]] < -0.3).all()
    assert one[[0, 3]] == pytest.approx([0.6, 0.6]) and np.abs(one[[1, 2, 4, 5]]).max() < 0.31
    assert other[2] == pytest.approx(0.1) and abs(other[4]) < 0.06
    assert [kept["columns"].tolist() for kept in journal.trials] == [[0, 3], [2, 4]]
    assert [kept["width"] for kept in journal.trials] == [1e-4, 1e-3]
    assert [kept["states_after"].tolist() for kept in journal.trials] == [[1, 1], [0, 1]]
    assert {kept["block"] for kept in journal.trials} == {7}


@pytest.mark.parametrize("columns", [[0, 1, 2, 3, 4, 5, 6, 7], [6]])
def test_the_drop_along_lines_is_that_of_the_network(columns: list[int]) -> None:
    rows = 6
    rng = RNG(3)
    resistance = np.where(rng.random((rows, 8)) < 0.5, 5e3, 1.1e4)
    volts = rng.uniform(0.25, 0.35, len(columns))
    shot = Shot(4, np.array(columns), ("trial",) * len(columns), volts, 1e-4)
    pulse = row_shot_pulse(capabilities(rows=rows, columns=8, voltage_resolution=0.0), shot, TO_P, "half")
    solved = solve(
        1.0 / resistance, pulse.rows, pulse.columns, Wires(3.0, 2.0, 5.0, 5.0),
        row_resistance=5.0, column_resistance=5.0,
    )  # fmt: skip
    lines = LineResistances(row_segment=3.0, column_segment=2.0, driver=5.0)
    truth = solved.voltages[4, columns]
    for applied in (
        Applied(1e-4, 1e-4, row_currents=solved.row_currents, column_currents=solved.column_currents),
    ):
        found = junction_voltages(lines, pulse, applied, resistance, 4, shot.columns, False)
        assert found == pytest.approx(truth, rel=5e-4)
    assert np.abs(volts / truth - 1.0).max() > 5e-3
    # Cells of the row may have switched since they were read; the measured current of the row tells.
    stale = resistance.copy()
    stale[4] = np.where(np.arange(8) % 2, 5e3, 1.1e4)
    stale[4, columns] = resistance[4, columns]
    some = Applied(1e-4, 1e-4, some_rows={4: float(solved.row_currents[4])})
    told = junction_voltages(lines, pulse, some, stale, 4, shot.columns, False)
    untold = junction_voltages(lines, pulse, Applied(1e-4, 1e-4), stale, 4, shot.columns, False)
    assert told == pytest.approx(truth, rel=2e-3)
    assert np.abs(told / truth - 1.0).max() <= np.abs(untold / truth - 1.0).max()
    rough = junction_voltages(lines, pulse, Applied(1e-4, 1e-4), resistance, 4, shot.columns, False)
    assert rough == pytest.approx(truth, rel=1e-3)


def test_outcomes_are_told_and_recorded(ideal: Ideal) -> None:
    crossbar, journal = ideal(4, 5, median_voltage=0.3), Kept()
    tile = tile_of(crossbar, journal)
    crossbar.stuck = {(1, 2): 1}
    volts = np.array([0.6, 0.1, 0.6, 0.6])
    result = tile.shot(Shot(1, np.arange(4), ("trial",) * 4, volts, 1e-4), TO_P, block=3)
    assert result.outcomes.tolist() == [SWITCHED, STAYED, RESET_FAILED, SWITCHED]
    (kept,) = journal.trials
    assert kept["outcomes"].tolist() == [SWITCHED, STAYED, RESET_FAILED, SWITCHED]
    assert kept["states_before"].tolist() == [0, 0, 1, 0]
    assert kept["states_after"].tolist() == [1, 0, 1, 1]
    assert kept["resistances_before"] == pytest.approx([1e4, 1e4, 5e3, 1e4])
    assert kept["block"] == 3 and kept["pulse"] is not None
    # A cell that is not in its start state is not pulsed.
    assert abs(seen(crossbar.pulses[-1])[1, 2]) < 0.31


def test_a_resistance_between_the_levels_is_no_state(ideal: Ideal) -> None:
    tile = tile_of(ideal(2, 2))
    middle = float(np.sqrt(5e3 * 1e4))
    states = tile.levels.states(np.array([5e3, middle]), 0, np.arange(2))
    assert states.tolist() == [1, -1]
    assert tile.levels.states(np.array([np.inf, 9.9e3]), 0, np.arange(2)).tolist() == [-1, 0]


def campaign(tile: TrialTile, settings: CharacterizeSettings, journal: Any = None) -> Campaign:
    rows, columns = tile.crossbar.capabilities.shape
    cells = [(i, j) for i in range(rows) for j in range(columns)]
    return Campaign(tile, cells, settings, PULSE, RNG(2), journal, SilentMonitor())


def test_a_grid_measures_every_point_in_every_block(ideal: Ideal) -> None:
    journal = Kept()
    tile = tile_of(ideal(2, 3, median_voltage=0.3), journal)
    settings = CharacterizeSettings(
        widths=(1e-4,), design=GridSettings((0.28, 0.3, 0.32)), block=BlockSettings(9, 2, 1), maximum=37,
        precision=None,
    )  # fmt: skip
    result = campaign(tile, settings, journal).run()
    assert result.blocks == 3
    assert result.control_switched == 0 and result.controls == 2 * 6 * 3
    for devices in result.devices.values():
        for device in devices:
            assert device.sent == 36 and device.done == "maximum"
            trials = {volt: counts[1] for (volt, _), counts in device.counts.items()}
            assert sum(trials.values()) == 33
            assert [trials[volt] for volt in (0.28, 0.3, 0.32)] == [9, 9, 9]
    assert any("fixed size" in text for _, text in journal.messages)
    assert {trial["block"] for trial in journal.trials} == {0, 1, 2}


def test_adaptive_trials_gather_where_the_device_switches() -> None:
    tile = tile_of(simulated())
    settings = CharacterizeSettings(widths=(1e-5, 1e-3), maximum=300, precision=None)
    result = campaign(tile, settings).run()
    assert result.reset_failed == 0
    for devices in result.devices.values():
        shares = [(counts[0] / counts[1]) for d in devices for counts in d.counts.values() if counts[1] >= 40]
        assert 0.02 < np.median(shares) < 0.98
        assert np.median([d.sigma[1] for d in devices]) < 0.02
        assert {width for d in devices for _, width in d.counts} >= {1e-5, 1e-3}


def test_a_device_stops_when_it_is_known_well_enough() -> None:
    tile = tile_of(simulated())
    settings = CharacterizeSettings(widths=(1e-5, 1e-3), maximum=2000, precision=Precision(0.2, 0.05))
    result = campaign(tile, settings).run()
    done = [device for devices in result.devices.values() for device in devices]
    assert {device.done for device in done} == {"precision"}
    assert max(device.sent for device in done) < 1000
    assert all(device.sent % settings.block.size == 0 for device in done)


def test_stuck_cells_are_left_out(ideal: Ideal) -> None:
    tile = tile_of(ideal(3, 3, stuck={(0, 1): 1}))
    settings = CharacterizeSettings(widths=(1e-4,), design=GridSettings((0.3,)), maximum=50, precision=None)
    made = campaign(tile, settings)
    assert len(made.cells) == 8 and (0, 1) not in made.cells
    with pytest.raises(ProtocolError, match="none of the 1 cells"):
        Campaign(tile, [(0, 1)], settings, PULSE, RNG(0), None, SilentMonitor())


def test_disturb_counts_flips_of_half_selected_neighbours(ideal: Ideal) -> None:
    crossbar, journal = ideal(4, 4, median_voltage=0.3), Kept()
    tile = tile_of(crossbar, journal)
    settings = CharacterizeSettings(
        widths=(1e-4,), polarities=(TO_P,), disturb=DisturbSettings((0.5,), 1e-4, pulses=20, rounds=3)
    )
    (point,) = watch_disturb(tile, [(1, 1)], settings, RNG(0), journal, SilentMonitor()).points
    p = crossbar.probability(0.25)
    expected = 1.0 - (1.0 - p) ** 20
    assert point.select_voltage == 0.5 and point.voltage == pytest.approx(0.25)
    assert point.reset_failed == point.unreadable == 0
    assert point.exposures == 3 * 6 * 20
    assert abs(point.flips - 18 * expected) < 5 * np.sqrt(18 * expected * (1 - expected)) + 1
    assert all(set(trial["kinds"]) == {"disturb"} and trial["repeat"] == 20 for trial in journal.trials)


@pytest.mark.parametrize(
    ("scheme", "gates", "share"),
    [("half", False, 0.5), ("ground", False, 0.5), ("third", False, 1 / 3), ("half", True, 0.0)],
)
def test_half_selected_cells_are_told_at_the_voltage_they_see(
    ideal: Ideal, scheme: Scheme, gates: bool, share: float
) -> None:
    crossbar, journal = ideal(4, 4, median_voltage=0.3, gates=gates), Kept()
    tile = tile_of(crossbar, journal)
    settings = CharacterizeSettings(
        widths=(1e-4,),
        polarities=(TO_P,),
        disturb=DisturbSettings((0.3,), 1e-4, pulses=20),
        unselected=scheme,
    )
    (point,) = watch_disturb(tile, [(1, 1)], settings, RNG(0), journal, SilentMonitor()).points
    assert point.voltage == pytest.approx(share * 0.3)
    (kept,) = journal.trials
    assert kept["voltages"] == pytest.approx(share * 0.3)
    assert kept["applied_voltages"] == pytest.approx(share * 0.3)
    (pulse,) = [one for one in crossbar.pulses if one.repeat == 20]
    volts, opened = np.abs(seen(pulse)), np.broadcast_to(np.asarray(pulse.width) > 0.0, 4)
    volts[~opened] = 0.0
    volts[1, 1] = 0.0
    assert volts[1].sum() + volts[:, 1].sum() == pytest.approx(6 * share * 0.3)


def test_neighbours_that_were_not_reset_or_cannot_be_read_are_counted(ideal: Ideal) -> None:
    crossbar, journal = ideal(4, 4, median_voltage=0.3), Kept()
    tile = tile_of(crossbar, journal)
    crossbar.stuck = {(1, 2): 1, (3, 1): 1, (2, 2): 1}  # the last one is no neighbour
    settings = CharacterizeSettings(
        widths=(1e-4,), polarities=(TO_P,), disturb=DisturbSettings((0.2,), 1e-4, pulses=5)
    )
    (point,) = watch_disturb(tile, [(1, 1)], settings, RNG(0), journal, SilentMonitor()).points
    assert (point.reset_failed, point.unreadable, point.flips, point.exposures) == (2, 0, 0, 4 * 5)
    (kept,) = journal.trials
    assert sorted(kept["outcomes"].tolist()) == [STAYED] * 4 + [RESET_FAILED] * 2


@pytest.mark.parametrize(("scheme", "error"), [("half", 1e-3), ("third", 2e-3), ("float", 1e-2)])
def test_the_voltages_of_all_cells_are_those_of_the_network(scheme: Scheme, error: float) -> None:
    """A floating line settles among wires, which is left out: that costs up to 1 %."""
    rows, columns = 6, 8
    resistance = np.where(RNG(4).random((rows, columns)) < 0.5, 5e3, 1.1e4)
    chosen_row, chosen_column = np.arange(rows) == 2, np.arange(columns) == 5
    pulse = select_pulse(chosen_row, chosen_column, TO_P, 0.3, 1e-4, scheme)
    solved = solve(
        1.0 / resistance, pulse.rows, pulse.columns, Wires(3.0, 2.0, 5.0, 5.0),
        row_resistance=5.0, column_resistance=5.0,
    )  # fmt: skip
    lines = LineResistances(row_segment=3.0, column_segment=2.0, driver=5.0)
    found = all_junction_voltages(lines, pulse, Applied(1e-4, 1e-4), resistance, False)
    near = chosen_row[:, None] | chosen_column[None, :]
    truth = np.abs(solved.voltages)
    assert found[near] == pytest.approx(truth[near], rel=error)
    bare = all_junction_voltages(LineResistances(), pulse, Applied(1e-4, 1e-4), resistance, False)
    assert np.abs(found - truth)[near].sum() < 0.4 * np.abs(bare - truth)[near].sum()
