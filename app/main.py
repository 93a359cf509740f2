"""The `mtjloop` command. Heavy imports stay inside the commands, so that `--help` answers at once."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..errors import ConfigurationError, MtjloopError, StoppedError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Control magnetic-tunnel-junction crossbars, simulated or on a bench: map, program, train in situ.",
)

_MOST_SEED = 2**63 - 1

Bench = Annotated[Path, typer.Argument(help="Bench file (YAML); `mtjloop init` writes one.")]
Seed = Annotated[
    int,
    typer.Option(
        min=0, max=_MOST_SEED, help="Seed of all chance; also draws the die, unless the bench file fixes it."
    ),
]
Runs = Annotated[Path, typer.Option(help="Directory that holds the run directories.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]
Arm = Annotated[
    bool, typer.Option("--arm", help="Let a bench of instruments be energised; `mtjloop check` it first.")
]
Tile = Annotated[int | None, typer.Option(min=0, help="Number of one tile of the bench.")]

_RUNS = Path("runs")
_INTERRUPTED = 130


@app.command()
def init(
    directory: Annotated[
        Path, typer.Argument(help="Where to write bench.yaml and experiment.yaml.")
    ] = Path(),
    force: Annotated[bool, typer.Option(help="Overwrite existing files.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Also write plan.yaml for `characterize`.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented bench file and experiment file."""
    with _errors():
        from .init_command import init as work

        paths = work(directory, force, plan)
        if as_json:
            _print_json({"written": [str(path) for path in paths]})
        else:
            print("wrote " + ", ".join(str(path) for path in paths[:-1]) + f" and {paths[-1]}")
            print(f"next: mtjloop train {paths[0]} {paths[1]} --report")
            if plan:
                print(f"or: mtjloop characterize {paths[0]} {paths[2]}")


@app.command()
def die(
    bench: Bench,
    plot: Annotated[
        Path | None, typer.Option(help="Draw histograms, correlations and P(V) into a .png, .svg or .pdf.")
    ] = None,
    width: Annotated[
        list[str] | None, typer.Option(help="Pulse width of a P(V) curve, such as '100 us'; may be repeated.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Show a simulated die as drawn: the one command that looks at what the simulator hides."""
    with _errors():
        from .die_command import describe_die, parsed_widths, print_die

        widths = parsed_widths(width or ())
        result, views = describe_die(bench, seed)
        if plot is not None:
            from .die_figure import draw_die

            draw_die(plot, f"{result['bench']}: die {result['seed']} as drawn", views, widths)
            result["plot"] = str(plot)
        if as_json:
            _print_json(result)
        else:
            print_die(result, views)
            if plot is not None:
                print(f"plot: {plot}")


@app.command()
def twin(
    bench: Bench,
    write: Annotated[Path | None, typer.Option(help="Write the bench file that points to the twin.")] = None,
    protocol: Annotated[
        str, typer.Option(help="socket, hislip, vxi11 or serial (a pseudo-terminal).")
    ] = "socket",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="TCP port of the first instrument; 0 takes free ones.")
    ] = 0,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Let bench time pass by the wall clock.")
    ] = False,
    noise: Annotated[bool, typer.Option(help="Measurement noise and resolution.")] = True,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME@INSTRUMENT, NAME@INSTRUMENT:SKIP or stuck-relay=1B05@INSTRUMENT; repeatable."
        ),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Serve emulated instruments around the simulated die of a bench file, until Ctrl-C."""
    with _errors():
        from .twin_command import parse_protocol, run_twin

        run_twin(
            bench,
            write=write,
            realtime=realtime,
            seed=seed,
            noise=noise,
            faults=fault or (),
            protocol=parse_protocol(protocol),
            port=port,
            as_json=as_json,
        )


@app.command()
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
    runs: Runs = _RUNS,
    as_json: AsJson = False,
) -> None:
    """Check a bench: instruments, outputs off, relays open; nothing is energised unless --arm is given."""
    with _errors():
        from ..protocols.electrical import Bounds
        from .check_command import check_bench, print_check

        bounds = Bounds(_quantity("--short", short, "resistance"), _quantity("--open", open_, "resistance"))
        if not arm and (switch or plot is not None):
            raise ConfigurationError("--switch and --plot need the electrical check: give --arm too")
        if plot is not None:
            from .check_figure import check_plot_name

            check_plot_name(plot)
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
            from .check_figure import draw_check

            draw_check(plot, f"{result['bench']}: resistance at read voltage", tiles)
            result["plot"] = str(plot)
        if as_json:
            _print_json(result)
        else:
            print_check(result, tiles, arm)
            if "plot" in result:
                print(f"plot: {plot}")
        if result["interrupted"]:
            raise typer.Exit(_INTERRUPTED)
        if not result["passed"]:
            raise typer.Exit(1)


@app.command()
def plan(
    bench: Bench,
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say what training takes on a bench: steps, relays, round trips, time. Nothing is opened."""
    with _errors():
        from .plan_command import plan as work
        from .plan_command import print_plan

        result = work(bench, experiment, seed)
        if as_json:
            _print_json(result)
        else:
            print_plan(result)


