"""`mtjloop train --dry-run`: the same experiment on a simulated die in place of the bench, nothing opened."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from ..drivers.bench import read_bench_file
from ..drivers.stand_in import StandIn, stand_ins
from ..protocols.training.loop import Trainer
from .console import ConsoleMonitor, error_console
from .experiment_file import check_bench, operation_settings, read_experiment_file
from .format import count, duration, percent, quantity
from .train_command import baseline_of, training_result


class KeptJournal:
    """A journal in memory: what a dry run needs of it, and no file."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.resting = self.disturbed = 0
        self.asked = 0.0
        self.audited = 0
        self._updates = self._clipped = 0.0
        self._pulses = 0

    @property
    def clipped_share(self) -> float | None:
        """Share of all updates that was clipped; None without updates."""
        return self._clipped / self._updates if self._updates else None

    def begin_pulse(self, *args: object) -> int:
        """Count it."""
        del args
        self._pulses += 1
        return self._pulses

    def complete_pulse(self, pulse: int, **applied: object) -> None:
        """Nothing to keep."""

    def fail_pulse(self, pulse: int, status: Literal["refused", "doubtful"], reason: str) -> None:
        """Nothing to keep: the error itself ends the dry run."""

    def count_reads(self, *args: object) -> None:
        """Nothing to keep."""

    def record_map(self, *args: object) -> None:
        """Nothing to keep."""

    def record_trials(self, *args: object, **entries: object) -> None:
        """Nothing to keep."""

    def record_array(self, name: str, values: NDArray[np.generic]) -> None:
        """Nothing to keep."""

    def record_switching(
        self, tile: int, layer: int, epoch: int, polarity: int, requested: float, cells: int, switched: int
    ) -> None:
        """Sum up what audits saw."""
        del tile, layer, epoch, polarity
        if requested > 0.0:
            self.asked += requested * cells
            self.audited += switched
        else:
            self.resting += cells
            self.disturbed += switched

    def record_metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        """Sum up updates and how many of them were clipped; metrics of corrections say neither."""
        del epoch
        updates = values.get("updates", 0.0)
        self._updates += updates
        self._clipped += updates * values.get("clipped_share", 0.0)

    def message(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """Keep it."""
        self.messages.append((level, text))


def dry_run(bench_path: Path, experiment_path: Path, die_path: Path | None, seed: int) -> dict[str, object]:
    """Run an experiment on a stand-in for the bench; no instrument is opened and no run is recorded.

    Every pulse and read goes through a guard with the limits of the bench, so one that leaves them ends the
    dry run as it would end the experiment.

    Args:
        bench_path: bench file.
        experiment_path: experiment file.
        die_path: die file; None takes the die that the bench file describes, or the default die.
        seed: of the split, the controller and, where nothing fixes it, the die.

    Returns:
        The result of training with what it would cost, as JSON goes.

    Raises:
        MtjloopError: anything a user can meet.
    """
    bench = read_bench_file(bench_path)
    experiment = read_experiment_file(experiment_path)
    split = experiment.load_split(seed)
    settings = experiment.training_settings(bench.content)
    read, pulse = operation_settings(bench.content)
    crossbars, die = stand_ins(bench, die_path, seed)
    check_bench(crossbars, settings, read, pulse)
    baseline = baseline_of(split, settings.hidden, seed)
    journal, monitor = KeptJournal(), ConsoleMonitor(error_console())
    with monitor.watching():
        trainer = Trainer(crossbars, split, read, pulse, settings, seed, journal, monitor)
        trained = trainer.run()
    result = training_result(bench, experiment, trainer, trained, baseline, split.classes)
    used = crossbars[: len(trainer.crossbars)]
    return {
        **result,
        "dry_run": True,
        "die": die,
        "tiles": [_tile(number, crossbar) for number, crossbar in enumerate(used)],
        "audited_cells_at_rest": journal.resting,
        "audited_disturbed": journal.disturbed,
        "disturb_per_update": journal.disturbed / journal.resting if journal.resting else None,
        "audited_requested_flips": journal.asked,
        "audited_flips": journal.audited,
        "clipped_share": journal.clipped_share,
        "warnings": [text for level, text in journal.messages if level != "info"],
    }


def print_dry_run(result: Mapping[str, Any]) -> None:
    """What the experiment would reach and cost."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"dry run of {result['name']} ({result['network']}) on {result['die']}; nothing was opened or "
        "recorded"
    )
    console.print(
        f"test accuracy {percent(result['test_accuracy'])} (float network "
        f"{percent(result['float_test_accuracy'])}), {result['epochs']} epochs"
    )
    console.print(
        f"every pulse and read kept the limits of {result['bench']}: {count(result['pulses'])} pulses, "
        f"{count(result['reads'])} reads, {duration(result['bench_time_s'])} of bench time, "
        f"{quantity(result['energy_J'], 'J')} given by the drivers"
    )
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("tile", "pulses a cell", "most", "half-selected a cell", "most"):
        table.add_column(heading, justify="right")
    for tile in result["tiles"]:
        table.add_row(
            str(tile["tile"]),
            count(tile["selected_mean"]),
            count(tile["selected_most"]),
            count(tile["half_selected_mean"]),
            count(tile["half_selected_most"]),
        )
    console.print(table)
    if result["disturb_per_update"] is not None:
        console.print(
            f"disturb: {result['audited_disturbed']} of {count(result['audited_cells_at_rest'])} cells that "
            f"an audited update left alone flipped ({result['disturb_per_update']:.2g} a cell and update)"
        )
    for text in result["warnings"]:
        console.print(f"warning: {text}")


def _tile(number: int, crossbar: StandIn) -> dict[str, object]:
    return {
        "tile": number,
        "selected_mean": float(crossbar.selected.mean()),
        "selected_most": int(crossbar.selected.max()),
        "half_selected_mean": float(crossbar.half_selected.mean()),
        "half_selected_most": int(crossbar.half_selected.max()),
    }
