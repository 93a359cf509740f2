"""The file of a picture that `--plot` asks for: refused before the work, written after it."""

import io
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from ..errors import ConfigurationError
from .whole_file import write_whole

FORMATS = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Refuse a file that no picture can be written to; its directory is made.

    Raises:
        ConfigurationError: naming what is accepted.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigurationError(f"--plot {path}: a name that ends in {', '.join(FORMATS)} is accepted")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("ab"):
                pass
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as error:
        raise _unwritable(path, error) from error


def save_plot(figure: Figure, path: Path) -> None:
    """Write a picture; where it cannot be written, what was there stays.

    Raises:
        ConfigurationError: the kind of file is unknown, or it cannot be written.
    """
    check_plot(path)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix.lower()[1:])
    try:
        write_whole(path, drawn.getvalue())
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"--plot {path}: cannot be written ({error})")
