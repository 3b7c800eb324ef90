"""Kernels of the layers without weights: one for each."""

from dataclasses import dataclass

from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from sparsec.backends.cortex_m.lowering import Lowering, failure
from sparsec.ir import cmsis, qnn, rt
from sparsec.ir.shapes import shape_of
from sparsec.quantization.rounded_add import rounded
from sparsec.quantization.short_add import shorten
from sparsec.quantization.softmax import MAX_ROW
from sparsec.targets import scratch
from sparsec.targets.cpu import VectorUnit


@dataclass
class LowerPool2d(RewritePattern):
    """Maximum and average over windows, on a core with `unit`."""

    unit: VectorUnit

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.MaxPool2dOp | qnn.AvgPool2dOp, rewriter: PatternRewriter
    ) -> None:
        low = Lowering(op, rewriter)
        output = low.output()
        if isinstance(op, qnn.MaxPool2dOp):
            kernel, size = cmsis.MaxPoolOp, 0
        else:
            kernel, size = cmsis.AvgPoolOp, scratch.avg_pool(self.unit, shape_of(op.input.type))
        low.call(
            kernel(low.buffer(op.input), output, low.scratch(size), op.pool.data, op.requant.data)
        )
        low.finish(output)


class LowerAdd(RewritePattern):
    """The first of `sparsec_residual_add_s8`, `sparsec_residual_add_rounded_s8` and `arm_elementwise_add_s8` that can."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.AddOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        output, lhs, rhs = low.output(), low.buffer(op.lhs), low.buffer(op.rhs)
        params = op.params.data
        if (short := shorten(params)) is not None:
            low.call(rt.ResidualAddOp(lhs, rhs, output, short))
        elif (sum := rounded(params)) is not None:
            first, second = (rhs, lhs) if sum.swapped else (lhs, rhs)
            low.call(rt.ResidualAddRoundedOp(first, second, output, sum.numbers))
        else:
            low.call(cmsis.ElementwiseAddOp(lhs, rhs, output, params))
        low.finish(output)


class LowerSoftmax(RewritePattern):
    """`arm_softmax_s8`, for the rows it computes without overflow."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.SoftmaxOp, rewriter: PatternRewriter) -> None:
        row = shape_of(op.input.type)[-1]
        if row > MAX_ROW:
            raise failure(
                op, f"softmax over {row} values overflows, at most {MAX_ROW} are possible"
            )
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(cmsis.SoftmaxOp(low.buffer(op.input), output, op.params.data))
        low.finish(output)


class LowerLookup(RewritePattern):
    """`sparsec_lookup_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.LookupOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(rt.LookupOp(low.buffer(op.input), low.buffer(op.table), output))
        low.finish(output)


class LowerMean(RewritePattern):
    """`sparsec_mean_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.MeanOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(rt.MeanOp(low.buffer(op.input), output, op.params.data))
        low.finish(output)


class LowerRescale(RewritePattern):
    """`sparsec_requantize_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.RescaleOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(rt.RequantizeOp(low.buffer(op.input), output, op.params.data))
        low.finish(output)


class LowerPad(RewritePattern):
    """`sparsec_pad_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.PadOp, rewriter: PatternRewriter) -> None:
        check_rank(op)
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(rt.PadOp(low.buffer(op.input), output, op.value.value.data, op.border.data))
        low.finish(output)


class LowerTranspose(RewritePattern):
    """`sparsec_transpose_s8`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.TransposeOp, rewriter: PatternRewriter) -> None:
        check_rank(op)
        low = Lowering(op, rewriter)
        output = low.output()
        low.call(rt.TransposeOp(low.buffer(op.input), output, op.permutation.get_values()))
        low.finish(output)


class LowerConcat(RewritePattern):
    """One `sparsec_concatenate_s8` for each input."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.ConcatOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        output = low.output()
        axis, position = op.axis.value.data, 0
        for value in op.inputs:
            low.call(rt.ConcatenateOp(low.buffer(value), output, axis, position))
            position += shape_of(value.type)[axis]
        low.finish(output)


class LowerReshape(RewritePattern):
    """No kernel: the same memory in another shape."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: qnn.ReshapeOp, rewriter: PatternRewriter) -> None:
        low = Lowering(op, rewriter)
        low.finish(low.buffer(op.input, shape_of(op.result.type)))


UNWEIGHTED: tuple[type[RewritePattern], ...] = (
    LowerAdd,
    LowerSoftmax,
    LowerLookup,
    LowerMean,
    LowerRescale,
    LowerPad,
    LowerTranspose,
    LowerConcat,
    LowerReshape,
)
"""The patterns that need to know nothing of the processor."""


def check_rank(op: Operation) -> None:
    """PassFailedException for a tensor of more axes than the runtime's loops have."""
    if len(shape_of(op.operands[0].type)) > 4:
        raise failure(
            op, f"tensors of more than four axes are not supported, got {op.operands[0].type}"
        )
