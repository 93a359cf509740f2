"""The report of a run: whole, self-contained, and safe to open whatever the run is called."""

import base64
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mtjloop.app.report import figures
from mtjloop.app.report.evidence import gather, shown_maps, switching_bins
from mtjloop.app.report.intervals import wilson
from mtjloop.app.report.page import write_report
from mtjloop.app.report.sections import TILES_SHOWN
from mtjloop.errors import RecordError
from mtjloop.records.manifest import Configuration
from mtjloop.records.reader import RunReader
from mtjloop.records.run import RunRecorder
from mtjloop.records.values import SwitchingRecord

HOSTILE = '<script>alert("x")</script> & $\\bad{$ 磁 \x07'
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Collects what a page would fetch or run, its text and its headings, and checks that tags nest."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style",):
            self.text += data
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def read_page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert not re.search(r"url\(|@import|https?://|//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    for link in page.links:
        ElementTree.fromstring(base64.b64decode(link.partition(",")[2]))
    return page


def new_run(root: Path, **changes: Any) -> RunRecorder:
    given: dict[str, Any] = {"command": "train", "name": "wine", "backend": "simulated", "hardware": False}
    return RunRecorder.create(root, **(given | changes))


def fill(recorder: RunRecorder, name: str = "x", tiles: int = 1) -> None:
    rng = np.random.default_rng(2)
    for label in ("before", "after"):
        for tile in range(tiles):
            state = rng.integers(-1, 2, (5, 4)).astype(np.int8)
            resistance = np.where(state == 1, 3e3, 30e3) * rng.lognormal(0, 0.05, (5, 4))
            resistance[0, 0], state[0, 0] = np.nan, -1
            recorder.record_map(tile, label, None, resistance, state)
    for epoch in range(3):
        for purpose in ("train", name):
            pulse = recorder.begin_pulse(0, purpose, epoch, np.ones(5), np.zeros(4), 1e-7, 2)
            recorder.complete_pulse(
                pulse, width=1e-7, energy=3.2e-6, elapsed=1e-3, compliance=False, peak_current=None
            )
            recorder.count_reads(0, purpose, epoch, 10, 1e-3, None)
        for polarity in (1, -1):
            for requested in (0.0, 1e-3, 0.1, 0.9):
                recorder.record_switching(0, 0, epoch, polarity, requested, 100, round(100 * requested))
        recorder.record_metrics(
            epoch, {"train_accuracy": 0.5, "validation_accuracy": 0.4, "violators": 1, "clipped_share": 0.3}
        )
    recorder.fail_pulse(
        recorder.begin_pulse(0, "train", 0, np.ones(5), np.zeros(4), 1e-7, 1), "refused", "no"
    )
    recorder.record_array("confusion", np.array([[5, 0], [1, 4]]))
    recorder.message("warning", name)


def test_full_report(tmp_path: Path) -> None:
    kept = {"bench.yaml": Configuration.of("examples/bench.yaml", "backend: simulated\n")}
    with new_run(tmp_path, configurations=kept, seed=7) as recorder:
        fill(recorder, tiles=TILES_SHOWN + 1)
        recorder.finish(
            "completed",
            {"test_accuracy": 0.963, "float_test_accuracy": 0.981, "digital_only_test_accuracy": 0.39,
             "train_accuracy": 0.97, "samples_per_second": 1234.5, "epochs": 3, "classes": ["one", "two"]},
        )  # fmt: skip
    path = write_report(recorder.directory)
    assert path == recorder.directory / "report.html"
    page = read_page(path)
    assert page.headings == [
        "Training", "Confusion", "Switching", "Resistances", "Time and energy", "Messages",
        "How to repeat this run",
    ]  # fmt: skip
    for words in (
        "96.3 %", "float network 98.1 %", "digital parts alone 39.0 %", "1,234", "19.2 µJ", "seed 7",
        "Simulated: no hardware was touched", "Completed", recorder.manifest.run_id, "backend: simulated",
        "reconstructed from the abstract of Mondal and Srivastava (2018)", "anything was sent: 1;", "two",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.tags.count("img") == 3 + 2 + (TILES_SHOWN + 1) * 3 + 1
    assert page.tags.count("details") == 1 + 1 + 1


def test_report_is_the_same_twice_but_for_its_time(tmp_path: Path) -> None:
    with new_run(tmp_path) as recorder:
        fill(recorder)
    texts = [
        re.sub(
            r"Page made [^.]*",
            "",
            write_report(recorder.directory, tmp_path / name).read_text(encoding="utf-8"),
        )
        for name in ("a.html", "b/c.html")
    ]
    assert texts[0] == texts[1]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    kept = {HOSTILE: Configuration.of(HOSTILE, HOSTILE)}
    recorder = new_run(
        tmp_path, command=HOSTILE, name=HOSTILE, backend=HOSTILE, configurations=kept, operator=HOSTILE,
        die_id=HOSTILE, identities=(HOSTILE,), wiring_hash=HOSTILE, hardware=True,
    )  # fmt: skip
    with recorder:
        fill(recorder, HOSTILE)
        recorder.record_map(0, HOSTILE, None, np.ones((2, 2)), np.ones((2, 2), np.int8))
        recorder.record_map(9, HOSTILE, None, np.ones((2, 2)), np.ones((2, 2), np.int8))
        recorder.record_metrics(0, {HOSTILE: 1.0})
        recorder.finish(f"failed: {HOSTILE}", {"classes": [HOSTILE, "_b"], "data": HOSTILE, HOSTILE: HOSTILE})
    path = write_report(recorder.directory)
    page = read_page(path)
    assert "script" not in page.tags
    assert "<script" not in path.read_text(encoding="utf-8")
    assert "Real hardware was driven" in page.text
    assert "This run ended early" in page.text
    assert f"Failed: {HOSTILE}" in page.text


@pytest.mark.parametrize("filled", [False, True])
def test_running_run(tmp_path: Path, filled: bool) -> None:
    with new_run(tmp_path) as recorder:
        if filled:
            fill(recorder)
        page = read_page(write_report(recorder.directory))
    assert "Running or killed" in page.text
    assert "was not finished when this page was made" in page.text
    assert ("Training" in page.headings) == filled


def test_interrupted_run(tmp_path: Path) -> None:
    recorder = new_run(tmp_path)
    with pytest.raises(KeyboardInterrupt), recorder:
        fill(recorder)
        recorder.begin_pulse(0, "train", 0, np.ones(5), np.zeros(4), 1e-7, 1)
        raise KeyboardInterrupt
    page = read_page(write_report(recorder.directory))
    assert "Interrupted" in page.text
    assert "unknown outcome: 1." in page.text


def test_map_run_has_only_maps(tmp_path: Path) -> None:
    with new_run(tmp_path, command="map") as recorder:
        recorder.record_map(0, "map", None, np.full((3, 2), 5e3), np.zeros((3, 2), np.int8))
        recorder.record_map(1, "map", None, np.full((1, 1), np.nan), np.full((1, 1), -1, np.int8))
    page = read_page(write_report(recorder.directory))
    assert page.headings == ["Resistances", "How to repeat this run"]
    assert page.tags.count("img") == 3
    assert "6 cells, median 5 kΩ" in page.text


@pytest.mark.parametrize(
    "odd",
    [
        {"test_accuracy": float("nan"), "classes": "three", "pulses": "many"},
        {"test_accuracy": True, "classes": None, "data": {"path": "x", "rows": 3}},
        {"epochs": 0, "energy_J": 0.0, "bench_time_s": 1e6, "samples_per_second": 0.01},
    ],
)
def test_odd_results_are_survived(tmp_path: Path, odd: dict[str, object]) -> None:
    with new_run(tmp_path) as recorder:
        recorder.record_metrics(0, {"train_accuracy": float("nan"), "clipped_share": float("nan")})
        recorder.record_switching(0, 0, 0, 1, 0.5, 0, 0)
        recorder.record_switching(0, 1, 0, 1, 1e-5, 10, 0)
        recorder.record_array("confusion", np.zeros((3, 2)))
        recorder.finish("completed", odd)
    read_page(write_report(recorder.directory))


def test_unwritable_output_is_named(tmp_path: Path) -> None:
    with new_run(tmp_path) as recorder:
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot write the report"):
        write_report(recorder.directory, tmp_path / "file" / "report.html")
    with pytest.raises(RecordError, match="is not a run"):
        write_report(tmp_path)


def test_wilson_interval_agrees_with_scipy() -> None:
    cases = [(0, 1), (1, 1), (0, 30), (30, 30), (1, 100), (17, 60), (500, 1000), (3, 1_000_000)]
    for confidence in (0.9, 0.95):
        lower, upper = wilson([k for k, _ in cases], [n for _, n in cases], confidence)
        for index, (k, n) in enumerate(cases):
            expected = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
            assert lower[index] == pytest.approx(expected.low, abs=1e-12)
            assert upper[index] == pytest.approx(expected.high, abs=1e-12)
    assert np.isnan(wilson(0, 0)).all()


def test_switching_is_summed_in_bins() -> None:
    records = [
        SwitchingRecord(0, 0, 0, 1, 0.10, 100, 12),
        SwitchingRecord(1, 0, 1, 1, 0.11, 300, 30),
        SwitchingRecord(0, 0, 1, 1, 0.0, 50, 1),
        SwitchingRecord(0, 0, 1, -1, 0.5, 10, 4),
        SwitchingRecord(0, 1, 1, 1, 0.5, 0, 0),
    ]
    first, second, third = switching_bins(records)
    assert (first.layer, first.polarity, second.polarity, third.layer) == (0, 1, -1, 1)
    assert first.requested.tolist() == [pytest.approx(0.1075)]
    assert (first.cells.tolist(), first.switched.tolist()) == ([400], [42])
    assert (first.idle_cells, first.idle_switched) == (50, 1)
    assert third.cells.size == 0


def test_first_before_and_last_after_are_shown(tmp_path: Path) -> None:
    one = np.ones((1, 1), np.int8)
    with new_run(tmp_path) as recorder:
        for number, label in enumerate(("before", "before", "middle", "after", "after")):
            recorder.record_map(0, label, None, np.full((1, 1), 1.0 + number), one)
    with RunReader(recorder.directory) as run:
        shown = shown_maps(run.maps())
    assert [(found.label, found.resistance[0, 0]) for found in shown[0]] == [("before", 1.0), ("after", 5.0)]


def test_a_few_shorted_cells_do_not_flatten_the_colours(tmp_path: Path) -> None:
    resistance = np.random.default_rng(0).choice([3e3, 6e3], (20, 20))
    resistance[0, 0], resistance[1, 1] = 10.0, 1e9
    with new_run(tmp_path) as recorder:
        recorder.record_map(0, "before", None, resistance, np.ones((20, 20), np.int8))
    assert figures.resistance_limits(gather(recorder.directory).maps[0]) == (3e3, 6e3)
