"""SCPI errors of a Keysight B2900 and the queue they wait in."""

from collections import deque

TEXTS = {
    0: "No error",
    -100: "Command error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -121: "Invalid character in number",
    -131: "Invalid suffix",
    -141: "Invalid character data",
    -151: "Invalid string data",
    -171: "Invalid expression",
    -200: "Execution error",
    -211: "Trigger ignored",
    -213: "Init ignored",
    -221: "Settings conflict",
    -222: "Data out of range",
    -224: "Illegal parameter value",
    -230: "Data corrupt or stale",
    -350: "Error queue overflow",
    -420: "Query UNTERMINATED",
    302: "Interlock open",
}
"""Standard texts; +302 stands for the instrument's own interlock error (code unverified on hardware)."""

QUEUE_SIZE = 100
"""Entries the queue holds before its last becomes -350 (unverified on hardware)."""


class ScpiError(Exception):
    """A command that the instrument refuses."""

    def __init__(self, code: int) -> None:
        super().__init__(TEXTS[code])
        self.code = code


class ScpiErrors:
    """First in, first out."""

    def __init__(self) -> None:
        self._codes: deque[int] = deque()
        self.event_bits = 0
        """Bits of the standard event register set by errors since they were last taken."""

    def __len__(self) -> int:
        return len(self._codes)

    def put(self, code: int) -> None:
        """Add an error; when full, the last entry becomes -350."""
        if -200 < code <= -100:
            self.event_bits |= 32
        elif -300 < code <= -200:
            self.event_bits |= 16
        elif -500 < code <= -400:
            self.event_bits |= 4
        else:
            self.event_bits |= 8
        if len(self._codes) >= QUEUE_SIZE:
            self._codes[-1] = -350
        else:
            self._codes.append(code)

    def take(self) -> str:
        """The oldest error as the instrument shows it."""
        return shown(self._codes.popleft() if self._codes else 0)

    def take_all(self) -> str:
        """All errors, oldest first."""
        found = ",".join(shown(code) for code in self._codes) or shown(0)
        self._codes.clear()
        return found

    def clear(self) -> None:
        """Forget all errors."""
        self._codes.clear()

    def overflow(self) -> None:
        """Fill the queue until it overflows."""
        while not self._codes or self._codes[-1] != -350:
            self.put(-200)


def shown(code: int) -> str:
    """An error as `:SYST:ERR?` shows it."""
    return f'{code:+d},"{TEXTS[code]}"'
