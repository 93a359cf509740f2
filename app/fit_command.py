"""`mtjloop fit`: Delta, V_c0 and what else the trials of a run tell, and the die file that comes of it."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..drivers.bench import BenchDescription, BenchFile
from ..drivers.yaml_file import parse_yaml
from ..errors import ConfigurationError, RecordError
from ..protocols.switching.campaign import POLARITY_NAMES
from ..protocols.switching.fit import DeviceFit, FitSettings, LawComparison, compare_laws, fit_devices
from ..protocols.switching.law import LAW_NAMES, LawName
from ..protocols.switching.likelihood import LOG_DELTA, LOG_TIME, LOG_VOLTAGE
from ..protocols.switching.settings import LineResistances
from ..protocols.switching.summary import QUANTITIES, Summary, fitted_cells, summarise
from ..records.index import find_run
from ..records.manifest import Manifest
from ..records.reader import RunReader
from ..records.tallies import block_counts
from .characterize_command import PLAN, known_lines, law_time_unit
from .fit_files import DIE_FILE, FIT_FILE
from .fitted_die import die_section, write_die_file, zero_bias_resistances
from .format import NOTHING, percent, quantity
from .plan_file import PlanFile
from .session import BENCH

_SHOWN = 20


@dataclass(frozen=True)
class FitRequest:
    """What was asked on the command line.

    Attributes:
        law: name of the law; None takes that of the plan, or fokker-planck.
        time_unit: tau_D or tau0, s; None takes that of the plan or of the bench file.
        fit_time: whether it is fitted.
        compare: whether the other laws are fitted too.
        output: of the die file; None puts it into the run.
    """

    law: str | None = None
    time_unit: float | None = None
    fit_time: bool = False
    compare: bool = False
    output: Path | None = None


def fit(run: str, runs: Path, request: FitRequest) -> dict[str, object]:
    """Fit every device of a run and write a die file.

    Args:
        run: directory, id, beginning of an id, or `last`.
        runs: directory of all runs.
        request: what was asked.

    Returns:
        The result as JSON goes; it is kept in the run too.

    Raises:
        RecordError: the run holds no trials of single devices, or a file cannot be written.
        ConfigurationError: an unknown law.
    """
    directory = find_run(runs, run)
    with RunReader(directory) as reader:
        manifest, arrays = reader.manifest, reader.arrays()
    bench, plan = _files(manifest)
    settings = _settings(request, bench, plan)
    counts = block_counts(directory)
    fits = fit_devices(counts, settings)
    if not fits:
        raise RecordError(
            f"{directory} holds no device that both switched and stayed; `mtjloop characterize BENCH PLAN` "
            "measures some"
        )
    lines = _lines(bench, plan)
    shapes = _shapes(bench, arrays, fits)
    resistances = _resistances(arrays, bench, lines)
    cells, chance = fitted_cells(fits, resistances)
    summary = summarise(cells, chance)
    compared = compare_laws(counts, settings) if request.compare else []
    path = request.output or directory / DIE_FILE
    section = die_section(
        None if bench is None else bench.content, shapes, cells, _stuck(arrays), resistances, summary,
        settings.law, settings.time_unit, lines, _provenance(directory, manifest, settings, fits),
    )  # fmt: skip
    write_die_file(path, section)
    result = _result(directory, path, settings, fits, summary, compared)
    try:
        (directory / FIT_FILE).write_text(json.dumps(result, indent=1, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise RecordError(f"{directory / FIT_FILE} cannot be written ({error})") from error
    return result


def print_fit(result: dict[str, Any]) -> None:
    """A table of devices, the summary of the array, and what to beware of."""
    print(f"{len(result['rows'])} devices and polarities, {result['law']}; V_c0 in mV, intervals of 95 %")
    print(
        f"{'tile:cell':>12} {'polarity':>9} {'Delta':>20} {'V_c0':>24} {'dev/dof':>9} "
        f"{'over p':>8} {'drift p':>8}"
    )
    for row in result["rows"][:_SHOWN]:
        volts = [1e3 * row[f"critical_voltage{end}"] for end in ("", "_low", "_high")]
        cell = f"{row['tile']}:({row['row']}, {row['column']})"
        delta = f"{row['delta']:.1f} ({row['delta_low']:.1f}, {row['delta_high']:.1f})"
        voltage = f"{volts[0]:.1f} ({volts[1]:.1f}, {volts[2]:.1f})"
        deviance = f"{row['deviance']:.0f}/{row['degrees_of_freedom']}"
        print(
            f"{cell:>12} {POLARITY_NAMES[row['polarity']]:>9} {delta:>20} {voltage:>24} {deviance:>9} "
            f"{_short(row['overdispersion_p']):>8} {_short(row['drift_p']):>8}"
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
    print(f"{result['flagged']} of {len(result['rows'])} drifted or scattered beyond chance (p < 0.01)")
    for text, count in result["warnings"].items():
        print(f"warning, {count} devices: {text}")
    if result["delta_by_time"] is not None and not result["time_fitted"]:
        print(
            f"time unit held at {quantity(result['time_unit'], 's', 4)}; if it is twice as long, Delta "
            f"changes by {percent(2.0 ** result['delta_by_time'] - 1.0)}"
        )
    print(f"die file: {result['die_file']}")


def _result(
    directory: Path,
    path: Path,
    settings: FitSettings,
    fits: Sequence[DeviceFit],
    summary: Summary,
    compared: Sequence[LawComparison],
) -> dict[str, object]:
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
        "rows": [_row(each) for each in fits],
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
            for each in compared
        ],
    }


def _row(each: DeviceFit) -> dict[str, object]:
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
        "tile": each.tile,
    }
    if each.time_unit is not None:
        row["time_unit"] = math.exp(float(each.theta[LOG_TIME]))
        row["time_unit_low"], row["time_unit_high"] = each.time_unit
    return row


def _files(manifest: Manifest) -> tuple[BenchDescription | None, PlanFile | None]:
    """The bench file and the plan file that a run kept."""
    bench = plan = None
    kept = manifest.configurations.get(BENCH)
    if kept is not None:
        bench = BenchDescription(Path(kept.path), kept.text, parse_yaml(kept.text, kept.path, BenchFile))
    kept = manifest.configurations.get(PLAN)
    if kept is not None:
        plan = parse_yaml(kept.text, kept.path, PlanFile)
    return bench, plan


def _settings(request: FitRequest, bench: BenchDescription | None, plan: PlanFile | None) -> FitSettings:
    planned: LawName = plan.law.name if plan is not None else "fokker-planck"
    law = planned
    if request.law is not None:
        if request.law not in LAW_NAMES:
            raise ConfigurationError(f"--law {request.law!r}: {', '.join(LAW_NAMES)} is accepted")
        law = request.law
    unit = request.time_unit
    if unit is None and plan is not None and law == planned:
        unit = plan.law.time_unit
    if unit is None and law == "fokker-planck" and bench is not None:
        unit = law_time_unit(bench)
    if unit is None:
        unit = 1.9e-9 if law == "fokker-planck" else 1e-9
    if law == "neel-brown-1" and request.fit_time:
        raise ConfigurationError(
            "--fit-time with neel-brown-1: Delta and ln tau0 enter this law only through their sum, so no "
            "trials separate them; leave --fit-time out and give --time-unit"
        )
    return FitSettings(law, unit, request.fit_time)


def _lines(bench: BenchDescription | None, plan: PlanFile | None) -> LineResistances:
    if plan is not None and plan.lines is not None:
        return LineResistances(**dict(plan.lines))
    return LineResistances() if bench is None else known_lines(bench)


def _shapes(
    bench: BenchDescription | None, arrays: dict[str, Any], fits: Sequence[DeviceFit]
) -> list[tuple[int, int]]:
    if bench is not None and bench.shapes:
        return list(bench.shapes)
    shapes = []
    for tile in range(max(each.tile for each in fits) + 1):
        known = arrays.get(f"parallel_ohm_{tile}")
        own = [(each.row + 1, each.column + 1) for each in fits if each.tile == tile] or [(1, 1)]
        shapes.append(
            (max(row for row, _ in own), max(column for _, column in own))
            if known is None
            else (int(known.shape[0]), int(known.shape[1]))
        )
    return shapes


def _resistances(
    arrays: dict[str, Any], bench: BenchDescription | None, lines: LineResistances
) -> dict[int, tuple[Any, Any]]:
    """R_P and TMR at zero bias by tile, where the run measured them."""
    found = {}
    half_voltage, read_voltage = 0.5, 0.1
    if bench is not None:
        read_voltage = bench.content.operation.read_voltage
        if bench.content.simulated is not None:
            half_voltage = bench.content.simulated.die.junction.tmr_half_voltage
    for name, parallel in arrays.items():
        tile = name.removeprefix("parallel_ohm_")
        if name.startswith("parallel_ohm_"):
            found[int(tile)] = zero_bias_resistances(
                parallel, arrays[f"antiparallel_ohm_{tile}"], lines, read_voltage, half_voltage
            )
    return found


def _stuck(arrays: dict[str, Any]) -> dict[int, Any]:
    return {
        int(name.removeprefix("stuck_")): values
        for name, values in arrays.items()
        if name.startswith("stuck_") and name.removeprefix("stuck_").isdigit()
    }


def _provenance(
    directory: Path, manifest: Manifest, settings: FitSettings, fits: Sequence[DeviceFit]
) -> dict[str, str]:
    trials = int(sum(each.points.trials.sum() for each in fits))
    time = "fitted" if settings.fit_time else f"held at {settings.time_unit:.6g} s"
    return {
        "run": manifest.run_id,
        "measured": f"{manifest.started_utc:%Y-%m-%dT%H:%M:%SZ}",
        "crossbar": f"{manifest.backend}, {'real hardware' if manifest.hardware else 'no hardware touched'}",
        "die": manifest.die_id or "not named",
        "method": f"binomial maximum likelihood, {settings.law}, time unit {time}",
        "trials": f"{trials} on {len(fits)} devices and polarities",
        "flagged": f"{sum(each.flagged for each in fits)} drifted or scattered beyond chance",
        "mtjloop": __version__,
        "git": (manifest.git_commit or "not in a git checkout")
        + (" with uncommitted changes" if manifest.git_dirty else ""),
        "directory": directory.name,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _short(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2g}"


def _number(value: float | None) -> str:
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.4g}"
