# SPDX-License-Identifier: Apache-2.0
"""`fuse-scores`: what an attention adds to its scores, a relative position bias, joins the product that gives them.

    nn.add (nn.activation "x * 0.25" (nn.matmul %q, %k)), %bias
becomes
    nn.activation "x * 0.25" (nn.matmul %q, %k plus %bias / 0.25)

so that int8 rounds the scores once, and `fuse-attention` finds its three steps. It does so where a softmax and a second product
are all that follow: a product by itself takes nothing in.
"""

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.rewriting.qdq.conversions.activation import line_of


def only_user(value: SSAValue) -> SSAValue | None:
    """The result of what alone reads `value` but for reshapes; None if there are several, or it gives no result."""
    while value.has_one_use():
        (use,) = value.uses
        if not use.operation.results:
            return None
        value = use.operation.results[0]
        if not isinstance(use.operation, nn.ReshapeOp):
            return value
    return None


def attends(scores: SSAValue) -> bool:
    """Whether all that becomes of `scores` is the left side of a product, by a softmax."""
    shares = only_user(scores)
    if shares is None or not isinstance(shares.owner, nn.SoftmaxOp | nn.MaskedSoftmaxOp):
        return False
    values = only_user(shares)
    if values is None or not isinstance(values.owner, nn.MatmulOp):
        return False
    product = values.owner
    matrices = {shape_of(value.type)[-2:] for value in (scores, shares, product.lhs)}
    return (
        len(matrices) == 1
        and product.lhs_transposed is None
        and only_user(product.lhs) is product.result
    )


class FuseScores(RewritePattern):
    """A constant that is added to scores."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: nn.AddOp, rewriter: PatternRewriter) -> None:
        for value, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            added = constant_array(other)
            if added is None or value.type != op.result.type or op.bounds is not None:
                continue
            line, product = value.owner, value.owner
            factor = 1.0
            if isinstance(line, nn.ActivationOp):
                found = line_of(line.term)
                if found is None or not found[0] > 0 or found[1] != 0:
                    continue
                factor, product = found[0], line.input.owner
            if not isinstance(product, nn.MatmulOp) or product.addend is not None:
                continue
            if not (value.has_one_use() and product.result.has_one_use() and attends(op.result)):
                continue
            addend = nn.ConstantOp(
                (added.astype(np.float64) / factor).astype(np.float32), f"{layer_of(op)}.bias"
            )
            sides = product.lhs, product.rhs
            scores = nn.MatmulOp(*sides, product.transposed, product.result.type, addend.result)
            scores.attributes.update(product.attributes)
            if factor == 1:
                rewriter.replace(op, [addend, scores])
                return
            assert isinstance(line, nn.ActivationOp)
            scaled = nn.ActivationOp(line.term, scores.result)
            scaled.attributes.update(op.attributes)
            rewriter.replace(op, [addend, scores, scaled])
            return


@dataclass(frozen=True)
class FuseScoresPass(ModulePass):
    """Moves constants that are added to scores of attention into the product; it runs before calibration."""

    name = "fuse-scores"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(FuseScores()).rewrite_module(op)
