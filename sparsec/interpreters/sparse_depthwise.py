# SPDX-License-Identifier: Apache-2.0
"""What the sparse depthwise convolution means: the layer that its stream holds."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters import qnn
from sparsec.interpreters.kernels import spoil, store, unfold
from sparsec.ir import rt
from sparsec.layouts.depthwise_rows import unpack_depthwise


@register_impls
class SparseDepthwiseFunctions(InterpreterFunctions):
    """Unpack the layer, then compute it."""

    @impl(rt.DepthwiseConvolveDelta8Op)
    def depthwise(
        self, _: Interpreter, op: rt.DepthwiseConvolveDelta8Op, args: PythonValues
    ) -> PythonValues:
        x, rows, output, scratch = args
        spoil([scratch])
        layer = unpack_depthwise(rows, output.shape[3], op.window.data, op.plane)
        bias = unfold(layer.bias, np.moveaxis(layer.weights, -1, 0), op.requant.data)
        w = layer.weights[np.newaxis]
        numbers = (bias, layer.multipliers, layer.shifts)
        y = qnn.depthwise_convolve(x, w, *numbers, op.requant.data, op.window.data)
        return store(output, y, [scratch])
