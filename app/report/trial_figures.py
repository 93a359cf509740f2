"""Figures of switching trials: P(V), residuals, parameter maps, correlations, drift, trials spent."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from ...protocols.switching.checks import SIGNIFICANT
from ...records.tallies import POLARITY_NAMES, BlockCount, PointCount
from ..format import quantity
from .figures import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    WIDTH,
    image_uri,
    legend_above,
    single_figure,
    styled,
)
from .intervals import wilson
from .trials import Device, TrialEvidence, by_device, device_of

Floats = NDArray[np.float64]
_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, INK)
_MARKERS = "osD^vP*"
_PARAMETERS = {
    "delta": (r"$\Delta$", 1.0),
    "critical_voltage": (r"$V_\mathrm{c0}$ (mV)", 1e3),
}


def switching_curves(trials: TrialEvidence, device: Device) -> str:
    """P against voltage for each width: counts with Wilson intervals, and the fit."""
    points = by_device(trials.points)[device]
    fitted = next((row for row in trials.rows if device_of(row) == device), None)
    seen = np.array([each.applied_voltage for each in points], dtype=np.float64)
    grid = np.linspace(0.93 * seen.min(), 1.07 * seen.max(), 300)
    with styled():
        figure, axes = single_figure(3.1)
        for k, width in enumerate(sorted({each.width or 0.0 for each in points})):
            own = [each for each in points if each.width == width]
            volts = np.array([each.applied_voltage for each in own], dtype=np.float64)
            switched = np.array([each.switched for each in own])
            counts = np.array([each.trials for each in own])
            share = switched / counts
            low, high = wilson(switched, counts)
            colour = _COLOURS[k % len(_COLOURS)]
            axes.errorbar(
                1e3 * volts, share, yerr=[np.maximum(share - low, 0), np.maximum(high - share, 0)],
                fmt=_MARKERS[k % len(_MARKERS)], color=colour, capsize=2, elinewidth=1.0,
                label=quantity(width, "s", micro="µ"),
            )  # fmt: skip
            if fitted is not None:
                curve = trials.probability(fitted, grid, np.full(len(grid), width))
                axes.plot(1e3 * grid, curve, color=colour, linewidth=1.3)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("voltage across the junction (mV)")
        axes.set_ylabel("switching probability")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        legend_above(figure, axes, 4)
        return image_uri(figure)


def residuals(trials: TrialEvidence) -> str:
    """Standardised residuals of all points against the fitted probability."""
    points = by_device(trials.points)
    expected: list[Floats] = []
    found: list[Floats] = []
    for row in trials.rows:
        own = points.get(device_of(row), [])
        if not own:
            continue
        volts = np.array([each.applied_voltage for each in own], dtype=np.float64)
        widths = np.array([each.applied_width for each in own], dtype=np.float64)
        p = trials.probability(row, volts, widths)
        n = np.array([each.trials for each in own], dtype=np.float64)
        k = np.array([each.switched for each in own], dtype=np.float64)
        told = n * p * (1.0 - p) > 1.0
        p, n, k = p[told], n[told], k[told]
        expected.append(p)
        found.append((k - n * p) / np.sqrt(n * p * (1.0 - p)))
    p, z = np.concatenate(expected), np.concatenate(found)
    with styled():
        figure, axes = single_figure(2.9)
        axes.axhspan(-2.0, 2.0, color="#E6E9ED", linewidth=0, zorder=0)
        axes.plot(p, z, ".", color=BLUE, markersize=3.0, alpha=0.5)
        edges = np.linspace(0.0, 1.0, 11)
        middle = 0.5 * (edges[1:] + edges[:-1])
        place = np.digitize(p, edges[1:-1])
        for number, centre in enumerate(middle.tolist()):
            inside = z[place == number]
            if inside.size > 2:
                error = inside.std(ddof=1) / np.sqrt(inside.size)
                axes.errorbar([centre], [inside.mean()], yerr=[error], fmt="s", color=VERMILION, capsize=2)
        axes.set_xlim(0.0, 1.0)
        axes.set_xlabel("fitted probability")
        axes.set_ylabel("residual (standard deviations)")
        return image_uri(figure)


def chances(trials: TrialEvidence) -> str:
    """Share of the devices whose tests of scatter and drift fell below a chance p; steady ones follow p."""
    with styled():
        figure, axes = single_figure(2.9)
        lowest = 1e-4
        even = np.geomspace(lowest, 1.0, 100)
        axes.plot(even, even, color="#9AA3AD", linewidth=1.0, linestyle="--", label="steady devices")
        axes.axvline(SIGNIFICANT, color="#9AA3AD", linewidth=1.0)
        for name, label, colour in (
            ("overdispersion_p", "scatter of blocks", BLUE), ("drift_p", "drift", VERMILION),
            ("change_p", "both in one", INK),
        ):  # fmt: skip
            found = np.sort([row[name] for row in trials.rows if row.get(name) is not None])
            if found.size:
                places = np.concatenate([[lowest], np.maximum(found, lowest), [1.0]])
                shares = np.concatenate([[0.0], np.arange(1, found.size + 1) / found.size, [1.0]])
                axes.step(places, shares, where="post", color=colour, label=label)
        axes.set_xscale("log")
        axes.set_yscale("symlog", linthresh=0.01)
        axes.set_xlim(lowest, 1.0)
        axes.set_ylim(0.0, 1.05)
        axes.set_yticks([0.0, 0.01, 0.1, 1.0], ["0", "1 %", "10 %", "100 %"])
        axes.set_xlabel("chance p of steady trials")
        axes.set_ylabel("devices below p")
        legend_above(figure, axes, 4)
        return image_uri(figure)


def parameter_map(trials: TrialEvidence, tile: int, polarity: int, name: str, shape: tuple[int, int]) -> str:
    """A fitted parameter over one tile; cells without a fit are grey."""
    label, scale = _PARAMETERS[name]
    values = np.full(shape, np.nan)
    for row in trials.rows:
        if row["tile"] == tile and row["polarity"] == polarity:
            values[row["row"], row["column"]] = scale * row[name]
    with styled():
        figure, axes = single_figure(float(np.clip(3.5 * shape[0] / shape[1], 1.0, 4.6)) + 0.75)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.set_facecolor("#D9DDE2")
        image = axes.imshow(values, aspect="auto", interpolation="nearest")
        axes.set_xlabel("column")
        axes.set_ylabel("row")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        bar = figure.colorbar(image, ax=axes, label=label)
        bar.outline.set_visible(False)
        return image_uri(figure)


def correlations(trials: TrialEvidence) -> str:
    """Delta against V_c0 and against resistance, cell by cell."""
    with styled():
        figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
        panels = figure.subplots(1, 2)
        for polarity, colour, marker in ((1, BLUE, "o"), (-1, VERMILION, "s")):
            rows = [row for row in trials.rows if row["polarity"] == polarity]
            if not rows:
                continue
            delta = np.array([row["delta"] for row in rows])
            volts = np.array([1e3 * row["critical_voltage"] for row in rows])
            ohm = np.array([_resistance(trials, row) for row in rows])
            style: dict[str, Any] = {"color": colour, "markersize": 2.6, "alpha": 0.6, "linestyle": ""}
            panels[0].plot(volts, delta, marker, label=POLARITY_NAMES[polarity], **style)
            panels[1].plot(1e-3 * ohm, delta, marker, **style)
        panels[0].set_xlabel(r"$V_\mathrm{c0}$ (mV)")
        panels[0].set_ylabel(r"$\Delta$")
        panels[1].set_xlabel(r"$R_\mathrm{P}$ as read (kΩ)")
        legend_above(figure, panels[0], 2)
        return image_uri(figure)


def reference_by_block(trials: TrialEvidence) -> str:
    """By how much the share switched at the reference point is off in each block, with the band of chance.

    Each device is held against its own mean, so that devices that are done, and leave, move nothing.
    """
    with styled():
        figure, axes = single_figure(2.6)
        for polarity, colour, marker in ((1, BLUE, "o"), (-1, VERMILION, "s")):
            found = off_by_block([each for each in trials.reference if each.polarity == polarity])
            if not found:
                continue
            blocks = np.array(sorted(found))
            off, spread = np.array([found[block] for block in blocks.tolist()]).T
            axes.fill_between(blocks, -2.0 * spread, 2.0 * spread, color=colour, alpha=0.15, linewidth=0)
            axes.plot(
                blocks, off, color=colour, marker=marker if len(blocks) <= 60 else "",
                label=POLARITY_NAMES[polarity],
            )  # fmt: skip
        axes.set_xlabel("block")
        axes.set_ylabel("share switched, less its mean")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        legend_above(figure, axes, 2)
        return image_uri(figure)


def off_by_block(counts: Sequence[BlockCount]) -> dict[int, tuple[float, float]]:
    """Share switched in each block less that of the same devices over all blocks, and its standard deviation
    if their trials are binomial (the mean of each device, which holds the block itself, taken into account).
    """
    whole: dict[tuple[int, int, int, int], list[int]] = {}
    for each in counts:
        total = whole.setdefault((each.tile, each.row, each.column, each.polarity), [0, 0])
        total[0] += each.switched
        total[1] += each.trials
    sums: dict[int, list[float]] = {}
    for each in counts:
        switched, trials = whole[each.tile, each.row, each.column, each.polarity]
        p = switched / trials
        total_off = sums.setdefault(each.block, [0.0, 0.0, 0.0])
        total_off[0] += each.switched - each.trials * p
        total_off[1] += each.trials * p * (1.0 - p) * (1.0 - each.trials / trials)
        total_off[2] += each.trials
    return {block: (off / n, float(np.sqrt(variance)) / n) for block, (off, variance, n) in sums.items()}


def trials_spent(points: Sequence[PointCount]) -> str:
    """Trials by voltage and width over all devices, one panel a polarity."""
    polarities = sorted({each.polarity for each in points}, reverse=True)
    with styled():
        figure = Figure(figsize=(WIDTH, 1.2 + 1.3 * len(polarities)), layout="constrained")
        panels: list[Axes] = list(figure.subplots(len(polarities), 1, squeeze=False)[:, 0])
        for axes, polarity in zip(panels, polarities, strict=True):
            own = [each for each in points if each.polarity == polarity]
            volts = [1e3 * (each.voltage or 0.0) for each in own]
            edges = np.linspace(min(volts) - 1.0, max(volts) + 1.0, 41)
            for k, width in enumerate(sorted({each.width or 0.0 for each in own})):
                chosen = [each for each in own if each.width == width]
                axes.hist(
                    [1e3 * (each.voltage or 0.0) for each in chosen], edges.tolist(),
                    weights=[each.trials for each in chosen], histtype="stepfilled", alpha=0.5,
                    color=_COLOURS[k % len(_COLOURS)], label=quantity(width, "s", micro="µ"),
                )  # fmt: skip
            axes.set_ylabel(f"trials, {POLARITY_NAMES[polarity]}")
        panels[-1].set_xlabel("asked voltage (mV)")
        panels[-1].xaxis.label.set_color(INK)
        legend_above(figure, panels[0], 4)
        return image_uri(figure)


def _resistance(trials: TrialEvidence, row: dict[str, Any]) -> float:
    known = trials.resistances.get(row["tile"])
    return float("nan") if known is None else float(known[row["row"], row["column"]])
