"""`mtjloop transfer`: write a network trained elsewhere into the crossbars of a bench, and run it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..drivers.bench import read_bench_file
from ..errors import ConfigurationError, DataError
from ..protocols.data import BUILT_IN, DataSet, load_data
from ..protocols.recorded import Totals
from ..protocols.training.placement import record_tiles
from ..protocols.training.scores import confusion
from ..protocols.transfer import ForeignNetwork, TransferredNetwork, ideal_product, scores
from .experiment_file import operation_settings, tile_limit
from .format import count, duration, percent, quantity
from .session import session
from .text import print_run_dir
from .transfer_file import read_foreign_network


def transfer(
    bench_path: Path,
    network_path: Path,
    data: str,
    calibrate: bool,
    devices: int,
    seed: int,
    runs: Path,
    arm: bool = False,
) -> tuple[dict[str, object], list[str]]:
    """Program the network with verify and pass the samples through the array.

    Args:
        bench_path: bench file.
        network_path: see `read_foreign_network`.
        data: built-in set or file; features as the network takes them.
        calibrate: find the gains on the chip even where the network names them.
        devices: cells in parallel on each side of a weight.
        seed: of the die, where the bench file leaves it open.
        runs: directory of all runs.
        arm: let a bench of instruments be energised.

    Returns:
        The result as JSON goes, and the predicted class of every sample.

    Raises:
        MtjloopError: anything a user can meet.
    """
    bench = read_bench_file(bench_path)
    network = read_foreign_network(network_path)
    network_hash = hashlib.sha256(network_path.read_bytes()).hexdigest()
    samples = _samples(data, network)
    read, pulse = operation_settings(bench.content)
    ideal_gains = network.gains or (1.0,) * len(network.weights)
    ideal = scores(network, ideal_gains, samples.features, ideal_product(network)).argmax(axis=1)
    with session("transfer", network_path.stem, bench, seed, runs, arm=arm) as now:
        crossbars = record_tiles(now.bench.crossbars, len(now.bench.crossbars), now.recorder)
        chip = TransferredNetwork(crossbars, network, read, pulse, devices, tile_limit(bench.content))
        chip.prepare(np.random.default_rng(seed), now.monitor)
        report = chip.write(network, now.monitor)
        found = calibrate or network.gains is None
        if found:
            chip.find_gains(samples.features)
        predicted = chip.scores(samples.features).argmax(axis=1).astype(np.int64)
        now.recorder.record_array("confusion", confusion(samples.labels, predicted, len(samples.classes)))
        now.result = {
            "bench": bench.content.name,
            "network": "-".join(str(size) for size in network.sizes),
            "network_file": str(network_path),
            "network_file_sha256": network_hash,
            "data": samples.name,
            "samples": len(samples.labels),
            "accuracy": float(np.mean(predicted == samples.labels)),
            "ideal_accuracy": float(np.mean(ideal == samples.labels)),
            "cells": report.cells,
            "failed_cells": report.failed,
            "gains": list(chip.gains),
            "gains_found_on_chip": found,
            **Totals.of(crossbars).by_name(),
            "classes": list(samples.classes),
            "seed": seed,
            "run_dir": str(now.recorder.directory),
        }
    return now.result, [samples.classes[one] for one in predicted]


def print_transfer(result: Mapping[str, Any]) -> None:
    """Accuracy on the chip beside that of ideal arithmetic, failed cells, gains."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{result['data']}: accuracy {percent(result['accuracy'])} through the array, "
        f"{percent(result['ideal_accuracy'])} in ideal arithmetic, on {result['samples']} samples "
        f"({result['network']})"
    )
    console.print(f"{result['failed_cells']} of {count(result['cells'])} cells could not be programmed")
    gains = ", ".join(f"{one:.3g}" for one in result["gains"])
    how = "found on this chip" if result["gains_found_on_chip"] else "as the network names them"
    console.print(f"gain of each layer: {gains} ({how})")
    console.print(
        f"{count(result['pulses'])} pulses, {count(result['reads'])} reads, "
        f"{quantity(result['energy_J'], 'J')} given by the drivers, {duration(result['bench_time_s'])} of "
        "bench time"
    )
    print_run_dir(result)


def _samples(source: str, network: ForeignNetwork) -> DataSet:
    """The samples, if the network takes their features and names their classes.

    Raises:
        DataError: another number of features, or more or fewer classes than outputs.
    """
    data = load_data(source if source in BUILT_IN else Path(source))
    features, outputs = network.sizes[0], network.sizes[-1]
    if data.features.shape[1] != features:
        raise DataError(
            f"data {data.name}: {data.features.shape[1]} features; W0 takes {features} (its rows)"
        )
    if len(data.classes) != outputs:
        raise DataError(
            f"data {data.name}: {len(data.classes)} classes ({', '.join(data.classes)}); the network has "
            f"{outputs} outputs, one a class in their sorted order; give samples of every class"
        )
    if outputs < 2:
        raise ConfigurationError("the network has one output; the largest of two or more names the class")
    return data
