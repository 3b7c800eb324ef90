# SPDX-License-Identifier: Apache-2.0
"""Convolutions that CMSIS-NN's wrappers would hand to a variant that cannot compute them.

The wrappers choose by a few numbers only. What they overlook, found by reading the variants:

- `arm_convolve_1x1_s8` and `_fast` ignore padding at the bottom and right;
- `arm_depthwise_conv_3x3_s8` always reads its middle column, also beyond the right border;
- `arm_convolve_1_x_n_s8` on Helium fails for uneven padding and for unused columns, reads beyond
  rows that are shorter than the kernel, and ignores padding above and below. From v6 on it puts
  padding where the last columns of some rows are, and columns behind the row where padding is.
- `arm_depthwise_conv_wrapper_s8` on Helium calls these for images of one channel from v7 on.

The rule: the same bytes by other means. A border becomes a `qnn.pad` of its own, a row a column.
"""

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from sparsec.ir import qnn
from sparsec.ir.layer import copy_layer
from sparsec.ir.shapes import image_shape, shape_of
from sparsec.ir.sparse import format_of
from sparsec.kernels.lowering import required_constant
from sparsec.quantization.window import Border, Window
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import Cpu
from sparsec.targets.scratch import becomes_convolution, row_windows


def legalize_convolutions(module: ModuleOp, cpu: Cpu) -> None:
    """Rewrite the convolutions that CMSIS-NN would get wrong on `cpu`."""
    patterns: list[RewritePattern] = [PadConvolution(cpu), TurnRow(cpu), PadDepthwise(cpu)]
    applier = GreedyRewritePatternApplier(patterns, dce_enabled=False)
    PatternRewriteWalker(applier).rewrite_module(module)


@dataclass
class PadConvolution(RewritePattern):
    """Pad before the convolution, where a variant ignores padding."""

    cpu: Cpu

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.Conv2dOp | qnn.DepthwiseConv2dOp, rewriter: PatternRewriter
    ) -> None:
        if not is_convolution(op, self.cpu):
            return
        window = op.window.data
        top, left, bottom, right = window.padding
        _, height, width, _ = shape_of(op.weights.type)
        one_by_one = (height, width, window.dilations) == (1, 1, (1, 1)) and (top, left) == (0, 0)
        in_row = self.cpu.vector_unit == "mve" and is_row(op)
        if (one_by_one and (bottom or right)) or (in_row and (top or bottom)):
            pad_before(op, rewriter)


@dataclass
class PadDepthwise(RewritePattern):
    """Pad before the depthwise convolution, where the middle column would lie outside."""

    cpu: Cpu

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.DepthwiseConv2dOp, rewriter: PatternRewriter) -> None:
        window = op.window.data
        _, columns, channels = image_shape(op.input.type)
        _, height, width, out_channels = shape_of(op.weights.type)
        by_three = (
            self.cpu.vector_unit != "mve"
            and channels == out_channels
            and (height, width, window.dilations) == (3, 3, (1, 1))
            and max(window.padding[:2]) <= 1
        )
        last = (image_shape(op.result.type)[1] - 1) * window.strides[1] - window.padding[1]
        if by_three and last + 1 >= columns:
            pad_before(op, rewriter)


