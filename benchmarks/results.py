"""`make results`: writes docs/results.md from the raw results under benchmarks/results/.

Each table is a function that returns its section: what it shows, the command that made its raw results
(with the seeds in it), the table. Raw results are JSON files named as the table, or as a study of
`benchmarks/studies/`; `python -m benchmarks.results --run NAME` makes those of one table anew (studies go on
where they stopped), and a table whose file is absent says so. Add a table by adding it to `TABLES`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mtjloop.app.compare_command import METHODS
from mtjloop.app.study_results import find_study, read_description, read_rows

from .result_sections import (
    RAW,
    Condition,
    beside_float,
    compared,
    cost_by_purpose,
    raw_file,
    under_conditions,
    update_times,
    wine_networks,
)

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"
INTRODUCTION = """# Results

Written by `make results` from the raw results in `benchmarks/results/`; every section names the command,
seeds in it, that makes them anew. Everything here is simulated: no number was measured on hardware.
"""


@dataclass(frozen=True)
class Table:
    """A section of the page.

    Attributes:
        name: of its raw results, `benchmarks/results/NAME.json`, unless `studies` names them.
        title: heading.
        commands: what makes the raw results, from the root of the repository.
        section: turns the raw results into Markdown: those of the table, or of its studies by their names.
        studies: names of files in `benchmarks/studies/`, and of their raw results.
    """

    name: str
    title: str
    commands: Sequence[Sequence[str]]
    section: Callable[[Any], str]
    studies: Sequence[str] = ()


def comparison(name: str, title: str, goal: str, methods: Sequence[str]) -> Table:
    """A table of `mtjloop compare` for an example."""
    place = f"examples/{name}"
    bench = f"{place}/bench.yaml"
    chosen = [word for method in methods for word in ("--method", method)]
    return Table(
        f"compare_{name.replace('-', '_')}",
        title,
        (("mtjloop", "compare", bench, f"{place}/experiment.yaml", "--dies", "20", *chosen, "--json"),),
        partial(compared, goal),
    )


def conditions(
    title: str,
    text: str,
    varied: Mapping[str, Condition],
    studies: Mapping[str, Mapping[str, str]],
) -> Table:
    """A table of accuracies under conditions, each beside those of the same dies under the base conditions.

    Args:
        title: heading.
        text: goal, and what the reader must know.
        varied: conditions by the names of swept parameters, or of what sets a whole study apart.
        studies: names of files in `benchmarks/studies/`, with what sets each apart.
    """
    return Table(
        next(iter(studies)),
        title,
        [("mtjloop", "study", f"benchmarks/studies/{study}.yaml") for study in studies],
        partial(under_conditions, text, varied, studies),
        tuple(studies),
    )


SPREAD = Condition("spread of V_c0", "{:.1%}", 0.044)
SEGMENT = Condition("wires, ohm", "{:g}", 1.0)
KIND = Condition("cells", "{}", "passive")
EVEN = (
    "Where V_c0 has no spread, R and Delta have none either: V_c0 follows RA, H_k and damping, as they do. "
    "All other rows have 8 % in R and 7.7 % in Delta."
)
SHORT = "Digits 64-256-10, passive tiles of 65 x 64 and 64 x 20, rank-1 momentum, 25 epochs. "
TABLES = (
    comparison("wine", "Wine 13-6-3, passive, pairs, momentum", "at least float less 0.5 point", METHODS),
    comparison(
        "breast-cancer",
        "Breast cancer 30-6-2, passive, momentum",
        "at least float",
        ("in-situ", "float", "float-tanh"),
    ),
    comparison(
        "digits",
        "Digits 64-256-10, tiled passive, column momentum",
        "at least float less 0.3 point",
        ("in-situ", "offline-transfer", "float", "float-tanh"),
    ),
    Table(
        "digits-1t1r",
        "Digits 64-256-10, 1T1R, column momentum",
        (("mtjloop", "study", "benchmarks/studies/digits-1t1r.yaml"),),
        partial(beside_float, "at least float less 0.3 point"),
        ("digits-1t1r",),
    ),
    Table(
        "digits-columns",
        "Digits 64-256-10, passive tiles of 33 x 32, two cells a side, short pulses, rank-1 momentum",
        (("mtjloop", "study", "benchmarks/studies/digits-columns.yaml"),),
        partial(beside_float, "at least float less 0.3 point"),
        ("digits-columns",),
    ),
    Table(
        "digits-per-sample",
        "Digits 64-256-10, passive tiles of 33 x 32, two cells a side, pulses of 1 us, no memory",
        (("mtjloop", "study", "benchmarks/studies/digits-per-sample.yaml"),),
        partial(beside_float, "94.5 %"),
        ("digits-per-sample",),
    ),
    Table(
        "digits-biases",
        "Digits 64-256-10, tiled passive, column momentum, no digital biases",
        (("mtjloop", "study", "benchmarks/studies/digits-biases.yaml"),),
        partial(beside_float, "at least float less 1 point"),
        ("digits-biases",),
    ),
    Table(
        "mnist",
        "MNIST 784-256-10, 5,000 images, tiled passive, column momentum",
        (("mtjloop", "study", "benchmarks/studies/mnist.yaml"),),
        partial(beside_float, "at least float less 0.5 point"),
        ("mnist",),
    ),
    conditions(
        "Wine: spread of the critical voltages",
        "Goal: loses 0.5 point at most from 0 to 10 %. " + EVEN,
        {"die.spread.critical_voltage": Condition(SPREAD.heading, SPREAD.form, 0.0)},
        {"wine-even": {}, "wine-spread": {}},
    ),
    conditions(
        "Wine: wires, passive and 1T1R",
        "Goal: loses 0.5 point at most from 0 to 5 ohm.",
        {"die.kind": KIND, "segment": Condition(SEGMENT.heading, SEGMENT.form, 0.0)},
        {"wine-wires": {}},
    ),
    conditions(
        "Wine: read noise",
        "0.5 uA on every line is 5 % of the rms difference between the two lines of a pair on an untrained "
        "die (14 uA in the first layer). Goal: loses 0.5 point at most.",
        {"bench.simulated.electronics.read_noise": Condition("read noise, A", "{:.3g}", 2e-8)},
        {"wine-noise": {}},
    ),
    conditions(
        "Digits: spread, stuck cells, read noise",
        SHORT + "Stuck cells: half in P, half in AP. Read noise of 0.6 uA on every line is 5 % of the rms "
        "difference between the two lines of a pair on an untrained die (16 uA in the first layer); maps "
        "average nine reads there, training reads once. Goals: each loses 0.5 point at most. " + EVEN,
        {
            "die.spread.critical_voltage": SPREAD,
            "segment": SEGMENT,
            "stuck": Condition("stuck in P, and in AP", "{:.1%}", 0.0),
            "bench.simulated.electronics.read_noise": Condition("read noise, A", "{:.3g}", 2e-8),
        },
        {
            "digits-base": {},
            "digits-even": {},
            "digits-spread": {},
            "digits-stuck": {},
            "digits-noise": {},
            "digits-no-wires": {},
        },
    ),
    conditions(
        "Digits: wires, passive and 1T1R, small tiles",
        "Digits 64-256-10, 25 epochs, on tiles of 22 x 30 and 29 x 20, which wires of 5 ohm bear at 5 kohm. "
        "Goal: loses 0.5 point at most from 0 to 5 ohm.",
        {"die.kind": KIND, "segment": Condition(SEGMENT.heading, SEGMENT.form, 0.0)},
        {"digits-wires": {}},
    ),
    Table(
        "update_time",
        "Bench time of an update against the size of the array",
        (("python", "-m", "benchmarks.update_time"),),
        update_times,
    ),
    Table(
        "digits_cost",
        "Digits to 97 %, column momentum: what it costs on the default board",
        (("python", "-m", "benchmarks.digits_cost", "--dies", "6"),),
        cost_by_purpose,
    ),
    Table(
        "wine_networks",
        "Published Wine networks through a passive array",
        (("python", "-m", "benchmarks.wine_networks", "FOLDER", "--dies", "20", "--networks", "300"),),
        wine_networks,
    ),
)


def page() -> str:
    parts = [INTRODUCTION]
    for table in TABLES:
        parts.append(f"## {table.title}\n")
        raw = {name: json.loads(raw_file(name).read_text("utf-8")) for name in names(table) if there(name)}
        if raw:
            parts.append(table.section(raw if table.studies else raw[table.name]))
        missing = [name for name in names(table) if not there(name)]
        if missing:
            parts.append(f"Not run: {', '.join(missing)}.\n")
        parts.extend("    " + " ".join(command) for command in table.commands)
        parts.append("")
    parts.append((RAW / "missing.md").read_text(encoding="utf-8"))
    return "\n".join(parts)


def names(table: Table) -> Sequence[str]:
    """Of the raw results of a table."""
    return table.studies or (table.name,)


def there(name: str) -> bool:
    return raw_file(name).exists()


def make_raw(table: Table, folder: str | None) -> None:
    """Make the raw results of a table anew."""
    for name, command in zip(names(table), table.commands, strict=True):
        if "FOLDER" in command and folder is None:
            raise SystemExit(f"{table.name} reads data that are not part of the repository: give --folder")
        words = [str(folder) if one == "FOLDER" else one for one in command[1:]]
        if command[0] != "mtjloop":
            subprocess.run([sys.executable, *words], check=True, cwd=ROOT)
            continue
        made = subprocess.run(
            [sys.executable, "-m", "mtjloop", *words], check=not table.studies, cwd=ROOT,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        if table.studies:
            kept = study_rows(ROOT / command[2])
        else:
            kept = json.loads(made.stdout)
            kept.pop("result"), kept.pop("plot")
        raw_file(name).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


KEPT = ("method", "die", "test_accuracy", "pulses", "energy_J", "bench_time_s", "failed_cells", "error")


def study_rows(path: Path) -> list[dict[str, Any]]:
    """What a study found for its files as they stand, in the order of points, methods and dies."""
    directory = find_study(str(path), ROOT / "runs")
    if directory is None:
        raise SystemExit(f"{path}: no study")
    description = read_description(directory)
    tasks, found = description["tasks"], {row["hash"]: row for row in read_rows(directory)}
    known = sorted(
        (tasks[name], row["method"], row["die"], name) for name, row in found.items() if name in tasks
    )
    return [
        {key: found[name][key] for key in KEPT} | description["points"][point] for point, _, _, name in known
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", choices=[one.name for one in TABLES], help="Make these raw results anew.")
    parser.add_argument("--folder", help="Takes the place of FOLDER in the command.")
    asked = parser.parse_args()
    for table in TABLES:
        if table.name == asked.run:
            make_raw(table, asked.folder)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