@app.command("map")
def map_(
    bench: Bench,
    tile: Tile = None,
    threshold: Annotated[
        str | None, typer.Option(help="Resistance between P and AP, such as '7.5 kohm'.")
    ] = None,
    seed: Seed = 0,
    arm: Arm = False,
    runs: Runs = _RUNS,
    as_json: AsJson = False,
) -> None:
    """Read the resistance and the state of every cell."""
    with _errors():
        from .map_command import map_tiles
        from .text import print_map

        ohm = _quantity("--threshold", threshold, "resistance")
        result, maps = map_tiles(bench, tile, ohm, seed, runs, arm)
        if as_json:
            _print_json(result)
        else:
            print_map(result, maps)
        if result["interrupted"]:
            raise typer.Exit(_INTERRUPTED)


@app.command()
def program(
    bench: Bench,
    pattern: Annotated[
        str,
        typer.Argument(
            help="checkerboard, stripes, p, ap, random, or a .csv / .npy file of 1 (P), 0 (AP), -1 (any)."
        ),
    ],
    tile: Annotated[int, typer.Option(min=0, max=_MOST_SEED, help="Number of the tile.")] = 0,
    seed: Seed = 0,
    arm: Arm = False,
    runs: Runs = _RUNS,
    as_json: AsJson = False,
) -> None:
    """Program a pattern into a tile, verify it, retry, and report the cells that failed (exit code 1)."""
    with _errors():
        from .program_command import program_tile
        from .text import print_program

        result, report = program_tile(bench, pattern, tile, seed, runs, arm)
        if as_json:
            _print_json(result)
        else:
            print_program(result)
        if report.stopped:
            raise typer.Exit(_INTERRUPTED)
        if report.failed:
            raise typer.Exit(1)


@app.command()
def characterize(
    bench: Bench,
    plan: Annotated[Path, typer.Argument(help="Plan file (YAML); `mtjloop init --plan` writes one.")],
    arm: Arm = False,
    seed: Seed = 0,
    runs: Runs = _RUNS,
    as_json: AsJson = False,
) -> None:
    """Measure switching probabilities of chosen cells, trial by trial."""
    with _errors():
        from .characterize_command import characterize as work
        from .characterize_command import print_characterize

        result = work(bench, plan, seed, runs, arm)
        if as_json:
            _print_json(result)
        else:
            print_characterize(result)
        if result["interrupted"]:
            raise typer.Exit(_INTERRUPTED)


@app.command()
def probabilities(
    run: Annotated[
        str,
        typer.Argument(help="Run of `characterize` or `train`: directory, id, its beginning, or `last`."),
    ] = "last",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    runs: Runs = _RUNS,
    as_json: AsJson = False,
) -> None:
    """Show how often each device switched: k, n, P and its intervals by polarity, width and voltage."""
    with _errors():
        from .probabilities_command import print_as, rows_of

        print_as(*rows_of(run, runs), as_json=as_json, as_csv=as_csv)


