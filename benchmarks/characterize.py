"""How good measured and fitted parameters are, on simulated dies whose truth only this script knows.

    python benchmarks/characterize.py accuracy   errors and coverage, adaptive, at most 1,000 trials each
    python benchmarks/characterize.py design     pulses that designs need for one sigma(Delta)
    python benchmarks/characterize.py drift      devices flagged, drifting and steady
    python benchmarks/characterize.py loop       accuracy of dry runs on fitted dies and on the true ones
    python benchmarks/characterize.py query      time of `mtjloop probabilities` on a million trials

All go through characterize and fit as a user runs them: read noise, wires and spread of the default die.
"""

import contextlib
import io
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mtjloop.app.characterize_command import characterize
from mtjloop.app.dry_run_command import dry_run
from mtjloop.app.fit_command import FitRequest, fit
from mtjloop.app.init_command import template
from mtjloop.drivers.bench import read_bench_file, tile_views
from mtjloop.records.run import RunRecorder

Floats = NDArray[np.float64]


def bench_text(rows: int, columns: int, extra: str = "") -> str:
    text = template("bench.yaml").replace("rows: 14, columns: 24", f"rows: {rows}, columns: {columns}")
    return text.replace("    temperature: 300 K\n", f"    temperature: 300 K\n{extra}")


def measured(bench: str, plan: str, seed: int) -> tuple[dict[str, Any], Floats, dict[str, Any]]:
    """Rows of the fit, true (Delta, V_c0) of each, and what the campaign cost."""
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stderr(io.StringIO()):
        here = Path(place)
        (here / "bench.yaml").write_text(bench)
        (here / "plan.yaml").write_text(plan)
        cost: dict[str, Any] = characterize(here / "bench.yaml", here / "plan.yaml", seed, here / "runs")
        found: dict[str, Any] = fit(str(cost["run_dir"]), here / "runs", FitRequest())
        views = tile_views(read_bench_file(here / "bench.yaml"), seed)
    truth = np.empty((len(found["rows"]), 2))
    for k, row in enumerate(found["rows"]):
        parameters, cell = views[row["tile"]].parameters, (row["row"], row["column"])
        name = "critical_voltage_up_V" if row["polarity"] > 0 else "critical_voltage_down_V"
        truth[k] = parameters["delta"][cell], parameters[name][cell]
    return found, truth, cost


def column(rows: list[dict[str, Any]], name: str) -> Floats:
    return np.array([row[name] for row in rows], dtype=np.float64)


def accuracy() -> None:
    plan = (
        "name: accuracy\ntiles: [0]\nwidths: [10 us, 100 us, 1 ms]\nmaximum: 1000\nprecision: none\n"
        "record: tally\n"
    )
    errors: list[Floats] = []
    inside: list[Floats] = []
    for seed in (100, 101):
        found, truth, cost = measured(bench_text(14, 24), plan, seed)
        rows = found["rows"]
        errors.append(
            np.stack([column(rows, "delta") / truth[:, 0], column(rows, "critical_voltage") / truth[:, 1]], 1)
            - 1
        )
        inside.append(
            np.stack(
                [
                    (column(rows, f"{name}_low") <= truth[:, k])
                    & (truth[:, k] <= column(rows, f"{name}_high"))
                    for k, name in enumerate(("delta", "critical_voltage"))
                ],
                1,
            ).astype(np.float64)
        )
        print(
            f"die {seed}: {len(rows)} devices and polarities, {cost['tiles'][0]['trials']} trials", flush=True
        )
    error, covered = np.concatenate(errors), np.concatenate(inside)
    for k, name in enumerate(("Delta", "V_c0")):
        low, high = stats.binomtest(int(covered[:, k].sum()), len(covered)).proportion_ci()
        print(
            f"{name}: median error {np.median(np.abs(error[:, k])):.2%}, mean {error[:, k].mean():+.2%}; "
            f"95 % intervals cover {covered[:, k].mean():.1%} ({low:.1%} to {high:.1%}) of {len(covered)}"
        )


def design() -> None:
    """sigma(Delta) over all devices at equal numbers of pulses; pulses go with 1/sigma^2."""
    common = "tiles: [1]\nwidths: [10 us, 100 us, 1 ms]\nprecision: none\nrecord: tally\n"
    plans = {
        "grid over the allowed voltages": "maximum: 876\nblock: {trials: 216, reference: 0, control: 3}\n"
        "design: {kind: grid, voltages: {from: 100 mV, to: 600 mV, steps: 18}}\n",
        "grid over P = 0.02 to 0.98": "maximum: 876\nblock: {trials: 216, reference: 0, control: 3}\n"
        "design: {kind: grid, steps: 18}\n",
        "adaptive": "maximum: 876\nblock: {trials: 40, reference: 3, control: 1}\n",
        "adaptive, a third": "maximum: 292\nblock: {trials: 20, reference: 2, control: 1}\n",
    }
    sigmas: dict[str, float] = {}
    for name, plan in plans.items():
        errors = []
        for seed in (200, 201, 202):
            found, truth, _ = measured(bench_text(14, 24), f"name: design\n{common}{plan}", seed)
            errors.append(column(found["rows"], "delta") - truth[:, 0])
        error = np.concatenate(errors)
        # Interquartile range, so that a few grids that missed a device do not decide.
        sigmas[name] = float(stats.iqr(error) / 1.349)
        print(f"{name}: sigma(Delta) {sigmas[name]:.2f} (root mean square {error.std():.2f})", flush=True)
    best = sigmas["adaptive"]
    for name in list(plans)[:2]:
        print(
            f"pulses of the {name} for the sigma of adaptive: {(sigmas[name] / best) ** 2:.1f} times as many"
        )


