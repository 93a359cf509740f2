"""The figures of a report, each an SVG image in a data URI: no request, no clash of ids."""

import base64
import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from ...records.tallies import POLARITY_NAMES
from ...records.values import MapRecord
from .evidence import Evidence, Series, Spending, SwitchingBins
from .intervals import wilson

# Okabe and Ito: told apart with every common colour blindness, and in grey by the markers and lines used.
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, YELLOW = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442",
)  # fmt: skip
GREY, INK = "#8A929C", "#2A323C"
STATE_COLOURS = {1: BLUE, 0: VERMILION}
STATE_NAMES = {1: "P", 0: "AP"}
WIDTH = 4.7
KILO = 1e3

_STYLE: dict[str, Any] = {
    "font.size": 9.5,
    "font.family": ["DejaVu Sans"],
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#E6E9ED",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.8,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.0,
    "image.cmap": "viridis",
    "savefig.dpi": 200,
    # Fixed ids make the same run give the same page.
    "svg.hashsalt": "mtjloop",
    "svg.fonttype": "path",
}


def accuracy(evidence: Evidence) -> str:
    """Accuracy against epoch beside the float network."""
    with styled():
        figure, axes = single_figure(3.1)
        styles = (
            ("train_accuracy", "train", BLUE, "-", "o"),
            ("validation_accuracy", "validation", ORANGE, "-", "s"),
        )
        last = 0
        for key, name, colour, line, marker in styles:
            if key in evidence.metrics:
                epochs, values = evidence.metrics[key]
                axes.plot(epochs, values, line, color=colour, label=name, marker=_marker(epochs, marker))
                last = max(last, int(epochs[-1]))
        test = _test_points(evidence, last)
        if test is not None:
            axes.plot(*test, "D", color=GREEN, markersize=6.5, label="test", zorder=5, clip_on=False)
        for key, name, colour, dashes in (
            ("float_test_accuracy", "float network, test", INK, (4, 2)),
            ("digital_only_test_accuracy", "digital parts alone, test", PURPLE, (1, 1.5)),
        ):
            level = evidence.number(key)
            if level is not None:
                axes.axhline(level, color=colour, dashes=dashes, linewidth=1.3, label=name)
        axes.set_ylabel("accuracy")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        top = axes.get_ylim()[1]
        axes.set_ylim(top=1.0 if 0.9 < top < 1.06 else top)
        _epoch_axis(axes)
        legend_above(figure, axes, 2)
        return image_uri(figure)


def training_metric(series: Series, name: str, colour: str = BLUE) -> str:
    """One metric against epoch."""
    with styled():
        figure, axes = single_figure(2.5)
        epochs, values = series
        axes.plot(epochs, values, color=colour, marker=_marker(epochs, "o"))
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(values, initial=0.0))))
        axes.set_ylabel(name)
        _epoch_axis(axes)
        return image_uri(figure)


def flips(epochs: NDArray[np.int64], requested: NDArray[np.float64], measured: NDArray[np.float64]) -> str:
    """Flips asked for and measured, by epoch."""
    with styled():
        figure, axes = single_figure(2.5)
        axes.plot(
            epochs, requested, "--", color=INK, label="requested", marker=_marker(epochs, "o"), mfc="white"
        )
        axes.plot(epochs, measured, color=BLUE, label="measured", marker=_marker(epochs, "s"))
        axes.set_ylim(bottom=0)
        axes.set_ylabel("flips in the epoch")
        _epoch_axis(axes)
        legend_above(figure, axes, 2)
        return image_uri(figure)


def resistance_limits(maps: Sequence[MapRecord]) -> tuple[float, float]:
    """A common colour scale in ohms: all readable cells, without the few that would flatten the rest."""
    values = np.concatenate([_readable(found) for found in maps])
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, [1, 99])
    margin = 0.5 * (high - low)
    inside = values[(values >= low - margin) & (values <= high + margin)]
    low, high = float(inside.min()), float(inside.max())
    return (low, high) if high > low else (0.95 * low, 1.05 * high + 1e-300)


