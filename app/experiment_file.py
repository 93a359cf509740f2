"""The experiment file: data, network and training, independent of the bench that runs it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..drivers.bench import BenchFile
from ..drivers.contract import Crossbar
from ..drivers.quantities import Fraction
from ..drivers.yaml_file import Section, parse_yaml, read_text
from ..errors import ConfigurationError
from ..protocols.data import BUILT_IN, Scaling, Split, load_data, split_data
from ..protocols.settings import PulseSettings, ReadSettings
from ..protocols.training.encoding import check_encoding
from ..protocols.training.placement import TileLimit
from ..protocols.training.settings import (
    EncodingKind,
    EncodingSettings,
    FeedbackSettings,
    Gating,
    OutputLayer,
    RareLines,
    RateSchedule,
    Schedule,
    TrainingSettings,
)
from ..protocols.training.weights import WeightKind

_NotNegative = Annotated[float, Field(ge=0, strict=False)]
_Positive = Annotated[float, Field(gt=0, strict=False)]


def refuse_without_effect(section: Section, keys: Sequence[str], setting: str, *needed: object) -> None:
    """Refuse keys that were given another value than their default and that a setting leaves without effect.

    Args:
        section: that holds them all.
        keys: that only count beside the setting.
        setting: another key of the section.
        needed: values of the setting with which the keys count; the first is proposed.

    Raises:
        ValueError: names the key, and the setting that makes it count.
    """
    found = getattr(section, setting)
    if found in needed:
        return
    for key in keys:
        value, default = getattr(section, key), type(section).model_fields[key].default
        if value != default:
            raise ValueError(
                f"{key} is {_yaml(value)}, which has no effect with {setting}: {_yaml(found)}; write "
                f"{setting}: {_yaml(needed[0])}, or leave {key} out"
            )


def _yaml(value: object) -> str:
    """A value as a person writes it in a file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class DataSection(Section):
    """Which samples, and how they are split and scaled."""

    source: Annotated[str, Field(min_length=1)]
    label: str | None = None
    test_fraction: Annotated[Fraction, Field(gt=0, lt=1)] = 0.3
    scaling: Scaling = "per-feature"


class TileSection(Section):
    """Most rows and columns of a tile that a layer may use."""

    rows: Annotated[int, Field(ge=1, le=4096)]
    columns: Annotated[int, Field(ge=2, le=4096)]


MOST_CONSTANTS = 256
"""Rows driven by a constant, at most."""


class NetworkSection(Section):
    """Shape of the network; inputs and outputs follow from the data."""

    hidden: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(max_length=8)]
    weights: WeightKind = TrainingSettings.weights
    devices: Annotated[int, Field(ge=1, le=64)] = TrainingSettings.devices
    constants: Annotated[int, Field(ge=0, le=MOST_CONSTANTS)] = TrainingSettings.constants
    constant_level: Annotated[float, Field(gt=0, le=1, strict=False)] = TrainingSettings.constant_level
    tile: TileSection | Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> "NetworkSection":
        refuse_without_effect(self, ("constant_level",), "constants", *range(1, MOST_CONSTANTS + 1))
        return self


class EncodingSection(Section):
    """How wanted probabilities become pulses."""

    kind: EncodingKind = EncodingSettings.kind
    probability: Annotated[Fraction, Field(gt=0, lt=1)] = EncodingSettings.probability
    gating: Gating | Annotated[Fraction, Field(gt=0, le=1)] = EncodingSettings.gating
    slots: Annotated[int, Field(ge=1, le=1000)] = EncodingSettings.slots
    rare_lines: RareLines = EncodingSettings.rare_lines

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> "EncodingSection":
        refuse_without_effect(self, ("slots", "rare_lines"), "kind", "coincidence")
        return self


class FeedbackSection(Section):
    """Reference cells measured again now and then."""

    every: Annotated[int, Field(ge=1)] = FeedbackSettings.every
    cells: Annotated[int, Field(ge=1, le=4096)] = FeedbackSettings.cells
    trials: Annotated[int, Field(ge=1, le=100_000)] = FeedbackSettings.trials
    gain: Annotated[float, Field(gt=0, le=1, strict=False)] = FeedbackSettings.gain


class TrainingSection(Section):
    """How to train; the words are those of docs/training.md."""

    schedule: Schedule = TrainingSettings.schedule
    epochs: Annotated[int, Field(ge=1, le=100_000)] = TrainingSettings.epochs
    rate: _Positive = TrainingSettings.rate
    margin: _NotNegative = TrainingSettings.margin
    memory: Annotated[float, Field(ge=0, lt=1, strict=False)] = TrainingSettings.memory
    period: Literal["auto"] | Annotated[int, Field(ge=1)] = TrainingSettings.period
    rank: Annotated[int, Field(ge=1, le=64)] = TrainingSettings.rank
    threshold: Annotated[float, Field(ge=0, lt=1, strict=False)] = TrainingSettings.threshold
    power: Annotated[float, Field(gt=0, le=16, strict=False)] = TrainingSettings.power
    hidden_gain: _Positive = TrainingSettings.hidden_gain
    output_gain: _Positive = TrainingSettings.output_gain
    digital_rate: _NotNegative = TrainingSettings.digital_rate
    rate_schedule: RateSchedule = TrainingSettings.rate_schedule
    annealing: _NotNegative = TrainingSettings.annealing
    batch: Annotated[int, Field(ge=1, le=100_000)] = TrainingSettings.batch
    output: OutputLayer = TrainingSettings.output
    normalisers: bool = TrainingSettings.normalisers
    digital_biases: bool = TrainingSettings.digital_biases
    validation_fraction: Annotated[Fraction, Field(ge=0, lt=1)] = TrainingSettings.validation_fraction
    patience: Annotated[int, Field(ge=0)] = TrainingSettings.patience
    balance: bool = TrainingSettings.balance
    encoding: EncodingSection = EncodingSection()
    pocket: bool = TrainingSettings.pocket
    audit_every: Annotated[int, Field(ge=0)] = TrainingSettings.audit_every
    feedback: FeedbackSection | None = None
    digital_alone: bool = TrainingSettings.digital_alone

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> "TrainingSection":
        refuse_without_effect(self, ("memory", "period", "rank"), "schedule", "momentum", "column-momentum")
        refuse_without_effect(self, ("power",), "schedule", "column-momentum")
        refuse_without_effect(self, ("batch",), "schedule", "mini-batch")
        refuse_without_effect(self, ("annealing",), "rate_schedule", "annealing")
        refuse_without_effect(self, ("digital_rate",), "digital_biases", True)
        return self


