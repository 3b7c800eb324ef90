# SPDX-License-Identifier: Apache-2.0
"""What the operations on channel-major activations mean. A buffer with a layout is its flat memory, gaps included."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls
from xdsl.ir import SSAValue

from sparsec.interpreters import qnn
from sparsec.interpreters.kernels import unfold
from sparsec.ir import rt
from sparsec.ir.layouts import required_layout
from sparsec.ir.shapes import shape_of
from sparsec.layouts.pixel_rows import unpack_pixel_rows

Array = NDArray[Any]


@register_impls
class PlanesFunctions(InterpreterFunctions):
    """Conversions and kernels of `rt`."""

    @impl(rt.ToChannelMajorOp)
    def to_channel_major(
        self, _: Interpreter, op: rt.ToChannelMajorOp, args: PythonValues
    ) -> PythonValues:
        x, memory = args
        return write(op.output, memory, x)

    @impl(rt.FromChannelMajorOp)
    def from_channel_major(
        self, _: Interpreter, op: rt.FromChannelMajorOp, args: PythonValues
    ) -> PythonValues:
        memory, output = args
        output[...] = read(op.input, memory)
        return ()

    @impl(rt.ConvolvePixelsOp)
    def convolve_pixels(
        self, _: Interpreter, op: rt.ConvolvePixelsOp, args: PythonValues
    ) -> PythonValues:
        memory, rows, steps, values, output = args
        weights, numbers = unpack_pixel_rows(rows, steps, values, op.taps)
        requant, window = op.requant.data, op.window.data
        bias = unfold(numbers.bias, weights, requant)
        x = read(op.input, memory, padded=any(window.padding))
        y = qnn.convolve(x, weights, bias, numbers.multiplier, numbers.shift, requant, window)
        return write(op.output, output, y)


def read(value: SSAValue, memory: Array, padded: bool = False) -> Array:
    """The image that `memory` holds as NHWC. Where windows are `padded`, the gaps must hold padding."""
    layout, shape = required_layout(value, "input"), shape_of(value.type)
    assert not padded or layout.gaps_hold(memory, shape), "the gaps do not hold padding"
    return np.ascontiguousarray(layout.view(memory, shape))


def write(value: SSAValue, memory: Array, image: Array) -> PythonValues:
    """Write an NHWC image to `memory`, and what belongs into the gaps."""
    layout, shape = required_layout(value, "output"), shape_of(value.type)
    layout.view(memory, shape)[...] = image
    layout.fill_gaps(memory, shape)
    return ()
