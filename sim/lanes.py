"""Sixteen float32 numbers as one value inside compiled code, so that line solves run across 16 lines at once.

numba has no vector type of its own, and its loops over lines neither keep a recurrence in registers nor turn
a tile within them. The functions here become plain LLVM vector instructions, which LLVM maps to whatever the
machine has (AVX-512, AVX2, SSE, NEON). They can be called in kernels only. A multiplication and addition is
fused where it is written as `fma` and nowhere else, so results do not depend on how code was inlined.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic, overload, register_model

from ._types import Floats, Floats32, States

LANES = 16
TURNED = 8
"""Nodes that `turned` gives at once."""

_FLOAT, _INT, _LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_VECTOR, _HALF = ir.VectorType(_FLOAT, LANES), ir.VectorType(_FLOAT, TURNED)
_WIDE, _TILE_VALUE = ir.VectorType(ir.DoubleType(), LANES), ir.ArrayType(_VECTOR, TURNED)


class Lanes:
    """Sixteen float32 numbers; stands for the vector in type annotations."""


class LanesType(types.Type):
    """The numba type of `Lanes`."""

    def __init__(self) -> None:
        cast(Any, super()).__init__(name="Lanes16")


class TileType(types.Type):
    """The numba type of what `turned` gives: lanes, one a node, to be indexed from 0 to `TURNED` - 1."""

    def __init__(self) -> None:
        cast(Any, super()).__init__(name="Tile16")


_LANES, _TILE = LanesType(), TileType()


@register_model(LanesType)
class _LanesModel(PrimitiveModel):
    """A `Lanes` value is one LLVM vector."""

    def __init__(self, manager: Any, numba_type: Any) -> None:
        cast(Any, super()).__init__(manager, numba_type, _VECTOR)


@register_model(TileType)
class _TileModel(PrimitiveModel):
    """A tile is a pointer to lanes on the stack of the kernel."""

    def __init__(self, manager: Any, numba_type: Any) -> None:
        cast(Any, super()).__init__(manager, numba_type, _TILE_VALUE.as_pointer())


def _address(context: Any, builder: Any, array_type: Any, array: Any, record: Any, kind: Any) -> Any:
    """Pointer to `kind` at the start of a record of a contiguous (records, 16) array."""
    data = context.make_array(array_type)(context, builder, array).data
    offset = builder.mul(record, ir.Constant(_LONG, LANES))
    return builder.bitcast(builder.gep(data, [offset]), kind.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    value = builder.load(pointer)
    value.align = 4
    return value


def _shuffle(builder: Any, one: Any, other: Any, order: Sequence[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INT, len(order)), list(order))
    return builder.shuffle_vector(one, other, mask)


def _llvm(builder: Any, name: str, *arguments: Any) -> Any:
    """Call an LLVM intrinsic on whole vectors."""
    signature = ir.FunctionType(_VECTOR, [_VECTOR] * len(arguments))
    return builder.call(
        cast(Any, cgutils).get_or_insert_function(builder.module, signature, f"llvm.{name}.v16f32"), arguments
    )


def _transpose(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose 8 vectors of 8: pairs, then pairs of pairs, then halves."""
    pairs = [
        _shuffle(builder, rows[k], rows[k + 1], order)
        for k in range(0, 8, 2)
        for order in ([0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15])
    ]
    fours = [
        _shuffle(builder, pairs[block + side], pairs[block + side + 2], order)
        for block in (0, 4)
        for side in (0, 1)
        for order in ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15])
    ]
    return [
        _shuffle(builder, fours[k], fours[k + 4], order)
        for order in ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])
        for k in range(4)
    ]


