"""`mtjloop train` with a restricted Boltzmann machine: contrastive divergence on the crossbars of a bench."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ..drivers.bench import read_bench_file
from ..errors import StoppedError
from ..protocols.journal import Journal, Monitor
from ..protocols.rbm import (
    ChipCouplings,
    ContrastiveDivergence,
    FloatCouplings,
    Machine,
    RbmScore,
    RbmSettings,
    judge,
)
from ..protocols.recorded import Totals, during
from .clearance import clearance
from .console import ConsoleMonitor, error_console
from .experiment_file import operation_settings
from .format import count, duration, percent, quantity
from .rbm_file import Images, read_rbm_file
from .session import EXPERIMENT, configuration, session
from .text import print_run_dir

_FLOAT_RATES = (0.1, 0.3, 1.0)
_VALIDATION = 4
"""One sample in so many of the training part chooses the rate of the float machine."""
_EXAMPLES = 10
"""Test samples whose reconstructions are recorded."""


def train_rbm(
    bench_path: Path, experiment_path: Path, seed: int, runs: Path, arm: bool = False
) -> dict[str, object]:
    """Train a machine on the bench, record it, and train the same machine in software beside it.

    Args:
        bench_path: bench file.
        experiment_path: experiment file with a section `rbm`.
        seed: of the split, the controller and, where the bench file leaves it open, the die.
        runs: directory of all runs.
        arm: let a bench of instruments be energised.

    Returns:
        The result as it goes into the run and out as JSON.

    Raises:
        MtjloopError: anything a user can meet.
    """
    bench = read_bench_file(bench_path)
    clearance(bench, runs, arm)
    experiment = read_rbm_file(experiment_path)
    images = experiment.load_images(seed)
    settings = experiment.settings(bench.content)
    read, pulse = operation_settings(bench.content)
    beside = _float_machine(images, settings, seed)
    float_score, float_features = judge(beside, images.test_x, images.test_y), _features(beside, images)
    files = {EXPERIMENT: configuration(experiment.path, experiment.text)}
    visible = images.train_x.shape[1] + settings.label_lines * len(images.classes)
    with session(
        "train", experiment.content.name, bench, seed, runs, files, experiment.content.record, arm
    ) as now:
        couplings = ChipCouplings(
            now.bench.crossbars, visible, settings, read, pulse, seed, now.recorder, now.monitor
        )
        learner = ContrastiveDivergence(
            couplings, images.train_x, images.train_y, len(images.classes), settings, seed
        )
        with during(couplings.crossbars, "untrained"):
            before = _features(learner.machine, images)
        epochs = _epochs(learner, couplings, images, settings, now.recorder, now.monitor)
        with during(couplings.crossbars, "test"):
            score = judge(learner.machine, images.test_x, images.test_y)
            features = _features(learner.machine, images)
        _record(now.recorder, learner.machine, couplings, images)
        now.interrupted = now.monitor.should_stop()
        now.result = {
            "kind": "rbm",
            "name": experiment.content.name,
            "data": experiment.content.data.source,
            "bench": bench.content.name,
            "network": f"{images.train_x.shape[1]}+{len(images.classes)} visible, {settings.hidden} hidden",
            "test_accuracy": score.accuracy,
            "float_test_accuracy": float_score.accuracy,
            "reconstruction_error": score.reconstruction,
            "float_reconstruction_error": float_score.reconstruction,
            "mean_image_error": float(np.mean((images.test_x - images.train_x.mean(axis=0)) ** 2)),
            "feature_test_accuracy": features,
            "float_feature_test_accuracy": float_features,
            "untrained_feature_test_accuracy": before,
            "epochs": epochs,
            "steps": settings.steps,
            **Totals.of(couplings.crossbars).by_name(),
            "interrupted": now.interrupted,
            "classes": list(images.classes),
            "seed": seed,
            "run_dir": str(now.recorder.directory),
        }
    return now.result


def print_rbm(result: Mapping[str, Any], page: Path | None) -> None:
    """What the machine reached beside the float machine, and what it cost."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, title=f"{result['name']}: {result['network']}, CD-{result['steps']}")
    for heading in ("test part", "in situ", "float", "untrained"):
        table.add_column(heading, justify="left" if heading == "test part" else "right", no_wrap=True)
    table.add_row(
        "least free energy",
        percent(result["test_accuracy"]),
        percent(result["float_test_accuracy"]),
        "",
    )
    table.add_row(
        "softmax on hidden",
        percent(result["feature_test_accuracy"]),
        percent(result["float_feature_test_accuracy"]),
        percent(result["untrained_feature_test_accuracy"]),
    )
    table.add_row(
        "reconstruction error",
        f"{result['reconstruction_error']:.4f}",
        f"{result['float_reconstruction_error']:.4f}",
        "",
    )
    console.print(table)
    console.print(f"the mean image has a reconstruction error of {result['mean_image_error']:.4f}")
    console.print(
        f"{result['epochs']} epochs, {count(result['pulses'])} pulses, {count(result['reads'])} reads, "
        f"{quantity(result['energy_J'], 'J')} given by the drivers, {duration(result['bench_time_s'])} of "
        "bench time"
    )
    if result["interrupted"]:
        console.print("interrupted: the figures are those of the state reached")
    print_run_dir(result)
    console.print(f"report: {page}" if page is not None else f"report: mtjloop report {result['run_dir']}")


