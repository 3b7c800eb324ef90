# SPDX-License-Identifier: Apache-2.0
"""Normalisation."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values, finish, float64
from sparsec.ir import nn


@register_impls
class NnNormalizeFunctions(InterpreterFunctions):
    """What it means."""

    @impl(nn.NormalizeOp)
    def normalize(self, interpreter: Interpreter, op: nn.NormalizeOp, args: Values) -> Values:
        x, scale, bias = (float64(array) for array in args)
        norm = op.norm.data
        sets = x.reshape(*x.shape[:3], norm.groups, -1)
        if norm.centered:
            sets = sets - sets.mean(axis=(2, 4), keepdims=True)
        square = np.mean(sets * sets, axis=(2, 4), keepdims=True) + norm.epsilon
        normal = sets / np.sqrt(np.where(square > 0, square, 1))
        return finish(normal.reshape(x.shape) * scale + bias, op.bounds)
