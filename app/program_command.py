"""`mtjloop program`: write a pattern into a tile, verify, retry, report failures."""

import csv
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..drivers.bench import read_bench_file
from ..errors import ConfigurationError
from ..protocols.calibration import DEFAULT_PROBABILITY, calibrate
from ..protocols.journal import States
from ..protocols.programming import ProgramReport, program
from ..protocols.recorded import RecordedCrossbar
from .experiment_file import operation_settings
from .map_command import chosen_tiles
from .session import session

NAMED_PATTERNS = ("checkerboard", "stripes", "p", "ap", "random")


def program_tile(
    bench_path: Path, pattern: str, tile: int, seed: int, runs: Path, arm: bool = False
) -> tuple[dict[str, object], ProgramReport]:
    """Calibrate a tile and program a pattern into it.

    Args:
        bench_path: bench file.
        pattern: a name of `NAMED_PATTERNS`, or a .csv or .npy file of 1 (P), 0 (AP) and -1 (any).
        tile: number of the tile.
        seed: of a random pattern and, where the bench file leaves it open, of the die.
        runs: directory of all runs.
        arm: let a bench of instruments be energised.

    Returns:
        The result as JSON goes, and the report.
    """
    bench = read_bench_file(bench_path)
    read, pulse = operation_settings(bench.content)
    chosen_tiles(bench, tile)
    rng = np.random.default_rng(seed)
    target = read_pattern(pattern, bench.shapes[tile], rng)
    with session("program", bench.content.name, bench, seed, runs, arm=arm) as now:
        crossbar = RecordedCrossbar(now.bench.crossbars[tile], tile, now.recorder)
        with crossbar.during("calibrate"):
            known = calibrate(crossbar, read, pulse, DEFAULT_PROBABILITY, rng, now.monitor)
        with crossbar.during("program"):
            report = program(crossbar, target, known, read, pulse, now.monitor)
        now.recorder.record_map(tile, "after", None, report.final.resistance, report.final.state)
        now.interrupted = report.stopped
        now.result = {
            "bench": bench.content.name,
            "tile": tile,
            "cells": int((target >= 0).sum()),
            "failed": len(report.failed),
            "failed_cells": [list(cell) for cell in report.failed],
            "stuck_cells": np.argwhere(known.levels.stuck >= 0).tolist(),
            "rounds": report.rounds,
            "pulses": report.pulses,
            "energy_J": crossbar.totals.energy,
            "bench_time_s": crossbar.totals.elapsed,
            "kept": bench.keeps_states,
            "run_dir": str(now.recorder.directory),
        }
    return now.result, report


def read_pattern(pattern: str, shape: tuple[int, int], rng: np.random.Generator) -> States:
    """A pattern by name, or from a .csv or .npy file; (rows, columns) of 1, 0 and -1.

    Raises:
        ConfigurationError: unknown name, unreadable file, other values, or another shape.
    """
    rows, columns = np.indices(shape)
    named = {
        "checkerboard": (rows + columns) % 2,
        "stripes": columns % 2,
        "p": np.ones(shape),
        "ap": np.zeros(shape),
        "random": rng.integers(0, 2, size=shape),
    }
    if pattern in named:
        return named[pattern].astype(np.int8)
    values = _pattern_file(Path(pattern))
    if values.shape != shape:
        raise ConfigurationError(
            f"{pattern}: the pattern has shape {values.shape}; the tile has {shape[0]} rows and "
            f"{shape[1]} columns"
        )
    if not np.isin(values, (-1, 0, 1)).all():
        wrong = tuple(int(one) for one in np.argwhere(~np.isin(values, (-1, 0, 1)))[0])
        raise ConfigurationError(
            f"{pattern}: row {wrong[0]}, column {wrong[1]}: found {values[wrong]:g}; 1 (P), 0 (AP) or -1 "
            "(any) is accepted"
        )
    return values.astype(np.int8)


def _pattern_file(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                return np.array([[float(one) for one in row] for row in csv.reader(file) if row])
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such pattern file") from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ConfigurationError(f"{path}: no rectangular table of 1, 0 and -1 ({error})") from error
    raise ConfigurationError(
        f"pattern {str(path)!r} is neither one of {', '.join(NAMED_PATTERNS)} nor a .csv or .npy file"
    )
