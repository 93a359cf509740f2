"""What a report shows of switching trials: figures from counts alone, and with a fit."""

from pathlib import Path

import numpy as np
import pytest

from mtjloop.app.characterize_command import characterize
from mtjloop.app.fit_command import FitRequest, fit
from mtjloop.app.init_command import template
from mtjloop.app.report.evidence import gather
from mtjloop.app.report.page import write_report
from mtjloop.app.report.trials import by_device
from mtjloop.errors import RecordError

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


def test_a_damaged_fit_says_so(run: Path) -> None:
    fit(str(run), run.parent, FitRequest())
    (run / "fit.json").write_text("{")
    with pytest.raises(RecordError, match="mtjloop fit"):
        gather(run)
    (run / "fit.json").unlink()
