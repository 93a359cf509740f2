"""`make results`: writes docs/results.md from the raw results under benchmarks/results/.

Each table is a function that returns its section: what it shows, the command that made its raw results
(with the seeds in it), the table. Raw results are JSON files named as the table; `python -m
benchmarks.results --run NAME` makes those of one table anew, and a table whose file is absent says so.
Add a table by adding it to `TABLES`.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mtjloop.app.compare_command import in_points, paired
from mtjloop.app.format import percent
from mtjloop.app.report.intervals import student

ROOT = Path(__file__).parents[1]
RAW = Path(__file__).parent / "results"
PAGE = ROOT / "docs" / "results.md"
INTRODUCTION = """# Results

Written by `make results` from the raw results in `benchmarks/results/`; every section names the command,
seeds in it, that makes them anew. Everything here is simulated: no number was measured on hardware.
"""


@dataclass(frozen=True)
class Table:
    """A section of the page.

    Attributes:
        name: of its raw results, `benchmarks/results/NAME.json`.
        title: heading.
        command: what makes the raw results, from the root of the repository.
        section: turns the raw results into Markdown.
    """

    name: str
    title: str
    command: Sequence[str]
    section: Callable[[Any], str]


def wine_networks(raw: Any) -> str:
    """300 published networks on passive dies."""
    train_size, test_size = raw["samples"]
    ideal = np.array(raw["ideal_train"]) / train_size
    ideal_test = np.array(raw["ideal_test"]) / test_size
    dies, networks = len(raw["dies"]), len(raw["networks"])
    rows = [
        [
            "ideal arithmetic",
            "-",
            percent(ideal.mean()),
            percent(ideal.max()),
            percent(ideal.max()),
            percent(ideal_test.mean()),
            "-",
        ]
    ]
    for segment, found in raw["on_dies"].items():
        values = np.array([found[str(die)] for die in raw["dies"]])  # (dies, networks, columns)
        for column, gain in enumerate(("nominal", "calibrated")):
            accuracy = values[:, :, column] / train_size
            best = accuracy.max(axis=1)
            rows.append(
                [
                    f"{segment} a segment",
                    gain,
                    interval(accuracy.mean(axis=1)),
                    interval(best),
                    percent(accuracy.mean(axis=0).max()),
                    interval(values[:, :, 2].mean(axis=1) / test_size) if gain == "calibrated" else "-",
                    f"{values[:, :, 3].mean():.3g}",
                ]
            )
    headings = [
        "wires", "gain", "training, mean", "training, best", "best on all", "test, mean", "failed cells",
    ]  # fmt: skip
    return f"""300 three-valued 13-6-3 networks for Wine, published for passive 15 x 15 arrays (data files of
usnistgov/daffodil-lib, read from a folder, not part of this repository), programmed with
verify into {dies} simulated dies each ({networks} networks a die, one after the other on two
15 x 15 tiles) and run through the array on the 148 training samples of that set. Default die
and spread, drivers and senses 5 ohm; a weight of 0 rests with both cells AP. The nominal gain
is that of the networks, 1, with the weight scale mapped cell by cell on the die; the
calibrated gain is found for each layer by least squares from the training features, without
labels. The mean is over dies and networks, with the 95 % interval over dies; "best" is the
best network of each die, averaged over dies; "best on all" the network best on average over
the dies. Failed cells are those of one network that did not take their state.

{markdown(headings, rows)}
"""


def compared(goal: str, raw: Any) -> str:
    """In situ beside its baselines; `raw` is what `mtjloop compare --json` printed."""
    failed = Counter(one["method"] for one in raw["failed"])
    rows = [
        [
            row["method"],
            f"{percent(row['mean'])} ({percent(row['low'])} to {percent(row['high'])})",
            str(row["dies"]) + (f" ({failed[row['method']]} failed)" if failed[row["method"]] else ""),
            *(f"{row[key]:,.3g}" if row[key] else "-" for key in ("pulses", "energy_J", "bench_time_s")),
        ]
        for row in raw["rows"]
    ]
    lead = paired(raw["trials"], "in-situ", "float")
    found = "no die has both" if lead is None else in_points(lead)
    headings = ["method", "test accuracy (95 % interval)", "dies", "pulses", "energy, J", "bench time, s"]
    return f"""Means over dies (each its own die, split and draws), default spread,
passive, wires of 1 ohm a segment, everything solved. Goal: {goal}; found, in situ less float on the same
dies with the 95 % interval of that difference: {found}.

{markdown(headings, rows)}
"""


def comparison(name: str, title: str, goal: str, methods: Sequence[str] = ()) -> Table:
    """A table of `mtjloop compare` for an example, with all methods or some."""
    place = f"examples/{name}"
    chosen = [word for method in methods for word in ("--method", method)]
    return Table(
        f"compare_{name.replace('-', '_')}",
        title,
        (
            "mtjloop",
            "compare",
            f"{place}/bench.yaml",
            f"{place}/experiment.yaml",
            "--dies",
            "20",
            *chosen,
            "--json",
        ),
        partial(compared, goal),
    )


TABLES = (
    comparison("wine", "Wine 13-6-3, passive, pairs, momentum", "at least float less 0.5 point"),
    comparison(
        "breast-cancer", "Breast cancer 30-6-2, passive, momentum", "at least float", ("in-situ", "float")
    ),
    Table(
        "wine_networks",
        "Published Wine networks through a passive array",
        ("python", "-m", "benchmarks.wine_networks", "FOLDER", "--dies", "20", "--networks", "300"),
        wine_networks,
    ),
)


def interval(values: Any) -> str:
    """Mean of independent values with its 95 % interval (Student)."""
    mean, _, high = student(values)
    return f"{100 * mean:.1f} ± {100 * (high - mean):.1f} %" if len(values) > 1 else percent(mean)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def page() -> str:
    parts = [INTRODUCTION]
    for table in TABLES:
        path = RAW / f"{table.name}.json"
        command = " ".join(table.command)
        parts.append(f"## {table.title}\n")
        if path.exists():
            parts.append(table.section(json.loads(path.read_text(encoding="utf-8"))))
        else:
            parts.append("No results yet.\n")
        parts.append(f"    {command}\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", choices=[one.name for one in TABLES], help="Make these raw results anew.")
    parser.add_argument("--folder", help="Takes the place of FOLDER in the command.")
    asked = parser.parse_args()
    for table in TABLES:
        if table.name == asked.run:
            if "FOLDER" in table.command and asked.folder is None:
                raise SystemExit(
                    f"{table.name} reads data that are not part of the repository: give --folder"
                )
            words = [asked.folder if one == "FOLDER" else one for one in table.command[1:]]
            if table.command[0] == "mtjloop":
                made = subprocess.run(
                    [sys.executable, "-m", "mtjloop", *words], check=True, cwd=ROOT, stdout=subprocess.PIPE
                )
                kept = json.loads(made.stdout)
                kept.pop("result"), kept.pop("plot")
                (RAW / f"{table.name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            else:
                subprocess.run([sys.executable, *words], check=True, cwd=ROOT)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
