"""A simulated die in place of a bench: same lines, limits and costs, and nothing is opened."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError
from .bench import BenchDescription, open_bench
from .bench_file import ElectronicsSection, SimulatedSection
from .contract import Applied, Bias, Capabilities, Crossbar, Pulse, Reading, SafeState
from .die_file import DieSection, TileSection
from .guard import Limits
from .planned import PlannedCrossbar, planned_crossbars
from .yaml_file import parse_yaml, read_text

__all__ = ["StandIn", "stand_ins"]

_SELECTED, _TOUCHED = 0.9, 0.05
"""Shares of the largest cell voltage of a pulse from which a cell counts as selected, and as touched."""


class StandIn:
    """A crossbar whose physics are simulated and whose costs are those planned for the bench.

    Attributes:
        selected: pulses that selected each cell so far, (rows, columns).
        half_selected: pulses in which each cell saw less than that, but not nothing, (rows, columns).

    Args:
        simulated: guarded by the limits of the bench.
        planned: the bench, planned.
    """

    def __init__(self, simulated: Crossbar, planned: PlannedCrossbar) -> None:
        self._simulated, self._planned = simulated, planned
        shape = simulated.capabilities.shape
        self.selected: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
        self.half_selected: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)

    @property
    def capabilities(self) -> Capabilities:
        """Of the simulated crossbar, which was given those of the bench."""
        return self._simulated.capabilities

    def apply(self, pulse: Pulse) -> Applied:
        """Give a pulse; see `Crossbar.apply`."""
        applied = self._simulated.apply(pulse)
        self._count(pulse)
        return replace(applied, elapsed=self._planned.apply(pulse).elapsed)

    def read(self, bias: Bias) -> Reading:
        """Read; see `Crossbar.read`."""
        reading = self._simulated.read(bias)
        return replace(reading, elapsed=self._planned.read(bias).elapsed)

    def safe(self) -> SafeState:
        """Nothing is on."""
        return self._simulated.safe()

    def _count(self, pulse: Pulse) -> None:
        volts = np.abs(pulse.rows[:, None] - pulse.columns[None, :])
        largest = float(np.nanmax(volts, initial=0.0))
        if largest <= 0.0:
            return
        share = np.nan_to_num(volts / largest)
        self.selected += pulse.repeat * (share >= _SELECTED)
        self.half_selected += pulse.repeat * ((share > _TOUCHED) & (share < _SELECTED))


def stand_ins(
    description: BenchDescription, die_path: Path | None, seed: int
) -> tuple[tuple[StandIn, ...], str]:
    """Crossbars to rehearse an experiment on, one a tile of the bench.

    Args:
        description: of the bench.
        die_path: die file, such as `mtjloop fit` writes; None takes the die that the bench file describes, or
            the default die.
        seed: of the die, where it fixes none.

    Returns:
        The crossbars, and in words which die stands in.

    Raises:
        ConfigurationError: the die does not have the tiles of the bench, or a file is wrong.
    """
    planned = planned_crossbars(description)
    section = description.content.simulated
    shapes = [one.capabilities.shape for one in planned]
    tiles = [TileSection(rows=rows, columns=columns) for rows, columns in shapes]
    said = "the default die"
    if die_path is not None:
        die = parse_yaml(read_text(die_path), str(die_path), DieSection)
        found = [(tile.rows, tile.columns) for tile in die.tiles]
        if found != shapes:
            raise ConfigurationError(
                f"{die_path}: tiles: found {found} (rows, columns); the bench has {shapes}"
            )
        said = f"the die of {die_path}"
    elif section is not None:
        die, said = section.die, "the die of the bench file"
    else:
        die = DieSection(tiles=tiles)
    if section is None or description.content.backend != "simulated":
        known = SimulatedSection(die=die) if section is None else section
        electronics = _electronics(planned[0].capabilities, _read_noise(description, known.electronics))
        section = known.model_copy(update={"electronics": electronics})
    chosen = section.model_copy(update={"die": die, "memory": None})
    content = description.content.model_copy(update={"backend": "simulated", "simulated": chosen})
    bench = open_bench(BenchDescription(description.path, description.text, content), seed)
    return tuple(StandIn(one, two) for one, two in zip(bench.crossbars, planned, strict=True)), said


def _read_noise(description: BenchDescription, stated: ElectronicsSection) -> float:
    """Of one current of a read, A: as the bench file states it in either section, or of its instruments."""
    from .smu_bench import read_noise_of  # the VISA library takes a while to import

    section = description.content.smu
    said = "read_noise" in stated.model_fields_set
    if section is None or (section.read_noise is None and said):
        return stated.read_noise
    return read_noise_of(section, Limits(**dict(description.content.limits)), description.wiring)


def _electronics(can: Capabilities, read_noise: float) -> ElectronicsSection:
    """Electronics that can do what the bench can."""
    return ElectronicsSection.model_construct(
        **{
            **dict(ElectronicsSection()),
            "voltage_range": can.voltage_range,
            "voltage_resolution": can.voltage_resolution,
            "minimum_width": can.minimum_width,
            "maximum_width": can.maximum_width,
            "width_resolution": can.width_resolution,
            "pulse_overhead": can.timing.pulse_overhead,
            "repeat_gap": can.timing.repeat_gap,
            "read_time": can.timing.read_time,
            "distinct_levels": can.distinct_levels,
            "read_levels": can.read_levels,
            "read_noise": read_noise,
        }
    )
