# SPDX-License-Identifier: Apache-2.0
"""Weighted sums of pixels."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, impl, register_impls

from sparsec.interpreters.nn.values import Values, finish, float64
from sparsec.ir import nn
from sparsec.quantization.resampling import weighted


@register_impls
class NnResampleFunctions(InterpreterFunctions):
    """What they mean."""

    @impl(nn.ResampleOp)
    def resample(self, interpreter: Interpreter, op: nn.ResampleOp, args: Values) -> Values:
        x, rows, row_taps, columns, column_taps = args
        by_rows = weighted(float64(x), rows, float64(row_taps), 1)
        return finish(weighted(by_rows, columns, float64(column_taps), 2))
