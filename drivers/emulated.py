"""The twin of a bench: emulated instruments around the simulated die of the same bench file.

This and the `simulated` backend are the only places of the package that reach the simulator.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import cast

from ..errors import ConfigurationError
from ..sim.die import draw_tile
from ..sim.network import Wires
from ..sim.twin import wiring as nets
from ..sim.twin.bench import Bench as TwinBench
from ..sim.twin.crosspoints import Cards
from ..sim.twin.die_array import DieArray
from ..sim.twin.faults import FAULT_NAMES, Endpoint, FaultName
from ..sim.twin.keithley707b import IDENTITY, Keithley707B
from ..sim.twin.keithley2600b import Keithley2600B
from ..sim.twin.keysight_b2900 import KeysightB2900
from ..sim.twin.server import PROTOCOLS, Address, Protocol, Served, serve
from ..sim.twin.tsp import Identity
from .bench import BenchDescription, die_key
from .chip_memory import ChipMemory
from .smu_file import InstrumentSection
from .wiring import Channel, MatrixColumn, Terminal, Wiring

__all__ = [
    "FAULT_NAMES",
    "PROTOCOLS",
    "Address",
    "Endpoint",
    "FaultName",
    "Protocol",
    "Served",
    "TwinBench",
    "emulated_bench",
    "serve",
    "serve_bench",
]

_CHANNELS = {"a": 1, "b": 2, "1": 1, "2": 2}
_CARD_COLUMNS = 12
"""Columns of the 8 x 12 cards of a 707B; a wider card is put in where the wiring needs one."""
_SERIAL_NUMBERS = {"keithley-2600b": "4012345", "keysight-b2900": "MY51140000", "keithley-707b": "1234567"}
"""Shown where the bench file names none."""


@contextlib.contextmanager
def serve_bench(
    description: BenchDescription,
    seed: int = 0,
    *,
    protocol: Protocol | Mapping[str, Protocol] = "socket",
    realtime: bool = False,
    noise: bool = True,
    first_port: int = 0,
) -> Iterator[Served]:
    """Serve the twin of a bench until the end of the block; a chip with a memory file is stored then.

    Args:
        description: of a bench with the sections `smu` and `simulated`.
        seed: of the die, where the bench file leaves it open, and of the noise.
        protocol: of all instruments, or of each by its name.
        realtime: whether time passes by the wall clock.
        noise: whether readings have noise and resolution.
        first_port: TCP port of the first instrument, the others follow; 0 takes free ones.

    Raises:
        ConfigurationError: see `emulated_bench`; or a port is taken, or the system has no pseudo-terminals.
        RecordError: another process has the chip, or it cannot be stored.
    """
    bench = emulated_bench(description, seed, realtime=realtime, noise=noise)
    memory = _memory(description, seed, bench)
    with contextlib.ExitStack() as stack:
        if memory is not None:
            stack.enter_context(memory.kept())
        try:
            served = stack.enter_context(serve(bench, protocol=protocol, first_port=first_port))
        except (ValueError, OSError) as error:
            raise ConfigurationError(f"{description.path}: cannot be served: {error}") from None
        yield served


def emulated_bench(
    description: BenchDescription, seed: int = 0, *, realtime: bool = False, noise: bool = True
) -> TwinBench:
    """Every instrument of a bench file, emulated, wired to the die of its section `simulated`.

    Tiles are drawn exactly as the `simulated` backend draws them with this seed. Its `electronics` do not
    matter here: the instruments bring their own.

    Args:
        description: of a bench with the sections `smu` and `simulated`.
        seed: of the die, where the bench file leaves it open, and of the noise.
        realtime: whether time passes by the wall clock.
        noise: whether readings have noise and resolution; without, they are exact.

    Raises:
        ConfigurationError: a section is missing, an instrument has no emulator, the die cannot be drawn, or
            the extra `twin` is not installed.
    """
    content = description.content
    if content.smu is None or content.simulated is None:
        missing = "smu" if content.smu is None else "simulated"
        raise ConfigurationError(
            f"{description.path}: {missing}: this key is missing; a twin needs the instruments and wires "
            "of a section `smu:` and the die of a section `simulated:`"
        )
    wiring = description.wiring
    bench = TwinBench(_nets(wiring), _arrays(description, seed), realtime=realtime, noise=noise, seed=seed)
    for name, section in content.smu.instruments.items():
        _add_instrument(description, bench, name, section, wiring)
    return bench


def _arrays(description: BenchDescription, seed: int) -> dict[int, DieArray]:
    section = description.content.simulated
    if section is None:
        return {}
    die_seed = seed if section.die.seed is None else section.die.seed
    wires, access = Wires(**dict(section.wires)), section.die.access()
    try:
        return {
            number: DieArray(
                draw_tile(section.die.description(), tile.rows, tile.columns, die_seed, number),
                wires,
                access,
                die_seed,
                number,
                section.resolve,
            )
            for number, tile in enumerate(section.die.tiles)
        }
    except ValueError as error:
        raise ConfigurationError(f"{description.path}: simulated.die: {error}") from None


def _nets(wiring: Wiring) -> nets.Wiring:
    """The wires of the bench file in the words of the twin."""
    wires = [
        nets.Wire(nets.Ground() if channel is None else _port(channel), nets.MatrixRow(matrix, row))
        for (matrix, row), channel in wiring.matrix_rows.items()
    ]
    for number, tile in enumerate(wiring.tiles):
        for side, lines in (("row", tile.rows), ("column", tile.columns)):
            wires += [
                nets.Wire(_terminal(line), nets.DieLine(cast(nets.Side, side), place, number))
                for place, line in enumerate(lines)
            ]
    return nets.Wiring(tuple(wires), tsp_link=wiring.tsp_link)


def _terminal(line: Terminal) -> nets.Terminal:
    if isinstance(line, Channel):
        return _port(line)
    return nets.MatrixColumn(line.matrix, line.slot, line.column)


def _port(channel: Channel) -> nets.Port:
    return nets.Port(channel.instrument, _CHANNELS[channel.name])


def _add_instrument(
    description: BenchDescription, bench: TwinBench, name: str, section: InstrumentSection, wiring: Wiring
) -> None:
    # Each emulator puts itself on the bench.
    serial = section.serial_number or _SERIAL_NUMBERS.get(section.model, "")
    match section.model:
        case "keithley-2600b":
            Keithley2600B(bench, name, model="2636B", identity=Identity("2636B", serial, "3.2.2"))
        case "keysight-b2900":
            KeysightB2900(bench, name, serial=serial)
        case "keithley-707b":
            identity = Identity(IDENTITY.model, serial, IDENTITY.firmware)
            cards = Cards(name, columns=max(_CARD_COLUMNS, _widest_card(wiring, name)))
            Keithley707B(bench, name, cards=cards, identity=identity)
        case other:
            raise ConfigurationError(
                f"{description.path}: smu.instruments.{name}: the twin does not emulate a {other}; "
                "keithley-2600b, keysight-b2900 and keithley-707b are emulated"
            )


def _widest_card(wiring: Wiring, matrix: str) -> int:
    columns = (
        line.column
        for tile in wiring.tiles
        for line in tile.lines
        if isinstance(line, MatrixColumn) and line.matrix == matrix
    )
    return max(columns, default=_CARD_COLUMNS)


def _memory(description: BenchDescription, seed: int, bench: TwinBench) -> ChipMemory | None:
    section = description.content.simulated
    if section is None or section.memory is None:
        return None
    die_seed = seed if section.die.seed is None else section.die.seed
    path = description.path.parent / section.memory
    return ChipMemory(path, die_key(section, die_seed), tuple(bench.arrays.values()))
