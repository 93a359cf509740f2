"""Scripts reach the instrument and nothing else."""

import pytest

from mtjloop.sim.twin.lua import LuaMachine
from mtjloop.sim.twin.tsp_tree import Group

from .conftest import keithley_bench, tell

FORBIDDEN = (
    "os", "io", "package", "debug", "require", "module", "load", "loadfile", "dofile", "python", "getfenv",
    "setfenv", "newproxy", "coroutine", "string.dump",
)  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_dangerous_names_are_absent(name: str) -> None:
    assert tell(keithley_bench(), "smu", f"print({name})") == "nil\n"


ESCAPES = {
    "bytecode": "f, why = loadstring('\\27Lua') print(f)",
    "attributes of a function": "print(pcall(function() return smua.measure.v.__class__ end))",
    "attributes of a table's metatable": "print(getmetatable(smua).__class__)",
    "an item of a method": "print(pcall(function() return getmetatable(smua).Getters.x['__globals__'] end))",
    "the environment through an error": "print(pcall(function() error(smua) end))",
    "another metatable for strings": "getmetatable('').__index = nil print(pcall(function() return os end))",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_escapes_lead_nowhere(name: str) -> None:
    reply = tell(keithley_bench(), "smu", ESCAPES[name])
    assert "userdata" not in reply
    assert "object at" not in reply
    assert not reply.startswith("true\t<")


def test_every_value_a_script_can_reach_is_lua() -> None:
    walk = """
    local seen, foreign = {}, 0
    local function visit(value)
       if type(value) == "userdata" then foreign = foreign + 1 end
       if type(value) ~= "table" or seen[value] then return end
       seen[value] = true
       for name, inner in pairs(value) do visit(name) visit(inner) end
       local mt = getmetatable(value)
       if mt then visit(mt) end
    end
    visit(_G)
    local n = 0
    for _ in pairs(seen) do n = n + 1 end
    print(foreign, n > 200)
    """
    bench = keithley_bench()
    assert tell(bench, "smu", "loadandrunscript", *walk.split("\n"), "endscript") == "0.00000e+00\ttrue\n"


def test_memory_is_bounded() -> None:
    bench = keithley_bench()
    tell(bench, "smu", "x = {} for k = 1, 1e9 do x[k] = {k, k, k} end")
    assert tell(bench, "smu", "print((errorqueue.next()))") == "-2.25000e+02\n"
    assert tell(bench, "smu", "x = nil print('alive')") == "alive\n"


def test_endless_recursion_is_an_error() -> None:
    bench = keithley_bench()
    tell(bench, "smu", "function f() return 1 + f() end f()")
    assert "stack overflow" in tell(bench, "smu", "print(errorqueue.next())")


def test_an_endless_script_can_be_ended_and_cannot_catch_its_end() -> None:
    errors: list[str] = []
    machine = LuaMachine(lambda _, text: errors.append(text), lambda _: None)
    root = Group()
    root.function("stop", machine.abort)
    machine.show(root)
    machine.run("stop() while true do pcall(function() while true do end end) end")
    assert errors == ["TSP Runtime error at line 1: User abort"]


def test_a_fault_of_the_emulator_itself_is_not_swallowed() -> None:
    def broken() -> None:
        raise ZeroDivisionError("a fault")

    machine = LuaMachine(lambda *_: None, lambda _: None)
    root = Group()
    root.function("broken", broken)
    machine.show(root)
    with pytest.raises(ZeroDivisionError, match="a fault"):
        machine.run("pcall(broken)")
