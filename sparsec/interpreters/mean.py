# SPDX-License-Identifier: Apache-2.0
"""What the mean over an image means, as `qnn` and as kernel call."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters.kernels import store
from sparsec.ir import qnn, rt
from sparsec.quantization import int8
from sparsec.quantization.arrays import Int8Array
from sparsec.quantization.params import Rescale


def mean(x: Int8Array, p: Rescale) -> Int8Array:
    """Mean over height and width."""
    return int8.mean(
        x,
        input_zp=p.input_zp,
        multiplier=p.multiplier,
        shift=p.shift,
        output_zp=p.output_zp,
        clamp=p.clamp,
    )


@register_impls
class MeanFunctions(InterpreterFunctions):
    """A leading 1 in the types of `qnn` stands for any batch."""

    @impl(qnn.MeanOp)
    def mean(self, _: Interpreter, op: qnn.MeanOp, args: PythonValues) -> PythonValues:
        return (mean(args[0], op.params.data),)

    @impl(rt.MeanOp)
    def mean_s8(self, _: Interpreter, op: rt.MeanOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, mean(x, op.params.data))
