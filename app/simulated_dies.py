"""Dies drawn like that of a bench file, for commands that ask how an experiment does from die to die."""

from ..drivers.bench import Bench, BenchDescription, open_bench
from ..drivers.contract import Crossbar
from ..drivers.die_file import SpreadSection
from ..drivers.ideal import IdealCrossbar, ideal_median, ideal_spread
from ..drivers.stand_in import stand_ins
from ..protocols.settings import PulseSettings


def drawn_dies(description: BenchDescription) -> BenchDescription:
    """The bench with a die that follows the seed and is forgotten afterwards."""
    section = description.content.simulated
    if section is None:
        return description
    die = section.die.model_copy(update={"seed": None})
    simulated = section.model_copy(update={"die": die, "memory": None})
    content = description.content.model_copy(update={"simulated": simulated})
    return BenchDescription(description.path, description.text, content)


def simulated_crossbars(description: BenchDescription, seed: int) -> tuple[Crossbar, ...]:
    """Crossbars of a simulated die, one a tile; no instrument is opened, whatever the backend is.

    Raises:
        ConfigurationError: the die cannot be drawn.
    """
    drawn = drawn_dies(description)
    if drawn.content.backend == "simulated":
        bench: Bench = open_bench(drawn, seed)
        return bench.crossbars
    return stand_ins(drawn, None, seed)[0]


def ideal_crossbars(description: BenchDescription, pulse: PulseSettings, seed: int) -> tuple[Crossbar, ...]:
    """Ideal crossbars of the same shapes, with the spread of the die of the bench file or the default die."""
    section = description.content.simulated
    target = SpreadSection() if section is None else section.die.spread
    spread = ideal_spread(target.critical_voltage, target.delta, pulse.width)
    median = ideal_median(pulse.search_from, pulse.search_to)
    return tuple(
        IdealCrossbar(one.capabilities, median, pulse.width, spread, seed * 4099 + number)
        for number, one in enumerate(simulated_crossbars(description, seed))
    )
