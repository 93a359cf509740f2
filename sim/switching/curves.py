"""The Fokker-Planck law of many devices at one pulse width each: four coefficients a time, not 256.

An array simulator sends the same width again and again to the same devices. Summing the table over field,
barrier and time once per device and width leaves a spline in the overdrive alone, with the very same values.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...compiled import kernel
from .fokker_planck import HELD_MOST, log_hazard_of
from .grids import HOLD_GRID, HOLD_OFFSET, SWITCH_GRID, Grid
from .law import Law
from .table import Coefficients, place_in, spline_weights

Floats: TypeAlias = NDArray[np.float64]

CURVE_LENGTH = SWITCH_GRID.overdrives + HOLD_GRID.overdrives


@kernel
def device_curves(law: Law, reduced_time: Floats, delta: Floats, field: Floats) -> Coefficients:
    """Spline coefficients in the overdrive, one column per device, shape (CURVE_LENGTH, devices). Compiled.

    Arguments have shape (devices,); `law` is a Fokker-Planck law and nothing is checked. A few us a device.
    Columns, because devices at similar overdrives then read neighbouring memory.
    """
    curves = np.empty((CURVE_LENGTH, delta.size), np.float32)
    one = np.empty(CURVE_LENGTH, np.float32)
    switch, hold = one[: SWITCH_GRID.overdrives], one[SWITCH_GRID.overdrives :]
    for k in range(delta.size):
        _reduce(law.table, SWITCH_GRID, 0, reduced_time[k], delta[k], field[k], switch)
        _reduce(law.table, HOLD_GRID, HOLD_OFFSET, reduced_time[k], delta[k], field[k], hold)
        curves[:, k] = one
    return curves


@kernel
def curve_log_hazard_at(
    curves: Coefficients, device: int, overdrive: float, delta: float, field: float
) -> float:
    """ln(-ln(1 - P)) of one device from its column of `device_curves`. Compiled.

    `delta` and `field` are those the curves were made with. Equal to `log_hazard_at` up to rounding (1e-5);
    NaN for a NaN overdrive.
    """
    if overdrive >= 0.0:
        p = overdrive / (1.0 + field)
        first, (w0, w1, w2, w3) = spline_weights(
            p / (p + SWITCH_GRID.overdrive_bend) * SWITCH_GRID.overdrives_per_unit, SWITCH_GRID.overdrives - 3
        )
    elif overdrive < 0.0:
        p = min(-overdrive / (1.0 - field), HELD_MOST)
        first, (w0, w1, w2, w3) = spline_weights(
            p / (p + HOLD_GRID.overdrive_bend) * HOLD_GRID.overdrives_per_unit, HOLD_GRID.overdrives - 3
        )
        first += SWITCH_GRID.overdrives
    else:
        return overdrive
    log_forward = (
        w0 * curves[first, device]
        + w1 * curves[first + 1, device]
        + w2 * curves[first + 2, device]
        + w3 * curves[first + 3, device]
    )
    return log_hazard_of(log_forward, overdrive, delta, field)


@kernel
def _reduce(
    coefficients: Coefficients,
    grid: Grid,
    offset: int,
    reduced_time: float,
    delta: float,
    field: float,
    out: Coefficients,
) -> None:
    """Sum over field, barrier and time with their weights, for every coefficient along the overdrive."""
    place = place_in(grid, offset, 0.0, reduced_time, delta, field)
    out[:] = np.float32(place.shift)
    for m in range(4):
        for n in range(4):
            for t in range(4):
                weight = np.float32(place.along_field[m] * place.along_delta[n] * place.along_time[t])
                start = place.corner + m * place.per_field + n * place.per_delta + t * place.per_time
                for p in range(grid.overdrives):
                    out[p] += weight * coefficients[start + p]
