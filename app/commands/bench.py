"""Commands that prepare and check a bench."""

from pathlib import Path
from typing import Annotated

import typer

from ...errors import ConfigurationError
from .options import (
    INTERRUPTED,
    RUNS,
    AsJson,
    Bench,
    Experiment,
    Runs,
    Seed,
    Tile,
    errors,
    print_json,
    quantity,
)


def init(
    directory: Annotated[
        Path, typer.Argument(help="Where to write bench.yaml and experiment.yaml.")
    ] = Path(),
    force: Annotated[bool, typer.Option(help="Overwrite existing files.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Also write plan.yaml for `characterize`.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented bench file and experiment file."""
    with errors():
        from ..init_command import init as work

        paths = work(directory, force, plan)
        if as_json:
            print_json({"written": [str(path) for path in paths]})
        else:
            print("wrote " + ", ".join(str(path) for path in paths[:-1]) + f" and {paths[-1]}")
            print(f"next: mtjloop train {paths[0]} {paths[1]} --report")
            if plan:
                print(f"or: mtjloop characterize {paths[0]} {paths[2]}")


def check(
    bench: Bench,
    arm: Annotated[
        bool, typer.Option("--arm", help="Also read every cell: opens, shorts, lines that touch.")
    ] = False,
    switch: Annotated[
        bool, typer.Option("--switch", help="With --arm: pulse every cell both ways to find stuck ones.")
    ] = False,
    tile: Tile = None,
    short: Annotated[
        str | None, typer.Option(help="Resistance below which a cell is a short; default: median / 5.")
    ] = None,
    open_: Annotated[
        str | None, typer.Option("--open", help="Resistance above which a cell is open; default: 5 x median.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="With --arm: draw a heat map into a .png, .svg or .pdf.")
    ] = None,
    transcript: Annotated[
        Path | None, typer.Option(help="Keep every byte to and from the instruments, for a bug report.")
    ] = None,
    seed: Seed = 0,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Check a bench: instruments, outputs off, relays open; nothing is energised unless --arm is given."""
    with errors():
        from ...protocols.electrical import Bounds
        from ..check_command import check_bench, print_check

        bounds = Bounds(quantity("--short", short, "resistance"), quantity("--open", open_, "resistance"))
        if bounds.short is not None and bounds.open is not None and not bounds.short < bounds.open:
            raise ConfigurationError(f"--short {short}: this is not below --open {open_}")
        if not arm and (switch or plot is not None):
            raise ConfigurationError("--switch and --plot need the electrical check: give --arm too")
        if plot is not None:
            from ..plot_file import check_plot

            check_plot(plot)
        result, tiles = check_bench(
            bench,
            arm=arm,
            switch=switch,
            tile=tile,
            bounds=bounds,
            seed=seed,
            runs=runs,
            transcript=transcript,
        )
        if plot is not None and tiles:
            from ..check_figure import draw_check

            draw_check(plot, f"{result['bench']}: resistance at read voltage", tiles)
            result["plot"] = str(plot)
        if as_json:
            print_json(result)
        else:
            print_check(result, tiles, arm)
            if "plot" in result:
                print(f"plot: {plot}")
        if result["interrupted"]:
            raise typer.Exit(INTERRUPTED)
        if not result["passed"]:
            raise typer.Exit(1)


def plan(
    bench: Bench,
    experiment: Experiment,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say what training takes on a bench: steps, relays, round trips, time. Nothing is opened."""
    with errors():
        from ..plan_command import plan as work
        from ..plan_command import print_plan

        result = work(bench, experiment, seed)
        if as_json:
            print_json(result)
        else:
            print_plan(result)
