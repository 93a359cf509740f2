"""Errors of Keithley TSP instruments: codes, texts, severities and the queue they wait in."""

from collections import deque
from dataclasses import dataclass

RECOVERABLE, SERIOUS = 20, 30

TEXTS = {
    -430: "Query DEADLOCKED",
    -420: "Query UNTERMINATED",
    -410: "Query INTERRUPTED",
    -363: "Input buffer overrun",
    -350: "Queue overflow",
    -292: "Referenced name does not exist",
    -286: "TSP Runtime error",
    -285: "TSP Syntax error",
    -282: "Illegal program name",
    -225: "Out of memory or TSP memory allocation error",
    -224: "Illegal parameter value",
    -222: "Parameter data out of range",
    -221: "Settings conflict",
    -220: "Parameter error",
    -211: "Trigger ignored",
    -109: "Missing parameter",
    -108: "Parameter not allowed",
    -104: "Data type error",
    0: "Queue Is Empty",
    802: "OUTPUT blocked by interlock",
    1100: "Command unavailable",
    1101: "Parameter too big",
    1102: "Parameter too small",
    1114: "Settings conflict",
    1212: "Invalid node ID",
    1400: "Expected at least %d parameters",
    1405: "Invalid ASCII precision",
    1406: "Invalid data format",
    4900: "Reading buffer index %s is invalid",
    4903: "Reading buffer expired",
    5005: "Value too big for range",
    5007: "Operation would exceed safe operating area of the instrument",
    5028: "Cannot perform requested operation while source autorange is enabled",
    5032: "Cannot change this setting unless buffer is cleared",
    5041: "Output Enable not asserted",
    5059: "trigger.source.action enabled without configuration",
    5060: "trigger.measure.action enabled without configuration",
    5064: "Cannot use reading buffer that collects source values",
}
"""Texts as the maker's error summary gives them."""

QUEUE_SIZE = 100
"""Entries the queue holds before it overflows (unverified on hardware)."""


class TspError(Exception):
    """A command that an instrument refuses: it goes to the error queue and the script goes on.

    Args:
        code: of `TEXTS`.
        values: for the places in the text.
        prefix: put before the text, such as `SMU A: `.
    """

    def __init__(self, code: int, *values: object, prefix: str = "") -> None:
        text = TEXTS[code]
        super().__init__(prefix + (text % values if values else text))
        self.code = code


@dataclass(frozen=True)
class Entry:
    """One error: code, text and severity."""

    code: int
    text: str
    severity: int


EMPTY = Entry(0, TEXTS[0], 0)


class ErrorQueue:
    """First in, first out; when full, its last entry becomes `Queue overflow` and the rest is lost."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self.event_bits = 0
        """Bits of the standard event register set by errors since they were last taken."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, code: int, text: str, severity: int = RECOVERABLE) -> None:
        """Add an error."""
        self.event_bits |= _standard_event_bit(code)
        if len(self._entries) >= QUEUE_SIZE:
            self._entries[-1] = Entry(-350, TEXTS[-350], RECOVERABLE)
        else:
            self._entries.append(Entry(code, text, severity))

    def take(self) -> Entry:
        """Take the oldest error, or `EMPTY`."""
        return self._entries.popleft() if self._entries else EMPTY

    def clear(self) -> None:
        """Forget all errors."""
        self._entries.clear()

    def overflow(self) -> None:
        """Fill the queue until it overflows."""
        while not self._entries or self._entries[-1].code != -350:
            self.put(-220, TEXTS[-220])


def _standard_event_bit(code: int) -> int:
    if -200 < code <= -100:
        return 32  # command error
    if -300 < code <= -200:
        return 16  # execution error
    if -500 < code <= -400:
        return 4  # query error
    return 8  # device-dependent error
