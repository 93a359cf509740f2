"""Entry point of the `mtjloop` command."""

import sys


def run() -> None:
    """Answer; a plain `mtjloop probabilities` at once, without what the command line imports."""
    if sys.argv[1:2] == ["probabilities"]:
        from .probabilities_command import answered

        if answered(sys.argv[2:]):
            return
    from .main import run as whole

    whole()
