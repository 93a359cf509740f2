"""A switching law as a value: made once, passed to numba kernels, evaluated cell by cell.

`Law` holds only numbers and arrays, so compiled code takes it as an argument:

    law = make_law("fokker-planck")

    @kernel
    def flips(law: Law, overdrive: Floats, tau: float, ...) -> ...:
        p = probability_at(law, overdrive[k], tau, delta[k], field[k])

The compiled functions check nothing: they are meant for inner loops over values that were checked once.
"""

import math
from typing import Literal, NamedTuple, get_args

import numpy as np

from ...compiled import kernel
from .arguments import ArgumentError, checked
from .fokker_planck import fokker_planck_equivalent_time, log_hazard_of, place_of
from .neel_brown import neel_brown_log_rate
from .packing import shipped_table
from .table import Coefficients, interpolated

LawName = Literal["fokker-planck", "neel-brown-1", "neel-brown-2"]
LAW_NAMES: tuple[LawName, ...] = get_args(LawName)


class Law(NamedTuple):
    """A switching law, ready for compiled code. Make it with `make_law`."""

    exponent: float
    """Exponent n of the Neel-Brown barrier; 0 selects the Fokker-Planck table."""
    tau0: float
    """Attempt time of a Neel-Brown law in reduced time; 0 stands for sqrt(pi/Delta)."""
    table: Coefficients
    """Fokker-Planck table; empty in the Neel-Brown laws."""


def make_law(name: LawName, tau0: float | None = None) -> Law:
    """Make the law called `name`; `tau0` (reduced time, > 0) belongs to the Neel-Brown laws only.

    Raises:
        ArgumentError: unknown name, `tau0` not positive, or `tau0` given to the Fokker-Planck law.
    """
    if name not in LAW_NAMES:
        raise ArgumentError(f"law = {name!r} is none of {', '.join(map(repr, LAW_NAMES))}")
    if tau0 is not None:
        if name == "fokker-planck":
            raise ArgumentError(f"tau0 = {tau0!r}: the Fokker-Planck law has no attempt time; leave it out")
        checked("tau0", tau0, 0.0, math.inf, low_open=True, high_open=True)
    if name == "fokker-planck":
        return Law(exponent=0.0, tau0=0.0, table=shipped_table())
    return Law(float(name[-1]), 0.0 if tau0 is None else float(tau0), np.empty(0, np.float32))


@kernel
def log_hazard_at(law: Law, overdrive: float, reduced_time: float, delta: float, field: float) -> float:
    """ln(-ln(1 - P)) of one device; -inf at zero time, NaN for NaN. Compiled."""
    check = overdrive + reduced_time + delta + field
    if check != check:
        return check
    if reduced_time <= 0.0:
        return -math.inf
    if law.exponent == 0.0:
        # few calls may carry the table: numba counts references to an array at each of them
        log_forward = interpolated(law.table, place_of(overdrive, reduced_time, delta, field))
        return log_hazard_of(log_forward, overdrive, delta, field)
    return math.log(reduced_time) + neel_brown_log_rate(law.exponent, law.tau0, overdrive, delta, field)


@kernel
def probability_at(law: Law, overdrive: float, reduced_time: float, delta: float, field: float) -> float:
    """Switching probability of one device, accurate in both tails. Compiled."""
    hazard = math.exp(log_hazard_at(law, overdrive, reduced_time, delta, field))
    if hazard < 1e-4:  # as good as expm1 to 1e-12, and several times faster
        return hazard * (1.0 - hazard * (0.5 - hazard / 6.0))
    return 1.0 - math.exp(-hazard)


@kernel
def equivalent_time_at(law: Law, log_hazard: float, overdrive: float, delta: float, field: float) -> float:
    """Reduced time after which one device has accumulated `log_hazard` at this drive. Compiled."""
    if law.exponent == 0.0:
        return fokker_planck_equivalent_time(law.table, log_hazard, overdrive, delta, field)
    return math.exp(log_hazard - neel_brown_log_rate(law.exponent, law.tau0, overdrive, delta, field))
