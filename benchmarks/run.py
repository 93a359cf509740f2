"""`make bench`: timings as ratios within one run, printed as tables and written to benchmarks.json."""

import json
from pathlib import Path

from rich.console import Console

from .loop import loop_tables
from .solver import solver_table


def main() -> None:
    console = Console()
    found = {"solver": solver_table(console), **loop_tables(console)}
    Path("benchmarks.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
