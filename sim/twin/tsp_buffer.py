"""Reading buffers of Keithley source-measure units: readings and what was true when they were taken."""

from collections.abc import Callable
from dataclasses import dataclass

from .tsp_errors import TspError
from .tsp_tree import SWITCH, Group, as_number, number

CAPACITY = 60_000
"""Readings of a dedicated buffer (nvbuffer1, nvbuffer2)."""


@dataclass(frozen=True)
class Entry:
    """One reading: value, bench time in s, source level, range, and the bits of its status."""

    value: float
    time: float
    source: float
    full_scale: float
    status: int


class Recalled:
    """One column of a buffer, as scripts index it and `printbuffer` sends it."""

    def __init__(self, read: Callable[[], list[float]]) -> None:
        self._read = read

    @property
    def values(self) -> list[float]:
        """All values, oldest first."""
        return self._read()

    def group(self) -> Group:
        """As a table of the instrument."""
        group = Group("synchronous_table", owner=self)
        group.indexer = self.at
        group.function("getreading", lambda place: self.at(int(as_number(place))))
        return group

    def at(self, place: int) -> object:
        """The value at a place from 1, or None."""
        values = self.values
        return values[int(place) - 1] if 1 <= place <= len(values) else None


class ReadingBuffer:
    """A buffer; without append mode a new measurement overwrites it.

    Args:
        capacity: most readings it holds.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: list[Entry] = []
        self._began = 0.0
        self.capacity = capacity
        self.group = Group("reading_buffer", owner=self)
        self._append = self.group.setting("appendmode", 0, SWITCH)
        self._with_source = self.group.setting("collectsourcevalues", 0, SWITCH)
        with_times = self.group.setting("collecttimestamps", 1, SWITCH)
        for name, setting in (
            ("collectsourcevalues", self._with_source),
            ("collecttimestamps", with_times),
        ):
            self.group.setters[name] = self._only_empty(setting.write)
        self.group.setting("cachemode", 1, SWITCH)
        self.group.setting("fillmode", 0, SWITCH)
        self.group.setting("fillcount", CAPACITY, number(1, CAPACITY))
        self.group.setting("timestampresolution", 1e-6, number(1e-6, 3600.0))
        self.group.constants(FILL_ONCE=0, FILL_WINDOW=1)
        self.group.attribute("n", lambda: len(self._entries))
        self.group.attribute("next", lambda: len(self._entries) + 1)
        self.group.attribute("capacity", lambda: self.capacity)
        self.group.attribute("basetimestamp", lambda: self._began)
        self.group.function("clear", self.clear)
        self.group.ignored("clearcache")
        self._readings: Recalled = self._column("readings", lambda entry: entry.value)
        self.group.indexer = self._readings.at
        self._column("timestamps", lambda entry: entry.time - self._began)
        self._column("sourcevalues", lambda entry: entry.source)
        self._column("measureranges", lambda entry: entry.full_scale)
        self._column("statuses", lambda entry: float(entry.status))

    def recalled(self) -> Recalled:
        """The column of readings."""
        return self._readings

    def clear(self) -> None:
        """Forget all readings."""
        self._entries.clear()

    def begin(self) -> None:
        """A new measurement starts: overwrite unless appending."""
        if not self._append.value:
            self.clear()

    def store(self, entry: Entry) -> None:
        """Add a reading; a full buffer takes no more."""
        if not self._entries:
            self._began = entry.time
        if len(self._entries) < self.capacity:
            self._entries.append(entry)

    def _column(self, name: str, value: Callable[[Entry], float]) -> Recalled:
        column = Recalled(lambda: [value(entry) for entry in self._entries])
        self.group.child(name, column.group())
        return column

    def _only_empty(self, write: Callable[[object], None]) -> Callable[[object], None]:
        def checked(value: object) -> None:
            if self._entries:
                raise TspError(5032)
            write(value)

        return checked
