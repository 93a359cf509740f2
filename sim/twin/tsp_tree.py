"""The object tree of a TSP instrument: groups of attributes, functions and constants.

A group knows nothing of Lua; `lua.LuaMachine` shows it to scripts the way the instrument does, as a table
whose metatable holds Getters, Setters and Objects.
"""

import math
from collections.abc import Callable, Collection
from typing import TypeVar

from .tsp_errors import TspError

Found = TypeVar("Found")
Check = Callable[[object], object]


class Setting:
    """An attribute that only remembers what was written, if it is allowed.

    Args:
        default: value after a reset.
        check: returns the value to keep, or raises `TspError`.
    """

    def __init__(self, default: object, check: Check) -> None:
        self.value, self._default, self._check = default, default, check

    def read(self) -> object:
        """The value now."""
        return self.value

    def write(self, value: object) -> None:
        """Check and keep a value.

        Raises:
            TspError: it is not accepted.
        """
        self.value = self._check(value)

    def reset(self) -> None:
        """Back to the default."""
        self.value = self._default

    @property
    def number(self) -> float:
        """The value as a number."""
        value = self.value
        return value if type(value) is float else as_number(value)


class Group:
    """A table of the instrument.

    Args:
        luatype: what the instrument calls this kind of table, None for none.
        owner: what the group stands for, for functions that take it as an argument.
    """

    def __init__(self, luatype: str | None = None, owner: object = None) -> None:
        self.luatype, self.owner = luatype, owner
        self.getters: dict[str, Callable[[], object]] = {}
        self.setters: dict[str, Callable[[object], None]] = {}
        self.objects: dict[str | int, object] = {}
        self.indexer: Callable[[int], object] | None = None
        self.assigner: Callable[[int, object], None] | None = None
        self._settings: list[Setting] = []

    def attribute(
        self, name: str, read: Callable[[], object], write: Callable[[object], None] | None = None
    ) -> None:
        """Add an attribute; without `write` it is read-only."""
        self.getters[name] = read
        if write is not None:
            self.setters[name] = write

    def setting(self, name: str, default: object, check: Check) -> Setting:
        """Add an attribute that remembers what was written."""
        setting = Setting(default, check)
        self._settings.append(setting)
        self.attribute(name, setting.read, setting.write)
        return setting

    def function(self, name: str, function: Callable[..., object]) -> None:
        """Add a function; a tuple it returns becomes several values."""
        self.objects[name] = function

    def constants(self, **values: object) -> None:
        """Add constants."""
        self.objects.update(values)

    def child(self, name: str | int, group: "Group | None" = None) -> "Group":
        """Add a table below this one."""
        group = group if group is not None else Group()
        self.objects[name] = group
        return group

    def ignored(self, *names: str) -> None:
        """Add functions that are accepted and do nothing the bench could feel."""
        for name in names:
            self.function(name, _nothing)

    def reset(self) -> None:
        """Bring every setting of this group and of the groups below back to its default."""
        for setting in self._settings:
            setting.reset()
        for value in self.objects.values():
            if isinstance(value, Group):
                value.reset()


def _nothing(*_: object) -> None:
    return None


def as_number(value: object) -> float:
    """A number of a script.

    Raises:
        TspError: it is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise TspError(-104)
    return float(value)


def number(low: float, high: float) -> Check:
    """Accept numbers from `low` to `high`."""

    def check(value: object) -> object:
        found = as_number(value)
        if found > high:
            raise TspError(1101)
        if found < low:
            raise TspError(1102)
        return found

    return check


def choice(values: Collection[float]) -> Check:
    """Accept some numbers only."""

    def check(value: object) -> object:
        found = as_number(value)
        if found not in values:
            raise TspError(-222)
        return found

    return check


SWITCH = choice((0, 1))


def any_number(value: object) -> object:
    """Accept every number."""
    return as_number(value)


def whole(low: int, high: int) -> Check:
    """Accept whole numbers from `low` to `high`; a fraction is cut off."""
    inside = number(low, high)

    def check(value: object) -> object:
        return float(int(as_number(inside(value))))

    return check


def text(value: object) -> object:
    """Accept strings."""
    if not isinstance(value, str):
        raise TspError(-104)
    return value


def switch(value: object) -> object:
    """Accept true and false."""
    if not isinstance(value, bool):
        raise TspError(-104)
    return value


def of_kind(value: object, kind: type[Found]) -> Found:
    """An argument that must be a certain table of the instrument, such as a reading buffer.

    Raises:
        TspError: it is something else.
    """
    if not isinstance(value, kind):
        raise TspError(-104)
    return value
