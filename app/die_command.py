"""`mtjloop die`: every parameter of a simulated die as drawn.

The one command that looks at what a simulator hides; no experiment can.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ..drivers.bench import TileView, correlations, drawn_spreads, read_bench_file, target_spreads, tile_views
from ..drivers.quantities import parse_quantity
from ..errors import ConfigurationError
from .format import NOTHING, percent, quantity

WIDTHS = ("10 ns", "1 us", "100 us")
"""Pulse widths of the P(V) curves unless others are asked for."""
_UNITS = {
    "resistance_parallel_ohm": ("R_P", "ohm"),
    "delta": ("Delta", ""),
    "critical_voltage_up_V": ("V_c0 of AP -> P", "V"),
    "critical_voltage_down_V": ("V_c0 of P -> AP", "V"),
    "tmr": ("TMR", ""),
    "stray_field": ("stray field h", ""),
    "area_m2": ("area", "nm^2"),
    "resistance_area_ohm_m2": ("RA", "ohm um^2"),
    "anisotropy_field_T": ("mu0 H_k", "T"),
    "damping": ("damping", ""),
}
_SCALES = {"nm^2": 1e18, "ohm um^2": 1e12}


def describe_die(bench_path: Path, seed: int) -> tuple[dict[str, object], tuple[TileView, ...]]:
    """Draw the die of a bench file.

    Args:
        bench_path: bench file with a simulated die.
        seed: of the die, where the bench file leaves it open.

    Returns:
        All parameters of all cells and the summary, as JSON goes, and the tiles.

    Raises:
        ConfigurationError: the file is wrong or has no simulated die.
    """
    bench = read_bench_file(bench_path)
    views = tile_views(bench, seed)
    result: dict[str, object] = {
        "bench": bench.content.name,
        "seed": views[0].seed,
        "summary": _summary(views),
        "tiles": [_tile(number, view) for number, view in enumerate(views)],
    }
    return result, views


def parsed_widths(texts: Sequence[str]) -> list[float]:
    """Pulse widths in s from the command line.

    Raises:
        ConfigurationError: one is no time > 0 s.
    """
    widths = []
    for text in texts or WIDTHS:
        try:
            width = parse_quantity(text, "time")
        except ValueError as error:
            raise ConfigurationError(f"--width: {error}") from None
        if not width > 0.0:
            raise ConfigurationError(f"--width: found {text!r}; a time above 0 s is accepted")
        widths.append(width)
    return widths


def print_die(result: dict[str, object], views: tuple[TileView, ...]) -> None:
    """Summary for people: nominal values, spreads, correlations, defects."""
    console = Console(highlight=False, soft_wrap=True)
    cells = sum(view.tile.state.size for view in views)
    table = Table(
        box=box.SIMPLE_HEAD, title=f"{result['bench']}: die {result['seed']}, {cells} cells as drawn"
    )
    for heading in ("", "mean", "target spread", "drawn spread"):
        table.add_column(heading, justify="left" if not heading else "right")
    target, drawn = target_spreads(views[0].tile.die), drawn_spreads(views)
    for name, (label, unit) in _UNITS.items():
        mean, spread = drawn[name]
        if unit in ("ohm", "V", "T"):
            shown = quantity(mean, unit)
        else:
            shown = f"{mean * _SCALES.get(unit, 1.0):.4g} {unit}".rstrip()
        if name == "stray_field":
            table.add_row(label, shown, f"{target[name]:.3g}", f"{spread:.3g}")
        else:
            table.add_row(label, shown, percent(target[name], 2), percent(spread, 2))
    console.print(table)
    for pair, (expected, found) in correlations(views).items():
        shown = NOTHING if found is None else f"{found:+.3f}"
        console.print(
            f"correlation of ln {pair.replace(', ', ' and ln ')}: {shown} (expected {expected:+.3f})"
        )
    console.print("defects: " + ", ".join(f"{count} {kind}" for kind, count in _defects(views).items()))


def _summary(views: tuple[TileView, ...]) -> dict[str, object]:
    target, drawn = target_spreads(views[0].tile.die), drawn_spreads(views)
    return {
        "cells": sum(view.tile.state.size for view in views),
        "parameters": {
            name: {"mean": mean, "target_spread": target[name], "drawn_spread": spread}
            for name, (mean, spread) in drawn.items()
        },
        "correlations": {
            pair: {"expected": expected, "drawn": found}
            for pair, (expected, found) in correlations(views).items()
        },
        "defects": _defects(views),
        "temperature_K": views[0].tile.die.temperature,
        "law": views[0].tile.die.junction.law,
    }


def _tile(number: int, view: TileView) -> dict[str, object]:
    rows, columns = view.tile.state.shape
    parameters, defects, states = view.parameters, view.defects, view.states
    return {
        "tile": number,
        "rows": rows,
        "columns": columns,
        "cells": [
            {
                "row": i,
                "column": j,
                **{name: float(values[i, j]) for name, values in parameters.items()},
                "defect": defects[i][j],
                "state": states[i][j],
            }
            for i in range(rows)
            for j in range(columns)
        ],
    }


def _defects(views: tuple[TileView, ...]) -> dict[str, int]:
    found = Counter(kind for view in views for row in view.defects for kind in row)
    return {kind: found[kind] for kind in ("none", "short", "open", "stuck_p", "stuck_ap")}
