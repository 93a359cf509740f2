"""Arguments and options that commands share, and how a command ends."""

import errno
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ...errors import ConfigurationError, MtjloopError, StoppedError

MOST_SEED = 2**63 - 1
RUNS = Path("runs")
INTERRUPTED = 130
"""Exit code after a stop signal, as shells have it."""
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
"""What a full disk, a size limit and a quota are called; compiled kernels are stored on disk too."""

Bench = Annotated[Path, typer.Argument(help="Bench file (YAML); `mtjloop init` writes one.")]
Experiment = Annotated[Path, typer.Argument(help="Experiment file (YAML).")]
Seed = Annotated[
    int,
    typer.Option(
        min=0, max=MOST_SEED, help="Seed of all chance; also draws the die, unless the bench file fixes it."
    ),
]
Runs = Annotated[Path, typer.Option(help="Directory that holds the run directories.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]
Arm = Annotated[
    bool, typer.Option("--arm", help="Let a bench of instruments be energised; `mtjloop check` it first.")
]
Tile = Annotated[int | None, typer.Option(min=0, help="Number of one tile of the bench.")]


@contextmanager
def errors() -> Iterator[None]:
    """Turn errors a user can meet into one message on standard error and an exit code."""
    try:
        yield
    except StoppedError as error:
        print(f"mtjloop: {error}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except MtjloopError as error:
        print(f"mtjloop: {error}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(f"mtjloop: nothing more can be written ({error}); free space and repeat", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print("mtjloop: interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def quantity(option: str, text: str | None, kind: str) -> float | None:
    """The value of an option with a unit, in SI, above 0; None if the option was not given.

    Raises:
        ConfigurationError: it is no quantity of that kind, or not above 0.
    """
    from ...drivers.quantities import parse_quantity

    if text is None:
        return None
    try:
        value = parse_quantity(text, kind)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from None
    if not value > 0.0:
        raise ConfigurationError(f"{option}: found {text!r}; a {kind} above 0 is accepted")
    return value


def print_json(result: object) -> None:
    """One JSON object on standard output."""
    print(json.dumps(result, allow_nan=False))
