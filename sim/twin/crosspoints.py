"""Channel lists of a Keithley 707B: crosspoints, ranges, slots and everything."""

import re
from dataclasses import dataclass, field

from .tsp_errors import TspError
from .wiring import Crosspoint

_ONE = re.compile(r"^([1-6])([A-H])(\d\d)$")
_MOST_KNOWN = 10_000
_SLOT = re.compile(r"^slot([1-6])$")


@dataclass(frozen=True)
class Cards:
    """What is in the mainframe.

    Attributes:
        matrix: its name on the bench.
        slots: numbers of the slots that hold a card.
        rows: rows of each card, 1 to 8.
        columns: columns of each card, 1 to 99.
    """

    matrix: str
    slots: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    rows: int = 8
    columns: int = 12
    _known: dict[str, tuple[Crosspoint, ...]] = field(default_factory=dict, repr=False, compare=False)
    """Items and lists parsed before: few, and named again and again."""
    _names: dict[Crosspoint, str] = field(default_factory=dict, repr=False, compare=False)

    def all(self, slot: int) -> tuple[Crosspoint, ...]:
        """All crosspoints of a slot, row by row."""
        letters = "ABCDEFGH"[: self.rows]
        return tuple(
            Crosspoint(self.matrix, slot, letter, column)
            for letter in letters
            for column in range(1, self.columns + 1)
        )

    def parse(self, channels: object, *, whole_slots: bool) -> tuple[Crosspoint, ...]:
        """The crosspoints of a channel list, without repeats, in the order given.

        `1A02` is a crosspoint; `1A01:1A05` and `1A01:1C01` are all between along the row, the column or
        both; items are separated by commas or semicolons; `slot1` and `allslots` are accepted where
        `whole_slots` says so.

        Raises:
            TspError: the list is empty, malformed or names what is not installed.
        """
        if not isinstance(channels, str):
            raise TspError(-104)
        known = self._known.get(channels)
        if known is not None:
            return known
        found: dict[Crosspoint, None] = {}
        for item in channels.replace(";", ",").split(","):
            points = self._known.get(item)
            if points is None:
                points = self._item(item.strip(), whole_slots)
                if not item.strip().startswith(("slot", "all")):
                    self._remember(item, points)
            for one in points:
                found[one] = None
        whole = tuple(found)
        if "s" not in channels.lower():
            self._remember(channels, whole)
        return whole

    def name_of(self, crosspoint: Crosspoint) -> str:
        """A crosspoint as channel lists name it."""
        name = self._names.get(crosspoint)
        if name is None:
            name = self._names[crosspoint] = str(crosspoint)
        return name

    def _remember(self, item: str, points: tuple[Crosspoint, ...]) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[item] = points

    def _item(self, item: str, whole_slots: bool) -> tuple[Crosspoint, ...]:
        slot = _SLOT.match(item)
        if item == "allslots" or slot:
            if not whole_slots:
                raise TspError(-224)
            slots = self.slots if item == "allslots" else (int(slot.group(1)) if slot else 0,)
            if not set(slots) <= set(self.slots):
                raise TspError(-224)
            return tuple(one for number in slots for one in self.all(number))
        start, colon, end = item.partition(":")
        first = self._one(start.strip())
        if not colon:
            return (first,)
        last = self._one(end.strip())
        if first.slot != last.slot or (last.letter, last.column) < (first.letter, first.column):
            raise TspError(-224)
        return tuple(
            one
            for one in self.all(first.slot)
            if first.letter <= one.letter <= last.letter and first.column <= one.column <= last.column
        )

    def _one(self, text: str) -> Crosspoint:
        found = _ONE.match(text.upper())
        if not found:
            raise TspError(-224)
        one = Crosspoint(self.matrix, int(found.group(1)), found.group(2), int(found.group(3)))
        inside = one.letter in "ABCDEFGH"[: self.rows] and 1 <= one.column <= self.columns
        if one.slot not in self.slots or not inside:
            raise TspError(-224)
        return one
