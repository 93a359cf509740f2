"""The bench file: its sections, what they accept, and reading it. Nothing is opened here."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator

from ..errors import ConfigurationError
from .die_file import DieSection
from .quantities import (
    Current,
    Duration,
    PositiveCurrent,
    PositiveDuration,
    PositiveVoltage,
    Resistance,
    Voltage,
)
from .simulated import Resolve
from .smu_file import SmuSection
from .wiring import Wiring, read_wiring
from .yaml_file import Section, parse_mapping, parse_yaml, read_text

_NotNegative = Field(ge=0)


class WiresSection(Section):
    """Resistances around the devices."""

    row_segment: Annotated[Resistance, _NotNegative] = 1.0
    column_segment: Annotated[Resistance, _NotNegative] = 1.0
    driver: Annotated[Resistance, _NotNegative] = 5.0
    sense: Annotated[Resistance, _NotNegative] = 5.0


class ElectronicsSection(Section):
    """What the simulated bench can drive and sense, and how long it takes."""

    voltage_range: PositiveVoltage = 2.0
    voltage_resolution: Annotated[Voltage, _NotNegative] = 1e-3
    minimum_width: PositiveDuration = 1e-6
    maximum_width: PositiveDuration = 0.1
    width_resolution: Annotated[Duration, _NotNegative] = 1e-7
    read_noise: Annotated[Current, _NotNegative] = 20e-9
    read_time: PositiveDuration = 20e-6
    pulse_overhead: Annotated[Duration, _NotNegative] = 20e-6
    repeat_gap: Annotated[Duration, _NotNegative] = 10e-6
    distinct_levels: Annotated[int, Field(ge=1)] | None = None
    read_levels: Annotated[int, Field(ge=1)] | None = None


class SimulatedSection(Section):
    """A simulated die and the electronics around it."""

    die: DieSection
    resolve: Resolve = "frozen"
    wires: WiresSection = WiresSection()
    electronics: ElectronicsSection = ElectronicsSection()
    memory: str | None = None

    @model_validator(mode="after")
    def _can_be_resolved(self) -> "SimulatedSection":
        if self.resolve == "event" and self.die.description().back_hopping.on:
            raise ValueError("resolve is event, which a die with back_hopping does not allow; use frozen")
        return self


class LimitsSection(Section):
    """Absolute limits of the die; the guard refuses whatever would leave them."""

    device_voltage: PositiveVoltage
    read_voltage: PositiveVoltage
    line_current: PositiveCurrent
    pulse_width: PositiveDuration


class OperationSection(Section):
    """How this die is read and pulsed, below its limits."""

    read_voltage: PositiveVoltage = 0.1
    read_repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    read_encoding: Literal["auto", "analog", "bit-serial"] = "auto"
    read_bits: Annotated[int, Field(ge=1, le=16)] = 5
    pulse_width: PositiveDuration = 100e-6
    search_from: PositiveVoltage = 0.1
    search_to: PositiveVoltage = 0.6
    unselected: Literal["half", "third", "ground", "float"] = "half"
    program_unselected: Literal["half", "third", "ground", "float"] = "third"
    attempts: Annotated[int, Field(ge=1, le=1000)] = 12

    @model_validator(mode="after")
    def _search_rises(self) -> "OperationSection":
        if not self.search_from < self.search_to:
            raise ValueError(
                f"search_from is {self.search_from:g} V and search_to {self.search_to:g} V; "
                "search_from below search_to is accepted"
            )
        return self


class BenchFile(Section):
    """A bench file. Sections of several backends may stand side by side; `backend` chooses one."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    backend: Literal["simulated", "smu"]
    limits: LimitsSection
    operation: OperationSection = OperationSection()
    simulated: SimulatedSection | None = None
    smu: SmuSection | None = None

    @model_validator(mode="after")
    def _backend_is_described(self) -> "BenchFile":
        if self.backend == "simulated" and self.simulated is None:
            raise ValueError("backend is simulated, so a section `simulated:` with the die is needed")
        if self.backend == "smu" and self.smu is None:
            raise ValueError("backend is smu, so a section `smu:` with the instruments is needed")
        return self

    @model_validator(mode="after")
    def _operation_keeps_limits(self) -> "BenchFile":
        operation, limits = self.operation, self.limits
        # Inputs of both signs are read in one go, so two lines may differ by twice the read voltage.
        for key, value, limit_key, limit, unit in (
            ("read_voltage", 2.0 * operation.read_voltage, "read_voltage", limits.read_voltage, "V"),
            ("search_to", operation.search_to, "device_voltage", limits.device_voltage, "V"),
            ("pulse_width", operation.pulse_width, "pulse_width", limits.pulse_width, "s"),
        ):
            if value > limit * (1 + 1e-9):
                raise ValueError(
                    f"operation.{key} can put {value:g} {unit} on the die, over limits.{limit_key} of "
                    f"{limit:g} {unit}; lower operation.{key} or, if the die allows it, raise the limit"
                )
        return self

    @model_validator(mode="after")
    def _electronics_can_do_it(self) -> "BenchFile":
        if self.backend != "simulated" or self.simulated is None:
            return self
        operation, electronics = self.operation, self.simulated.electronics
        shortest = max(electronics.minimum_width, electronics.width_resolution)
        for key, value, low, high, unit in (
            ("pulse_width", operation.pulse_width, shortest, electronics.maximum_width, "s"),
            ("search_to", operation.search_to, 0.0, 2.0 * electronics.voltage_range, "V"),
            ("search_from", operation.search_from, 2.0 * electronics.voltage_resolution, math.inf, "V"),
            (
                "read_voltage",
                operation.read_voltage,
                10.0 * electronics.voltage_resolution,
                electronics.voltage_range,
                "V",
            ),
        ):
            if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                raise ValueError(
                    f"operation.{key} is {value:g} {unit}; simulated.electronics can do {low:g} {unit} to "
                    f"{high:g} {unit} here (range and resolution); change one of them"
                )
        return self


