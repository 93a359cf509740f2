"""The manifest of a run: what it says, why a run stopped, damage."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtjloop.errors import RecordError
from mtjloop.records.index import list_runs
from mtjloop.records.manifest import Configuration, read_manifest, write_manifest
from mtjloop.records.reader import RunReader

from .new_runs import NOTHING_MORE, new_run, send


def fail() -> None:
    raise ValueError("no such cell: <3>")


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("event", "kind", "reason"),
    [
        (fail, ValueError, "failed: ValueError: no such cell: <3>"),
        (interrupt, KeyboardInterrupt, "interrupted"),
    ],
)
def test_an_exception_becomes_the_stop_reason(
    tmp_path: Path, event: Callable[[], None], kind: type[BaseException], reason: str
) -> None:
    recorder = new_run(tmp_path)
    with pytest.raises(kind), recorder:
        recorder.complete_pulse(send(recorder), width=50e-9, **NOTHING_MORE)
        send(recorder)
        event()
    with RunReader(recorder.directory) as run:
        assert run.manifest.outcome == reason
        assert run.manifest.finished_utc is not None
        assert [pulse.status for pulse in run.pulses()] == ["applied", "doubtful"]


def test_manifest_round_trip(tmp_path: Path) -> None:
    text = "array:\n  rows: 14   \n\ttab: 'ü'\r\nend: |\n"
    kept = {"bench": Configuration.of("a/bench.yaml", text)}
    hostile = Configuration.of("x.yaml", "a: <b>\n# 𝛥 \x07\x85\u2028\n  ---\n")
    recorder = new_run(
        tmp_path, name="Wine & <b>/..", seed=np.int64(3), hardware=True, operator="Ada",
        configurations=kept | {"x.yaml": hostile}, die_id="W3-D7", temperature=295.5,
        identities=("ACME,1,2", ""), wiring_hash="abc",
    )  # fmt: skip
    recorder.finish("interrupted", {"nan": float("nan")})
    found = read_manifest(recorder.directory)
    assert found.name == "Wine & <b>/.."
    assert found.configurations["x.yaml"] == hostile
    assert found.configurations == recorder.manifest.configurations
    assert (found.seed, found.operator, found.die_id, found.temperature) == (3, "Ada", "W3-D7", 295.5)
    assert (found.identities, found.wiring_hash, found.hardware) == (("ACME,1,2", ""), "abc", True)
    assert found.started_utc == recorder.manifest.started_utc
    assert found.versions["mtjloop"] and found.versions["platform"]
    assert isinstance(found.result["nan"], float)
    assert recorder.directory.name == found.run_id


def test_a_run_whose_first_manifest_cannot_be_written_leaves_no_directory(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot write"):
        new_run(tmp_path, operator=object(), run_id="R1")  # YAML has no word for it
    assert not (tmp_path / "R1").exists()


def test_a_manifest_that_cannot_be_put_in_place_leaves_no_draft(tmp_path: Path) -> None:
    recorder = new_run(tmp_path)
    recorder.finish("interrupted", {})
    found = read_manifest(recorder.directory)
    (recorder.directory / "run.yaml").unlink()
    (recorder.directory / "run.yaml" / "in the way").mkdir(parents=True)
    with pytest.raises(RecordError, match="cannot write"):
        write_manifest(recorder.directory, found)
    assert not list(recorder.directory.glob("*.part"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2", "cannot read"),
        ("- 1", "no mapping"),
        ("run_id: 3", "damaged"),
        ("format: 99", "Update mtjloop"),
    ],
)
def test_damaged_manifest_is_named(tmp_path: Path, content: str, message: str) -> None:
    with new_run(tmp_path) as recorder:
        pass
    (recorder.directory / "run.yaml").write_text(content)
    with pytest.raises(RecordError, match=message):
        RunReader(recorder.directory)
    assert list_runs(tmp_path)[0].problem
