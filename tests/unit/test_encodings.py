"""Encodings: what reaches the lines, what cells make of it, and what a bench that cannot is told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtjloop.errors import ConfigurationError
from mtjloop.protocols.selection import SCHEMES, Scheme, row_pulse, select_pulse
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.switching_curve import WidthCurve
from mtjloop.protocols.training.amplitude_levels import LineShares, duration_pulse, log_pulse, log_shares
from mtjloop.protocols.training.audit import Audit
from mtjloop.protocols.training.balance import Balance
from mtjloop.protocols.training.controller_draws import layer_draws
from mtjloop.protocols.training.encoding import BlockEncoder, check_encoding, needs_of, planned, slot_fires
from mtjloop.protocols.training.gating import gated
from mtjloop.protocols.training.layer import CrossbarLayer
from mtjloop.protocols.training.rule import Factor
from mtjloop.protocols.training.settings import EncodingSettings
from mtjloop.protocols.training.update import Updater

from ..layers import calibrated_layer

Ideal = Callable[..., Any]
READ = ReadSettings(0.1)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)
KINDS = [
    EncodingSettings("coincidence", 0.4),
    EncodingSettings("coincidence", 0.4, slots=4, gating=0.5),
    EncodingSettings("coincidence", 0.4, rare_lines="columns"),
    EncodingSettings("log-amplitude", 0.3, gating="none"),
    EncodingSettings("log-amplitude", 0.3),
    EncodingSettings("log-amplitude", 0.3, slots=3),  # a pulse carries the whole update, so slots say nothing
    EncodingSettings("duration-amplitude", 0.3),
]


def prepared(crossbar: Any, settings: EncodingSettings, pulse: PulseSettings = PULSE) -> CrossbarLayer:
    return calibrated_layer(
        crossbar, 6, 5, READ, pulse, probability=settings.probability, needs=needs_of(settings)
    )


@pytest.mark.parametrize(
    ("settings", "gates"),
    [
        pytest.param(one, gates, id=f"{one.kind}-{one.slots}-{one.gating}-{'1T1R' if gates else 'passive'}")
        for one in KINDS
        for gates in (False, True)
        if gates or one.kind != "duration-amplitude"  # which times the gates of rows
    ],
)
def test_cells_switch_as_often_as_requested(ideal: Ideal, settings: EncodingSettings, gates: bool) -> None:
    """Alike cells of a steep law: over many updates each switches with the probability of the factor."""
    crossbar = ideal(7, 12, gates=gates)
    layer = prepared(crossbar, settings)
    (block,) = layer.blocks
    updater = Updater(layer, settings, PULSE, 0, layer_draws(3, 0))
    factor = Factor(np.array([1.0, -0.6, 0.4, 0.0, 0.8, -0.9]), np.array([0.9, -0.5, 0.0, 0.35, -1.0]), 0.12)
    sign = np.sign(np.outer(factor.rows, np.repeat(factor.columns, 2))) * block.cell_signs
    updates = 1500
    switched = np.zeros((6, 10))
    for _ in range(updates):
        crossbar.state[:] = 0
        crossbar.state[:6, :10] = sign < 0  # every cell is in the state that the factor moves it from
        before = crossbar.state.copy()
        updater.update(factor, 0)
        changed = crossbar.state != before
        assert not changed[6:].any()
        assert not changed[:, 10:].any()
        switched += changed[:6, :10]
    wanted = np.abs(np.outer(factor.rows, np.repeat(factor.columns, 2))) * factor.strength
    assert (switched[wanted == 0.0] == 0).all()
    slope = (switched * wanted).sum() / (wanted**2).sum() / updates
    # The calibration knows p0 to 15 % and the slope of the curve to as much; the rest is counting.
    assert slope == pytest.approx(1.0, abs=0.25)
    assert np.corrcoef(switched.ravel(), wanted.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("settings", [KINDS[0], KINDS[2]], ids=lambda one: one.kind)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_cell_beyond_the_selected_sees_more_than_its_share(
    ideal: Ideal, settings: EncodingSettings, scheme: Scheme
) -> None:
    """Half of the peak voltage with `half` and `ground`, a third with `third`; `float` floats the rest."""
    pulse = replace(PULSE, unselected=scheme)
    (block,) = prepared(ideal(7, 12), settings, pulse).blocks
    encoder = BlockEncoder(block, settings, pulse)
    factor = Factor(np.array([1.0, -0.6, 0.4, 0.3, 0.8, -0.9]), np.array([0.9, -0.5, 0.4, 0.35, -1.0]), 0.2)
    draws = layer_draws(0, 0)
    seen = 0
    for slot in range(20):
        plan = planned(factor, settings, draws, slot)
        assert plan is not None
        for each in encoder.pulses(plan, *slot_fires(plan, draws, slot), encoder.calibrated):
            seen += 1
            curve = block.calibration.curve(each.phase.polarity)
            # `coincidence` pulses every selected cell with p0, the other the largest signals with theirs.
            peak = curve.amplitude(settings.probability if settings.kind == "coincidence" else 0.2)
            rows, columns = np.zeros(7, dtype=bool), np.zeros(12, dtype=bool)
            rows[:6], columns[:10] = each.phase.rows, each.phase.columns
            if scheme == "float":
                assert np.isnan(each.pulse.rows[~rows]).all()
                assert np.isnan(each.pulse.columns[~columns]).all()
            volts = each.pulse.rows[:, None] - each.pulse.columns
            chosen = np.outer(rows, columns)
            assert (np.sign(volts[chosen]) == each.phase.polarity).all()
            assert np.abs(volts[chosen]).max() <= peak * (1 + 1e-9)
            if scheme != "float":
                share = 1 / 3 if scheme == "third" else 1 / 2
                assert np.abs(volts[~chosen]).max() <= share * peak * (1 + 1e-9)
    assert seen >= 20


def test_gates_leave_no_voltage_on_other_cells() -> None:
    some = np.array([True, False, True])
    for scheme in ("half", "third", "ground"):
        pulse = select_pulse(some, some, 1, 0.4, 1e-4, scheme, gated=True)
        assert np.asarray(pulse.width).tolist() == [1e-4, 0.0, 1e-4]
        volts = pulse.rows[:, None] - pulse.columns
        assert volts[np.ix_(some, some)] == pytest.approx(0.4)
        assert volts[np.ix_(some, ~some)] == pytest.approx(0.0)
    one = row_pulse(1, np.ones(3, dtype=bool), -1, 0.4, 1e-4, "half", 3, gated=True)
    assert np.asarray(one.width).tolist() == [0.0, 1e-4, 0.0]
    assert (one.rows[1] - one.columns) == pytest.approx(-0.4)


def test_logarithms_of_signals_add_on_the_cells(ideal: Ideal) -> None:
    """ln h of a cell is that of the peak plus ln|f| and ln|g|, whatever the sign phase."""
    rows, columns = np.array([1.0, -0.5, 0.1]), np.array([0.25, 1.0, -0.4])
    flags, slope, peak = np.ones(3, dtype=bool), 40.0, 0.4
    shares = LineShares(log_shares(rows, 1.0, flags), log_shares(columns, 1.0, flags), -1)
    pulse = log_pulse(shares, peak, slope, PULSE, ideal(3, 4).capabilities)
    assert pulse is not None
    volts = -(pulse.rows[:, None] - pulse.columns[:3])
    assert volts == pytest.approx(peak + np.log(np.abs(np.outer(rows, columns))) / slope)
    assert (np.abs(pulse.rows) <= peak / 2).all()
    assert pulse.columns[3] == 0.0
    # A signal so small that its line would need the other sign leaves the line unselected.
    rows[2] = 1e-9
    pulse = log_pulse(
        replace(shares, rows=log_shares(rows, 1.0, flags)), peak, slope, PULSE, ideal(3, 4).capabilities
    )
    assert pulse is not None
    assert pulse.rows[2] == 0.0
    lost = replace(shares, rows=log_shares(rows, 1.0, np.array([False, False, True])))
    assert log_pulse(lost, peak, slope, PULSE, ideal(3, 4).capabilities) is None


def test_gate_widths_follow_the_measured_hazard(ideal: Ideal) -> None:
    curve = WidthCurve.of(np.array([1e-4, 5e-5, 2.5e-5]), np.log([0.4, 0.1, 0.05]))
    # A straight line in logarithms between points, proportional below the shortest; a closed gate for none.
    widths = curve.widths(np.log([1.0, 0.5, 0.25, 0.0125]))
    assert widths == pytest.approx([1e-4, 1e-4 / np.sqrt(2.0), 5e-5, 2.5e-6], rel=1e-2)
    assert curve.widths(np.array([-np.inf])) == 0.0
    flags = np.ones(3, dtype=bool)
    shares = LineShares(
        log_shares(np.array([1.0, 0.25, 1e-5]), 1.0, flags),
        log_shares(np.array([1.0, 0.5, 0.3]), 1.0, flags),
        1,
    )
    pulse = duration_pulse(shares, 0.4, 40.0, curve, PULSE, ideal(4, 3, gates=True).capabilities)
    assert pulse is not None
    assert pulse.width == pytest.approx([1e-4, 5e-5, 0.0, 0.0], rel=1e-2)
    assert pulse.rows[0] - pulse.columns == pytest.approx(0.4 + np.log([1.0, 0.5, 0.3]) / 40.0)


def test_a_peak_beyond_the_highest_amplitude_counts_as_clipped(ideal: Ideal) -> None:
    """P = 0.3 fits under the highest amplitude, P = 0.9 does not: its pulse stays there and is counted."""
    settings = EncodingSettings("log-amplitude", 0.3, gating="none")
    layer = prepared(ideal(7, 12), settings)
    (block,) = layer.blocks
    most = max(curve.amplitude(0.5) for curve in (block.calibration.to_p, block.calibration.to_ap))
    updater = Updater(layer, settings, replace(PULSE, search_to=most), 0, layer_draws(0, 0))
    rows, columns = np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    updater.update(Factor(rows, columns, 0.3), 0)
    assert (updater.counts.clipped, updater.counts.peaks) == pytest.approx((0, 0.3))
    updater.update(Factor(rows, columns, 0.9), 0)
    assert (updater.counts.clipped, updater.counts.peaks) == pytest.approx((1, 1.2))
    # More than certain is clipped whatever the amplitude, and counts as a peak of 1.
    updater.update(Factor(rows, columns, 5.0), 0)
    assert (updater.counts.clipped, updater.counts.peaks) == pytest.approx((2, 2.2))


def test_gating_keeps_the_mean_and_raises_the_peak() -> None:
    factor = Factor(np.linspace(-1.0, 1.0, 40), np.linspace(1.0, 0.2, 30), 0.004)
    settings = EncodingSettings("log-amplitude", 0.1)
    total, updates = np.zeros((40, 30)), 400
    for update in range(updates):
        some = gated(factor, settings, layer_draws(0, 2), update)
        total += np.outer(some.rows, some.columns) * some.strength
        assert some.strength == pytest.approx(0.1, rel=1e-6)
    wanted = np.outer(factor.rows, factor.columns) * factor.strength
    # A share q of lines leaves a mean with a variance of (1 - q) / q for a row, and less for its columns.
    odds = 1.0 / np.sqrt(0.004 / 0.1) - 1.0
    columns = odds * (factor.columns**2).sum() / factor.columns.sum() ** 2
    error = np.abs(wanted.sum(axis=1)) * np.sqrt(((1.0 + odds) * (1.0 + columns) - 1.0) / updates)
    assert (np.abs(total.sum(axis=1) / updates - wanted.sum(axis=1)) < 4.5 * error).all()
    assert (total * wanted).sum() / (wanted**2).sum() / updates == pytest.approx(1.0, abs=0.1)
    same = gated(factor, EncodingSettings("log-amplitude", 0.1), layer_draws(0, 2), 7)
    assert (same.rows == gated(factor, settings, layer_draws(0, 2), 7).rows).all()


def test_a_bench_is_told_which_encodings_it_can(ideal: Ideal) -> None:
    few = ideal(7, 12, distinct_levels=4, gates=True).capabilities
    check_encoding(EncodingSettings(), few)
    with pytest.raises(ConfigurationError, match="drives 4 besides 0 V at once; write coincidence"):
        check_encoding(EncodingSettings("log-amplitude"), few)
    passive = ideal(7, 12).capabilities
    check_encoding(EncodingSettings("log-amplitude"), passive)
    with pytest.raises(ConfigurationError, match="passive and has no gates; write coincidence"):
        check_encoding(EncodingSettings("duration-amplitude"), passive)


def test_balance_brings_both_polarities_in_line() -> None:
    """A chip that switches half as often toward P as toward AP, on a curve of known slope."""
    balance, slope, rng = Balance(), 40.0, np.random.default_rng(0)
    amplitudes = {1: 0.35, -1: 0.35}
    for _ in range(60):
        audit = Audit()
        factor = Factor(np.ones(60), np.array([1.0, -1.0]), 0.2)
        target = np.tile([1, 0, 0, 1], (60, 1)).astype(np.int8)
        chance = np.where(target == 1, 0.1, 0.2) * np.exp(
            slope * np.where(target == 1, balance.shifts[1], balance.shifts[-1])
        )
        flips = rng.random((60, 4)) < chance
        after = np.where(flips, target, 1 - target).astype(np.int8)
        audit.add(
            factor, np.array([1.0, -1.0, 1.0, -1.0]), 1 - target, after, np.ones((60, 4), dtype=np.int8)
        )
        balance.learn(audit, {1: slope, -1: slope}, amplitudes)
    assert slope * (balance.shifts[1] - balance.shifts[-1]) == pytest.approx(np.log(2.0), abs=0.25)
    assert balance.shifts[1] == pytest.approx(-balance.shifts[-1])
