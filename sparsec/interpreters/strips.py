# SPDX-License-Identifier: Apache-2.0
"""What layers done strip by strip mean, on memory: in the order of the kernel, and in the worst order within a strip.

The rows that a strip writes are lost before it reads, so that an output that lies too far over its input gives wrong
bytes.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import TypeVar

from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters import qnn
from sparsec.interpreters.kernels import Array, see, spoil, unfold, unpack
from sparsec.ir import rt
from sparsec.ir.rt.strips import StripsOp, geometry_of
from sparsec.layouts.packed_rows import unpack_layer
from sparsec.quantization.window import Window

WindowT = TypeVar("WindowT", bound=Window)


@register_impls
class StripsFunctions(InterpreterFunctions):
    """The operations of `ir/rt_strips.py`."""

    @impl(rt.ConvolveStripsOp)
    def convolve(self, _: Interpreter, op: rt.ConvolveStripsOp, args: PythonValues) -> PythonValues:
        x, w, bias, multiplier, shift, output, *scratch = args

        def compute(rows: Array, window: Window) -> Array:
            return qnn.convolve(rows, w, bias, multiplier, shift, op.requant.data, window)

        return by_strips(op, x, output, scratch, op.window.data, compute)

    @impl(rt.DepthwiseConvStripsOp)
    def depthwise(
        self, _: Interpreter, op: rt.DepthwiseConvStripsOp, args: PythonValues
    ) -> PythonValues:
        x, w, bias, multiplier, shift, output, *scratch = args

        def compute(rows: Array, window: Window) -> Array:
            return qnn.depthwise_convolve(rows, w, bias, multiplier, shift, op.requant.data, window)

        return by_strips(op, x, output, scratch, op.window.data, compute)

    @impl(rt.ConvolvePackedStripsOp)
    def convolve_packed(
        self, _: Interpreter, op: rt.ConvolvePackedStripsOp, args: PythonValues
    ) -> PythonValues:
        x, rows, output, scratch = args
        layer = unpack_layer(rows, output.shape[3], op.window.data, op.slab)
        bias = unfold(layer.bias, layer.weights, op.requant.data)
        numbers = (bias, layer.multipliers, layer.shifts, op.requant.data)

        def compute(rows: Array, window: Window) -> Array:
            return qnn.convolve(rows, layer.weights, *numbers, window)

        return by_strips(op, x, output, [scratch], op.window.data, compute)

    @impl(rt.ConvolveDelta8StripsOp)
    def convolve_delta8(
        self, _: Interpreter, op: rt.ConvolveDelta8StripsOp, args: PythonValues
    ) -> PythonValues:
        entries, counts, scratch, x, bias, multiplier, shift, output = args
        shape = (len(counts), *op.kernel_size, x.shape[3])
        w = unpack(entries, counts, prod(shape[1:])).reshape(shape)
        numbers = (unfold(bias, w, op.requant.data), multiplier, shift, op.requant.data)

        def compute(rows: Array, window: Window) -> Array:
            return qnn.convolve(rows, w, *numbers, window)

        return by_strips(op, x, output, [scratch], op.window.data, compute)


def by_strips(
    op: StripsOp,
    x: Array,
    output: Array,
    scratch: list[Array],
    window: WindowT,
    compute: Callable[[Array, WindowT], Array],
) -> PythonValues:
    """Write `compute` of the rows of `x` that each strip reads, under the window that is left, to its rows of `output`."""
    geometry = geometry_of(op)
    if geometry.is_pixelwise:
        x, output = column(x), column(output)
    strips = geometry.strips(op.strip.value.data)
    if output.ctypes.data > x.ctypes.data:
        strips.reverse()
    row_bytes = x.nbytes // x.shape[1], output.nbytes // output.shape[1]
    for strip in strips:
        read, written = (
            slice(*(byte // size for byte in span))
            for span, size in zip((strip.reads, strip.writes), row_bytes, strict=True)
        )
        spoil([output[:, written], *scratch])
        _, left, _, right = window.padding
        height = (written.stop - written.start - 1) * window.strides[0] + geometry.reach
        top = min(height, max(0, window.padding[0] - written.start * window.strides[0]))
        bottom = max(0, height - top - (read.stop - read.start))
        part = replace(window, padding=(top, left, bottom, right))
        output[:, written] = compute(x[:, read], part)
    spoil(scratch)
    return ()


def column(image: Array) -> Array:
    """The pixels of an image as rows of one pixel."""
    return see(image, 0, (1, image.shape[1] * image.shape[2], 1, image.shape[3]))
