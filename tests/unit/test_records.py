"""A run directory: what is recorded comes back."""

import math
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtjloop.errors import RecordError
from mtjloop.records.reader import RunReader
from mtjloop.records.run import Detail

from .new_runs import NOTHING_MORE, new_run, send


def test_pulses_come_back_as_they_were_asked_and_applied(tmp_path: Path) -> None:
    rows, columns = np.array([0.3, np.nan, -0.25]), np.array([np.nan, 0.1])
    single: Any = np.array([0.5], np.float32)
    whole: Any = np.arange(2)
    with new_run(tmp_path) as recorder:
        first = recorder.begin_pulse(2, "program", 7, rows, columns, np.array([1e-9, 2e-9, 3e-9]), 4)
        rows[:] = 9.0  # the recorder must hold a copy
        recorder.complete_pulse(
            first, width=3.1e-9, energy=2e-12, elapsed=5e-3, compliance=True, peak_current=1e-4
        )
        second = recorder.begin_pulse(0, "train", None, single, whole, 1e-6, 1)
        recorder.fail_pulse(second, "refused", "above 1 V")
        third = recorder.begin_pulse(0, "train", None, np.ones(1), np.ones(2), 1e-6, 1)
        recorder.fail_pulse(third, "doubtful", "link lost")
    with RunReader(recorder.directory) as run:
        one, two, three = run.pulses()
        assert [pulse.pulse for pulse in run.pulses(limit=2)] == [first, second]
    np.testing.assert_allclose(one.row_levels, [0.3, np.nan, -0.25], rtol=1e-7)
    np.testing.assert_allclose(one.column_levels, [np.nan, 0.1], rtol=1e-7)
    np.testing.assert_allclose(one.widths, [1e-9, 2e-9, 3e-9], rtol=1e-7)
    assert (one.tile, one.purpose, one.epoch, one.repeat, one.status) == (2, "program", 7, 4, "applied")
    assert (one.width, one.energy, one.elapsed, one.compliance, one.peak_current) == (
        3.1e-9,
        2e-12,
        5e-3,
        True,
        1e-4,
    )
    assert abs((datetime.now(UTC) - one.time).total_seconds()) < 60
    assert (two.status, two.reason, two.epoch, two.widths, two.width) == (
        "refused",
        "above 1 V",
        None,
        1e-6,
        None,
    )
    np.testing.assert_array_equal(two.column_levels, [0.0, 1.0])
    assert (three.status, three.reason, three.compliance) == ("doubtful", "link lost", None)


def test_everything_else_comes_back(tmp_path: Path) -> None:
    resistance = np.array([[1000.0, np.nan, 2500.0]])
    state = np.array([[1, -1, 0]], np.int8)
    with new_run(tmp_path) as recorder:
        recorder.record_map(1, "before", None, resistance, state)
        recorder.record_map(1, "after", 3, resistance * 2, state)
        recorder.record_switching(1, 0, 2, -1, 0.25, 40, 11)
        recorder.record_metrics(1, {"train_accuracy": 0.5, "loss": float("nan")})
        recorder.record_metrics(0, {"train_accuracy": np.float64(0.25)})
        recorder.record_metrics(1, {"train_accuracy": 0.75})
        recorder.record_array("confusion", np.arange(4).reshape(2, 2))
        recorder.record_array("names", np.array(["ä", "b"]))
        recorder.message("warning", "one cell is dead")
        recorder.count_reads(1, "train", 0, 3, 0.5, 2.0)
        recorder.count_reads(1, "train", 0, 4, 0.5, None)
        recorder.count_reads(1, "map", None, 1, 0.25, None)
        recorder.finish(
            "completed", {"test_accuracy": np.float64(0.9), "classes": np.array(["x", "y"]), "n": (1, 2)}
        )
    with RunReader(recorder.directory) as run:
        after = run.maps("after")
        assert [(found.label, found.epoch, found.tile) for found in run.maps()] == [
            ("before", None, 1),
            ("after", 3, 1),
        ]
        np.testing.assert_array_equal(after[0].resistance, resistance * 2)
        np.testing.assert_array_equal(after[0].state, state)
        assert after[0].state.dtype == np.int8
        (bin_,) = run.switching()
        assert (bin_.tile, bin_.layer, bin_.epoch, bin_.polarity) == (1, 0, 2, -1)
        assert (bin_.requested, bin_.cells, bin_.switched) == (0.25, 40, 11)
        epochs, values = run.metrics()["train_accuracy"]
        assert epochs.tolist() == [0, 1]
        assert values.tolist() == [0.25, 0.75]
        assert math.isnan(run.metrics()["loss"][1][0])
        arrays = run.arrays()
        assert arrays["confusion"].tolist() == [[0, 1], [2, 3]]
        assert arrays["names"].tolist() == ["ä", "b"]
        assert [(note.level, note.text) for note in run.messages()] == [("warning", "one cell is dead")]
        assert [(t.purpose, t.epoch, t.count, t.energy, t.elapsed) for t in run.read_totals()] == [
            ("map", None, 1, None, 0.25),
            ("train", 0, 7, 2.0, 1.0),
        ]
        assert run.manifest.result == {"test_accuracy": 0.9, "classes": ["x", "y"], "n": [1, 2]}


