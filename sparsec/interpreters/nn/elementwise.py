# SPDX-License-Identifier: Apache-2.0
"""Functions of several tensors."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values, finish, float64
from sparsec.ir import nn
from sparsec.quantization import int8


@register_impls
class NnElementwiseFunctions(InterpreterFunctions):
    """What these operations mean."""

    @impl(nn.AddOp)
    def add(self, interpreter: Interpreter, op: nn.AddOp, args: Values) -> Values:
        return finish(float64(args[0]) + float64(args[1]), op.bounds)

    @impl(nn.SubOp)
    def sub(self, interpreter: Interpreter, op: nn.SubOp, args: Values) -> Values:
        return finish(float64(args[0]) - float64(args[1]), op.bounds)

    @impl(nn.MulOp)
    def mul(self, interpreter: Interpreter, op: nn.MulOp, args: Values) -> Values:
        return finish(float64(args[0]) * float64(args[1]), op.bounds)

    @impl(nn.MaximumOp)
    def maximum(self, interpreter: Interpreter, op: nn.MaximumOp, args: Values) -> Values:
        return (np.maximum(*args),)

    @impl(nn.MinimumOp)
    def minimum(self, interpreter: Interpreter, op: nn.MinimumOp, args: Values) -> Values:
        return (np.minimum(*args),)

    @impl(nn.SelectOp)
    def select(self, interpreter: Interpreter, op: nn.SelectOp, args: Values) -> Values:
        return (int8.select(*args),)

    @impl(nn.PreluOp)
    def prelu(self, interpreter: Interpreter, op: nn.PreluOp, args: Values) -> Values:
        x, alpha = (float64(arg) for arg in args)
        return finish(np.where(x < 0, alpha * x, x))
