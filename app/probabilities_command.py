"""`mtjloop probabilities`: counts, P and intervals of a run. It imports little, to answer at once."""

import csv
import sys
from pathlib import Path

from ..errors import RecordError
from ..protocols.switching.intervals import clopper_pearson, wilson
from ..records.index import find_run
from ..records.tallies import PointCount, point_counts

_SHOWN = 40
_POLARITY = {1: "AP to P", -1: "P to AP"}
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


def print_csv(rows: list[dict[str, object]]) -> None:
    """All rows as comma-separated values with a heading, SI units."""
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


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
        _POLARITY[int(str(row["polarity"]))],
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
