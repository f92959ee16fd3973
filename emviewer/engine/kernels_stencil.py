"""A separable 4×4×4 interpolation and its gradient on a complex grid, written in vector instructions.

numba has no vector type, and LLVM does not by itself see that a row of four complex numbers is one vector of eight
floats; the sum is therefore built here as LLVM vector instructions, as in :mod:`emviewer.engine.kernels_window`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from emviewer.engine.kernels_window import INT32, _add_product, _load, _pick, _step

TAPS = 4
AXIS_BYTES = 32
"""Bytes of the weights of one axis: four weights, then four derivatives, float32."""


def _rows(b: ir.IRBuilder, values: list[Any], gradient: bool) -> list[Any]:
    """Return 8-vectors summed over z and y: the value, and with the gradient also its y and z derivatives."""
    address, y_step, z_step, weights = values
    along_y = _load(b, _step(b, weights, AXIS_BYTES), 8)
    along_z = _load(b, _step(b, weights, 2 * AXIS_BYTES), 8)

    def splat(vector: Any, place: int) -> Any:
        return _pick(b, vector, [place] * 8)

    value, dy, dz = None, None, None
    for z in range(TAPS):
        line, plane, slope = address, None, None
        for y in range(TAPS):
            row = _load(b, line, 8)
            plane = _add_product(b, plane, row, splat(along_y, y))
            if gradient:
                slope = _add_product(b, slope, row, splat(along_y, TAPS + y))
            line = _step(b, line, y_step)
        value = _add_product(b, value, plane, splat(along_z, z))
        if gradient:
            dy = _add_product(b, dy, slope, splat(along_z, z))
            dz = _add_product(b, dz, plane, splat(along_z, TAPS + z))
        address = _step(b, address, z_step)
    return [value, dy, dz] if gradient else [value]


def _along_x(b: ir.IRBuilder, weights: Any, vector: Any, first: int) -> list[Any]:
    """Return real and imaginary part of a row vector times the weights (first 0) or derivatives (first 4) of x."""
    x = _load(b, weights, 8)
    total = b.fmul(vector, _pick(b, x, [first + k // 2 for k in range(8)]), flags=("fast",))
    n = 8
    while n > 2:
        low, high = _pick(b, total, list(range(n // 2))), _pick(b, total, list(range(n // 2, n)))
        total, n = b.fadd(low, high, flags=("fast",)), n // 2
    return [b.extract_element(total, ir.Constant(INT32, i)) for i in (0, 1)]


@intrinsic  # type: ignore[untyped-decorator]
def stencil_value(typing_context: Any, address: Any, y_step: Any, z_step: Any, weights: Any) -> Any:
    """Return ``(re, im)`` of the weighted sum over 4×4×4 complex64 numbers.

    Parameters
    ----------
    address : intp
        Address of the first of them.
    y_step, z_step : intp
        Bytes to the next along y and z; along x they lie side by side.
    weights : intp
        Address of float32 (3, 8): for x, y, z four weights and four derivatives.
    """
    signature = types.UniTuple(types.float32, 2)(*[types.intp] * 4)

    def codegen(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        (value,) = _rows(b, values, gradient=False)
        return context.make_tuple(b, signature.return_type, _along_x(b, values[3], value, 0))

    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def stencil_gradient(typing_context: Any, address: Any, y_step: Any, z_step: Any, weights: Any) -> Any:
    """Return real and imaginary parts of the sum and of its x, y and z derivatives: eight floats.

    Parameters as for :func:`stencil_value`.
    """
    signature = types.UniTuple(types.float32, 8)(*[types.intp] * 4)

    def codegen(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> Any:
        value, dy, dz = _rows(b, values, gradient=True)
        parts = [
            part
            for vector, first in ((value, 0), (value, TAPS), (dy, 0), (dz, 0))
            for part in _along_x(b, values[3], vector, first)
        ]
        return context.make_tuple(b, signature.return_type, parts)

    return signature, codegen
