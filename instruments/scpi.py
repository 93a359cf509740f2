"""Instruments that speak SCPI: several commands and queries in one message, errors asked for at its end."""

import re
from collections.abc import Sequence

from ..errors import InstrumentError
from .instrument import Instrument

ERRORS = ":SYST:ERR:ALL?"
_ERROR = re.compile(r'([+-]?\d+),"((?:[^"]|"")*)"')
_PART = re.compile(r'(?:[^;"]|"(?:[^"]|"")*")+')


class ScpiInstrument(Instrument):
    """An instrument that speaks SCPI. Every message ends with `:SYST:ERR:ALL?`: one round trip, no error
    unseen."""

    def tell(self, command: str) -> None:
        """Send a command and raise the errors it left; see `Instrument.tell`."""
        parts = self.call([command])
        if parts:
            raise self._nonsense(command, parts[0], "no reply was expected")

    def call(self, commands: Sequence[str], *, timeout: float | None = None) -> list[str]:
        """Send commands and queries as one message.

        Args:
            commands: each from the root (`:SOUR1:VOLT 0.1`), queries among them.
            timeout: for the whole reply, s.

        Returns:
            One text for each query that was answered, in order.

        Raises:
            InstrumentError: the error queue was not empty.
            LinkError: no complete reply; what the commands did is unknown.
        """
        reply = self._link.query(";".join([*commands, ERRORS]), timeout)
        return self._answers(commands, reply)

    def drain_errors(self) -> tuple[InstrumentError, ...]:
        """Empty the error queue (`:SYST:ERR:ALL?`); oldest first, nothing raised."""
        return self.ask(ERRORS, errors_of)

    def _answers(self, commands: Sequence[str], reply: str) -> list[str]:
        """Answers in a reply whose last part is the error queue."""
        parts = _PART.findall(reply)
        if not parts:
            raise self._nonsense(commands[0], reply, "errors were expected at the end")
        errors = self._parsed(commands[0], parts[-1], errors_of)
        if errors:
            more = f", and then {'; '.join(map(str, errors[1:4]))}" if len(errors) > 1 else ""
            raise InstrumentError(errors[0].code, errors[0].message, f"after {commands[0][:80]!r}{more}")
        return parts[:-1]


def errors_of(reply: str) -> tuple[InstrumentError, ...]:
    """Entries of an error queue, such as `-113,"Undefined header"`; `+0,"No error"` is none.

    Raises:
        ValueError: the text is no error queue.
    """
    entries = _ERROR.findall(reply)
    if not entries or _ERROR.sub("", reply).strip(", \r"):
        raise ValueError('something like +0,"No error" was expected')
    return tuple(InstrumentError(int(code), text.replace('""', '"')) for code, text in entries if int(code))
