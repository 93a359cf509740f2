"""The `mtjloop` command. Heavy imports stay inside the commands, so that `--help` answers at once."""

from typing import Annotated

import typer

from .. import __version__
from .commands import bench, chip, runs, simulation, studies, switching, training

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Control magnetic-tunnel-junction crossbars, simulated or on a bench: map, program, train in situ.",
)

# In the order in which `--help` lists them.
app.command()(bench.init)
app.command()(simulation.die)
app.command()(simulation.twin)
app.command()(bench.check)
app.command()(bench.plan)
app.command("map")(chip.map_)
app.command()(chip.program)
app.command()(switching.characterize)
app.command()(switching.probabilities)
app.command()(switching.fit)
app.command()(training.train)
app.command()(training.infer)
app.command()(training.transfer)
app.command()(studies.compare)
app.command()(studies.study)
app.command()(runs.report)
app.command("runs")(runs.runs_)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"mtjloop {__version__}")
        raise typer.Exit


def run() -> None:
    """The whole command line; `entry.run` is the entry point."""
    app()