def _float_machine(images: Images, settings: RbmSettings, seed: int) -> Machine:
    """The same machine in software; its rate is chosen by free energy of the class on a validation part.

    Raises:
        StoppedError: asked to stop; nothing was opened yet.
    """
    held = np.arange(len(images.train_y)) % _VALIDATION == 0
    monitor = ConsoleMonitor(error_console())
    with monitor.watching():
        tried: list[tuple[float, float]] = []
        for number, rate in enumerate(_FLOAT_RATES):
            monitor.progress("float machine", number, len(_FLOAT_RATES) + 1)
            machine = _trained_in_software(
                images.train_x[~held], images.train_y[~held], images, settings, rate, seed, monitor
            )
            tried.append((judge(machine, images.train_x[held], images.train_y[held]).accuracy, rate))
        machine = _trained_in_software(
            images.train_x, images.train_y, images, settings, max(tried)[1], seed, monitor
        )
        monitor.progress("float machine", 1, 1)
    if monitor.should_stop():
        raise StoppedError("stopped before the bench was opened")
    return machine


def _trained_in_software(
    pixels: np.ndarray[Any, np.dtype[np.float64]],
    labels: np.ndarray[Any, np.dtype[np.int64]],
    images: Images,
    settings: RbmSettings,
    rate: float,
    seed: int,
    monitor: Monitor,
) -> Machine:
    classes = len(images.classes)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 33]))
    lines = pixels.shape[1] + settings.label_lines * classes
    couplings = FloatCouplings(lines, settings.hidden, rate, rng)
    # Weights of any size need no gain.
    unscaled = replace(settings, gain=float(np.sqrt(lines)))
    learner = ContrastiveDivergence(couplings, pixels, labels, classes, unscaled, seed)
    for epoch in range(settings.epochs):
        learner.epoch(epoch, monitor)
    return learner.machine


def _epochs(
    learner: ContrastiveDivergence,
    couplings: ChipCouplings,
    images: Images,
    settings: RbmSettings,
    journal: Journal,
    monitor: Monitor,
) -> int:
    """All epochs, each scored on the training part; returns whole ones done."""
    for epoch in range(settings.epochs):
        monitor.progress("train", epoch, settings.epochs)
        couplings.updater.begin_epoch()
        with during(couplings.crossbars, "train", epoch):
            shown = learner.epoch(epoch, monitor)
        couplings.updater.close_epoch()
        with during(couplings.crossbars, "monitor", epoch):
            score = judge(learner.machine, images.train_x, images.train_y)
        journal.record_metrics(epoch, _metrics(score, couplings))
        for one in couplings.updater.blocks:
            one.audit.write(journal, one.block.crossbar.tile, 0, epoch)
        detail = f"reconstruction {score.reconstruction:.4f}, {score.accuracy:.3f}"
        monitor.progress("train", epoch + 1, settings.epochs, detail)
        if shown < len(images.train_x):
            return epoch
    return settings.epochs


def _metrics(score: RbmScore, couplings: ChipCouplings) -> dict[str, float]:
    counts, totals = couplings.updater.counts, Totals.of(couplings.crossbars)
    return {
        "train_accuracy": score.accuracy,
        "reconstruction_error": score.reconstruction,
        "pulses": float(counts.pulses),
        "clipped_share": counts.clipped / max(counts.updates, 1),
        "energy": totals.energy,
        "bench_time": totals.elapsed,
    }


def _features(machine: Machine, images: Images) -> float:
    """Test accuracy of a softmax on the hidden units, labels not shown, fitted on the training part."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    def hidden(pixels: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return machine.hidden_chances(_without_labels(machine, pixels))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(C=10.0, max_iter=2_000).fit(hidden(images.train_x), images.train_y)
    return float(fitted.score(hidden(images.test_x), images.test_y))


def _without_labels(
    machine: Machine, pixels: np.ndarray[Any, np.dtype[np.float64]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Visible lines with the labels at their means, which say nothing of the class."""
    means = machine.visible_centre[machine.pixels : machine.pixels + machine.classes]
    return machine.visible(pixels, np.broadcast_to(means, (len(pixels), machine.classes)))


def _record(journal: Journal, machine: Machine, couplings: ChipCouplings, images: Images) -> None:
    """The machine as it is at the end, and some reconstructions."""
    with during(couplings.crossbars, "map"):
        maps = couplings.layer.maps()
        some = images.test_x[:_EXAMPLES]
        again = machine.visible_chances(machine.hidden_chances(_without_labels(machine, some)))
    for block, found in zip(couplings.layer.blocks, maps, strict=True):
        journal.record_map(block.crossbar.tile, "after", None, found.resistance, found.state)
    journal.record_array("states", couplings.layer.cells(maps))
    journal.record_array("visible_bias", machine.visible_bias)
    journal.record_array("hidden_bias", machine.hidden_bias)
    journal.record_array("visible_centre", machine.visible_centre)
    journal.record_array("hidden_centre", machine.hidden_centre)
    journal.record_array("images", some)
    journal.record_array("reconstructions", again[:, : machine.pixels])
