"""`mtjloop compare`: training in situ beside its baselines, over dies drawn like that of the bench."""

import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ..drivers.bench import BenchDescription, read_bench_file
from ..errors import ConfigurationError, ProtocolError, RecordError, StoppedError
from ..protocols.data import Split
from ..protocols.journal import Monitor
from ..protocols.recorded import RecordedCrossbar, Totals
from ..protocols.training.baseline import ACTIVATIONS, Activation, float_baseline
from ..protocols.training.loop import Trainer
from ..protocols.training.manhattan import sign_rules, tune_manhattan, with_strong_pulses
from ..protocols.training.offline import train_offline, transfer_offline
from ..protocols.training.scores import evaluate
from ..protocols.training.settings import TrainingSettings
from .console import ConsoleMonitor, error_console
from .experiment_file import ExperimentDescription, operation_settings, read_experiment_file
from .format import count, duration, percent, quantity, slug
from .fused.loop import compiled_loop
from .process_pool import WorkerLostError, cores, run_tasks
from .rbm_file import refuse_machine
from .report.intervals import student
from .simulated_dies import ideal_crossbars, simulated_crossbars
from .whole_file import write_whole

Method = Literal["in-situ", "offline-transfer", "manhattan", "ideal-bernoulli", "float", "float-tanh"]
DIRECTORY = "comparisons"
"""Beside the runs."""
METHODS: tuple[Method, ...] = get_args(Method)
_ON_DEMAND: tuple[Method, ...] = ("float-tanh",)
"""Not run unless named."""


@dataclass(frozen=True)
class Trial:
    """One method on one die.

    Attributes:
        bench: whose die is drawn.
        experiment: what is trained.
        method: how.
        seed: of the split and of what the controller draws.
        die: seed of the die.
    """

    bench: BenchDescription
    experiment: ExperimentDescription
    method: Method
    seed: int
    die: int


@dataclass(frozen=True)
class Outcome:
    """What a method reached on a die.

    Attributes:
        test_accuracy: on the test part, looked at once, at the end.
        train_accuracy: on the training part.
        pulses: sent.
        reads: taken.
        energy: given by the drivers, J.
        bench_time: s.
        failed_cells: that did not take the state they were programmed to.
        chosen: what was tuned on a validation part, in words.
    """

    test_accuracy: float
    train_accuracy: float
    pulses: int = 0
    reads: int = 0
    energy: float = 0.0
    bench_time: float = 0.0
    failed_cells: int = 0
    chosen: str = ""

    def by_name(self) -> dict[str, float | str]:
        """As results name it, units with it."""
        return {
            "test_accuracy": self.test_accuracy,
            "train_accuracy": self.train_accuracy,
            "pulses": self.pulses,
            "reads": self.reads,
            "energy_J": self.energy,
            "bench_time_s": self.bench_time,
            "failed_cells": self.failed_cells,
            "chosen": self.chosen,
        }


def compare(
    bench_path: Path,
    experiment_path: Path,
    dies: int,
    methods: Sequence[str],
    seed: int,
    workers: int | None,
) -> dict[str, object]:
    """Run every method on every die, one process a core.

    Args:
        bench_path: bench file; its die is drawn anew for each seed, and no instrument is opened.
        experiment_path: experiment file.
        dies: how many, with seeds from `seed` on.
        methods: of `METHODS`; empty for all but those on demand.
        seed: of the first die.
        workers: processes; None for one a core.

    Returns:
        Rows and the accuracies behind them, as JSON goes; trials that failed are named.

    Raises:
        MtjloopError: anything a user can meet.
    """
    bench = read_bench_file(bench_path)
    refuse_machine(experiment_path, "mtjloop compare")
    experiment = read_experiment_file(experiment_path)
    chosen = chosen_methods(methods)
    # Files and data are read once here, so that what is wrong with them is said before any process starts.
    experiment.load_split(seed)
    trials = [
        Trial(bench, experiment, method, seed + die, seed + die) for die in range(dies) for method in chosen
    ]
    found: dict[Method, dict[int, Outcome]] = {method: {} for method in chosen}
    failed: list[dict[str, object]] = []
    monitor, interrupted, lost = ConsoleMonitor(error_console()), False, None
    with monitor.watching():
        try:
            for done in run_tasks(run_trial, trials, workers or cores(), monitor, "compare"):
                trial = trials[done.index]
                if done.answer is None:
                    failed.append({"method": trial.method, "seed": trial.seed, "error": done.error})
                else:
                    found[trial.method][trial.seed] = done.answer
        except StoppedError:
            interrupted = True
        except WorkerLostError as error:
            if not any(found.values()):
                raise
            lost = str(error)
    if not any(found.values()) and failed:
        raise ProtocolError(f"no trial succeeded; the first said: {failed[0]['error']}")
    if not any(found.values()):
        raise StoppedError("stopped before a trial was over")
    failures = Counter(one["method"] for one in failed)
    trials_done = [
        {"method": method, "seed": one, **outcome.by_name()}
        for method, outcomes in found.items()
        for one, outcome in sorted(outcomes.items())
    ]
    return {
        "name": experiment.content.name,
        "data": experiment.content.data.source,
        "bench": bench.content.name,
        "hidden": list(experiment.content.network.hidden),
        "seed": seed,
        "rows": [
            row_of(method, list(outcomes.values()), failures[method])
            for method, outcomes in found.items()
            if outcomes or failures[method]
        ],
        "paired": [
            one
            for method in chosen
            if method != "in-situ" and (one := paired(trials_done, "in-situ", method)) is not None
        ],
        "trials": trials_done,
        "failed": failed,
        "interrupted": interrupted,
        "error": lost,
    }