def resistance_map(found: MapRecord, limits: tuple[float, float]) -> str:
    """One map as a heat map; unreadable cells are grey with a cross."""
    rows, columns = found.resistance.shape
    with styled():
        figure, axes = single_figure(float(np.clip(3.5 * rows / columns, 1.0, 4.6)) + 0.75)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.set_facecolor("#D9DDE2")
        readable = (found.state >= 0) & np.isfinite(found.resistance)
        shown = np.where(readable, found.resistance, np.nan) / KILO
        image = axes.imshow(
            shown, aspect="auto", vmin=limits[0] / KILO, vmax=limits[1] / KILO, interpolation="nearest"
        )
        dead_rows, dead_columns = np.nonzero(~readable)
        size = float(np.clip(90 / max(rows, columns), 2.0, 7.0))
        axes.plot(
            dead_columns, dead_rows, "x", color=INK, markersize=size, markeredgewidth=max(size / 5, 0.6)
        )
        axes.set_xlabel("column")
        axes.set_ylabel("row")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        values = _readable(found)
        below = bool(values.size and values.min() < limits[0])
        above = bool(values.size and values.max() > limits[1])
        extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
        bar = figure.colorbar(image, ax=axes, label="resistance (kΩ)", extend=extend[below, above])
        bar.outline.set_visible(False)
        return image_uri(figure)


def resistance_histogram(maps: Sequence[MapRecord]) -> str:
    """Resistances by state: the last map filled, the one before it as outlines."""
    with styled():
        figure, axes = single_figure(2.7)
        everything = np.concatenate([_readable(found) for found in maps]) / KILO
        logarithmic = bool(
            everything.size and everything.min() > 0 and everything.max() > 5 * everything.min()
        )
        edges = _edges(everything, logarithmic).tolist()
        for state in (1, 0):
            values = _readable(maps[-1], state) / KILO
            label = f"{STATE_NAMES[state]}, {_printable(maps[-1].label)}"
            axes.hist(values, edges, color=STATE_COLOURS[state], alpha=0.55, label=label)
            if len(maps) > 1:
                axes.hist(
                    _readable(maps[0], state) / KILO, edges, histtype="step", color=STATE_COLOURS[state],
                    linewidth=1.4, label=f"{STATE_NAMES[state]}, {_printable(maps[0].label)}",
                )  # fmt: skip
        if logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            # Between the decades only where there is room for it.
            wide = edges[-1] > 50 * edges[0]
            axes.xaxis.set_minor_formatter(NullFormatter() if wide else FuncFormatter(_two_and_five))
        axes.set_xlabel("resistance (kΩ)")
        axes.set_ylabel("cells")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.grid(axis="x", visible=False)
        legend_above(figure, axes, 2)
        return image_uri(figure)


def switching(bins: Sequence[SwitchingBins], line: Mapping[str, Any] | None = None) -> str:
    """Requested against measured switching probability of one layer, with 95 % Wilson intervals.

    Args:
        bins: of the layer.
        line: slope and intercept of a fit to them, with interval; None draws none.
    """
    with styled():
        figure, axes = single_figure(3.9)
        low = 1.0
        for each in bins:
            if not each.cells.size:
                continue
            colour, marker = (BLUE, "o") if each.polarity > 0 else (VERMILION, "s")
            share = each.switched / each.cells
            lower, upper = wilson(each.switched, each.cells)
            seen = each.switched > 0
            low = min(low, float(each.requested.min()), *share[seen].tolist())
            errors = np.maximum([share[seen] - lower[seen], upper[seen] - share[seen]], 0.0)
            axes.errorbar(
                each.requested[seen], share[seen], yerr=errors, fmt=marker, color=colour, capsize=2,
                elinewidth=1.1, label=POLARITY_NAMES.get(each.polarity, str(each.polarity)),
            )  # fmt: skip
            # Where nothing switched only the upper end of the interval means something.
            axes.plot(each.requested[~seen], upper[~seen], "v", color=colour, mfc="white")
        start = low / 2
        axes.plot(
            [start, 1], [start, 1], color=GREY, dashes=(4, 2), linewidth=1.2, zorder=1, label="as requested"
        )
        if line is not None:
            _fitted(axes, line, start)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(start, 1.4)
        axes.set_ylim(start, 1.4)
        axes.set_xlabel("requested switching probability")
        axes.set_ylabel("measured share switched")
        legend_above(figure, axes, 3)
        return image_uri(figure)


