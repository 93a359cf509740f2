"""The emulated bench: channels, matrices and the die, at one time and at one operating point."""

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .._types import Floats
from .circuit import OPEN, Drive, OperatingPoint, operating_point
from .clock import Timeline, in_seconds
from .die_array import DieArray
from .readings import EXACT, Accuracy, Meter
from .trigger_lines import TriggerBus
from .wiring import Crosspoint, Netlist, Port, Wiring

_HOT_VOLTS, _HOT_AMPERES = 1e-2, 1e-6
"""A contact that moves under more than this is switched hot."""
_KEPT = 10_000
_MOST_NETLISTS = 4_096
"""Sets of closed relays whose nets are kept: experiments come back to the same ones."""


class Emulator(Protocol):
    """An emulated instrument: one message in, its replies out."""

    name: str

    def receive(self, message: bytes) -> bytes:
        """Answer one message without its terminator; replies carry theirs."""
        ...

    def status_byte(self) -> int:
        """The status byte (IEEE 488.2)."""
        ...

    def overflow_errors(self) -> None:
        """Fill the error queue until it overflows."""
        ...

    def set_interlock(self, closed: bool) -> None:
        """Close or open the interlock."""
        ...

    def squeeze(self, factor: float) -> None:
        """Multiply every limit of every source by `factor`, as a short or a failing output stage would."""
        ...

    def stop(self) -> None:
        """End whatever runs; the bench is being switched off."""
        ...


@dataclass(frozen=True)
class PulseRecord:
    """One pulse the die received: time and width in s, levels in V (NaN floats), cells flipped."""

    array: int
    at: float
    width: float
    rows: Floats
    columns: Floats
    flips: int


