"""Where the tables have their nodes: coordinates that follow the physics, in which ln X is smooth.

    overdrive   p/(p + bend), p = i/(1 + h): the critical overdrive stays at p = 1 whatever the field
                (in "hold" p = -i/(1 - h), with 1/2 the end of the thermal regime)
    time        q/(q + bend), q = ln(tau/tau_first): fine where switching is ballistic, coarse where X ~ tau
    barrier     Delta^(1/4)
    field       h

Nodes are uniform in these coordinates, so a cell is found without a search.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


class Grid(NamedTuple):
    """What an evaluation needs of the coordinates; numbers only, so that it is compiled in as constants."""

    fields: int
    """Number of spline coefficients along the field; two more than nodes, as along the other axes."""
    deltas: int
    times: int
    overdrives: int
    field_first: float
    fields_per_unit: float
    delta_first: float
    """Delta^(1/4) of the first node."""
    deltas_per_unit: float
    time_first: float
    time_last: float
    time_bend: float
    times_per_unit: float
    overdrive_bend: float
    overdrives_per_unit: float


class Axes(NamedTuple):
    """Ends, bends and node numbers from which a table is laid out."""

    overdrive_last: float
    overdrive_bend: float
    overdrive_nodes: int
    time_first: float
    time_last: float
    time_bend: float
    time_nodes: int
    delta_first: float
    delta_last: float
    delta_nodes: int
    field_last: float
    field_nodes: int

    def overdrives(self) -> Floats:
        """Nodes p of the overdrive axis (the scaled overdrive, >= 0)."""
        end = self.overdrive_last / (self.overdrive_last + self.overdrive_bend)
        s = np.linspace(0, end, self.overdrive_nodes)
        return np.asarray(self.overdrive_bend * s / (1 - s))

    def times(self) -> Floats:
        """Nodes of the reduced-time axis."""
        q = math.log(self.time_last / self.time_first)
        s = np.linspace(0, q / (q + self.time_bend), self.time_nodes)
        return np.asarray(self.time_first * np.exp(self.time_bend * s / (1 - s)))

    def deltas(self) -> Floats:
        """Nodes of the barrier axis."""
        return np.asarray(np.linspace(self.delta_first**0.25, self.delta_last**0.25, self.delta_nodes) ** 4)

    def fields(self) -> Floats:
        """Nodes of the field axis, symmetric about zero."""
        return np.linspace(-self.field_last, self.field_last, self.field_nodes)

    def grid(self) -> Grid:
        """The same coordinates as an evaluation wants them."""
        q = math.log(self.time_last / self.time_first)
        end = self.overdrive_last / (self.overdrive_last + self.overdrive_bend)
        return Grid(
            fields=self.field_nodes + 2,
            deltas=self.delta_nodes + 2,
            times=self.time_nodes + 2,
            overdrives=self.overdrive_nodes + 2,
            field_first=-self.field_last,
            fields_per_unit=(self.field_nodes - 1) / (2 * self.field_last),
            delta_first=self.delta_first**0.25,
            deltas_per_unit=(self.delta_nodes - 1) / (self.delta_last**0.25 - self.delta_first**0.25),
            time_first=self.time_first,
            time_last=self.time_last,
            time_bend=self.time_bend,
            times_per_unit=(self.time_nodes - 1) * (q + self.time_bend) / q,
            overdrive_bend=self.overdrive_bend,
            overdrives_per_unit=(self.overdrive_nodes - 1) / end,
        )


SWITCH_AXES = Axes(
    overdrive_last=5.0 / 0.7,  # i = 5 at h = -0.3
    overdrive_bend=1.75,
    overdrive_nodes=63,
    time_first=0.05,
    time_last=5e8,
    time_bend=7.0,
    time_nodes=76,
    delta_first=5.0,
    delta_last=120.0,
    delta_nodes=18,
    field_last=0.3,
    field_nodes=8,
)
HOLD_AXES = SWITCH_AXES._replace(
    overdrive_last=0.5, overdrive_nodes=11, time_nodes=40, delta_nodes=12, field_nodes=7
)
SWITCH_GRID = SWITCH_AXES.grid()
HOLD_GRID = HOLD_AXES.grid()
HOLD_OFFSET = SWITCH_GRID.fields * SWITCH_GRID.deltas * SWITCH_GRID.times * SWITCH_GRID.overdrives
"""Where the "hold" table starts in the array that holds both, after "switch"."""
