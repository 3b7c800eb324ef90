"""`fold-requantize`: operations that map byte to byte become one, a clamp of their producer, or none.

    qnn.conv2d <clamp = [-128, 127]> -> qnn.rescale that is max(x, 3)
becomes
    qnn.conv2d <clamp = [3, 127]>

A `qnn.rescale` or `qnn.lookup` is a table of 256 values, so what two of them do is known exactly:
nothing is folded unless the result is the same for every byte that can come in.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from sparsec.analysis.intervals import rescale_table
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.ir.params import AddParamsAttr, RequantAttr
from sparsec.quantization.params import FULL_RANGE, Clamp, Rescale
from sparsec.quantization.requantize import quantize_multiplier

Array: TypeAlias = np.ndarray[Any, Any]
ByteMap: TypeAlias = qnn.RescaleOp | qnn.LookupOp


def table_of(op: ByteMap) -> Array | None:
    """int8[256]: what `op` gives for -128 to 127; None if its table is not constant."""
    return (
        rescale_table(op.params.data) if isinstance(op, qnn.RescaleOp) else constant_array(op.table)
    )


def clamp_of(value: SSAValue) -> Clamp:
    """The lowest and highest value that the operation behind `value` can give."""
    match value.owner:
        case qnn.WeightedOp() | qnn.Pool2dOp() as op:
            return op.requant.data.clamp
        case qnn.AddOp() | qnn.RescaleOp() as op:
            return op.params.data.clamp
        case _:
            return FULL_RANGE


def as_clamp(table: Array, values: Clamp) -> Clamp | None:
    """The clamp that `table` is for inputs within `values`, if it is one."""
    x = np.arange(values[0], values[1] + 1)
    y = table[x + 128].astype(np.int64)
    low, high = int(y[0]), int(y[-1])
    return (low, high) if low <= high and np.array_equal(y, np.clip(x, low, high)) else None


def set_clamp(op: Operation, clamp: Clamp) -> bool:
    """Give `op` another clamp; False if it has none."""
    attribute: Attribute
    match op:
        case qnn.WeightedOp() | qnn.Pool2dOp():
            attribute = RequantAttr(replace(op.requant.data, clamp=clamp))
            op.properties["requant"] = attribute
        case qnn.AddOp():
            op.params = AddParamsAttr(replace(op.params.data, clamp=clamp))
        case _:
            return False
    return True


def as_rescale(first: Rescale, second: Rescale, table: Array) -> Rescale | None:
    """One rescale that does what `first` and then `second` do, if the nearest one does."""
    scale = 1.0
    for p in (first, second):
        scale *= p.multiplier * 2.0 ** (p.shift - 31)
    try:
        multiplier, shift = quantize_multiplier(scale)
    except ValueError:
        return None
    clamp = (int(table.min()), int(table.max()))
    both = Rescale(first.input_zp, multiplier, shift, second.output_zp, clamp)
    return both if np.array_equal(rescale_table(both), table) else None


class ClampProducer(RewritePattern):
    """A map that only clamps what comes in, or does nothing to it, is no operation of its own."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.RescaleOp | qnn.LookupOp, rewriter: PatternRewriter
    ) -> None:
        table, before = table_of(op), clamp_of(op.input)
        clamp = None if table is None else as_clamp(table, before)
        if clamp is None:
            return
        producer = op.input.owner
        if clamp != before and not (
            isinstance(producer, Operation)
            and op.input.has_one_use()
            and set_clamp(producer, clamp)
        ):
            return
        if isinstance(producer, Operation):
            rewriter.notify_op_modified(producer)
        rewriter.replace(op, (), (op.input,))


class MapOnce(RewritePattern):
    """Two maps in a row become one rescale if there is an exact one, else one table."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.RescaleOp | qnn.LookupOp, rewriter: PatternRewriter
    ) -> None:
        before = op.input.owner
        if not isinstance(before, qnn.RescaleOp | qnn.LookupOp) or not op.input.has_one_use():
            return
        first, second = table_of(before), table_of(op)
        if first is None or second is None:
            return
        table = second[first.astype(np.int64) + 128]
        new: Operation | None = None
        if isinstance(before, qnn.RescaleOp) and isinstance(op, qnn.RescaleOp):
            params = as_rescale(before.params.data, op.params.data, table)
            new = None if params is None else qnn.RescaleOp(before.input, params)
        if new is None:
            constant = qnn.ConstantOp(table, f"{layer_of(op)}.table")
            rewriter.insert(constant)
            new = qnn.LookupOp(before.input, constant.result)
        new.attributes.update(op.attributes)
        rewriter.replace(op, new)


class DropIdentity(RewritePattern):
    """Operations that move nothing."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: qnn.ReshapeOp | qnn.TransposeOp | qnn.ConcatOp, rewriter: PatternRewriter
    ) -> None:
        match op:
            case qnn.ReshapeOp() if op.input.type == op.result.type:
                rewriter.replace(op, (), (op.input,))
            case qnn.ReshapeOp() if isinstance(op.input.owner, qnn.ReshapeOp):
                new = qnn.ReshapeOp(op.input.owner.input, op.result.type.get_shape())
                new.attributes.update(op.attributes)
                rewriter.replace(op, new)
            case qnn.TransposeOp() if list(op.permutation.get_values()) == sorted(
                op.permutation.get_values()
            ):
                rewriter.replace(op, (), (op.input,))
            case qnn.ConcatOp() if len(op.inputs) == 1:
                rewriter.replace(op, (), (op.inputs[0],))
            case _:
                pass


@dataclass(frozen=True)
class FoldRequantizePass(ModulePass):
    """Folds chains of rescales and tables, and drops what changes nothing."""

    name = "fold-requantize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = GreedyRewritePatternApplier([DropIdentity(), ClampProducer(), MapOnce()])
        PatternRewriteWalker(patterns).rewrite_module(op)