@app.command()
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
    runs: Runs = _RUNS,
    as_json: AsJson = False,
) -> None:
    """Fit Delta and V_c0 of every device of a run, and write a die file for the simulator."""
    with _errors():
        from .fit_command import FitRequest
        from .fit_command import fit as work
        from .fit_result import print_fit

        unit = _quantity("--time-unit", time_unit, "time")
        request = FitRequest(law, unit, fit_time, compare, output, join, overdispersed)
        result = work(run, runs, request)
        if as_json:
            _print_json(result)
        else:
            print_fit(result)


@app.command()
def train(
    bench: Bench,
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    seed: Seed = 0,
    arm: Arm = False,
    runs: Runs = _RUNS,
    as_json: AsJson = False,
    report: Annotated[bool, typer.Option(help="Also write the report of the run.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Rehearse on a simulated die; nothing is opened or recorded.")
    ] = False,
    die: Annotated[
        Path | None, typer.Option(help="Die file of the dry run, such as `mtjloop fit` writes.")
    ] = None,
) -> None:
    """Train a network in situ, on the crossbars of the bench."""
    with _errors():
        if die is not None and not dry_run:
            raise ConfigurationError(
                "--die belongs to --dry-run; name the die in the bench file to train on it"
            )
        if dry_run:
            from .dry_run_command import dry_run as rehearse
            from .dry_run_command import print_dry_run

            rehearsed = rehearse(bench, experiment, die, seed)
            if as_json:
                _print_json(rehearsed)
            else:
                print_dry_run(rehearsed)
            if rehearsed["interrupted"]:
                raise typer.Exit(_INTERRUPTED)
            return
        from .text import print_training
        from .train_command import train as work

        result = work(bench, experiment, seed, runs, arm)
        page = None
        if report:
            from .report.page import write_report

            page = write_report(Path(str(result["run_dir"])))
            result["report"] = str(page)
        if as_json:
            _print_json(result)
        else:
            print_training(result, page)
        if result["interrupted"]:
            raise typer.Exit(_INTERRUPTED)


@app.command()
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
        int | None, typer.Option(min=0, max=_MOST_SEED, help="Seed of the die; default: that of the run.")
    ] = None,
    arm: Arm = False,
    runs: Runs = _RUNS,
    as_json: AsJson = False,
) -> None:
    """Put a trained network on a bench and run samples through it."""
    with _errors():
        from .infer_command import infer as work
        from .text import print_inference, write_predictions

        result, predicted = work(run, bench, data, write, seed, runs, arm)
        if predictions is not None:
            write_predictions(predictions, predicted)
        if as_json:
            _print_json({**result, "predictions": predicted})
        else:
            print_inference(result)


@app.command()
def report(
    run: Annotated[
        str, typer.Argument(help="Run directory, id, unique beginning of it, or `last`.")
    ] = "last",
    output: Annotated[Path | None, typer.Option(help="HTML file; default: report.html in the run.")] = None,
    runs: Runs = _RUNS,
    as_json: AsJson = False,
) -> None:
    """Write the report of a run: one self-contained HTML file."""
    with _errors():
        from ..records.index import find_run
        from .report.page import write_report

        page = write_report(find_run(runs, run), output)
        if as_json:
            _print_json({"report": str(page)})
        else:
            print(f"report: {page}")


@app.command("runs")
def runs_(runs: Runs = _RUNS, as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    with _errors():
        from ..records.index import list_runs
        from .text import print_runs, run_row

        entries = list_runs(runs)
        if as_json:
            _print_json({"runs": [run_row(entry) for entry in entries]})
        else:
            print_runs(entries, runs)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"mtjloop {__version__}")
        raise typer.Exit


@contextmanager
def _errors() -> Iterator[None]:
    """Turn errors a user can meet into one message on standard error and an exit code."""
    try:
        yield
    except StoppedError as error:
        print(f"mtjloop: {error}", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED) from None
    except MtjloopError as error:
        print(f"mtjloop: {error}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from None
    except KeyboardInterrupt:
        print("mtjloop: interrupted", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED) from None


def _quantity(option: str, text: str | None, kind: str) -> float | None:
    from ..drivers.quantities import parse_quantity

    if text is None:
        return None
    try:
        return parse_quantity(text, kind)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from None


def _print_json(result: object) -> None:
    print(json.dumps(result, allow_nan=False))


def run() -> None:
    """The whole command line; `entry.run` is the entry point."""
    app()
