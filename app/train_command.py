"""`mtjloop train`: train a network in situ on the crossbars of a bench."""

from pathlib import Path

from ..drivers.bench import BenchDescription, read_bench_file
from ..drivers.planned import planned_crossbars
from ..errors import StoppedError
from ..protocols.data import Split
from ..protocols.recorded import Totals
from ..protocols.training.baseline import FloatBaseline, float_baseline
from ..protocols.training.loop import Trainer, TrainingResult
from .clearance import clearance
from .console import ConsoleMonitor, error_console
from .experiment_file import ExperimentDescription, check_bench, operation_settings, read_experiment_file
from .fidelity import fidelity_rows
from .fused.loop import compiled_loop
from .network_file import save_network
from .session import EXPERIMENT, configuration, session


def train(
    bench_path: Path, experiment_path: Path, seed: int, runs: Path, arm: bool = False
) -> dict[str, object]:
    """Run the experiment on the bench and record it.

    Args:
        bench_path: bench file.
        experiment_path: experiment file.
        seed: of the split, the controller and, where the bench file leaves it open, the die.
        runs: directory of all runs.
        arm: let a bench of instruments be energised.

    Returns:
        The result as it goes into the run and out as JSON.

    Raises:
        MtjloopError: anything a user can meet.
    """
    bench = read_bench_file(bench_path)
    clearance(bench, runs, arm)  # before the float network is trained, which takes a while
    experiment = read_experiment_file(experiment_path)
    split = experiment.load_split(seed)
    settings = experiment.training_settings(bench.content)
    read, pulse = operation_settings(bench.content)
    check_bench(planned_crossbars(bench, seed), settings, read, pulse)
    baseline = baseline_of(split, settings.hidden, seed)
    files = {EXPERIMENT: configuration(experiment.path, experiment.text)}
    with session(
        "train", experiment.content.name, bench, seed, runs, files, experiment.content.record, arm
    ) as now:
        trainer = Trainer(
            now.bench.crossbars, split, read, pulse, settings, seed, now.recorder, now.monitor, compiled_loop
        )
        trained = trainer.run()
        save_network(
            now.recorder.directory,
            trained.network,
            trainer.network.layers,
            split,
            (settings.hidden_gain, settings.output_gain),
            settings.tile,
        )
        now.result = training_result(bench, experiment, trainer, trained, baseline, split.classes)
        now.result["run_dir"] = str(now.recorder.directory)
        now.interrupted = trained.interrupted
    return now.result


def baseline_of(split: Split, hidden: tuple[int, ...], seed: int) -> FloatBaseline:
    """The float network, trained before any bench is opened: it needs only the data.

    Raises:
        StoppedError: asked to stop; nothing was opened yet.
    """
    monitor = ConsoleMonitor(error_console())
    with monitor.watching():
        baseline = float_baseline(split, hidden, seed, monitor)
    if monitor.should_stop():
        raise StoppedError("stopped before the bench was opened")
    return baseline


def training_result(
    bench: BenchDescription,
    experiment: ExperimentDescription,
    trainer: Trainer,
    trained: TrainingResult,
    baseline: FloatBaseline,
    classes: tuple[str, ...],
) -> dict[str, object]:
    """What training came to, as JSON goes."""
    return {
        "name": experiment.content.name,
        "data": experiment.content.data.source,
        "bench": bench.content.name,
        "network": "-".join(
            str(size)
            for size in (
                trainer.network.layers[0].inputs - experiment.content.network.constants,
                *experiment.content.network.hidden,
                len(classes),
            )
        ),
        "schedule": experiment.content.training.schedule,
        "test_accuracy": trained.test.accuracy,
        "train_accuracy": trained.train.accuracy,
        "float_test_accuracy": baseline.test_accuracy,
        "float_train_accuracy": baseline.train_accuracy,
        "digital_only_test_accuracy": trained.digital_alone,
        "samples_per_second": trained.samples / max(trained.wall_time, 1e-9),
        "epochs": trained.epochs,
        **Totals.of(trainer.crossbars).by_name(),
        "update_fidelity": fidelity_rows(
            trained.audits,
            experiment.content.training.encoding.kind,
            trainer.crossbars[0].capabilities.kind,
        ),
        "failed_cells": trained.failed_cells,
        "interrupted": trained.interrupted,
        "classes": list(classes),
        "seed": trainer.seed,
    }
