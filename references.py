"""Kernels without reference counts, where nothing depends on them.

Numba counts references: a kernel that takes arrays out of a record, or passes them on, raises and lowers an
atomic counter for each of them, and a read of a small array spent more on counting than on its solve. Whoever
calls a kernel keeps its arguments alive; a kernel that makes nothing and gives nothing back that is counted
needs no counts of its own. It must not go on with an array of a record after calling what puts another in
its place.
"""

from typing import Any, cast

from numba.core import ir, lowering, types
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.extending import _Intrinsic
from numba.core.runtime.context import NRTContext
from numba.core.typed_passes import NativeLowering

_KINDS: Any = types
_VIEWS = {
    "build_tuple", "cast", "exhaust_iter", "getattr", "getiter", "iternext", "null", "pair_first",
    "pair_second", "phi", "undef",
}  # fmt: skip
"""Expressions that give what is there already."""


class _Uncounted(NRTContext):
    """Memory of a kernel that does not count."""

    def incref(self, builder: Any, typ: Any, value: Any) -> None:
        """Count nothing."""

    def decref(self, builder: Any, typ: Any, value: Any) -> None:
        """Count nothing."""


class _Lower(lowering.Lower):
    """Emits a kernel, without reference counts if it only borrows."""

    def lower(self) -> None:
        """Emit the code of the kernel; its doors to Python count as ever."""
        counting: Any = self.context
        if self._borrows():
            self.context = counting.subtarget(nrt=cast(Any, _Uncounted)(counting, True))
        try:
            cast(Any, super()).lower()
        finally:
            self.context = counting

    def _borrows(self) -> bool:
        if self.generator_info is not None or self._counted(self.fndesc.restype):
            return False
        return all(self._only_looks(step) for block in self.blocks.values() for step in block.body)

    def _counted(self, kind: Any) -> bool:
        return bool(self.context.data_model_manager[kind].contains_nrt_meminfo())

    def _kind(self, variable: Any) -> Any:
        return cast(Any, self).typeof(variable.name)

    def _only_looks(self, step: Any) -> bool:
        """Whether a statement neither makes, nor drops, nor stores anything counted."""
        if isinstance(step, ir.Assign):
            return not isinstance(step.value, ir.Expr | ir.Yield) or self._gives_what_is_there(step.value)
        if isinstance(step, ir.SetAttr):
            return not self._counted(self._kind(step.value))
        if isinstance(step, ir.SetItem | ir.StaticSetItem):
            return isinstance(self._kind(step.target), _KINDS.Array)
        return isinstance(step, ir.Del | ir.Jump | ir.Branch | ir.Return | ir.StaticRaise)

    def _gives_what_is_there(self, value: Any) -> bool:
        if value.op in _VIEWS:
            return True
        if value.op == "call":
            return self._calls_what_borrows(value)
        if value.op in ("getitem", "static_getitem", "typed_getitem"):
            if not any(self._counted(self._kind(one)) for one in value.list_vars()):
                return True
            return isinstance(self._kind(value.value), _KINDS.BaseTuple) or self._takes_view(value)
        return value.op in ("unary", "binop", "inplace_binop") and not any(
            self._counted(self._kind(one)) for one in value.list_vars()
        )

    def _takes_view(self, value: Any) -> bool:
        """Whether an index picks an element or a slice of an array; an array as an index makes a copy."""
        if not isinstance(self._kind(value.value), _KINDS.Array):
            return False
        index = value.index_var if value.op == "static_getitem" else value.index
        kind = None if index is None else self._kind(index)
        return not any(isinstance(one, _KINDS.Array) for one in (kind, *getattr(kind, "types", ())))

    def _calls_what_borrows(self, call: Any) -> bool:
        called, signature = self._kind(call.func), self.fndesc.calltypes[call]
        if isinstance(called, _KINDS.NamedTupleClass):
            return True
        if self._counted(signature.return_type):
            return False
        if isinstance(called, _KINDS.Dispatcher | _KINDS.FunctionType):
            return True
        key = getattr(called, "typing_key", None)
        if key is len or isinstance(key, _Intrinsic):
            return True
        # Whatever numba makes of arrays may be made with arrays of its own.
        return not any(self._counted(kind) for kind in signature.args)


@cast(Any, register_pass)(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    _name = "borrowing_lowering"

    @property
    def lowering_class(self) -> Any:
        """What emits a kernel."""
        return _Lower


class BorrowingCompiler(Compiler):
    """numba's compiler, for kernels that do not count what they only borrow."""

    def define_pipelines(self) -> Any:
        """numba's own passes, but for the one that emits code."""
        managers = cast(Any, super()).define_pipelines()
        for manager in managers:
            manager.passes = [
                (_Lowering if one is NativeLowering else one, why) for one, why in manager.passes
            ]
            manager._finalized = False
            manager.finalize()
        return managers
