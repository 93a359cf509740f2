"""A typed door to numba: the one place where an untyped decorator meets strict type checking."""

import dataclasses
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core import types
from numba.experimental import structref

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Record = TypeVar("Record")


def compiler_for(version: str) -> dict[str, type]:
    """What numba of this version compiles kernels with.

    `references` replaces a part of numba that is not documented. It was tried with 0.68; any other version
    compiles as numba does by itself, with the same results and half the speed on small arrays.
    """
    if version.split(".")[:2] != ["0", "68"]:
        return {}
    from .references import BorrowingCompiler

    return {"pipeline_class": BorrowingCompiler}


_COMPILER: Any = compiler_for(numba.__version__)


def kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a function over numbers and arrays with numba; the machine code is cached on disk.

    Division follows numpy (no ZeroDivisionError). Floating point keeps IEEE order, so that results do
    not depend on how a loop was vectorised.
    """
    return cast(
        Callable[Arguments, Result],
        numba.njit(cache=True, error_model="numpy", **_COMPILER)(function),
    )


def inlined_kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A `kernel` whose body is put in place of every call, so that a loop around the call can be vectorised.

    For straight-line functions that return several values.
    """
    return cast(
        Callable[Arguments, Result],
        numba.njit(cache=True, error_model="numpy", inline="always")(function),
    )


def fused_kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A `kernel` that may round a product and a sum at once, for estimates whose error is bounded anyway."""
    return cast(
        Callable[Arguments, Result],
        numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, **_COMPILER)(function),
    )


class Pointer(types.WrapperAddressProtocol):
    """A kernel for given types of arguments, as a value that records can hold and other kernels can call.

    What calls it is compiled without it, which saves many seconds where the kernel is a large one.

    Args:
        function: a kernel.
        arguments: as it will be called; only their types matter.
    """

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        given: Any = function
        typeof = cast(Any, numba).typeof
        kinds = tuple(typeof(argument) for argument in arguments)
        given.compile(kinds)
        made = given.overloads[kinds]
        self._address: int = made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name)
        self._signature = made.signature

    def __wrapper_address__(self) -> int:
        """Where the machine code is."""
        return self._address

    def signature(self) -> Any:
        """Types of arguments and results."""
        return self._signature


def by_reference(record: type[Record]) -> type[Record]:
    """Make a dataclass a record that kernels take by reference, so that a call costs the same for any number
    of fields, and may change.

    It is made, and its fields are read and changed, in kernels only. A field takes the type of what it was
    made with.
    """
    base: Any = types.StructRef
    names = [field.name for field in dataclasses.fields(cast(Any, record))]
    home = {"__module__": record.__module__, "__doc__": f"The numba type of `{record.__name__}`."}

    def without_literals(_self: object, given: Any) -> Any:
        return tuple((name, cast(Any, types).unliteral(kind)) for name, kind in given)

    # The cache of kernels finds the type again by its qualified name.
    home["__qualname__"] = f"{record.__qualname__}.Numba"
    kind = type("Numba", (base,), {**home, "preprocess_fields": without_literals})
    proxy = type(
        record.__name__,
        (structref.StructRefProxy,),
        {
            "__module__": record.__module__,
            "__qualname__": record.__qualname__,
            "__doc__": record.__doc__,
            "__annotations__": record.__annotations__,
            "Numba": kind,
        },
    )
    door: Any = structref
    door.register(kind)
    door.define_proxy(proxy, kind, names)
    return cast("type[Record]", proxy)
