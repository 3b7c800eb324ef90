# SPDX-License-Identifier: Apache-2.0
"""What operations on two tensors element by element mean, as `qnn` and as kernel calls."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters.kernels import store
from sparsec.ir import cmsis, qnn, rt
from sparsec.quantization import elementwise, int8


@register_impls
class ElementwiseFunctions(InterpreterFunctions):
    """numpy broadcasts a tensor of fewer axes, or of leading axes of 1, by repeating it."""

    @impl(qnn.MulOp)
    def mul(self, _: Interpreter, op: qnn.MulOp, args: PythonValues) -> PythonValues:
        lhs, rhs = args
        return (elementwise.multiply(lhs, rhs, op.params.data),)

    @impl(qnn.SubOp)
    def sub(self, _: Interpreter, op: qnn.SubOp, args: PythonValues) -> PythonValues:
        lhs, rhs = args
        return (elementwise.add(lhs, rhs, op.params.data, op.SIGN),)

    @impl(qnn.BroadcastAddOp)
    def broadcast_add(
        self, _: Interpreter, op: qnn.BroadcastAddOp, args: PythonValues
    ) -> PythonValues:
        lhs, rhs = args
        return (elementwise.add(lhs, rhs, op.params.data, op.SIGN),)

    @impl(qnn.MaximumOp)
    def maximum(self, _: Interpreter, op: qnn.MaximumOp, args: PythonValues) -> PythonValues:
        return (np.maximum(*args),)

    @impl(qnn.MinimumOp)
    def minimum(self, _: Interpreter, op: qnn.MinimumOp, args: PythonValues) -> PythonValues:
        return (np.minimum(*args),)

    @impl(qnn.SelectOp)
    def select(self, _: Interpreter, op: qnn.SelectOp, args: PythonValues) -> PythonValues:
        return (int8.select(*args),)

    @impl(rt.SelectOp)
    def select_s8(self, _: Interpreter, op: rt.SelectOp, args: PythonValues) -> PythonValues:
        mask, lhs, rhs, output = args
        return store(output, int8.select(mask, lhs, rhs))

    @impl(qnn.PreluOp)
    def prelu(self, _: Interpreter, op: qnn.PreluOp, args: PythonValues) -> PythonValues:
        x, alpha = args
        return (elementwise.prelu(x, alpha, op.params.data),)

    @impl(cmsis.ElementwiseMulOp)
    def elementwise_mul(
        self, _: Interpreter, op: cmsis.ElementwiseMulOp, args: PythonValues
    ) -> PythonValues:
        lhs, rhs, output = args
        return store(output, elementwise.multiply(lhs, rhs, op.params.data))

    @impl(rt.MulOp)
    def mul_s8(self, _: Interpreter, op: rt.MulOp, args: PythonValues) -> PythonValues:
        lhs, rhs, output = args
        return store(output, elementwise.multiply(lhs, rhs, op.params.data))

    @impl(rt.AddOp)
    def add_s8(self, _: Interpreter, op: rt.AddOp, args: PythonValues) -> PythonValues:
        lhs, rhs, output = args
        return store(output, elementwise.add(lhs, rhs, op.params.data, op.sign.value.data))

    @impl(rt.ResidualAddOp)
    def residual_add_s8(
        self, _: Interpreter, op: rt.ResidualAddOp, args: PythonValues
    ) -> PythonValues:
        lhs, rhs, output = args
        return store(output, op.numbers.data(lhs, rhs))

    @impl(rt.ResidualAddRoundedOp)
    def residual_add_rounded_s8(
        self, _: Interpreter, op: rt.ResidualAddRoundedOp, args: PythonValues
    ) -> PythonValues:
        lhs, rhs, output = args
        return store(output, op.numbers.data(lhs, rhs))

    @impl(rt.MaximumOp)
    def maximum_s8(self, _: Interpreter, op: rt.MaximumOp, args: PythonValues) -> PythonValues:
        lhs, rhs, output = args
        return store(output, np.maximum(lhs, rhs))

    @impl(rt.MinimumOp)
    def minimum_s8(self, _: Interpreter, op: rt.MinimumOp, args: PythonValues) -> PythonValues:
        lhs, rhs, output = args
        return store(output, np.minimum(lhs, rhs))

    @impl(rt.PreluOp)
    def prelu_s8(self, _: Interpreter, op: rt.PreluOp, args: PythonValues) -> PythonValues:
        x, alpha, output = args
        return store(output, elementwise.prelu(x, alpha, op.params.data))
