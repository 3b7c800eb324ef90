# SPDX-License-Identifier: Apache-2.0
"""Functions of each value on its own, and softmax."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Floats, Values, finish, float64
from sparsec.ir import nn
from sparsec.ir.expression import evaluate


def softmax(x: Floats) -> Floats:
    """Softmax over the last axis; of minus infinity nothing is left."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@register_impls
class NnActivationFunctions(InterpreterFunctions):
    """What these operations mean."""

    @impl(nn.ClampOp)
    def clamp(self, interpreter: Interpreter, op: nn.ClampOp, args: Values) -> Values:
        return finish(args[0], op.bounds)

    @impl(nn.ActivationOp)
    def activation(self, interpreter: Interpreter, op: nn.ActivationOp, args: Values) -> Values:
        return finish(evaluate(op.term, args[0]))

    @impl(nn.SoftmaxOp)
    def softmax(self, interpreter: Interpreter, op: nn.SoftmaxOp, args: Values) -> Values:
        return finish(softmax(float64(args[0])))

    @impl(nn.MaskedSoftmaxOp)
    def masked_softmax(
        self, interpreter: Interpreter, op: nn.MaskedSoftmaxOp, args: Values
    ) -> Values:
        x, mask = args
        return finish(softmax(np.where(mask, float64(x), -np.inf)))
