# SPDX-License-Identifier: Apache-2.0
"""What the dense depthwise convolution for Helium means: the layer that its stream holds."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters import qnn
from sparsec.interpreters.kernels import spoil, store, unfold
from sparsec.ir import rt
from sparsec.layouts.depthwise_lanes import unpack_depthwise_lanes


@register_impls
class DepthwiseLanesFunctions(InterpreterFunctions):
    """Unpack the layer, then compute it."""

    @impl(rt.DepthwiseConvolveLanesOp)
    def depthwise(
        self, _: Interpreter, op: rt.DepthwiseConvolveLanesOp, args: PythonValues
    ) -> PythonValues:
        x, rows, output, scratch = args
        spoil([scratch])
        layer = unpack_depthwise_lanes(rows, op.kernel_size, op.channels[0])
        bias = unfold(layer.bias, np.moveaxis(layer.weights, -1, 0), op.requant.data)
        numbers = (bias, layer.multipliers, layer.shifts)
        w = layer.weights[np.newaxis]
        y = qnn.depthwise_convolve(x, w, *numbers, op.requant.data, op.window.data)
        return store(output, y, [scratch])