def chosen_methods(names: Sequence[str], where: str = "--method") -> tuple[Method, ...]:
    """Methods by name, in the order of the table; where none is named, all but those on demand.

    Args:
        names: of methods.
        where: they were named, for the error.

    Raises:
        ConfigurationError: an unknown name.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise ConfigurationError(f"{where}: found {', '.join(unknown)}; accepted are {', '.join(METHODS)}")
    return tuple(method for method in METHODS if method in (names or set(METHODS) - set(_ON_DEMAND)))


def run_trial(trial: Trial, monitor: Monitor) -> Outcome:
    """One method on one die.

    Raises:
        StoppedError: the monitor asked to stop.
    """
    outcome = _WORK[trial.method](trial, trial.experiment.load_split(trial.seed), _settings(trial), monitor)
    if monitor.should_stop():
        raise StoppedError(f"{trial.method} was stopped")
    return outcome


def row_of(method: Method, outcomes: Sequence[Outcome], failed: int = 0) -> dict[str, object]:
    """Mean over dies with its 95 % interval (Student), and the mean cost of a die; None where all failed."""

    def mean_of(value: Callable[[Outcome], float]) -> float | None:
        return float(np.mean([value(one) for one in outcomes])) if outcomes else None

    ends: tuple[float | None, ...] = (None, None, None)
    if outcomes:
        ends = mean_interval([one.test_accuracy for one in outcomes])
    return {
        "method": method,
        "mean": ends[0],
        "low": ends[1],
        "high": ends[2],
        "dies": len(outcomes),
        "failed": failed,
        "train_mean": mean_of(lambda one: one.train_accuracy),
        "pulses": mean_of(lambda one: one.pulses),
        "reads": mean_of(lambda one: one.reads),
        "energy_J": mean_of(lambda one: one.energy),
        "bench_time_s": mean_of(lambda one: one.bench_time),
        "failed_cells": mean_of(lambda one: one.failed_cells),
    }


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent values in [0, 1], and the ends of its 95 % interval; one value has none to tell."""
    mean, low, high = student(values)
    return mean, max(0.0, low), min(1.0, high)


def paired(trials: Sequence[Mapping[str, Any]], method: str, other: str) -> dict[str, object] | None:
    """Test accuracy of a method less that of another on the same dies and seeds, with its 95 % interval.

    Args:
        trials: of a comparison, as JSON has them.
        method: named first.
        other: subtracted.

    Returns:
        `method`, `less`, `dies`, `mean`, `low`, `high`; None if no die has both.
    """
    reached = {
        name: {one["seed"]: one["test_accuracy"] for one in trials if one["method"] == name}
        for name in (method, other)
    }
    seeds = sorted(set(reached[method]) & set(reached[other]))
    if not seeds:
        return None
    mean, low, high = student([reached[method][seed] - reached[other][seed] for seed in seeds])
    return {"method": method, "less": other, "dies": len(seeds), "mean": mean, "low": low, "high": high}


def keep_comparison(runs: Path, result: Mapping[str, Any]) -> Path:
    """Write the result beside the runs, and return where.

    Raises:
        RecordError: it cannot be written.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{slug(str(result['name']))}-{secrets.token_hex(2)}.json"
    path = runs / DIRECTORY / name
    try:
        write_whole(path, json.dumps(result, allow_nan=False, indent=1) + "\n")
    except OSError as error:
        raise RecordError(f"{path}: the comparison cannot be written ({error})") from error
    return path


def print_compare(result: Mapping[str, Any]) -> None:
    """The table."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, title=f"{result['name']} on {result['bench']}: test accuracy")
    for heading in ("method", "mean", "95 % interval", "dies", "pulses", "energy", "bench time"):
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
    for row in result["rows"]:
        used = (row["pulses"] or 0.0) > 0.0
        table.add_row(
            row["method"],
            percent(row["mean"]),
            f"{100 * row['low']:.1f} to {percent(row['high'])}" if row["dies"] > 1 else "-",
            f"{row['dies']} ({row['failed']} failed)" if row["failed"] else str(row["dies"]),
            count(row["pulses"]) if used else "-",
            quantity(row["energy_J"], "J") if used else "-",
            duration(row["bench_time_s"]) if used else "-",
        )
    console.print(table)
    console.print("pulses, energy and bench time are means of a die; dies, splits and draws by seed")
    for one in result["paired"]:
        console.print(f"{one['method']} less {one['less']} on the same dies: {in_points(one)}")
    for one in result["failed"]:
        console.print(f"failed: {one['method']}, seed {one['seed']}: {one['error']}")
    if result["interrupted"]:
        console.print("interrupted: the table holds what was finished")
    if result["error"]:
        console.print(result["error"])


