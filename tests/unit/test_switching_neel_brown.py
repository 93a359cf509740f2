"""Neel-Brown laws and the checks of public arguments."""

import math

import numpy as np
import pytest

from mtjloop.errors import MtjloopError
from mtjloop.sim.switching import (
    LawName,
    equivalent_time,
    equivalent_time_at,
    log_hazard,
    log_hazard_at,
    make_law,
    probability_at,
    switching_probability,
)

NEEL_BROWN: tuple[LawName, ...] = ("neel-brown-1", "neel-brown-2")


@pytest.mark.parametrize(("law", "exponent"), [("neel-brown-1", 1), ("neel-brown-2", 2)])
@pytest.mark.parametrize("field", [0.0, 0.2, -0.2])
def test_follows_the_written_equation(law: LawName, exponent: int, field: float) -> None:
    i, tau, delta, tau0 = 0.4, 30.0, 20.0, 0.5
    barrier = delta * (1 + field) ** 2 * (1 - i / (1 + field)) ** exponent
    expected = 1 - math.exp(-tau / tau0 * math.exp(-barrier))
    assert switching_probability(i, tau, delta, field, law, tau0=tau0) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("law", NEEL_BROWN)
def test_rate_is_capped_above_the_critical_overdrive(law: LawName) -> None:
    i = np.array([1.1, 1.2, 3.0])
    assert log_hazard(i, 2.0, 40.0, 0.1, law, tau0=0.5) == pytest.approx(math.log(4.0))


def test_default_attempt_time_is_browns_at_rest() -> None:
    hazard = log_hazard(0.0, 1.0, 40.0, law="neel-brown-2")
    assert hazard == pytest.approx(0.5 * math.log(40 / math.pi) - 40)


@pytest.mark.parametrize("law", NEEL_BROWN)
def test_tails_keep_relative_precision(law: LawName) -> None:
    tiny = switching_probability(0.0, 1.0, 600.0, law=law, tau0=1.0)
    assert tiny == pytest.approx(math.exp(-600), rel=1e-9)
    assert switching_probability(0.5, 0.0, 40.0, law=law) == 0.0


@pytest.mark.parametrize("law", NEEL_BROWN)
def test_broadcasts(law: LawName) -> None:
    p = switching_probability(np.linspace(0, 1, 3)[:, None], [1.0, 2.0], 10.0, law=law)
    assert p.shape == (3, 2)
    assert (np.diff(p, axis=0) > 0).all()
    assert (np.diff(p, axis=1) > 0).all()


@pytest.mark.parametrize("law", NEEL_BROWN)
def test_equivalent_time_inverts(law: LawName) -> None:
    i = np.linspace(-1, 1.4, 7)
    hazard = log_hazard(i, 17.0, 25.0, 0.1, law)
    assert equivalent_time(hazard, i, 25.0, 0.1, law) == pytest.approx(17.0)


@pytest.mark.parametrize("law", NEEL_BROWN)
def test_compiled_entries_agree_with_the_public_ones(law: LawName) -> None:
    made = make_law(law, 0.7)
    arguments = (0.6, 12.0, 22.0, -0.1)
    hazard = log_hazard_at(made, *arguments)
    assert hazard == log_hazard(*arguments, law, tau0=0.7)
    assert probability_at(made, *arguments) == pytest.approx(
        float(switching_probability(*arguments, law, tau0=0.7))
    )
    assert equivalent_time_at(made, hazard, 0.6, 22.0, -0.1) == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"delta": 0.0}, r"delta = 0 is outside its range \(0, inf\)"),
        ({"delta": [40.0, -1.0]}, r"delta = -1 .* \(1 of 2 values are\)"),
        ({"reduced_time": -1.0}, r"reduced_time = -1 is outside its range \[0, inf\)"),
        ({"reduced_time": math.nan}, r"reduced_time = nan"),
        ({"overdrive": math.nan}, r"overdrive = nan"),
        ({"overdrive": math.inf}, r"overdrive = inf"),
        ({"overdrive": "half"}, r"overdrive = 'half' is not a number"),
        ({"field": 1.0}, r"field = 1 is outside its range \(-1, 1\)"),
        ({"tau0": 0.0}, r"tau0 = 0 is outside its range \(0, inf\)"),
        ({"law": "arrhenius"}, r"law = 'arrhenius' is none of 'fokker-planck'"),
        ({"law": "fokker-planck", "tau0": 1.0}, r"tau0 = 1.0: the Fokker-Planck law has no attempt time"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {
        "overdrive": 0.5,
        "reduced_time": 1.0,
        "delta": 40.0,
        "law": "neel-brown-2",
    }
    with pytest.raises(ValueError, match=message) as caught:
        switching_probability(**(arguments | changed))  # type: ignore[arg-type]
    assert isinstance(caught.value, MtjloopError)
