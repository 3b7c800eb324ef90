"""Kernels of the layers with weights: chosen by types, here and nowhere else.

What a kernel needs besides is made here too: scratch memory, sums of weights, and biases with the
input zero point folded in.
"""

from abc import ABC
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern
from xdsl.utils.exceptions import PassFailedException

from sparsec.backends.cortex_m import scratch
from sparsec.backends.cortex_m.lowering import Lowering, failure, required_constant
from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import cmsis, qnn, rt
from sparsec.ir.constant import element_type_of
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import ComponentOp, format_of, matrix_shape
from sparsec.quantization.int8 import accumulator_bound
from sparsec.quantization.window import Window
from sparsec.targets.cpu import VectorUnit

INT32_LIMIT = 2**31


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
        single_row = prod(rows) == 1
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
        rows = prod(shape_of(op.input.type)[:-1])
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


def no_kernel(op: qnn.WeightedOp, encoding: SparseFormat) -> PassFailedException:
    """The exception for weights stored as no kernel reads them."""
    return failure(op, f"no kernel takes weights stored as {encoding.name} here, store them dense")


def components(
    low: Lowering, op: qnn.WeightedOp, encoding: SparseFormat
) -> tuple[SSAValue, SSAValue]:
    """The two arrays that store the weights."""
    weights = required_constant(op, op.weights, "weights")
    entries, counts = (
        ComponentOp(
            name, op.weights, TensorType(element_type_of(array.dtype), array.shape)
        )
        for name, array in encoding.pack(weights.array.reshape(matrix_shape(op.weights.type))).items()
    )
    low.rewriter.insert([entries, counts])
    return low.buffer(entries.result), low.buffer(counts.result)


def per_channel(low: Lowering, op: qnn.WeightedOp, value: SSAValue) -> SSAValue:
    """`value` with one number for each output, also if one serves them all."""
    channels = shape_of(op.bias.type)
    if shape_of(value.type) == channels:
        return low.buffer(value)
    constant = required_constant(op, value, "multiplier and shift")
    return low.constant(np.broadcast_to(constant.array, channels).copy(), constant.label)


def folded_bias(low: Lowering, op: qnn.WeightedOp) -> SSAValue:
    """bias - input_zp * (sum of the weights) of each output, for kernels that multiply raw inputs.

    PassFailedException when an input exists for which an accumulator leaves int32.
    """
    check_accumulator(op)
    weights = required_constant(op, op.weights, "weights").array
    bias = required_constant(op, op.bias, "bias")
    rows = weights.reshape(matrix_shape(op.weights.type)).astype(np.int64)
    folded = bias.array - op.requant.data.input_zp * rows.sum(axis=1)
    if (np.abs(folded) + 128 * np.abs(rows).sum(axis=1)).max() >= INT32_LIMIT:
        raise too_large(op)
    return low.constant(folded.astype(np.int32), bias.label)


def check_accumulator(op: qnn.WeightedOp, channel_axis: int = 0) -> None:
    """PassFailedException when an input exists for which an accumulator leaves int32, or does so
    in the left shift of the requantization."""
    weights = required_constant(op, op.weights, "weights").array
    bias = required_constant(op, op.bias, "bias").array
    shift = required_constant(op, op.shift, "shift").array
    bound = accumulator_bound(
        weights, bias, op.requant.data.input_zp, channel_axis=channel_axis
    )
    if (bound << np.maximum(shift, 0).astype(np.int64)).max() >= INT32_LIMIT:
        raise too_large(op)


def too_large(op: qnn.WeightedOp) -> PassFailedException:
    """The exception for a layer that int32 cannot accumulate."""
    return failure(
        op, "an accumulator can leave 32 bits: calibrate with larger ranges or reduce the weights"
    )
