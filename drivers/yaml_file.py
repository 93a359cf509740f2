"""Reading a YAML file into a model, with errors that name the file, the key, the found and the accepted."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ConfigurationError


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
            f"{path}: no such file; `mtjloop init` writes a bench file and an experiment file"
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
        raise ConfigurationError(describe(error, name, model)) from None


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


def describe(error: ValidationError, name: str, model: type[BaseModel]) -> str:
    """One line a problem: file, key, what was found, what is accepted."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "(top)"
        kind = problem["type"]
        if kind == "extra_forbidden":
            known = _keys_beside(problem["loc"], model)
            lines.append(f"{name}: {key}: unknown key; accepted here: {', '.join(known)}")
        elif kind == "missing":
            lines.append(f"{name}: {key}: this key is missing")
        elif kind == "value_error":
            lines.append(f"{name}: {key}: {problem['ctx']['error']}")
        else:
            lines.append(f"{name}: {key}: found {problem['input']!r}; {problem['msg'].lower()}")
    return "\n".join(lines)


def _keys_beside(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
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
