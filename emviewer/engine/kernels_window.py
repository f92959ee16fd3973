"""The inner loop of the central slice, written in vector instructions: a weighted sum over a small window of a grid.

LLVM does not vectorise a loop over 4 to 8 complex numbers well, and numba has no vector type, so the sum is built
here as LLVM instructions: one vector holds a run of the window along x (real and imaginary parts interleaved), and
the rows along y and z are summed with fused multiply-adds. LLVM turns it into AVX, AVX-512 or NEON by itself.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

FAST = ("fast",)
FLOAT = ir.FloatType()
INT32 = ir.IntType(32)


def _splat(b: ir.IRBuilder, value: Any, n: int) -> Any:
    vector = ir.VectorType(FLOAT, n)
    first = b.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(INT32, 0))
    return _pick(b, first, [0] * n)


def _pick(b: ir.IRBuilder, vector: Any, index: list[int]) -> Any:
    pattern = ir.Constant(ir.VectorType(INT32, len(index)), index)
    return b.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), pattern)


def _load(b: ir.IRBuilder, address: Any, n: int) -> Any:
    return b.load(b.inttoptr(address, ir.VectorType(FLOAT, n).as_pointer()), align=4)


def _add_product(b: ir.IRBuilder, total: Any, x: Any, y: Any) -> Any:
    product = b.fmul(x, y, flags=FAST)
    return product if total is None else b.fadd(total, product, flags=FAST)


def _weights(b: ir.IRBuilder, table: Any, row: Any, part: Any, n: int) -> Any:
    """Interpolate between two rows of a table of (value, difference to the next row)."""
    address = b.add(table, b.mul(row, ir.Constant(row.type, 8 * n)))
    value = _load(b, address, n)
    difference = _load(b, b.add(address, ir.Constant(row.type, 4 * n)), n)
    return _add_product(b, value, difference, _splat(b, part, n))


def _sum_pairs(b: ir.IRBuilder, vector: Any, pairs: int) -> tuple[Any, Any]:
    """Add up interleaved (re, im) pairs."""
    while pairs % 2 == 0:
        low, high = _pick(b, vector, list(range(pairs))), _pick(b, vector, list(range(pairs, 2 * pairs)))
        vector, pairs = b.fadd(low, high, flags=FAST), pairs // 2
    parts = [b.extract_element(vector, ir.Constant(INT32, i)) for i in range(2 * pairs)]
    re, im = parts[0], parts[1]
    for k in range(1, pairs):
        re, im = b.fadd(re, parts[2 * k], flags=FAST), b.fadd(im, parts[2 * k + 1], flags=FAST)
    return re, im


@intrinsic  # type: ignore[untyped-decorator]
def window_sum(
    typing_context: Any,
    taps: Any,
    grid: Any,
    y_stride: Any,
    z_stride: Any,
    table_x: Any,
    table: Any,
    row_x: Any,
    part_x: Any,
    row_y: Any,
    part_y: Any,
    row_z: Any,
    part_z: Any,
) -> Any:
    """Return ``(re, im)`` of the sum of a W x W x W window of a complex64 grid with separable weights.

    Parameters
    ----------
    taps : tuple of W int
        Only its length W matters (a compile-time constant).
    grid : intp
        Address of the window's first complex number.
    y_stride, z_stride : intp
        Bytes between rows and between planes.
    table_x, table : intp
        Addresses of float32 tables (rows, 2, W or 2 W for x, every weight twice): value, difference to the next row.
    row_x, part_x, row_y, part_y, row_z, part_z : intp, float32
        Row of the table and fraction of the way to the next.
    """
    width = taps.count
    whole, real = types.intp, types.float32
    args = (taps, whole, whole, whole, whole, whole, whole, real, whole, real, whole, real)

    def codegen(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        _, address, y_step, z_step, tab_x, tab, rx, px, ry, py, rz, pz = values
        wx = _weights(b, tab_x, rx, px, 2 * width)
        wy = _weights(b, tab, ry, py, width)
        wz = _weights(b, tab, rz, pz, width)

        def spread(vector: Any, k: int) -> Any:
            return _splat(b, b.extract_element(vector, ir.Constant(INT32, k)), 2 * width)

        rows_y = [spread(wy, k) for k in range(width)]
        total = None
        for z in range(width):
            plane, row = None, address
            for y in range(width):
                plane = _add_product(b, plane, _load(b, row, 2 * width), rows_y[y])
                row = b.add(row, y_step)
            total = _add_product(b, total, plane, spread(wz, z))
            address = b.add(address, z_step)
        re, im = _sum_pairs(b, b.fmul(total, wx, flags=FAST), width)
        return context.make_tuple(b, signature.return_type, [re, im])

    return types.UniTuple(real, 2)(*args), codegen
