"""Keithley 707B switch matrix: crosspoints that really join lines, settling, hot switching, welded relays."""

from collections.abc import Callable, Iterable

from .bench import Bench
from .crosspoints import Cards
from .tsp import Identity, TspInstrument
from .tsp_common import add_common
from .tsp_errors import TspError
from .tsp_status import add_status
from .tsp_tree import Group, as_number, choice, number, text
from .tsp_trigger import Triggers
from .wiring import Crosspoint

SETTLING = 15e-3
"""Time for the relays of a card to move and settle, s; all relays of one command move together."""
OFF, BREAK_BEFORE_MAKE, MAKE_BEFORE_BREAK = 0, 1, 2
IDENTITY = Identity("707B", "1234567", "01.32b", maker="Keithley Instruments Inc.")


class Keithley707B(TspInstrument):
    """An emulated 707B.

    Args:
        bench: what it stands on.
        name: of the instrument, as the wiring names the matrix.
        cards: what is in its slots.
        settling: time a command that moves relays takes, s.
        weld_when_hot: whether a relay that moves under load stays closed for ever.
    """

    def __init__(
        self,
        bench: Bench,
        name: str = "matrix",
        *,
        cards: Cards | None = None,
        settling: float = SETTLING,
        weld_when_hot: bool = False,
        identity: Identity = IDENTITY,
    ) -> None:
        super().__init__(bench, name, identity)
        self.weld_when_hot = weld_when_hot
        self._cards = cards if cards is not None else Cards(name)
        self._settling = settling
        self._wanted: set[Crosspoint] = set()
        self._stuck: dict[Crosspoint, bool] = {}
        self._forbidden: set[Crosspoint] = set()
        self._patterns: dict[str, tuple[Crosspoint, ...]] = {}
        self._labels: dict[Crosspoint, str] = {}
        self._delays: dict[Crosspoint, float] = {}
        self._counts: dict[Crosspoint, int] = {}
        self.triggers = Triggers(bench, name, self.busy)
        add_common(self)
        add_status(self)
        self.root.child("trigger", self.triggers.group)
        self.root.child("digio", self.triggers.digital)
        self.root.child("tsplink", self.triggers.link)
        self.root.child("channel", self._channel())
        slots = self.root.child("slot")
        for slot in range(1, 7):
            slots.child(slot, self._slot(slot))
        self.machine.show(self.root)

    @property
    def closed(self) -> frozenset[Crosspoint]:
        """Crosspoints whose contacts are closed, whatever the instrument believes."""
        held = {one for one, state in self._stuck.items() if state}
        return frozenset((self._wanted - self._stuck.keys()) | held)

    def stick(self, crosspoint: str, closed: bool) -> None:
        """Make a relay stay closed or open for ever, as a welded or a worn one does.

        Raises:
            TspError: there is no such crosspoint.
        """
        for one in self._cards.parse(crosspoint, whole_slots=False):
            self._stuck[one] = closed
        self.bench.set_relays(self.name, self.closed, moving=False)

    def trigger(self) -> None:
        """A trigger came over the interface."""
        self.triggers.fire_command()

    def reset(self) -> None:
        """Open everything, forget what was configured."""
        super().reset()
        self._forbidden.clear()
        self._patterns.clear()
        self._labels.clear()
        self._delays.clear()
        self.triggers.reset()
        self._move(set())

    def _channel(self) -> Group:
        group = Group()
        group.constants(
            OFF=OFF, BREAK_BEFORE_MAKE=BREAK_BEFORE_MAKE, MAKE_BEFORE_BREAK=MAKE_BEFORE_BREAK, ON=1
        )
        self._rule = group.setting("connectrule", BREAK_BEFORE_MAKE, choice((0, 1, 2)))
        group.setting("connectsequential", 0, choice((0, 1)))
        group.function("close", lambda channels: self._close(self._known(channels)))
        group.function("open", lambda channels: self._move(self._wanted - set(self._known(channels, True))))
        group.function("exclusiveclose", lambda channels: self._exclusive(self._known(channels)))
        group.function("exclusiveslotclose", lambda channels: self._exclusive_slot(self._known(channels)))
        group.function("getclose", self._get_close)
        group.function("getstate", self._get_state)
        group.function("gettype", lambda channels: self._each(channels, lambda _: "1"))
        group.function("getcount", lambda channels: self._each(channels, self._count_of))
        group.function("setforbidden", lambda channels: self._forbid(self._known(channels, True)))
        group.function(
            "clearforbidden", lambda channels: self._forbidden.difference_update(self._known(channels, True))
        )
        group.function("getforbidden", lambda channels: self._listed(channels, self._forbidden))
        group.function("setlabel", self._set_label)
        group.function(
            "getlabel", lambda channels: self._each(channels, lambda one: self._labels.get(one, ""))
        )
        group.function("setdelay", self._set_delay)
        group.function("getdelay", lambda channels: self._each(channels, self._delay_of))
        group.function("reset", lambda channels: self._reset_channels(self._known(channels, True)))
        pattern = group.child("pattern")
        pattern.function("setimage", self._set_pattern)
        pattern.function("snapshot", lambda name: self._patterns.update({_name(name): tuple(self._wanted)}))
        pattern.function("getimage", lambda name: ",".join(map(str, self._pattern(_name(name)))))
        pattern.function("delete", lambda name: self._patterns.pop(_name(name), None) and None)
        pattern.function("catalog", lambda: None)
        return group

    def _slot(self, slot: int) -> Group:
        group = Group()
        installed = slot in self._cards.slots
        rows, columns = self._cards.rows, self._cards.columns
        described = f"7072,{rows}x{columns} Semi Matrix,00.00a,0" if installed else "Empty Slot"
        group.attribute("idn", lambda: described)
        group.child("rows").attribute("matrix", lambda: rows if installed else None)
        group.child("columns").attribute("matrix", lambda: columns if installed else None)
        return group

    def _known(self, channels: object, whole_slots: bool = False) -> tuple[Crosspoint, ...]:
        if isinstance(channels, str) and channels.strip() in self._patterns:
            return self._patterns[channels.strip()]
        return self._cards.parse(channels, whole_slots=whole_slots)

    def _close(self, channels: Iterable[Crosspoint]) -> None:
        self._check_allowed(channels)
        self._move(self._wanted | set(channels))

    def _exclusive(self, channels: Iterable[Crosspoint]) -> None:
        self._check_allowed(channels)
        self._change(set(channels))

    def _exclusive_slot(self, channels: tuple[Crosspoint, ...]) -> None:
        self._check_allowed(channels)
        slots = {one.slot for one in channels}
        self._change({one for one in self._wanted if one.slot not in slots} | set(channels))

    def _change(self, wanted: set[Crosspoint]) -> None:
        """Open some and close others, in the order of the connect rule."""
        if self._rule.value == BREAK_BEFORE_MAKE:
            self._move(self._wanted & wanted)
        elif self._rule.value == MAKE_BEFORE_BREAK:
            self._move(self._wanted | wanted)
        self._move(wanted)

    def _move(self, wanted: set[Crosspoint]) -> None:
        moved = self._wanted ^ wanted
        if not moved:
            return
        self._wanted = wanted
        for one in moved:
            self._counts[one] = self._counts.get(one, 0) + 1
        hot = self.bench.set_relays(self.name, self.closed)
        if self.weld_when_hot:
            self._stuck.update(dict.fromkeys(hot, True))
            self.bench.set_relays(self.name, self.closed, moving=False)
        self.bench.timeline.advance(self._settling + max(self._delays.get(one, 0.0) for one in moved))

    def _check_allowed(self, channels: Iterable[Crosspoint]) -> None:
        if not self._forbidden.isdisjoint(channels):
            raise TspError(1114)

    def _get_close(self, channels: object) -> object:
        return self._listed(channels, self._wanted)

    def _listed(self, channels: object, chosen: set[Crosspoint]) -> object:
        if isinstance(channels, str) and channels.strip() == "allslots":
            found: Iterable[Crosspoint] = chosen
        else:
            found = chosen.intersection(self._known(channels, True))
        return ";".join(map(self._cards.name_of, sorted(found))) or None

    def _get_state(self, channels: object) -> object:
        return self._each(channels, lambda one: str(int(one in self._wanted)))

    def _each(self, channels: object, value: Callable[[Crosspoint], str]) -> str:
        return ",".join(value(one) for one in self._known(channels, True))

    def _count_of(self, crosspoint: Crosspoint) -> str:
        return str(self._counts.get(crosspoint, 0))

    def _delay_of(self, crosspoint: Crosspoint) -> str:
        return f"{self._delays.get(crosspoint, 0.0):.5e}"

    def _forbid(self, channels: Iterable[Crosspoint]) -> None:
        self._forbidden.update(channels)
        for name, members in list(self._patterns.items()):
            if not self._forbidden.isdisjoint(members):
                del self._patterns[name]

    def _set_label(self, channels: object, label: object) -> None:
        for one in self._known(channels):
            self._labels[one] = str(text(label))

    def _set_delay(self, channels: object, delay: object) -> None:
        value = as_number(number(0.0, 60.0)(delay))
        self._delays.update(dict.fromkeys(self._known(channels, True), value))

    def _reset_channels(self, channels: tuple[Crosspoint, ...]) -> None:
        self._forbidden.difference_update(channels)
        for one in channels:
            self._labels.pop(one, None)
            self._delays.pop(one, None)
        self._move(self._wanted - set(channels))

    def _set_pattern(self, channels: object, name: object) -> None:
        members = self._known(channels)
        self._check_allowed(members)
        self._patterns[_name(name)] = members

    def _pattern(self, name: str) -> tuple[Crosspoint, ...]:
        if name not in self._patterns:
            raise TspError(-292)
        return self._patterns[name]


def _name(value: object) -> str:
    return str(text(value))
