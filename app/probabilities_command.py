"""`mtjloop probabilities`: counts, P and intervals of a run. It imports little, to answer at once."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import MtjloopError, RecordError
from ..protocols.switching.intervals import clopper_pearson, wilson
from ..records.index import find_run
from ..records.tallies import POLARITY_NAMES, PointCount, point_counts

_SHOWN = 40
_SI = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))


def rows_of(run: str, runs: Path) -> tuple[Path, list[dict[str, object]]]:
    """Every device and point of a run with its counts and intervals, as JSON goes.

    Args:
        run: directory, id, beginning of an id, or `last`.
        runs: directory of all runs.

    Raises:
        RecordError: no such run, or it holds no switching.
    """
    directory = find_run(runs, run)
    found = point_counts(directory)
    if not found:
        raise RecordError(
            f"{directory} holds no switching trials; `mtjloop characterize BENCH PLAN` measures some, and "
            "`mtjloop train` does while training.audit_every is above 0"
        )
    return directory, [_row(each) for each in found]


def answered(arguments: Sequence[str]) -> bool:
    """Answer a plain request, `[RUN] [--json | --csv] [--runs DIR]`, without the imports of the command line.

    Returns:
        False if the command line has to see to it: help, an unknown option, or anything that goes wrong.
        Nothing was printed then.
    """
    asked = _plain(arguments)
    if asked is None:
        return False
    run, runs, options = asked
    try:
        directory, rows = rows_of(run, runs)
    except MtjloopError:
        return False
    try:
        print_as(directory, rows, as_json="--json" in options, as_csv="--csv" in options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _plain(arguments: Sequence[str]) -> tuple[str, Path, set[str]] | None:
    """Run, directory of runs and options of a plain request; None if it is not one."""
    names: list[str] = []
    runs, options = "runs", set()
    left = iter(arguments)
    for each in left:
        if each in ("--json", "--csv"):
            options.add(each)
        elif each == "--runs" or each.startswith("--runs="):
            runs = each.removeprefix("--runs=") if "=" in each else next(left, "")
        else:
            names.append(each)
    if len(names) > 1 or any(not name or name.startswith("-") for name in (*names, runs)):
        return None
    return (names or ["last"])[0], Path(runs), options


def print_as(directory: Path, rows: list[dict[str, object]], *, as_json: bool, as_csv: bool) -> None:
    """All rows as one JSON object or as comma-separated values, or a table for people."""
    if as_json:
        print(json.dumps({"run_dir": str(directory), "points": rows}, allow_nan=False))
    elif as_csv:
        print_csv(rows)
    else:
        print_table(directory, rows)


def print_csv(rows: list[dict[str, object]]) -> None:
    """All rows as comma-separated values with a heading, SI units."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([row.values() for row in rows])


def print_table(directory: Path, rows: list[dict[str, object]]) -> None:
    """A table for people; long ones are cut."""
    head: tuple[str, ...] = ("tile", "row", "col", "polarity", "kind", "voltage", "width", "k/n", "P")
    head += ("95 % (Wilson)", "95 % (exact)")
    lines = [head, *(_line(row) for row in rows[:_SHOWN])]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    if len(rows) > _SHOWN:
        print(f"... and {len(rows) - _SHOWN} more; --json or --csv prints all {len(rows)}")
    trials = sum(int(str(row["trials"])) for row in rows)
    print(f"{trials} trials; run: {directory}")


def _row(each: PointCount) -> dict[str, object]:
    wilson_low, wilson_high = wilson(each.switched, each.trials)
    exact_low, exact_high = clopper_pearson(each.switched, each.trials)
    return {
        "tile": each.tile,
        "row": each.row,
        "column": each.column,
        "polarity": each.polarity,
        "kind": each.kind,
        "voltage": each.voltage,
        "width": each.width,
        "applied_voltage": each.applied_voltage,
        "applied_width": each.applied_width,
        "requested": each.requested,
        "switched": each.switched,
        "trials": each.trials,
        "probability": each.switched / each.trials if each.trials else None,
        "wilson_low": wilson_low,
        "wilson_high": wilson_high,
        "clopper_pearson_low": exact_low,
        "clopper_pearson_high": exact_high,
        "reset_failed": each.reset_failed,
        "unreadable": each.unreadable,
    }


def _line(row: dict[str, object]) -> tuple[str, ...]:
    voltage = _si(row["voltage"], "V")
    if row["voltage"] is None and isinstance(row["requested"], float):
        voltage = f"asked P {row['requested']:.2g}"
    return (
        str(row["tile"]),
        "-" if row["row"] is None else str(row["row"]),
        "-" if row["column"] is None else str(row["column"]),
        POLARITY_NAMES[int(str(row["polarity"]))],
        str(row["kind"]),
        voltage,
        _si(row["width"], "s"),
        f"{row['switched']}/{row['trials']}",
        _share(row["probability"]),
        f"{_share(row['wilson_low'])} to {_share(row['wilson_high'])}",
        f"{_share(row['clopper_pearson_low'])} to {_share(row['clopper_pearson_high'])}",
    )


def _share(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "-"


def _si(value: object, unit: str) -> str:
    if not isinstance(value, float):
        return "-"
    for scale, prefix in _SI:
        if value >= 0.9999 * scale:
            return f"{value / scale:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"