@dataclass
class TurnRow(RewritePattern):
    """Convolve a row as a column, where the variant for rows fails."""

    cpu: Cpu

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.Conv2dOp | qnn.DepthwiseConv2dOp, rewriter: PatternRewriter
    ) -> None:
        if self.cpu.vector_unit != "mve" or not is_convolution(op, self.cpu) or not is_row(op):
            return
        window = op.window.data
        _, left, _, right = window.padding
        _, columns, channels = image_shape(op.input.type)
        first, _, width, last = shape_of(op.weights.type)
        _, out_columns, outputs = image_shape(op.result.type)
        if row_is_exact(columns, width, out_columns, window.strides[1], left, self.cpu.cmsis_nn):
            return
        weights = required_constant(op, op.weights, "weights")
        turned = Window(
            (window.strides[1], window.strides[0]),
            (left, 0, right, 0),
            (1, window.dilations[0]),
        )
        array = np.ascontiguousarray(weights.array.reshape(first, width, 1, last))
        column = qnn.ReshapeOp(op.input, (1, columns, 1, channels))
        constant = qnn.ConstantOp(array, weights.label)
        result = qnn.ReshapeOp(op.input, (1, out_columns, 1, outputs)).result.type
        convolution = type(op)(
            column.result,
            constant.result,
            op.bias,
            op.multiplier,
            op.shift,
            op.requant.data,
            turned,
            result,
        )
        copy_layer(op, convolution)
        back = qnn.ReshapeOp(convolution.result, shape_of(op.result.type))
        rewriter.replace(op, [column, constant, convolution, back])


def is_convolution(op: qnn.Conv2dOp | qnn.DepthwiseConv2dOp, cpu: Cpu) -> bool:
    """Whether CMSIS-NN's wrapper for convolutions computes `op`."""
    if format_of(op.weights.type) is not None:
        return False
    channels, out_channels = image_shape(op.input.type)[2], image_shape(op.result.type)[2]
    return isinstance(op, qnn.Conv2dOp) or becomes_convolution(
        cpu.vector_unit, channels, out_channels, cpu.cmsis_nn
    )


def is_row(op: qnn.Conv2dOp | qnn.DepthwiseConv2dOp) -> bool:
    """CMSIS-NN's wrapper takes the variant for rows."""
    window = op.window.data
    rows, _, channels = image_shape(op.input.type)
    _, height, width, _ = shape_of(op.weights.type)
    one_by_one = (
        height == width == 1 and window.dilations == (1, 1) and window.padding[:2] == (0, 0)
    )
    return (
        rows == height == window.dilations[1] == 1
        and window.strides[1] * channels % 4 == 0
        and not one_by_one
    )


def row_is_exact(
    columns: int,
    width: int,
    out_columns: int,
    stride: int,
    padding: int,
    release: Release = PACKAGED,
) -> bool:
    """`arm_convolve_1_x_n_s8` computes the row on Helium; `padding` is that on the left.

    Follows the C code: it expects at most one column more on the right than on the left, and does
    the windows on the left border, inside, and on the right border in this order.
    """
    total = (out_columns - 1) * stride + width - columns
    on_left, inside, on_right, uneven = row_windows(columns, width, out_columns, stride, padding)
    if 2 * padding + uneven != total:
        return False
    if on_left + inside + on_right != out_columns:
        return False
    starts = [i * stride - padding for i in range(out_columns)]
    if release != "v5":
        # A border is a row of its own in scratch memory: on the left its padding and `width` columns, on the right the
        # last `width - 1` columns, whatever the stride, and its padding.
        if on_left and columns < width:
            return False
        behind = on_right if uneven else padding
        if on_right and (
            starts[-on_right] + width - 1 != columns or (on_right - 1) * stride + 1 > behind
        ):
            return False
    return (
        all(-width < start and start + width <= columns for start in starts[:on_left])
        and all(
            0 <= start and start + width <= columns for start in starts[on_left : on_left + inside]
        )
        and all(0 <= start < columns for start in starts[on_left + inside :])
    )


def pad_before(op: qnn.Conv2dOp | qnn.DepthwiseConv2dOp, rewriter: PatternRewriter) -> None:
    """Take the padding out of `op`, into an operation of its own."""
    window = op.window.data
    top, left, bottom, right = window.padding
    pad = qnn.PadOp(
        op.input, op.requant.data.input_zp, Border((0, top, left, 0), (0, bottom, right, 0))
    )
    convolution = type(op)(
        pad.result,
        op.weights,
        op.bias,
        op.multiplier,
        op.shift,
        op.requant.data,
        Window(window.strides, dilations=window.dilations),
        op.result.type,
    )
    copy_layer(op, pad)
    copy_layer(op, convolution)
    rewriter.replace(op, [pad, convolution])
