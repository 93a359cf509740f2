"""The picture of an electrical check: resistance of every cell, and a mark on every bad one."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..protocols.electrical import ElectricalCheck, Verdict
from .plot_file import save_plot

_MARKS = {
    Verdict.OPEN: ("o", "open", "#D55E00"),
    Verdict.SHORT: ("X", "short", "#D55E00"),
    Verdict.OUTSIDE: ("^", "outside the levels", "#CC79A7"),
    Verdict.STUCK_P: ("s", "stuck P", "#E69F00"),
    Verdict.STUCK_AP: ("D", "stuck AP", "#E69F00"),
}
_STYLE: dict[str, Any] = {
    "font.size": 9.5,
    "axes.edgecolor": "#8A929C",
    "axes.labelcolor": "#2A323C",
    "axes.titlesize": 10,
    "text.color": "#2A323C",
    "xtick.color": "#2A323C",
    "ytick.color": "#2A323C",
    "legend.fontsize": 8.5,
    "savefig.dpi": 160,
    "svg.hashsalt": "mtjloop",
}


def draw_check(path: Path, title: str, tiles: Sequence[tuple[int, ElectricalCheck]]) -> None:
    """Draw a heat map of every tile into a file.

    Args:
        path: .png, .svg or .pdf.
        title: over the picture.
        tiles: checks with the numbers of their tiles.

    Raises:
        ConfigurationError: the kind of file is unknown, or it cannot be written.
    """
    across = min(len(tiles), 3)
    down = math.ceil(len(tiles) / across)
    with mpl.rc_context(cast(Any, _STYLE)):
        figure = Figure(figsize=(5.0 * across, 4.4 * down + 0.4), layout="constrained")
        figure.suptitle(title, fontsize=11)
        for place, (number, found) in enumerate(tiles):
            _draw_tile(figure, figure.add_subplot(down, across, place + 1), number, found)
        save_plot(figure, path)


def _draw_tile(figure: Figure, axes: Axes, number: int, found: ElectricalCheck) -> None:
    resistance = np.where(np.isfinite(found.resistance), 1e-3 * found.resistance, np.nan)
    bad = int((found.verdict != Verdict.GOOD).sum())
    axes.set_title(f"tile {number}: {bad} of {found.verdict.size} cells not good")
    axes.set_xlabel("column")
    axes.set_ylabel("row")
    axes.set_facecolor("#E6E9ED")
    if np.isfinite(resistance).any():
        low, high = float(np.nanmin(resistance)), float(np.nanmax(resistance))
        norm = LogNorm(low / 1.05, high * 1.05)
        image = axes.imshow(resistance, norm=norm, cmap="viridis", interpolation="nearest", aspect="auto")
        bar = figure.colorbar(image, ax=axes, format=FuncFormatter(_plain))
        bar.ax.yaxis.set_minor_formatter(FuncFormatter(_plain))
        bar.set_label("resistance (kΩ)")
    else:
        rows, columns = found.verdict.shape
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    for verdict, (mark, word, colour) in _MARKS.items():
        cells = np.argwhere(found.verdict == verdict)
        if len(cells):
            axes.plot(
                cells[:, 1], cells[:, 0], mark, color=colour, markeredgecolor="white", markersize=7,
                label=f"{word} ({len(cells)})",
            )  # fmt: skip
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.12), ncols=3, frameon=False)


def _plain(value: float, place: float) -> str:
    del place
    return f"{value:.3g}"
