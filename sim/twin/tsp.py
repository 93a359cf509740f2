"""What all Keithley TSP instruments share: messages, scripts, printed replies, errors, common commands."""

from collections.abc import Callable
from dataclasses import dataclass

from .bench import Bench
from .lua import LuaMachine
from .tsp_errors import TEXTS, ErrorQueue, TspError
from .tsp_tree import Group


@dataclass(frozen=True)
class Identity:
    """What an instrument says it is."""

    model: str
    serial: str
    firmware: str
    maker: str = "Keithley Instruments Inc."


MESSAGE_TIME = 200e-6
"""Bench time of one message: transfer, parsing, answer, s (unverified on hardware)."""


class TspInstrument:
    """An emulated TSP instrument. One message is one line; a script is collected until `endscript`.

    Args:
        bench: what it stands on.
        name: its name on the bench.
        identity: of the model.
    """

    def __init__(self, bench: Bench, name: str, identity: Identity) -> None:
        self.bench, self.name, self.identity = bench, name, identity
        self.errors = ErrorQueue()
        self.root = Group()
        self.machine = LuaMachine(self.errors.put, self.emit)
        self.standard_enable = 0
        self._standard_events = 0
        self._output: list[bytes] = []
        self._script: list[str] | None = None
        self._script_name = ""
        self._script_runs = False
        self._commands: dict[str, Callable[[], str | None]] = {
            "*IDN?": self._identify,
            "*RST": self._reset,
            "*CLS": self._clear,
            "*OPC": self._note_completion,
            "*OPC?": self._await_completion,
            "*WAI": self._await_silently,
            "*ESR?": lambda: f"{self.take_standard_events()}",
            "*ESE?": lambda: f"{self.standard_enable}",
            "*STB?": lambda: f"{self.status_byte()}",
            "*SRE?": lambda: f"{self.request_enable}",
            "*TST?": lambda: "0",
            "*TRG": self._trigger,
        }
        self.request_enable = 0
        self._node: Group | None = None
        bench.add(self)

    def receive(self, message: bytes) -> bytes:
        """Answer one line; see `Emulator`."""
        self.bench.timeline.catch_up()
        self.bench.timeline.advance(MESSAGE_TIME)
        self._take(message.decode("latin-1").rstrip("\r\n"))
        replies = b"".join(self._output)
        self._output.clear()
        return replies

    def as_node(self) -> Group:
        """The tree as other nodes of a TSP-Link see it: `node[n].model` beside all tables."""
        if self._node is None:
            self._node = Group()
            self._node.objects.update(self.root.objects)
            one = self.identity
            self._node.constants(model=one.model, serialno=one.serial, revision=one.firmware)
        return self._node

    def emit(self, line: str) -> None:
        """Put a line into the output queue."""
        self._output.append(line.encode("latin-1", "replace") + b"\n")

    def emit_bytes(self, data: bytes) -> None:
        """Put binary data into the output queue."""
        self._output.append(data + b"\n")

    def fail(self, code: int) -> None:
        """Put an error of `TEXTS` into the error queue."""
        self.errors.put(code, TEXTS[code])

    def refuse(self, error: TspError) -> None:
        """Put a refused command into the error queue."""
        self.errors.put(error.code, str(error))

    def overflow_errors(self) -> None:
        """Fill the error queue until it overflows."""
        self.errors.overflow()

    def set_interlock(self, closed: bool) -> None:
        """An instrument without an interlock does not care."""

    def squeeze(self, factor: float) -> None:
        """An instrument without sources does not care."""

    def stop(self) -> None:
        """End the script that runs."""
        self.machine.abort()

    def reset(self) -> None:
        """Bring every setting back to its default."""
        self.root.reset()

    def busy(self) -> bool:
        """Whether an operation is running in the background."""
        return False

    def trigger(self) -> None:
        """A trigger came over the interface (`*TRG`)."""

    def wait_complete(self) -> bool:
        """Let bench time pass until nothing runs; False if it would never end."""
        done = self.bench.timeline.run_until(lambda: not self.busy())
        if not done:
            self.bench.warn(f"{self.name} waits for an event that nothing will bring")
        return done

    def status_byte(self) -> int:
        """The status byte: error available, message available, standard event summary."""
        standard = self._standard_events | self.errors.event_bits
        byte = (4 if len(self.errors) else 0) | (16 if self._output else 0)
        byte |= 32 if standard & self.standard_enable else 0
        return byte | (64 if byte & self.request_enable else 0)

    def set_standard_event(self, bits: int) -> None:
        """Set bits of the standard event register."""
        self._standard_events |= bits

    def take_standard_events(self) -> int:
        """Read the standard event register, which clears it."""
        bits = self._standard_events | self.errors.event_bits
        self._standard_events = self.errors.event_bits = 0
        return bits

    def _take(self, line: str) -> None:
        word = line.strip()
        if self._script is not None:
            if word == "endscript":
                self._end_script()
            else:
                self._script.append(line)
            return
        if not word or word == "abort":  # nothing runs between two messages, so nothing is aborted
            return
        first, _, rest = word.partition(" ")
        if first in ("loadscript", "loadandrunscript"):
            self._script, self._script_name = [], rest.strip()
            self._script_runs = first == "loadandrunscript"
        elif word.startswith("*"):
            self._common(word)
        else:
            self.machine.run(line)

    def _end_script(self) -> None:
        code, self._script = "\n".join(self._script or []), None
        if self.machine.define(self._script_name, code) and self._script_runs:
            self.machine.run_script(self._script_name)

    def _common(self, word: str) -> None:
        command = self._commands.get(word.upper())
        if command is not None:
            reply = command()
            if reply is not None:
                self.emit(reply)
            return
        name, _, value = word.upper().partition(" ")
        if name in ("*ESE", "*SRE") and value.strip().isdigit():
            if name == "*ESE":
                self.standard_enable = int(value) & 255
            else:
                self.request_enable = int(value) & 255
            return
        self.machine.run(word)  # what the instrument makes of it: a syntax error

    def _identify(self) -> str:
        one = self.identity
        return f"{one.maker}, Model {one.model}, {one.serial}, {one.firmware}"

    def _reset(self) -> None:
        self.reset()

    def _clear(self) -> None:
        self.errors.clear()
        self._output.clear()
        self._standard_events = self.errors.event_bits = 0

    def _note_completion(self) -> None:
        if self.wait_complete():
            self.set_standard_event(1)

    def _await_completion(self) -> str | None:
        return "1" if self.wait_complete() else None

    def _await_silently(self) -> None:
        self.wait_complete()

    def _trigger(self) -> None:
        self.trigger()
