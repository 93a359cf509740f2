"""How good measured and fitted parameters are, on simulated dies whose truth only this script knows.

    python -m benchmarks.characterize accuracy   errors and coverage, adaptive, at most 1,000 trials each
    python -m benchmarks.characterize design     pulses that designs need for one sigma(Delta)
    python -m benchmarks.characterize drift      devices flagged, drifting and steady
    python -m benchmarks.characterize flags      the same on draws from the law, 100 runs of each kind
    python -m benchmarks.characterize loop       accuracy of dry runs on fitted dies and on the true ones
    python -m benchmarks.characterize query      time of `mtjloop probabilities` on a million trials

All but `design` and `flags` go through characterize and fit as a user runs them: read noise, wires and spread
of the default die. The same through emulated instruments: benchmarks/characterize_twin.py.
"""

import contextlib
import io
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mtjloop.app.characterize_command import characterize
from mtjloop.app.dry_run_command import dry_run
from mtjloop.app.fit_command import FitRequest, fit
from mtjloop.app.init_command import template
from mtjloop.protocols.switching.checks import SIGNIFICANT
from mtjloop.protocols.switching.design import Device, Estimator, make_design
from mtjloop.protocols.switching.fit import FitSettings, fit_device
from mtjloop.protocols.switching.law import fitted_law
from mtjloop.protocols.switching.likelihood import probabilities
from mtjloop.protocols.switching.settings import (
    AdaptiveSettings,
    BlockSettings,
    CharacterizeSettings,
    GridSettings,
)
from mtjloop.protocols.switching_curve import SwitchingCurve
from mtjloop.records.run import RunRecorder
from mtjloop.records.tallies import BlockCount

from .truth import Floats, covered, relative_errors, share, true_parameters


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
        truth = true_parameters(here / "bench.yaml", found["rows"], seed)
    return found, truth, cost


def accuracy() -> None:
    plan = (
        "name: accuracy\ntiles: [0]\nwidths: [10 us, 100 us, 1 ms]\nmaximum: 1000\nprecision: none\n"
        "record: tally\n"
    )
    errors: list[Floats] = []
    inside: list[NDArray[np.bool_]] = []
    for seed in (100, 101):
        found, truth, cost = measured(bench_text(14, 24), plan, seed)
        rows = found["rows"]
        errors.append(relative_errors(rows, truth))
        inside.append(covered(rows, truth))
        print(
            f"die {seed}: {len(rows)} devices and polarities, {cost['tiles'][0]['trials']} trials", flush=True
        )
    error, held = np.concatenate(errors), np.concatenate(inside)
    for k, name in enumerate(("Delta", "V_c0")):
        print(
            f"{name}: median error {np.median(np.abs(error[:, k])):.2%}, mean {error[:, k].mean():+.2%}; "
            f"95 % intervals cover {share(int(held[:, k].sum()), len(held))} of {len(held)}"
        )


def drawn(
    voltage: float, width: float, switched: int, trials: int, block: int, resistance: float = 1e4
) -> BlockCount:
    """Trials of one device drawn from the law itself, as `fit` takes them; a block takes a second."""
    seen = voltage, width, voltage, width
    return BlockCount(0, 0, 0, 1, block, *seen, switched, trials, resistance, float(block))


def sigma_of_delta(settings: CharacterizeSettings, devices: int, seed: int) -> float:
    """sigma(Delta) of devices of the default spread, by the designs and the fit that campaigns use.

    Trials are drawn from the law without a crossbar, so that only the design differs.
    """
    rng = np.random.default_rng(seed)
    law = fitted_law("fokker-planck")
    # What the calibration of an array of such devices finds: P = 1/2 at 277 mV, and its slope.
    curve = SwitchingCurve(-20.0, 71.0, 1000)
    estimator = Estimator(settings.law, curve, 1e-4)
    made = make_design(settings, estimator, 0.1, 0.6, 1e-3)
    errors = []
    for _ in range(devices):
        delta, critical = (
            45.0 * math.exp(0.077 * rng.standard_normal()),
            0.55 * math.exp(0.044 * rng.standard_normal()),
        )
        theta = np.array([math.log(delta), math.log(critical), math.log(settings.law.time_unit), 0.0])
        device = Device(0, 0, estimator.start.copy())
        counts: list[BlockCount] = []
        block = 0
        while device.sent + made.trials <= settings.maximum:
            asked: dict[tuple[float, float], int] = {}
            for each in made.requests(device):
                asked[each.voltage, each.width] = asked.get((each.voltage, each.width), 0) + 1
            for (voltage, width), trials in asked.items():
                (p,) = probabilities(law, theta, np.array([voltage]), np.array([width]))
                switched = int(rng.binomial(trials, p))
                counts.append(drawn(voltage, width, switched, trials, block))
                for k in range(trials):
                    device.add(voltage, width, voltage, k < switched)
            device.sent += made.trials
            block += 1
        found = fit_device(counts, law, FitSettings(time_unit=settings.law.time_unit))
        errors.append(math.exp(found.theta[0]) - delta)
    # Interquartile range, so that a few grids that missed a device do not decide.
    return float(stats.iqr(errors) / 1.349)


