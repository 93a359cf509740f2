"""Commands that train networks and run them."""

from pathlib import Path
from typing import Annotated

import typer

from ...errors import ConfigurationError
from .options import (
    INTERRUPTED,
    MOST_SEED,
    RUNS,
    Arm,
    AsJson,
    Bench,
    Experiment,
    Runs,
    Seed,
    errors,
    print_json,
)


def train(
    bench: Bench,
    experiment: Experiment,
    seed: Seed = 0,
    arm: Arm = False,
    runs: Runs = RUNS,
    as_json: AsJson = False,
    report: Annotated[bool, typer.Option(help="Also write the report of the run.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Rehearse on a simulated die; nothing is opened or recorded.")
    ] = False,
    die: Annotated[
        Path | None, typer.Option(help="Die file of the dry run, such as `mtjloop fit` writes.")
    ] = None,
) -> None:
    """Train a network, or a restricted Boltzmann machine, in situ on the crossbars of the bench."""
    with errors():
        if die is not None and not dry_run:
            raise ConfigurationError(
                "--die belongs to --dry-run; name the die in the bench file to train on it"
            )
        if dry_run:
            from ..dry_run_command import dry_run as rehearse
            from ..dry_run_command import print_dry_run

            rehearsed = rehearse(bench, experiment, die, seed)
            if as_json:
                print_json(rehearsed)
            else:
                print_dry_run(rehearsed)
            if rehearsed["interrupted"]:
                raise typer.Exit(INTERRUPTED)
            return
        from ..rbm_file import is_rbm_file

        if is_rbm_file(experiment):
            from ..rbm_command import print_rbm as print_result
            from ..rbm_command import train_rbm as work
        else:
            from ..text import print_training as print_result
            from ..train_command import train as work

        result = work(bench, experiment, seed, runs, arm)
        page = None
        if report:
            from ..report.page import write_report

            page = write_report(Path(str(result["run_dir"])))
            result["report"] = str(page)
        if as_json:
            print_json(result)
        else:
            print_result(result, page)
        if result["interrupted"]:
            raise typer.Exit(INTERRUPTED)


def infer(
    run: Annotated[
        str, typer.Argument(help="Run of `train`: directory, id, unique beginning of it, or `last`.")
    ],
    bench: Annotated[Path | None, typer.Option(help="Another bench; default: that of the run.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Built-in set, .csv or .npz; default: the test part of the run.")
    ] = None,
    write: Annotated[
        bool,
        typer.Option("--program/--no-program", help="Program the network first, or take the chip as it is."),
    ] = True,
    predictions: Annotated[
        Path | None, typer.Option(help="Write predicted classes to this CSV file.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MOST_SEED, help="Seed of the die; default: that of the run.")
    ] = None,
    arm: Arm = False,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Put a trained network on a bench and run samples through it."""
    with errors():
        from ..infer_command import infer as work
        from ..text import print_inference, write_predictions

        result, predicted = work(run, bench, data, write, seed, runs, arm)
        if predictions is not None:
            write_predictions(predictions, predicted)
        if as_json:
            print_json({**result, "predictions": predicted})
        else:
            print_inference(result)


def transfer(
    bench: Bench,
    network: Annotated[Path, typer.Argument(help="NPZ file: W0, b0, W1, ... in -1, 0, 1; activation; gain.")],
    data: Annotated[
        str, typer.Option(help="Built-in set, .csv or .npz, with features as the network takes them.")
    ],
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Find the gain of each layer on the chip, whatever the file names."),
    ] = False,
    devices: Annotated[
        int, typer.Option(min=1, max=64, help="Cells in parallel on each side of a weight.")
    ] = 1,
    predictions: Annotated[
        Path | None, typer.Option(help="Write predicted classes to this CSV file.")
    ] = None,
    seed: Seed = 0,
    arm: Arm = False,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Write a network trained elsewhere into the crossbars, verify it, and run samples through it."""
    with errors():
        from ..text import write_predictions
        from ..transfer_command import print_transfer
        from ..transfer_command import transfer as work

        result, predicted = work(bench, network, data, calibrate, devices, seed, runs, arm)
        if predictions is not None:
            write_predictions(predictions, predicted)
        if as_json:
            print_json({**result, "predictions": predicted})
        else:
            print_transfer(result)
