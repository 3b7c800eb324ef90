# SPDX-License-Identifier: Apache-2.0
"""`fuse-norms`: a normalisation that a model writes as sums, squares and a root becomes one layer.

    x * (1 / sqrt(mean(x * x) + epsilon))        becomes        nn.normalize

In int8 that rounds once instead of four times, and squares are exact. It runs behind `fuse-functions`, which makes one
function of the root and its reciprocal. What scales and shifts the result by constants joins it.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from sparsec.ir import nn
from sparsec.rewriting import norm_rules as rule


class FuseNorm(RewritePattern):
    """The product that ends a normalisation."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: nn.MulOp, rewriter: PatternRewriter) -> None:
        new = rule.normalization(op)
        if new is not None:
            rewriter.replace(op, new)


class FuseAffine(RewritePattern):
    """Factors and offsets of the channels."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self,
        op: nn.MulOp | nn.AddOp | nn.SubOp | nn.DepthwiseConv2dOp,
        rewriter: PatternRewriter,
    ) -> None:
        new = rule.affine(op)
        if new is not None:
            rewriter.replace(op, new)


@dataclass(frozen=True)
class FuseNormsPass(ModulePass):
    """Makes `nn.normalize` of what computes the same."""

    name = "fuse-norms"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = GreedyRewritePatternApplier([FuseNorm(), FuseAffine()])
        PatternRewriteWalker(patterns).rewrite_module(op)
