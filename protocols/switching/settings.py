"""Settings of a characterisation: which devices, which pulses, how many trials, when to stop."""

from dataclasses import dataclass, field
from typing import Literal

from ..selection import TO_AP, TO_P, Scheme


@dataclass(frozen=True)
class LineResistances:
    """What is known of the resistances in series with a junction, ohm, each >= 0.

    Rows are driven at their column 0, columns at their last row. With all of them 0 the applied voltage is
    taken as the asked one.

    Attributes:
        row_segment: one segment of row wire between neighbouring cells.
        column_segment: one segment of column wire.
        driver: from an instrument to the array, of each driven line.
        access: open access transistor of a 1T1R cell.
    """

    row_segment: float = 0.0
    column_segment: float = 0.0
    driver: float = 0.0
    access: float = 0.0

    @property
    def any(self) -> bool:
        """Whether there is anything to correct for."""
        return max(self.row_segment, self.column_segment, self.driver, self.access) > 0.0


@dataclass(frozen=True)
class BlockSettings:
    """Trials of one device and polarity in one block; a block is measured in random order.

    Attributes:
        trials: of the design.
        reference: at the reference point, the same in every block.
        control: at 0 V, where nothing may switch.
    """

    trials: int = 40
    reference: int = 8
    control: int = 2

    @property
    def size(self) -> int:
        """All trials of a block."""
        return self.trials + self.reference + self.control


@dataclass(frozen=True)
class GridSettings:
    """Every voltage at every width, again in every block.

    Attributes:
        voltages: magnitudes, V; empty: `steps` voltages a width that take the array from P = 0.02 to 0.98.
        steps: number of voltages a width where none are given.
    """

    voltages: tuple[float, ...] = ()
    steps: int = 8


@dataclass(frozen=True)
class AdaptiveSettings:
    """Each block is put where it tells most about Delta and V_c0 of that very device.

    Attributes:
        points: points of one block.
        voltage_step: relative step of the voltages tried.
    """

    points: int = 2
    voltage_step: float = 0.01


@dataclass(frozen=True)
class Precision:
    """Relative standard deviations at which a device is done, looked at after whole blocks only."""

    delta: float = 0.05
    critical_voltage: float = 0.01


@dataclass(frozen=True)
class LawSettings:
    """What is taken as known of the switching law while trials are placed.

    Attributes:
        name: fokker-planck, neel-brown-1 or neel-brown-2.
        time_unit: tau_D of the Fokker-Planck law or tau0 of the others, s.
        delta: guess of Delta.
    """

    name: Literal["fokker-planck", "neel-brown-1", "neel-brown-2"] = "fokker-planck"
    time_unit: float = 1.9e-9
    delta: float = 45.0


@dataclass(frozen=True)
class DisturbSettings:
    """Half-selected neighbours of some cells are watched.

    Attributes:
        voltages: select amplitudes, V.
        width: s.
        pulses: select pulses between two maps.
        rounds: maps after pulses, for each cell and voltage.
    """

    voltages: tuple[float, ...]
    width: float
    pulses: int = 1000
    rounds: int = 1


@dataclass(frozen=True)
class CharacterizeSettings:
    """A characterisation.

    Attributes:
        widths: pulse widths, s.
        polarities: `TO_P`, `TO_AP` or both.
        design: where trials are placed.
        block: sizes of a block.
        maximum: trials of a device and polarity at most.
        precision: when a device is done before that; None: never.
        law: what is taken as known of switching.
        lines: what is known of the resistances in series.
        unselected: bias of unselected lines where only some cells of a row are pulsed.
        together: pulse the chosen cells of a row in one pulse, each at its own column level.
        disturb: None: half-selected cells are not watched.
    """

    widths: tuple[float, ...]
    polarities: tuple[int, ...] = (TO_P, TO_AP)
    design: GridSettings | AdaptiveSettings = field(default_factory=AdaptiveSettings)
    block: BlockSettings = field(default_factory=BlockSettings)
    maximum: int = 1000
    precision: Precision | None = field(default_factory=Precision)
    law: LawSettings = field(default_factory=LawSettings)
    lines: LineResistances = field(default_factory=LineResistances)
    unselected: Scheme = "half"
    together: bool = True
    disturb: DisturbSettings | None = None
