"""Kernels of the layers with weights: chosen by types, here and nowhere else.

What a kernel needs besides is made here too: scratch memory, and biases with the input zero point
folded in.
"""

from abc import ABC
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from sparsec.analysis.choice import dense_kernels
from sparsec.analysis.choice.dense_kernels import dense_kernel
from sparsec.backends.cortex_m import lower_decoded, lower_packed
from sparsec.backends.cortex_m.lower_packed import takes_packed
from sparsec.backends.cortex_m.lower_sparse_depthwise import lower_sparse_depthwise
from sparsec.backends.cortex_m.lower_sparse_fc import kernel_of, lower_sparse_fc
from sparsec.backends.cortex_m.lowering import Lowering, required_constant
from sparsec.backends.cortex_m.weights import (
    check_accumulator,
    folded_bias,
    no_kernel,
    per_channel,
)
from sparsec.formats import Delta8
from sparsec.ir import cmsis, qnn, rt
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import format_of
from sparsec.quantization.window import Window
from sparsec.targets import scratch
from sparsec.targets.cmsis_nn import Release
from sparsec.targets.cpu import VectorUnit


@dataclass
class LowerWeighted(RewritePattern, ABC):
    """A layer with weights, on a core with `unit` and a release of CMSIS-NN."""

    unit: VectorUnit
    release: Release


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
                size = scratch.convolve(
                    self.unit, window, input, shape_of(op.weights.type), self.release
                )
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
            case encoding if takes_packed(encoding, self.unit):
                output = lower_packed.lower_conv2d(op, low)
            case encoding:
                output = lower_decoded.lower_conv2d(op, low, encoding)
        low.finish(output)


class LowerDepthwiseConv2d(LowerWeighted):
    """Dense by CMSIS-NN, `delta8` by the runtime."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.DepthwiseConv2dOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        match format_of(op.weights.type):
            case None:
                pass
            case Delta8():
                low.finish(lower_sparse_depthwise(op, low))
                return
            case encoding:
                raise no_kernel(op, encoding)
        check_accumulator(op, channel_axis=-1)
        window = op.window.data
        size = scratch.depthwise_convolve(
            self.unit, window, shape_of(op.input.type), shape_of(op.weights.type), self.release
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


class LowerTransposeConv2d(LowerWeighted):
    """Dense only, and by the runtime on every core.

    `arm_transpose_conv_s8` keeps an int32 for each product of a pixel, a tap and an output channel
    in scratch memory, without which the runtime's kernel takes fewer instructions.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.TransposeConv2dOp, rewriter: PatternRewriter) -> None:
        encoding = format_of(op.weights.type)
        if encoding is not None:
            raise no_kernel(op, encoding)
        check_accumulator(op)
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(
            rt.TransposeConvOp(
                low.buffer(op.input),
                low.buffer(op.weights),
                low.buffer(op.bias),
                low.buffer(op.multiplier),
                low.buffer(op.shift),
                output,
                op.requant.data,
                op.window.data,
            )
        )
        low.finish(output)


class LowerLinear(LowerWeighted):
    """Dense by CMSIS-NN or the runtime (`analysis/choice/dense_kernels.py` says which), sparse by the
    runtime; several rows with multipliers of their own are a 1x1 convolution.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.LinearOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        single_row = prod(shape_of(op.input.type)[:-1]) == 1
        match format_of(op.weights.type):
            case None:
                output = self.dense(op, low)
            case encoding if single_row and (kernel := kernel_of(encoding, op.weights.type)):
                output = lower_sparse_fc(op, low, kernel)
            case encoding if takes_packed(encoding, self.unit):
                output = lower_packed.lower_linear(op, low)
            case encoding:
                output = lower_decoded.lower_linear(op, low, encoding)
        low.finish(output)

    def dense(self, op: qnn.LinearOp, low: Lowering) -> SSAValue:
        """The call of the dense kernel."""
        match dense_kernel(op, self.unit, self.release)[0]:
            case dense_kernels.FOUR_ROWS:
                return lower_sparse_fc(op, low, rt.FullyConnectedDenseOp)
            case dense_kernels.PER_TENSOR:
                return self.per_tensor(op, low)
            case dense_kernels.PER_CHANNEL:
                return self.per_channel(op, low)
            case _:
                return self.as_convolution(op, low)

    def per_channel(self, op: qnn.LinearOp, low: Lowering) -> SSAValue:
        """`sparsec_fully_connected_per_channel_s8`."""
        output = low.output()
        low.call(
            rt.FullyConnectedPerChannelOp(
                low.buffer(op.input),
                low.buffer(op.weights),
                folded_bias(low, op),
                per_channel(low, op, op.multiplier),
                per_channel(low, op, op.shift),
                output,
                op.requant.data,
            )
        )
        return output

    def per_tensor(self, op: qnn.LinearOp, low: Lowering) -> SSAValue:
        """`arm_fully_connected_s8`."""
        check_accumulator(op)
        output = low.output()
        low.call(
            cmsis.FullyConnectedOp(
                low.buffer(op.input),
                low.buffer(op.weights),
                low.buffer(op.bias),
                output,
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
        rows = prod(shape_of(op.input.type)[:-1])
        output = low.output()
        low.call(
            cmsis.ConvolveOp(
                low.buffer(op.input, (1, rows, 1, depth)),
                low.buffer(op.weights, (features, 1, 1, depth)),
                low.buffer(op.bias),
                per_channel(low, op, op.multiplier),
                per_channel(low, op, op.shift),
                low.reshape(output, (1, rows, 1, features)),
                None,
                op.requant.data,
                Window(),
            )
        )
        return output
