"""`convert-qnn-to-kernels`: every int8 operation becomes a call of CMSIS-NN or of the runtime.

    %y = qnn.linear %x, %w, ..       becomes       %b = memref.alloc()
                                                   cmsis.fully_connected_s8 .. into %b
                                                   %y = builtin.unrealized_conversion_cast %b

Kernels are chosen by types, here and nowhere else. What a kernel needs besides is made here too:
scratch memory, sums of weights, biases with the input zero point folded in.
"""

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)
from xdsl.utils.exceptions import PassFailedException

from sparsec.backends.cortex_m import scratch
from sparsec.backends.cortex_m.lowering import Lowering, failure, required_constant
from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import cmsis, qnn, rt
from sparsec.ir.constant import array_of, element_type_of
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import ComponentOp, format_of, matrix_shape
from sparsec.quantization.int8 import accumulator_bound
from sparsec.quantization.softmax import MAX_ROW
from sparsec.targets.cpu import VectorUnit, cpu_named

TARGET = "sparsec.target"
"""Attribute of a module: the processor its kernels were chosen for."""


@dataclass(frozen=True)
class ConvertQnnToKernelsPass(ModulePass):
    """Lower `qnn` to `cmsis` and `rt` for one processor."""

    name = "convert-qnn-to-kernels"
    target: str = "cortex-m4"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if TARGET in op.attributes:
            return
        try:
            cpu = cpu_named(self.target)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        op.attributes[TARGET] = StringAttr(cpu.name)
        patterns: list[RewritePattern] = [
            LowerConv2d(cpu.vector_unit),
            LowerDepthwiseConv2d(cpu.vector_unit),
            LowerLinear(cpu.vector_unit),
            LowerPool2d(cpu.vector_unit),
            LowerAdd(),
            LowerSoftmax(),
            LowerLookup(),
            LowerRescale(),
            LowerPad(),
            LowerTranspose(),
            LowerConcat(),
            LowerReshape(),
        ]
        PatternRewriteWalker(
            GreedyRewritePatternApplier(patterns, dce_enabled=False), apply_recursively=False
        ).rewrite_module(op)


@dataclass
class LowerWeighted(RewritePattern, ABC):
    """A layer with weights, on a core with `unit`."""

    unit: VectorUnit


class LowerConv2d(LowerWeighted):
    """Dense by CMSIS-NN, sparse by the runtime."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.Conv2dOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        window, requant = op.window.data, op.requant.data
        input = shape_of(op.input.type)
        match format_of(op.weights.type):
            case None:
                check_accumulator(op)
                size = scratch.convolve(self.unit, window, input, shape_of(op.weights.type))
                output = low.output()
                low.call(
                    cmsis.ConvolveOp(
                        low.buffer(op.input),
                        low.buffer(op.weights),
                        low.buffer(op.bias),
                        low.buffer(op.multiplier),
                        low.buffer(op.shift),
                        output,
                        low.scratch(size),
                        requant,
                        window,
                    )
                )
            case Delta8() as encoding:
                _, height, width, _ = shape_of(op.weights.type)
                memory = low.scratch(scratch.convolve_delta8(input, (height, width)))
                assert memory is not None
                output = low.output()
                low.call(
                    rt.ConvolveDelta8Op(
                        low.buffer(op.input),
                        *components(low, op, encoding),
                        folded_bias(low, op),
                        per_channel(low, op, op.multiplier),
                        per_channel(low, op, op.shift),
                        output,
                        memory,
                        requant,
                        window,
                        (height, width),
                    )
                )
            case encoding:
                raise no_kernel(op, encoding)
        low.finish(output)


class LowerDepthwiseConv2d(LowerWeighted):
    """Dense only."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.DepthwiseConv2dOp, rewriter: PatternRewriter) -> None:
        encoding = format_of(op.weights.type)
        if encoding is not None:
            raise no_kernel(op, encoding)
        check_accumulator(op, channel_axis=-1)
        low = Lowering(op, rewriter)
        window = op.window.data
        size = scratch.depthwise_convolve(
            self.unit, window, shape_of(op.input.type), shape_of(op.weights.type)
        )
        output = low.output()
        low.call(
            cmsis.DepthwiseConvOp(
                low.buffer(op.input),
                low.buffer(op.weights),
                low.buffer(op.bias),
                low.buffer(op.multiplier),
                low.buffer(op.shift),
                output,
                low.scratch(size),
                op.requant.data,
                window,
            )
        )
        low.finish(output)


class LowerLinear(LowerWeighted):
    """CMSIS-NN has one multiplier for all outputs; several rows with multipliers of their own
    are a 1x1 convolution."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.LinearOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        *rows, _ = shape_of(op.input.type)
        single_row = int(np.prod(rows)) == 1
        one_multiplier = shape_of(op.multiplier.type) == (1,)
        match format_of(op.weights.type):
            case None if one_multiplier:
                output = self.per_tensor(op, low)
            case None if single_row:
                output = low.output()
                low.call(
                    rt.FullyConnectedPerChannelOp(
                        low.buffer(op.input),
                        low.buffer(op.weights),
                        folded_bias(low, op),
                        low.buffer(op.multiplier),
                        low.buffer(op.shift),
                        output,
                        op.requant.data,
                    )
                )
            case None:
                output = self.as_convolution(op, low)
            case Delta8() as encoding if single_row:
                output = low.output()
                low.call(
                    rt.FullyConnectedDelta8Op(
                        low.buffer(op.input),
                        *components(low, op, encoding),
                        folded_bias(low, op),
                        per_channel(low, op, op.multiplier),
                        per_channel(low, op, op.shift),
                        output,
                        op.requant.data,
                    )
                )
            case encoding:
                raise no_kernel(op, encoding)
        low.finish(output)

    def per_tensor(self, op: qnn.LinearOp, low: Lowering) -> SSAValue:
        """`arm_fully_connected_s8`."""
        check_accumulator(op)
        weights = required_constant(op, op.weights, "weights")
        sums = None
        if self.unit == "mve":
            sums = low.constant(weights.array.sum(axis=1, dtype=np.int32), None)
        output = low.output()
        low.call(
            cmsis.FullyConnectedOp(
                low.buffer(op.input),
                low.buffer(op.weights),
                low.buffer(op.bias),
                output,
                sums,
                op.requant.data,
                int(required_constant(op, op.multiplier, "multiplier").array[0]),
                int(required_constant(op, op.shift, "shift").array[0]),
            )
        )
        return output

    def as_convolution(self, op: qnn.LinearOp, low: Lowering) -> SSAValue:
        """Each row is a pixel of a 1x1 convolution."""
        check_accumulator(op)
        features, depth = shape_of(op.weights.type)
        rows = int(np.prod(shape_of(op.input.type)[:-1]))
        output = low.output()
        low.call(
            cmsis.ConvolveOp(
                low.buffer(op.input, (1, rows, 1, depth)),
                low.buffer(op.weights, (features, 1, 1, depth)),
                low.buffer(op.bias),
                low.buffer(op.multiplier),
                low.buffer(op.shift),
                low.reshape(output, (1, rows, 1, features)),
                None,
                op.requant.data,
                Window(),
            )
        )
        return output
