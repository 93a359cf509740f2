"""Campaigns through the twin: emulated instruments with their noise behind real drivers and PyVISA.

    python -m benchmarks.characterize_twin accuracy   errors and coverage, at most 1,000 trials each
    python -m benchmarks.characterize_twin design     pulses that a grid needs for adaptive's sigma(Delta)
    python -m benchmarks.characterize_twin drift      runs flagged while the devices drift
    python -m benchmarks.characterize_twin steady     runs flagged while they do not
    python -m benchmarks.characterize_twin loop       measure a sample, fit, dry run; against the true die

With `--keep DIR` the files of every campaign stay in DIR; a campaign that is there is not run again, only
fitted.

The bench is that of examples/wine/bench-2600b-707b.yaml: a 2600B whose scripts switch a 707B. `mtjloop twin`
serves it in a process of its own; `check`, `characterize --arm` and `fit` are the commands a user would run.
The truth is drawn anew from the seed after the fit, and nothing else here looks at it.
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
from scipy import stats

from mtjloop.app.characterize_command import characterize
from mtjloop.app.check_command import check_bench
from mtjloop.app.dry_run_command import dry_run
from mtjloop.app.fit_command import FitRequest, fit
from mtjloop.protocols.electrical import Bounds
from mtjloop.protocols.switching.checks import SIGNIFICANT

from .truth import Floats, column, covered, relative_errors, share, true_parameters

_EXAMPLES = Path(__file__).parents[1] / "examples" / "wine"
_BENCH = (_EXAMPLES / "bench-2600b-707b.yaml").read_text().replace('::SOCKET"}', '::SOCKET", timeout: 60 s}')
"""With patience for a busy machine."""
_WIDTHS = "[100 us, 1 ms, 10 ms]"
"""The instruments give no pulse below 100 us; the die is not to be pulsed for more than 10 ms."""


@dataclass(frozen=True)
class Measured:
    """A campaign: rows of the fit, true (Delta, V_c0) of each, what it cost, the die file."""

    rows: list[dict[str, Any]]
    truth: Floats
    cost: dict[str, Any]
    die_file: Path

    def flagged(self) -> int:
        """Devices and polarities that are said to drift or scatter."""
        return below(self.rows, "change_p")


def below(rows: Sequence[dict[str, Any]], name: str) -> int:
    """How many of the chances p of this name are significant."""
    return int((column(rows, name) < SIGNIFICANT).sum())


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
    """Twin, check, characterize and fit in a directory; only the fit if it was measured there before."""
    runs, done = here / "runs", here / "cost.json"
    if not done.exists():
        here.mkdir(parents=True, exist_ok=True)
        (here / "bench.yaml").write_text(bench)
        (here / "plan.yaml").write_text(plan)
        with contextlib.redirect_stderr(io.StringIO()), twin_of(here, seed) as led:
            check_bench(led, arm=False, switch=False, tile=None, bounds=Bounds(), seed=seed, runs=runs)
            done.write_text(json.dumps(characterize(led, here / "plan.yaml", seed, runs, arm=True)))
    cost: dict[str, Any] = json.loads(done.read_text())
    found: dict[str, Any] = fit(str(cost["run_dir"]), runs, FitRequest())
    truth = true_parameters(here / "bench.yaml", found["rows"], seed)
    return Measured(found["rows"], truth, cost, Path(str(found["die_file"])))


def told(cost: dict[str, Any]) -> str:
    """Trials and bench time of a campaign in words."""
    tiles = cost["tiles"]
    sums = {key: sum(tile[key] for tile in tiles) for key in ("trials", "pulses", "reads", "bench_time_s")}
    failed = sum(tile["reset_failed"] + tile["unreadable"] for tile in tiles)
    controls = sum(tile["controls"] for tile in tiles)
    switched = sum(tile["control_switched"] for tile in tiles)
    return (
        f"{sums['trials']} trials, {failed} discarded, {switched} of {controls} switched at 0 V, "
        f"{sums['pulses']} pulses, {sums['reads']} row reads, {sums['bench_time_s'] / 3600:.0f} h of bench"
    )


def rows_of(rows: Sequence[int]) -> list[list[int]]:
    """All cells of some rows of tile 0: whole rows, since a bench reads a row as a whole."""
    return [[row, place] for row in rows for place in range(24)]


def adaptive(keep: Path) -> Measured:
    """13 rows of 24 cells, 1,000 trials each."""
    plan = (
        f"name: accuracy\ntiles: [0]\ncells: {rows_of(range(13))}\nwidths: {_WIDTHS}\nmaximum: 1000\n"
        "polarities: AP to P\nprecision: none\nrecord: tally\ndesign: {kind: adaptive, voltage_step: 2 %}\n"
    )
    return measure(keep, _BENCH, plan, 700)


def accuracy(keep: Path) -> None:
    """Errors and coverage of `adaptive`."""
    found = adaptive(keep)
    print(told(found.cost), flush=True)
    errors, inside = relative_errors(found.rows, found.truth), covered(found.rows, found.truth)
    for k, name in enumerate(("Delta", "V_c0")):
        size = np.abs(errors[:, k])
        low, high = stats.bootstrap((size,), np.median, rng=1).confidence_interval
        print(
            f"{name}: median error {np.median(size):.2%} ({low:.2%} to {high:.2%}), mean "
            f"{errors[:, k].mean():+.2%}; 95 % intervals hold the truth in "
            f"{share(int(inside[:, k].sum()), len(inside))} of {len(inside)} devices"
        )
    print(f"{share(found.flagged(), len(inside))} of {len(inside)} steady devices flagged")


def design(keep: Path) -> None:
    """sigma(Delta) of the adaptive campaign of `accuracy` and of a grid; that goes with 1/sqrt(trials)."""
    plan = (
        f"name: design\ntiles: [0]\ncells: {rows_of(range(3))}\nwidths: {_WIDTHS}\nmaximum: 3000\n"
        "polarities: AP to P\nprecision: none\nrecord: tally\ndesign: {kind: grid, steps: 8}\n"
    )
    found = {"grid": measure(keep, _BENCH, plan, 700), "adaptive": adaptive(keep.parent / "accuracy")}
    print(told(found["grid"].cost), flush=True)
    sigmas: dict[str, list[float]] = {}
    trials = {name: each.cost["tiles"][0]["trials"] / len(each.rows) for name, each in found.items()}
    for name, each in found.items():
        width = column(each.rows, "delta_high") - column(each.rows, "delta_low")
        error = relative_errors(each.rows, each.truth)[:, 0] * each.truth[:, 0]
        sigmas[name] = [float(np.sqrt(np.mean((width / 3.92) ** 2))), float(np.std(error))]
        print(
            f"{name}: sigma(Delta) {sigmas[name][0]:.2f} by its intervals, {sigmas[name][1]:.2f} by its "
            f"errors, {len(each.rows)} devices of {trials[name]:.0f} trials"
        )
    for k, name in enumerate(("intervals", "errors")):
        ratio = trials["grid"] / trials["adaptive"] * (sigmas["grid"][k] / sigmas["adaptive"][k]) ** 2
        print(f"pulses of a grid for the sigma(Delta) of adaptive, by {name}: {ratio:.2f} times as many")


_HUNDRED = """  tiles:
    - rows: [matrix.1.1-4]
      columns: [matrix.1.5-12, matrix.2.1-12, matrix.3.1-5]
