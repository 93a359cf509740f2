"""Commands about switching probabilities: measure, show, fit."""

from pathlib import Path
from typing import Annotated

import typer

from .options import INTERRUPTED, RUNS, Arm, AsJson, Bench, Runs, Seed, errors, print_json, quantity


def characterize(
    bench: Bench,
    plan: Annotated[Path, typer.Argument(help="Plan file (YAML); `mtjloop init --plan` writes one.")],
    arm: Arm = False,
    seed: Seed = 0,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Measure switching probabilities of chosen cells, trial by trial."""
    with errors():
        from ..characterize_command import characterize as work
        from ..characterize_command import print_characterize

        result = work(bench, plan, seed, runs, arm)
        if as_json:
            print_json(result)
        else:
            print_characterize(result)
        if result["interrupted"]:
            raise typer.Exit(INTERRUPTED)


def probabilities(
    run: Annotated[
        str,
        typer.Argument(help="Run of `characterize` or `train`: directory, id, its beginning, or `last`."),
    ] = "last",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Show how often each device switched: k, n, P and its intervals by polarity, width and voltage."""
    with errors():
        from ..probabilities_command import print_as, rows_of

        print_as(*rows_of(run, runs), as_json=as_json, as_csv=as_csv)


def fit(
    run: Annotated[
        str, typer.Argument(help="Run of `characterize` or `train`: directory, id, its beginning, or `last`.")
    ] = "last",
    law: Annotated[
        str | None, typer.Option(help="fokker-planck, neel-brown-1 or neel-brown-2; default: of the plan.")
    ] = None,
    time_unit: Annotated[
        str | None, typer.Option(help="tau_D or tau0, such as '1.9 ns'; default: of the plan or bench file.")
    ] = None,
    fit_time: Annotated[
        bool, typer.Option("--fit-time", help="Fit the unit of time of each device.")
    ] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Fit the other laws too.")] = False,
    join: Annotated[
        str,
        typer.Option(help="Polarities of a cell: separate, shared (one Delta), field (and a field) or auto."),
    ] = "separate",
    overdispersed: Annotated[
        bool, typer.Option("--overdispersed", help="Beta-binomial fit, for blocks that scatter.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Die file to write; default: fitted-die.yaml in the run.")
    ] = None,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Fit Delta and V_c0 of every device of a run, and write a die file for the simulator."""
    with errors():
        from ..fit_command import FitRequest
        from ..fit_command import fit as work
        from ..fit_result import print_fit

        unit = quantity("--time-unit", time_unit, "time")
        request = FitRequest(law, unit, fit_time, compare, output, join, overdispersed)
        result = work(run, runs, request)
        if as_json:
            print_json(result)
        else:
            print_fit(result)
