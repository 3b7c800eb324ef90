# SPDX-License-Identifier: Apache-2.0
"""`fuse-pad`: a border that a layer would read as its own padding becomes its padding.

    qnn.pad %x, -3 <low = [0, 1, 1, 0], ..> -> qnn.conv2d <input_zp = -3>
becomes
    qnn.conv2d <input_zp = -3> window <padding = [1, 1, ..]>

Exact for a convolution if the value is its input zero point, and for a maximum if no result can
tell the value from what is outside. Strides and unequal sides make no difference.
"""

from dataclasses import dataclass, replace

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from sparsec.ir import qnn
from sparsec.ir.window import PoolAttr, WindowAttr
from sparsec.quantization.window import Border

Padding = tuple[int, int, int, int]


def joined(padding: Padding, border: Border) -> Padding | None:
    """`padding` with `border` outside an image of NHWC; None if it lies on other axes too."""
    (n0, top, left, c0), (n1, bottom, right, c1) = border.low, border.high
    if n0 or n1 or c0 or c1:
        return None
    return padding[0] + top, padding[1] + left, padding[2] + bottom, padding[3] + right


def pad_behind(value: SSAValue) -> qnn.PadOp | None:
    """The pad of an image that defines `value`."""
    op = value.owner
    return op if isinstance(op, qnn.PadOp) and len(op.border.data.low) == 4 else None


class PadIntoConvolution(RewritePattern):
    """The border of a convolution reads as its input zero point."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.Conv2dOp | qnn.DepthwiseConv2dOp, rewriter: PatternRewriter
    ) -> None:
        pad, window = pad_behind(op.input), op.window.data
        if pad is None or pad.value.value.data != op.requant.data.input_zp:
            return
        padding = joined(window.padding, pad.border.data)
        if padding is None:
            return
        op.window = WindowAttr(replace(window, padding=padding))
        op.operands[0] = pad.input
        rewriter.notify_op_modified(op)


class PadIntoMaximum(RewritePattern):
    """The border of a maximum counts for nothing: as does a value that the clamp lifts anyway."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.MaxPool2dOp, rewriter: PatternRewriter) -> None:
        pad, pool = pad_behind(op.input), op.pool.data
        if pad is None or pad.value.value.data > op.requant.data.clamp[0]:
            return
        padding = joined(pool.padding, pad.border.data)
        if padding is None:
            return
        top, left, bottom, right = padding
        if max(top, bottom) >= pool.kernel[0] or max(left, right) >= pool.kernel[1]:
            return  # a window could see nothing but border
        op.pool = PoolAttr(replace(pool, padding=padding))
        op.operands[0] = pad.input
        rewriter.notify_op_modified(op)


class PadOnce(RewritePattern):
    """A pad of a pad with the same value, or of nothing."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.PadOp, rewriter: PatternRewriter) -> None:
        border, before = op.border.data, op.input.owner
        if not any((*border.low, *border.high)):
            rewriter.replace(op, (), (op.input,))
        elif isinstance(before, qnn.PadOp) and before.value == op.value:
            inner = before.border.data
            low, high = (
                tuple(a + b for a, b in zip(one, other, strict=True))
                for one, other in ((inner.low, border.low), (inner.high, border.high))
            )
            new = qnn.PadOp(before.input, op.value.value.data, Border(low, high))
            new.attributes.update(op.attributes)
            rewriter.replace(op, new)


@dataclass(frozen=True)
class FusePadPass(ModulePass):
    """Moves explicit borders into the windows of the layers that read them."""

    name = "fuse-pad"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = GreedyRewritePatternApplier([PadOnce(), PadIntoConvolution(), PadIntoMaximum()])
        PatternRewriteWalker(patterns).rewrite_module(op)