def drift() -> None:
    sigma = 0.04 / (0.5 * math.log(2.0))  # of ln(rate), so that P = 1/2 moves by 0.04
    plan = (
        "name: drift\ntiles: [0]\npolarities: AP to P\nwidths: [100 us, 1 ms]\nmaximum: 10000\n"
        "precision: none\nblock: {trials: 160, reference: 38, control: 2}\nrecord: tally\n"
    )
    for name, extra in (
        ("steady", ""),
        (
            "drift with a memory of a tenth of the campaign",
            f"    drift: {{sigma: {sigma:.4f}, pulses: 30000}}\n",
        ),
        ("drift, memory the campaign", f"    drift: {{sigma: {sigma:.4f}, pulses: 300000}}\n"),
    ):
        found, _, cost = measured(bench_text(10, 10, extra), plan, 300)
        print(
            f"{name}: {found['flagged']} of {len(found['rows'])} flagged, "
            f"{cost['tiles'][0]['pulses']} pulses",
            flush=True,
        )


def loop() -> None:
    """Measure a whole die, fit it, and rehearse the Wine example on the fitted and on the true die."""
    plan = "name: loop\nwidths: [10 us, 100 us, 1 ms]\nmaximum: 500\nprecision: none\nrecord: tally\n"
    experiment = template("experiment.yaml").replace("digital_alone: true", "digital_alone: false")
    found: list[tuple[float, float, float, float]] = []
    for seed in range(400, 420):
        with tempfile.TemporaryDirectory() as place, contextlib.redirect_stderr(io.StringIO()):
            here = Path(place)
            (here / "bench.yaml").write_text(template("bench.yaml"))
            (here / "plan.yaml").write_text(plan)
            (here / "experiment.yaml").write_text(experiment)
            cost = characterize(here / "bench.yaml", here / "plan.yaml", seed, here / "runs")
            fitted = fit(str(cost["run_dir"]), here / "runs", FitRequest())
            one, other = (
                dry_run(here / "bench.yaml", here / "experiment.yaml", die, seed)
                for die in (None, Path(str(fitted["die_file"])))
            )
        keys = ("test_accuracy", "train_accuracy")
        values = [float(str(each[key])) for key in keys for each in (one, other)]
        found.append((values[0], values[1], values[2], values[3]))
        print(f"die {seed}: test {values[0]:.3f} true, {values[1]:.3f} fitted", flush=True)
    table = np.array(found)
    for k, name in ((0, "test"), (2, "training")):
        difference = table[:, k + 1] - table[:, k]
        error = difference.std(ddof=1) / math.sqrt(len(difference))
        print(
            f"{name} accuracy: {table[:, k].mean():.2%} on true dies, {table[:, k + 1].mean():.2%} on fitted "
            f"ones, difference {difference.mean():+.2%} +- {error:.2%} (standard error, {len(table)} dies)"
        )


def query() -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        rng = np.random.default_rng(0)
        with RunRecorder.create(
            root, command="characterize", name="query", backend="simulated", hardware=False
        ) as run:
            columns = np.arange(50)
            for pulse in range(20_000):
                block, row, point = divmod(pulse, 1000)[0], pulse % 10, (pulse // 10) % 20
                size = len(columns)
                states = np.zeros(size, np.int8)
                run.record_trials(
                    0, 1, block, pulse, rows=np.full(size, row), columns=columns, kinds=("trial",) * size,
                    voltages=np.full(size, 0.3 + 0.005 * point), applied_voltages=np.full(size, 0.3),
                    width=1e-4, applied_width=1e-4, repeat=1, resistances_before=np.full(size, 1e4),
                    resistances_after=np.full(size, 5e3), states_before=states, states_after=states,
                    outcomes=(rng.random(size) < 0.5).astype(np.int8),
                )  # fmt: skip
                if pulse % 50 == 0:
                    run.flush()
            directory = run.directory
        size = (directory / "events.sqlite").stat().st_size
        code = (
            "import time; began = time.perf_counter()\n"
            "from pathlib import Path\nfrom mtjloop.records.tallies import point_counts\n"
            f"ready = time.perf_counter(); found = point_counts(Path({str(directory)!r}))\n"
            "done = time.perf_counter(); trials = sum(each.trials for each in found)\n"
            "print(len(found), trials, done - ready, ready - began)"
        )
        print("points, trials, s for the counts, s for imports:")
        for _ in range(3):
            print(
                " ",
                subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, check=True
                ).stdout.strip(),
            )
        command = [sys.executable, "-m", "mtjloop", "probabilities", str(directory), "--json"]
        for _ in range(3):
            began = time.perf_counter()
            before = os.times()
            subprocess.run(command, capture_output=True, check=True)
            after = os.times()
            used = after.children_user + after.children_system - before.children_user - before.children_system
            print(f"the whole command: {time.perf_counter() - began:.3f} s, {used:.3f} s of processor")
        print(f"{size / 1e6:.0f} bytes a trial")


if __name__ == "__main__":
    chosen = {"accuracy": accuracy, "design": design, "drift": drift, "loop": loop, "query": query}
    for each in sys.argv[1:] or list(chosen):
        chosen[each]()
