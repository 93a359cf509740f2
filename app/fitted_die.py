"""The die file that a fit writes: what was measured of every cell, and the array it stands for."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..drivers.bench import BenchFile
from ..drivers.die_cells import written_cells
from ..drivers.die_file import DieSection, JunctionSection
from ..drivers.simulated import DEFECTS, KnownCells, Spread, decompose
from ..drivers.yaml_file import parse_yaml
from ..errors import RecordError
from ..protocols.switching.settings import LineResistances
from ..protocols.switching.summary import FittedCell, Summary
from .whole_file import write_whole

_STUCK = {1: DEFECTS.index("stuck_p"), 0: DEFECTS.index("stuck_ap")}
_LARGEST_SPREAD = 0.5


class _Block(str):
    """A text written as a block of lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
)


def zero_bias_resistances(
    parallel: np.ndarray[Any, np.dtype[np.float64]],
    antiparallel: np.ndarray[Any, np.dtype[np.float64]],
    lines: LineResistances,
    read_voltage: float,
    half_voltage: float,
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]:
    """R_P in ohm and TMR at zero bias of every cell, from its two resistances as read.

    Args:
        parallel: read in P, (rows, columns), ohm.
        antiparallel: read in AP, (rows, columns), ohm.
        lines: resistances in series; the sensed line is taken to have those of a driven one.
        read_voltage: of those reads, V.
        half_voltage: V_h of TMR(V) = TMR/(1 + (V/V_h)^2), V.
    """
    rows, columns = parallel.shape
    along_row = lines.row_segment * np.arange(columns)[None, :]
    along_column = lines.column_segment * (rows - 1 - np.arange(rows))[:, None]
    series = 2.0 * lines.driver + lines.access + along_row + along_column
    low = parallel - series
    tmr = (antiparallel - series) / low - 1.0
    return low, tmr * (1.0 + (read_voltage / half_voltage) ** 2)


def die_section(
    bench: BenchFile | None,
    shapes: Sequence[tuple[int, int]],
    cells: Sequence[FittedCell],
    stuck: Mapping[int, np.ndarray[Any, np.dtype[np.int8]]],
    resistances: Mapping[int, tuple[Any, Any]],
    summary: Summary,
    law: str,
    time_unit: float,
    lines: LineResistances,
    provenance: Mapping[str, str],
) -> dict[str, Any]:
    """A die section with the cells as fitted; cells that were not measured are drawn like the measured ones.

    Of the die that a simulated bench describes nothing is taken but what an experimenter would know
    beforehand: kind, temperature, damping, anisotropy field and bias dependence of the TMR.

    Args:
        bench: bench file of the run; None if it kept none.
        shapes: (rows, columns) of every tile.
        cells: fitted.
        stuck: by tile, 1 or 0 where a cell stays P or AP, -1 elsewhere.
        resistances: by tile, R_P in ohm and TMR, (rows, columns) each.
        summary: of the cells.
        law: switching law of the fit.
        time_unit: tau_D or tau0 where cells have none of their own, s.
        lines: resistances in series that were taken off.
        provenance: where all this is from.
    """
    section = bench.simulated.die if bench is not None and bench.simulated is not None else None
    known_junction = section.junction if section is not None else JunctionSection()
    junction: dict[str, Any] = {
        "damping": known_junction.damping,
        "anisotropy_field": f"{known_junction.anisotropy_field:.6g} T",
        "tmr_half_voltage": f"{known_junction.tmr_half_voltage:.6g} V",
        "law": law,
    }
    if law != "fokker-planck":
        junction["attempt_time"] = f"{time_unit:.6g} s"
    mean = summary.mean
    for key, name, unit in (
        ("delta", "delta", ""),
        ("critical_voltage_up", "critical_voltage_up", " V"),
        ("critical_voltage_down", "critical_voltage_down", " V"),
        ("parallel_resistance", "resistance", " ohm"),
    ):
        if math.isfinite(mean[name]):
            junction[key] = f"{mean[name]:.6g}{unit}" if unit else float(f"{mean[name]:.6g}")
    tmrs = np.array([each.tmr for each in cells])
    if np.isfinite(tmrs).any():
        junction["tmr"] = f"{100.0 * float(np.nanmean(tmrs)):.6g} %"
    kind = section.kind if section is not None else ("1T1R" if lines.access > 0.0 else "passive")
    content: dict[str, Any] = {
        "kind": kind,
        "tiles": [{"rows": rows, "columns": columns} for rows, columns in shapes],
        "temperature": f"{section.temperature if section is not None else 300.0:g} K",
        "junction": junction,
        "spread": {key: f"{100.0 * value:.4g} %" for key, value in _spread(summary).items()},
    }
    if kind == "1T1R":
        content["transistors"] = {"on_resistance": f"{lines.access:.6g} ohm"}
    content["provenance"] = dict(provenance)
    content["cells"] = _Block(written_cells(_known(shapes, cells, stuck, resistances, law)))
    return content


