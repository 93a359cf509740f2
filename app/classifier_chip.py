"""What stands behind `CrossbarClassifier`: a chip that was trained, to be read again and again."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..drivers.bench import BenchDescription, BenchFile, open_bench, read_bench_file
from ..drivers.contract import Crossbar, Floats
from ..drivers.yaml_file import parse_content, parse_yaml
from ..errors import ConfigurationError, StoppedError
from ..protocols.data import Labels, Scaler, Split, fit_scaler
from ..protocols.inference import deploy
from ..protocols.journal import Journal, Monitor, SilentMonitor
from ..protocols.recorded import RecordedCrossbar, Totals
from ..protocols.training.block import KnownTile
from ..protocols.training.loop import TrainedNetwork, Trainer
from ..protocols.training.network import CrossbarNetwork
from ..protocols.training.placement import TileLimit
from .clearance import clearance
from .experiment_file import ExperimentDescription, ExperimentFile, operation_settings
from .fused.loop import compiled_loop
from .session import session

_LINES = 64
"""Lines of a tile of the default die: more of them would lose too much along its wires."""
_NAME = "classifier"


@dataclass(frozen=True)
class StoredChip:
    """What places a trained network again, without any open bench.

    Attributes:
        bench: description.
        seed: of the die, where the bench leaves it open.
        network: states and digital parts.
        known: calibration by tile.
        gains: g1 and g2.
        tile: most lines of a tile that a layer used.
        scaler: of the features.
        runs: where calls are recorded, or None.
        arm: let a bench of instruments be energised.
    """

    bench: BenchDescription
    seed: int
    network: TrainedNetwork
    known: Mapping[int, KnownTile]
    gains: tuple[float, float]
    tile: TileLimit | None
    scaler: Scaler
    runs: Path | None
    arm: bool


@dataclass(frozen=True)
class Trained:
    """What training came to.

    Attributes:
        stored: the network to be placed.
        epochs: whole ones.
        cost: by name.
        failed: cells that could not be brought back to the best state.
    """

    stored: StoredChip
    epochs: int
    cost: Mapping[str, float]
    failed: int


@dataclass(frozen=True)
class Chip:
    """A chip with its network.

    Attributes:
        stored: see there.
        live: network on crossbars that stay open (simulated, nothing recorded); None: opened for every call.
        failed: cells of a live one that could not be programmed.
    """

    stored: StoredChip
    live: CrossbarNetwork | None
    failed: int = 0

    def scores(self, features: Floats) -> Floats:
        """Outputs for features as they come, (samples, classes)."""
        scaled = self.stored.scaler(features)
        if self.live is not None:
            return self.live.forward(scaled).scores
        stored = self.stored
        with _opened(stored.bench, stored.seed, stored.runs, stored.arm, "predict") as (
            crossbars,
            journal,
            monitor,
        ):
            kept = stored.bench.keeps_states
            network, _ = _place(stored, crossbars, journal, monitor, write=not kept)
            return network.forward(scaled).scores


def train_chip(params: Mapping[str, Any], features: Floats, labels: Labels, classes: int) -> Trained:
    """Train a network on all samples.

    Args:
        params: of `CrossbarClassifier`.
        features: (samples, features).
        labels: (samples,), 0 .. classes - 1.
        classes: number of classes.

    Raises:
        ConfigurationError: a parameter cannot be used.
        MtjloopError: the bench or the training cannot do it.
    """
    seed = _seed(params["random_state"])
    experiment = _experiment(params)
    hidden = tuple(experiment.content.network.hidden)
    bench = _bench(params["bench"], features.shape[1], hidden, classes, experiment)
    scaler = fit_scaler(features, experiment.content.data.scaling)
    scaled = scaler(features)
    # There is no test part here: its place is taken by no sample that was not trained on.
    split = Split(
        _NAME, tuple(str(k) for k in range(classes)), scaled, labels, scaled[:1], labels[:1], scaler,
        np.zeros(0, dtype=np.int64), "",
    )  # fmt: skip
    settings = experiment.training_settings(bench.content)
    read, pulse = operation_settings(bench.content)
    runs = None if params["runs"] is None else Path(params["runs"])
    with _opened(bench, seed, runs, bool(params["arm"]), "fit") as (crossbars, journal, monitor):
        trainer = Trainer(crossbars, split, read, pulse, settings, seed, journal, monitor, compiled_loop)
        result = trainer.run()
        known = {
            block.crossbar.tile: block.known for layer in trainer.network.layers for block in layer.blocks
        }
    if result.interrupted:
        raise StoppedError("training was stopped; the classifier is not fitted")
    stored = StoredChip(
        bench, seed, result.network, known, (settings.hidden_gain, settings.output_gain), settings.tile,
        scaler, runs, bool(params["arm"]),
    )  # fmt: skip
    cost = Totals.of(trainer.crossbars).by_name()
    return Trained(stored, result.epochs, cost, result.failed_cells)


def placed(stored: StoredChip) -> Chip:
    """A chip to read: the die that was trained; a simulated one is programmed with the same states anew."""
    if stored.runs is not None or stored.bench.hardware:
        return Chip(stored, None)
    with open_bench(stored.bench, stored.seed) as bench:
        # A closed simulated bench is safe and its memory is stored; its crossbars can be read on.
        return Chip(stored, *_place(stored, bench.crossbars, None, SilentMonitor(), write=True))


def _place(
    stored: StoredChip,
    crossbars: tuple[Crossbar, ...],
    journal: Journal | None,
    monitor: Monitor,
    write: bool,
) -> tuple[CrossbarNetwork, int]:
    read, pulse = operation_settings(stored.bench.content)
    recorded = [RecordedCrossbar(one, number, journal) for number, one in enumerate(crossbars)]
    return deploy(
        recorded, stored.network, len(stored.scaler.mean), stored.gains, stored.known, read, pulse, write,
        np.random.default_rng(stored.seed), monitor, stored.tile,
    )  # fmt: skip


@contextmanager
def _opened(
    bench: BenchDescription, seed: int, runs: Path | None, arm: bool, command: str
) -> Iterator[tuple[tuple[Crossbar, ...], Journal | None, Monitor]]:
    """Crossbars to work with; recorded where asked for, and always on a bench of instruments."""
    if runs is not None:
        clearance(bench, runs, arm)
        with session(command, _NAME, bench, seed, runs, arm=arm) as now:
            yield now.bench.crossbars, now.recorder, now.monitor
        return
    if bench.hardware:
        raise ConfigurationError(
            f"{bench.path} drives instruments, and what is done to a die must be recorded; give runs='runs', "
            "run `mtjloop check` and give arm=True"
        )
    with open_bench(bench, seed) as opened:
        yield opened.crossbars, None, SilentMonitor()


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ConfigurationError(f"random_state: found {value!r}; a whole number >= 0 is accepted")
    return int(value)


def _experiment(params: Mapping[str, Any]) -> ExperimentDescription:
    """The experiment that the parameters stand for, checked as a file would be."""
    content = {
        "name": _NAME,
        "data": {"source": _NAME, "scaling": params["scaling"]},
        "network": {
            "hidden": [int(one) for one in params["hidden"]],
            "devices": params["devices"],
            **(params["network"] or {}),
        },
        "training": {"epochs": params["epochs"], "audit_every": 0, **(params["training"] or {})},
    }
    return ExperimentDescription(
        Path(_NAME), "", parse_content(content, "CrossbarClassifier", ExperimentFile)
    )


def _bench(
    bench: str | Path | None, features: int, hidden: tuple[int, ...], classes: int,
    experiment: ExperimentDescription,
) -> BenchDescription:  # fmt: skip
    if bench is not None:
        return read_bench_file(Path(bench))
    layout = experiment.training_settings().layout
    fitting = max(1, layout.outputs_within(_LINES))
    outputs = [*hidden, classes]
    tiles = []
    for inputs, units in zip(
        [features + experiment.content.network.constants, *hidden], outputs, strict=True
    ):
        rows, columns = min(inputs, _LINES), layout.columns(min(units, fitting))
        parts = math.ceil(inputs / _LINES) * math.ceil(units / fitting)
        tiles.append(f"{{rows: {rows}, columns: {columns}, count: {parts}}}")
    text = (
        "name: default die\nbackend: simulated\n"
        "limits: {device_voltage: 0.8 V, read_voltage: 0.25 V, line_current: 5 mA, pulse_width: 10 ms}\n"
        f"simulated: {{die: {{tiles: [{', '.join(tiles)}]}}}}\n"
    )
    return BenchDescription(Path("default-die"), text, parse_yaml(text, "the default die", BenchFile))
