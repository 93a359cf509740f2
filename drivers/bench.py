"""From a bench file to ready, guarded crossbars."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator

from ..errors import ConfigurationError
from .arming import Arming, BenchState, Qualification, text_hash
from .chip_memory import ChipMemory
from .contract import Crossbar, SafeState, Timing
from .die_file import DieSection
from .guard import Guard, Limits
from .quantities import (
    Current,
    Duration,
    PositiveCurrent,
    PositiveDuration,
    PositiveVoltage,
    Resistance,
    Voltage,
)
from .simulated import (
    Electronics,
    Resolve,
    TileView,
    Wires,
    correlations,
    drawn_spreads,
    simulated_tile,
    target_spreads,
)
from .smu_file import SmuSection
from .wiring import Wiring, read_wiring
from .yaml_file import Section, parse_mapping, parse_yaml, read_text

__all__ = [
    "Bench",
    "BenchDescription",
    "BenchFile",
    "TileView",
    "correlations",
    "drawn_spreads",
    "open_bench",
    "read_bench_file",
    "target_spreads",
    "tile_views",
]

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
    read_bits: Annotated[int, Field(ge=1, le=16)] = 6
    pulse_width: PositiveDuration = 100e-6
    search_from: PositiveVoltage = 0.1
    search_to: PositiveVoltage = 0.6
    unselected: Literal["half", "third", "float"] = "half"
    program_unselected: Literal["half", "third", "float"] = "third"
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
    return description


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


class Bench:
    """An open bench: guarded crossbars, one a tile. Leaving the context makes every crossbar safe."""

    def __init__(
        self,
        name: str,
        crossbars: tuple[Crossbar, ...],
        memory: ChipMemory | None = None,
        close: Callable[[], None] | None = None,
        arming: Arming | None = None,
        text: str = "",
    ) -> None:
        self.name = name
        self.crossbars = crossbars
        self._memory, self._close = memory, close
        self._arming = Arming.simulated() if arming is None else arming
        self._text = text
        self._left: SafeState | None = None

    @property
    def state(self) -> BenchState:
        """Where the bench stands."""
        return self._arming.state

    @property
    def identities(self) -> Mapping[str, str]:
        """What each instrument answered to `*IDN?`, by name; none on a simulated bench."""
        return self._arming.identities

    def arm(self, checked: Qualification) -> None:
        """Let the die be energised, on the strength of a passive check of this very bench.

        Args:
            checked: by `check_passively`.

        Raises:
            NotArmedError: the check failed, or was of another bench file or other instruments.
        """
        self._arming.verify(checked, text_hash(self._text))
        self._arming.arm()

    def safe(self) -> SafeState:
        """Make every crossbar safe, whatever the others say; proven only if each one proved it.

        After the bench was closed: how it was left.
        """
        if self._left is not None:
            return self._left
        states = []
        for number, crossbar in enumerate(self.crossbars):
            try:
                states.append(crossbar.safe())
            except Exception as error:  # noqa: BLE001 - the other crossbars must be made safe all the same
                states.append(SafeState(False, f"crossbar {number}: {type(error).__name__}: {error}"))
        details = dict.fromkeys(state.detail for state in states)
        return SafeState(all(state.proven for state in states), "; ".join(details))

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            left = self.safe()
            if self._close is not None:
                self._close()
                self._left = left
                self._arming.disconnect()
        finally:
            if self._memory is not None:
                self._memory.store()


def tile_views(description: BenchDescription, seed: int = 0) -> tuple[TileView, ...]:
    """What the simulator hides: every tile of a simulated die as drawn. For the `die` command alone.

    Raises:
        ConfigurationError: the bench has no simulated die, or it cannot be drawn.
    """
    section = description.content.simulated
    if section is None:
        raise ConfigurationError(f"{description.path}: simulated: this key is missing")
    die_seed = seed if section.die.seed is None else section.die.seed
    try:
        return tuple(
            TileView.drawn_from(section.die.description(), tile.rows, tile.columns, die_seed, number)
            for number, tile in enumerate(section.die.tiles)
        )
    except ValueError as error:
        raise ConfigurationError(f"{description.path}: simulated.die: {error}") from None


def open_bench(description: BenchDescription, seed: int = 0, transcript: Path | None = None) -> Bench:
    """Open the bench that a file describes. One of instruments must be armed before it can be used.

    Args:
        description: from `read_bench_file`.
        seed: draws the simulated die where the file does not fix `simulated.seed`.
        transcript: file for every byte to and from instruments; None keeps none.

    Raises:
        ConfigurationError: a stored chip does not belong to this die; wires lead to no usable crossbar.
        LinkError, InstrumentError, ReadbackError: instruments are absent, others, or not proven off.
    """
    if description.content.backend == "smu":
        return _open_smu_bench(description, transcript)
    return _open_simulated_bench(description, seed)


def _open_smu_bench(description: BenchDescription, transcript: Path | None) -> Bench:
    from .smu_bench import open_smu  # the VISA library takes a while to import

    content, wiring = description.content, description.wiring
    if content.smu is None:
        raise ConfigurationError(f"{description.path}: smu: this key is missing")
    limits = Limits(**dict(content.limits))
    try:
        instruments, crossbars = open_smu(content.smu, limits, wiring, transcript)
    except ConfigurationError as error:
        raise ConfigurationError(f"{description.path}: {error}") from None
    arming = Arming()
    arming.connect(instruments.identities)
    guarded = tuple(Guard(one, limits, arming) for one in crossbars)
    return Bench(content.name, guarded, close=instruments.close, arming=arming, text=description.text)


def _open_simulated_bench(description: BenchDescription, seed: int) -> Bench:
    content = description.content
    section = content.simulated
    if section is None:
        raise ConfigurationError(f"{description.path}: simulated: this key is missing")
    limits = Limits(**dict(content.limits))
    die_seed = seed if section.die.seed is None else section.die.seed
    try:
        tiles = tuple(
            simulated_tile(
                section.die.description(),
                tile.rows,
                tile.columns,
                Wires(**dict(section.wires)),
                section.die.access(),
                _electronics(section.electronics, limits),
                die_seed,
                number,
                section.resolve,
            )
            for number, tile in enumerate(section.die.tiles)
        )
    except ValueError as error:
        raise ConfigurationError(f"{description.path}: simulated.die: {error}") from None
    memory = None
    if section.memory is not None:
        memory = ChipMemory(description.path.parent / section.memory, die_key(section, die_seed), tiles)
        memory.recall()
    arming = Arming.simulated()
    return Bench(content.name, tuple(Guard(tile, limits, arming) for tile in tiles), memory, arming=arming)


def _electronics(section: ElectronicsSection, limits: Limits) -> Electronics:
    values = dict(section)
    timing = Timing(
        pulse_overhead=values.pop("pulse_overhead"),
        repeat_gap=values.pop("repeat_gap"),
        read_time=values.pop("read_time"),
    )
    return Electronics(**values, line_current=limits.line_current, timing=timing)


def die_key(section: SimulatedSection, seed: int) -> str:
    """What must be the same for a stored chip to be the same die."""
    die = section.die.model_dump(exclude={"seed"})
    return hashlib.sha256(f"{die}{seed}".encode()).hexdigest()
