"""The sections of a report; each returns an empty string when the run has nothing for it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

import numpy as np

from ...records.manifest import COMPLETED, RUNNING, plain
from ...records.tallies import POLARITY_NAMES
from ...records.values import MapRecord
from ..format import count, duration, percent, quantity
from . import figures, markup
from .evidence import Evidence, SwitchingBins

TILES_SHOWN = 4
MICRO = "µ"


def header(evidence: Evidence) -> str:
    """Name, id, whether hardware was driven, how it ended."""
    manifest = evidence.manifest
    if manifest.hardware:
        kind = '<span class="kind hardware">Real hardware was driven</span>'
    else:
        kind = '<span class="kind simulated">Simulated: no hardware was touched</span>'
    good = manifest.stop_reason == COMPLETED
    outcome = manifest.outcome
    ending = (
        f'<span class="kind {"good" if good else "bad"}">{escape(outcome[:1].upper() + outcome[1:])}</span>'
    )
    if good:
        remark = ""
    elif manifest.stop_reason == RUNNING:
        remark = (
            "This run was not finished when this page was made: it was still running, or its process was "
            "killed. The page shows what had been recorded by then."
        )
    else:
        remark = "This run ended early. The page shows everything that was recorded until then."
    return "\n".join(
        [
            "<header>",
            f'<p class="eyebrow">mtjloop {escape(manifest.command)} · {escape(manifest.run_id)}</p>',
            f"<h1>{escape(manifest.name or manifest.run_id)}</h1>",
            f"<div>{kind}{ending}</div>",
            f'<p class="eyebrow">{escape(_origin(evidence))}</p>',
            markup.paragraph(remark, "note") if remark else "",
            "</header>",
        ]
    )


def summary(evidence: Evidence) -> str:
    """The numbers worth a glance, from the result and, while there is none, from the records."""
    tiles = []
    test, ideal = evidence.number("test_accuracy"), evidence.number("float_test_accuracy")
    alone = evidence.number("digital_only_test_accuracy")
    if test is not None:
        beside = [] if ideal is None else [f"float network {percent(ideal)}"]
        beside += [] if alone is None else [f"digital parts alone {percent(alone)}"]
        tiles.append(markup.tile("Test accuracy", percent(test), beside, first=True))
    train = evidence.number("train_accuracy")
    if train is None and "train_accuracy" in evidence.metrics:
        train = float(evidence.metrics["train_accuracy"][1][-1])
    if train is not None:
        tiles.append(markup.tile("Train accuracy", percent(train)))
    epochs = evidence.number("epochs")
    if epochs is None and evidence.metrics:
        epochs = float(max(len(found) for found, _ in evidence.metrics.values()))
    costs = evidence.spending
    energies = [part for each in costs for part in (each.pulse_energy, each.read_energy) if part is not None]
    numbers = {
        "pulses": float(sum(each.pulses for each in costs)) if costs else None,
        "reads": float(sum(each.reads for each in costs)) if costs else None,
        "energy_J": sum(energies) if energies else None,
        "bench_time_s": sum(each.pulse_time + each.read_time for each in costs) if costs else None,
    }
    for key in numbers:
        given = evidence.number(key)
        numbers[key] = numbers[key] if given is None else given
    speed = evidence.number("samples_per_second")
    shown = (
        ("Epochs", epochs, count(epochs)),
        ("Pulses", numbers["pulses"], count(numbers["pulses"])),
        ("Reads", numbers["reads"], count(numbers["reads"])),
        ("Energy", numbers["energy_J"], quantity(numbers["energy_J"], "J", micro=MICRO)),
        ("Bench time", numbers["bench_time_s"], duration(numbers["bench_time_s"], micro=MICRO)),
        ("Samples/s", speed, count(speed) if speed is None or speed >= 100 else f"{speed:.3g}"),
    )
    tiles += [markup.tile(name, text) for name, number, text in shown if number is not None]
    return f'<div class="tiles">\n{"".join(tiles)}\n</div>' if tiles else ""


def training(evidence: Evidence) -> str:
    """Accuracy, margin violators and clipped updates against epoch."""
    shown = []
    if any(f"{part}_accuracy" in evidence.metrics for part in ("train", "validation", "test")):
        caption = "Measured on the crossbar as it was after each epoch."
        if evidence.number("float_test_accuracy") is not None:
            caption += " The dashed line is a float network of the same shape."
        shown.append(markup.figure(figures.accuracy(evidence), "Accuracy", caption))
    for key, title, axis, caption in (
        (
            "violators",
            "Margin violators",
            "violators per sample",
            "Share of samples within the margin: each asked for an update.",
        ),
        (
            "clipped_share",
            "Clipped updates",
            "share of updates",
            "Updates that asked for more than the slots of the encoding can give.",
        ),
    ):
        # A chart of nothing but zeros says nothing.
        if key in evidence.metrics and np.any(evidence.metrics[key][1]):
            shown.append(markup.figure(figures.training_metric(evidence.metrics[key], axis), title, caption))
    return markup.section("Training", markup.figures(shown))


def maps(evidence: Evidence) -> str:
    """Resistance maps and histograms, tile by tile; those of many tiles are folded away."""
    blocks = []
    several = len(evidence.maps) > 1
    for number, (tile, found) in enumerate(evidence.maps.items()):
        limits = figures.resistance_limits(found)
        shown = [
            markup.figure(figures.resistance_map(each, limits), _map_title(tile, each), _map_caption(each))
            for each in found
        ]
        if any((each.state >= 0).any() for each in found):
            histogram = figures.resistance_histogram([found[0], found[-1]] if len(found) > 1 else found)
            caption = _states_caption(found[-1])
            shown.append(markup.figure(histogram, f"Resistances of tile {tile}", caption))
        block = markup.figures(shown)
        heading = f"<h3>Tile {tile}</h3>\n" if several else ""
        blocks.append(heading + block if number < TILES_SHOWN else markup.fold(f"Tile {tile}", block))
    return markup.section("Resistances", *blocks)


def switching(evidence: Evidence) -> str:
    """Requested against measured switching, by layer, and by epoch."""
    by_layer: dict[int, list[SwitchingBins]] = {}
    for each in evidence.bins:
        by_layer.setdefault(each.layer, []).append(each)
    shown = []
    for layer, bins in by_layer.items():
        if any(each.cells.size for each in bins):
            caption = (
                "Bars are 95 % Wilson intervals over all epochs; cells of one update switch together, so "
                "they are narrower than the truth."
            )
            if any((each.switched == 0).any() for each in bins):
                caption += " An open triangle is the upper end where no cell switched."
            line = _fit_of(evidence, layer)
            if line is not None:
                caption += f" The line is the fit: slope {_range(line, 'slope')}."
            shown.append(markup.figure(figures.switching(bins, line), f"Switching in layer {layer}", caption))
    epochs, requested, measured = evidence.flips
    if epochs.size:
        ratio = measured.sum() / requested.sum() if requested.sum() > 0 else float("nan")
        caption = "Requested is the sum of the requested probabilities over all pulsed cells."
        if np.isfinite(ratio):
            caption += f" Over the run {ratio:.2f} times the requested flips were measured."
        shown.append(
            markup.figure(figures.flips(epochs, requested, measured), "Flips requested and measured", caption)
        )
    idle = [each for each in evidence.bins if each.idle_cells]
    rows = [
        (
            f"layer {each.layer}, {POLARITY_NAMES.get(each.polarity, str(each.polarity))}",
            count(each.idle_cells),
            count(each.idle_switched),
            f"{100 * each.idle_switched / each.idle_cells:.2g} %",
        )
        for each in idle
    ]
    disturb = markup.table(("Asked to stay", "cells", "switched", "share"), rows) if rows else ""
    return markup.section("Switching", markup.figures(shown), _fidelity(evidence), disturb)


def _fidelity(evidence: Evidence) -> str:
    """Achieved against requested E[dw] as a table."""
    names = {"both": "both", "to_p": POLARITY_NAMES[1], "to_ap": POLARITY_NAMES[-1]}
    rows = [
        (
            f"layer {row['layer']}, {names.get(str(row['polarity']), str(row['polarity']))}",
            _range(row, "slope"),
            _range(row, "intercept"),
            count(float(row["requested_flips"])),
            count(float(row["flips"])),
            count(float(row["audits"])),
        )
        for row in evidence.fidelity
    ]
    if not rows:
        return ""
    ways = {(row["encoding"], row["kind"]) for row in evidence.fidelity if row.get("encoding")}
    way = "".join(f" Encoding {encoding}, {kind} crossbar." for encoding, kind in sorted(ways))
    text = (
        f"Achieved against requested E[dw], over audited updates.{way} Slope 1 and intercept 0 are ideal; "
        "the intercept is a probability a cell and update. In brackets: 95 % intervals, audits drawn again "
        "whole, since flips of one update come together. Cells still in the wrong state are more often slow "
        "ones, which lowers the slope."
    )
    head = ("Achieved against requested", "slope", "intercept", "flips asked", "flips", "audits")
    return markup.paragraph(text) + markup.table(head, rows)


def _fit_of(evidence: Evidence, layer: int) -> Mapping[str, Any] | None:
    """The fit of both polarities of a layer, if it has one."""
    for row in evidence.fidelity:
        if row["layer"] == layer and row["polarity"] == "both" and row["slope"] is not None:
            return row
    return None


def _range(row: Mapping[str, Any], name: str) -> str:
    """A number and its interval."""
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "unknown"
    return f"{value:.3g}" if low is None or high is None else f"{value:.3g} [{low:.3g}, {high:.3g}]"


def confusion(evidence: Evidence) -> str:
    """The confusion matrix as a table, rows = truth."""
    matrix = evidence.arrays.get("confusion")
    if matrix is None or matrix.ndim != 2 or not matrix.size or matrix.dtype.kind not in "biuf":
        return ""
    rows, columns = matrix.shape
    names = evidence.classes
    if len(names) < max(rows, columns):
        names = [str(index) for index in range(max(rows, columns))]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names[:columns])
    body = ""
    for index in range(rows):
        cells = "".join(
            _confusion_cell(float(value), float(share), right=index == column)
            for column, (value, share) in enumerate(zip(matrix[index], shares[index], strict=True))
        )
        body += f'<tr><th scope="row">{escape(names[index])}</th>{cells}</tr>'
    return markup.section(
        "Confusion",
        markup.paragraph("Test samples: rows are the true class, columns what the network said."),
        '<div class="scroll"><table class="confusion"><thead><tr><th scope="col"></th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>",
    )


def cost(evidence: Evidence) -> str:
    """Time and energy by purpose."""
    costs = evidence.spending
    if not costs:
        return ""
    rows = [
        (
            each.purpose,
            count(each.pulses),
            duration(each.pulse_time, micro=MICRO),
            quantity(each.pulse_energy, "J", micro=MICRO),
            count(each.reads),
            duration(each.read_time, micro=MICRO),
            quantity(each.read_energy, "J", micro=MICRO),
        )
        for each in costs
    ]
    head = ("Purpose", "pulses", "pulse time", "pulse energy", "reads", "read time", "read energy")
    refused, doubtful = sum(each.refused for each in costs), sum(each.doubtful for each in costs)
    remark = ""
    if refused or doubtful:
        remark = markup.paragraph(
            f"Beside these, pulses refused before anything was sent: {count(refused)}; pulses of unknown "
            f"outcome: {count(doubtful)}.",
            "note",
        )
    spent = any(each.pulse_time or each.read_time or each.pulse_energy or each.read_energy for each in costs)
    caption = "Bench time, not computing time."
    chart = [markup.figure(figures.cost(costs), "Time and energy by purpose", caption)] if spent else []
    return markup.section("Time and energy", markup.table(head, rows), remark, markup.figures(chart))


def messages(evidence: Evidence) -> str:
    """Remarks in order of time (UTC)."""
    items = "".join(
        f"<li><time>{each.time:%H:%M:%S}</time>"
        f'<span class="level {escape(each.level)}">{escape(each.level)}</span>{escape(each.text)}</li>'
        for each in evidence.messages
    )
    return markup.section("Messages", f'<ul class="messages">{items}</ul>' if items else "")


def provenance(evidence: Evidence) -> str:
    """What is needed to repeat the run."""
    manifest = evidence.manifest
    commit = manifest.git_commit or "not in a git checkout"
    if manifest.git_dirty:
        commit += ", with uncommitted changes"
    rows = [
        ("Run", manifest.run_id),
        ("Started", _utc(manifest.started_utc)),
        ("Finished", _utc(manifest.finished_utc)),
        ("Ended by", manifest.outcome),
        (
            "Crossbar",
            f"{manifest.backend}, {'real hardware' if manifest.hardware else 'no hardware touched'}",
        ),
        ("Seed", "none" if manifest.seed is None else str(manifest.seed)),
        ("Operator", manifest.operator),
        ("Die", manifest.die_id),
        (
            "Temperature",
            None if manifest.temperature is None else quantity(manifest.temperature, "K", digits=4),
        ),
        ("Instruments", "; ".join(manifest.identities) or None),
        ("Wiring hash", manifest.wiring_hash),
        ("Data", _text(manifest.result.get("data"))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items()) or None),
        ("Git commit", commit),
    ]
    folds = [
        markup.fold(
            f"{name}: {item.path}",
            markup.paragraph(f"SHA-256 {item.sha256}", "eyebrow") + markup.code(item.text),
        )
        for name, item in manifest.configurations.items()
    ]
    if manifest.result:
        text = json.dumps(plain(manifest.result), indent=2, ensure_ascii=False)
        folds.append(markup.fold("All results", markup.code(text)))
    return markup.section("How to repeat this run", markup.facts((k, v) for k, v in rows if v), *folds)


def footer(evidence: Evidence, made: datetime) -> str:
    """What is real, what is simulated, what is reconstructed."""
    if evidence.manifest.hardware:
        origin = "Resistances, currents and switching on this page were measured on real hardware."
    else:
        origin = (
            "Every resistance, current, time and energy on this page was simulated; no hardware was touched, "
            "and a real die can behave differently."
        )
    whole = f"Page made {_utc(made)}. It contains everything it shows and asks nothing of the network."
    method = (
        "The training method is reconstructed from the abstract of Mondal and Srivastava (2018); "
        "nothing here is a number of that paper."
    )
    return (
        f"<footer>\n{markup.paragraph(origin)}\n{markup.paragraph(method)}\n"
        f"{markup.paragraph(whole)}"
        "\n</footer>"
    )


def _origin(evidence: Evidence) -> str:
    manifest = evidence.manifest
    parts = [f"started {_utc(manifest.started_utc)}"]
    if manifest.finished_utc is not None:
        parts.append(f"finished {_utc(manifest.finished_utc)}")
    parts.append("no seed" if manifest.seed is None else f"seed {manifest.seed}")
    parts += [
        f"{name} {manifest.versions[name]}" for name in ("mtjloop", "python") if name in manifest.versions
    ]
    if manifest.git_commit:
        parts.append(f"git {manifest.git_commit[:10]}{' with changes' if manifest.git_dirty else ''}")
    return " · ".join(parts)


def _map_title(tile: int, found: MapRecord) -> str:
    return f"Tile {tile}, {found.label}"


def _map_caption(found: MapRecord) -> str:
    rows, columns = found.resistance.shape
    dead = int((found.state < 0).sum())
    text = f"{rows} rows, {columns} columns"
    if found.epoch is not None:
        text += f", epoch {found.epoch}"
    return f"{text}; {count(dead)} unreadable, crossed." if dead else f"{text}, all readable."


def _states_caption(found: MapRecord) -> str:
    parts = []
    for state, name in figures.STATE_NAMES.items():
        values = found.resistance[(found.state == state) & np.isfinite(found.resistance)]
        if values.size:
            parts.append(
                f"{name}: {count(values.size)} cells, median {quantity(float(np.median(values)), 'Ω')}"
            )
    return "; ".join(parts) + f" ({found.label})." if parts else ""


def _confusion_cell(value: float, share: float, right: bool) -> str:
    if value == 0:
        return '<td class="zero">0</td>'
    # Blue for right, orange for wrong, deeper for a larger share of the true class.
    red, green, blue = (0, 114, 178) if right else (213, 94, 0)
    depth = 0.12 + 0.68 * min(share, 1.0)
    ink = "#fff" if depth > 0.55 else "inherit"
    return f'<td style="background:rgba({red},{green},{blue},{depth:.2f});color:{ink}">{value:g}</td>'


def _utc(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(plain(value), ensure_ascii=False)
