# SPDX-License-Identifier: Apache-2.0
"""What weighted sums of pixels mean, as `qnn` and as a kernel call."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters.kernels import store
from sparsec.ir import qnn, rt
from sparsec.quantization.resampling import resample


@register_impls
class ResampleFunctions(InterpreterFunctions):
    """`qnn.resample` and `rt.resample_s8`."""

    @impl(qnn.ResampleOp)
    def resample(self, _: Interpreter, op: qnn.ResampleOp, args: PythonValues) -> PythonValues:
        x, rows, row_taps, columns, column_taps = args
        return (resample(x, rows, row_taps, columns, column_taps, op.params.data),)

    @impl(rt.ResampleOp)
    def resample_s8(self, _: Interpreter, op: rt.ResampleOp, args: PythonValues) -> PythonValues:
        x, rows, row_taps, columns, column_taps, output = args
        return store(output, resample(x, rows, row_taps, columns, column_taps, op.params.data))