@intrinsic
def _load_lanes(_typing: Any, array: Any, _record: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, record = arguments
        return _load(builder, _address(context, builder, signature.args[0], source, record, _VECTOR))

    return _LANES(array, types.int64), generate


@intrinsic
def _store_lanes(_typing: Any, array: Any, _record: Any, _value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, record, value = arguments
        stored = builder.store(value, _address(context, builder, signature.args[0], target, record, _VECTOR))
        stored.align = 4
        return context.get_dummy_value()

    return types.void(array, types.int64, _LANES), generate


@intrinsic
def _turned(_typing: Any, array: Any, _record: Any, _second: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, record, second = arguments
        lane = builder.select(second, ir.Constant(_LONG, TURNED), ir.Constant(_LONG, 0))
        start = _address(context, builder, signature.args[0], source, record, _FLOAT)
        halves = []
        for half in (0, 8):
            rows = []
            for line in range(half, half + 8):
                offset = builder.add(lane, ir.Constant(_LONG, LANES * line))
                pointer = builder.bitcast(builder.gep(start, [offset]), _HALF.as_pointer())
                rows.append(_load(builder, pointer))
            halves.append(_transpose(builder, rows))
        # In memory, which LLVM does without where indices are known; a numba tuple would check them.
        tile = cast(Any, cgutils).alloca_once(builder, _TILE_VALUE)
        for place, (one, other) in enumerate(zip(*halves, strict=True)):
            builder.store(_shuffle(builder, one, other, range(LANES)), _member(builder, tile, place))
        return tile

    return _TILE(array, types.int64, types.boolean), generate


def _member(builder: Any, tile: Any, place: Any) -> Any:
    """Pointer to one of the lanes of a tile."""
    zero = ir.Constant(_LONG, 0)
    return builder.gep(tile, [zero, ir.Constant(_LONG, place) if isinstance(place, int) else place])


@intrinsic
def _nth(_typing: Any, tile: Any, _place: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(_member(builder, *arguments))

    return _LANES(tile, types.int64), generate


@overload(operator.getitem)
def _tile_getitem(tile: Any, place: Any) -> Any:
    if isinstance(tile, TileType) and isinstance(place, cast(Any, types).Integer):
        nth = cast(Callable[[Any, int], Lanes], _nth)

        def of_tile(tile: Any, place: Any) -> Any:
            return nth(tile, place)

        return of_tile
    return None


def _cell(context: Any, builder: Any, array_type: Any, array: Any, row: Any, column: Any, kind: Any) -> Any:
    """Pointer to `kind` at (row, column) of a C-ordered array of two dimensions."""
    found = context.make_array(array_type)(context, builder, array)
    width = builder.extract_value(found.shape, 1)
    pointer = builder.gep(found.data, [builder.add(builder.mul(row, width), column)])
    return builder.bitcast(pointer, kind.as_pointer())


@intrinsic
def _load_wide(_typing: Any, array: Any, _row: Any, _column: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, row, column = arguments
        value = builder.load(_cell(context, builder, signature.args[0], source, row, column, _WIDE))
        value.align = 8
        return builder.fptrunc(value, _VECTOR)

    return _LANES(array, types.int64, types.int64), generate


@intrinsic
def _load_wide_line(_typing: Any, array: Any, _first: Any) -> Any:
    if array.layout != "C":
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(data, [arguments[1]]), _WIDE.as_pointer())
        value = builder.load(pointer)
        value.align = 8
        return builder.fptrunc(value, _VECTOR)

    return _LANES(array, types.int64), generate


@intrinsic
def _store_wide(_typing: Any, array: Any, _row: Any, _column: Any, _value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, row, column, value = arguments
        pointer = _cell(context, builder, signature.args[0], target, row, column, _WIDE)
        builder.store(builder.fpext(value, _WIDE), pointer).align = 8
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, _LANES), generate


@intrinsic
def _splat(_typing: Any, _value: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        empty = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(empty, arguments[0], ir.Constant(_INT, 0))
        return _shuffle(builder, first, empty, [0] * LANES)

    return _LANES(types.float32), generate


@intrinsic
def _spread(_typing: Any, array: Any, _index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, index = arguments
        data = context.make_array(signature.args[0])(context, builder, source).data
        empty = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(empty, builder.load(builder.gep(data, [index])), ir.Constant(_INT, 0))
        return _shuffle(builder, first, empty, [0] * LANES)

    return _LANES(array, types.int64), generate


@intrinsic
def _kept(_typing: Any, _value: Any, _many: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = ir.VectorType(_INT, LANES)
        empty = ir.Constant(kind, ir.Undefined)
        first = builder.insert_element(empty, builder.trunc(arguments[1], _INT), ir.Constant(_INT, 0))
        many = _shuffle(builder, first, empty, [0] * LANES)
        inside = builder.icmp_signed("<", ir.Constant(kind, list(range(LANES))), many)
        return builder.select(inside, arguments[0], ir.Constant(_VECTOR, [0.0] * LANES))

    return _LANES(_LANES, types.int64), generate


@intrinsic
def _where_zero(_typing: Any, states: Any, _row: Any, _column: Any, _value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        states, row, column, value = arguments
        kind = ir.VectorType(ir.IntType(8), LANES)
        bits = builder.load(_cell(context, builder, signature.args[0], states, row, column, kind))
        bits.align = 1
        zero = builder.icmp_signed("==", bits, ir.Constant(kind, [0] * LANES))
        return builder.select(zero, value, ir.Constant(_VECTOR, [0.0] * LANES))

    return _LANES(states, types.int64, types.int64, _LANES), generate


@intrinsic
def _lane(_typing: Any, _value: Any, _index: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.extract_element(arguments[0], builder.trunc(arguments[1], _INT))

    return types.float32(_LANES, types.int64), generate


@intrinsic
def _magnitude(_typing: Any, _value: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _llvm(builder, "fabs", arguments[0])

    return _LANES(_LANES), generate


@intrinsic
def _root(_typing: Any, _value: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _llvm(builder, "sqrt", arguments[0])

    return _LANES(_LANES), generate


@intrinsic
def _higher(_typing: Any, _one: Any, _other: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        # In this order one instruction of x86; NaN of `other` is kept.
        one, other = arguments
        return builder.select(builder.fcmp_ordered(">", one, other), one, other)

    return _LANES(_LANES, _LANES), generate


@intrinsic
def _larger(_typing: Any, _one: Any, _other: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        size, value = arguments
        magnitude = _llvm(builder, "fabs", value)
        return builder.select(builder.fcmp_ordered(">", size, magnitude), size, magnitude)

    return _LANES(_LANES, _LANES), generate


@intrinsic
def _where_positive(_typing: Any, _test: Any, _value: Any, _other: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        test, value, other = arguments
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", test, zero), value, other)

    return _LANES(_LANES, _LANES, _LANES), generate


@intrinsic
def _reciprocal(_typing: Any, _value: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        zero, one = (ir.Constant(_VECTOR, [number] * LANES) for number in (0.0, 1.0))
        value = arguments[0]
        return builder.select(builder.fcmp_ordered(">", value, zero), builder.fdiv(one, value), zero)

    return _LANES(_LANES), generate


def _fused(minus_product: bool, minus_addend: bool) -> Callable[[Lanes, Lanes, Lanes], Lanes]:
    @intrinsic
    def function(_typing: Any, _one: Any, _other: Any, _addend: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            one, other, addend = arguments
            one = builder.fneg(one) if minus_product else one
            return _llvm(builder, "fma", one, other, builder.fneg(addend) if minus_addend else addend)

        return _LANES(_LANES, _LANES, _LANES), generate

    return cast(Callable[[Lanes, Lanes, Lanes], Lanes], function)


def _binary(operation: str) -> Callable[[Lanes, Lanes], Lanes]:
    @intrinsic
    def function(_typing: Any, _one: Any, _other: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return getattr(builder, operation)(*arguments)

        return _LANES(_LANES, _LANES), generate

    return cast(Callable[[Lanes, Lanes], Lanes], function)


load = cast(Callable[[Floats32, int], Lanes], _load_lanes)
"""load(array, record): the 16 numbers array[record] of an array (records, 16)."""
store = cast(Callable[[Floats32, int, Lanes], None], _store_lanes)
"""store(array, record, value)."""
turned = cast(Callable[[Floats32, int, bool], tuple[Lanes, ...]], _turned)
"""turned(array, record, second): the first (second) 8 columns of array[record : record + 16], as 8 lanes."""
load_wide = cast(Callable[[Floats, int, int], Lanes], _load_wide)
"""load_wide(array, i, j): array[i, j : j + 16] of a C-ordered float64 array, rounded to float32."""
load_wide_line = cast(Callable[[Floats, int], Lanes], _load_wide_line)
"""load_wide_line(array, k): array[k : k + 16] of a contiguous float64 array, rounded to float32."""
store_wide = cast(Callable[[Floats, int, int, Lanes], None], _store_wide)
"""store_wide(array, i, j, value): into array[i, j : j + 16]."""
splat = cast(Callable[[Any], Lanes], _splat)
"""splat(number): one float32 in every lane."""
spread = cast(Callable[[Floats32, int], Lanes], _spread)
"""spread(array, index): number `index` of a C-ordered array, counted through all of it, in every lane."""
kept = cast(Callable[[Lanes, int], Lanes], _kept)
"""kept(value, many): the first `many` lanes of value, 0 in the others."""
where_zero = cast(Callable[[States, int, int, Lanes], Lanes], _where_zero)
"""where_zero(states, i, j, value): value where states[i, j : j + 16] is 0, else 0."""
lane = cast(Callable[[Lanes, int], float], _lane)
"""lane(value, index): one of the 16 numbers."""
fma = _fused(False, False)
"""fma(a, b, c) = a b + c, rounded once."""
larger = cast(Callable[[Lanes, Lanes], Lanes], _larger)
"""larger(size, value): the larger of size and |value| in every lane."""
minus_product = _fused(True, False)
"""minus_product(a, b, c) = c - a b, rounded once."""
product_minus = _fused(False, True)
"""product_minus(a, b, c) = a b - c, rounded once."""
magnitude = cast(Callable[[Lanes], Lanes], _magnitude)
"""magnitude(value): |value|."""
root = cast(Callable[[Lanes], Lanes], _root)
"""root(value): square root."""
where_positive = cast(Callable[[Lanes, Lanes, Lanes], Lanes], _where_positive)
"""where_positive(test, value, other): value where test > 0, else other."""
higher = cast(Callable[[Lanes, Lanes], Lanes], _higher)
"""higher(one, other): the larger of both in every lane."""
reciprocal = cast(Callable[[Lanes], Lanes], _reciprocal)
"""reciprocal(value): 1/value where value > 0, else 0."""
plus = _binary("fadd")
minus = _binary("fsub")
times = _binary("fmul")
over = _binary("fdiv")
