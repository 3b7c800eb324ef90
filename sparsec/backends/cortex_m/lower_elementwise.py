"""Kernels of the layers on two tensors element by element: CMSIS-NN's product of whole tensors, else the runtime."""

from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from sparsec.backends.cortex_m.lowering import Lowering
from sparsec.ir import cmsis, qnn, rt
from sparsec.ir.shapes import shape_of
from sparsec.quantization.short_add import shorten


class LowerMul(RewritePattern):
    """`arm_elementwise_mul_s8`, or `sparsec_mul_s8` where an operand is repeated."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.MulOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        output = low.output()
        whole = shape_of(op.lhs.type) == shape_of(op.rhs.type)
        kernel = cmsis.ElementwiseMulOp if whole else rt.MulOp
        low.call(kernel(low.buffer(op.lhs), low.buffer(op.rhs), output, op.params.data))
        low.finish(output)


class LowerSum(RewritePattern):
    """`sparsec_residual_add_s8` for whole operands whose sum has a short form, else `sparsec_add_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.SubOp | qnn.BroadcastAddOp, rewriter: PatternRewriter
    ) -> None:
        low = Lowering(op, rewriter)
        output, lhs, rhs = low.output(), low.buffer(op.lhs), low.buffer(op.rhs)
        whole = shape_of(op.lhs.type) == shape_of(op.rhs.type)
        short = shorten(op.params.data, op.SIGN) if whole else None
        if short is None:
            low.call(rt.AddOp(lhs, rhs, output, op.params.data, op.SIGN))
        else:
            low.call(rt.ResidualAddOp(lhs, rhs, output, short))
        low.finish(output)


class LowerExtreme(RewritePattern):
    """`sparsec_maximum_s8` and `sparsec_minimum_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.MaximumOp | qnn.MinimumOp, rewriter: PatternRewriter
    ) -> None:
        low = Lowering(op, rewriter)
        output = low.output()
        kernel = rt.MaximumOp if isinstance(op, qnn.MaximumOp) else rt.MinimumOp
        low.call(kernel(low.buffer(op.lhs), low.buffer(op.rhs), output))
        low.finish(output)


class LowerPrelu(RewritePattern):
    """`sparsec_prelu_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.PreluOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(rt.PreluOp(low.buffer(op.input), low.buffer(op.alpha), output, op.params.data))
        low.finish(output)


ELEMENTWISE: tuple[type[RewritePattern], ...] = (LowerMul, LowerSum, LowerExtreme, LowerPrelu)
"""The patterns of this file."""
