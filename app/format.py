"""Numbers for people: SI prefixes, percentages, durations."""

import math
import re

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
NOTHING = "-"


def quantity(value: float | None, unit: str, digits: int = 3, micro: str = "u") -> str:
    """A value with an SI prefix, for instance `3.2 uJ`; `-` for None and NaN.

    Args:
        value: in the bare unit.
        unit: its symbol.
        digits: significant digits; trailing zeros are dropped.
        micro: the sign for 1e-6, `u` for terminals and `µ` for pages.
    """
    if value is None or math.isnan(value):
        return NOTHING
    if value == 0 or math.isinf(value):
        return f"{value:g} {unit}"
    # Rounding comes first: 999.96 m is 1, not 1000 m.
    rounded = float(f"{value:.{digits - 1}e}")
    power = 3 * math.floor(math.log10(abs(rounded)) / 3 + 1e-12)
    power = min(max(power, min(_PREFIXES)), max(_PREFIXES))
    scaled = rounded / 10.0**power
    decimals = max(digits - 1 - math.floor(math.log10(abs(scaled)) + 1e-12), 0)
    text = f"{scaled:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    prefix = _PREFIXES[power].replace("u", micro)
    return f"{text} {prefix}{unit}"


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage, for instance `96.3 %`; `-` for None and NaN."""
    return NOTHING if value is None or math.isnan(value) else f"{100 * value:.{digits}f} %"


def count(value: float | None) -> str:
    """A whole number in groups, for instance `1,234,567`; `-` for None and NaN."""
    return NOTHING if value is None or math.isnan(value) else f"{round(value):,}"


def duration(seconds: float | None, micro: str = "u") -> str:
    """A time, for instance `45 ms`, `12.5 s`, `3 min 20 s` or `2 h 5 min`; `-` for None and NaN."""
    if seconds is None or math.isnan(seconds) or math.isinf(seconds):
        return NOTHING
    if abs(seconds) < 59.95:
        return quantity(seconds, "s", micro=micro)
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def slug(text: str) -> str:
    """A text as a part of a file name that is the same everywhere: small letters, digits, dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"
