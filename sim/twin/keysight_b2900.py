"""Keysight B2900A/B source-measure units in SCPI: two channels that pulse in step."""

from collections.abc import Callable, Iterable

from .b2900_channel import Channel, Sample
from .b2900_data import ELEMENTS, DataFormat, element
from .b2900_sense_commands import add_sense_commands, add_trigger_commands
from .b2900_source_commands import add_source_commands, one
from .b2900_trigger import BOTH, Action, TriggerSystem
from .bench import Bench
from .scpi import Call, CommandTree, Unit, channels_of, units, word_of
from .scpi_errors import ScpiError, ScpiErrors
from .wiring import Port

MESSAGE_TIME = 200e-6
"""Bench time of one message, s (unverified on hardware)."""
LINE_FREQUENCY = 50.0
SINGLE_CHANNEL = ("B2901A", "B2901B", "B2911A", "B2911B")
_VERSION = "1999.0"


class KeysightB2900:
    """An emulated B2901A to B2912B.

    Args:
        bench: what it stands on.
        name: of the instrument, as the wiring names it.
        model: as in the identity; models ending in 01 and 11 have one channel.
        serial: serial number.
        firmware: revision.
    """

    def __init__(
        self,
        bench: Bench,
        name: str = "smu",
        *,
        model: str = "B2902A",
        serial: str = "MY51140000",
        firmware: str = "3.4.2011.5100",
    ) -> None:
        self.bench, self.name = bench, name
        self._identity = f"Keysight Technologies,{model},{serial},{firmware}"
        count = 1 if model in SINGLE_CHANNEL else 2
        self.channels = tuple(Channel(bench, Port(name, k + 1), LINE_FREQUENCY) for k in range(count))
        self.system = TriggerSystem(bench, self.channels)
        self.errors = ScpiErrors()
        self._format = DataFormat()
        self._events = self._enabled_events = self._enabled_requests = 0
        self._tree = CommandTree()
        self._add_commands()
        bench.add(self)

    def receive(self, message: bytes) -> bytes:
        """Answer one line; see `Emulator`. Answers to several queries are joined by semicolons."""
        self.bench.timeline.catch_up()
        self.bench.timeline.advance(MESSAGE_TIME)
        replies: list[bytes] = []
        try:
            for unit in units(message.decode("latin-1").strip()):
                reply = self._common(unit) if unit.common else self._command(unit)
                if reply is not None:
                    replies.append(reply if isinstance(reply, bytes) else reply.encode("latin-1"))
        except ScpiError as error:
            self.errors.put(error.code)
        return b";".join(replies) + b"\n" if replies else b""

    def overflow_errors(self) -> None:
        """Fill the error queue until it overflows."""
        self.errors.overflow()

    def set_interlock(self, closed: bool) -> None:
        """Close or open the interlock."""
        for channel in self.channels:
            try:
                channel.set_interlock(closed)
            except ScpiError as error:
                self.errors.put(error.code)

    def squeeze(self, factor: float) -> None:
        """Multiply every limit of every channel."""
        for channel in self.channels:
            channel.squeeze(factor)

    def stop(self) -> None:
        """Nothing runs on its own here."""

    def _command(self, unit: Unit) -> str | bytes | None:
        action, suffixes = self._tree.find(unit.path, unit.query)
        return action(Call(suffixes, unit.arguments))

    def _common(self, unit: Unit) -> str | None:
        name = unit.path[0] + ("?" if unit.query else "")
        if name in ("*ESE", "*SRE", "*SAV", "*RCL", "*PSC"):
            value = int(float(one(Call((), unit.arguments))))
            if name == "*ESE":
                self._enabled_events = value & 255
            elif name == "*SRE":
                self._enabled_requests = value & 255
            return None
        if unit.arguments:
            raise ScpiError(-108)
        queries: dict[str, Callable[[], str]] = {
            "*IDN?": lambda: self._identity,
            "*OPC?": self._await,
            "*ESR?": lambda: f"{self._take_events()}",
            "*ESE?": lambda: f"{self._enabled_events}",
            "*STB?": lambda: f"{self.status_byte()}",
            "*SRE?": lambda: f"{self._enabled_requests}",
            "*TST?": lambda: "0",
            "*OPT?": lambda: "0",
            "*LRN?": lambda: "",
        }
        if name in queries:
            return queries[name]()
        actions: dict[str, Callable[[], object]] = {
            "*RST": self._reset,
            "*CLS": self._clear,
            "*WAI": self._wait,
            "*OPC": self._note_completion,
            "*TRG": self._trigger,
        }
        if name not in actions:
            raise ScpiError(-113)
        actions[name]()
        return None

    def _add_commands(self) -> None:
        tree = self._tree
        add_source_commands(tree, self._channel)
        add_sense_commands(tree, self._channel)
        add_trigger_commands(tree, self.system, self._channel)
        named: tuple[tuple[str, tuple[Action, ...]], ...] = (
            ("[:ALL]", BOTH), (":TRANsient", ("TRAN",)), (":ACQuire", ("ACQ",)),
        )  # fmt: skip
        for word, actions in named:
            self._add_actions(word, actions)
        for place, name in enumerate(("VOLTage", "CURRent", "RESistance", "TIME", "STATus", "SOURce")):
            self._add_data(name, (ELEMENTS[place],))
        self._add_data("", ())
        tree.add(":FORMat[:DATA]", self._set_format, lambda _: self._format.kind)
        tree.add(
            ":FORMat:BORDer",
            lambda call: setattr(self._format, "swapped", word_of(one(call), "NORMal", "SWAPped") == "SWAP"),
            lambda _: "SWAP" if self._format.swapped else "NORM",
        )
        tree.add(":FORMat:ELEMents:SENSe", self._set_elements, lambda _: ",".join(self._format.elements))
        tree.add(":FORMat:DIGital|:FORMat:SREGister|:FORMat:ELEMents:CALCulate", lambda _: None)
        tree.add(":SYSTem:ERRor[:NEXT]", read=lambda _: self.errors.take())
        tree.add(":SYSTem:ERRor:ALL", read=lambda _: self.errors.take_all())
        tree.add(":SYSTem:ERRor:COUNt", read=lambda _: f"{len(self.errors)}")
        tree.add(":SYSTem:VERSion", read=lambda _: _VERSION)
        tree.add(":SYSTem:LFRequency", self._set_line, lambda _: f"{self.channels[0].linefreq:.0f}")
        tree.add(
            ":SYSTem:INTerlock:TRIPped",
            read=lambda _: f"{int(not all(channel.interlock for channel in self.channels))}",
        )
        tree.add(":SYSTem:PRESet", lambda _: self._reset())
        self._add_ignored()

    def _add_actions(self, word: str, actions: tuple[Action, ...]) -> None:
        tree = self._tree
        tree.add(f":INITiate[:IMMediate]{word}", lambda call: self._initiate(call, actions))
        tree.add(f":ABORt{word}", lambda call: self.system.abort(self._listed(call), actions))
        tree.add(f":IDLE#{word}", read=lambda call: self._idle(call, actions))
        tree.add(f":TRIGger{word}[:IMMediate]", lambda _: self._trigger())

    def _add_ignored(self) -> None:
        """Display, beeper and the like: accepted, remembered by nobody."""
        for header in (
            ":SYSTem:BEEPer[:IMMediate]", ":SYSTem:BEEPer:STATe", ":SYSTem:LOCal", ":SYSTem:REMote",
            ":SYSTem:RWLock", ":SYSTem:TIME", ":SYSTem:DATE", ":SYSTem:TIME:TIMer:COUNt:RESet[:AUTO]",
            ":SYSTem:GROup[:DEFinition]", ":SYSTem:FAN:MODE", ":SYSTem:PON",
            ":DISPlay:ENABle", ":DISPlay:VIEW", ":DISPlay:DIGits", ":DISPlay:ZOOM", ":DISPlay:CSET",
            ":DISPlay[:WINDow#]:TEXT:DATA", ":DISPlay[:WINDow#]:TEXT:STATe",
            ":STATus:PRESet", ":STATus:OPERation:ENABle", ":STATus:QUEStionable:ENABle",
            ":TRACe#:FEED", ":TRACe#:FEED:CONTrol", ":TRACe#:CLEar", ":TRACe#:POINts",
            ":TRACe#:TSTamp:FORMat",
            ":CALCulate#:MATH:STATe", ":CALCulate#:CLIMits:STATe", ":CALCulate#:LIMit#:STATe",
            ":HCOPy:SDUMp:FORMat",
        ):  # fmt: skip
            self._tree.add(header, lambda _: None, lambda _: "0")
        for register in ("OPERation", "QUEStionable", "MEASurement"):
            for part in ("[:EVENt]", ":CONDition"):
                self._tree.add(f":STATus:{register}{part}", read=lambda _: "0")

    def _add_data(self, name: str, elements: tuple[str, ...]) -> None:
        tail = f":{name}" if name else ""
        tree = self._tree
        tree.add(f":FETCh[:SCALar]{tail}", read=lambda call: self._fetch(call, elements, False))
        tree.add(f":FETCh:ARRay{tail}", read=lambda call: self._fetch(call, elements, True))
        tree.add(f":READ[:SCALar]{tail}", read=lambda call: self._read(call, elements, False))
        tree.add(f":READ:ARRay{tail}", read=lambda call: self._read(call, elements, True))
        if name in ("", "VOLTage", "CURRent", "RESistance"):
            tree.add(f":MEASure{tail}", read=lambda call: self._spot(call, elements))
        if not name:
            tree.add("[:SENSe#]:DATA", read=self._fetch_suffix)

    def _channel(self, call: Call) -> Channel:
        if not 1 <= call.channel <= len(self.channels):
            raise ScpiError(-114)
        return self.channels[call.channel - 1]

    def _listed(self, call: Call) -> tuple[int, ...]:
        if not call.arguments:
            return (1,)
        return channels_of(one(call), len(self.channels))

    def _initiate(self, call: Call, actions: tuple[Action, ...]) -> None:
        self.system.initiate(self._listed(call), actions)

    def _idle(self, call: Call, actions: tuple[Action, ...]) -> str:
        self._channel(call)
        self.bench.timeline.run_until(lambda: self.system.idle(call.channel, actions))
        return "1" if self.system.idle(call.channel, actions) else "0"

    def _trigger(self) -> None:
        if not self.system.bus_trigger():
            raise ScpiError(-211)

    def _fetch(self, call: Call, elements: tuple[str, ...], array: bool) -> bytes:
        return self._samples(self._listed(call), elements, array)

    def _fetch_suffix(self, call: Call) -> bytes:
        self._channel(call)
        return self._samples((call.channel,), (), True)

    def _read(self, call: Call, elements: tuple[str, ...], array: bool) -> bytes:
        numbers = self._listed(call)
        self.system.initiate(numbers, BOTH)
        return self._samples(numbers, elements, array)

    def _spot(self, call: Call, elements: tuple[str, ...]) -> bytes:
        numbers = self._listed(call)
        for number in numbers:
            channel = self.channels[number - 1]
            if not channel.output and channel.auto_on:
                channel.switch(True)
        self.bench.timeline.advance(max(self.channels[number - 1].aperture for number in numbers))
        self.bench.settle()
        samples = [self.channels[number - 1].sample() for number in numbers]
        return self._encode(zip(numbers, samples, strict=True), elements)

    def _samples(self, numbers: tuple[int, ...], elements: tuple[str, ...], array: bool) -> bytes:
        self.bench.timeline.run_until(lambda: all(self.system.idle(number) for number in numbers))
        kept = [self.channels[number - 1].samples for number in numbers]
        if not all(kept):
            raise ScpiError(-230)
        rows = range(min(len(samples) for samples in kept)) if array else [-1]
        pairs = [
            (number, samples[row]) for row in rows for number, samples in zip(numbers, kept, strict=True)
        ]
        return self._encode(pairs, elements)

    def _encode(self, pairs: Iterable[tuple[int, Sample]], elements: tuple[str, ...]) -> bytes:
        chosen = elements or self._format.elements
        return self._format.data(
            element(sample, name, self.system.began(number), self.channels[number - 1])
            for number, sample in pairs
            for name in chosen
        )

    def _set_format(self, call: Call) -> None:
        if not call.arguments:
            raise ScpiError(-109)
        kind = word_of(call.arguments[0], "ASCii", "REAL")
        if kind == "ASC":
            self._format.kind = "ASC"
            return
        length = call.arguments[1] if len(call.arguments) > 1 else "64"
        if length not in ("32", "64"):
            raise ScpiError(-224)
        self._format.kind = f"REAL,{length}"

    def _set_elements(self, call: Call) -> None:
        if not call.arguments:
            raise ScpiError(-109)
        names = ("VOLTage", "CURRent", "RESistance", "TIME", "STATus", "SOURce")
        chosen = {word_of(text, *names) for text in call.arguments}
        self._format.elements = tuple(name for name in ELEMENTS if name in chosen)

    def _set_line(self, call: Call) -> None:
        value = one(call)
        if value not in ("50", "60"):
            raise ScpiError(-224)
        for channel in self.channels:
            channel.linefreq = float(value)

    def _wait(self) -> bool:
        done = self.bench.timeline.run_until(lambda: not self.system.busy())
        if not done:
            self.bench.warn(f"{self.name} waits for a trigger that nothing will bring")
        return done

    def _await(self) -> str:
        return "1" if self._wait() else ""

    def _note_completion(self) -> None:
        if self._wait():
            self._events |= 1

    def _reset(self) -> None:
        self.system.reset()
        for channel in self.channels:
            channel.reset()
        self._format.reset()

    def _clear(self) -> None:
        self.errors.clear()
        self._events = self.errors.event_bits = 0

    def _take_events(self) -> int:
        bits = self._events | self.errors.event_bits
        self._events = self.errors.event_bits = 0
        return bits

    def status_byte(self) -> int:
        """The status byte: error available, standard event summary."""
        byte = 4 if len(self.errors) else 0
        byte |= 32 if (self._events | self.errors.event_bits) & self._enabled_events else 0
        return byte | (64 if byte & self._enabled_requests else 0)
