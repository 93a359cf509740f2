"""What a report shows of switching trials: figures from counts alone, and with a fit."""

from pathlib import Path

import numpy as np
import pytest

from mtjloop.app.characterize_command import characterize
from mtjloop.app.fit_command import FitRequest, fit
from mtjloop.app.init_command import template
from mtjloop.app.report.evidence import gather
from mtjloop.app.report.page import write_report
from mtjloop.app.report.trial_figures import off_by_block
from mtjloop.app.report.trials import by_device
from mtjloop.errors import RecordError
from mtjloop.records.tallies import BlockCount

PLAN = """name: t
tiles: [0]
cells: [[0, 0], [0, 3], [2, 1]]
widths: [10 us, 1 ms]
block: {trials: 20, reference: 4, control: 1}
maximum: 200
precision: none
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("trials")
    (where / "bench.yaml").write_text(
        template("bench.yaml").replace("rows: 14, columns: 24", "rows: 4, columns: 4")
    )
    (where / "plan.yaml").write_text(PLAN)
    result = characterize(where / "bench.yaml", where / "plan.yaml", 1, where / "runs")
    return Path(str(result["run_dir"]))


def test_counts_are_shown_before_and_after_the_fit(run: Path, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "before.html").read_text(encoding="utf-8")
    assert "<h2>Switching probabilities</h2>" in page and "<h2>Fitted parameters</h2>" not in page
    assert page.count("<figure>") >= 4 and "adds the fit" in page
    fit(str(run), run.parent, FitRequest())
    page = write_report(run, tmp_path / "after.html").read_text(encoding="utf-8")
    assert "<h2>Fitted parameters</h2>" in page
    # Curves of some devices, residuals, reference, trials spent; correlations and four maps.
    assert page.count("<figure>") >= 3 + 3 + 1 + 4
    assert "Correlations" in page and "Residuals" in page and "Tests of single devices" in page
    assert "Compared" not in page
    fit(str(run), run.parent, FitRequest(compare=True, join="field"))
    page = write_report(run, tmp_path / "joined.html").read_text(encoding="utf-8")
    assert "one Delta and a stray field" in page and "polarities shared" in page and "neel-brown-2" in page


@pytest.mark.parametrize("wanted", [FitRequest(), FitRequest(join="field"), FitRequest(overdispersed=True)])
def test_the_fit_is_drawn_as_it_was_made(run: Path, wanted: FitRequest) -> None:
    fit(str(run), run.parent, wanted)
    trials = gather(run).trials
    assert trials is not None
    points = by_device(trials.points)
    for row in trials.rows:
        own = points[row["tile"], row["row"], row["column"], row["polarity"]]
        volts = np.array([each.applied_voltage for each in own], dtype=np.float64)
        widths = np.array([each.applied_width for each in own], dtype=np.float64)
        expected = trials.probability(row, volts, widths) * [each.trials for each in own]
        assert expected.sum() == pytest.approx(sum(each.switched for each in own), rel=0.1)


def test_devices_that_are_done_move_nothing_in_the_reference_by_block() -> None:
    """A device of P = 0.9 leaves after two of four blocks, one of P = 0.1 stays."""
    counts = [
        BlockCount(0, 0, column, 1, block, 0.3, 1e-4, 0.3, 1e-4, switched, 100, 1e4, 0.0)
        for column, switched, blocks in ((0, 90, 2), (1, 10, 4))
        for block in range(blocks)
    ]
    found = off_by_block(counts)
    assert [off for off, _ in found.values()] == pytest.approx([0.0] * 4)
    # One device: its share of four blocks has a variance of 3/4 of p (1 - p)/n about its own mean.
    assert found[3][1] == pytest.approx(np.sqrt(0.75 * 0.09 / 100))
    drifting = [each._replace(switched=10 + 5 * each.block) for each in counts if each.column == 1]
    off = [each for each, _ in off_by_block(drifting).values()]
    assert off == pytest.approx([-0.075, -0.025, 0.025, 0.075])


def test_a_damaged_fit_says_so(run: Path) -> None:
    fit(str(run), run.parent, FitRequest())
    (run / "fit.json").write_text("{")
    with pytest.raises(RecordError, match="mtjloop fit"):
        gather(run)
    (run / "fit.json").unlink()
