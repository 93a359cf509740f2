"""What is recorded of an epoch of training."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..journal import Journal
from ..recorded import RecordedCrossbar
from .rule import Rule
from .scores import Score
from .update import Updater


@dataclass(frozen=True)
class Epoch:
    """How an epoch went.

    Attributes:
        number: from 0 on.
        samples: shown.
        violators: of them, within the margin.
        train: score on the training part after it.
        validation: score on the validation part; None without one.
    """

    number: int
    samples: int
    violators: int
    train: Score
    validation: Score | None


def record_epoch(
    journal: Journal,
    epoch: Epoch,
    updaters: Sequence[Updater],
    rules: Sequence[Rule],
    crossbars: Sequence[RecordedCrossbar],
) -> None:
    """Write metrics and audits of an epoch.

    Args:
        journal: where to.
        epoch: how it went.
        updaters: of the trained layers, with their counts of the epoch.
        rules: of the same layers.
        crossbars: with their totals so far.
    """
    counts = [updater.counts for updater in updaters]
    tallies = [updater.audited() for updater in updaters]
    updates = sum(one.updates for one in counts)
    resting = sum(one.resting for one in tallies)
    metrics = {
        "train_accuracy": epoch.train.accuracy,
        "train_log_likelihood": epoch.train.log_likelihood,
        "violators": epoch.violators / max(epoch.samples, 1),
        "updates": float(updates),
        "pulses": float(sum(one.pulses for one in counts)),
        "clipped_share": sum(one.clipped for one in counts) / max(updates, 1),
        "peak_probability": sum(one.peaks for one in counts) / max(updates, 1),
        "audited_requested_flips": sum(one.requested for one in tallies),
        "audited_flips": float(sum(one.switched for one in tallies)),
        "audited_disturb": sum(one.unasked for one in tallies) / max(resting, 1),
        "energy": sum(crossbar.totals.energy for crossbar in crossbars),
        "bench_time": sum(crossbar.totals.elapsed for crossbar in crossbars),
    }
    if epoch.validation is not None:
        metrics["validation_accuracy"] = epoch.validation.accuracy
        metrics["validation_log_likelihood"] = epoch.validation.log_likelihood
    for number, rule in enumerate(rules):
        metrics[f"period_{number}"] = float(rule.period)
    journal.record_metrics(epoch.number, metrics)
    for number, updater in enumerate(updaters):
        for one in updater.blocks:
            tile = one.block.crossbar.tile
            corrections: dict[str, float] = {}
            if one.feedback is not None:
                drift = one.feedback.drift
                corrections |= {f"drift_to_p_{tile}": drift[1], f"drift_to_ap_{tile}": drift[-1]}
            if one.balance is not None:
                shifts = one.balance.shifts
                corrections |= {f"balance_to_p_{tile}": shifts[1], f"balance_to_ap_{tile}": shifts[-1]}
            if corrections:
                journal.record_metrics(epoch.number, corrections)
            one.audit.write(journal, tile, number, epoch.number)
