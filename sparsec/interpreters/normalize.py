# SPDX-License-Identifier: Apache-2.0
"""What normalisation means, as `qnn` and as a kernel call."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters.kernels import store
from sparsec.ir import qnn, rt
from sparsec.quantization.normalization import normalize


@register_impls
class NormalizeFunctions(InterpreterFunctions):
    """`qnn.normalize` and `rt.normalize_s8`."""

    @impl(qnn.NormalizeOp)
    def normalize(self, _: Interpreter, op: qnn.NormalizeOp, args: PythonValues) -> PythonValues:
        x, bias, multiplier, shift = args
        return (normalize(x, multiplier, shift, bias, op.params.data),)

    @impl(rt.NormalizeOp)
    def normalize_s8(self, _: Interpreter, op: rt.NormalizeOp, args: PythonValues) -> PythonValues:
        x, bias, multiplier, shift, output = args
        return store(output, normalize(x, multiplier, shift, bias, op.params.data))
