"""Campaigns through the twin: emulated instruments with their noise behind real drivers and PyVISA.

    python benchmarks/characterize_twin.py accuracy   errors and coverage, at most 1,000 trials each
    python benchmarks/characterize_twin.py design     pulses that a grid needs for the sigma(Delta) of adaptive
    python benchmarks/characterize_twin.py drift      runs flagged, drifting and steady
    python benchmarks/characterize_twin.py loop       measure a sample, fit, dry run; against the true die

The bench is that of examples/wine/bench-2600b-707b.yaml: a 2600B whose scripts switch a 707B. `mtjloop twin` serves it
in a process of its own; `check`, `characterize --arm` and `fit` are the commands a user would run. The truth
is drawn anew from the seed after the fit, and nothing else here looks at it.
"""

import contextlib
import io
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mtjloop.app.characterize_command import characterize
from mtjloop.app.check_command import check_bench
from mtjloop.app.fit_command import FitRequest, fit
from mtjloop.drivers.bench import read_bench_file, tile_views
from mtjloop.protocols.electrical import Bounds

Floats = NDArray[np.float64]
_BENCH = Path(__file__).parents[1] / "examples" / "wine" / "bench-2600b-707b.yaml"
_WIDTHS = "[100 us, 1 ms, 10 ms]"
"""The instruments give no pulse below 100 us; the die is not to be pulsed for more than 10 ms."""


@dataclass(frozen=True)
class Measured:
    """A campaign: rows of the fit, true (Delta, V_c0) of each, what it cost, and where its files are."""

    rows: list[dict[str, Any]]
    truth: Floats
    cost: dict[str, Any]
    die_file: Path
    warnings: dict[str, int]

    def errors(self) -> Floats:
        """Relative errors of Delta and V_c0, (rows, 2)."""
        found = np.stack([column(self.rows, "delta"), column(self.rows, "critical_voltage")], 1)
        return np.asarray(found / self.truth - 1.0)

    def covered(self) -> NDArray[np.bool_]:
        """Whether the intervals of Delta and V_c0 hold the truth, (rows, 2)."""
        ends = [
            (column(self.rows, f"{name}_low"), column(self.rows, f"{name}_high"))
            for name in ("delta", "critical_voltage")
        ]
        return np.stack([(low <= t) & (t <= high) for (low, high), t in zip(ends, self.truth.T, strict=True)], 1)


def column(rows: Sequence[dict[str, Any]], name: str) -> Floats:
    """One field of all rows; NaN where it is null."""
    return np.array([row[name] for row in rows], dtype=np.float64)


