"""One-line declarations of what can be read from an instrument.

`interlock_open = reads(":SYST:INT:TRIP?", flag, "...")` in a class makes a method `interlock_open()`. Nothing
is ever sent because an attribute was looked at or assigned.
"""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, overload

T = TypeVar("T")


class Asks(Protocol):
    """Anything that can ask a query."""

    def ask(self, command: str, parse: Callable[[str], T], timeout: float | None = None) -> T:
        """The parsed reply to a query."""
        ...


class reads(Generic[T]):  # noqa: N801 - reads as a declaration
    """A method that asks one query.

    Args:
        command: literal query.
        parse: turns the reply into a value; ValueError means the reply makes no sense.
        doc: what it is, with unit.
    """

    def __init__(self, command: str, parse: Callable[[str], T], doc: str) -> None:
        self._command, self._parse, self.__doc__ = command, parse, doc

    @overload
    def __get__(self, instrument: None, owner: type[Any]) -> "reads[T]": ...
    @overload
    def __get__(self, instrument: Asks, owner: type[Any]) -> Callable[[], T]: ...
    def __get__(self, instrument: Asks | None, owner: type[Any]) -> "reads[T] | Callable[[], T]":
        """The method of an instrument, or the declaration itself on the class."""
        if instrument is None:
            return self
        asking = instrument
        return lambda: asking.ask(self._command, self._parse)
