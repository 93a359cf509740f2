"""Command groups that every TSP instrument has: formats, errors, display, beeper, clocks, bits, printing."""

import struct
from collections.abc import Callable, Iterable

from .tsp import TspInstrument
from .tsp_buffer import ReadingBuffer, Recalled
from .tsp_errors import TspError
from .tsp_tree import SWITCH, Group, any_number, as_number, choice, number, of_kind, text, whole

ASCII, REAL32, REAL64 = 1, 2, 3


class Formatter:
    """How numbers leave the instrument: `format.data`, `format.asciiprecision`, `format.byteorder`."""

    def __init__(self, instrument: TspInstrument) -> None:
        self._instrument = instrument
        self.group = Group()
        self.group.constants(
            ASCII=ASCII, REAL32=REAL32, SREAL=REAL32, REAL64=REAL64, REAL=REAL64, DREAL=REAL64,
            NORMAL=0, NETWORK=0, BIGENDIAN=0, SWAPPED=1, LITTLEENDIAN=1,
        )  # fmt: skip
        self._data = self.group.setting("data", ASCII, choice((ASCII, REAL32, REAL64)))
        self._order = self.group.setting("byteorder", 1, SWITCH)
        self._precision = self.group.setting("asciiprecision", 6, whole(1, 16))
        self.group.setters["asciiprecision"] = self._set_precision

    def send(self, values: Iterable[float]) -> None:
        """Send numbers as `printbuffer` and `printnumber` do."""
        numbers = list(values)
        if self._data.value == ASCII:
            digits = int(self._precision.number) - 1
            self._instrument.emit(", ".join(f"{one:.{digits}e}" for one in numbers))
            return
        order = "<" if self._order.value else ">"
        kind = "f" if self._data.value == REAL32 else "d"
        self._instrument.emit_bytes(b"#0" + struct.pack(f"{order}{len(numbers)}{kind}", *numbers))

    def reset(self) -> None:
        """Default formats."""
        self.group.reset()
        self._instrument.machine.set_precision(6)

    def _set_precision(self, value: object) -> None:
        self._precision.write(value)
        self._instrument.machine.set_precision(int(self._precision.number))


def add_common(instrument: TspInstrument) -> Formatter:
    """Add the common groups and functions to the tree of an instrument."""
    root = instrument.root
    formatter = Formatter(instrument)
    root.child("format", formatter.group)
    root.child("errorqueue", _error_queue(instrument))
    root.child("localnode", _local_node(instrument))
    root.child("display", _display())
    root.child("beeper", _beeper(instrument))
    root.child("timer", _timer(instrument))
    root.child("bit", _bits())
    root.child("eventlog", _event_log())
    root.child("userstring", _user_strings())
    root.child("setup", _setup())
    root.child("lan", _lan())
    root.function("delay", lambda duration: instrument.bench.timeline.advance(_duration(duration)))
    root.function("waitcomplete", lambda *_: _quietly(instrument.wait_complete))
    root.function("opc", lambda: _quietly(lambda: instrument.set_standard_event(1)))
    root.function("reset", lambda *_: instrument.reset())
    root.function("printnumber", lambda *values: formatter.send(as_number(one) for one in values))
    root.function("printbuffer", lambda *arguments: _print_buffer(formatter, *arguments))
    root.function("gettimezone", lambda: "GMT0")
    root.function("getglobal", lambda *_: None)
    root.ignored("settime", "settimezone", "exit")
    return formatter


def _quietly(action: Callable[[], object]) -> None:
    action()


def _duration(value: object) -> float:
    return as_number(number(0.0, 100_000.0)(value))


def _print_buffer(formatter: Formatter, start: object, end: object, *columns: object) -> None:
    if not columns:
        raise TspError(-109)
    found = [one.recalled() if isinstance(one, ReadingBuffer) else of_kind(one, Recalled) for one in columns]
    first, last = int(as_number(start)), int(as_number(end))
    if first < 1 or last < first:
        raise TspError(4900, first if first < 1 else last)
    for column in found:
        if last > len(column.values):
            raise TspError(4900, last)
    formatter.send(column.values[k] for k in range(first - 1, last) for column in found)


def _error_queue(instrument: TspInstrument) -> Group:
    group = Group()

    def take() -> tuple[object, ...]:
        entry = instrument.errors.take()
        return entry.code, entry.text, entry.severity, 1

    group.attribute("count", lambda: len(instrument.errors))
    group.function("next", take)
    group.function("clear", instrument.errors.clear)
    return group


