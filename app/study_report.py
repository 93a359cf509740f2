"""The report of a study: accuracy against every swept parameter, with intervals over replicas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from ..errors import RecordError
from .compare_command import mean_interval
from .format import count, duration, percent, quantity
from .report import markup
from .report.figures import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    image_uri,
    legend_above,
    single_figure,
    styled,
)
from .study_results import Row, finished, read_description, read_rows
from .whole_file import write_whole

REPORT_FILE = "report.html"
_MOST_LINES = 8
_LOG_FROM = 20.0
"""Ratio of the ends from which an axis is logarithmic."""
_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
_MARKS = ("o", "s", "D", "^")


@dataclass(frozen=True)
class PointSummary:
    """Replicas of one method at one point: parameters, accuracy with its interval, mean cost."""

    method: str
    values: Mapping[str, float | str]
    replicas: int
    mean: float
    low: float
    high: float
    pulses: float
    energy: float
    bench_time: float


def summaries(rows: Sequence[Row], about: Mapping[str, Any]) -> list[PointSummary]:
    """One entry a method and point, over the replicas that succeeded, sorted by method and values.

    Args:
        rows: of the results; those of tasks that the study no longer has are left out.
        about: what `read_description` says.
    """
    parameters, tasks, points = about["parameters"], about["tasks"], about["points"]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for name, row in finished(rows).items():
        if name in tasks:
            values = points[tasks[name]]
            groups.setdefault((row["method"], *(values[key] for key in parameters)), []).append(row)
    found = []
    for key, members in sorted(groups.items(), key=lambda item: tuple(_order(one) for one in item[0])):
        mean, low, high = mean_interval([row["test_accuracy"] for row in members])
        found.append(
            PointSummary(
                key[0],
                dict(zip(parameters, key[1:], strict=True)),
                len(members),
                mean,
                low,
                high,
                float(np.mean([row["pulses"] for row in members])),
                float(np.mean([row["energy_J"] for row in members])),
                float(np.mean([row["bench_time_s"] for row in members])),
            )
        )
    return found


def write_study_report(directory: Path, output: Path | None = None) -> Path:
    """Write one self-contained HTML page about a study, also about one that is not finished.

    Args:
        directory: of its results.
        output: the file to write; None puts `report.html` beside the results.

    Raises:
        RecordError: there are no results, or the page cannot be written.
    """
    about = read_description(directory)
    rows = [row for row in read_rows(directory) if row["hash"] in about["tasks"]]
    parameters = [str(one) for one in about["parameters"]]
    points = summaries(rows, about)
    if not points:
        raise RecordError(f"{directory}: no task of the study as its file stands has succeeded yet")
    done = finished(rows)
    failures = {row["hash"]: row for row in rows if row.get("error") is not None and row["hash"] not in done}
    body = "\n".join(
        [
            markup.heading(str(about["name"])),
            markup.paragraph(
                f"{len(points)} points with methods, {len(done)} of {len(about['tasks'])} tasks finished, "
                f"{len(failures)} failed. "
                "Simulated dies; the bars are 95 % intervals over replicas.",
                "eyebrow",
            ),
            markup.section("Accuracy", markup.figures(_figures(points, parameters))),
            markup.section("Points", _table(points, parameters)),
            markup.section("Failed tasks", _failures(list(failures.values()))),
            markup.section("Study file", markup.code(str(about["text"]))),
        ]
    )
    path = directory / REPORT_FILE if output is None else output
    try:
        write_whole(path, markup.page(str(about["name"]), body))
    except OSError as error:
        raise RecordError(f"cannot write the report {path}: {error}") from error
    return path


def _figures(points: Sequence[PointSummary], parameters: Sequence[str]) -> list[str]:
    found = []
    for key in parameters:
        numbers = {float(one) for one in (p.values[key] for p in points) if isinstance(one, float)}
        if len(numbers) < 2:
            continue
        lines = _lines(points, key, parameters)
        with styled():
            figure, axes = single_figure(3.1)
            for number, (label, members) in enumerate(lines.items()):
                _line(axes, key, members, label, number)
            if min(numbers) > 0 and max(numbers) >= _LOG_FROM * min(numbers):
                axes.set_xscale("log")
            axes.set_xlabel(f"{key} (SI)")
            axes.set_ylabel("test accuracy")
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
            if len(lines) > 1:
                legend_above(figure, axes, 1 if max(len(one) for one in lines) > 24 else 2)
            uri = image_uri(figure)
        found.append(
            markup.figure(uri, f"Test accuracy against {key}", "Mean and 95 % interval over replicas.")
        )
    return found


def _lines(
    points: Sequence[PointSummary], key: str, parameters: Sequence[str]
) -> dict[str, list[PointSummary]]:
    """Points by line: one for each method and each choice of the other parameters, if these are few."""
    others = [one for one in parameters if one != key and len({p.values[one] for p in points}) > 1]
    lines: dict[str, list[PointSummary]] = {}
    for point in points:
        parts = [point.method, *(f"{one.rsplit('.', 1)[-1]} {_shown(point.values[one])}" for one in others)]
        lines.setdefault(", ".join(parts), []).append(point)
    if len(lines) <= _MOST_LINES:
        return lines
    by_method: dict[str, list[PointSummary]] = {}
    for point in points:
        by_method.setdefault(point.method, []).append(point)
    return by_method


def _line(axes: Axes, key: str, members: Sequence[PointSummary], label: str, number: int) -> None:
    known = [one for one in members if isinstance(one.values[key], float)]
    known.sort(key=lambda one: float(one.values[key]))
    x = np.array([float(one.values[key]) for one in known])
    mean = np.array([one.mean for one in known])
    error = np.array([[one.mean - one.low for one in known], [one.high - one.mean for one in known]])
    # Points that share a value come from different lines that were too many to draw.
    style = "-" if len(np.unique(x)) == len(x) else ""
    axes.errorbar(
        x, mean, yerr=error, fmt=_MARKS[number % len(_MARKS)] + style, color=_COLOURS[number % len(_COLOURS)],
        capsize=2.5, label=label, elinewidth=1.0,
    )  # fmt: skip


def _table(points: Sequence[PointSummary], parameters: Sequence[str]) -> str:
    head = [
        "method",
        *parameters,
        "replicas",
        "test accuracy",
        "95 % interval",
        "pulses",
        "energy",
        "bench time",
    ]
    rows = [
        [
            one.method,
            *(_shown(one.values[key]) for key in parameters),
            str(one.replicas),
            percent(one.mean),
            f"{100 * one.low:.1f} to {percent(one.high)}" if one.replicas > 1 else "-",
            count(one.pulses),
            quantity(one.energy, "J", micro="µ"),
            duration(one.bench_time, micro="µ"),
        ]
        for one in points
    ]
    return markup.table(head, rows)


def _failures(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    return markup.table(
        ["method", "die", "seed", "error"],
        [[str(row["method"]), str(row["die"]), str(row["seed"]), str(row["error"])] for row in rows],
    )


def _shown(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _order(value: object) -> tuple[int, float, str]:
    return (0, value, "") if isinstance(value, float) else (1, 0.0, str(value))
