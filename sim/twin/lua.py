"""A Lua interpreter for instrument scripts, closed off from everything but the instrument.

Instruments run Lua 5.0; 5.1 is the nearest that is kept alive. What differs and shows is put right here:
quotes in error messages. No `os`, `io`, `package`, `debug`, `load`, `loadfile`, `dofile`, `require`, no
bytecode, no environment of another function, and no Python object ever becomes a value of a script.
"""

import importlib
import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from ...errors import ConfigurationError
from .tsp_errors import TEXTS, TspError
from .tsp_tree import Group

MEMORY = 64 * 1024 * 1024
"""Bytes a script may use; it is told at half of that, when it allocates little by little."""
_SPARE = 1024 * 1024
"""Bytes a message may use when what is kept already fills the memory, so that it can be freed."""
_BOOT = Path(__file__).with_name("boot.lua")
_PLACE = re.compile(r"^x:(\d+): (.*)$", re.DOTALL)
_QUOTED = re.compile(r"'([^']*)'")
_PLAIN = frozenset((float, int, str, bool, type(None)))
"""Types of values that are the same on both sides."""

Report = Callable[[int, str], None]
_Foreign = Any
"""A value of lupa, which ships no types; it is checked or cast before it leaves this module."""


class LuaMachine:
    """One interpreter showing one instrument.

    Args:
        report: takes code and text of every error.
        emit: takes each line a script prints, without its terminator.

    Raises:
        ConfigurationError: the extra `twin` is not installed.
    """

    def __init__(self, report: Report, emit: Callable[[str], None]) -> None:
        try:
            lupa: _Foreign = importlib.import_module("lupa.lua51")
        except ImportError as error:
            raise ConfigurationError(
                "emulated TSP instruments run Lua: install it with pip install 'mtjloop[twin]'"
            ) from error
        self._report = report
        self._aborted = False
        self._fault: BaseException | None = None
        self._owners: list[object] = []
        self._shown: dict[int, tuple[Group, _Foreign]] = {}
        self._errors: tuple[type[Exception], ...] = (lupa.LuaError,)
        runtime: _Foreign = lupa.LuaRuntime(
            encoding="latin-1",
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_deny,
            max_memory=MEMORY,
        )
        self._runtime = runtime
        runtime.set_max_memory(0)
        self._table = runtime.table_from
        self._type = lupa.lua_type
        code = _BOOT.read_text(encoding="utf-8")
        self._lua: _Foreign = runtime.execute(code, lambda: self._aborted, emit, MEMORY / 2048)

    def show(self, root: Group) -> None:
        """Make the attributes and tables of `root` global."""
        for name, value in root.objects.items():
            self._lua["set_global"](name, self._outward(value))
        if root.getters:
            raise TypeError("attributes belong to tables, not to the global environment")

    def set_global(self, name: str, value: object) -> None:
        """Set a global variable of scripts."""
        self._lua["set_global"](name, self._outward(value))

    def set_precision(self, digits: int) -> None:
        """Significant digits of printed numbers, 1 to 16."""
        self._lua["set_precision"](digits)

    def run(self, code: str) -> None:
        """Run a chunk; errors go to `report`."""
        self._finish(*self._attempt(self._lua["run"], code))

    def define(self, name: str, code: str) -> bool:
        """Make a script; with a name it becomes a global variable. Returns whether it is valid Lua."""
        status, message = self._attempt(self._lua["define"], name, code)
        self._finish(status, message)
        return status == 0

    def run_script(self, name: str) -> None:
        """Run a script made before; the empty name is the anonymous script."""
        self._finish(*self._attempt(self._lua["run_script"], name))

    def abort(self) -> None:
        """End the script that runs, from another thread."""
        self._aborted = True

    def _attempt(self, function: _Foreign, *arguments: str) -> tuple[int, str]:
        # The limit holds while a script runs only: outside, an allocation that fails ends the process.
        runtime = self._runtime
        runtime.set_max_memory(max(MEMORY, runtime.get_memory_used() + _SPARE))
        try:
            status, message = function(*arguments)
        except self._errors as error:  # memory or stack exhausted outside any protected call
            return 3, str(error)
        finally:
            runtime.set_max_memory(0)
        return cast(int, status), cast(str, message)

    def _finish(self, status: int, message: str) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        if status == 0:
            return
        if "not enough memory" in message:
            self._report(-225, "Out of memory or TSP memory allocation error")
            return
        found = _PLACE.match(message)
        line, text = (found.group(1), found.group(2)) if found else ("1", message)
        kind, code = ("Syntax", -285) if status == 1 else ("Runtime", -286)
        self._report(code, f"TSP {kind} error at line {line}: {_QUOTED.sub(_old_quotes, text)}")

    def _outward(self, value: object) -> _Foreign:
        """A value as scripts see it."""
        if isinstance(value, Group):
            return self._shown_group(value)
        if callable(value):
            return self._lua["wrap"](self._bound(value))
        if isinstance(value, list):
            return self._table([self._outward(one) for one in value])
        if isinstance(value, tuple):
            return tuple(self._outward(one) for one in value)
        return value

    def _shown_group(self, group: Group) -> _Foreign:
        known = self._shown.get(id(group))
        if known is not None:
            return known[1]
        place = len(self._owners)
        self._owners.append(group.owner if group.owner is not None else group)
        table = self._lua["make"](
            self._table({name: self._bound(read) for name, read in group.getters.items()}),
            self._table({name: self._bound(write) for name, write in group.setters.items()}),
            self._table({name: self._outward(value) for name, value in group.objects.items()}),
            group.luatype,
            None if group.indexer is None else self._bound(group.indexer),
            None if group.assigner is None else self._bound(group.assigner),
            place,
        )
        self._shown[id(group)] = (group, table)  # holding the group keeps its id its own
        return table

    def _bound(self, function: Callable[..., object]) -> Callable[..., object]:
        """A function that scripts may call: it never raises, and sees no value of lupa."""
        inward, outward, report = self._inward, self._outward, self._report
        fewest, most = _arity(function)

        def call(*arguments: _Foreign) -> _Foreign:
            if not fewest <= len(arguments) <= most:
                code = -109 if len(arguments) < fewest else -108
                report(code, TEXTS[code])
                return None
            try:
                found = function(*[one if type(one) in _PLAIN else inward(one) for one in arguments])
                return found if type(found) in _PLAIN else outward(found)
            except TspError as error:
                report(error.code, str(error))
            except BaseException as fault:
                self._fault = fault  # a protected call of a script would swallow it
                raise
            return None

        return call

    def _inward(self, value: _Foreign) -> object:
        """A value of a script as the emulator sees it: plain, or the owner of a table of the instrument."""
        kind = self._type(value)
        if kind is None:
            return value
        if kind != "table":
            return kind  # a function or thread: no command takes one
        place = self._lua["identify"](value)
        if place is not None:
            return self._owners[place]
        return [self._inward(value[k]) for k in range(1, len(value) + 1)]


def _arity(function: Callable[..., object]) -> tuple[int, float]:
    """Fewest and most arguments of a function; trailing nils of a script count."""
    fewest, most = 0, 0.0
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.VAR_POSITIONAL:
            most = math.inf
        else:
            most += 1
            fewest += one.default is one.empty
    return fewest, most


def _deny(_: object, name: str, __: bool) -> str:
    raise AttributeError(name)


def _old_quotes(found: "re.Match[str]") -> str:
    return f"`{found.group(1)}'"
