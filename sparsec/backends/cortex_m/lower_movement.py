"""Kernels of the layers that pick elements of a tensor."""

from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from sparsec.backends.cortex_m.lowering import Lowering, failure, required_constant
from sparsec.ir import qnn, rt
from sparsec.ir.rt.movement import MAX_LOOPS
from sparsec.ir.shapes import shape_of


class LowerSlice(RewritePattern):
    """`sparsec_slice_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.SliceOp, rewriter: PatternRewriter) -> None:
        _, loops = op.where.data.loops(shape_of(op.input.type), shape_of(op.result.type))
        if len(loops) > MAX_LOOPS:
            raise failure(op, f"a slice of more than {MAX_LOOPS} axes is not supported")
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(rt.SliceOp(low.buffer(op.input), output, op.where.data))
        low.finish(output)


class LowerResizeNearest(RewritePattern):
    """`sparsec_resize_nearest_s8`, which trusts its constants."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.ResizeNearestOp, rewriter: PatternRewriter) -> None:
        for value in (op.rows, op.columns):
            required_constant(op, value, "rows and columns")
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(
            rt.ResizeNearestOp(
                low.buffer(op.input), low.buffer(op.rows), low.buffer(op.columns), output
            )
        )
        low.finish(output)


MOVEMENT: tuple[type[RewritePattern], ...] = (LowerSlice, LowerResizeNearest)
"""The patterns of this file."""
