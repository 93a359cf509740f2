"""The study file: an experiment on a bench, parameters that vary, replicas."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

import numpy as np
from pydantic import BaseModel, Field, model_validator

from ..drivers.bench import BenchDescription, BenchFile, read_bench_file
from ..drivers.yaml_file import Section, parse_content, parse_mapping, parse_yaml, read_text
from ..errors import ConfigurationError
from .experiment_file import ExperimentDescription, ExperimentFile, read_experiment_file
from .study_results import COLUMNS

_ROOTS = {"bench": ("bench",), "experiment": ("experiment",), "die": ("bench", "simulated", "die")}
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)")
_Number = int | float | str


class RangeSection(Section):
    """Values between two ends: numbers, or quantities of one unit."""

    low: _Number
    high: _Number
    points: Annotated[int, Field(ge=2, le=10_000)] | None = None
    scale: Literal["linear", "log"] = "linear"
    whole: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> "RangeSection":
        (low, unit), (high, other) = _split(self.low), _split(self.high)
        if unit != other:
            raise ValueError(
                f"low is in {unit or 'no unit'!r} and high in {other or 'no unit'!r}; use one unit"
            )
        if not low < high:
            raise ValueError(f"low is {self.low} and high {self.high}; low < high is accepted")
        if self.scale == "log" and low <= 0:
            raise ValueError(f"low is {self.low}; a log scale needs low > 0")
        return self

    def at(self, share: float) -> object:
        """The value at a share in [0, 1] of the way, as it would stand in a file."""
        (low, unit), (high, _) = _split(self.low), _split(self.high)
        log = self.scale == "log"
        value = low * (high / low) ** share if log else low + (high - low) * share
        number: float | int = round(value) if self.whole else float(f"{value:.6g}")
        return f"{number} {unit}" if unit else number


class LinkedSection(Section):
    """Several keys that take the same value."""

    paths: Annotated[list[str], Field(min_length=1)]
    values: Annotated[list[Any], Field(min_length=1)] | RangeSection


_Values = Annotated[list[Any], Field(min_length=1)] | RangeSection | LinkedSection


class StudyFile(Section):
    """A study file."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    bench: str
    experiment: str
    sweep: dict[str, _Values] = Field(default_factory=dict)
    sampling: Literal["grid", "random"] = "grid"
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    sampling_seed: Annotated[int, Field(ge=0)] = 0
    dies: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    seeds: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    first: Annotated[int, Field(ge=0, le=2**62)] = 0
    methods: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["in-situ"])

    @model_validator(mode="after")
    def _can_be_sampled(self) -> "StudyFile":
        for key, values in self.sweep.items():
            if key in COLUMNS:
                raise ValueError(
                    f"sweep.{key}: a column of the results has this name; any but these is accepted: "
                    f"{', '.join(COLUMNS)}"
                )
            one = values.values if isinstance(values, LinkedSection) else values
            if self.sampling == "grid" and isinstance(one, RangeSection) and one.points is None:
                raise ValueError(f"sweep.{key}: points is missing, which a range of a grid needs")
        return self


@dataclass(frozen=True)
class Point:
    """One choice of the parameters.

    Attributes:
        values: of each swept parameter as plotted: SI where it is a number, else text.
        bench: with them.
        experiment: with them.
        bench_content: of the bench file with them, as YAML has it.
        experiment_content: of the experiment file with them.
    """

    values: Mapping[str, float | str]
    bench: BenchDescription
    experiment: ExperimentDescription
    bench_content: Mapping[str, Any]
    experiment_content: Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """A study file as read, with its points."""

    path: Path
    text: str
    content: StudyFile
    bench: BenchDescription
    experiment: ExperimentDescription
    points: tuple[Point, ...]

    def replicas(self) -> Iterator[tuple[int, int]]:
        """(die, seed) of every replica; without `seeds` each die comes with the seed of its number."""
        first = self.content.first
        for die in range(first, first + self.content.dies):
            if self.content.seeds is None:
                yield die, die
            else:
                yield from ((die, seed) for seed in range(first, first + self.content.seeds))


