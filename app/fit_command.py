"""`mtjloop fit`: Delta, V_c0 and what else the trials of a run tell, and the die file that comes of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..drivers.bench import BenchDescription, BenchFile
from ..drivers.yaml_file import parse_yaml
from ..errors import ConfigurationError, RecordError
from ..protocols.switching.fit import DeviceFit, FitSettings, compare_laws, fit_devices
from ..protocols.switching.joint import CellFits, as_joint, compare_polarities, fit_cells, pairs_of
from ..protocols.switching.law import LAW_NAMES, LawName, fitted_law
from ..protocols.switching.scatter import fit_scatter
from ..protocols.switching.settings import LineResistances
from ..protocols.switching.summary import fitted_cells, summarise
from ..records.index import find_run
from ..records.manifest import Manifest
from ..records.reader import RunReader
from ..records.tallies import BlockCount, block_counts
from .characterize_command import PLAN, known_lines, law_time_unit
from .fit_files import DIE_FILE, FIT_FILE
from .fit_result import Found, fit_result
from .fitted_die import die_section, write_die_file, zero_bias_resistances
from .plan_file import PlanFile
from .session import BENCH
from .whole_file import write_whole

_JOINS = ("separate", "shared", "field", "auto")
_ALONE = "fitted alone although --join was asked: its cell has no fit of the other polarity"


@dataclass(frozen=True)
class FitRequest:
    """What was asked on the command line.

    Attributes:
        law: name of the law; None takes that of the plan, or fokker-planck.
        time_unit: tau_D or tau0, s; None takes that of the plan or of the bench file.
        fit_time: whether it is fitted.
        compare: whether the other laws are fitted too.
        output: of the die file; None puts it into the run.
        join: how the polarities of a cell are fitted: separate, shared (one Delta), field (one Delta and a
            stray field), or auto (that of the least AIC over the array).
        overdispersed: fit beta-binomial counts in place of binomial ones.
    """

    law: str | None = None
    time_unit: float | None = None
    fit_time: bool = False
    compare: bool = False
    output: Path | None = None
    join: str = "separate"
    overdispersed: bool = False


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
        ConfigurationError: an unknown law, or polarities to be joined of which the run has one only.
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
    if request.overdispersed:
        found, cell_fits = _scattered(counts, fits, settings)
    else:
        found, cell_fits = _joined(fits, settings, request)
    cells = fitted_cells(found.fits, resistances, found.joint or cell_fits.by_cell())
    found = replace(
        found,
        summary=summarise(cells, cell_fits.field_chance),
        laws=compare_laws(counts, settings) if request.compare else (),
    )
    path = request.output or directory / DIE_FILE
    section = die_section(
        None if bench is None else bench.content, shapes, cells, _stuck(arrays), resistances, found.summary,
        settings.law, settings.time_unit, lines, _provenance(directory, manifest, found),
    )  # fmt: skip
    write_die_file(path, section)
    result = fit_result(directory, path, found)
    try:
        write_whole(directory / FIT_FILE, json.dumps(result, indent=1, allow_nan=False))
    except OSError as error:
        raise RecordError(f"{directory / FIT_FILE} cannot be written ({error})") from error
    return result


def _scattered(
    counts: Sequence[BlockCount], fits: Sequence[DeviceFit], settings: FitSettings
) -> tuple[Found, CellFits]:
    """The devices by beta-binomial fits, and their cells by as many trials as tell as much."""
    scatter = fit_scatter(counts, fits, settings)
    by_device = {(one.fit.tile, one.fit.row, one.fit.column, one.fit.polarity): one for one in scatter}
    cells = fit_cells(pairs_of(replace(one.fit, points=one.steady) for one in scatter), settings)
    return Found(settings, [one.fit for one in scatter], scatter=by_device), cells


def _joined(fits: Sequence[DeviceFit], settings: FitSettings, request: FitRequest) -> tuple[Found, CellFits]:
    """The devices with both polarities of a cell taken together as was asked, and the fits of whole cells.

    Raises:
        ConfigurationError: they were to be taken together, and no cell has both.
    """
    pairs = pairs_of(fits)
    if not pairs and request.join != "separate":
        raise ConfigurationError(
            f"--join {request.join}: no cell of this run was measured in both polarities; leave --join out, "
            "or characterize with `polarities: both`"
        )
    cells = fit_cells(pairs, settings)
    compared = compare_polarities(pairs, cells) if pairs else []
    chosen = request.join
    if chosen == "auto":
        chosen = min(compared, key=lambda one: one.aic).model
    shown = compared if request.compare or request.join != "separate" else ()
    if chosen == "separate":
        return Found(settings, fits, polarity_models=shown), cells
    joint, law = cells.by_cell("field" if chosen == "field" else "shared"), fitted_law(settings.law)
    taken = [
        as_joint(fit, joint[place], law, settings)
        if (place := (fit.tile, fit.row, fit.column)) in joint
        else replace(fit, warnings=(*fit.warnings, _ALONE))
        for fit in fits
    ]
    return Found(settings, taken, joined=chosen, joint=joint, polarity_models=shown), cells


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
    if request.join not in _JOINS:
        raise ConfigurationError(f"--join {request.join!r}: {', '.join(_JOINS)} is accepted")
    if request.overdispersed and request.join != "separate":
        raise ConfigurationError(
            f"--overdispersed with --join {request.join}: polarities are taken together by binomial fits "
            "only; leave one of the two out"
        )
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


def _provenance(directory: Path, manifest: Manifest, found: Found) -> dict[str, str]:
    settings, fits = found.settings, found.fits
    kind = "beta-binomial" if found.scatter else "binomial"
    together = "" if found.joined == "separate" else f", polarities together ({found.joined})"
    trials = int(sum(each.points.trials.sum() for each in fits))
    time = "fitted" if settings.fit_time else f"held at {settings.time_unit:.6g} s"
    return {
        "run": manifest.run_id,
        "measured": f"{manifest.started_utc:%Y-%m-%dT%H:%M:%SZ}",
        "crossbar": f"{manifest.backend}, {'real hardware' if manifest.hardware else 'no hardware touched'}",
        "die": manifest.die_id or "not named",
        "method": f"{kind} maximum likelihood, {settings.law}, time unit {time}{together}",
        "trials": f"{trials} on {len(fits)} devices and polarities",
        "flagged": f"{sum(each.flagged for each in fits)} drifted or scattered beyond chance",
        "mtjloop": __version__,
        "git": (manifest.git_commit or "not in a git checkout")
        + (" with uncommitted changes" if manifest.git_dirty else ""),
        "directory": directory.name,
    }
