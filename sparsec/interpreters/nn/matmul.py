# SPDX-License-Identifier: Apache-2.0
"""Products of matrices that are both computed."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values, finish, float64
from sparsec.ir import nn


@register_impls
class NnMatmulFunctions(InterpreterFunctions):
    """What they mean."""

    @impl(nn.MatmulOp)
    def matmul(self, interpreter: Interpreter, op: nn.MatmulOp, args: Values) -> Values:
        lhs, rhs = (
            float64(array).swapaxes(-1, -2) if transposed else float64(array)
            for array, transposed in zip(args, op.transposed, strict=False)
        )
        product = lhs @ rhs
        return finish(product if op.addend is None else product + float64(args[2]))