"""
"""One tile of 100 devices."""


def hundred(drift: str) -> str:
    """The bench with one tile of 4 x 25 devices."""
    text = _BENCH
    begin, end = text.index("  tiles:\n    - rows"), text.index("  integration:")
    text = text[:begin] + _HUNDRED + text[end:]
    begin, end = text.index("    tiles:\n      - {rows"), text.index("    junction:")
    return text[:begin] + "    tiles: [{rows: 4, columns: 25}]\n" + drift + text[end:]


def drift(keep: Path) -> None:
    """100 runs of 50 blocks of 200 trials on drifting devices.

    ln(rate) of each device is an Ornstein-Uhlenbeck process of its own with a memory of 1.5 blocks and
    a standard deviation of 0.133: P = 1/2 of a block then scatters within a run by 0.04 (standard deviation).
    """
    _flags(keep, "    drift: {sigma: 0.133, pulses: 9600}\n", 712)


def steady(keep: Path) -> None:
    """100 runs of the same kind and length on devices that do not drift."""
    _flags(keep, "", 713)


def _flags(keep: Path, drifts: str, seed: int) -> None:
    plan = (
        f"name: drift\npolarities: AP to P\nwidths: {_WIDTHS}\nmaximum: 10000\nprecision: none\n"
        "block: {trials: 160, reference: 38, control: 2}\ndesign: {kind: adaptive, voltage_step: 4 %}\n"
        "record: tally\n"
    )
    found = measure(keep, hundred(drifts), plan, seed)
    over, slow = (below(found.rows, name) for name in ("overdispersion_p", "drift_p"))
    print(told(found.cost))
    print(
        f"{share(found.flagged(), len(found.rows))} of {len(found.rows)} runs flagged; below {SIGNIFICANT} "
        f"alone are the scatter of blocks in {over}, drift over time or with R in {slow}",
        flush=True,
    )


def rehearsed(here: Path, die: Path | None, seed: int) -> tuple[float, float]:
    """Test and training accuracy of a dry run of Wine on a die file, or on the true die of the bench file."""
    done = here / ("true.json" if die is None else "fitted.json")
    if not done.exists():
        here.mkdir(parents=True, exist_ok=True)
        text = (_EXAMPLES / "experiment.yaml").read_text()
        text = text.replace("digital_alone: true", "digital_alone: false").replace(
            "epochs: 200", "epochs: 15"
        )
        (here / "experiment.yaml").write_text(text)
        (here / "bench.yaml").write_text(_BENCH)
        with contextlib.redirect_stderr(io.StringIO()):
            result = dry_run(here / "bench.yaml", here / "experiment.yaml", die, seed)
        done.write_text(json.dumps([result["test_accuracy"], result["train_accuracy"]]))
    test, train = json.loads(done.read_text())
    return float(test), float(train)


def loop(keep: Path) -> None:
    """One row of 24 cells of each of 20 dies is measured, the rest is drawn as the fit of them says; then the
    Wine experiment is rehearsed on the fitted and on the true die."""
    dies: dict[int, Path] = {}
    for seed in range(800, 820):
        rows = [int(np.random.default_rng(seed).integers(14))]
        plan = (
            f"name: loop\ntiles: [0]\ncells: {rows_of(rows)}\nwidths: {_WIDTHS}\nmaximum: 150\n"
            "precision: none\nrecord: tally\ndesign: {kind: adaptive, voltage_step: 2 %}\n"
        )
        measured = measure(keep / str(seed), _BENCH, plan, seed)
        dies[seed] = measured.die_file
        print(f"die {seed}: {told(measured.cost)}", flush=True)
    found: list[list[float]] = []
    for seed, die_file in dies.items():
        true, fitted = (rehearsed(keep / str(seed), die, seed) for die in (None, die_file))
        found.append([true[0], fitted[0], true[1], fitted[1]])
        print(f"die {seed}: test {true[0]:.3f} true, {fitted[0]:.3f} fitted", flush=True)
    table = np.array(found)
    for k, name in ((0, "test"), (2, "training")):
        difference = table[:, k + 1] - table[:, k]
        error = difference.std(ddof=1) / math.sqrt(len(difference))
        print(
            f"{name} accuracy: {table[:, k].mean():.2%} on true dies, {table[:, k + 1].mean():.2%} on fitted "
            f"ones, difference {difference.mean():+.2%} +- {error:.2%} (standard error, {len(table)} dies)"
        )


def main(arguments: list[str]) -> None:
    """Run the parts named, or all."""
    parts = {"accuracy": accuracy, "design": design, "drift": drift, "steady": steady, "loop": loop}
    root = None
    if "--keep" in arguments:
        place = arguments.index("--keep")
        root = Path(arguments[place + 1])
        del arguments[place : place + 2]
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments or list(parts):
            print(f"--- {name}", flush=True)
            began = time.monotonic()
            here = (root or Path(temporary)) / name
            here.mkdir(parents=True, exist_ok=True)
            parts[name](here)
            print(f"({(time.monotonic() - began) / 60:.0f} min)", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
