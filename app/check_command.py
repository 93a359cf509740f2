"""`mtjloop check`: passive check of a bench and, with --arm, the electrical check of its crossbars."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ..drivers.bench import BenchDescription, read_bench_file
from ..drivers.contract import Capabilities
from ..drivers.qualification import PassiveCheck, check_passively
from ..protocols.electrical import Bounds, ElectricalCheck, Verdict, check_electrically
from ..protocols.recorded import RecordedCrossbar
from ..records.checks import store_check
from .experiment_file import operation_settings
from .format import quantity
from .map_command import chosen_tiles
from .session import session

_MARKS = {
    Verdict.GOOD: ".",
    Verdict.OPEN: "O",
    Verdict.SHORT: "S",
    Verdict.OUTSIDE: "~",
    Verdict.STUCK_P: "P",
    Verdict.STUCK_AP: "A",
    Verdict.UNREAD: "?",
}
_MOST_LINES = 64
"""Lines of one tile that are all shown; of a larger one only those with a finding."""


def check_bench(
    bench_path: Path,
    *,
    arm: bool,
    switch: bool,
    tile: int | None,
    bounds: Bounds,
    seed: int,
    runs: Path,
    transcript: Path | None = None,
) -> tuple[dict[str, Any], list[tuple[int, ElectricalCheck]]]:
    """Check a bench; the passive check is kept beside the runs, the electrical one in a run of its own.

    Args:
        bench_path: bench file.
        arm: also check electrically, if the passive check passes.
        switch: also look for cells that are stuck, which takes pulses.
        tile: number of one tile for the electrical check; None for all.
        bounds: of shorts and opens.
        seed: of the die, where the bench file leaves it open.
        runs: directory of all runs.
        transcript: file for every byte to and from instruments in the passive check; None keeps none.

    Returns:
        The result as JSON goes, and the electrical checks with the numbers of their tiles.
    """
    bench = read_bench_file(bench_path)
    chosen = chosen_tiles(bench, tile)
    read, pulse = operation_settings(bench.content)

    def suits(able: Capabilities) -> None:
        read.check(able)
        pulse.check(able)

    passive = check_passively(bench, transcript, suits)
    result = _passive_result(bench, passive)
    result["report"] = str(store_check(runs, result))
    result |= {"electrical": None, "interrupted": False}
    tiles: list[tuple[int, ElectricalCheck]] = []
    if arm and passive.passed:
        result["electrical"], tiles = _electrical(bench, chosen, switch, bounds, seed, runs)
        result["passed"] = all(found.passed for _, found in tiles) and len(tiles) == len(chosen)
        result["interrupted"] = result["electrical"]["interrupted"]
    return result, tiles


def _electrical(
    bench: BenchDescription, chosen: Sequence[int], switch: bool, bounds: Bounds, seed: int, runs: Path
) -> tuple[dict[str, Any], list[tuple[int, ElectricalCheck]]]:
    read, pulse = operation_settings(bench.content)
    tiles: list[tuple[int, ElectricalCheck]] = []
    with session("check", bench.content.name, bench, seed, runs, arm=True) as now:
        for number in chosen:
            crossbar = RecordedCrossbar(now.bench.crossbars[number], number, now.recorder)
            with crossbar.during("check"):
                found = check_electrically(crossbar, read, now.monitor, bounds, pulse if switch else None)
            unknown = np.full(found.verdict.shape, -1, dtype=np.int8)
            now.recorder.record_map(number, "check", None, found.resistance, unknown)
            tiles.append((number, found))
            if found.fault is not None:
                break
        now.interrupted = now.monitor.should_stop()
        now.result = {
            "tiles": [_tile_result(number, found) for number, found in tiles],
            "interrupted": now.interrupted,
            "run_dir": str(now.recorder.directory),
        }
    return now.result, tiles


def _passive_result(bench: BenchDescription, passive: PassiveCheck) -> dict[str, Any]:
    qualification = passive.qualification
    return {
        "bench": passive.bench,
        "bench_path": str(bench.path.resolve()),
        "backend": bench.content.backend,
        "passed": passive.passed,
        "checked_utc": qualification.checked_utc,
        "bench_hash": qualification.bench_hash,
        "hash": qualification.hash,
        "identities": dict(qualification.identities),
        "instruments": [asdict(one) for one in passive.instruments],
        "findings": [asdict(one) for one in passive.findings],
    }


def _tile_result(number: int, found: ElectricalCheck) -> dict[str, Any]:
    rows, columns = found.verdict.shape
    return {
        "tile": number,
        "rows": rows,
        "columns": columns,
        "passed": found.passed,
        "fault": found.fault,
        "switched": found.switched,
        "short_below_ohm": None if found.bounds is None else _finite(found.bounds[0]),
        "open_above_ohm": None if found.bounds is None else _finite(found.bounds[1]),
        "noise_S": found.noise,
        "blind": found.blind,
        "counts": {one.name.lower(): found.count(one) for one in Verdict},
        "lines": [
            {
                "side": line.side,
                "line": line.number,
                "lowest_ohm": _finite(line.lowest),
                "median_ohm": _finite(line.median),
                "highest_ohm": _finite(line.highest),
                **{one.name.lower(): line.counts[one] for one in Verdict},
                "finding": line.finding,
            }
            for line in found.lines
        ],
        "resistance_ohm": [[_finite(float(one)) for one in row] for row in found.resistance],
        "verdict": [[Verdict(int(one)).name.lower() for one in row] for row in found.verdict],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def print_check(result: Mapping[str, Any], tiles: Sequence[tuple[int, ElectricalCheck]], armed: bool) -> None:
    """Tables for people: instruments, findings, lines, and the cells where they fit."""
    console = Console(highlight=False, soft_wrap=True)
    if result["instruments"]:
        table = _table(
            str(result["bench"]), "instrument", "model", "serial", "firmware", "interlock", "address"
        )
        for one in result["instruments"]:
            table.add_row(
                one["name"], one["model"], one["serial_number"], one["firmware"], one["interlock"] or "-",
                one["resource"],
            )  # fmt: skip
        console.print(table)
    table = _table("", "", "check", "of", "found")
    for one in result["findings"]:
        table.add_row("ok" if one["passed"] else "FAIL", one["what"], one["where"], one["detail"])
    console.print(table)
    for number, found in tiles:
        _print_tile(console, number, found)
    console.print(f"report: {result['report']}")
    if result["electrical"] is not None:
        console.print(f"run: {result['electrical']['run_dir']}")
    console.print(_verdict(result, armed))


def _verdict(result: Mapping[str, Any], armed: bool) -> str:
    if not result["passed"]:
        return "FAILED: see above"
    if armed:
        return "passed"
    if result["backend"] == "simulated":
        return f"passed; a simulated bench needs no arming. Cells: mtjloop check {result['bench_path']} --arm"
    return (
        f"passed; nothing was energised. Hash {result['hash'][:12]}. As long as bench file and instruments "
        "stay the same, commands run with --arm"
    )


def _print_tile(console: Console, number: int, found: ElectricalCheck) -> None:
    shown = found.lines if len(found.lines) <= _MOST_LINES else [one for one in found.lines if one.finding]
    table = _table(f"tile {number}", "line", "lowest", "median", "highest", "finding")
    for line in shown:
        table.add_row(
            f"{line.side} {line.number}", quantity(line.lowest, "ohm"), quantity(line.median, "ohm"),
            quantity(line.highest, "ohm"), line.finding or "good",
        )  # fmt: skip
    console.print(table)
    if found.fault is not None:
        console.print(f"the check of tile {number} ended early: {found.fault}")
    if found.bounds is not None:
        console.print(
            f"short below {quantity(found.bounds[0], 'ohm')}, open above {quantity(found.bounds[1], 'ohm')}; "
            f"read noise {quantity(found.noise, 'S')}"
        )
    if found.blind:
        console.print(
            "the read noise hides opens: raise operation.read_repeats or the integration time of the bench, "
            "or lower its current range"
        )
    if not found.passed and max(found.verdict.shape) <= _MOST_LINES:
        console.print(". good, O open, S short, ~ outside both levels, P A stuck, ? not read:")
        for row in found.verdict:
            console.print("  " + "".join(_MARKS[Verdict(int(one))] for one in row))
    if not found.switched:
        console.print("cells that are stuck in a good state show only when they are switched: --switch")


def _table(title: str, *headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title or None)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
