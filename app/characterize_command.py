"""`mtjloop characterize`: measure switching probabilities of chosen devices, trial by trial."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from ..drivers.bench import BenchDescription, read_bench_file
from ..drivers.die_file import JunctionSection
from ..protocols.calibration import DEFAULT_PROBABILITY, calibrate
from ..protocols.recorded import RecordedCrossbar
from ..protocols.switching.campaign import Campaign, CampaignResult, LivePoint
from ..protocols.switching.disturb import DisturbResult, watch_disturb
from ..protocols.switching.intervals import wilson
from ..protocols.switching.settings import LineResistances
from ..protocols.switching.trial import TrialTile
from ..records.tallies import POLARITY_NAMES
from .console import ConsoleMonitor
from .experiment_file import operation_settings
from .format import count, percent, quantity
from .plan_file import PlanDescription, read_plan_file
from .session import Session, configuration, session

PLAN = "plan"
"""Role under which a run keeps its plan file."""
_SHOWN = 24


def characterize(
    bench_path: Path, plan_path: Path, seed: int, runs: Path, arm: bool = False
) -> dict[str, object]:
    """Run a plan on a bench and record every trial.

    Args:
        bench_path: bench file.
        plan_path: plan file.
        seed: of random samples and orders and, where the bench file leaves it open, of the die.
        runs: directory of all runs.
        arm: let a bench of instruments be energised.

    Returns:
        The result as JSON goes.

    Raises:
        MtjloopError: anything a user can meet.
    """
    bench = read_bench_file(bench_path)
    plan = read_plan_file(plan_path)
    settings = plan.settings(bench, law_time_unit(bench), known_lines(bench))
    tiles = plan.tiles(bench.shapes)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 11]))
    cells = {number: plan.cells(bench.shapes[number], rng) for number in tiles}
    read, pulse = operation_settings(bench.content)
    files = {PLAN: configuration(plan.path, plan.text)}
    with session(
        "characterize", plan.content.name, bench, seed, runs, files, plan.content.record, arm
    ) as now:
        results: list[dict[str, object]] = []
        for number in tiles:
            crossbar = RecordedCrossbar(now.bench.crossbars[number], number, now.recorder)
            with crossbar.during("calibrate"):
                calibration = calibrate(
                    crossbar, read, pulse, DEFAULT_PROBABILITY, rng, now.monitor, f"calibrate tile {number}"
                )
            with crossbar.during("characterize"):
                tile = TrialTile(crossbar, calibration, read, pulse, settings.lines, now.recorder)
                _record_levels(now, tile)
                campaign = Campaign(
                    tile, cells[number], settings, pulse, rng, now.recorder, now.monitor, _shower(now.monitor)
                )
                measured = campaign.run()
            disturbed = None
            if settings.disturb is not None and not measured.interrupted:
                with crossbar.during("disturb"):
                    disturbed = watch_disturb(tile, campaign.cells, settings, rng, now.recorder, now.monitor)
            results.append(_tile_result(number, len(cells[number]), crossbar, measured, disturbed))
            now.interrupted = measured.interrupted or (disturbed is not None and disturbed.interrupted)
            if now.interrupted:
                break
        now.result = _result(bench, plan, results, seed, now)
    return now.result


def law_time_unit(bench: BenchDescription) -> float:
    """tau_D in s of the junction that a bench file describes; of the default one where it describes none."""
    section = bench.content.simulated
    junction = section.die.junction if section is not None else JunctionSection()
    return junction.description().time_unit


def known_lines(bench: BenchDescription) -> LineResistances:
    """Resistances in series that a bench file states; 0 where it states none."""
    section = bench.content.simulated
    if section is None:
        return LineResistances()
    wires, transistors = section.wires, section.die.access()
    return LineResistances(
        wires.row_segment,
        wires.column_segment,
        wires.driver,
        0.0 if transistors is None else transistors.on_resistance,
    )


def live_table(points: list[LivePoint]) -> Table:
    """k/n, P and Wilson interval of the points with most trials, in order of polarity, width and voltage."""
    most = sorted(points, key=lambda each: -each.trials)[:_SHOWN]
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("polarity", "width", "voltage", "k/n", "P", "95 % (Wilson)"):
        table.add_column(heading, justify="right")
    for each in sorted(most, key=lambda one: (-one.polarity, one.width, one.voltage)):
        low, high = wilson(each.switched, each.trials)
        table.add_row(
            POLARITY_NAMES[each.polarity],
            quantity(each.width, "s"),
            quantity(each.voltage, "V", 4),
            f"{each.switched}/{each.trials}",
            percent(each.switched / each.trials),
            f"{percent(low)} to {percent(high)}",
        )
    return table


def print_characterize(result: dict[str, object]) -> None:
    """How a characterisation went."""
    tiles = result["tiles"]
    for tile in tiles if isinstance(tiles, list) else []:
        print(
            f"tile {tile['tile']}: {count(tile['trials'])} trials on {tile['devices']} devices in "
            f"{tile['blocks']} blocks; resets failed {count(tile['reset_failed'])}, unreadable "
            f"{count(tile['unreadable'])}; {tile['control_switched']} of {count(tile['controls'])} switched "
            f"at 0 V; {count(tile['pulses'])} pulses, {quantity(tile['bench_time_s'], 's')} of bench time"
        )
        if tile["cells_left_out"]:
            print(f"  {tile['cells_left_out']} cells show one level only and were left out")
        for each in tile["disturb"] or ():
            print(
                f"  half-selected at {quantity(each['voltage'], 'V')} while a cell is selected at "
                f"{quantity(each['select_voltage'], 'V')}, {POLARITY_NAMES[each['polarity']]}: "
                f"{each['flips']} flips in {count(each['exposures'])} pulses of "
                f"{quantity(each['width'], 's')}; resets failed {count(each['reset_failed'])}, unreadable "
                f"{count(each['unreadable'])}"
            )
    if result["interrupted"]:
        print("interrupted: the trials so far are kept")
    print(f"run: {result['run_dir']}")
    print(f"next: mtjloop probabilities {result['run_dir']}; mtjloop fit {result['run_dir']}")


def _shower(monitor: ConsoleMonitor) -> Callable[[list[LivePoint]], None]:
    """Shows the counts of a campaign above the progress bars."""
    return lambda points: monitor.show(live_table(points))


def _record_levels(now: Session, tile: TrialTile) -> None:
    """Keep the levels and the margin by which states of this tile are told."""
    number, levels = tile.crossbar.tile, tile.calibration.levels
    now.recorder.record_array(f"parallel_ohm_{number}", levels.parallel)
    now.recorder.record_array(f"antiparallel_ohm_{number}", levels.antiparallel)
    now.recorder.record_array(f"stuck_{number}", levels.stuck)
    margin = tile.noise_margin()
    now.recorder.record_array(f"margin_sigma_{number}", margin)
    least = float(np.nanmin(margin)) if np.isfinite(margin).any() else float("nan")
    now.recorder.message(
        "warning" if least < 6.0 else "info",
        f"tile {number}: states are told by each device's own two levels; from the middle to a level are "
        f"{least:.3g} standard deviations of the read noise or more"
        + ("; raise operation.read_voltage or operation.read_repeats" if least < 6.0 else ""),
    )


def _tile_result(
    number: int,
    asked: int,
    crossbar: RecordedCrossbar,
    measured: CampaignResult,
    disturbed: DisturbResult | None,
) -> dict[str, object]:
    devices = {polarity: len(each) for polarity, each in measured.devices.items()}
    return {
        "tile": number,
        "devices": max(devices.values()),
        "cells_left_out": asked - max(devices.values()),
        "blocks": measured.blocks,
        "trials": measured.trials,
        "reset_failed": measured.reset_failed,
        "unreadable": measured.unreadable,
        "controls": measured.controls,
        "control_switched": measured.control_switched,
        "pulses": crossbar.totals.pulses,
        "reads": crossbar.totals.reads,
        "energy_J": crossbar.totals.energy,
        "bench_time_s": crossbar.totals.elapsed,
        "disturb": None
        if disturbed is None
        else [
            {
                "polarity": each.polarity,
                "select_voltage": each.select_voltage,
                "voltage": each.voltage if math.isfinite(each.voltage) else None,
                "width": each.width,
                "exposures": each.exposures,
                "flips": each.flips,
                "reset_failed": each.reset_failed,
                "unreadable": each.unreadable,
            }
            for each in disturbed.points
        ],
    }


def _result(
    bench: BenchDescription, plan: PlanDescription, tiles: list[dict[str, object]], seed: int, now: Session
) -> dict[str, object]:
    return {
        "name": plan.content.name,
        "bench": bench.content.name,
        "design": plan.content.design.kind,
        "tiles": tiles,
        "seed": seed,
        "interrupted": now.interrupted,
        "run_dir": str(now.recorder.directory),
    }
