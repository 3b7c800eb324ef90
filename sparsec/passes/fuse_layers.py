# SPDX-License-Identifier: Apache-2.0
"""`fuse-layers`: neighbours that one kernel computes become one operation.

nn.conv2d -> nn.clamp        becomes        nn.conv2d .. clamp <min = 0.0>
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from sparsec.ir import nn
from sparsec.rewriting import fusion_rules as rule
from sparsec.rewriting import movement_rules as way
from sparsec.rewriting.affine_rules import affine_before, affine_behind


@dataclass(frozen=True)
class Fusion:
    """A pair that may become one; with `only_user`, only if nothing else reads the producer."""

    producers: tuple[type[Operation], ...]
    consumer: type[Operation]
    rule: Callable[[Any, Any], Sequence[Operation] | None]
    only_user: bool = False


CONVOLUTIONS = (nn.Conv2dOp, nn.DepthwiseConv2dOp)
PICKS = (nn.GatherOp, nn.ResizeNearestOp)
ARITHMETIC = (nn.AddOp, nn.SubOp, nn.MulOp)
WEIGHTED = (*CONVOLUTIONS, nn.TransposeConv2dOp, nn.LinearOp)
BOUNDED = (*WEIGHTED, *ARITHMETIC, nn.MaxPool2dOp, nn.AvgPool2dOp, nn.NormalizeOp)

FUSIONS = (
    Fusion(BOUNDED, nn.ClampOp, rule.clamp_result, only_user=True),
    Fusion((nn.ClampOp,), nn.ClampOp, rule.clamp_once),
    Fusion((nn.DequantizeOp,), nn.ClampOp, rule.clamp_before_pair, only_user=True),
    Fusion((nn.ReshapeOp,), nn.ClampOp, way.clamp_before_reshape, only_user=True),
    Fusion((nn.ReshapeOp,), nn.SliceOp, way.slice_before_reshape),
    Fusion((nn.ReshapeOp,), nn.PadOp, way.pad_before_reshape),
    Fusion((nn.SliceOp,), nn.ClampOp, way.clamp_before_slice, only_user=True),
    Fusion(CONVOLUTIONS, nn.SliceOp, way.slice_in_window, only_user=True),
    Fusion((nn.PadOp,), nn.Conv2dOp, rule.pad_in_window),
    Fusion((nn.PadOp,), nn.DepthwiseConv2dOp, rule.pad_in_window),
    Fusion((nn.PadOp,), nn.MaxPool2dOp, rule.pad_in_pool),
    Fusion(WEIGHTED, nn.AddOp, affine_behind, only_user=True),
    Fusion(WEIGHTED, nn.SubOp, affine_behind, only_user=True),
    Fusion(WEIGHTED, nn.MulOp, affine_behind, only_user=True),
    Fusion(ARITHMETIC, nn.WeightedOp, affine_before, only_user=True),
    Fusion((nn.ReshapeOp,), nn.ReshapeOp, rule.reshape_once),
    Fusion(PICKS, nn.ActivationOp, way.activation_before_repeat),
    Fusion(PICKS, nn.ElementwiseOp, way.broadcast_for_repeat),
)


class FuseNeighbours(RewritePattern):
    """Apply the first fusion that fits an operation and one of its producers."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        for fusion in FUSIONS:
            if not isinstance(op, fusion.consumer):
                continue
            for operand in op.operands:
                producer = operand.owner
                if not isinstance(producer, fusion.producers):
                    continue
                if fusion.only_user and not operand.has_one_use():
                    continue
                new = fusion.rule(producer, op)
                if new is not None:
                    rewriter.replace(op, new)
                    return


class DropReshape(RewritePattern):
    """A reshape to the shape a tensor has already is nothing."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: nn.ReshapeOp, rewriter: PatternRewriter) -> None:
        if op.input.type == op.result.type:
            rewriter.replace(op, (), (op.input,))


@dataclass(frozen=True)
class FuseLayersPass(ModulePass):
    """Applies the table `FUSIONS` as often as it fits."""

    name = "fuse-layers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = GreedyRewritePatternApplier([FuseNeighbours(), DropReshape()])
        PatternRewriteWalker(patterns).rewrite_module(op)
