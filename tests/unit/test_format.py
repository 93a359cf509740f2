"""Numbers for people."""

import pytest

from mtjloop.app.format import count, duration, percent, quantity


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3.2e-6, "J", "3.2 uJ"),
        (0.045, "s", "45 ms"),
        (0.99996, "V", "1 V"),
        (999.96e-3, "V", "1 V"),
        (1e3, "Ω", "1 kΩ"),
        (100e-9, "s", "100 ns"),
        (1e-3, "A", "1 mA"),
        (-0.25, "V", "-250 mV"),
        (0.0, "J", "0 J"),
        (1e-20, "J", "0.00001 fJ"),
        (2.5e15, "Ω", "2500 TΩ"),
        (float("inf"), "Ω", "inf Ω"),
        (None, "J", "-"),
        (float("nan"), "J", "-"),
    ],
)
def test_quantity(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_quantity_options() -> None:
    assert quantity(1.23456e-6, "s", digits=5, micro="µ") == "1.2346 µs"
    assert quantity(295.16, "K", digits=4) == "295.2 K"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (45e-3, "45 ms"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (48 * 3600, "2 d 0 h"),
        (None, "-"),
        (float("inf"), "-"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_percent_and_count() -> None:
    assert percent(0.9634) == "96.3 %"
    assert percent(None) == count(None) == percent(float("nan")) == "-"
    assert count(1234567.0) == "1,234,567"
