"""`python -m mtjloop` is the `mtjloop` command."""

from .app.entry import run

if __name__ == "__main__":
    run()
