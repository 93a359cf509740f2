"""Reads in steps of one level: what they add up to, what they cost, what a bench of few levels is told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtjloop.drivers.contract import Bias, Floats, Orientation
from mtjloop.errors import ConfigurationError
from mtjloop.protocols.bit_serial import decompose, sense
from mtjloop.protocols.calibration import calibrate
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.programming import program
from mtjloop.protocols.recorded import RecordedCrossbar
from mtjloop.protocols.selection import LEVELS_NEEDED, Scheme, select_pulse
from mtjloop.protocols.settings import PulseSettings, ReadSettings

from ..layers import calibrated_layer, layer_on_tile, weights_of

READ = ReadSettings(0.1, encoding="bit-serial", bits=6)
PULSE = PulseSettings(width=1e-4, search_from=0.1, search_to=0.6)

signals = st.floats(-1.0, 1.0, allow_subnormal=False)


def sums(vectors: Floats, bits: int, together: bool) -> tuple[Floats, Floats, list[Floats]]:
    """What the steps of each vector add up to, their number, and the steps themselves."""
    steps, weights, counts = decompose(vectors, bits, together)
    assert len(steps) == len(weights) == counts.sum()
    ends = np.cumsum(counts)
    parts = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    return (
        np.array([weights[part] @ steps[part] for part in parts]),
        counts.astype(np.float64),
        [steps[part] for part in parts],
    )


@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=signals),
    st.integers(1, 8),
    st.booleans(),
)
def test_steps_add_up_to_the_vector_within_half_a_digit(vectors: Floats, bits: int, together: bool) -> None:
    added, counts, steps = sums(vectors, bits, together)
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    assert (np.abs(added - vectors) <= 0.5000001 * largest / (2**bits - 1)).all()
    assert (counts <= min(vectors.shape[1], bits if together else bits + 1)).all()
    for step in (one for part in steps for one in part):
        assert set(np.unique(step)) <= {-1.0, 0.0, 1.0}
        assert step.any()
        assert together or len(set(step[step != 0.0])) == 1


@settings(deadline=None)
@given(
    arrays(np.float64, 16, elements=st.sampled_from([-0.7, 0.0, 0.31, 0.7])), st.integers(3, 8), st.booleans()
)
def test_few_levels_are_exact_in_one_read_each(vector: Floats, bits: int, together: bool) -> None:
    added, counts, _ = sums(vector[None, :], bits, together)
    assert added[0] == pytest.approx(vector, abs=1e-15)
    different = np.unique(np.abs(vector) if together else vector)
    assert counts[0] <= np.count_nonzero(different)


def test_signs_share_a_read_where_two_levels_can_be_driven() -> None:
    vector = np.array([[0.5, -0.5, 1.0, -1.0]])
    assert len(decompose(vector, 6, True)[0]) == 2
    assert len(decompose(vector, 6, False)[0]) == 4


@pytest.mark.parametrize("read_levels", [None, 1, 2])
@pytest.mark.parametrize("orientation", ["forward", "transposed"])
def test_on_linear_cells_it_is_the_analog_read(
    ideal: Callable[..., Any], read_levels: int | None, orientation: Orientation
) -> None:
    crossbar = ideal(9, 8, read_levels=read_levels)
    lines = 9 if orientation == "forward" else 8
    levels = np.random.default_rng(1).uniform(-0.1, 0.1, (20, lines))
    wanted = ideal(9, 8).read(Bias(levels, orientation)).currents
    for bits, error in ((4, 1.0), (10, 1.0 / 64)):
        found = sense(crossbar, levels, orientation, replace(READ, bits=bits))
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < error * 0.5 * 0.1 / 15 * 2e-4 * lines
    # Three levels are read exactly.
    few = np.random.default_rng(2).choice([-0.04, 0.0, 0.1], lines)
    exact = sense(crossbar, few, orientation, READ)
    assert exact == pytest.approx(ideal(9, 8).read(Bias(few, orientation)).currents, rel=1e-12)


def test_auto_is_analog_where_the_bench_can_and_every_step_counts_as_a_read(
    ideal: Callable[..., Any],
) -> None:
    auto = replace(READ, encoding="auto")
    levels = np.random.default_rng(0).uniform(-0.1, 0.1, (5, 9))
    free = RecordedCrossbar(ideal(9, 8), 0)
    sense(free, levels, "forward", auto)
    assert free.totals.reads == 5
    limited = RecordedCrossbar(ideal(9, 8, read_levels=1), 0)
    sense(limited, levels, "forward", auto)
    assert limited.totals.reads == len(decompose(levels, READ.bits, False)[0]) > 5
    before = limited.totals.reads
    assert (sense(limited, np.zeros(9), "forward", auto) == np.zeros(8)).all()
    assert limited.totals.reads == before


def test_a_layer_reads_its_weights_in_steps(ideal: Callable[..., Any]) -> None:
    """Scale, forward and transposed reads on a bench that drives one level in a read and two in a pulse."""
    crossbar = ideal(7, 10, distinct_levels=2, read_levels=1)
    half, rng = replace(PULSE, program_unselected="half"), np.random.default_rng(0)
    layer = calibrated_layer(crossbar, 5, 4, replace(READ, encoding="auto", bits=12), half)
    (block,) = layer.blocks
    weights = weights_of(layer)
    x, d = rng.standard_normal((3, 5)), rng.standard_normal(4)
    assert layer.forward(x) == pytest.approx(x @ weights, abs=2e-3)
    assert layer.backward(d) == pytest.approx(weights @ d, abs=2e-3)
    target = np.indices((7, 10)).sum(axis=0) % 2
    report = program(crossbar, target.astype(np.int8), block.calibration, READ, half, SilentMonitor())
    assert report.failed == ()


@pytest.mark.parametrize("scheme", LEVELS_NEEDED)
@pytest.mark.parametrize("polarity", [1, -1])
def test_a_pulse_drives_as_many_levels_as_its_scheme_says(scheme: Scheme, polarity: int) -> None:
    some = np.array([True, False, True, False])
    pulse = select_pulse(some, some, polarity, 0.4, 1e-4, scheme)
    levels = np.unique(np.concatenate([pulse.rows, pulse.columns]))
    driven = levels[np.isfinite(levels) & (levels != 0.0)]
    assert len(driven) == LEVELS_NEEDED[scheme]
    if scheme == "half":
        assert driven.tolist() == [-0.2, 0.2]
        assert (pulse.rows[~some] == 0.0).all()
        assert (pulse.columns[~some] == 0.0).all()


def test_what_a_bench_of_few_levels_cannot_do_is_refused_before_anything_is_sent(
    ideal: Callable[..., Any],
) -> None:
    crossbar = ideal(4, 4, distinct_levels=2, read_levels=1)
    rng = np.random.default_rng(0)
    words = r"operation\.program_unselected is third, which needs 4 levels .* drives 2; write half"
    with pytest.raises(ConfigurationError, match=words):
        calibrate(crossbar, READ, PULSE, 0.3, rng, SilentMonitor())
    words = r"operation\.read_encoding is analog.*drives 1 .*write read_encoding: auto or bit-serial"
    with pytest.raises(ConfigurationError, match=words):
        layer_on_tile(crossbar, 4, 2, replace(READ, encoding="analog"))
    single = ideal(4, 4, distinct_levels=1)
    with pytest.raises(
        ConfigurationError, match=r"unselected is half.*drives 1; selecting cells takes a bench"
    ):
        calibrate(single, READ, PULSE, 0.3, rng, SilentMonitor())
    assert not crossbar.pulses
    assert not single.pulses
    assert crossbar.reads == single.reads == 0
