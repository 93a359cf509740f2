"""The plan file: which devices are characterised, with which pulses, how often, and when that is enough."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from ..drivers.bench import BenchDescription
from ..drivers.quantities import Fraction, PositiveDuration, PositiveVoltage, Resistance
from ..drivers.yaml_file import Section, parse_yaml, read_text
from ..errors import ConfigurationError
from ..protocols.selection import TO_AP, TO_P
from ..protocols.switching.settings import (
    AdaptiveSettings,
    BlockSettings,
    CharacterizeSettings,
    DisturbSettings,
    GridSettings,
    LawSettings,
    LineResistances,
    Precision,
)

_NotNegative = Field(ge=0)
_Cell = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
_POLARITIES = {"both": (TO_P, TO_AP), "AP to P": (TO_P,), "P to AP": (TO_AP,)}


class RandomSection(Section):
    """A random sample of cells of each tile."""

    random: Annotated[int, Field(ge=1)]


class WidthRange(Section):
    """Pulse widths in equal ratios."""

    start: Annotated[PositiveDuration, Field(alias="from")]
    to: PositiveDuration
    steps: Annotated[int, Field(ge=2, le=100)] = 4


class VoltageRange(Section):
    """Voltages in equal steps."""

    start: Annotated[PositiveVoltage, Field(alias="from")]
    to: PositiveVoltage
    steps: Annotated[int, Field(ge=2, le=1000)] = 8


class GridSection(Section):
    """Every voltage at every width in every block."""

    kind: Literal["grid"]
    voltages: Literal["auto"] | list[PositiveVoltage] | VoltageRange = "auto"
    steps: Annotated[int, Field(ge=2, le=1000)] = GridSettings.steps


class AdaptiveSection(Section):
    """Trials where they tell most about each device."""

    kind: Literal["adaptive"]
    points: Annotated[int, Field(ge=1, le=100)] = AdaptiveSettings.points
    voltage_step: Annotated[Fraction, Field(gt=0, lt=1)] = AdaptiveSettings.voltage_step


class BlockSection(Section):
    """Trials of a device and polarity in one block."""

    trials: Annotated[int, Field(ge=1, le=100_000)] = BlockSettings.trials
    reference: Annotated[int, Field(ge=0, le=100_000)] = BlockSettings.reference
    control: Annotated[int, Field(ge=0, le=100_000)] = BlockSettings.control


class PrecisionSection(Section):
    """Relative standard deviations at which a device is done."""

    delta: Annotated[Fraction, Field(gt=0, lt=1)] = Precision.delta
    critical_voltage: Annotated[Fraction, Field(gt=0, lt=1)] = Precision.critical_voltage


class LawSection(Section):
    """What is taken as known of switching while trials are placed; the fit may take another law."""

    name: Literal["fokker-planck", "neel-brown-1", "neel-brown-2"] = LawSettings.name
    time_unit: PositiveDuration | None = None
    delta: Annotated[float, Field(ge=5, le=120, strict=False)] = LawSettings.delta


class LinesSection(Section):
    """Resistances in series with the junctions, as known; unknown ones are 0."""

    row_segment: Annotated[Resistance, _NotNegative] = 0.0
    column_segment: Annotated[Resistance, _NotNegative] = 0.0
    driver: Annotated[Resistance, _NotNegative] = 0.0
    access: Annotated[Resistance, _NotNegative] = 0.0


class DisturbSection(Section):
    """Half-selected neighbours of the chosen cells are watched."""

    voltages: Annotated[list[PositiveVoltage], Field(min_length=1)]
    width: PositiveDuration
    pulses: Annotated[int, Field(ge=1, le=1_000_000)] = DisturbSettings.pulses
    rounds: Annotated[int, Field(ge=1, le=100_000)] = DisturbSettings.rounds


class PlanFile(Section):
    """A plan file."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    tiles: Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = "all"
    cells: Literal["all"] | RandomSection | Annotated[list[_Cell], Field(min_length=1)] = "all"
    polarities: Literal["both", "AP to P", "P to AP"] = "both"
    widths: Annotated[list[PositiveDuration], Field(min_length=1)] | WidthRange
    design: Annotated[GridSection | AdaptiveSection, Field(discriminator="kind")] = AdaptiveSection(
        kind="adaptive"
    )
    block: BlockSection = BlockSection()
    maximum: Annotated[int, Field(ge=1, le=10_000_000)] = CharacterizeSettings.maximum
    precision: Literal["none"] | PrecisionSection = PrecisionSection()
    law: LawSection = LawSection()
    lines: LinesSection | None = None
    together: bool = True
    disturb: DisturbSection | None = None
    record: Literal["full", "tally"] = "full"

    @model_validator(mode="after")
    def _one_block_fits(self) -> "PlanFile":
        size = self.block.trials + self.block.reference + self.block.control
        if size > self.maximum:
            raise ValueError(
                f"one block has {size} trials and maximum is {self.maximum}; raise maximum or shrink block"
            )
        return self