class Bench:
    """What the instruments are joined to.

    Time passes only through the instruments: each operation takes its own time, and a bias acts on the
    cells for as long as it lasts.

    Args:
        wiring: what is joined to what.
        arrays: arrays of the die, by number.
        realtime: whether time passes by the wall clock.
        noise: whether readings have noise and resolution; without, they are exact.
        seed: of the measurement noise; the die has its own.
    """

    def __init__(
        self,
        wiring: Wiring,
        arrays: Mapping[int, DieArray],
        *,
        realtime: bool = False,
        noise: bool = True,
        seed: int = 0,
    ) -> None:
        self.wiring, self.arrays = wiring, dict(arrays)
        self.timeline = Timeline(realtime)
        self.triggers = TriggerBus(wiring)
        self.lock = threading.RLock()
        self.emulators: dict[str, Emulator] = {}
        self.pulses: deque[PulseRecord] = deque(maxlen=_KEPT)
        self.warnings: deque[str] = deque(maxlen=_KEPT)
        self.hot_switches = 0
        self.switches = 0
        self._noise, self._seed, self._meters = noise, seed, 0
        self._drives: dict[Port, Drive] = {}
        self._closed: dict[str, frozenset[Crosspoint]] = {}
        self._nets, self._rewired = Netlist(wiring, ()), False
        self._netlists: dict[frozenset[Crosspoint], Netlist] = {}
        self._since = 0
        self._point: OperatingPoint | None = None
        self._point_version = 0

    def add(self, emulator: Emulator) -> None:
        """Put an instrument on the bench.

        Raises:
            ValueError: the name is taken.
        """
        if emulator.name in self.emulators:
            raise ValueError(f"two instruments are called {emulator.name!r}; give each its own name")
        self.emulators[emulator.name] = emulator

    def meter(self, accuracy: Accuracy) -> Meter:
        """The measurement noise of a new channel."""
        self._meters += 1
        return Meter(self._seed, self._meters, accuracy if self._noise else EXACT)

    def source_step(self, step: float) -> float:
        """Step of a source level, V or A: none on a bench without noise and resolution."""
        return step if self._noise else 0.0

    def drive(self, port: Port, drive: Drive) -> None:
        """Change what a channel does, from now on."""
        if drive == self._drives.get(port, OPEN):
            return
        self.settle()
        self._drives[port] = drive
        self._point = None

    def driven(self, port: Port) -> Drive:
        """What a channel does now."""
        return self._drives.get(port, OPEN)

    def set_relays(
        self, matrix: str, closed: Iterable[Crosspoint], *, moving: bool = True
    ) -> tuple[Crosspoint, ...]:
        """Open and close relays of a matrix at once.

        Args:
            matrix: its name.
            closed: all its relays that are closed from now on.
            moving: whether contacts move; if not, this corrects what did not move after all.

        Returns:
            The relays that moved while a voltage stood across them or a current ran through them.
        """
        wanted, now = frozenset(closed), self._closed.get(matrix, frozenset())
        if wanted == now:
            return ()
        self.settle()
        before = None if self._at_rest() else (self._netlist, self.operating_point())
        self._closed[matrix] = wanted
        self._point, self._rewired = None, True
        if not moving:
            return ()
        stressed: list[Crosspoint] = []
        if before is not None:
            stressed += [one for one in now - wanted if self._carried(one, *before)]
            stressed += [one for one in wanted - now if _stands_across(one, *before)]
        self.switches += len(wanted ^ now)
        self.hot_switches += len(stressed)
        for one in sorted(stressed):
            self.warn(f"relay {one} of {matrix} was switched hot")
        return tuple(sorted(stressed))

    def operating_point(self) -> OperatingPoint:
        """Voltages and currents now."""
        version = 0  # it only ever grows, in every array
        for array in self.arrays.values():
            version += array.version
        if self._point is None or self._point_version != version:
            self._point = operating_point(self._netlist, self._drives, self.arrays)
            self._point_version = version
            for net in self._point.conflicts:
                ports = ", ".join(
                    f"{p.instrument} channel {p.channel}" for p in self._netlist.nets[net].ports
                )
                self.warn(f"two sources on one line: {ports}")
        return self._point

    def current(self, port: Port) -> float:
        """Current out of the HI terminal of a channel now, A."""
        return self.operating_point().currents.get(port, 0.0)

    def voltage(self, port: Port) -> float:
        """Voltage at the HI terminal of a channel now, V."""
        net = self._netlist.net_of(port)
        drive = self.driven(port)
        if net is None:
            unloaded = drive.level if drive.kind == "voltage" else 0.0
            return math.copysign(drive.limit, drive.level) if drive.kind == "current" else unloaded
        volts = self.operating_point().volts[net]
        return 0.0 if math.isnan(volts) else volts

    def limited(self, port: Port) -> bool:
        """Whether a channel is at its limit now (in compliance)."""
        if self._netlist.net_of(port) is None:
            drive = self.driven(port)
            return drive.kind == "current" and drive.level != 0.0
        return port in self.operating_point().limited

    def warn(self, text: str) -> None:
        """Note that something was done to the bench that one should not do."""
        if not self.warnings or self.warnings[-1] != text:
            self.warnings.append(text)

    def settle(self) -> None:
        """Let the die feel what the channels did since the last change, up to now."""
        now = self.timeline.now
        duration, self._since = now - self._since, now
        if duration <= 0:
            return
        if self._at_rest():
            return
        point = self.operating_point()
        pulsed = self._pulsed_arrays()
        for number, array in self.arrays.items():
            levels = point.levels.get(number)
            if levels is None:  # every line of it floats
                continue
            rows, columns = levels
            if number in pulsed:
                width = in_seconds(duration)
                outcome = array.pulse(rows, columns, width)
                self.pulses.append(
                    PulseRecord(number, in_seconds(now - duration), width, rows, columns, outcome.flips)
                )
            else:
                array.hold(rows, columns, in_seconds(duration))

    def stop(self) -> None:
        """End every wait and every script; the bench is being switched off."""
        self.timeline.stop()
        for emulator in self.emulators.values():
            emulator.stop()

    @property
    def _netlist(self) -> Netlist:
        """The nets now; they are made when first asked for after relays moved."""
        if self._rewired:
            closed = frozenset().union(*self._closed.values())
            known = self._netlists.get(closed)
            if known is None:
                if len(self._netlists) >= _MOST_NETLISTS:
                    self._netlists.clear()
                known = self._netlists[closed] = self._nets.rewired(closed)
            self._nets, self._rewired = known, False
        return self._nets

    def _at_rest(self) -> bool:
        """Whether no channel gives anything or is in a pulse, so that every line is at 0 V or floats."""
        return not any(drive.level or drive.pulsing for drive in self._drives.values())

    def _pulsed_arrays(self) -> set[int]:
        if not any(drive.pulsing for drive in self._drives.values()):
            return set()
        pulsing = {port for port, drive in self._drives.items() if drive.pulsing}
        return {
            group.array
            for net in self._netlist.nets
            if not pulsing.isdisjoint(net.ports)
            for group in net.groups
        }

    def _carried(self, crosspoint: Crosspoint, netlist: Netlist, point: OperatingPoint) -> bool:
        """Whether a closed relay carried current: what the sources on its row side gave through it."""
        row = netlist.net_of(netlist.row_of(crosspoint))
        if row is None:
            return False
        net = netlist.nets[row]
        live = any(self.driven(port).output for port in net.ports)
        current = sum(abs(point.currents[port]) for port in net.ports)
        volts = abs(point.volts[row]) if not math.isnan(point.volts[row]) else 0.0
        return live and (current > _HOT_AMPERES or volts > _HOT_VOLTS)


def _stands_across(crosspoint: Crosspoint, netlist: Netlist, point: OperatingPoint) -> bool:
    """Whether a voltage stands across an open relay; a side joined to nothing that drives is at 0 V."""
    sides = (netlist.row_of(crosspoint), netlist.column_of(crosspoint))
    volts = []
    for side in sides:
        net = netlist.net_of(side)
        level = math.nan if net is None else point.volts[net]
        volts.append(0.0 if math.isnan(level) else level)
    return abs(volts[0] - volts[1]) > _HOT_VOLTS