def write_die_file(path: Path, content: Mapping[str, Any]) -> None:
    """Write a die section as a file of its own, after checking that it can be read again.

    Raises:
        RecordError: the file cannot be written.
        ConfigurationError: a fitted value lies outside what a die may be.
    """
    text = (
        "# A die as measured and fitted by `mtjloop fit`. Use it as `simulated.die` of a bench file, or\n"
        "# with `mtjloop train --dry-run --die`. Cells are in SI units; see docs/probabilities.md.\n"
    ) + yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    parse_yaml(text, str(path), DieSection)
    try:
        write_whole(path, text)
    except OSError as error:
        raise RecordError(
            f"{path}: the die file cannot be written ({error}); give another --output"
        ) from error


def _known(
    shapes: Sequence[tuple[int, int]],
    cells: Sequence[FittedCell],
    stuck: Mapping[int, np.ndarray[Any, np.dtype[np.int8]]],
    resistances: Mapping[int, tuple[Any, Any]],
    law: str,
) -> list[KnownCells]:
    known = [KnownCells.nothing(*shape) for shape in shapes]
    for tile, (resistance, tmr) in resistances.items():
        known[tile].resistance[:], known[tile].tmr[:] = resistance, tmr
    for tile, states in stuck.items():
        known[tile].defect[states < 0] = 0
        for state, number in _STUCK.items():
            known[tile].defect[states == state] = number
    for each in cells:
        here, place = known[each.tile], (each.row, each.column)
        for name, value in (
            ("delta", each.delta), ("voltage_up", each.voltage_up), ("voltage_down", each.voltage_down),
            ("field", each.field), ("time_unit", each.time_unit),
        ):  # fmt: skip
            getattr(here, name)[place] = value
        if law == "fokker-planck" and math.isfinite(each.delta):
            here.delta[place] = min(max(each.delta, 5.0), 120.0)
    return known


def _spread(summary: Summary) -> dict[str, float]:
    """Spreads of the cells that one junction model can meet jointly: V_c0 is widened where it must be."""

    def bounded(value: float, otherwise: float) -> float:
        return min(value, _LARGEST_SPREAD) if math.isfinite(value) else otherwise

    default = Spread()
    resistance = bounded(summary.spread["resistance"], default.resistance)
    delta = bounded(summary.spread["delta"], default.delta)
    voltages = [summary.spread[name] for name in ("critical_voltage_up", "critical_voltage_down")]
    found = [value for value in voltages if math.isfinite(value)]
    voltage = bounded(float(np.mean(found)) if found else math.nan, default.critical_voltage)
    for _ in range(200):
        try:
            decompose(Spread(resistance=resistance, critical_voltage=voltage, delta=delta))
            break
        except ValueError:
            voltage = 1.02 * voltage + 1e-4
    return {"resistance": resistance, "critical_voltage": voltage, "delta": delta}
