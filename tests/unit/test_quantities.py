"""Quantities as a person writes them."""

import pytest

from mtjloop.drivers.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("50 us", "time", 50e-6),
        ("50us", "time", 50e-6),
        ("1e-3 s", "time", 1e-3),
        ("0.6 V", "voltage", 0.6),
        ("-120 mV", "voltage", -0.12),
        (".5 kohm", "resistance", 500.0),
        ("3 Ω", "resistance", 3.0),
        ("2 µA", "current", 2e-6),
        ("4.4 %", "fraction", 0.044),
        ("300 mT", "flux density", 0.3),
    ],
)
def test_accepted(text: str, kind: str, value: float) -> None:
    assert parse_quantity(text, kind) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (50, "time", "found 50; a time with its unit, for example '50 us'"),
        (0.6, "voltage", "found 0.6; a voltage with its unit"),
        ("50", "time", "found '50'; a time with its unit"),
        ("50 V", "time", "unit 'V' is no unit of time"),
        ("0.044", "fraction", "a fraction with its unit, for example '4.4 %'"),
        ("nan V", "voltage", "found 'nan V'"),
        ("1e999 V", "voltage", "not finite"),
        ("5 xV", "voltage", "unit 'xV'"),
        (None, "voltage", "found None"),
        (True, "time", "found True"),
    ],
)
def test_refused(found: object, kind: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_quantity(found, kind)
