"""SCPI: headers in short and long form, optional nodes, numeric suffixes, compound messages, parameters."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .scpi_errors import ScpiError

_NODE = re.compile(r"^([A-Za-z]+)(\d*)$")
_NUMBER = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)$")
_PREFIXES = {"": 1.0, "N": 1e-9, "U": 1e-6, "M": 1e-3, "K": 1e3, "P": 1e-12}
_UNITS = ("V", "A", "S", "OHM", "HZ")
INFINITE = 9.9e37


@dataclass(frozen=True)
class Call:
    """One command as it arrived.

    Attributes:
        suffixes: numbers in the header, in order; 1 where none was given.
        arguments: parameters as written.
    """

    suffixes: tuple[int, ...]
    arguments: tuple[str, ...]

    @property
    def channel(self) -> int:
        """The first suffix, or 1."""
        return self.suffixes[0] if self.suffixes else 1


Set = Callable[[Call], None]
Get = Callable[[Call], str | bytes]


@dataclass
class _Node:
    """A mnemonic below its parent; an optional one may be left out."""

    short: str
    long: str
    numbered: bool
    optional: bool
    children: "list[_Node]" = field(default_factory=list)
    write: Set | None = None
    read: Get | None = None


class CommandTree:
    """The commands of an instrument.

    A header is written as in manuals: `:SOURce#:VOLTage[:LEVel][:IMMediate]`, where `#` may be a number.
    """

    def __init__(self) -> None:
        self._root = _Node("", "", False, False)

    def add(self, header: str, write: Set | None = None, read: Get | None = None) -> None:
        """Add a command, a query or both; alternatives are separated by `|`."""
        for one in header.split("|"):
            node = self._root
            for optional, name, numbered in re.findall(r"(\[?):(\w+)(#?)\]?", one):
                node = _child(node, name, bool(numbered), bool(optional))
            node.write, node.read = write or node.write, read or node.read

    def find(self, path: tuple[str, ...], query: bool) -> tuple[Set | Get, tuple[int, ...]]:
        """The command of a header and its suffixes.

        Raises:
            ScpiError: -113, or -114 for a number where none is expected.
        """
        found = _search(self._root, path, query)
        if found is None:
            raise ScpiError(-113)
        node, suffixes = found
        action = node.read if query else node.write
        if action is None:
            raise ScpiError(-113)
        return action, suffixes


def _child(parent: _Node, name: str, numbered: bool, optional: bool) -> _Node:
    short = "".join(letter for letter in name if not letter.islower())
    for child in parent.children:
        if child.long == name.upper() and child.numbered == numbered and child.optional == optional:
            return child
    node = _Node(short.upper(), name.upper(), numbered, optional)
    parent.children.append(node)
    return node


def _search(node: _Node, path: tuple[str, ...], query: bool) -> tuple[_Node, tuple[int, ...]] | None:
    if not path:
        if (node.read if query else node.write) is not None:
            return node, ()
        for child in node.children:
            if child.optional and (found := _search(child, (), query)) is not None:
                return found[0], ((1,) if child.numbered else ()) + found[1]
        return None
    parsed = _NODE.match(path[0])
    if parsed is None:
        raise ScpiError(-101)
    word, digits = parsed.group(1).upper(), parsed.group(2)
    for child in node.children:
        if word in (child.short, child.long) and (child.numbered or not digits):
            found = _search(child, path[1:], query)
            if found is not None:
                own = (int(digits or 1),) if child.numbered else ()
                return found[0], own + found[1]
        if child.optional:
            found = _search(child, path, query)
            if found is not None:
                return found[0], ((1,) if child.numbered else ()) + found[1]
    return None


@dataclass(frozen=True)
class Unit:
    """One message unit: header words without `?`, whether it is a query, parameters."""

    path: tuple[str, ...]
    query: bool
    arguments: tuple[str, ...]
    common: bool


def units(message: str) -> list[Unit]:
    """Split a message into units; a header without a leading colon continues the path of the one before."""
    found: list[Unit] = []
    base: tuple[str, ...] = ()
    for text in _split(message, ";"):
        text = text.strip()
        if not text:
            continue
        header, _, rest = re.sub(r"\s+", " ", text, count=1).partition(" ")
        query = header.endswith("?")
        header = header.rstrip("?")
        arguments = tuple(one.strip() for one in _split(rest, ",")) if rest.strip() else ()
        if header.startswith("*"):
            found.append(Unit((header.upper(),), query, arguments, common=True))
            continue
        words = tuple(word for word in header.split(":") if word)
        path = words if header.startswith(":") else base + words
        base = path[:-1]
        found.append(Unit(path, query, arguments, common=False))
    return found


def _split(text: str, separator: str) -> list[str]:
    """Split outside quotes and parentheses."""
    parts, part, quote, depth = [], "", "", 0
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        if letter == separator and not quote and not depth:
            parts.append(part)
            part = ""
        else:
            part += letter
    return [*parts, part]


def number_of(text: str, low: float, high: float, default: float | None = None) -> float:
    """A number with or without a unit, or MIN, MAX, DEF or INF.

    Raises:
        ScpiError: no number, an unknown unit, or out of range.
    """
    word = text.upper()
    named = {"MIN": low, "MINIMUM": low, "MAX": high, "MAXIMUM": high, "INF": INFINITE, "INFINITY": INFINITE}
    if default is not None:
        named.update({"DEF": default, "DEFAULT": default})
    if word in named:
        value = named[word]
    else:
        parsed = _NUMBER.match(text)
        if parsed is None:
            raise ScpiError(-104 if text[:1] in "\"'(" else -141 if text[:1].isalpha() else -121)
        value = float(parsed.group(1)) * _unit(parsed.group(2).upper())
    if not low <= value <= high:
        raise ScpiError(-222)
    return value


def _unit(suffix: str) -> float:
    if not suffix:
        return 1.0
    for unit in _UNITS:
        if suffix.endswith(unit) and suffix[: -len(unit)] in _PREFIXES:
            return _PREFIXES[suffix[: -len(unit)]]
    if suffix == "MAOHM":
        return 1e6
    raise ScpiError(-131)


def boolean_of(text: str) -> bool:
    """ON, OFF or a number.

    Raises:
        ScpiError: something else.
    """
    word = text.upper()
    if word in ("ON", "OFF"):
        return word == "ON"
    return round(number_of(text, -1e9, 1e9)) != 0


def word_of(text: str, *words: str) -> str:
    """One of some mnemonics, given as in manuals (`FIXed`), in either form; returns the short form.

    Raises:
        ScpiError: something else.
    """
    for word in words:
        short = "".join(letter for letter in word if not letter.islower())
        if text.upper() in (short.upper(), word.upper()):
            return short.upper()
    raise ScpiError(-224 if text[:1].isalpha() else -104)


def string_of(text: str) -> str:
    """A quoted string.

    Raises:
        ScpiError: not quoted.
    """
    if len(text) < 2 or text[0] not in "\"'" or text[-1] != text[0]:
        raise ScpiError(-104)
    return text[1:-1]


def channels_of(text: str, most: int) -> tuple[int, ...]:
    """A channel list such as `(@1,2)` or `(@1:2)`.

    Raises:
        ScpiError: malformed, or a channel that is not there.
    """
    parsed = re.match(r"^\(\s*@\s*([\d\s,:]*)\)$", text)
    if parsed is None:
        raise ScpiError(-171)
    found: list[int] = []
    for item in parsed.group(1).replace(" ", "").split(","):
        first, _, last = item.partition(":")
        if not first.isdigit() or (last and not last.isdigit()):
            raise ScpiError(-171)
        found.extend(range(int(first), int(last or first) + 1))
    if not found or min(found) < 1 or max(found) > most:
        raise ScpiError(-222)
    return tuple(dict.fromkeys(found))
