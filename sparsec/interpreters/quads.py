# SPDX-License-Identifier: Apache-2.0
"""What the Helium convolutions of four pixels at a time mean: the layer that their stream holds."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters import qnn
from sparsec.interpreters.kernels import spoil, store, unfold
from sparsec.ir import rt
from sparsec.ir.rt.quads import QuadConvolutionOp


@register_impls
class QuadFunctions(InterpreterFunctions):
    """Unpack the layer, then compute it."""

    @impl(rt.ConvolveRunsOp)
    def runs(self, _: Interpreter, op: rt.ConvolveRunsOp, args: PythonValues) -> PythonValues:
        return convolve(op, args)

    @impl(rt.Convolve1x16Op)
    def blocks_of_16(
        self, _: Interpreter, op: rt.Convolve1x16Op, args: PythonValues
    ) -> PythonValues:
        return convolve(op, args)

    @impl(rt.Convolve1x4Op)
    def blocks_of_4(self, _: Interpreter, op: rt.Convolve1x4Op, args: PythonValues) -> PythonValues:
        return convolve(op, args)


def convolve(op: QuadConvolutionOp, args: PythonValues) -> PythonValues:
    """The convolution by the weights that its stream holds."""
    x, rows, output, scratch = args
    spoil([scratch])
    layer = op.layer_of(rows)
    weights = layer.weights.reshape(op.channels[1], *op.kernel_size, op.channels[0])
    bias = unfold(layer.numbers.bias, weights, op.requant.data)
    numbers = (bias, layer.numbers.multiplier, layer.numbers.shift)
    y = qnn.convolve(x, weights, *numbers, op.requant.data, op.window.data)
    return store(output, y, [scratch])