def _local_node(instrument: TspInstrument) -> Group:
    group, identity = Group(), instrument.identity
    group.attribute("model", lambda: identity.model)
    group.attribute("serialno", lambda: identity.serial)
    group.attribute("revision", lambda: identity.firmware)
    group.attribute("version", lambda: identity.firmware)
    group.setting("description", f"Keithley {identity.model} #{identity.serial}", text)
    group.setting("linefreq", 60.0, choice((50, 60)))
    group.setting("autolinefreq", True, lambda value: value)
    group.setting("prompts", 0, SWITCH)
    group.setting("prompts4882", 1, SWITCH)
    group.setting("showerrors", 0, SWITCH)
    group.setting("password", "", text)
    group.setting("passwordmode", 0, any_number)
    group.constants(ENABLE=1, DISABLE=0, PASSWORD_NONE=0, PASSWORD_WEB=1, PASSWORD_LAN=2, PASSWORD_ALL=3)
    group.function("gettimezone", lambda: "GMT0")
    group.function("reset", instrument.reset)
    return group


def _display() -> Group:
    group = Group()
    group.constants(
        SMUA=0, SMUB=1, SMUA_SMUB=2, USER=3, DIGITS_4_5=4, DIGITS_5_5=5, DIGITS_6_5=6, UNLOCK=0, LOCK=1,
        MEASURE_DCAMPS=0, MEASURE_DCVOLTS=1, MEASURE_OHMS=2, MEASURE_WATTS=3,
    )  # fmt: skip
    group.setting("screen", 0, any_number)
    group.setting("locallockout", 0, SWITCH)
    group.setting("numpad", 1, SWITCH)
    shown = {"text": ""}
    group.function("settext", lambda value: shown.update(text=str(text(value))))
    group.function("gettext", lambda *_: shown["text"])
    group.function("getcursor", lambda: (1, 1, 0))
    group.function("getannunciators", lambda: 0)
    group.function("getlastkey", lambda: 0)
    group.ignored("clear", "setcursor", "sendkey", "trigger", "prompt", "menu", "inputvalue", "waitkey")
    for name in ("smua", "smub"):
        channel = group.child(name)
        channel.setting("digits", 5, any_number)
        measure = channel.child("measure")
        measure.setting("func", 0, choice((0, 1, 2, 3)))
        limit = channel.child("limit")
        limit.setting("func", 0, any_number)
    loadmenu = group.child("loadmenu")
    loadmenu.ignored("add", "delete")
    return group


def _beeper(instrument: TspInstrument) -> Group:
    group = Group()
    group.constants(ON=1, OFF=0)
    group.setting("enable", 1, SWITCH)
    sounding = number(0.001, 100.0)
    group.function(
        "beep", lambda duration, _: instrument.bench.timeline.advance(as_number(sounding(duration)))
    )
    return group


def _timer(instrument: TspInstrument) -> Group:
    group, began = Group(), [0.0]
    group.function("reset", lambda: began.__setitem__(0, instrument.bench.timeline.seconds))
    measure = group.child("measure")
    measure.function("t", lambda: instrument.bench.timeline.seconds - began[0])
    return group


def _bits() -> Group:
    group = Group()

    def whole_of(value: object) -> int:
        return int(as_number(value))

    group.function("bitand", lambda a, b: whole_of(a) & whole_of(b))
    group.function("bitor", lambda a, b: whole_of(a) | whole_of(b))
    group.function("bitxor", lambda a, b: whole_of(a) ^ whole_of(b))
    group.function("test", lambda a, n: bool(whole_of(a) >> (whole_of(n) - 1) & 1))
    group.function("get", lambda a, n: whole_of(a) & 1 << (whole_of(n) - 1))
    group.function("set", lambda a, n: whole_of(a) | 1 << (whole_of(n) - 1))
    group.function("clear", lambda a, n: whole_of(a) & ~(1 << (whole_of(n) - 1)))
    group.function("toggle", lambda a, n: whole_of(a) ^ 1 << (whole_of(n) - 1))
    return group


def _event_log() -> Group:
    group = Group()
    group.constants(ENABLE=1, DISABLE=0, DISCARD_OLDEST=0, DISCARD_NEWEST=1)
    group.setting("enable", 1, SWITCH)
    group.setting("overwritemethod", 0, SWITCH)
    group.attribute("count", lambda: 0)
    group.ignored("all", "next", "clear")
    return group


def _user_strings() -> Group:
    group = Group()
    kept: dict[str, str] = {}
    group.function("add", lambda name, value: kept.update({str(text(name)): str(text(value))}))
    group.function("get", lambda name: kept.get(str(text(name))))
    group.function("delete", lambda name: _quietly(lambda: kept.pop(str(text(name)), None)))
    return group


def _setup() -> Group:
    group = Group()
    group.setting("poweron", 0, any_number)
    group.ignored("save", "recall")
    return group


def _lan() -> Group:
    group = Group()
    status = group.child("status")
    status.attribute("ipaddress", lambda: "127.0.0.1")
    status.attribute("hostname", lambda: "twin")
    group.ignored("applysettings", "restoredefaults", "reset")
    return group
