# SPDX-License-Identifier: Apache-2.0
"""Reductions."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values, finish, float64
from sparsec.ir import nn
from sparsec.ir.shapes import axes_reduced
from sparsec.quantization import int8


def axes_of(op: nn.ReduceOp | nn.ArgOp) -> tuple[int, ...]:
    return axes_reduced(op.input.type, op.result.type)


@register_impls
class NnReduceFunctions(InterpreterFunctions):
    """What these operations mean."""

    @impl(nn.MeanOp)
    def mean(self, interpreter: Interpreter, op: nn.MeanOp, args: Values) -> Values:
        return finish(np.mean(float64(args[0]), axes_of(op), keepdims=True))

    @impl(nn.SumOp)
    def sum(self, interpreter: Interpreter, op: nn.SumOp, args: Values) -> Values:
        return finish(np.sum(float64(args[0]), axes_of(op), keepdims=True))

    @impl(nn.ReduceMaxOp)
    def reduce_max(self, interpreter: Interpreter, op: nn.ReduceMaxOp, args: Values) -> Values:
        return (np.max(args[0], axes_of(op), keepdims=True),)

    @impl(nn.ReduceMinOp)
    def reduce_min(self, interpreter: Interpreter, op: nn.ReduceMinOp, args: Values) -> Values:
        return (np.min(args[0], axes_of(op), keepdims=True),)

    @impl(nn.ArgMaxOp)
    def arg_max(self, interpreter: Interpreter, op: nn.ArgMaxOp, args: Values) -> Values:
        return (int8.first_extreme(args[0], axes_of(op), largest=True),)

    @impl(nn.ArgMinOp)
    def arg_min(self, interpreter: Interpreter, op: nn.ArgMinOp, args: Values) -> Values:
        return (int8.first_extreme(args[0], axes_of(op), largest=False),)
