"""Commands about simulated dies: what the simulator hides, and emulated instruments around one."""

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, Bench, Seed, errors, print_json


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
    with errors():
        from ..die_command import describe_die, parsed_widths, print_die

        if plot is not None:
            from ..plot_file import check_plot

            check_plot(plot)
        widths = parsed_widths(width or ())
        result, views = describe_die(bench, seed)
        if plot is not None:
            from ..die_figure import draw_die

            draw_die(plot, f"{result['bench']}: die {result['seed']} as drawn", views, widths)
            result["plot"] = str(plot)
        if as_json:
            print_json(result)
        else:
            print_die(result, views)
            if plot is not None:
                print(f"plot: {plot}")


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
    with errors():
        from ..twin_command import parse_protocol, run_twin

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
