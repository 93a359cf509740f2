"""Digital lines between instruments: trigger cables and the trigger lines of a TSP-Link."""

from collections.abc import Callable
from typing import NamedTuple

from .wiring import TriggerPin, Wiring


class LinkLine(NamedTuple):
    """Trigger line of the TSP-Link, 1 to 3."""

    number: int


class TriggerBus:
    """Joins trigger lines of instruments: a pulse on one is seen by all that share its wire.

    Args:
        wiring: `trigger_lines` and `tsp_link` of the bench.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._group: dict[TriggerPin, int] = {}
        for number, pins in enumerate(wiring.trigger_lines):
            for pin in pins:
                self._group[pin] = number
        self._link = wiring.tsp_link
        self._seen: dict[int | LinkLine, list[Callable[[], None]]] = {}

    def listen(self, instrument: str, line: int, seen: Callable[[], None]) -> None:
        """Call `seen` on every pulse of a digital I/O line of an instrument."""
        group = self._group.get(TriggerPin(instrument, line))
        if group is not None:
            self._seen.setdefault(group, []).append(seen)

    def pulse(self, instrument: str, line: int) -> bool:
        """Pulse a digital I/O line; returns whether it is wired to anything."""
        group = self._group.get(TriggerPin(instrument, line))
        if group is None:
            return False
        for seen in self._seen.get(group, []):
            seen()
        return True

    def listen_link(self, instrument: str, line: int, seen: Callable[[], None]) -> None:
        """Call `seen` on every pulse of a TSP-Link trigger line, if the instrument is on the link."""
        if instrument in self._link:
            self._seen.setdefault(LinkLine(line), []).append(seen)

    def pulse_link(self, instrument: str, line: int) -> bool:
        """Pulse a TSP-Link trigger line; returns whether the instrument is on the link."""
        if instrument not in self._link:
            return False
        for seen in self._seen.get(LinkLine(line), []):
            seen()
        return True