class ExperimentFile(Section):
    """An experiment file."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    data: DataSection
    network: NetworkSection
    training: TrainingSection = TrainingSection()
    record: Literal["full", "tally"] = "full"

    @model_validator(mode="after")
    def _contradicts_nothing(self) -> "ExperimentFile":
        try:
            self.settings(None)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def settings(self, tile: TileLimit | None) -> TrainingSettings:
        """Settings for the trainer.

        Args:
            tile: limit of tiles where the file leaves it to the bench.
        """
        network, wanted = self.network, self.network.tile
        values = dict(self.training)
        encoding, feedback = values.pop("encoding"), values.pop("feedback")
        return TrainingSettings(
            hidden=tuple(network.hidden),
            devices=network.devices,
            weights=network.weights,
            constants=network.constants,
            constant_level=network.constant_level,
            tile=tile if isinstance(wanted, str) else TileLimit(wanted.rows, wanted.columns),
            encoding=EncodingSettings(**dict(encoding)),
            feedback=None if feedback is None else FeedbackSettings(**dict(feedback)),
            **values,
        )


@dataclass(frozen=True)
class ExperimentDescription:
    """An experiment file as read: its path, text and content."""

    path: Path
    text: str
    content: ExperimentFile

    def load_split(self, seed: int) -> Split:
        """The data of the experiment, split by the seed and scaled by its training part.

        Raises:
            DataError: the data cannot be used.
        """
        data = self.content.data
        return split_data(
            load_data(data_source(data.source, self.path), data.label), data.test_fraction, data.scaling, seed
        )

    def training_settings(self, bench: BenchFile | None = None) -> TrainingSettings:
        """Settings for the trainer.

        Args:
            bench: whose wires limit tiles where the experiment leaves their size to it.
        """
        return self.content.settings(None if bench is None else tile_limit(bench))


def read_experiment_file(path: Path) -> ExperimentDescription:
    """Read and check an experiment file.

    Raises:
        ConfigurationError: the file is absent or wrong; names the key, the found and the accepted.
    """
    text = read_text(path)
    return ExperimentDescription(path, text, parse_yaml(text, str(path), ExperimentFile))


def data_source(source: str, beside: Path) -> str | Path:
    """A built-in name as it is, anything else as a path relative to the file that names it."""
    return source if source in BUILT_IN else beside.parent / source


def tile_limit(bench: BenchFile) -> TileLimit | None:
    """Largest block of a layer whose wires leave enough of a pulse and of a read.

    x = N sqrt(R_segment G), N the cells along a line, says how much of a voltage the wires take
    (docs/solver.md). x <= 1 is asked along a row, whose cells are all driven at once when a tile is
    calibrated and programmed; along a column x <= 1 on passive tiles, and 1.4 with transistors, where few
    rows are open in a pulse. A bench file that does not say what its wires are limits nothing.
    """
    section = bench.simulated
    if section is None:
        return None
    junction, access = section.die.junction.description(), section.die.access()
    resistance = junction.parallel_resistance + (0.0 if access is None else access.on_resistance)
    along_column = 1.0 if access is None else 1.4

    def lines(segment: float, most: float) -> int | None:
        return None if segment <= 0.0 else max(2, int(most * math.sqrt(resistance / segment)))

    wires = section.wires
    return TileLimit(lines(wires.column_segment, along_column), lines(wires.row_segment, 1.0))


def operation_settings(bench: BenchFile) -> tuple[ReadSettings, PulseSettings]:
    """How the die of a bench is read and pulsed."""
    operation = bench.operation
    return (
        ReadSettings(
            voltage=operation.read_voltage,
            repeats=operation.read_repeats,
            encoding=operation.read_encoding,
            bits=operation.read_bits,
        ),
        PulseSettings(
            width=operation.pulse_width,
            search_from=operation.search_from,
            search_to=operation.search_to,
            unselected=operation.unselected,
            program_unselected=operation.program_unselected,
            attempts=operation.attempts,
        ),
    )


def check_bench(
    crossbars: Sequence[Crossbar], settings: TrainingSettings, read: ReadSettings, pulse: PulseSettings
) -> None:
    """Refuse what a bench cannot do, before anything is sent and before the float network is trained.

    Raises:
        ConfigurationError: naming the key and what to write instead.
    """
    for crossbar in crossbars:
        read.check(crossbar.capabilities)
        pulse.check(crossbar.capabilities)
        check_encoding(settings.encoding, crossbar.capabilities)
