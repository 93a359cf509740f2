"""`mtjloop init`: write a commented bench file and experiment file, and a plan file if asked to."""

from importlib.resources import files
from pathlib import Path

from ..errors import ConfigurationError

_NAMES = ("bench.yaml", "experiment.yaml")
_PLAN = "plan.yaml"


def template(name: str) -> str:
    """Text of a template shipped with the package: `bench.yaml`, `experiment.yaml` or `plan.yaml`."""
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def init(directory: Path, force: bool, plan: bool = False) -> list[Path]:
    """Write the files; nothing is overwritten unless forced.

    Args:
        directory: where to; made if absent.
        force: overwrite existing files.
        plan: write a plan file for `mtjloop characterize` too.

    Returns:
        The paths written.

    Raises:
        ConfigurationError: a file exists already, or cannot be written.
    """
    paths = [directory / name for name in (*_NAMES, *((_PLAN,) if plan else ()))]
    existing = [str(path) for path in paths if path.exists()]
    if existing and not force:
        raise ConfigurationError(
            f"{', '.join(existing)}: exists already; choose another directory, or --force to overwrite"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in paths:
            path.write_text(template(path.name), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{directory}: cannot be written ({error}); choose another directory"
        ) from error
    return paths