@dataclass(frozen=True)
class PlanDescription:
    """A plan file as read: its path, text and content."""

    path: Path
    text: str
    content: PlanFile

    def tiles(self, shapes: tuple[tuple[int, int], ...]) -> list[int]:
        """Numbers of the tiles to be characterised.

        Raises:
            ConfigurationError: there is no such tile.
        """
        wanted = self.content.tiles
        if wanted == "all":
            return list(range(len(shapes)))
        wrong = [number for number in wanted if number >= len(shapes)]
        if wrong:
            raise ConfigurationError(
                f"{self.path}: tiles: found {wrong[0]}; the bench has tiles 0 to {len(shapes) - 1}"
            )
        return list(wanted)

    def cells(self, shape: tuple[int, int], rng: np.random.Generator) -> list[tuple[int, int]]:
        """(row, column) of the devices of one tile.

        Raises:
            ConfigurationError: a cell lies outside the tile.
        """
        rows, columns = shape
        every = [(row, column) for row in range(rows) for column in range(columns)]
        wanted = self.content.cells
        if wanted == "all":
            return every
        if isinstance(wanted, RandomSection):
            chosen = rng.choice(len(every), min(wanted.random, len(every)), replace=False)
            return [every[k] for k in sorted(chosen.tolist())]
        for row, column in wanted:
            if row >= rows or column >= columns:
                raise ConfigurationError(
                    f"{self.path}: cells: found [{row}, {column}]; rows 0 to {rows - 1} and columns 0 to "
                    f"{columns - 1} are accepted"
                )
        return sorted({(row, column) for row, column in wanted})

    def settings(
        self, bench: BenchDescription, time_unit: float, lines: LineResistances
    ) -> CharacterizeSettings:
        """Settings for the campaign, checked against the bench before anything is opened.

        Args:
            bench: whose limits must hold.
            time_unit: of the law, s, where the plan gives none.
            lines: resistances in series, where the plan gives none.

        Raises:
            ConfigurationError: a width or voltage leaves a limit of the bench, or a grid does not fit into
                `maximum`; names the key and the range.
        """
        content = self.content
        widths = _widths(content.widths)
        design = _design(content.design)
        self._check_widths(bench, widths)
        operation = bench.content.operation
        disturb = None
        if content.disturb is not None:
            section = content.disturb
            disturb = DisturbSettings(tuple(section.voltages), section.width, section.pulses, section.rounds)
            self._check_widths(bench, (disturb.width,))
            self._check_voltages("disturb.voltages", disturb.voltages, 0.0, operation.search_to)
        if isinstance(design, GridSettings):
            self._check_voltages(
                "design.voltages", design.voltages, operation.search_from, operation.search_to
            )
            self._check_grid(len(widths) * (len(design.voltages) or design.steps))
        given = content.lines
        return CharacterizeSettings(
            widths=widths,
            polarities=_POLARITIES[content.polarities],
            design=design,
            block=BlockSettings(**dict(content.block)),
            maximum=content.maximum,
            precision=None if content.precision == "none" else Precision(**dict(content.precision)),
            law=LawSettings(content.law.name, content.law.time_unit or time_unit, content.law.delta),
            lines=lines if given is None else LineResistances(**dict(given)),
            unselected=operation.unselected,
            together=content.together,
            disturb=disturb,
        )

    def _check_voltages(self, key: str, voltages: tuple[float, ...], low: float, high: float) -> None:
        for voltage in voltages:
            if not low * (1 - 1e-9) <= voltage <= high * (1 + 1e-9):
                raise ConfigurationError(
                    f"{self.path}: {key}: a voltage of {voltage:g} V; {low:g} V to {high:g} V are accepted, "
                    + ("operation.search_from to search_to" if low else "the end being operation.search_to")
                    + " of the bench file"
                )

    def _check_grid(self, points: int) -> None:
        """A block holds every point of a grid at least once."""
        block, maximum = self.content.block, self.content.maximum
        size = max(points, block.trials) + block.reference + block.control
        if size > maximum:
            raise ConfigurationError(
                f"{self.path}: design: the grid has {points} points, so that one block has {size} trials, "
                f"and maximum is {maximum}; raise maximum, or take fewer voltages or widths"
            )

    def _check_widths(self, bench: BenchDescription, widths: tuple[float, ...]) -> None:
        low, high = 0.0, bench.content.limits.pulse_width
        simulated = bench.content.simulated
        if bench.content.backend == "smu":
            from ..drivers.smu_bench import pulse_widths  # the VISA library takes a while to import

            low, longest = pulse_widths(bench.wiring)
            high = min(high, longest)
        elif simulated is not None:
            low, high = simulated.electronics.minimum_width, min(high, simulated.electronics.maximum_width)
        for width in widths:
            if not low * (1 - 1e-9) <= width <= high * (1 + 1e-9):
                raise ConfigurationError(
                    f"{self.path}: a pulse width of {width:g} s; this bench can and may do {low:g} s to "
                    f"{high:g} s"
                )


def read_plan_file(path: Path) -> PlanDescription:
    """Read and check a plan file.

    Raises:
        ConfigurationError: the file is absent or wrong; names the key, the found and the accepted.
    """
    text = read_text(path)
    return PlanDescription(path, text, parse_yaml(text, str(path), PlanFile))


def _widths(given: list[float] | WidthRange) -> tuple[float, ...]:
    if isinstance(given, WidthRange):
        return tuple(np.geomspace(given.start, given.to, given.steps).tolist())
    return tuple(sorted(set(given)))


def _design(section: GridSection | AdaptiveSection) -> GridSettings | AdaptiveSettings:
    if isinstance(section, AdaptiveSection):
        return AdaptiveSettings(section.points, section.voltage_step)
    if isinstance(section.voltages, VoltageRange):
        span = section.voltages
        return GridSettings(tuple(np.linspace(span.start, span.to, span.steps).tolist()))
    if section.voltages == "auto":
        return GridSettings((), section.steps)
    return GridSettings(tuple(section.voltages))