def _fitted(axes: Axes, line: Mapping[str, Any], start: float) -> None:
    """A fitted line, and the band of its slope."""
    asked = np.geomspace(start, 1.0, 60)
    intercept = line["intercept"] or 0.0
    axes.plot(asked, np.maximum(intercept + line["slope"] * asked, 1e-12), color=GREEN, label="fit", zorder=1)
    if line["slope_low"] is not None and line["slope_high"] is not None:
        low, high = (np.maximum(intercept + line[key] * asked, 1e-12) for key in ("slope_low", "slope_high"))
        axes.fill_between(asked, low, high, color=GREEN, alpha=0.15, linewidth=0, zorder=0)


def cost(spending: Sequence[Spending]) -> str:
    """Bench time and energy of pulses and reads, stacked by purpose."""
    colours = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, GREY)
    energy_known = any(each.pulse_energy or each.read_energy for each in spending)
    with styled():
        figure = Figure(figsize=(WIDTH, 3.5 if energy_known else 2.0), layout="constrained")
        panels = figure.subplots(2 if energy_known else 1, 1, squeeze=False)[:, 0]
        parts = [("bench time", "s", [(each.pulse_time, each.read_time) for each in spending])]
        if energy_known:
            known = [(each.pulse_energy or 0.0, each.read_energy or 0.0) for each in spending]
            parts.append(("energy", "J", known))
        for axes, (name, unit, pairs) in zip(panels, parts, strict=True):
            amounts = np.array(pairs, np.float64)
            scale, prefix = _scale(float(amounts.sum(axis=0).max()))
            starts = np.zeros(2)
            for index, (each, amount) in enumerate(zip(spending, amounts / scale, strict=True)):
                axes.barh(
                    [1, 0], amount, left=starts, height=0.62, color=colours[index % len(colours)],
                    edgecolor="white", linewidth=0.6, label=_printable(each.purpose),
                )  # fmt: skip
                starts += amount
            axes.set_yticks([1, 0], ["pulses", "reads"])
            axes.set_xlabel(f"{name} ({prefix}{unit})")
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
        legend_above(figure, panels[0], 4)
        return image_uri(figure)


def styled() -> AbstractContextManager[None]:
    """The common style of all figures of a report."""
    return mpl.rc_context(cast(Any, _STYLE))


def single_figure(height: float) -> tuple[Figure, Axes]:
    """A figure of one panel of the common width, inches high."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def image_uri(figure: Figure) -> str:
    """The figure as an SVG image in a data URI."""
    stream = io.BytesIO()
    # Without a date or a creator in it, the same run gives the same bytes.
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def legend_above(figure: Figure, axes: Axes, columns: int) -> None:
    """The legend of a panel above the figure."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, columnspacing=1.4)


def _epoch_axis(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _marker(epochs: NDArray[np.int64], marker: str) -> str:
    return marker if epochs.size <= 40 else ""


def _test_points(evidence: Evidence, last: int) -> Series | None:
    if "test_accuracy" in evidence.metrics:
        return evidence.metrics["test_accuracy"]
    level = evidence.number("test_accuracy")
    return None if level is None else (np.array([last]), np.array([level]))


def _readable(found: MapRecord, state: int | None = None) -> NDArray[np.float64]:
    wanted = found.state >= 0 if state is None else found.state == state
    return found.resistance[wanted & np.isfinite(found.resistance)]


def _edges(values: NDArray[np.float64], logarithmic: bool) -> NDArray[np.float64]:
    if not values.size:
        return np.linspace(0.0, 1.0, 2)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        low, high = 0.95 * low, 1.05 * high + 1e-12
    bins = int(np.clip(2 * np.sqrt(values.size), 12, 60))
    return np.geomspace(low, high, bins + 1) if logarithmic else np.linspace(low, high, bins + 1)


def _two_and_five(value: float, _: int | None) -> str:
    digit = round(value / 10.0 ** np.floor(np.log10(value)), 6)
    return f"{value:g}" if digit in (2, 5) else ""


def _scale(largest: float) -> tuple[float, str]:
    for scale, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p")):
        if largest >= scale:
            return scale, prefix
    return (1e-15, "f") if largest > 0 else (1.0, "")


def _printable(text: str) -> str:
    # `$` would start a formula, and what the font lacks would warn.
    narrowed = text.encode("latin-1", "replace").decode("latin-1").replace("$", r"\$")
    return "".join(letter if letter.isprintable() else "?" for letter in narrowed).lstrip("_")[:30]