def read_study_file(path: Path) -> Study:
    """Read and check a study file, the two files it names, and every point of it.

    Raises:
        ConfigurationError: a file is absent or wrong, or a point is; names the key, the found, the accepted.
    """
    text = read_text(path)
    content = parse_yaml(text, str(path), StudyFile)
    beside = path.resolve().parent  # workers may run elsewhere
    bench = read_bench_file(beside / content.bench)
    experiment = read_experiment_file(beside / content.experiment)
    bench_content = parse_mapping(bench.text, str(bench.path), BenchFile)
    experiment_content = parse_mapping(experiment.text, str(experiment.path), ExperimentFile)
    targets = {
        key: [_path(path, key, one) for one in _paths(key, values)] for key, values in content.sweep.items()
    }
    points = []
    for chosen in _choices(content):
        contents = {"bench": deepcopy(bench_content), "experiment": deepcopy(experiment_content)}
        for key, value in chosen.items():
            for target in targets[key]:
                _set(contents, target, value, f"{path}: sweep.{key}")
        where = f"{path}: with " + ", ".join(f"{key} = {value}" for key, value in chosen.items())
        parsed_bench = parse_content(contents["bench"], f"{where}: bench", BenchFile)
        parsed_experiment = parse_content(contents["experiment"], f"{where}: experiment", ExperimentFile)
        parsed = {"bench": parsed_bench, "experiment": parsed_experiment}
        points.append(
            Point(
                {key: _plotted(parsed, targets[key][0], value) for key, value in chosen.items()},
                BenchDescription(bench.path, bench.text, parsed_bench),
                ExperimentDescription(experiment.path, experiment.text, parsed_experiment),
                contents["bench"],
                contents["experiment"],
            )
        )
    return Study(path, text, content, bench, experiment, tuple(points))


def _choices(content: StudyFile) -> Iterator[dict[str, object]]:
    """Values of all parameters, point by point."""
    ranges = {
        key: values.values if isinstance(values, LinkedSection) else values
        for key, values in content.sweep.items()
    }
    if content.sampling == "grid":
        lists = [_listed(one) for one in ranges.values()]
        for values in itertools.product(*lists):
            yield dict(zip(ranges, values, strict=True))
        return
    rng = np.random.default_rng(content.sampling_seed)
    for _ in range(content.samples):
        yield {
            key: one.at(float(rng.random())) if isinstance(one, RangeSection) else one[rng.integers(len(one))]
            for key, one in ranges.items()
        }


def _listed(values: list[Any] | RangeSection) -> Sequence[object]:
    if not isinstance(values, RangeSection):
        return values
    return [values.at(float(share)) for share in np.linspace(0.0, 1.0, values.points or 2)]


def _paths(key: str, values: object) -> list[str]:
    return values.paths if isinstance(values, LinkedSection) else [key]


def _path(file: Path, key: str, dotted: str) -> tuple[str, ...]:
    """A dotted path from its root on.

    Raises:
        ConfigurationError: it begins with no known root.
    """
    first, *rest = dotted.split(".")
    if first not in _ROOTS or not rest or not all(rest):
        raise ConfigurationError(
            f"{file}: sweep.{key}: found the path {dotted!r}; one that begins with bench., experiment. or "
            "die. is accepted, for instance die.spread.critical_voltage"
        )
    return (*_ROOTS[first], *rest)


def _set(contents: dict[str, dict[str, Any]], target: Sequence[str], value: object, where: str) -> None:
    """Put a value at a path; sections that the file leaves to their defaults come into being."""
    place: Any = contents
    for depth, part in enumerate(target):
        last = depth == len(target) - 1
        if isinstance(place, list):
            if not part.isdigit() or int(part) >= len(place):
                raise ConfigurationError(
                    f"{where}: {'.'.join(target[: depth + 1])}: found {part!r} in a list of {len(place)}; "
                    f"0 to {len(place) - 1} is accepted"
                )
            if last:
                place[int(part)] = value
            else:
                place = place[int(part)]
        elif isinstance(place, dict):
            if last:
                place[part] = value
            else:
                if place.get(part) is None:
                    place[part] = {}
                place = place[part]
        else:
            raise ConfigurationError(
                f"{where}: {'.'.join(target[:depth])} is {place!r}, which holds no key {part!r}"
            )


def _plotted(parsed: Mapping[str, BaseModel], target: Sequence[str], value: object) -> float | str:
    """The value in SI as the file was understood, or its text."""
    if _is_number(value):
        return float(value)  # a bare number has no unit, so it is SI already
    place: Any = parsed[target[0]]
    for part in target[1:]:
        # Tiles are the only list of sections, and have whole numbers, not quantities.
        place = getattr(place, part, None)
    return float(place) if _is_number(place) else str(value)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _split(value: _Number) -> tuple[float, str]:
    """Number and unit."""
    if not isinstance(value, str):
        return float(value), ""
    found = _NUMBER.fullmatch(value)
    if found is None:
        raise ValueError(f"found {value!r}; a number or a quantity such as '1 ohm' is accepted")
    return float(found[1]), found[2].strip()
