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
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mtjloop.app.compare_command import in_points, paired
from mtjloop.app.format import percent
from mtjloop.app.report.intervals import student
from mtjloop.app.study_results import find_study, read_description, read_rows

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
    bench = f"{place}/bench.yaml"
    chosen = [word for method in methods for word in ("--method", method)]
    return Table(
        f"compare_{name.replace('-', '_')}",
        title,
        (("mtjloop", "compare", bench, f"{place}/experiment.yaml", "--dies", "20", *chosen, "--json"),),
        partial(compared, goal),
    )


@dataclass(frozen=True)
class Condition:
    """A parameter that rows of a table differ in.

    Attributes:
        heading: of its column.
        form: of its values, for instance `{:.1%}`.
        base: its value in the row that others are compared with, and in studies that do not vary it.
    """

    heading: str
    form: str
    base: float | str


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


def under_conditions(
    text: str,
    varied: Mapping[str, Condition],
    studies: Mapping[str, Mapping[str, str]],
    raw: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str:
    """The section of `conditions`."""
    base = {key: one.base for key, one in varied.items()}
    groups: dict[tuple[tuple[float | str, ...], str], dict[int, Mapping[str, Any]]] = {}
    for study, rows in raw.items():
        for row in rows:
            known = {**base, **studies[study], **row}
            place = tuple(known[key] for key in varied)
            groups.setdefault((place, row["method"]), {})[row["die"]] = row
    lines = []
    for (place, method), dies in groups.items():
        reached = reached_by(dies)
        ground = reached_by(groups.get((tuple(base.values()), method), {}))
        both = sorted(set(reached) & set(ground))
        change = "-"
        if place != tuple(base.values()) and both:
            mean, low, high = student([reached[die] - ground[die] for die in both])
            change = f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        failed = len(dies) - len(reached)
        lines.append(
            [
                *(one.form.format(value) for one, value in zip(varied.values(), place, strict=True)),
                method,
                interval(list(reached.values())) if reached else "-",
                change,
                str(len(reached)) + (f" ({failed} failed)" if failed else ""),
                *(mean_of(dies.values(), key) for key in ("pulses", "energy_J", "bench_time_s")),
            ]
        )
    headings = [
        *(one.heading for one in varied.values()), "method", "test accuracy", "change, points", "dies",
        "pulses", "energy, J", "bench time, s",
    ]  # fmt: skip
    told = (
        f'{text} "Change" is against the first row of the method, on the same dies, with its 95 % interval.'
    )
    return f"{textwrap.fill(told, 110)}\n\n{markdown(headings, lines)}\n"


def reached_by(dies: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    """Test accuracy of each die that did not fail."""
    return {die: row["test_accuracy"] for die, row in dies.items() if row["test_accuracy"] is not None}


def beside_float(goal: str, raw: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """In situ of a study beside float on the same splits, from the comparison of the digits example."""
    (rows,) = raw.values()
    reached = {row["die"]: row["test_accuracy"] for row in rows if row["test_accuracy"] is not None}
    trials = json.loads(raw_file("compare_digits").read_text("utf-8"))["trials"]
    floats = {one["seed"]: one["test_accuracy"] for one in trials if one["method"] == "float"}
    both = sorted(set(reached) & set(floats))
    mean, low, high = student([reached[die] - floats[die] for die in both])
    lines = [
        [
            "in-situ", interval([reached[die] for die in both]), str(len(both)),
            *(mean_of(rows, key) for key in ("pulses", "energy_J", "bench_time_s")),
        ],
        ["float", interval([floats[die] for die in both]), str(len(both)), "-", "-", "-"],
    ]  # fmt: skip
    return f"""Means over dies (each its own die, split and draws), default spread, wires of 1 ohm a segment,
everything solved. Goal: {goal}; found, in situ less float on the same splits, with the 95 % interval of that
difference: {100 * mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}).

{markdown(["method", "test accuracy", "dies", "pulses", "energy, J", "bench time, s"], lines)}
"""


def update_times(raw: Sequence[Mapping[str, float]]) -> str:
    """Bench time of updates."""
    longest = max(row["bench_time_s"] for row in raw)
    lines = [
        [
            f"{row['size']} x {row['size']}", f"{row['updates']}", f"{row['pulses']:.2f}",
            f"{1e6 * row['bench_time_s']:.0f}", f"{100 * (row['bench_time_s'] / longest - 1):+.1f} %",
        ]
        for row in raw
    ]  # fmt: skip
    return f"""Mean bench time of an update of a layer that fills the tile, rank-1 momentum, `coincidence`, a
parallel backend: pulses of 100 us and 20 us to set the lines. An update is one pulse for each of four phases
that selects something; on small arrays now and then one selects nothing and is not sent. Goal: constant
within 5 % from 16 x 16 to 1024 x 1024.

{markdown(["array", "updates", "pulses an update", "us an update", "against the longest"], lines)}
"""


def cost_by_purpose(raw: Sequence[Mapping[str, Any]]) -> str:
    """What reaching an accuracy costs, by purpose."""
    done = [one for one in raw if one["epoch"] is not None]
    keys = ("pulses", "reads", "pulse_J", "read_J", "pulse_s", "read_s")
    purposes = sorted({purpose for one in done for purpose in one["spent"]})
    means = {
        purpose: [
            float(np.mean([one["spent"].get(purpose, {}).get(key, 0.0) for one in done])) for key in keys
        ]
        for purpose in purposes
    }
    totals = [float(sum(values)) for values in zip(*means.values(), strict=True)]
    energy, elapsed = totals[2] + totals[3], totals[4] + totals[5]
    named: list[tuple[str, list[float]]] = [*means.items(), ("all", totals)]
    lines = [
        [
            name, f"{values[0]:,.0f}", f"{values[1]:,.0f}", f"{1e3 * (values[2] + values[3]):.2f}",
            percent((values[2] + values[3]) / energy), f"{values[4] + values[5]:.1f}",
            percent((values[4] + values[5]) / elapsed),
        ]
        for name, values in named
    ]  # fmt: skip
    reached = ", ".join(str(one["epoch"] + 1) for one in done)
    shares = percent(totals[2] / energy), percent(totals[4] / elapsed)
    return f"""Tiled passive, a fifth of the training data held back; costs up to the first epoch after which
97 % of that part are right (epoch {reached} on {len(done)} of {len(raw)} dies), with setting up before and
restoring and the test at the end; means over dies. "Monitor" reads training and validation parts after each
epoch. Pulses take {shares[0]} of the energy and {shares[1]} of the bench time, reads the rest.

{markdown(["for", "pulses", "reads", "energy, mJ", "of it", "bench time, s", "of it"], lines)}
"""


def mean_of(rows: Iterable[Mapping[str, Any]], key: str) -> str:
    """Mean over the dies that did not fail, or a dash."""
    values = [row[key] for row in rows if row["test_accuracy"] is not None and row[key]]
    return f"{np.mean(values):,.3g}" if values else "-"


SPREAD = Condition("spread of V_c0", "{:.1%}", 0.044)
SEGMENT = Condition("wires, ohm", "{:g}", 1.0)
KIND = Condition("cells", "{}", "passive")
EVEN = (
    "Where V_c0 has no spread, R and Delta have none either: V_c0 follows RA, H_k and damping, as they do. "
    "All other rows have 8 % in R and 7.7 % in Delta."
)
SHORT = "Digits 64-256-10, passive tiles of 65 x 64 and 64 x 20 unless told otherwise, 25 epochs. "
TABLES = (
    comparison("wine", "Wine 13-6-3, passive, pairs, momentum", "at least float less 0.5 point"),
    comparison(
        "breast-cancer", "Breast cancer 30-6-2, passive, momentum", "at least float", ("in-situ", "float")
    ),
    comparison(
        "digits",
        "Digits 64-256-10, tiled passive, momentum",
        "at least float less 0.3 point",
        ("in-situ", "offline-transfer", "float"),
    ),
    Table(
        "digits-1t1r",
        "Digits 64-256-10, 1T1R, momentum",
        (("mtjloop", "study", "benchmarks/studies/digits-1t1r.yaml"),),
        partial(beside_float, "at least float less 0.3 point"),
        ("digits-1t1r",),
    ),
    Table(
        "digits-per-sample",
        "Digits 64-256-10, tiled passive, no memory",
        (("mtjloop", "study", "benchmarks/studies/digits-per-sample.yaml"),),
        partial(beside_float, "94.5 %"),
        ("digits-per-sample",),
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
        "Digits: spread, wires, stuck cells, read noise, no digital biases",
        SHORT + "Stuck cells: half in P, half in AP. Read noise of 0.6 uA on every line is 5 % of the rms "
        "difference between the two lines of a pair on an untrained die (16 uA in the first layer). Goals: "
        "each loses 0.5 point at most, without digital biases 1 point against float. Spread 0 to 10 % and "
        "wires 0 to 5 ohm: compare the two rows. " + EVEN,
        {
            "die.spread.critical_voltage": SPREAD,
            "segment": SEGMENT,
            "die.kind": KIND,
            "stuck": Condition("stuck in P, and in AP", "{:.1%}", 0.0),
            "bench.simulated.electronics.read_noise": Condition("read noise, A", "{:.3g}", 2e-8),
            "biases": Condition("digital biases", "{}", "on"),
        },
        {
            "digits-base": {},
            "digits-even": {},
            "digits-spread": {},
            "digits-stuck": {},
            "digits-noise": {},
            "digits-biases": {"biases": "off"},
            "digits-wires": {},
            "digits-wires-1t1r": {},
        },
    ),
    Table(
        "update_time",
        "Bench time of an update against the size of the array",
        (("python", "-m", "benchmarks.update_time"),),
        update_times,
    ),
    Table(
        "digits_cost",
        "Digits to 97 %: what it costs on the default board",
        (("python", "-m", "benchmarks.digits_cost", "--dies", "4"),),
        cost_by_purpose,
    ),
    Table(
        "wine_networks",
        "Published Wine networks through a passive array",
        (("python", "-m", "benchmarks.wine_networks", "FOLDER", "--dies", "20", "--networks", "300"),),
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


def raw_file(name: str) -> Path:
    return RAW / f"{name}.json"


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
