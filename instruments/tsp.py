"""Instruments that run TSP, Keithley's Lua: calls with an end mark, the error queue, scripts."""

import re
from collections.abc import Sequence

from ..errors import InstrumentError
from .instrument import Instrument
from .values import whole

END = "mtjloop end"
"""Printed after every call, with a running number and the length of the error queue."""

ABORT = "abort"
"""Stops a running script (manual, tspnet.tsp.abort), and ends the rule of this instrument over the others on
its TSP-Link (2600BS-901-01, TSP-Link system). Unverified: its effect while no script runs."""


class TspInstrument(Instrument):
    """An instrument that runs TSP.

    Every call is a few lines and one that prints an end mark. The mark is printed even if a line before it
    failed. It carries a running number, so that it cannot be taken for that of another call, and the length
    of the error queue: a call costs one round trip and no error goes unseen.
    """

    _calls = 0

    def tell(self, command: str) -> None:
        """Send a command and raise the errors it left; see `Instrument.tell`."""
        lines, _ = self.call([command])
        if lines:
            raise self._nonsense(command, lines[0], "no reply was expected")

    def call(
        self, commands: Sequence[str], *, timeout: float | None = None, block: int = 0
    ) -> tuple[list[str], bytes | None]:
        """Send lines and collect what they print.

        Args:
            commands: lines of TSP.
            timeout: for each line of the reply, s.
            block: bytes of a binary reply (`format.REAL64`) that the lines print first, if all goes well.

        Returns:
            Lines printed, and the binary block, None if there was none.

        Raises:
            InstrumentError: the error queue is not empty afterwards; it is drained.
            LinkError: no complete reply; what the lines did is unknown.
        """
        self._calls += 1
        mark = f"{END} {self._calls}"
        lines: list[str] = []
        data: bytes | None = None
        with self._link.exchange():
            # One message: HiSLIP and USB drop what an instrument still says once another message follows.
            self._link.write("\n".join([*commands, f'print("{mark}", errorqueue.count)']))
            start = ""
            if block:
                head = self._link.read_bytes(2, timeout)
                if head == b"#0":
                    data = self._link.read_bytes(block + 1, timeout)[:-1]
                else:
                    start = head.decode("latin-1")
            while True:
                line = start + self._link.read(timeout)
                start = ""
                if line.startswith(END):
                    break
                lines.append(line)
        name, _, count = line.partition("\t")
        if name != mark:
            raise self._nonsense(commands[0], line, f"{mark!r} was expected")
        if self._parsed(commands[0], count, whole):
            raise self._first_error(commands[0])
        return lines, data

    def drain_errors(self) -> tuple[InstrumentError, ...]:
        """Empty the error queue (`errorqueue.count`, `errorqueue.next()`); oldest first, nothing raised."""
        waiting = self.ask("print(errorqueue.count)", whole)
        return tuple(self.ask("print(errorqueue.next())", _error) for _ in range(waiting))

    def load_script(self, source: str) -> None:
        """Load a script and run it once (`loadandrunscript` ... `endscript`); it may only define functions.

        Raises:
            InstrumentError: it does not compile or run.
        """
        self.call(["loadandrunscript", *source.strip().splitlines(), "endscript"])

    def release(self) -> None:
        """Let another instrument on the TSP-Link take the lead: the one a command comes to leads all others
        until `abort` (2600BS-901-01, TSP-Link system)."""
        self._link.write(ABORT)

    def _prepare(self) -> None:
        # Prompts and unasked error lines would be taken for replies (localnode, maker's command library).
        self.call(["localnode.prompts = 0", "localnode.showerrors = 0"])

    def _first_error(self, command: str) -> InstrumentError:
        errors = self.drain_errors()
        if not errors:
            return InstrumentError(0, "the error queue emptied itself", f"after {command[:80]!r}")
        more = f", and then {'; '.join(map(str, errors[1:4]))}" if len(errors) > 1 else ""
        return InstrumentError(errors[0].code, errors[0].message, f"after {command[:80]!r}{more}")


def _error(reply: str) -> InstrumentError:
    """An entry of the error queue: code, message, severity, node, tab separated."""
    fields = reply.split("\t")
    if len(fields) < 2:
        raise ValueError("code, message, severity and node were expected")
    return InstrumentError(whole(fields[0]), re.sub(r"\s+", " ", fields[1]).strip('" '))
