"""Keithley 707B switching matrix and, where the commands agree, the Series 3700A, in TSP.

Commands are from the Models 707B/708B reference manual (707B-901-01) and the Series 3700A reference manual
(3700AS-901-01). Hot switching can weld a reed for good: switch only with all sources off.
"""

import re
from collections.abc import Collection
from typing import ClassVar

from ..errors import CapabilityError, ReadbackError
from .declare import reads
from .tsp import TspInstrument
from .values import one_of, whole

ALL = "allslots"

RELAY_TIME = 0.015
"""Time for relays to open, or to close, and settle, s. Unverified for each card: assumed."""

CALL_TIME = 600e-6
"""Time of a call (three lines) beside the relays, s. Unverified: assumed."""

MOST_POINTS = 60
"""Crosspoints named in one query, so that a line stays short. Unverified: what the longest line may be."""

CONNECT_RULES = ("BREAK_BEFORE_MAKE", "MAKE_BEFORE_BREAK", "OFF")


class Keithley707B(TspInstrument):
    """A Keithley 707B or 708B: crosspoints such as `1A03` (slot, row, column).

    Opening sets break-before-make (`set_connect_rule` changes it) and leaves the relays as they were found
    (`found.live`). What is read back is what the matrix commands its relays to; a welded reed is only seen
    by an electrical check.
    """

    MODEL: ClassVar[str] = "Keithley 707B/708B"
    IDENTITY: ClassVar[str] = r"Keithley Instruments.*Model (70[78]B)\b"
    POINT: ClassVar[str] = r"[1-6][A-Z]\d{2,3}"
    """What one crosspoint looks like (manual, channel specifiers of four or five characters)."""

    connect_rule = reads(
        "print(channel.connectrule)",
        lambda text: {1: "BREAK_BEFORE_MAKE", 2: "MAKE_BEFORE_BREAK", 0: "OFF"}.get(int(float(text)), text),
        "Order of opening and closing in `set_closed`.",
    )

    @property
    def operate_time(self) -> float:
        """Opening, then closing: twice `RELAY_TIME`."""
        return 2.0 * RELAY_TIME

    def closed(self) -> frozenset[str]:
        """Crosspoints that are closed (`channel.getclose`, which prints `nil` or `1A01;1A07`)."""
        return self.ask(f'print(channel.getclose("{ALL}"))', self._points)

    def forbidden(self) -> frozenset[str]:
        """Crosspoints that the matrix refuses to close (`channel.getforbidden`)."""
        return self.ask(f'print(channel.getforbidden("{ALL}"))', self._points)

    def closed_among(self, points: Collection[str]) -> frozenset[str]:
        """Which of some crosspoints are closed (`channel.getstate`), so that one that does not exist is met.

        Raises:
            InstrumentError: there is no such crosspoint; the instrument says so.
        """
        wanted = sorted(self._checked(points))
        found: set[str] = set()
        for start in range(0, len(wanted), MOST_POINTS):
            some = wanted[start : start + MOST_POINTS]
            lines, _ = self.call([f'print(channel.getstate("{",".join(some)}"))'])
            states = self._parsed("channel.getstate", "\n".join(lines), _states)
            if len(states) != len(some):
                raise self._nonsense("channel.getstate", lines[0], f"{len(some)} states were expected")
            found.update(point for point, closed in zip(some, states, strict=True) if closed)
        return frozenset(found)

    def set_closed(self, points: Collection[str]) -> None:
        """Make these the only closed crosspoints (`channel.exclusiveclose`); see
        `SwitchMatrix.set_closed`."""
        wanted = self._checked(points)
        listed = _listed(wanted)
        closed = self._change(f'channel.exclusiveclose("{listed}")' if wanted else f'channel.open("{ALL}")')
        self._refuse_unless(closed == wanted, closed, f"only {listed or 'none'} closed")

    def close_points(self, points: Collection[str]) -> None:
        """Close in addition (`channel.close`); see `SwitchMatrix.close_points`."""
        wanted = self._checked(points)
        if wanted:
            closed = self._change(f'channel.close("{_listed(wanted)}")')
            self._refuse_unless(wanted <= closed, closed, f"{_listed(wanted)} closed")

    def open_points(self, points: Collection[str]) -> None:
        """Open some (`channel.open`); see `SwitchMatrix.open_points`."""
        wanted = self._checked(points)
        if wanted:
            closed = self._change(f'channel.open("{_listed(wanted)}")')
            self._refuse_unless(not wanted & closed, closed, f"{_listed(wanted)} open")

    def set_forbidden(self, points: Collection[str]) -> None:
        """Forbid the matrix to close crosspoints (`channel.setforbidden`), for instance two sources on one
        line.

        Raises:
            ReadbackError: they are not all forbidden now.
        """
        wanted = self._checked(points)
        if wanted:
            self.tell(f'channel.setforbidden("{_listed(wanted)}")')
            found = self.forbidden()
            self._refuse_unless(wanted <= found, found, f"{_listed(wanted)} forbidden")

    def set_connect_rule(self, rule: str) -> None:
        """Set the order of opening and closing in `set_closed`: one of `CONNECT_RULES`."""
        self.tell(f"channel.connectrule = channel.{one_of('connect rule', rule, CONNECT_RULES)}")

    def live(self) -> tuple[str, ...]:
        """Closed crosspoints, sorted."""
        return tuple(sorted(self.closed()))

    def _prepare(self) -> None:
        super()._prepare()
        self.set_connect_rule("BREAK_BEFORE_MAKE")

    def _off_commands(self) -> tuple[str, ...]:
        return (f'channel.open("{ALL}")',)

    def _change(self, command: str) -> frozenset[str]:
        lines, _ = self.call([command, f'print(channel.getclose("{ALL}"))'])
        return self._parsed(command, "\n".join(lines), self._points)

    def _checked(self, points: Collection[str]) -> frozenset[str]:
        if isinstance(points, str):
            raise CapabilityError(
                f"crosspoints are {points!r}; a collection of them is accepted, not one text"
            )
        for point in points:
            if not re.fullmatch(self.POINT, point):
                raise CapabilityError(
                    f"{point!r} is no crosspoint of a {self.MODEL}; /{self.POINT}/ is accepted. "
                    "Nothing was sent"
                )
        return frozenset(points)

    def _points(self, reply: str) -> frozenset[str]:
        text = reply.strip()
        if text in ("nil", ""):
            return frozenset()
        points = [one.strip() for one in re.split("[;,]", text)]
        for one in points:
            if not re.fullmatch(self.POINT, one):
                raise ValueError(f"{one!r} is no crosspoint")
        return frozenset(points)

    def _refuse_unless(self, fine: bool, found: frozenset[str], wanted: str) -> None:
        if not fine:
            raise ReadbackError(
                f"{self._link.resource} reads back {_listed(found) or 'none'} after it was to have {wanted}; "
                "keep the sources off and look for a stuck relay or a forbidden crosspoint"
            )


class Keithley3706A(Keithley707B):
    """A Keithley 3706A with matrix cards: crosspoints such as `1003` or `1911` (slot, row, column, or
    backplane).

    The verbs are those of the 707B (Series 3700A manual). Closing a channel may close backplane relays of
    its own, which `set_closed` reports as a difference: name them among the points.
    """

    MODEL: ClassVar[str] = "Keithley 3706A"
    IDENTITY: ClassVar[str] = r"Keithley Instruments.*Model (3706A(?:-[A-Z]+)?)\b"
    POINT: ClassVar[str] = r"[1-6]\d{3,4}"

    def interlock_state(self, slot: int) -> str:
        """State of a card's interlock as printed (`slot[n].interlock.state`). Unverified: what its values
        mean."""
        if slot not in range(1, 7):
            raise CapabilityError(f"slot is {slot}; 1 to 6 is accepted. Nothing was sent")
        return self.ask(f"print(slot[{slot}].interlock.state)", str)


def _states(reply: str) -> list[bool]:
    """`0,1,0`; the manual's examples separate states by commas, other lists by semicolons."""
    return [bool(whole(one)) for one in re.split("[,;]", reply.strip())]


def _listed(points: Collection[str]) -> str:
    return ",".join(sorted(points))
