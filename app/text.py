"""What the commands print for people, on standard output."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ..errors import ConfigurationError
from ..protocols.mapping import ResistanceMap
from ..records.index import RunEntry
from .format import count, duration, percent, quantity

_WIDEST_MAP = 64
_MARKS = {1: "P", 0: ".", -1: "?"}


def print_training(result: Mapping[str, Any], page: Path | None) -> None:
    """Accuracy beside the float network, cost, and where to look next."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{result['name']}: {result['network']} trained in situ")
    for heading in ("", "test accuracy", "training accuracy"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("on the crossbar", percent(result["test_accuracy"]), percent(result["train_accuracy"]))
    table.add_row(
        "float network, same shape",
        percent(result["float_test_accuracy"]),
        percent(result["float_train_accuracy"]),
    )
    if result["digital_only_test_accuracy"] is not None:
        table.add_row("digital parts alone", percent(result["digital_only_test_accuracy"]), "")
    console = _console()
    console.print(table)
    console.print(
        f"{result['epochs']} epochs, {count(result['pulses'])} pulses, {count(result['reads'])} reads, "
        f"{quantity(result['energy_J'], 'J')} given by the drivers, {duration(result['bench_time_s'])} of "
        f"bench time; {count(result['samples_per_second'])} samples/s here"
    )
    for row in result.get("update_fidelity", ()):
        if row["polarity"] == "both" and row["slope"] is not None:
            console.print(_fidelity_line(row))
    if result["failed_cells"]:
        console.print(f"{result['failed_cells']} cells could not be restored to the best state")
    if result["interrupted"]:
        console.print("interrupted: the figures are those of the state reached")
    print_run_dir(result)
    if page is not None:
        console.print(f"report: {page}")
    else:
        console.print(f"report: mtjloop report {result['run_dir']}")


def _fidelity_line(row: Mapping[str, Any]) -> str:
    """How much of the wanted updates of a layer the chip gave."""
    known = row["slope_low"] is not None and row["slope_high"] is not None
    interval = f" [{row['slope_low']:.2f}, {row['slope_high']:.2f}]" if known else ""
    return (
        f"layer {row['layer']}: {row['slope']:.2f}{interval} of the requested updates achieved "
        f"({row['encoding']}, {row['kind']}, {count(row['audits'])} audits)"
    )


def print_map(result: Mapping[str, Any], maps: Sequence[tuple[int, ResistanceMap]]) -> None:
    """A summary of every tile, and the states where they fit the terminal."""
    console = _console()
    table = Table(box=box.SIMPLE_HEAD, title=str(result["bench"]))
    for heading in ("tile", "rows x columns", "P", "AP", "unknown", "R of P", "R of AP"):
        table.add_column(heading, justify="right")
    for tile in result["tiles"]:
        table.add_row(
            str(tile["tile"]),
            f"{tile['rows']} x {tile['columns']}",
            str(tile["parallel"]),
            str(tile["antiparallel"]),
            str(tile["unreadable"]),
            quantity(tile["parallel_resistance_ohm"], "ohm"),
            quantity(tile["antiparallel_resistance_ohm"], "ohm"),
        )
    console.print(table)
    for number, found in maps:
        if found.threshold is None:
            console.print(
                f"tile {number} shows one resistance level only, so P and AP cannot be told; give --threshold"
            )
        elif found.state.shape[1] <= _WIDEST_MAP and found.state.shape[0] <= _WIDEST_MAP:
            console.print(f"tile {number} (P = P, . = AP, ? = unreadable):")
            for row in found.state:
                console.print("  " + "".join(_MARKS[int(one)] for one in row))
    print_run_dir(result)


def print_program(result: Mapping[str, Any]) -> None:
    """How programming went, and the cells that failed."""
    console = _console()
    console.print(
        f"tile {result['tile']}: {result['cells'] - result['failed']} of {result['cells']} cells as wanted "
        f"after {result['rounds']} rounds and {result['pulses']} pulses"
    )
    if not result["kept"]:
        console.print("this simulated chip is gone now; simulated.memory in the bench file would keep it")
    if result["failed"]:
        cells = ", ".join(f"({row}, {column})" for row, column in result["failed_cells"][:20])
        more = "" if result["failed"] <= 20 else f" and {result['failed'] - 20} more"
        console.print(f"failed (row, column): {cells}{more}")
    print_run_dir(result)


def print_inference(result: Mapping[str, Any]) -> None:
    """Accuracy of a network put back on a chip."""
    console = _console()
    console.print(
        f"{result['data']}: accuracy {percent(result['test_accuracy'])} on {result['samples']} samples; "
        f"{result['failed_cells']} cells could not be programmed"
    )
    print_run_dir(result)


def print_run_dir(result: Mapping[str, Any]) -> None:
    """Where the run is."""
    _console().print(f"run: {result['run_dir']}")


def run_row(entry: RunEntry) -> dict[str, object]:
    """One run as JSON goes."""
    if entry.manifest is None:
        return {"run_dir": str(entry.directory), "problem": entry.problem}
    manifest = entry.manifest
    return {
        "run_dir": str(entry.directory),
        "run_id": manifest.run_id,
        "command": manifest.command,
        "name": manifest.name,
        "started_utc": manifest.started_utc.isoformat(),
        "outcome": manifest.outcome,
        "seed": manifest.seed,
        "hardware": manifest.hardware,
        "test_accuracy": manifest.result.get("test_accuracy"),
    }


def print_runs(entries: Sequence[RunEntry], root: Path) -> None:
    """A table of runs."""
    console = _console()
    if not entries:
        console.print(f"no runs in {root}; `mtjloop train BENCH EXPERIMENT` makes one")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("outcome", "test accuracy", "seed", "started (UTC)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("run", overflow="fold")
    for entry in entries:
        manifest = entry.manifest
        if manifest is None:
            table.add_row("damaged", "", "", "", f"{entry.directory.name}: {entry.problem}")
            continue
        accuracy = manifest.result.get("test_accuracy")
        table.add_row(
            manifest.outcome.split(":")[0],
            percent(float(accuracy)) if isinstance(accuracy, int | float) else "",
            "" if manifest.seed is None else str(manifest.seed),
            f"{manifest.started_utc:%Y-%m-%d %H:%M:%S}",
            manifest.run_id,
        )
    console.print(table)


def write_predictions(path: Path, predicted: Sequence[str]) -> None:
    """Write predicted classes as CSV, one a sample.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["sample", "predicted"])
            writer.writerows(enumerate(predicted))
    except OSError as error:
        raise ConfigurationError(f"--predictions {path}: cannot be written ({error})") from error


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