def design() -> None:
    """Pulses that grids need for the sigma(Delta) of adaptive campaigns: they go with 1/sigma^2."""
    widths, pulses, devices = (1e-5, 1e-4, 1e-3), 880, 400
    adaptive = CharacterizeSettings(
        widths, design=AdaptiveSettings(), block=BlockSettings(40, 0, 0), maximum=pulses, precision=None
    )
    best = sigma_of_delta(adaptive, devices, 1)
    print(f"adaptive: sigma(Delta) {best:.2f} with {pulses} pulses", flush=True)
    for name, grid in (
        ("grid over the allowed voltages, 0.1 to 0.6 V", GridSettings(tuple(np.linspace(0.1, 0.6, 22)))),
        ("grid over 0.2 to 0.4 V", GridSettings(tuple(np.linspace(0.2, 0.4, 22)))),
        ("grid over P = 0.02 to 0.98 of the array at each width", GridSettings((), 22)),
    ):
        block = BlockSettings(66, 0, 0)
        sigma = sigma_of_delta(
            CharacterizeSettings(widths, design=grid, block=block, maximum=pulses, precision=None), devices, 2
        )
        print(f"{name}: {sigma:.2f}, so {(sigma / best) ** 2:.1f} times as many pulses", flush=True)


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


def flags() -> None:
    """Runs of 50 blocks of 200 trials near P = 1/2, P moved by 0.04 (standard deviation), and steady ones."""
    law, rng, blocks, each = fitted_law("fokker-planck"), np.random.default_rng(5), 50, 50
    theta = np.array([math.log(45.0), math.log(0.55), math.log(1.9e-9), 0.0])
    points = [(0.2698, 1e-4), (0.2755, 1e-4), (0.2415, 1e-3), (0.2466, 1e-3)]
    volts, widths = (np.array(values) for values in zip(*points, strict=True))
    p = probabilities(law, theta, volts, widths)
    kinds: dict[str, Callable[[], Floats]] = {
        "steady": lambda: np.zeros(blocks),
        "scatter from block to block": lambda: 0.04 * rng.standard_normal(blocks),
        "a random walk of that size": lambda: _walk(rng, blocks),
        "one slow swing of that size": lambda: (
            0.04 * math.sqrt(2.0) * np.cos(np.linspace(0, math.pi, blocks))
        ),
    }
    print("P of the points:", np.round(p, 2))
    for name, make in kinds.items():
        found = {"overdispersion": 0, "drift": 0}
        flagged = 0
        for _ in range(100):
            moves = make()
            counts = [
                drawn(
                    voltage, width, int(rng.binomial(each, float(np.clip(p[k] + moves[block], 0, 1)))), each,
                    block, resistance=1e4 * (1.0 + 1e-3 * rng.standard_normal()),
                )
                for block in range(blocks)
                for k, (voltage, width) in enumerate(points)
            ]  # fmt: skip
            checks = fit_device(counts, law, FitSettings(time_unit=1.9e-9)).checks
            found["overdispersion"] += checks.overdispersion_p < SIGNIFICANT
            found["drift"] += checks.drift_p < SIGNIFICANT
            flagged += checks.flagged
        print(f"{name}: {flagged} of 100 flagged, below {SIGNIFICANT} alone {found}", flush=True)


def _walk(rng: np.random.Generator, blocks: int) -> Floats:
    steps = np.cumsum(rng.standard_normal(blocks))
    return np.asarray(0.04 * (steps - steps.mean()) / steps.std())


def loop() -> None:
    """Measure a whole die, fit it, and rehearse the Wine example on the fitted and on the true die."""
    plan = "name: loop\nwidths: [10 us, 100 us, 1 ms]\nmaximum: 250\nprecision: none\nrecord: tally\n"
    experiment = template("experiment.yaml").replace("digital_alone: true", "digital_alone: false")
    experiment = experiment.replace("epochs: 200", "epochs: 60")
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
    chosen = {
        "accuracy": accuracy,
        "design": design,
        "drift": drift,
        "flags": flags,
        "loop": loop,
        "query": query,
    }
    for each in sys.argv[1:] or list(chosen):
        chosen[each]()
