# SPDX-License-Identifier: Apache-2.0
"""Functions of two tensors."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values, finish, float64
from sparsec.ir import nn


@register_impls
class NnElementwiseFunctions(InterpreterFunctions):
    """What these operations mean."""

    @impl(nn.AddOp)
    def add(self, interpreter: Interpreter, op: nn.AddOp, args: Values) -> Values:
        return finish(float64(args[0]) + float64(args[1]), op.bounds)
