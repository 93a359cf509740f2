"""The section `simulated.die` of a bench file, or a file of its own with the same content.

Kinds, defaults, ranges and meanings come from the one table of parameters; see docs/device.md.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from .die_cells import parse_cells
from .quantities import parse_quantity
from .simulated import (
    PARAMETERS,
    BackHopping,
    Breakdown,
    Defects,
    Die,
    Drift,
    Heating,
    Junction,
    LawName,
    LifeLaw,
    Spread,
    Transistors,
    area_of,
    check_parameter,
    decompose,
)
from .simulated import default_of as default
from .yaml_file import Section

_MOST_TILES = 4096


@dataclass(frozen=True)
class _Value:
    """Reads one parameter: a quantity with its unit, or a plain number where it has none."""

    key: str

    def __call__(self, value: object) -> float:
        parameter = PARAMETERS[self.key]
        if parameter.kind == "number":
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"found {value!r}; a plain number is accepted")
            number = float(value)
        else:
            number = parse_quantity(value, parameter.kind)
        return check_parameter(self.key, number)


def _of(key: str) -> BeforeValidator:
    return BeforeValidator(_Value(key))


class TileSection(Section):
    """One electrically separate array on the die, or `count` alike in a row."""

    rows: Annotated[int, Field(ge=1, le=4096)]
    columns: Annotated[int, Field(ge=1, le=4096)]
    count: Annotated[int, Field(ge=1, le=4096, exclude=True)] = 1


class JunctionSection(Section):
    """Nominal junction; RA may be given instead of R_P."""

    diameter: Annotated[float, _of("junction.diameter")] = default("junction.diameter")
    parallel_resistance: Annotated[float, _of("junction.parallel_resistance")] = default(
        "junction.parallel_resistance"
    )
    resistance_area: Annotated[float, _of("junction.resistance_area")] | None = None
    tmr: Annotated[float, _of("junction.tmr")] = default("junction.tmr")
    tmr_half_voltage: Annotated[float, _of("junction.tmr_half_voltage")] = default(
        "junction.tmr_half_voltage"
    )
    delta: Annotated[float, _of("junction.delta")] = default("junction.delta")
    critical_voltage_up: Annotated[float, _of("junction.critical_voltage_up")] = default(
        "junction.critical_voltage_up"
    )
    critical_voltage_down: Annotated[float, _of("junction.critical_voltage_down")] = default(
        "junction.critical_voltage_down"
    )
    stray_field: Annotated[float, _of("junction.stray_field")] = default("junction.stray_field")
    damping: Annotated[float, _of("junction.damping")] = default("junction.damping")
    anisotropy_field: Annotated[float, _of("junction.anisotropy_field")] = default(
        "junction.anisotropy_field"
    )
    attempt_time: Annotated[float, _of("junction.attempt_time")] = default("junction.attempt_time")
    curie_temperature: Annotated[float, _of("junction.curie_temperature")] = default(
        "junction.curie_temperature"
    )
    anisotropy_exponent: Annotated[float, _of("junction.anisotropy_exponent")] = default(
        "junction.anisotropy_exponent"
    )
    reference_temperature: Annotated[float, _of("junction.reference_temperature")] = default(
        "junction.reference_temperature"
    )
    law: LawName = "fokker-planck"

    @model_validator(mode="after")
    def _is_a_junction(self) -> "JunctionSection":
        if self.resistance_area is not None and "parallel_resistance" in self.model_fields_set:
            raise ValueError("both resistance_area and parallel_resistance are given; give one of them")
        self.description()
        return self

    def description(self) -> Junction:
        """As the simulator takes it."""
        values = self.model_dump(exclude={"resistance_area"})
        if self.resistance_area is not None:
            values["parallel_resistance"] = self.resistance_area / area_of(self.diameter)
        return Junction(**values)


class SpreadSection(Section):
    """Target spreads from device to device."""

    resistance: Annotated[float, _of("spread.resistance")] = default("spread.resistance")
    critical_voltage: Annotated[float, _of("spread.critical_voltage")] = default("spread.critical_voltage")
    delta: Annotated[float, _of("spread.delta")] = default("spread.delta")
    asymmetry: Annotated[float, _of("spread.asymmetry")] = default("spread.asymmetry")
    tmr: Annotated[float, _of("spread.tmr")] = default("spread.tmr")
    stray_field: Annotated[float, _of("spread.stray_field")] = default("spread.stray_field")

    @model_validator(mode="after")
    def _is_possible(self) -> "SpreadSection":
        decompose(Spread(**dict(self)))
        return self


class HeatingSection(Section):
    """Joule heating."""

    resistance: Annotated[float, _of("heating.resistance")] = default("heating.resistance")
    time: Annotated[float, _of("heating.time")] = default("heating.time")


class BackHoppingSection(Section):
    """Hops after switching; none unless a voltage is given."""

    voltage_up: Annotated[float, _of("back_hopping.voltage_up")] = default("back_hopping.voltage_up")
    voltage_down: Annotated[float, _of("back_hopping.voltage_down")] = default("back_hopping.voltage_down")
    delta: Annotated[float, _of("back_hopping.delta")] = default("back_hopping.delta")
    time: Annotated[float, _of("back_hopping.time")] = default("back_hopping.time")


class BreakdownSection(Section):
    """Life of the barrier under voltage."""

    law: LifeLaw = "power"
    voltage: Annotated[float, _of("breakdown.voltage")] = default("breakdown.voltage")
    life: Annotated[float, _of("breakdown.life")] = default("breakdown.life")
    exponent: Annotated[float, _of("breakdown.exponent")] = default("breakdown.exponent")
    acceleration: Annotated[float, _of("breakdown.acceleration")] = default("breakdown.acceleration")
    shape: Annotated[float, _of("breakdown.shape")] = default("breakdown.shape")
    short_resistance: Annotated[float, _of("breakdown.short_resistance")] = default(
        "breakdown.short_resistance"
    )


class DriftSection(Section):
    """Slow drift of the switching rate."""

    sigma: Annotated[float, _of("drift.sigma")] = default("drift.sigma")
    pulses: Annotated[float, _of("drift.pulses")] = default("drift.pulses")


class DefectsSection(Section):
    """Chances of defects, a cell."""

    short: Annotated[float, _of("defects.short")] = default("defects.short")
    open: Annotated[float, _of("defects.open")] = default("defects.open")
    stuck_p: Annotated[float, _of("defects.stuck_p")] = default("defects.stuck_p")
    stuck_ap: Annotated[float, _of("defects.stuck_ap")] = default("defects.stuck_ap")
    short_resistance: Annotated[float, _of("defects.short_resistance")] = default("defects.short_resistance")
    open_resistance: Annotated[float, _of("defects.open_resistance")] = default("defects.open_resistance")

    @model_validator(mode="after")
    def _add_up(self) -> "DefectsSection":
        Defects(**dict(self))
        return self


class TransistorsSection(Section):
    """Access transistors of a 1T1R die."""

    on_resistance: Annotated[float, _of("transistors.on_resistance")] = default("transistors.on_resistance")
    leak: Annotated[float, _of("transistors.leak")] = default("transistors.leak")


class DieSection(Section):
    """A simulated die.

    `cells` is a table of measured cells (see `drivers.die_cells`) and `provenance` says where it is from.
    """

    kind: Literal["passive", "1T1R"] = "passive"
    tiles: Annotated[list[TileSection], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    temperature: Annotated[float, _of("temperature")] = default("temperature")
    junction: JunctionSection = JunctionSection()
    spread: SpreadSection = SpreadSection()
    heating: HeatingSection = HeatingSection()
    back_hopping: BackHoppingSection = BackHoppingSection()
    breakdown: BreakdownSection = BreakdownSection()
    drift: DriftSection = DriftSection()
    defects: DefectsSection = DefectsSection()
    transistors: TransistorsSection | None = None
    cells: str = ""
    provenance: dict[str, str] | None = None

    @field_validator("tiles")
    @classmethod
    def _one_by_one(cls, tiles: list[TileSection]) -> list[TileSection]:
        """Tiles that were given by number become as many entries."""
        alone = [tile.model_copy(update={"count": 1}) for tile in tiles for _ in range(tile.count)]
        if len(alone) > _MOST_TILES:
            raise ValueError(f"found {len(alone)} tiles in all; at most {_MOST_TILES} are accepted")
        return alone

    @model_validator(mode="after")
    def _is_a_die(self) -> "DieSection":
        if self.transistors is not None and self.kind == "passive":
            raise ValueError("transistors are given for a passive die; use kind: 1T1R or remove them")
        self.description()
        return self

    def description(self) -> Die:
        """As the simulator takes it."""
        return Die(
            junction=self.junction.description(),
            spread=Spread(**dict(self.spread)),
            temperature=self.temperature,
            heating=Heating(**dict(self.heating)),
            back_hopping=BackHopping(**dict(self.back_hopping)),
            breakdown=Breakdown(**dict(self.breakdown)),
            drift=Drift(**dict(self.drift)),
            defects=Defects(**dict(self.defects)),
            known=parse_cells(self.cells, [(tile.rows, tile.columns) for tile in self.tiles])
            if self.cells
            else (),
        )

    def access(self) -> Transistors | None:
        """Transistors of a 1T1R die, None for a passive one."""
        if self.kind == "passive":
            return None
        return Transistors(**dict(self.transistors or TransistorsSection()))
