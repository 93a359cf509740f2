"""The picture of a comparison: every die a dot, the mean of each method with its interval."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from .plot_file import save_plot
from .report.figures import BLUE, GREEN, INK, ORANGE, PURPLE, VERMILION, single_figure, styled

_COLOURS = {
    "in-situ": BLUE,
    "offline-transfer": ORANGE,
    "manhattan": VERMILION,
    "ideal-bernoulli": GREEN,
    "float": PURPLE,
    "float-tanh": INK,
}


def draw_compare(path: Path, result: Mapping[str, Any]) -> None:
    """Draw the result of `compare` into a .png, .svg or .pdf.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    rows = result["rows"]
    with styled():
        figure, axes = single_figure(0.9 + 0.42 * len(rows))
        for place, row in enumerate(rows):
            colour = _COLOURS.get(row["method"], INK)
            values = np.array(
                [one["test_accuracy"] for one in result["trials"] if one["method"] == row["method"]]
            )
            if not values.size:
                continue
            # Dies of the same accuracy stand side by side instead of on top of each other.
            ranks = np.array([int((values[:k] == one).sum()) for k, one in enumerate(values)])
            offsets = 0.07 * np.where(ranks % 2 == 0, ranks / 2, -(ranks + 1) / 2)
            axes.plot(
                values, place + np.clip(offsets, -0.38, 0.38), "o", color=colour, alpha=0.35, markersize=3.2,
                markeredgewidth=0,
            )  # fmt: skip
            error = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
            axes.errorbar(
                row["mean"], place, xerr=error, fmt="D", color=colour, markersize=5.5, capsize=3.5, zorder=5
            )
        axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes.set_xlabel("test accuracy: dies, mean, 95 % interval over dies")
        axes.set_title(f"{result['name']}, {result['bench']}", fontsize=9.5)
        save_plot(figure, path)


def _label(row: Mapping[str, Any]) -> str:
    """The method, and how many of its dies failed: they are missing among the dots."""
    if not row["failed"]:
        return str(row["method"])
    return f"{row['method']}\n({row['failed']} of {row['failed'] + row['dies']} failed)"
