# SPDX-License-Identifier: Apache-2.0
"""Constants, and what stands between float and int8."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values, finish
from sparsec.ir import nn
from sparsec.quantization.ranges import dequantize, quantize


@register_impls
class NnBoundaryFunctions(InterpreterFunctions):
    """What these operations mean."""

    @impl(nn.ConstantOp)
    def constant(self, interpreter: Interpreter, op: nn.ConstantOp, args: Values) -> Values:
        return (op.array,)

    @impl(nn.FromUint8Op)
    def from_uint8(self, interpreter: Interpreter, op: nn.FromUint8Op, args: Values) -> Values:
        return finish(args[0])

    @impl(nn.QuantizeOp)
    def quantize(self, interpreter: Interpreter, op: nn.QuantizeOp, args: Values) -> Values:
        scheme = op.quantization.data
        return (quantize(args[0], scheme.scales, scheme.zero_point, scheme.axis),)

    @impl(nn.DequantizeOp)
    def dequantize(self, interpreter: Interpreter, op: nn.DequantizeOp, args: Values) -> Values:
        scheme = op.quantization.data
        return finish(dequantize(args[0], scheme.scales, scheme.zero_point, scheme.axis))
