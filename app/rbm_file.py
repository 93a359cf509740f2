"""The experiment file of a restricted Boltzmann machine: data and a section `rbm`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from ..drivers.bench import BenchFile
from ..drivers.contract import Floats
from ..drivers.quantities import Fraction
from ..drivers.yaml_file import Section, parse_mapping, parse_yaml, read_text
from ..protocols.data import Labels, load_data, split_indices
from ..protocols.rbm import RbmSettings
from ..protocols.training.placement import TileLimit
from ..protocols.training.settings import EncodingSettings, TrainingSettings
from ..protocols.training.weights import WeightKind
from .experiment_file import (
    EncodingSection,
    TileSection,
    data_source,
    refuse_without_effect,
    tile_limit,
)

_Positive = Annotated[float, Field(gt=0, strict=False)]


class ImagesSection(Section):
    """Which samples; they are scaled to [0, 1] by the smallest and largest value of the training part."""

    source: Annotated[str, Field(min_length=1)]
    label: str | None = None
    test_fraction: Annotated[Fraction, Field(gt=0, lt=1)] = 0.3


class RbmSection(Section):
    """The machine and its training; the words are those of docs/rbm.md."""

    hidden: Annotated[int, Field(ge=1, le=4096)]
    weights: WeightKind = TrainingSettings.weights
    devices: Annotated[int, Field(ge=1, le=64)] = TrainingSettings.devices
    tile: TileSection | Literal["auto"] = "auto"
    steps: Annotated[int, Field(ge=1, le=1000)] = 1
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    batch: Annotated[int, Field(ge=1, le=10_000)] = 10
    gain: _Positive = 4.0
    label_lines: Annotated[int, Field(ge=1, le=1000)] = 4
    digital_rate: Annotated[float, Field(ge=0, strict=False)] = 0.05
    schedule: Literal["momentum", "per-sample"] = "momentum"
    rate: _Positive = 0.01
    memory: Annotated[float, Field(ge=0, lt=1, strict=False)] = 0.9
    period: Annotated[int, Field(ge=1)] = 20
    rank: Annotated[int, Field(ge=1, le=64)] = 4
    threshold: Annotated[float, Field(ge=0, lt=1, strict=False)] = 0.3
    encoding: EncodingSection = EncodingSection(gating="auto")
    audit_every: Annotated[int, Field(ge=0)] = 50

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> "RbmSection":
        refuse_without_effect(self, ("memory", "period", "rank"), "schedule", "momentum")
        return self


class RbmFile(Section):
    """An experiment file with a machine in place of a network."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    data: ImagesSection
    rbm: RbmSection
    record: Literal["full", "tally"] = "tally"


@dataclass(frozen=True)
class Images:
    """Samples as the visible units take them.

    Attributes:
        name: of the data set.
        classes: names.
        train_x: (samples, pixels) in [0, 1].
        train_y: (samples,).
        test_x: (samples, pixels) in [0, 1].
        test_y: (samples,).
    """

    name: str
    classes: tuple[str, ...]
    train_x: Floats
    train_y: Labels
    test_x: Floats
    test_y: Labels


@dataclass(frozen=True)
class RbmDescription:
    """An experiment file as read: its path, text and content."""

    path: Path
    text: str
    content: RbmFile

    def load_images(self, seed: int) -> Images:
        """The data, split by the seed, stratified by class.

        Raises:
            DataError: the data cannot be used.
        """
        section = self.content.data
        data = load_data(data_source(section.source, self.path), section.label)
        train, test = split_indices(data, section.test_fraction, seed)
        low, high = float(data.features[train].min()), float(data.features[train].max())
        pixels = np.clip((data.features - low) / max(high - low, 1e-12), 0.0, 1.0)
        return Images(
            data.name, data.classes, pixels[train], data.labels[train], pixels[test], data.labels[test]
        )

    def settings(self, bench: BenchFile) -> RbmSettings:
        """Settings for the machine.

        Args:
            bench: whose wires limit tiles where the experiment leaves their size to it.
        """
        section = self.content.rbm
        tile = section.tile
        training = TrainingSettings(
            hidden=(),
            devices=section.devices,
            weights=section.weights,
            tile=tile_limit(bench) if isinstance(tile, str) else TileLimit(tile.rows, tile.columns),
            schedule=section.schedule,
            epochs=section.epochs,
            rate=section.rate,
            memory=section.memory,
            period=section.period,
            rank=section.rank,
            threshold=section.threshold,
            encoding=EncodingSettings(**dict(section.encoding)),
            audit_every=section.audit_every,
        )
        return RbmSettings(
            section.hidden, section.steps, section.epochs, section.batch, section.gain, section.label_lines,
            section.digital_rate, training,
        )  # fmt: skip


def is_rbm_file(path: Path) -> bool:
    """Whether an experiment file describes a machine; what else is wrong with it is told by its own reader.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    return "rbm" in parse_mapping(read_text(path), str(path), RbmFile)


def read_rbm_file(path: Path) -> RbmDescription:
    """Read and check an experiment file.

    Raises:
        ConfigurationError: the file is absent or wrong; names the key, the found and the accepted.
    """
    text = read_text(path)
    return RbmDescription(path, text, parse_yaml(text, str(path), RbmFile))
