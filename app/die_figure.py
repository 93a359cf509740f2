"""The picture of a simulated die: histograms, correlations, switching curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from ..drivers.bench import TileView, correlations, drawn_spreads, target_spreads
from .format import percent, quantity
from .plot_file import save_plot

Floats = NDArray[np.float64]
_BLUE, _VERMILION, _GREEN, _ORANGE, _PURPLE, _SKY = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9",
)  # fmt: skip
_COLOURS = (_BLUE, _VERMILION, _GREEN, _ORANGE, _PURPLE, _SKY)
_GREY, _INK = "#8A929C", "#2A323C"
_STYLE: dict[str, Any] = {
    "font.size": 9.5,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "grid.color": "#E6E9ED",
    "grid.linewidth": 0.7,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "savefig.dpi": 160,
    "svg.hashsalt": "mtjloop",
}
_SHOWN = (
    ("resistance_parallel_ohm", r"$R_\mathrm{P}$ (kΩ)", 1e-3),
    ("critical_voltage_up_V", r"$V_\mathrm{c0}$, AP to P (V)", 1.0),
    ("delta", r"$\Delta$", 1.0),
)
_PAIRS = ((0, 1), (0, 2), (2, 1))
_PAIR_NAMES = ("resistance, critical_voltage", "resistance, delta", "delta, critical_voltage")
_MOST_DOTS = 4000
_MOST_CELLS = 400
"""Cells whose probabilities make a curve; a whole 256 x 256 tile would say the same, slowly."""


def draw_die(path: Path, title: str, views: tuple[TileView, ...], widths: Sequence[float]) -> None:
    """Draw histograms, correlations and P(V) of a die into a file.

    Args:
        path: .png, .svg or .pdf.
        title: over the picture.
        views: tiles.
        widths: of the pulses of the P(V) curves, s.

    Raises:
        ConfigurationError: the kind of file is unknown, or it cannot be written.
    """
    with mpl.rc_context(cast(Any, _STYLE)):
        figure = Figure(figsize=(10.0, 9.4), layout="constrained")
        figure.suptitle(title, fontsize=11)
        grid = figure.add_gridspec(3, 6)
        values = [
            scale * np.concatenate([view.parameters[name].ravel() for view in views])
            for name, _, scale in _SHOWN
        ]
        targets, drawn = target_spreads(views[0].tile.die), drawn_spreads(views)
        for k, (name, label, _) in enumerate(_SHOWN):
            axes = figure.add_subplot(grid[0, 2 * k : 2 * k + 2])
            _histogram(axes, values[k], label)
            axes.set_title(f"spread {percent(drawn[name][1])}, target {percent(targets[name])}")
        found = correlations(views)
        for k, (x, y) in enumerate(_PAIRS):
            axes = figure.add_subplot(grid[1, 2 * k : 2 * k + 2])
            axes.plot(
                values[x][:_MOST_DOTS], values[y][:_MOST_DOTS], ".", color=_BLUE, markersize=2.5, alpha=0.45
            )
            axes.set_xlabel(_SHOWN[x][1])
            axes.set_ylabel(_SHOWN[y][1])
            expected, measured = found[_PAIR_NAMES[k]]
            shown = "-" if measured is None else f"{measured:+.2f}"
            axes.set_title(f"correlation {shown}, expected {expected:+.2f}".replace("-", "−"))
        for k, sign in enumerate((1.0, -1.0)):
            axes = figure.add_subplot(grid[2, 3 * k : 3 * k + 3])
            _curves(axes, views, widths, sign)
        save_plot(figure, path)


def _histogram(axes: Axes, values: Floats, label: str) -> None:
    if np.ptp(values) > 1e-9 * abs(values.mean()):
        axes.hist(values, bins=min(max(round(np.sqrt(values.size)), 8), 40), color=_BLUE, alpha=0.6)
    else:
        axes.axvline(float(values[0]), color=_BLUE)
    axes.set_xlabel(label)
    axes.set_ylabel("cells")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", visible=False)


def _curves(axes: Axes, views: tuple[TileView, ...], widths: Sequence[float], sign: float) -> None:
    """Median over cells, and the band of the middle 90 % of them."""
    die = views[0].tile.die
    name = "critical_voltage_up_V" if sign > 0 else "critical_voltage_down_V"
    critical = float(np.mean(views[0].parameters[name]))
    grid = np.linspace(0.0, 2.5 * critical, 301)
    furthest = 0.0
    for k, width in enumerate(widths):
        p = np.concatenate([view.probability(sign * grid, width, _MOST_CELLS) for view in views], axis=1)
        low, middle, high = np.quantile(p, [0.05, 0.5, 0.95], axis=1)
        colour = _COLOURS[k % len(_COLOURS)]
        axes.fill_between(grid, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(grid, middle, color=colour, label=quantity(width, "s", micro="µ"))
        reached = grid[low > 0.98]
        furthest = max(furthest, float(reached[0]) if reached.size else float(grid[-1]))
    axes.set_xlim(0.0, furthest)
    axes.set_ylim(0.0, 1.0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel(f"|V| across the junction (V), {'AP to P' if sign > 0 else 'P to AP'}")
    axes.set_ylabel("switching probability")
    axes.set_title(f"one pulse, {die.junction.law}; bands hold 90 % of the cells")
    axes.legend(loc="upper left", title="pulse width")
