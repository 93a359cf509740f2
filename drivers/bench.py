"""From a bench file to ready, guarded crossbars."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from ..errors import ConfigurationError
from .arming import Arming, BenchState, Qualification, text_hash
from .bench_file import BenchDescription, BenchFile, ElectronicsSection, die_key, read_bench_file
from .chip_memory import ChipMemory
from .contract import Crossbar, SafeState, Timing
from .guard import Guard, Limits
from .simulated import (
    Electronics,
    TileView,
    Wires,
    correlations,
    drawn_spreads,
    simulated_tile,
    target_spreads,
)

__all__ = [
    "Bench",
    "BenchDescription",
    "BenchFile",
    "TileView",
    "correlations",
    "die_key",
    "drawn_spreads",
    "open_bench",
    "read_bench_file",
    "target_spreads",
    "tile_views",
]


class Bench:
    """An open bench: guarded crossbars, one a tile.

    Within its context a simulated chip with a memory belongs to this process; leaving it makes every crossbar
    safe and stores the chip.
    """

    def __init__(
        self,
        name: str,
        crossbars: tuple[Crossbar, ...],
        memory: ChipMemory | None = None,
        close: Callable[[], None] | None = None,
        arming: Arming | None = None,
        text: str = "",
    ) -> None:
        self.name = name
        self.crossbars = crossbars
        self._memory, self._close = memory, close
        self._arming = Arming.simulated() if arming is None else arming
        self._text = text
        self._left: SafeState | None = None
        self._kept = ExitStack()

    @property
    def state(self) -> BenchState:
        """Where the bench stands."""
        return self._arming.state

    @property
    def identities(self) -> Mapping[str, str]:
        """What each instrument answered to `*IDN?`, by name; none on a simulated bench."""
        return self._arming.identities

    def arm(self, checked: Qualification) -> None:
        """Let the die be energised, on the strength of a passive check of this very bench.

        Args:
            checked: by `check_passively`.

        Raises:
            NotArmedError: the check failed, or was of another bench file or other instruments.
        """
        self._arming.verify(checked, text_hash(self._text))
        self._arming.arm()

    def safe(self) -> SafeState:
        """Make every crossbar safe, whatever the others say; proven only if each one proved it.

        After the bench was closed: how it was left.
        """
        if self._left is not None:
            return self._left
        states = []
        for number, crossbar in enumerate(self.crossbars):
            try:
                states.append(crossbar.safe())
            except Exception as error:  # noqa: BLE001 - the other crossbars must be made safe all the same
                states.append(SafeState(False, f"crossbar {number}: {type(error).__name__}: {error}"))
        details = dict.fromkeys(state.detail for state in states)
        return SafeState(all(state.proven for state in states), "; ".join(details))

    def __enter__(self) -> "Bench":
        if self._memory is not None:
            self._kept.enter_context(self._memory.kept())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            left = self.safe()
            if self._close is not None:
                self._close()
                self._left = left
                self._arming.disconnect()
        finally:
            self._kept.close()


def tile_views(description: BenchDescription, seed: int = 0) -> tuple[TileView, ...]:
    """What the simulator hides: every tile of a simulated die as drawn. For the `die` command alone.

    Raises:
        ConfigurationError: the bench has no simulated die, or it cannot be drawn.
    """
    section = description.content.simulated
    if section is None:
        raise ConfigurationError(f"{description.path}: simulated: this key is missing")
    die_seed = seed if section.die.seed is None else section.die.seed
    try:
        return tuple(
            TileView.drawn_from(section.die.description(), tile.rows, tile.columns, die_seed, number)
            for number, tile in enumerate(section.die.tiles)
        )
    except ValueError as error:
        raise ConfigurationError(f"{description.path}: simulated.die: {error}") from None


def open_bench(description: BenchDescription, seed: int = 0, transcript: Path | None = None) -> Bench:
    """Open the bench that a file describes. One of instruments must be armed before it can be used.

    Args:
        description: from `read_bench_file`.
        seed: draws the simulated die where the file does not fix `simulated.seed`.
        transcript: file for every byte to and from instruments; None keeps none.

    Raises:
        ConfigurationError: a stored chip does not belong to this die; wires lead to no usable crossbar.
        LinkError, InstrumentError, ReadbackError: instruments are absent, others, or not proven off.
    """
    if description.content.backend == "smu":
        return _open_smu_bench(description, transcript)
    return _open_simulated_bench(description, seed)


def _open_smu_bench(description: BenchDescription, transcript: Path | None) -> Bench:
    from .smu_bench import open_smu  # the VISA library takes a while to import

    content, wiring = description.content, description.wiring
    if content.smu is None:
        raise ConfigurationError(f"{description.path}: smu: this key is missing")
    limits = Limits(**dict(content.limits))
    try:
        instruments, crossbars = open_smu(content.smu, limits, wiring, transcript)
    except ConfigurationError as error:
        raise ConfigurationError(f"{description.path}: {error}") from None
    arming = Arming()
    arming.connect(instruments.identities)
    guarded = tuple(Guard(one, limits, arming) for one in crossbars)
    return Bench(content.name, guarded, close=instruments.close, arming=arming, text=description.text)


def _open_simulated_bench(description: BenchDescription, seed: int) -> Bench:
    content = description.content
    section = content.simulated
    if section is None:
        raise ConfigurationError(f"{description.path}: simulated: this key is missing")
    limits = Limits(**dict(content.limits))
    die_seed = seed if section.die.seed is None else section.die.seed
    try:
        tiles = tuple(
            simulated_tile(
                section.die.description(),
                tile.rows,
                tile.columns,
                Wires(**dict(section.wires)),
                section.die.access(),
                _electronics(section.electronics, limits),
                die_seed,
                number,
                section.resolve,
            )
            for number, tile in enumerate(section.die.tiles)
        )
    except ValueError as error:
        raise ConfigurationError(f"{description.path}: simulated.die: {error}") from None
    memory = None
    if section.memory is not None:
        memory = ChipMemory(description.path.parent / section.memory, die_key(section, die_seed), tiles)
        memory.recall()
    arming = Arming.simulated()
    return Bench(content.name, tuple(Guard(tile, limits, arming) for tile in tiles), memory, arming=arming)


def _electronics(section: ElectronicsSection, limits: Limits) -> Electronics:
    values = dict(section)
    timing = Timing(
        pulse_overhead=values.pop("pulse_overhead"),
        repeat_gap=values.pop("repeat_gap"),
        read_time=values.pop("read_time"),
    )
    return Electronics(**values, line_current=limits.line_current, timing=timing)
