"""The `mtjloop` command."""


def run() -> None:
    """Entry point of the `mtjloop` command."""
