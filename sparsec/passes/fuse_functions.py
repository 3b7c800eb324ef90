# SPDX-License-Identifier: Apache-2.0
"""`fuse-functions`: layers element by element that all depend on one tensor become one function of it.

    %a = nn.add %x, %three -> %c = nn.clamp %a -> %y = nn.mul %x, %c
        becomes
    %y = nn.activation "x * clamp(x + 3, 0, 6)" %x

In int8 that is one table instead of several kernels, and nothing is rounded in between. What others read stays as well.
It runs behind `fuse-layers`, as a clamp or a constant that a layer with weights can take costs nothing there.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern

from sparsec.ir import nn
from sparsec.ir.expression import Variable, apply, parse, substituted
from sparsec.rewriting.function_rules import FunctionOf, clamped, function_of

X = Variable()

SIGNS: dict[type[Operation], str] = {
    nn.AddOp: "+",
    nn.SubOp: "-",
    nn.MulOp: "*",
    nn.MaximumOp: "maximum",
    nn.MinimumOp: "minimum",
    nn.PreluOp: "leaky_relu",
    nn.SelectOp: "where",
}
"""Functions of several tensors."""


def fused(op: Operation) -> FunctionOf | None:
    """`op` as a function of what its operands are functions of; None if that is not one tensor."""
    match op:
        case nn.ActivationOp() | nn.ClampOp():
            inner = function_of(op.input)
            outer = function_of(op.results[0]).term
            known = inner.source is None or inner.term == X
            if known or (isinstance(op, nn.ClampOp) and isinstance(op.input.owner, nn.ClampOp)):
                return None
            return FunctionOf(inner.source, substituted(outer, inner.term))
        case nn.ElementwiseOp() | nn.PreluOp() | nn.SelectOp():
            operands = [function_of(value) for value in op.operands]
            sources = {operand.source for operand in operands} - {None}
            if len(sources) != 1:
                return None
            (source,) = sources
            term = apply(SIGNS[type(op)], *(operand.term for operand in operands))
            bounds = op.bounds if isinstance(op, nn.ArithmeticOp) else None
            return FunctionOf(source, clamped(term, None if bounds is None else bounds.data))
        case _:
            return None


class FuseFunctions(RewritePattern):
    """One operation with those that give its operands."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        found = fused(op)
        if found is None or found.source is None or found.source.type != op.results[0].type:
            return
        try:
            parse(str(found.term))
        except ValueError:  # too long
            return
        new = nn.ActivationOp(found.term, found.source)
        new.attributes.update(op.attributes)
        rewriter.replace(op, new)


@dataclass(frozen=True)
class FuseFunctionsPass(ModulePass):
    """Makes one function of several."""

    name = "fuse-functions"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(FuseFunctions()).rewrite_module(op)
