# SPDX-License-Identifier: Apache-2.0
"""What reductions mean, as `qnn` and as kernel calls."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters.kernels import store
from sparsec.ir import qnn, rt
from sparsec.ir.shapes import axes_reduced
from sparsec.quantization import int8
from sparsec.quantization.arrays import Int8Array
from sparsec.quantization.params import Rescale

MIDDLE = (1,)
"""The axis that kernels reduce."""


def mean(x: Int8Array, axes: tuple[int, ...], p: Rescale) -> Int8Array:
    """The mean, or the sum, over axes."""
    return int8.mean(
        x,
        axes,
        input_zp=p.input_zp,
        multiplier=p.multiplier,
        shift=p.shift,
        output_zp=p.output_zp,
        clamp=p.clamp,
    )


@register_impls
class ReduceFunctions(InterpreterFunctions):
    """A leading 1 in the types of `qnn` stands for any batch."""

    @impl(qnn.MeanOp)
    def mean(self, _: Interpreter, op: qnn.MeanOp, args: PythonValues) -> PythonValues:
        return (mean(args[0], axes_reduced(op.input.type, op.result.type), op.params.data),)

    @impl(qnn.ReduceMaxOp)
    def reduce_max(self, _: Interpreter, op: qnn.ReduceMaxOp, args: PythonValues) -> PythonValues:
        return (np.max(args[0], axes_reduced(op.input.type, op.result.type), keepdims=True),)

    @impl(qnn.ReduceMinOp)
    def reduce_min(self, _: Interpreter, op: qnn.ReduceMinOp, args: PythonValues) -> PythonValues:
        return (np.min(args[0], axes_reduced(op.input.type, op.result.type), keepdims=True),)

    @impl(qnn.ArgMaxOp)
    def arg_max(self, _: Interpreter, op: qnn.ArgMaxOp, args: PythonValues) -> PythonValues:
        return (
            int8.first_extreme(args[0], axes_reduced(op.input.type, op.result.type), largest=True),
        )

    @impl(qnn.ArgMinOp)
    def arg_min(self, _: Interpreter, op: qnn.ArgMinOp, args: PythonValues) -> PythonValues:
        return (
            int8.first_extreme(args[0], axes_reduced(op.input.type, op.result.type), largest=False),
        )

    @impl(rt.MeanOp)
    def mean_s8(self, _: Interpreter, op: rt.MeanOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, mean(x, MIDDLE, op.params.data))

    @impl(rt.ReduceMaxOp)
    def reduce_max_s8(self, _: Interpreter, op: rt.ReduceMaxOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, np.max(x, MIDDLE, keepdims=True))

    @impl(rt.ReduceMinOp)
    def reduce_min_s8(self, _: Interpreter, op: rt.ReduceMinOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, np.min(x, MIDDLE, keepdims=True))

    @impl(rt.ArgMaxOp)
    def arg_max_s8(self, _: Interpreter, op: rt.ArgMaxOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, int8.first_extreme(x, MIDDLE, largest=True))

    @impl(rt.ArgMinOp)
    def arg_min_s8(self, _: Interpreter, op: rt.ArgMinOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, int8.first_extreme(x, MIDDLE, largest=False))
