"""Trials as recorded: single rows, counts by point, and what a reader makes of them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from mtjloop.errors import RecordError
from mtjloop.records.run import Detail, RunRecorder
from mtjloop.records.schema import EVENTS_FILE
from mtjloop.records.tallies import block_counts, point_counts


def recorder(root: Path, detail: Detail = "full") -> RunRecorder:
    return RunRecorder.create(
        root, command="characterize", name="t", backend="simulated", hardware=False, detail=detail
    )


def record(
    run: RunRecorder, outcomes: list[int], block: int = 0, kind: str = "trial", volt: float = 0.3
) -> None:
    size = len(outcomes)
    run.record_trials(
        0, 1, block, 7, rows=np.zeros(size, np.int64), columns=np.arange(size), kinds=(kind,) * size,
        voltages=np.full(size, volt), applied_voltages=np.full(size, volt - 0.01), width=1e-4,
        applied_width=1.1e-4, repeat=1, resistances_before=np.full(size, 1e4),
        resistances_after=np.full(size, np.inf), states_before=np.zeros(size, np.int8),
        states_after=np.ones(size, np.int8), outcomes=np.array(outcomes, np.int8),
    )  # fmt: skip


@pytest.mark.parametrize("detail", ["full", "tally"])
def test_counts_by_point_and_block(tmp_path: Path, detail: Detail) -> None:
    with recorder(tmp_path, detail) as run:
        record(run, [0, 1])
        record(run, [0, 2])
        run.flush()
        record(run, [1, 3], block=1)
        record(run, [0, 0], kind="control", volt=0.0)
    first, second = point_counts(run.directory)
    assert (first.row, first.column, first.switched, first.trials) == (0, 0, 2, 3)
    assert (second.switched, second.trials, second.reset_failed, second.unreadable) == (0, 1, 1, 1)
    assert first.applied_voltage == pytest.approx(0.29)
    assert first.applied_width == pytest.approx(1.1e-4)
    assert [each.trials for each in point_counts(run.directory, ("control",))] == [1, 1]
    blocks = block_counts(run.directory)
    assert [(each.column, each.block, each.switched, each.trials) for each in blocks] == [
        (0, 0, 2, 2), (0, 1, 0, 1), (1, 0, 0, 1),
    ]  # fmt: skip
    assert blocks[0].resistance == pytest.approx(1e4)


def test_every_trial_is_a_row_of_its_own(tmp_path: Path) -> None:
    with recorder(tmp_path) as run:
        record(run, [0, 1, 2, 3])
    with closing(sqlite3.connect(run.directory / EVENTS_FILE)) as database:
        rows = database.execute(
            "SELECT tile, row, col, kind, polarity, voltage, applied_voltage, resistance_after, outcome, "
            "pulse FROM trial_log"
        ).fetchall()
    assert [row[-2] for row in rows] == ["switched", "stayed", "reset failed", "unreadable"]
    assert rows[0][:8] == (0, 0, 0, "trial", 1, 0.3, pytest.approx(0.29), np.inf)
    assert rows[0][-1] == 7


def test_a_training_run_without_devices_yields_its_audits(tmp_path: Path) -> None:
    with recorder(tmp_path) as run:
        run.record_switching(1, 1, 0, -1, 0.2, 100, 21)
        run.record_switching(1, 1, 1, -1, 0.25, 100, 24)
        run.record_switching(1, 1, 1, -1, 0.0, 500, 1)
    idle, asked = point_counts(run.directory)
    assert (asked.tile, asked.row, asked.polarity, asked.switched, asked.trials) == (1, None, -1, 45, 200)
    assert asked.requested == pytest.approx(0.225)
    assert (idle.switched, idle.trials, idle.requested) == (1, 500, 0.0)


def test_entries_must_match(tmp_path: Path) -> None:
    with recorder(tmp_path) as run:
        with pytest.raises(RecordError, match="numbers 0 to 3"):
            record(run, [0, 4])
        with pytest.raises(RecordError, match="kind of trial 'guess'"):
            record(run, [0], kind="guess")
        with pytest.raises(RecordError, match="one entry a device"):
            run.record_trials(
                0, 1, 0, None, rows=np.zeros(2, np.int64), columns=np.arange(2), kinds=("trial",) * 2,
                voltages=np.zeros(2), applied_voltages=np.zeros(1), width=1e-4, applied_width=1e-4, repeat=1,
                resistances_before=np.ones(2), resistances_after=np.ones(2),
                states_before=np.zeros(2, np.int8), states_after=np.zeros(2, np.int8),
                outcomes=np.zeros(2, np.int8),
            )  # fmt: skip


def test_no_run_no_counts(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is absent"):
        point_counts(tmp_path)
