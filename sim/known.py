"""What was measured of single cells of a die: it takes the place of what would be drawn."""

from dataclasses import dataclass

import numpy as np

from ._types import Floats, States


@dataclass(frozen=True, eq=False)
class KnownCells:
    """Measured parameters of the cells of one tile, at the reference temperature of the junction.

    Arrays (rows, columns), SI units; NaN where a parameter is not known and so is drawn.

    Attributes:
        resistance: R_P at zero bias, ohm.
        tmr: (R_AP - R_P)/R_P at zero bias.
        delta: thermal stability without field.
        voltage_up: critical voltage of AP -> P, V.
        voltage_down: critical voltage of P -> AP, V.
        field: stray field H/H_k, positive favours P.
        time_unit: seconds of one unit of reduced time; tau0 in the Neel-Brown laws.
        defect: number of the defect as in `sim.die.DEFECTS`; -1 where not known.
    """

    resistance: Floats
    tmr: Floats
    delta: Floats
    voltage_up: Floats
    voltage_down: Floats
    field: Floats
    time_unit: Floats
    defect: States

    @staticmethod
    def nothing(rows: int, columns: int) -> "KnownCells":
        """Nothing known of a tile yet; the arrays may be filled."""

        def unknown() -> Floats:
            return np.full((rows, columns), np.nan)

        return KnownCells(
            resistance=unknown(),
            tmr=unknown(),
            delta=unknown(),
            voltage_up=unknown(),
            voltage_down=unknown(),
            field=unknown(),
            time_unit=unknown(),
            defect=np.full((rows, columns), -1, dtype=np.int8),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.defect.shape
        return rows, columns


def known_or(known: Floats, drawn: Floats, scale: float = 1.0) -> Floats:
    """The known values times `scale`, and the drawn ones where nothing is known."""
    return np.where(np.isfinite(known), scale * known, drawn)
