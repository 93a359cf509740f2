"""Commands that ask how an experiment does over many simulated dies."""

from pathlib import Path
from typing import Annotated

import typer

from .options import INTERRUPTED, RUNS, AsJson, Bench, Experiment, Runs, Seed, errors, print_json

Workers = Annotated[int | None, typer.Option(min=1, max=4096, help="Processes; default: one a core.")]


def compare(
    bench: Bench,
    experiment: Experiment,
    dies: Annotated[int, typer.Option(min=1, max=100_000, help="Dies, drawn by seeds from --seed on.")] = 20,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="in-situ, offline-transfer, manhattan, ideal-bernoulli, float, float-tanh; repeatable; "
            "default: all but float-tanh."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Figure (.png, .svg, .pdf); default: beside the result in --runs.")
    ] = None,
    workers: Workers = None,
    seed: Seed = 0,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Train in situ on many simulated dies, beside its baselines; no instrument is opened."""
    with errors():
        from ..compare_command import compare as work
        from ..compare_command import keep_comparison, print_compare
        from ..compare_figure import draw_compare
        from ..plot_file import check_plot

        if plot is not None:
            check_plot(plot)
        result = work(bench, experiment, dies, method or (), seed, workers)
        try:
            kept = keep_comparison(runs, result)
            result["result"] = str(kept)
            figure = plot or kept.with_suffix(".svg")
            draw_compare(figure, result)
            result["plot"] = str(figure)
        finally:  # what could not be kept or drawn is shown at least
            if as_json:
                print_json(result)
            else:
                print_compare(result)
                for name, key in (("result", "result"), ("figure", "plot")):
                    if key in result:
                        print(f"{name}: {result[key]}")
        if result["interrupted"]:
            raise typer.Exit(INTERRUPTED)
        if result["failed"] or result["error"]:
            raise typer.Exit(1)


def study(
    study: Annotated[Path, typer.Argument(help="Study file (YAML), see docs/study.md.")],
    results: Annotated[
        Path | None, typer.Option(help="Directory of the results; default: studies/NAME in --runs.")
    ] = None,
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a dask.distributed scheduler, such as tcp://host:8786."),
    ] = None,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Run an experiment over swept parameters, dies and seeds; what is finished is not run again."""
    with errors():
        from ..study_command import print_study
        from ..study_command import study as work

        result = work(study, results, runs, workers, scheduler)
        if as_json:
            print_json(result)
        else:
            print_study(result)
        if result["interrupted"]:
            raise typer.Exit(INTERRUPTED)
        if result["failed"] or result["error"]:
            raise typer.Exit(1)
