"""What `mtjloop fit` found: as JSON goes, and in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..protocols.switching.checks import SIGNIFICANT
from ..protocols.switching.fit import DeviceFit, FitSettings, LawComparison
from ..protocols.switching.joint import JointFit, PolarityModel
from ..protocols.switching.likelihood import LOG_DELTA, LOG_TIME, LOG_VOLTAGE
from ..protocols.switching.scatter import ScatterFit
from ..protocols.switching.summary import QUANTITIES, Summary, summarise
from ..records.tallies import POLARITY_NAMES
from .format import NOTHING, percent, quantity

_SHOWN = 20
_JOINED = {"shared": "one Delta and no field", "field": "one Delta and a stray field"}
Cell = tuple[int, int, int]
"""Tile, row, column."""


@dataclass(frozen=True)
class Found:
    """All that a fit found.

    Attributes:
        settings: of the fit.
        fits: of devices and polarities, as they are reported.
        summary: of the array.
        laws: every law on the same trials, if asked.
        joined: separate, shared or field: how the polarities of a cell were taken together.
        joint: joint fits by cell; empty for separate ones.
        polarity_models: the three ways compared, if asked.
        scatter: beta-binomial fits by cell and polarity; empty for binomial ones.
    """

    settings: FitSettings
    fits: Sequence[DeviceFit]
    summary: Summary = field(default_factory=lambda: summarise([], 1.0))
    laws: Sequence[LawComparison] = ()
    joined: str = "separate"
    joint: Mapping[Cell, JointFit] = field(default_factory=dict)
    polarity_models: Sequence[PolarityModel] = ()
    scatter: Mapping[tuple[int, int, int, int], ScatterFit] = field(default_factory=dict)


def print_fit(result: dict[str, Any]) -> None:
    """A table of devices, the summary of the array, and what to beware of."""
    print(f"{len(result['rows'])} devices and polarities, {result['law']}; V_c0 in mV, intervals of 95 %")
    print(
        f"{'tile:cell':>12} {'polarity':>9} {'Delta':>20} {'V_c0':>24} {'dev/dof':>9} "
        f"{'over p':>8} {'drift p':>8} {'change p':>8}"
    )
    for row in result["rows"][:_SHOWN]:
        volts = [1e3 * row[f"critical_voltage{end}"] for end in ("", "_low", "_high")]
        cell = f"{row['tile']}:({row['row']}, {row['column']})"
        delta = f"{row['delta']:.1f} ({row['delta_low']:.1f}, {row['delta_high']:.1f})"
        voltage = f"{volts[0]:.1f} ({volts[1]:.1f}, {volts[2]:.1f})"
        deviance = f"{row['deviance']:.0f}/{row['degrees_of_freedom']}"
        print(
            f"{cell:>12} {POLARITY_NAMES[row['polarity']]:>9} {delta:>20} {voltage:>24} {deviance:>9} "
            f"{_short(row['overdispersion_p']):>8} {_short(row['drift_p']):>8} {_short(row['change_p']):>8}"
        )
    if len(result["rows"]) > _SHOWN:
        print(f"... and {len(result['rows']) - _SHOWN} more; --json prints all")
    summary = result["summary"]
    for name in QUANTITIES:
        each = summary[name]
        if each["mean"] is None:
            continue
        print(
            f"{name.replace('_', ' ')}: mean {_number(each['mean'])}, spread {percent(each['spread'], 2)} "
            f"(as measured {percent(each['measured_spread'], 2)}, error {percent(each['error'], 2)})"
        )
    for pair, value in summary["correlations"].items():
        print(f"correlation of ln {pair.replace(', ', ' and ln ')}: {_number(value)}")
    for each in result["laws"]:
        time = "fitted" if each["time_fitted"] else "fixed"
        print(
            f"{each['law']}, time {time}: deviance {each['deviance']:.1f} with {each['degrees_of_freedom']} "
            f"degrees of freedom, AIC {each['aic']:.1f}"
        )
    for each in result["polarity_models"]:
        print(
            f"polarities {each['model']}: deviance {each['deviance']:.1f} with {each['degrees_of_freedom']} "
            f"degrees of freedom, AIC {each['aic']:.1f}, {each['cells']} cells"
        )
    if result["joined"] != "separate":
        print(f"both polarities of a cell fitted together: {_JOINED[result['joined']]}")
    if result["overdispersed"]:
        rho = [row["overdispersion"] for row in result["rows"]]
        beyond = sum(row["overdispersion_low"] > 0.0 for row in result["rows"])
        print(
            f"beta-binomial fit: correlation of two trials of a block {np.median(rho):.3g} (median), above 0 "
            f"beyond doubt in {beyond} of {len(rho)}; AIC {-(result['overdispersed_aic_gain'] or 0.0):+.1f} "
            "against binomial trials"
        )
    print(
        f"{result['flagged']} of {len(result['rows'])} drifted or scattered beyond chance "
        f"(change p < {SIGNIFICANT})"
    )
    for text, count in result["warnings"].items():
        print(f"warning, {count} devices: {text}")
    if result["delta_by_time"] is not None and not result["time_fitted"]:
        print(
            f"time unit held at {quantity(result['time_unit'], 's', 4)}; if it is twice as long, Delta "
            f"changes by {percent(2.0 ** result['delta_by_time'] - 1.0)}"
        )
    print(f"die file: {result['die_file']}")


def fit_result(directory: Path, path: Path, found: Found) -> dict[str, object]:
    """The result as JSON goes.

    Args:
        directory: of the run.
        path: of the die file.
        found: all that was found.
    """
    settings, fits, summary = found.settings, found.fits, found.summary
    warnings: dict[str, int] = {}
    for each in fits:
        for text in each.warnings:
            warnings[text] = warnings.get(text, 0) + 1
    by_time = np.array([each.delta_by_time for each in fits])
    return {
        "run_dir": str(directory),
        "die_file": str(path),
        "law": settings.law,
        "time_unit": settings.time_unit,
        "time_fitted": settings.fit_time,
        "joined": found.joined,
        "overdispersed": bool(found.scatter),
        "rows": [_row(each, found) for each in fits],
        "flagged": sum(each.flagged for each in fits),
        "warnings": warnings,
        "delta_by_time": _finite(float(np.nanmedian(by_time))) if np.isfinite(by_time).any() else None,
        "summary": {
            **{
                name: {
                    "mean": _finite(summary.mean[name]),
                    "spread": _finite(summary.spread[name]),
                    "measured_spread": _finite(summary.measured_spread[name]),
                    "error": _finite(summary.error[name]),
                }
                for name in QUANTITIES
            },
            "cells": summary.cells,
            "correlations": dict(summary.correlations),
            "stray_field": summary.field[0],
            "stray_field_p": summary.field[1],
        },
        "laws": [
            {
                "law": each.law,
                "time_fitted": each.fit_time,
                "deviance": each.deviance,
                "degrees_of_freedom": each.degrees_of_freedom,
                "aic": each.aic,
                "devices": each.devices,
            }
            for each in found.laws
        ],
        "polarity_models": [
            {
                "model": each.model,
                "deviance": each.deviance,
                "degrees_of_freedom": each.degrees_of_freedom,
                "aic": each.aic,
                "cells": each.cells,
            }
            for each in found.polarity_models
        ],
        "overdispersed_aic_gain": sum(each.aic_gain for each in found.scatter.values()) or None,
    }


def _row(each: DeviceFit, found: Found) -> dict[str, object]:
    checks = each.checks
    row: dict[str, object] = {
        "row": each.row,
        "column": each.column,
        "polarity": each.polarity,
        "delta": math.exp(float(each.theta[LOG_DELTA])),
        "delta_low": each.delta[0],
        "delta_high": each.delta[1],
        "critical_voltage": math.exp(float(each.theta[LOG_VOLTAGE])),
        "critical_voltage_low": each.critical_voltage[0],
        "critical_voltage_high": each.critical_voltage[1],
        "deviance": _finite(max(checks.deviance, 0.0)),
        "degrees_of_freedom": max(checks.degrees_of_freedom, 0),
        "overdispersion_p": _finite(checks.overdispersion_p),
        "drift_p": _finite(checks.drift_p),
        "change_p": _finite(checks.change_p),
        "tile": each.tile,
    }
    if each.time_unit is not None:
        row["time_unit"] = math.exp(float(each.theta[LOG_TIME]))
        row["time_unit_low"], row["time_unit_high"] = each.time_unit
    joint = found.joint.get((each.tile, each.row, each.column))
    if joint is not None:
        row["field"] = joint.stray_field
        row["field_low"], row["field_high"] = joint.field
    scatter = found.scatter.get((each.tile, each.row, each.column, each.polarity))
    if scatter is not None:
        row["overdispersion"] = scatter.rho
        row["overdispersion_low"], row["overdispersion_high"] = scatter.rho_interval
    return row


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _short(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2g}"


def _number(value: float | None) -> str:
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.4g}"
