# SPDX-License-Identifier: Apache-2.0
"""What a transposed convolution means, as `qnn` and as a kernel call."""

from typing import Any, TypeAlias

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls
from xdsl.ir import Attribute

from sparsec.interpreters.kernels import store
from sparsec.ir import qnn, rt
from sparsec.ir.shapes import image_shape
from sparsec.quantization.params import Requant
from sparsec.quantization.transpose_convolution import transpose_convolve
from sparsec.quantization.window import Window

Array: TypeAlias = np.ndarray[Any, Any]


def transposed(args: PythonValues, p: Requant, window: Window, result: Attribute) -> Array:
    """Of the input, weights, bias, multiplier and shift in `args`, an image of type `result`."""
    x, w, bias, multiplier, shift = args
    return transpose_convolve(
        x,
        w,
        bias,
        size=image_shape(result)[:2],
        input_zp=p.input_zp,
        output_zp=p.output_zp,
        multiplier=multiplier,
        shift=shift,
        strides=window.strides,
        padding=window.padding[:2],
        clamp=p.clamp,
    )


@register_impls
class TransposeConvFunctions(InterpreterFunctions):
    """`qnn.transpose_conv2d` and `rt.transpose_conv_s8`."""

    @impl(qnn.TransposeConv2dOp)
    def transpose_conv2d(
        self, _: Interpreter, op: qnn.TransposeConv2dOp, args: PythonValues
    ) -> PythonValues:
        return (transposed(args, op.requant.data, op.window.data, op.result.type),)

    @impl(rt.TransposeConvOp)
    def transpose_conv_s8(
        self, _: Interpreter, op: rt.TransposeConvOp, args: PythonValues
    ) -> PythonValues:
        *inputs, output = args
        y = transposed(tuple(inputs), op.requant.data, op.window.data, op.output.type)
        return store(output, y)
