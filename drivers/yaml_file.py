"""Reading a YAML file into a model, with errors that name the file, the key, the found and the accepted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from ..errors import ConfigurationError

Location = tuple[int | str, ...]
"""Keys and places of lists on the way to a value."""


class Section(BaseModel):
    """Base of all sections of a file: frozen, unknown keys forbidden, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Section)


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, which plain YAML lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is no text", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigurationError: absent, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: no such file; `mtjloop init` writes a bench file and an experiment file, with --plan "
            "a plan file too"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def parse_yaml(text: str, name: str, model: type[Model]) -> Model:
    """Parse YAML text into `model`; `name` stands for the file in errors.

    Raises:
        ConfigurationError: naming the file, the key, what was found and what is accepted.
    """
    return parse_content(parse_mapping(text, name, model), name, model)


def parse_content(content: dict[str, Any], name: str, model: type[Model]) -> Model:
    """Parse what YAML text held into `model`; see `parse_yaml`.

    Raises:
        ConfigurationError: naming the file, the key, what was found and what is accepted.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(describe(error, content, name, model)) from None


def parse_mapping(text: str, name: str, model: type[BaseModel]) -> dict[str, Any]:
    """Parse YAML text that holds a mapping, without checking its values.

    Raises:
        ConfigurationError: no YAML, or no mapping; names the file and the keys of `model`.
    """
    try:
        content = yaml.load(text, Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{name}: found {type(content).__name__} at the top; a mapping with the keys "
            f"{', '.join(model.model_fields)} is accepted"
        )
    return content


def describe(error: ValidationError, content: dict[str, Any], name: str, model: type[BaseModel]) -> str:
    """One line a problem: file, key, what was found in the content, what is accepted."""
    found = [(_place(problem["loc"], content), problem) for problem in error.errors()]
    lines: dict[str, str] = {}
    for place, problem in found:
        if _other_shape(place, problem, found):
            continue
        said = _said(problem, model)
        key = f"{name}: {'.'.join(str(part) for part in place) or '(top)'}: "
        if key in lines:  # the shapes of a value that may have several
            said = f"{lines[key]}, or {said.partition('; ')[2] or said}"
        lines[key] = said
    return "\n".join(f"{key}{said}" for key, said in lines.items())


def _said(problem: ErrorDetails, model: type[BaseModel]) -> str:
    """What was found at a key, and what is accepted."""
    match problem["type"]:
        case "extra_forbidden":
            known = _keys_beside(problem["loc"], model)
            return f"unknown key; accepted here: {', '.join(known)}"
        case "missing":
            return "this key is missing"
        case "value_error":
            return str(problem["ctx"]["error"])
        case "model_type":  # pydantic names the class
            return f"found {problem['input']!r}; input should be a mapping"
        case _:
            return f"found {problem['input']!r}; {problem['msg'].lower()}"


_SHAPES = ("model_type", "list_type", "literal_error")
"""Problems of a value that is none of what a key takes, such as a list, a mapping or a word."""


def _place(location: Location, content: Any) -> Location:
    """Keys as the file has them: pydantic also names which of several shapes of a value it tried."""
    place: list[int | str] = []
    for part in location:
        within = content[part] if _holds(content, part) else None
        if within is None and isinstance(part, str) and _names_shape(part):
            continue
        content = within
        place.append(part)
    return tuple(place)


def _names_shape(part: str) -> bool:
    """Whether this is a word of pydantic for a shape, such as `constrained-int`, and no key of ours."""
    return "[" in part or "-" in part or part[:1].isupper() or part in ("bool", "float", "int", "str")


def _holds(content: Any, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(content, list) and part < len(content)
    return isinstance(content, dict) and part in content


def _other_shape(
    place: Location, problem: ErrorDetails, found: Sequence[tuple[Location, ErrorDetails]]
) -> bool:
    """Whether the value has another of the shapes that its key takes, and the real problem lies there."""
    if place == problem["loc"] or problem["type"] not in _SHAPES:
        return False
    return any(
        other[: len(place)] == place and (len(other) > len(place) or one["type"] not in _SHAPES)
        for other, one in found
    )


def _keys_beside(location: Location, model: type[BaseModel]) -> list[str]:
    """The keys that the section of an unknown key accepts."""
    section: type[BaseModel] = model
    for part in location[:-1]:
        field = section.model_fields.get(str(part)) if isinstance(part, str) else None
        if field is None:
            continue
        inner = _section_of(field.annotation)
        if inner is not None:
            section = inner
    return list(section.model_fields)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _section_of(inner)
        if found is not None:
            return found
    return None
