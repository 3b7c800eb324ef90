# SPDX-License-Identifier: Apache-2.0
"""Pools."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values, finish, float64, sliding
from sparsec.ir import nn


@register_impls
class NnPoolFunctions(InterpreterFunctions):
    """What these operations mean."""

    @impl(nn.MaxPool2dOp)
    def max_pool2d(self, interpreter: Interpreter, op: nn.MaxPool2dOp, args: Values) -> Values:
        windows = sliding(args[0], op.pool.data, op.pool.data.kernel, -np.inf)
        return finish(windows.max(axis=(3, 4)), op.bounds)

    @impl(nn.AvgPool2dOp)
    def avg_pool2d(self, interpreter: Interpreter, op: nn.AvgPool2dOp, args: Values) -> Values:
        pool = op.pool.data
        total = sliding(float64(args[0]), pool, pool.kernel, 0.0).sum(axis=(3, 4))
        inside = np.ones((1, *args[0].shape[1:3], 1))
        return finish(total / sliding(inside, pool, pool.kernel, 0.0).sum(axis=(3, 4)), op.bounds)
