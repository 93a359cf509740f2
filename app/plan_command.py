"""`mtjloop plan`: what training on a bench takes, step by step, before anything is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ..drivers.bench import BenchDescription, read_bench_file
from ..drivers.planned import PlannedCrossbar, Spent, planned_crossbars, planned_square
from ..protocols.data import split_validation
from ..protocols.recorded import RecordedCrossbar
from ..protocols.settings import PulseSettings, ReadSettings
from ..protocols.training.layer import CrossbarLayer
from ..protocols.training.network import with_constants
from ..protocols.training.placement import Place, layer_sizes, place_layers
from ..protocols.training.rehearsal import Operation, rehearse
from ..protocols.training.settings import TrainingSettings
from .experiment_file import check_bench, operation_settings, read_experiment_file
from .format import count, duration
from .rbm_file import refuse_machine

SAMPLES = 16
"""Samples that costs are averaged over."""
SIZES = (8, 16, 32, 64, 128)
"""Square arrays of the table."""


@dataclass(frozen=True)
class Cost:
    """What one operation takes on average; see `Spent`."""

    pulses: float
    reads: float
    steps: float
    seconds: float
    relay_operations: float
    round_trips: Mapping[str, float]

    @classmethod
    def mean(cls, spent: Sequence[Spent]) -> "Cost":
        """Average of operations of one kind; nothing if there were none."""
        total, n = sum(spent, Spent()), max(len(spent), 1)
        trips = {name: trips / n for name, trips in sorted(total.round_trips.items())}
        return cls(
            total.pulses / n,
            total.reads / n,
            total.steps / n,
            total.seconds / n,
            total.relay_operations / n,
            trips,
        )


Costs = dict[Operation, Cost]


def plan(bench_path: Path, experiment_path: Path, seed: int) -> dict[str, object]:
    """Plan an experiment on a bench; nothing is opened.

    Args:
        bench_path: bench file.
        experiment_path: experiment file.
        seed: of the split and of the representative signals.

    Returns:
        Costs of each layer, of an epoch, and against the size of an array, as they go out as JSON.

    Raises:
        ConfigurationError: a file is wrong, or the bench cannot do what the experiment asks; says why.
    """
    bench = read_bench_file(bench_path)
    refuse_machine(experiment_path, "mtjloop plan")
    experiment = read_experiment_file(experiment_path)
    split, settings = experiment.load_split(seed), experiment.training_settings(bench.content)
    read, pulse = operation_settings(bench.content)
    kept, held = split_validation(split, settings.validation_fraction, seed)
    sizes = layer_sizes(split.train_x.shape[1], settings.hidden, len(split.classes), settings.constants)
    crossbars = planned_crossbars(bench, seed)
    check_bench(crossbars, settings, read, pulse)
    features = with_constants(split.train_x[:SAMPLES], sizes[0][0], settings.constant_level)
    shapes = [one.capabilities.shape for one in crossbars]
    placed = place_layers(shapes, sizes, settings.layout, settings.tile)
    costs = _rehearsed(crossbars, placed, features, read, pulse, settings, seed)
    return {
        "bench": bench.content.name,
        "backend": bench.content.backend,
        "experiment": experiment.content.name,
        "network": "-".join(
            str(size) for size in (split.train_x.shape[1], *(outputs for _, outputs in sizes))
        ),
        "samples": len(kept.train_x),
        "validation_samples": 0 if held is None else len(held.labels),
        "layers": [
            {
                "layer": number,
                "inputs": inputs,
                "cell_columns": settings.layout.each * outputs,
                "tiles": [place.tile for place in places],
                **{kind: asdict(cost) for kind, cost in one.items()},
            }
            for number, ((inputs, outputs), places, one) in enumerate(zip(sizes, placed, costs, strict=True))
        ],
        **_durations(costs, sizes, len(kept.train_x), len(split.train_x), settings),
        "sizes": _against_size(bench, read, pulse, settings, seed),
    }


def _rehearsed(
    crossbars: Sequence[PlannedCrossbar],
    placed: Sequence[Sequence[Place]],
    features: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    read: ReadSettings,
    pulse: PulseSettings,
    settings: TrainingSettings,
    seed: int,
) -> list[Costs]:
    """Mean costs of every operation of every layer."""
    tiles = [RecordedCrossbar(one, number) for number, one in enumerate(crossbars)]
    layers = [CrossbarLayer(tiles, places, read, settings.layout) for places in placed]
    spent: list[dict[Operation, list[Spent]]] = [
        {"forward": [], "backward": [], "update": [], "map": []} for _ in placed
    ]

    def note(layer: int, operation: Operation) -> None:
        used = (crossbars[place.tile].spent() for place in placed[layer])
        spent[layer][operation].append(sum(used, Spent()))

    rehearse(layers, features, read, pulse, settings, np.random.default_rng([seed, 11]), note)
    return [{kind: Cost.mean(found) for kind, found in one.items()} for one in spent]


def _durations(
    costs: Sequence[Costs],
    sizes: Sequence[tuple[int, int]],
    samples: int,
    evaluated: int,
    settings: TrainingSettings,
) -> dict[str, dict[str, float]]:
    """Bench time of one epoch (a pass over the training part and what closes it) and of all, in s.

    At least: no sample violates the margin, so nothing is pulsed; only the first epoch finds a best state,
    which is mapped, and patience ends the training as soon as it may. At most: every sample violates the
    margin, every update has all its sign phases, and every epoch is the best so far. Digital parts trained
    alone take as many passes again, without pulses. Bounds are of how often things are done, each at its
    mean cost; what comes before the first epoch and after the last one is in neither.

    Args:
        costs: of every layer.
        sizes: (inputs, outputs) of every layer.
        samples: shown in an epoch.
        evaluated: read after it, the validation part included.
        settings: of the training.
    """
    forward, backward, mapping = (
        sum(one[kind].seconds for one in costs) for kind in ("forward", "backward", "map")
    )
    updating = auditing = 0.0
    for cost, (inputs, outputs) in list(zip(costs, sizes, strict=True))[: settings.trained_layers]:
        factors = _most_factors(samples, inputs, outputs, settings)
        audits = factors / settings.audit_every if settings.audit_every else 0.0
        updating += factors * cost["update"].seconds
        auditing += 2 * audits * cost["map"].seconds
    reading, teaching, closing = samples * forward, samples * backward, evaluated * forward
    pocketing = mapping if settings.pocket else 0.0
    least = reading + closing
    most = reading + teaching + updating + auditing + closing + pocketing
    alone = settings.epochs if settings.digital_alone else 0
    # The best state is that of the first epoch at the earliest, and patience counts from there.
    fewest = min(settings.epochs, settings.patience + 1) if settings.patience else settings.epochs
    return {
        "epoch": {"at_least_s": least, "at_most_s": most},
        "training": {
            "epochs": settings.epochs,
            "fewest_epochs": fewest,
            "at_least_s": fewest * least + pocketing + alone * reading,
            "at_most_s": settings.epochs * most + alone * (reading + teaching),
        },
    }


def _most_factors(samples: int, inputs: int, outputs: int, settings: TrainingSettings) -> float:
    """Rank-1 updates of one layer in an epoch in which every sample violates the margin."""
    if settings.schedule == "per-sample":
        return samples
    if settings.schedule == "mini-batch":
        return samples / settings.batch * inputs
    period = 1 if settings.period == "auto" else settings.period
    return samples / period * (outputs if settings.schedule == "column-momentum" else settings.rank)


def _against_size(
    bench: BenchDescription, read: ReadSettings, pulse: PulseSettings, settings: TrainingSettings, seed: int
) -> list[dict[str, object]]:
    """Costs of one square layer of each size, as if the bench had lines enough."""
    table: list[dict[str, object]] = []
    rng = np.random.default_rng([seed, 12])
    for size in SIZES:
        crossbar = planned_square(bench, size, seed)
        if crossbar is None:
            return []
        outputs = settings.layout.outputs_within(size)
        if outputs < 1:
            continue
        features = rng.uniform(-1.0, 1.0, (4, size))
        # A second layer of the same size, on the same lines, makes hidden errors be read back.
        (first, second) = _rehearsed(
            [crossbar, crossbar],
            [(Place(tile, 0, size, 0, outputs),) for tile in (0, 1)],
            features,
            read,
            pulse,
            settings,
            seed,
        )
        table.append(
            {
                "rows": size,
                "columns": size,
                "forward": asdict(first["forward"]),
                "backward": asdict(second["backward"]),
                "update": asdict(first["update"]),
            }
        )
    return table


def print_plan(result: Mapping[str, object]) -> None:
    """Tables of costs for people."""
    console = Console(soft_wrap=True)
    console.print(_layers_table(result))
    epoch, samples = result["epoch"], result["samples"]
    if isinstance(epoch, Mapping):
        console.print(
            f"one epoch of {samples} samples and its evaluation: {duration(epoch['at_least_s'])} if no "
            f"sample needs teaching, at most {duration(epoch['at_most_s'])} if all do"
        )
    training = result["training"]
    if isinstance(training, Mapping):
        console.print(
            f"{_epochs(training['fewest_epochs'], training['epochs'])}, the digital parts alone included if "
            "asked for; calibration, first and last maps, the final test and measurements of feedback not: "
            f"{duration(training['at_least_s'])} to {duration(training['at_most_s'])}"
        )
    console.print("update: at most, with all sign phases. Nothing was opened.")
    sizes = result["sizes"]
    if isinstance(sizes, list) and sizes:
        console.print(_sizes_table(sizes))
    else:
        console.print("lines are straight on channels, so there is no table against size")


def _epochs(fewest: int, most: int) -> str:
    return f"{most} epochs" if fewest == most else f"{fewest} (by patience) to {most} epochs"


def _layers_table(result: Mapping[str, object]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{result['experiment']} ({result['network']}) on {result['bench']} ({result['backend']})",
    )
    for heading in ("layer", "", "reads", "pulses", "steps", "relays", "round trips", "time"):
        table.add_column(heading, justify="left" if heading in ("", "round trips") else "right")
    layers = result["layers"]
    for layer in layers if isinstance(layers, list) else ():
        for kind in ("forward", "backward", "update", "map"):
            cost = layer[kind]
            if cost["steps"]:
                table.add_row(f"{layer['layer']}", kind, *_cells(cost))
    return table


def _sizes_table(sizes: Sequence[Mapping[str, Mapping[str, float]]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="time against the size of a layer")
    for heading in ("rows x columns", "forward", "backward", "update"):
        table.add_column(heading, justify="right")
    for one in sizes:
        times = (duration(one[kind]["seconds"]) for kind in ("forward", "backward", "update"))
        table.add_row(f"{one['rows']} x {one['columns']}", *times)
    return table


def _cells(cost: Mapping[str, float | Mapping[str, float]]) -> list[str]:
    trips = cost["round_trips"]
    named = (
        ", ".join(f"{name} {trip:.3g}" for name, trip in trips.items()) if isinstance(trips, Mapping) else ""
    )
    plain = {key: value for key, value in cost.items() if not isinstance(value, Mapping)}
    numbers = [plain[key] for key in ("reads", "pulses", "steps", "relay_operations")]
    return [*map(count, numbers), named or "-", duration(plain["seconds"])]
