"""Achieved against requested updates: the fit, and intervals that hold though flips come together."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mtjloop.app.fidelity import fidelity_rows
from mtjloop.app.report.evidence import fidelity_table
from mtjloop.protocols.training.fidelity import fidelity_of
from mtjloop.records.values import SwitchingRecord

SHARES = np.array([0.002, 0.02, 0.1])
CELLS = np.array([400, 200, 50])


def audits(count: int, slope: float, intercept: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Updates of which three in four do nothing, and the others four times what they should."""
    found = np.zeros((count, 3, 3))
    fires = rng.random(count) < 0.25
    for k, fired in enumerate(fires):
        chance = intercept + slope * SHARES * (4.0 if fired else 0.0)
        found[k] = np.stack([SHARES * CELLS, CELLS, rng.binomial(CELLS, chance)], axis=1)
    return found


def test_slope_and_intercept_are_found_and_their_intervals_hold() -> None:
    rng = np.random.default_rng(0)
    hits = np.zeros(2)
    slopes, intercepts, repeats = [], [], 120
    for _ in range(repeats):
        found = fidelity_of(audits(80, 0.8, 1e-3, rng))
        slopes.append(found.slope.value)
        intercepts.append(found.intercept.value)
        hits += [
            found.slope.low <= 0.8 <= found.slope.high,
            found.intercept.low <= 1e-3 <= found.intercept.high,
        ]
    assert np.mean(slopes) == pytest.approx(0.8, abs=0.04)
    assert np.mean(intercepts) == pytest.approx(1e-3, rel=0.2)
    # Nominal 95 %; a bootstrap of 80 clusters falls a little short of it.
    assert (hits / repeats > 0.88).all()


def test_what_cannot_be_told_is_not_said() -> None:
    one = np.array([[[0.5, 50.0, 1.0], [0.0, 0.0, 0.0]]])
    alike = fidelity_of(np.tile(one, (8, 1, 1)))
    assert alike.slope.value == pytest.approx(2.0)  # every cell asked alike: the ratio of the totals
    assert np.isnan(alike.intercept.value)
    few = fidelity_of(audits(3, 1.0, 0.0, np.random.default_rng(0)))
    assert np.isfinite(few.slope.value)
    assert np.isnan(few.slope.low)
    (row, *_) = fidelity_rows([np.tile(one[:, None], (2, 2, 1, 1))], "coincidence", "passive")
    assert row["slope_low"] is None
    assert row["intercept"] is None
    assert fidelity_rows([np.zeros((0, 2, 4, 3))], "coincidence", "passive") == []


def test_a_report_without_a_result_fits_the_records() -> None:
    rng = np.random.default_rng(1)
    records = [
        SwitchingRecord(0, 0, epoch, polarity, share, 4000, int(rng.binomial(4000, 0.7 * share)))
        for epoch in range(12)
        for polarity in (1, -1)
        for share in (0.005, 0.05)
    ]
    rows = fidelity_table({}, records)
    assert [row["polarity"] for row in rows] == ["both", "to_p", "to_ap"]
    assert rows[0]["slope_low"] < 0.7 < rows[0]["slope_high"]
    given: list[dict[str, Any]] = [{"layer": 0}]
    assert fidelity_table({"update_fidelity": given}, records) == given
    assert fidelity_table({}, []) == []