@dataclass(frozen=True)
class BenchDescription:
    """A bench file as read: its path, text and content."""

    path: Path
    text: str
    content: BenchFile

    @property
    def hardware(self) -> bool:
        """Whether opening it reaches instruments, so that it must be checked and armed."""
        return self.content.backend != "simulated"

    @property
    def real(self) -> bool:
        """Whether they are real: not the emulated ones of a twin."""
        return self.hardware and not (self.content.smu is not None and self.content.smu.emulated)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) of every crossbar it opens."""
        if self.content.backend == "smu":
            return tuple(tile.shape for tile in self.wiring.tiles)
        section = self.content.simulated
        return tuple((tile.rows, tile.columns) for tile in section.die.tiles) if section else ()

    @property
    def wiring(self) -> Wiring:
        """What its section `smu:` wires to what.

        Raises:
            ConfigurationError: there is no such section, or the wiring is wrong.
        """
        if self.content.smu is None:
            raise ConfigurationError(f"{self.path}: smu: this key is missing")
        try:
            return read_wiring(self.content.smu)
        except ConfigurationError as error:
            lines = str(error).splitlines()
            raise ConfigurationError("\n".join(f"{self.path}: {line}" for line in lines)) from None

    @property
    def keeps_states(self) -> bool:
        """Whether the chip keeps its states between two commands, as every real one does."""
        if self.content.backend != "simulated" or self.content.simulated is None:
            return True
        return self.content.simulated.memory is not None


def read_bench_file(path: Path) -> BenchDescription:
    """Read and check a bench file and the die file that it may name; nothing is opened.

    The text of the description is complete in itself: a die file is put in place of its name.

    Raises:
        ConfigurationError: a file is absent or wrong; names the key, the found and the accepted.
    """
    text = read_text(path)
    content = parse_mapping(text, str(path), BenchFile)
    section = content.get("simulated")
    if isinstance(section, dict) and isinstance(section.get("die"), str):
        die_path = path.parent / section["die"]
        die_text = read_text(die_path)
        parse_yaml(die_text, str(die_path), DieSection)
        section["die"] = parse_mapping(die_text, str(die_path), DieSection)
        text = f"# {path.name} with {die_path.name} in place\n" + yaml.safe_dump(
            content, sort_keys=False, allow_unicode=True
        )
    description = BenchDescription(path, text, parse_yaml(text, str(path), BenchFile))
    if description.content.smu is not None:
        _check_same_die(description)
    if description.content.backend == "smu":
        _check_instruments_can_do_it(description)
    return description


def _check_instruments_can_do_it(description: BenchDescription) -> None:
    """Routes exist to every tile, and the pulse width is one that the instruments give."""
    from .smu_bench import pulse_widths, tile_routes  # the VISA library takes a while to import

    operation = description.content.operation
    shortest, longest = pulse_widths(description.wiring)
    try:
        tile_routes(description.wiring)
    except ConfigurationError as error:
        lines = str(error).splitlines()
        raise ConfigurationError("\n".join(f"{description.path}: {line}" for line in lines)) from None
    if not shortest * (1 - 1e-9) <= operation.pulse_width <= longest:
        raise ConfigurationError(
            f"{description.path}: operation.pulse_width is {operation.pulse_width:g} s; these instruments "
            f"give pulses of {shortest:g} s to {longest:g} s"
        )


def _check_same_die(description: BenchDescription) -> None:
    """Wires lead to the lines of the simulated die, if there is one beside them."""
    shapes, section = [tile.shape for tile in description.wiring.tiles], description.content.simulated
    if section is None:
        return
    die = [(tile.rows, tile.columns) for tile in section.die.tiles]
    if die != shapes:
        raise ConfigurationError(
            f"{description.path}: smu.tiles: wires lead to tiles of {_shapes(shapes)}, and simulated.die has "
            f"{_shapes(die)}; give both the same"
        )


def _shapes(shapes: list[tuple[int, int]]) -> str:
    return ", ".join(f"{rows} x {columns}" for rows, columns in shapes)


def die_key(section: SimulatedSection, seed: int) -> str:
    """What must be the same for a stored chip to be the same die."""
    die = section.die.model_dump(exclude={"seed"})
    return hashlib.sha256(f"{die}{seed}".encode()).hexdigest()