@pytest.mark.parametrize("durable", [False, True])
def test_tally_counts_what_full_lists(tmp_path: Path, durable: bool) -> None:
    found = {}
    details: list[Detail] = ["full", "tally"]
    for detail in details:
        rng = np.random.default_rng(5)
        with new_run(tmp_path, detail=detail, durable=durable) as recorder:
            for _ in range(300):
                rows = np.where(rng.random(5) < 0.3, np.nan, rng.choice([-0.4, 0.0, 0.4], 5))
                columns = rng.choice([0.0, 0.2, np.nan], 3)
                widths = 1e-7 if rng.random() < 0.5 else rng.choice([1e-8, 2e-8], 5)
                epoch = None if rng.random() < 0.2 else int(rng.integers(3))
                purpose = str(rng.choice(["train", "audit"]))
                pulse = recorder.begin_pulse(
                    int(rng.integers(2)), purpose, epoch, rows, columns, widths, int(rng.integers(1, 4))
                )
                ending = rng.random()
                if ending < 0.1:
                    recorder.fail_pulse(pulse, "refused", "no")
                elif ending < 0.2:
                    recorder.fail_pulse(pulse, "doubtful", "lost")
                elif ending < 0.98:
                    recorder.complete_pulse(
                        pulse,
                        width=1e-7,
                        energy=None if ending < 0.3 else ending,
                        elapsed=1e-3,
                        compliance=False,
                        peak_current=None,
                    )
        with RunReader(recorder.directory) as run:
            found[detail] = (run.pulse_totals(), run.pulse_tally())
            if detail == "full":
                pulses = list(run.pulses())
    assert found["full"] == found["tally"]
    totals, tally = found["full"]
    assert sum(place.count for place in tally if place.status == "applied") == sum(t.count for t in totals)
    listed: dict[tuple[int, str, int | None], list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0.0])
    for one in pulses:
        row = listed[one.tile, one.purpose, one.epoch]
        row[("applied", "refused", "doubtful").index(one.status)] += 1
        row[3] += one.repeat if one.status == "applied" else 0
        row[4] += one.elapsed or 0.0
    assert len(listed) == len(totals)
    for total in totals:
        row = listed[total.tile, total.purpose, total.epoch]
        assert row[:4] == [total.count, total.refused, total.doubtful, total.repeats]
        assert total.elapsed == pytest.approx(row[4])


def test_tally_knows_amplitude_width_and_polarity(tmp_path: Path) -> None:
    with new_run(tmp_path, detail="tally") as recorder:
        for rows, columns, width in (
            ([0.4, np.nan], [-0.2, 0.0], 1.00004e-7),
            ([0.4, 0.0], [-0.2, 0.0], 1e-7),
            ([-0.4, 0.0], [0.2, 0.0], 1e-7),
            ([np.nan, np.nan], [0.2, 0.0], 1e-7),
        ):
            pulse = recorder.begin_pulse(0, "train", 0, np.array(rows), np.array(columns), width, 1)
            recorder.complete_pulse(pulse, width=width, **NOTHING_MORE)
    with RunReader(recorder.directory) as run:
        counted = [(t.amplitude, t.width, t.polarity, t.count) for t in run.pulse_tally()]
    assert counted == [(0.0, 1e-7, 0, 1), (0.6, 1e-7, -1, 1), (0.6, 1e-7, 1, 2)]


def test_misuse_is_explained(tmp_path: Path) -> None:
    with new_run(tmp_path) as recorder:
        pulse = send(recorder)
        recorder.complete_pulse(pulse, width=50e-9, **NOTHING_MORE)
        with pytest.raises(RecordError, match="never begun or has ended"):
            recorder.complete_pulse(pulse, width=50e-9, **NOTHING_MORE)
        with pytest.raises(RecordError, match="stop reason 'fine'"):
            recorder.finish("fine", {})
        with pytest.raises(RecordError, match=r"result\.model is a object"):
            recorder.finish("completed", {"model": object()})
        with pytest.raises(RecordError, match="shape"):
            recorder.record_map(0, "before", None, np.zeros((2, 3)), np.zeros((3, 2), np.int8))
        with pytest.raises(RecordError, match="3 of 2 cells"):
            recorder.record_switching(0, 0, 0, 1, 0.5, 2, 3)
        with pytest.raises(RecordError, match="array 'o'"):
            recorder.record_array("o", np.array([object()]))
        with pytest.raises(RecordError, match="0 rows"):
            recorder.begin_pulse(0, "train", 0, np.zeros(0), np.zeros(2), 1e-7, 1)
    with pytest.raises(RecordError, match="is finished"):
        recorder.message("info", "too late")
    with pytest.raises(RecordError, match="is finished"):
        send(recorder)
    with pytest.raises(RecordError, match="detail"):
        new_run(tmp_path, detail="some")
