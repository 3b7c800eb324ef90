# SPDX-License-Identifier: Apache-2.0
"""`fold-requantize`: operations that map byte to byte become one, a clamp of their producer, or none.

    qnn.conv2d <clamp = [-128, 127]> -> qnn.rescale that is max(x, 3)
becomes
    qnn.conv2d <clamp = [3, 127]>

A `qnn.rescale`, a `qnn.lookup` and an operation on two tensors of which one is a single number are
tables of 256 values, so what two of them do is known exactly: nothing is folded unless the result is
the same for every byte that can come in. One kernel looks tables up, faster than it would compute.
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

from sparsec.analysis.values.byte_maps import ByteMap, byte_map, clamp_of, rescale_table
from sparsec.ir import qnn
from sparsec.ir.layer import layer_of
from sparsec.ir.params import (
    AddParamsAttr,
    MulParamsAttr,
    NormalizeParamsAttr,
    PreluParamsAttr,
    RequantAttr,
    RescaleAttr,
)
from sparsec.ir.qnn.elementwise import SumOp
from sparsec.quantization.params import Clamp, Rescale
from sparsec.quantization.requantize import quantize_multiplier

Array: TypeAlias = np.ndarray[Any, Any]


def as_clamp(table: Array, values: Clamp) -> Clamp | None:
    """The clamp that `table` is for inputs within `values`, if it is one."""
    x = np.arange(values[0], values[1] + 1)
    y = table[x + 128].astype(np.int64)
    low, high = int(y[0]), int(y[-1])
    return (low, high) if low <= high and np.array_equal(y, np.clip(x, low, high)) else None


def clamped(op: Operation, clamp: Clamp) -> Attribute | None:
    """The attribute of `op` that holds its clamp, with another one; None if it has no clamp."""
    match op:
        case qnn.WeightedOp() | qnn.Pool2dOp():
            return RequantAttr(replace(op.requant.data, clamp=clamp))
        case qnn.AddOp() | SumOp():
            return AddParamsAttr(replace(op.params.data, clamp=clamp))
        case qnn.RescaleOp() | qnn.MeanOp() | qnn.ResampleOp():
            return RescaleAttr(replace(op.params.data, clamp=clamp))
        case qnn.MulOp():
            return MulParamsAttr(replace(op.params.data, clamp=clamp))
        case qnn.NormalizeOp():
            return NormalizeParamsAttr(replace(op.params.data, clamp=clamp))
        case qnn.PreluOp():
            return PreluParamsAttr(replace(op.params.data, clamp=clamp))
        case _:
            return None


def only_reader(value: SSAValue, reader: Operation) -> bool:
    """Whether nothing but `reader` reads `value`."""
    return all(use.operation is reader for use in value.uses)


def set_clamp(value: SSAValue, reader: Operation, clamp: Clamp) -> Operation | None:
    """Give the operation whose values `reader` alone sees another clamp.

    The operation, found behind moves; None if there is none or it has no clamp.
    """
    while only_reader(value, reader):
        op = value.owner
        if isinstance(op, qnn.ReshapeOp | qnn.TransposeOp):
            value, reader = op.input, op
            continue
        attribute = clamped(op, clamp) if isinstance(op, Operation) else None
        if attribute is None or not isinstance(op, Operation):
            return None
        op.properties["requant" if isinstance(attribute, RequantAttr) else "params"] = attribute
        return op
    return None


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

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        known = byte_map(op)
        if known is None:
            return
        before = clamp_of(known.source)
        clamp = as_clamp(known.table, before)
        if clamp is None:
            return
        if clamp != before:
            producer = set_clamp(known.source, op, clamp)
            if producer is None:
                return
            rewriter.notify_op_modified(producer)
        rewriter.replace(op, (), (known.source,))


class MapOnce(RewritePattern):
    """Two maps in a row become one rescale if there is an exact one, else one table."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        second = byte_map(op)
        if second is None or not only_reader(second.source, op):
            return
        before = second.source.owner
        first = byte_map(before) if isinstance(before, Operation) else None
        if first is None:
            return
        table = second.table[first.table.astype(np.int64) + 128]
        if isinstance(before, qnn.RescaleOp) and isinstance(op, qnn.RescaleOp):
            params = as_rescale(before.params.data, op.params.data, table)
            if params is not None:
                new = qnn.RescaleOp(first.source, params)
                new.attributes.update(op.attributes)
                rewriter.replace(op, new)
                return
        look_up(op, ByteMap(first.source, table), rewriter)


class LookUp(RewritePattern):
    """An operation on two tensors that is a map, as with one number for all, becomes a table."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        known = None if isinstance(op, qnn.RescaleOp | qnn.LookupOp) else byte_map(op)
        if known is not None:
            look_up(op, known, rewriter)


def look_up(op: Operation, known: ByteMap, rewriter: PatternRewriter) -> None:
    """Replace `op` by a table that does what `known` does."""
    constant = qnn.ConstantOp(known.table, f"{layer_of(op)}.table")
    new = qnn.LookupOp(known.source, constant.result)
    new.attributes.update(op.attributes)
    rewriter.replace(op, [constant, new])


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
        patterns = GreedyRewritePatternApplier(
            [DropIdentity(), ClampProducer(), MapOnce(), LookUp()]
        )
        PatternRewriteWalker(patterns).rewrite_module(op)
