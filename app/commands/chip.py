"""Commands that read and write the cells of a tile."""

from typing import Annotated

import typer

from .options import (
    INTERRUPTED,
    MOST_SEED,
    RUNS,
    Arm,
    AsJson,
    Bench,
    Runs,
    Seed,
    Tile,
    errors,
    print_json,
    quantity,
)


def map_(
    bench: Bench,
    tile: Tile = None,
    threshold: Annotated[
        str | None, typer.Option(help="Resistance between P and AP, such as '7.5 kohm'.")
    ] = None,
    seed: Seed = 0,
    arm: Arm = False,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Read the resistance and the state of every cell."""
    with errors():
        from ..map_command import map_tiles
        from ..text import print_map

        ohm = quantity("--threshold", threshold, "resistance")
        result, maps = map_tiles(bench, tile, ohm, seed, runs, arm)
        if as_json:
            print_json(result)
        else:
            print_map(result, maps)
        if result["interrupted"]:
            raise typer.Exit(INTERRUPTED)


def program(
    bench: Bench,
    pattern: Annotated[
        str,
        typer.Argument(
            help="checkerboard, stripes, p, ap, random, or a .csv / .npy file of 1 (P), 0 (AP), -1 (any)."
        ),
    ],
    tile: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Number of the tile.")] = 0,
    seed: Seed = 0,
    arm: Arm = False,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Program a pattern into a tile, verify it, retry, and report the cells that failed (exit code 1)."""
    with errors():
        from ..program_command import program_tile
        from ..text import print_program

        result, report = program_tile(bench, pattern, tile, seed, runs, arm)
        if as_json:
            print_json(result)
        else:
            print_program(result)
        if report.stopped:
            raise typer.Exit(INTERRUPTED)
        if report.failed:
            raise typer.Exit(1)