@contextlib.contextmanager
def twin_of(here: Path, seed: int) -> Iterator[Path]:
    """Serve the twin of `here/bench.yaml` in another process; gives the bench file that leads to it."""
    led = here / "twin.yaml"
    command = [sys.executable, "-m", "mtjloop", "twin", str(here / "bench.yaml")]
    command += ["--write", str(led), "--seed", str(seed), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        try:
            if served.stdout is None or not json.loads(served.stdout.readline())["written"]:
                raise RuntimeError("the twin does not answer")
            yield led
        finally:
            served.terminate()


def measure(here: Path, bench: str, plan: str, seed: int) -> Measured:
    """Twin, check, characterize and fit in a directory."""
    (here / "bench.yaml").write_text(bench)
    (here / "plan.yaml").write_text(plan)
    runs = here / "runs"
    with contextlib.redirect_stderr(io.StringIO()), twin_of(here, seed) as led:
        check_bench(led, arm=False, switch=False, tile=None, bounds=Bounds(), seed=seed, runs=runs)
        cost: dict[str, Any] = characterize(led, here / "plan.yaml", seed, runs, arm=True)
    found: dict[str, Any] = fit(str(cost["run_dir"]), runs, FitRequest())
    views = tile_views(read_bench_file(here / "bench.yaml"), seed)
    truth = np.empty((len(found["rows"]), 2))
    for k, row in enumerate(found["rows"]):
        parameters, cell = views[row["tile"]].parameters, (row["row"], row["column"])
        name = "critical_voltage_up_V" if row["polarity"] > 0 else "critical_voltage_down_V"
        truth[k] = parameters["delta"][cell], parameters[name][cell]
    return Measured(found["rows"], truth, cost, Path(str(found["die_file"])), found["warnings"])


def told(cost: dict[str, Any]) -> str:
    """Trials and bench time of a campaign in words."""
    tiles = cost["tiles"]
    sums = {key: sum(tile[key] for tile in tiles) for key in ("trials", "pulses", "reads", "bench_time_s")}
    failed = sum(tile["reset_failed"] + tile["unreadable"] for tile in tiles)
    controls = sum(tile["controls"] for tile in tiles)
    switched = sum(tile["control_switched"] for tile in tiles)
    return (
        f"{sums['trials']} trials, {failed} discarded, {switched} of {controls} switched at 0 V, "
        f"{sums['pulses']} pulses, {sums['reads']} row reads, {sums['bench_time_s'] / 3600:.0f} h of bench time"
    )


def share(count: int, of: int) -> str:
    """A share with its exact interval of 95 %."""
    low, high = stats.binomtest(count, of).proportion_ci()
    return f"{count / of:.1%} ({low:.1%} to {high:.1%})"


def rows_of(count: int) -> list[list[int]]:
    """All cells of the first rows of tile 0: whole rows, since a bench reads a row as a whole."""
    return [[row, column] for row in range(count) for column in range(24)]


def accuracy() -> None:
    """Errors and coverage of 13 rows of 24 cells, both polarities, 800 trials each."""
    plan = f"name: accuracy\ntiles: [0]\ncells: {rows_of(13)}\nwidths: {_WIDTHS}\nmaximum: 800\n"
    plan += "precision: none\nrecord: tally\ndesign: {kind: adaptive, voltage_step: 2 %}\n"
    with tempfile.TemporaryDirectory() as place:
        found = measure(Path(place), _BENCH.read_text(), plan, 700)
    print(told(found.cost), flush=True)
    errors, covered = found.errors(), found.covered()
    flagged = sum(min(row["overdispersion_p"], row["drift_p"]) < 0.01 for row in found.rows)
    for k, name in enumerate(("Delta", "V_c0")):
        size = np.abs(errors[:, k])
        low, high = stats.bootstrap((size,), np.median, rng=1).confidence_interval
        print(
            f"{name}: median error {np.median(size):.2%} ({low:.2%} to {high:.2%}), mean {errors[:, k].mean():+.2%}; "
            f"95 % intervals hold the truth in {share(int(covered[:, k].sum()), len(covered))} of "
            f"{len(covered)} devices and polarities"
        )
    print(f"{flagged} of {len(covered)} steady devices and polarities flagged")


def design() -> None:
    """sigma(Delta) of the same cells by an adaptive campaign and by a grid with three times the pulses."""
    head = f"name: design\ntiles: [0]\nwidths: {_WIDTHS}\nprecision: none\nrecord: tally\n"
    head += f"cells: {rows_of(4)}\n"
    plans = {
        "adaptive": "maximum: 960\nblock: {trials: 40, reference: 0, control: 0}\n"
        "design: {kind: adaptive, voltage_step: 2 %}\n",
        "grid": "maximum: 2880\nblock: {trials: 24, reference: 0, control: 0}\ndesign: {kind: grid, steps: 8}\n",
    }
    sigmas: dict[str, tuple[float, float]] = {}
    for name, plan in plans.items():
        with tempfile.TemporaryDirectory() as place:
            found = measure(Path(place), _BENCH.read_text(), head + plan, 701)
        width = column(found.rows, "delta_high") - column(found.rows, "delta_low")
        claimed = float(np.sqrt(np.mean((width / 3.92) ** 2)))
        scatter = float(np.std(found.errors()[:, 0] * found.truth[:, 0]))
        sigmas[name] = claimed, scatter
        print(f"{name}: {told(found.cost)}", flush=True)
        print(f"  sigma(Delta) {claimed:.2f} by its intervals, {scatter:.2f} by its errors, {len(found.rows)} fits")
    for k, name in enumerate(("intervals", "errors")):
        ratio = 3.0 * (sigmas["grid"][k] / sigmas["adaptive"][k]) ** 2
        print(f"pulses of a grid for the sigma(Delta) of adaptive, by {name}: {ratio:.2f} times as many")


if __name__ == "__main__":
    chosen = {"accuracy": accuracy, "design": design}
    for each in sys.argv[1:] or list(chosen):
        began = time.monotonic()
        print(f"--- {each}", flush=True)
        chosen[each]()
        print(f"({(time.monotonic() - began) / 60:.0f} min)", flush=True)
