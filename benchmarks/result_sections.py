"""Sections of docs/results.md: what raw results say, as Markdown."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtjloop.app.compare_command import in_points, paired
from mtjloop.app.format import percent
from mtjloop.app.report.intervals import student

RAW = Path(__file__).parent / "results"


def raw_file(name: str) -> Path:
    """Where raw results of this name lie."""
    return RAW / f"{name}.json"


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
    same_units = paired(raw["trials"], "in-situ", "float-tanh")
    if same_units is not None:
        found += f"; less float with tanh units, as on the chip: {in_points(same_units)}"
    headings = ["method", "test accuracy (95 % interval)", "dies", "pulses", "energy, J", "bench time, s"]
    return f"""Means over dies (each its own die, split and draws), default spread,
passive, wires of 1 ohm a segment, everything solved. Goal: {goal}; found, in situ less float on the same
dies with the 95 % interval of that difference: {found}.

{markdown(headings, rows)}
"""


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
    """In situ of a study beside float on the same splits, its own or those of the comparison of digits."""
    (rows,) = raw.values()
    trained = [row for row in rows if row["method"] == "in-situ"]
    reached = reached_by({row["die"]: row for row in trained})
    lines = [
        [
            "in-situ", interval(list(reached.values())), str(len(reached)),
            *(mean_of(trained, key) for key in ("pulses", "energy_J", "bench_time_s")),
        ]
    ]  # fmt: skip
    found = []
    for method, words in (("float", "float"), ("float-tanh", "float with tanh units, as on the chip")):
        floats = reached_by({row["die"]: row for row in rows if row["method"] == method})
        if not any(row["method"] == "float" for row in rows):
            trials = json.loads(raw_file("compare_digits").read_text("utf-8"))["trials"]
            floats = {one["seed"]: one["test_accuracy"] for one in trials if one["method"] == method}
        both = sorted(set(reached) & set(floats))
        if both:
            mean, low, high = student([reached[die] - floats[die] for die in both])
            found.append(f"less {words}: {100 * mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})")
            lines.append([method, interval([floats[die] for die in both]), str(len(both)), "-", "-", "-"])
    return f"""Means over dies (each its own die, split and draws), default spread, wires of 1 ohm a segment,
everything solved. Goal: {goal}; found, in situ on the same splits, with the 95 % interval of the difference,
{"; ".join(found)}.

{markdown(["method", "test accuracy", "dies", "pulses", "energy, J", "bench time, s"], lines)}
"""


def update_times(raw: Sequence[Mapping[str, float]]) -> str:
    """Bench time of updates."""
    # All pulses take the same time, and a full update is four of them.
    whole = [4.0 * row["bench_time_s"] / row["pulses"] for row in raw]
    longest = max(whole)
    lines = [
        [
            f"{row['size']} x {row['size']}", f"{row['updates']}", f"{row['pulses']:.2f}",
            f"{1e6 * row['bench_time_s']:.0f}", f"{1e6 * full:.0f}", f"{100 * (full / longest - 1):+.1f} %",
        ]
        for row, full in zip(raw, whole, strict=True)
    ]  # fmt: skip
    headings = [
        "array",
        "updates",
        "pulses an update",
        "us an update",
        "us a full update",
        "against the longest",
    ]
    return f"""Mean bench time of an update of a layer that fills the tile, rank-1 momentum, `coincidence`, a
parallel backend: pulses of 100 us and 20 us to set the lines. An update is one pulse for each of four phases
that selects something; on arrays of few lines a phase may select nothing and is not sent, so that the mean is
less. A full update has all four. Goal: constant within 5 % from 16 x 16 to 1024 x 1024; found, for full
updates, as the last column says.

{markdown(headings, lines)}
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


def interval(values: Any) -> str:
    """Mean of independent values with its 95 % interval (Student)."""
    mean, _, high = student(values)
    return f"{100 * mean:.1f} ± {100 * (high - mean):.1f} %" if len(values) > 1 else percent(mean)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
