"""Commands about runs that are over."""

from pathlib import Path
from typing import Annotated

import typer

from .options import RUNS, AsJson, Runs, errors, print_json


def report(
    run: Annotated[
        str,
        typer.Argument(
            help="Run directory, id, unique beginning of it, or `last`; or a study: its file or its results."
        ),
    ] = "last",
    output: Annotated[Path | None, typer.Option(help="HTML file; default: report.html in the run.")] = None,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Write the report of a run, or of a study: one self-contained HTML file."""
    with errors():
        from ..study_results import find_study

        results = find_study(run, runs)
        if results is not None:
            from ..study_report import write_study_report

            page = write_study_report(results, output)
        else:
            from ...records.index import find_run
            from ..report.page import write_report

            page = write_report(find_run(runs, run), output)
        if as_json:
            print_json({"report": str(page)})
        else:
            print(f"report: {page}")


def runs_(runs: Runs = RUNS, as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    with errors():
        from ...records.index import list_runs
        from ..text import print_runs, run_row

        entries = list_runs(runs)
        if as_json:
            print_json({"runs": [run_row(entry) for entry in entries]})
        else:
            print_runs(entries, runs)
