"""`mtjloop map`: resistance and state of every cell."""

from pathlib import Path

import numpy as np

from ..drivers.bench import BenchDescription, read_bench_file
from ..errors import ConfigurationError
from ..protocols.mapping import ResistanceMap, map_crossbar
from ..protocols.recorded import RecordedCrossbar
from .experiment_file import operation_settings
from .session import session


def map_tiles(
    bench_path: Path, tile: int | None, threshold: float | None, seed: int, runs: Path, arm: bool = False
) -> tuple[dict[str, object], list[tuple[int, ResistanceMap]]]:
    """Map all tiles of a bench, or one.

    Args:
        bench_path: bench file.
        tile: number of one tile; None for all.
        threshold: ohm between P and AP; None looks for two levels in each map.
        seed: of the die, where the bench file leaves it open.
        runs: directory of all runs.
        arm: let a bench of instruments be energised.

    Returns:
        The result as JSON goes, and the maps with the numbers of their tiles.
    """
    bench = read_bench_file(bench_path)
    read, _ = operation_settings(bench.content)
    chosen = chosen_tiles(bench, tile)
    maps: list[tuple[int, ResistanceMap]] = []
    with session("map", bench.content.name, bench, seed, runs, arm=arm) as now:
        for number in chosen:
            now.monitor.progress("map", len(maps), len(chosen), f"tile {number}")
            crossbar = RecordedCrossbar(now.bench.crossbars[number], number, now.recorder)
            with crossbar.during("map"):
                found = map_crossbar(crossbar, read, threshold)
            now.recorder.record_map(number, "map", None, found.resistance, found.state)
            maps.append((number, found))
            if now.monitor.should_stop():
                break
        now.monitor.progress("map", len(maps), len(chosen))
        now.interrupted = len(maps) < len(chosen)
        now.result = {
            "bench": bench.content.name,
            "tiles": [_summary(number, found) for number, found in maps],
            "interrupted": now.interrupted,
            "run_dir": str(now.recorder.directory),
        }
    return now.result, maps


def chosen_tiles(bench: BenchDescription, tile: int | None) -> list[int]:
    """Numbers of the tiles asked for.

    Raises:
        ConfigurationError: there is no such tile.
    """
    if tile is None:
        return list(range(len(bench.shapes)))
    if not 0 <= tile < len(bench.shapes):
        raise ConfigurationError(f"--tile {tile}: the bench has tiles 0 to {len(bench.shapes) - 1}")
    return [tile]


def _summary(number: int, found: ResistanceMap) -> dict[str, object]:
    resistance = np.where(np.isfinite(found.resistance), found.resistance, np.nan)
    rows, columns = found.resistance.shape
    return {
        "tile": number,
        "rows": rows,
        "columns": columns,
        "parallel": int((found.state == 1).sum()),
        "antiparallel": int((found.state == 0).sum()),
        "unreadable": int((found.state < 0).sum()),
        "parallel_resistance_ohm": _mean(resistance[found.state == 1]),
        "antiparallel_resistance_ohm": _mean(resistance[found.state == 0]),
        "threshold_ohm": None if found.threshold is None else float(np.mean(found.threshold)),
        "resistance_ohm": [
            [float(one) if np.isfinite(one) else None for one in row] for row in found.resistance
        ],
        "state": found.state.tolist(),
    }


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float | None:
    return float(np.nanmean(values)) if values.size else None
