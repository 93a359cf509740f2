"""`mtjloop infer`: run a trained network on a bench."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..drivers.bench import BenchDescription, BenchFile, read_bench_file
from ..drivers.yaml_file import parse_yaml
from ..errors import ConfigurationError, DataError, RecordError
from ..protocols.data import BUILT_IN, DataSet, Labels, fingerprint, load_data
from ..protocols.inference import deploy
from ..protocols.recorded import Totals, during
from ..protocols.training.placement import record_tiles
from ..protocols.training.scores import confusion, evaluate
from ..records.index import find_run, list_runs
from ..records.manifest import Manifest
from ..records.reader import RunReader
from .experiment_file import ExperimentFile, data_source, operation_settings
from .network_file import NETWORK_FILE, StoredNetwork, load_network
from .session import BENCH, EXPERIMENT, session


@dataclass(frozen=True)
class Question:
    """What is to be inferred: samples, their classes, and what they are called."""

    name: str
    features: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    labels: Labels


def infer(
    run: str,
    bench_path: Path | None,
    data: str | None,
    write: bool,
    seed: int | None,
    runs: Path,
    arm: bool = False,
) -> tuple[dict[str, object], list[str]]:
    """Put the network of a training run on a bench and run samples through it.

    Args:
        run: run directory, id, unique prefix or `last`.
        bench_path: another bench; None takes that of the run.
        data: built-in set or file; None takes the test part of the run.
        write: program the network first; otherwise the chip is taken as it is.
        seed: of the die; None takes that of the run.
        runs: directory of all runs.
        arm: let a bench of instruments be energised.

    Returns:
        The result as JSON goes, and the predicted class of every sample.
    """
    directory = _last_trained(runs) if run == "last" else find_run(runs, run)
    with RunReader(directory) as reader:
        manifest = reader.manifest
    if manifest.result.get("kind") == "rbm":
        raise ConfigurationError(
            f"{directory}: a restricted Boltzmann machine was trained there, and infer runs networks; its "
            "arrays and scores are kept in the run"
        )
    stored = load_network(directory)
    chosen_seed = (manifest.seed or 0) if seed is None else seed
    bench = _bench_of(manifest) if bench_path is None else read_bench_file(bench_path)
    same_die = bench_path is None and chosen_seed == manifest.seed
    question = _question(manifest, stored, data)
    read, pulse = operation_settings(bench.content)
    if not write and not bench.keeps_states:
        raise ConfigurationError(
            "--no-program takes the chip as it is, but this simulated chip is a new one at every start; give "
            "simulated.memory in the bench file, or leave --no-program out"
        )
    with session("infer", manifest.name, bench, chosen_seed, runs, arm=arm) as now:
        crossbars = record_tiles(now.bench.crossbars, len(now.bench.crossbars), now.recorder)
        network, failed = deploy(
            crossbars,
            stored.network,
            len(stored.scaler.mean),
            stored.gains,
            stored.tiles if same_die or not write else None,
            read,
            pulse,
            write,
            np.random.default_rng(chosen_seed),
            now.monitor,
            stored.limit,
        )
        with during(crossbars, "infer"):
            score = evaluate(network, stored.scaler(question.features), question.labels)
        now.recorder.record_array(
            "confusion", confusion(question.labels, score.predicted, len(stored.classes))
        )
        totals = Totals.of(crossbars)
        now.result = {
            "trained_in": str(directory),
            "data": question.name,
            "samples": len(question.labels),
            "test_accuracy": score.accuracy,
            "failed_cells": failed,
            "classes": list(stored.classes),
            "energy_J": totals.energy,
            "bench_time_s": totals.elapsed,
            "run_dir": str(now.recorder.directory),
        }
    return now.result, [stored.classes[one] for one in score.predicted]


def _last_trained(runs: Path) -> Path:
    """The newest run that holds a trained network."""
    for entry in list_runs(runs):
        if (entry.directory / NETWORK_FILE).exists():
            return entry.directory
    raise RecordError(f"{runs}: no run with a trained network; `mtjloop train BENCH EXPERIMENT` makes one")


def _bench_of(manifest: Manifest) -> BenchDescription:
    """The bench file of a run, from the text the run kept."""
    kept = manifest.configurations.get(BENCH)
    if kept is None:
        raise RecordError(f"run {manifest.run_id} keeps no bench file; name one with --bench")
    return BenchDescription(Path(kept.path), kept.text, parse_yaml(kept.text, kept.path, BenchFile))


def _question(manifest: Manifest, stored: StoredNetwork, data: str | None) -> Question:
    """The samples asked for, or the test part that the run held back."""
    if data is not None:
        return _checked(load_data(data if data in BUILT_IN else Path(data)), stored)
    kept = manifest.configurations.get(EXPERIMENT)
    if kept is None:
        raise RecordError(f"run {manifest.run_id} keeps no experiment file; name the samples with --data")
    section = parse_yaml(kept.text, kept.path, ExperimentFile).data
    whole = load_data(data_source(section.source, Path(kept.path)), section.label)
    asked = _checked(whole, stored)
    if fingerprint(whole) != stored.data_fingerprint:
        raise DataError(
            f"data {whole.name} are not those that run {manifest.run_id} was split from, so its test part is "
            "gone; name samples with --data"
        )
    test = stored.test_indices
    return Question(f"{whole.name}, test part", asked.features[test], asked.labels[test])


def _checked(data: DataSet, stored: StoredNetwork) -> Question:
    """Samples that fit the network, their labels in the network's order of classes.

    Raises:
        DataError: another number of features, or an unknown class.
    """
    features = len(stored.scaler.mean)
    if data.features.shape[1] != features:
        raise DataError(f"data {data.name}: {data.features.shape[1]} features; the network takes {features}")
    unknown = set(data.classes) - set(stored.classes)
    if unknown:
        raise DataError(
            f"data {data.name}: unknown classes {', '.join(sorted(unknown))}; the network knows "
            f"{', '.join(stored.classes)}"
        )
    order = np.array([stored.classes.index(one) for one in data.classes])
    return Question(data.name, data.features, order[data.labels])
