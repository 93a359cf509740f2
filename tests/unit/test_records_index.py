"""Runs by their names: listed, and found by parts of them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mtjloop.errors import RecordError
from mtjloop.records.index import find_run, list_runs, new_run_id

from .new_runs import new_run


def test_run_ids_are_file_names() -> None:
    now = datetime(2026, 11, 24, 8, 15, 30, tzinfo=UTC)
    assert new_run_id("train", "Wine (pair) / 2", now)[:-5] == "20261124T081530Z-train-wine-pair-2"
    assert new_run_id("map", "../..", now).startswith("20261124T081530Z-map-")
    assert len(new_run_id("train", "x" * 500, now)) < 64


def test_runs_are_listed_and_found(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []
    with pytest.raises(RecordError, match="holds no runs"):
        find_run(tmp_path / "none", "last")
    made = []
    for name in ("one", "two", "three"):
        with new_run(tmp_path, name=name) as recorder:
            made.append(recorder.directory)
    broken = tmp_path / "20200101T000000Z-train-old-0000"
    broken.mkdir()
    (tmp_path / "notes").mkdir()
    (made[1] / "events.sqlite").unlink()
    entries = list_runs(tmp_path)
    assert [entry.directory for entry in entries] == [*made[::-1], broken]
    assert [entry.problem is None for entry in entries] == [True, False, True, False]
    assert find_run(tmp_path, "last") == made[2]
    assert find_run(tmp_path, made[0].name) == made[0]
    assert find_run(tmp_path, made[0].name[:-3]) == made[0]
    assert find_run(tmp_path, str(made[0])) == made[0]
    with pytest.raises(RecordError, match=r"runs in .* begin with '20'.*Give more"):
        find_run(tmp_path, "20")
    with pytest.raises(RecordError, match=r"fits 'nothing'; it holds .*-three-"):
        find_run(tmp_path, "nothing")
    with pytest.raises(RecordError, match="fits ''"):
        find_run(tmp_path, "")


def test_the_latest_run_is_found_past_damaged_and_renamed_ones(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        with new_run(tmp_path, name=name) as recorder:
            made.append(recorder.directory)
    (tmp_path / "29990101T000000Z-train-broken-0000").mkdir()
    assert find_run(tmp_path, "last") == made[1]
    # A run whose directory was renamed counts by the time in its manifest.
    kept = made[1].rename(tmp_path / "the good one")
    assert find_run(tmp_path, "last") == kept
    made[0].rename(tmp_path / "29990101T000000Z-train-one-1111")
    assert find_run(tmp_path, "last") == kept
