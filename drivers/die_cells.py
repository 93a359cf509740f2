"""Measured cells within a die file: a table of comma-separated values, written by `mtjloop fit`.

Written by code, so in SI units with the unit in the heading; an empty field is drawn as for any other die.
"""

import csv
import io
import math
from collections.abc import Sequence

from .simulated import DEFECTS, KnownCells, check_parameter

COLUMNS = {
    "resistance_ohm": ("resistance", "junction.parallel_resistance"),
    "tmr": ("tmr", "junction.tmr"),
    "delta": ("delta", "junction.delta"),
    "critical_voltage_up_V": ("voltage_up", "junction.critical_voltage_up"),
    "critical_voltage_down_V": ("voltage_down", "junction.critical_voltage_down"),
    "stray_field": ("field", "junction.stray_field"),
    "time_unit_s": ("time_unit", None),
}
"""Heading: field of `KnownCells`, and the parameter whose range holds."""
_PLACE = ("tile", "row", "column")
_DEFECT = "defect"


def parse_cells(text: str, shapes: Sequence[tuple[int, int]]) -> tuple[KnownCells, ...]:
    """What a table says of the cells of every tile.

    Args:
        text: comma-separated values with a heading: tile, row, column, then any of `COLUMNS` and defect.
        shapes: (rows, columns) of every tile.

    Raises:
        ValueError: naming the line, the column, what was found and what is accepted.
    """
    known = tuple(KnownCells.nothing(*shape) for shape in shapes)
    if not text.strip():
        return known
    reader = csv.DictReader(io.StringIO(text))
    heading = reader.fieldnames or []
    accepted = [*_PLACE, *COLUMNS, _DEFECT]
    wrong = [name for name in heading if name not in accepted]
    if wrong or any(name not in heading for name in _PLACE):
        raise ValueError(f"the heading is {','.join(heading)}; {','.join(accepted)} is accepted")
    for number, row in enumerate(reader, start=2):
        tile, i, j = (_whole(number, name, row[name]) for name in _PLACE)
        if not (tile < len(shapes) and i < shapes[tile][0] and j < shapes[tile][1]):
            raise ValueError(f"line {number}: tile {tile} has no cell ({i}, {j}); tiles are {list(shapes)}")
        for name, (field, parameter) in COLUMNS.items():
            given = row.get(name)
            if given:
                getattr(known[tile], field)[i, j] = _value(number, name, given, parameter)
        kind = row.get(_DEFECT)
        if kind:
            if kind not in DEFECTS:
                raise ValueError(
                    f"line {number}: defect is {kind!r}; one of {', '.join(DEFECTS)} is accepted"
                )
            known[tile].defect[i, j] = DEFECTS.index(kind)
    return known


def written_cells(known: Sequence[KnownCells]) -> str:
    """The table of what is known; cells of which nothing is known are left out."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_PLACE, *COLUMNS, _DEFECT])
    for tile, each in enumerate(known):
        rows, columns = each.shape
        for i in range(rows):
            for j in range(columns):
                values = [float(getattr(each, field)[i, j]) for field, _ in COLUMNS.values()]
                defect = int(each.defect[i, j])
                if defect < 0 and not any(math.isfinite(value) for value in values):
                    continue
                shown = [f"{value:.6g}" if math.isfinite(value) else "" for value in values]
                writer.writerow([tile, i, j, *shown, DEFECTS[defect] if defect >= 0 else ""])
    return stream.getvalue()


def _whole(line: int, name: str, text: str | None) -> int:
    if text is None or not text.strip().isdigit():
        raise ValueError(f"line {line}: {name} is {text!r}; a whole number >= 0 is accepted")
    return int(text)


def _value(line: int, name: str, text: str, parameter: str | None) -> float:
    try:
        value = float(text)
        if parameter is not None:
            return check_parameter(parameter, value)
        if 1e-17 < value < 1e-3:
            return value
    except ValueError as error:
        raise ValueError(f"line {line}: {name}: {error}") from None
    raise ValueError(f"line {line}: {name} is {text}; 1e-17 to 1e-3 s is accepted")