def in_points(difference: Mapping[str, Any]) -> str:
    """A difference of accuracies in words, for instance `+0.9 points (+0.1 to +1.7, 20 dies)`."""
    mean, low, high = (100.0 * difference[key] for key in ("mean", "low", "high"))
    dies = difference["dies"]
    return (
        f"{mean:+.1f} points ({low:+.1f} to {high:+.1f}, {dies} dies)" if dies > 1 else f"{mean:+.1f} points"
    )


def _settings(trial: Trial) -> TrainingSettings:
    """Those of the experiment without what only a report needs and the cost of training would contain."""
    settings = trial.experiment.training_settings(trial.bench.content)
    # With `balance` the rule itself needs what audits find.
    return replace(settings, digital_alone=False, audit_every=settings.audit_every if settings.balance else 0)


def _in_situ(trial: Trial, split: Split, settings: TrainingSettings, monitor: Monitor) -> Outcome:
    read, pulse = operation_settings(trial.bench.content)
    crossbars = simulated_crossbars(trial.bench, trial.die)
    return _trained(
        Trainer(crossbars, split, read, pulse, settings, trial.seed, None, monitor, compiled_loop)
    )


def _ideal_bernoulli(trial: Trial, split: Split, settings: TrainingSettings, monitor: Monitor) -> Outcome:
    read, pulse = operation_settings(trial.bench.content)
    crossbars = ideal_crossbars(trial.bench, pulse, trial.die)
    return _trained(Trainer(crossbars, split, read, pulse, settings, trial.seed, None, monitor))


def _manhattan(trial: Trial, split: Split, settings: TrainingSettings, monitor: Monitor) -> Outcome:
    read, pulse = operation_settings(trial.bench.content)
    crossbars = simulated_crossbars(trial.bench, trial.die)
    tuned = tune_manhattan(crossbars, split, read, pulse, settings, trial.seed, monitor)
    trainer = Trainer(
        crossbars, split, read, pulse, with_strong_pulses(settings), trial.seed, None, monitor,
        rule_of=sign_rules(tuned),
    )  # fmt: skip
    return _trained(trainer, f"every {tuned.every}, threshold {tuned.threshold:g}")


def _offline_transfer(trial: Trial, split: Split, settings: TrainingSettings, monitor: Monitor) -> Outcome:
    read, pulse = operation_settings(trial.bench.content)
    offline = train_offline(split, settings, trial.seed, monitor)
    crossbars = [
        RecordedCrossbar(one, number)
        for number, one in enumerate(simulated_crossbars(trial.bench, trial.die))
    ]
    network, failed = transfer_offline(crossbars, offline, split, settings, read, pulse, trial.seed, monitor)
    train = evaluate(network, split.train_x, split.train_y)
    test = evaluate(network, split.test_x, split.test_y)
    return _outcome(crossbars, test.accuracy, train.accuracy, failed, f"rate {offline.rate:g}")


def _float(trial: Trial, split: Split, settings: TrainingSettings, monitor: Monitor) -> Outcome:
    units: tuple[Activation, ...] = ("tanh",) if trial.method == "float-tanh" else ACTIVATIONS
    found = float_baseline(split, settings.hidden, trial.seed, monitor, units)
    return Outcome(found.test_accuracy, found.train_accuracy, chosen=found.chosen)


_Work = Callable[[Trial, Split, TrainingSettings, Monitor], Outcome]
_WORK: Mapping[Method, _Work] = {
    "in-situ": _in_situ,
    "offline-transfer": _offline_transfer,
    "manhattan": _manhattan,
    "ideal-bernoulli": _ideal_bernoulli,
    "float": _float,
    "float-tanh": _float,
}


def _trained(trainer: Trainer, chosen: str = "") -> Outcome:
    result = trainer.run()
    return _outcome(
        trainer.crossbars, result.test.accuracy, result.train.accuracy, result.failed_cells, chosen
    )


def _outcome(
    crossbars: Sequence[RecordedCrossbar], test: float, train: float, failed: int, chosen: str
) -> Outcome:
    spent = Totals.of(crossbars)
    return Outcome(test, train, spent.pulses, spent.reads, spent.energy, spent.elapsed, failed, chosen)
