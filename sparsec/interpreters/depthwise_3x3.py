# SPDX-License-Identifier: Apache-2.0
"""What the dense depthwise convolution of 3x3 windows means: the layer that its stream holds."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters import qnn
from sparsec.interpreters.kernels import spoil, store, unfold
from sparsec.ir import rt
from sparsec.layouts.depthwise_3x3 import unpack_depthwise_3x3


@register_impls
class Depthwise3x3Functions(InterpreterFunctions):
    """Unpack the layer, then compute it."""

    @impl(rt.DepthwiseConvolve3x3Op)
    def depthwise(
        self, _: Interpreter, op: rt.DepthwiseConvolve3x3Op, args: PythonValues
    ) -> PythonValues:
        x, rows, output, scratch = args
        spoil([scratch])
        layer = unpack_depthwise_3x3(rows, op.channels)
        bias = unfold(layer.bias, np.moveaxis(layer.weights, -1, 0), op.requant.data)
        numbers = (bias, layer.multipliers, layer.shifts)
        w = layer.weights[np.newaxis]
        y = qnn.depthwise_convolve(x, w, *numbers, op.requant.data, op.window.data)
        return store(output, y, [scratch])
