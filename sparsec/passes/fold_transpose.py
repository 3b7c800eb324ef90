# SPDX-License-Identifier: Apache-2.0
"""`fold-transpose`: data is moved only where someone needs it moved.

    nn.transpose -> nn.reshape -> nn.linear        becomes        nn.reshape -> nn.linear, columns permuted

Inverse transposes cancel, consecutive ones merge, one that moves no data is a reshape. Transposes
sink below element-wise layers, so that they meet their inverse. One at the entry stays there.

It is there because torch flattens NCHW, which the front end imports as a transpose.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.moved import note_move
from sparsec.ir.shapes import shape_of
from sparsec.quantization.window import Border, Slice
from sparsec.rewriting.constants import replace_constant

Permutation = tuple[int, ...]

REORDERED = (
    "fold-transpose put its columns into the order in which data lies in memory, channels last"
)


def permutation_of(op: nn.TransposeOp) -> Permutation:
    """Result axis i is input axis p[i]."""
    return tuple(op.permutation.get_values())


class SimplifyTranspose(RewritePattern):
    """Merge consecutive transposes; one that moves no data is nothing, or a reshape."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: nn.TransposeOp, rewriter: PatternRewriter) -> None:
        permutation, shape = permutation_of(op), shape_of(op.input.type)
        producer = op.input.owner
        array = constant_array(op.input)
        moved = [axis for axis in permutation if shape[axis] != 1]
        if permutation == tuple(range(len(permutation))):
            rewriter.replace(op, (), (op.input,))
        elif isinstance(producer, nn.TransposeOp):
            inner = permutation_of(producer)
            new = nn.TransposeOp(producer.input, [inner[axis] for axis in permutation])
            new.attributes.update(op.attributes)
            rewriter.replace(op, new)
        elif moved == sorted(moved):
            new = nn.ReshapeOp(op.input, shape_of(op.result.type))
            new.attributes.update(op.attributes)
            rewriter.replace(op, new)
        elif array is not None and isinstance(producer, nn.ConstantOp):
            rewriter.replace(op, nn.ConstantOp(array.transpose(permutation), producer.label))


def sinkable(value: SSAValue) -> nn.TransposeOp | None:
    """The transpose behind `value`, unless it brings an argument into layout or others read it."""
    op = value.owner
    if not isinstance(op, nn.TransposeOp) or not value.has_one_use():
        return None
    return None if isinstance(op.input.owner, Block) else op


def rebuild_below(
    op: Operation, transpose: nn.TransposeOp, new: Operation, rewriter: PatternRewriter
) -> None:
    """Replace `op`, an operation on transposed values, by `new` and a transpose of its result."""
    new.attributes.update(op.attributes)
    below = nn.TransposeOp(new.results[0], permutation_of(transpose))
    below.attributes.update(op.attributes)
    rewriter.replace(op, (new, below))


class SinkBelowElementwise(RewritePattern):
    """f(transpose(x)) becomes transpose(f(x))."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: nn.ClampOp | nn.ActivationOp, rewriter: PatternRewriter
    ) -> None:
        transpose = sinkable(op.input)
        if transpose is None:
            return
        if isinstance(op, nn.ClampOp):
            new = nn.ClampOp(transpose.input, op.bounds.data)
        else:
            new = nn.ActivationOp(op.term, transpose.input)
        rebuild_below(op, transpose, new, rewriter)


class SinkBelowPad(RewritePattern):
    """Only if another transpose follows: a pad next to its convolution can become its padding."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: nn.PadOp, rewriter: PatternRewriter) -> None:
        transpose = sinkable(op.input)
        if transpose is None or not all(
            isinstance(use.operation, nn.TransposeOp) for use in op.result.uses
        ):
            return
        border, permutation = op.border.data, permutation_of(transpose)
        low, high = [0] * len(permutation), [0] * len(permutation)
        for axis, source in enumerate(permutation):
            low[source], high[source] = border.low[axis], border.high[axis]
        new = nn.PadOp(transpose.input, op.value.value.data, Border(tuple(low), tuple(high)))
        rebuild_below(op, transpose, new, rewriter)


class SinkBelowSlice(RewritePattern):
    """What is left of a slice is moved, not all."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: nn.SliceOp, rewriter: PatternRewriter) -> None:
        transpose = sinkable(op.input)
        if transpose is None:
            return
        permutation, where = permutation_of(transpose), op.where.data
        inverse = [permutation.index(axis) for axis in range(len(permutation))]
        begin, strides = (tuple(n[axis] for axis in inverse) for n in (where.begin, where.strides))
        sizes = [shape_of(op.result.type)[axis] for axis in inverse]
        new = nn.SliceOp(transpose.input, Slice(begin, strides), sizes)
        rebuild_below(op, transpose, new, rewriter)


class SinkBelowGather(RewritePattern):
    """As for a slice, where less is left than there was."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: nn.GatherOp, rewriter: PatternRewriter) -> None:
        transpose = sinkable(op.input)
        if transpose is None or prod(shape_of(op.result.type)) > prod(shape_of(op.input.type)):
            return
        axis = permutation_of(transpose)[op.axis.value.data]
        rebuild_below(op, transpose, nn.GatherOp(transpose.input, op.indices, axis), rewriter)


class SinkBelowJoin(RewritePattern):
    """add(transpose(a), transpose(b)), or concat, becomes transpose(add(a, b))."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: nn.ElementwiseOp | nn.PreluOp | nn.ConcatOp, rewriter: PatternRewriter
    ) -> None:
        rank = len(shape_of(op.result.type))
        if any(len(shape_of(value.type)) != rank for value in op.operands):
            return
        transposes = [v.owner for v in op.operands if isinstance(v.owner, nn.TransposeOp)]
        if not transposes or not any(sinkable(v) for v in op.operands):
            return
        first = transposes[0]
        permutation = permutation_of(first)
        if any(permutation_of(transpose) != permutation for transpose in transposes):
            return
        inverse = [permutation.index(axis) for axis in range(len(permutation))]
        inputs: list[SSAValue] = []
        constants: list[Operation] = []
        for value in op.operands:
            array = constant_array(value)
            if isinstance(value.owner, nn.TransposeOp):
                inputs.append(value.owner.input)
            elif array is not None and isinstance(value.owner, nn.ConstantOp):
                constants.append(nn.ConstantOp(array.transpose(inverse), value.owner.label))
                inputs.append(constants[-1].results[0])
            else:
                return
        rewriter.insert(constants)
        rebuild_below(op, first, untransposed(op, inputs, permutation), rewriter)


def untransposed(
    op: nn.ElementwiseOp | nn.PreluOp | nn.ConcatOp,
    inputs: Sequence[SSAValue],
    permutation: Permutation,
) -> Operation:
    """`op` of what was transposed by `permutation` into its operands."""
    match op:
        case nn.ConcatOp():
            shape = shape_of(op.result.type)
            sizes = [shape[permutation.index(axis)] for axis in range(len(shape))]
            return nn.ConcatOp(inputs, permutation[op.axis.value.data], nn.float_type(sizes))
        case nn.ArithmeticOp():
            return type(op)(inputs[0], inputs[1], op.bounds)
        case nn.ExtremeOp():
            return type(op)(inputs[0], inputs[1])
        case _:
            return nn.PreluOp(inputs[0], inputs[1])


def weights_of(layer: nn.LinearOp) -> nn.ConstantOp | None:
    """The constant weights of `layer`, in float or in int8."""
    weights = layer.weights.owner
    if isinstance(weights, nn.DequantizeOp) and weights.result.has_one_use():
        weights = weights.input.owner
    return weights if isinstance(weights, nn.ConstantOp) else None


def readers(value: SSAValue, start: int = 0) -> Iterator[tuple[nn.LinearOp, int] | None]:
    """The linear layers that read the features of `value`, each with the first column that does;
    None for a reader of another kind."""
    for use in value.uses:
        match use.operation:
            case nn.ClampOp() | nn.ActivationOp() as op:
                yield from readers(op.result, start)
            case nn.QuantizeOp() | nn.DequantizeOp() as op if op.quantization.data.axis is None:
                yield from readers(op.result, start)
            case nn.ConcatOp() as op if op.axis.value.data == 1:
                before = sum(shape_of(v.type)[1] for v in op.operands[: use.index])
                yield from readers(op.result, start + before)
            case nn.LinearOp() as op if use.index == 0 and weights_of(op) is not None:
                yield op, start
            case _:
                yield None


def permute_columns(layer: nn.LinearOp, start: int, order: npt.NDArray[np.int64]) -> None:
    """Column start + j of the weights moves to start + order[j]."""
    constant = weights_of(layer)
    assert constant is not None
    weights = constant.array.copy()
    weights[:, start + order] = constant.array[:, start : start + len(order)]
    dequantize = layer.weights.owner
    if isinstance(dequantize, nn.DequantizeOp):
        replace_constant(dequantize, 0, weights)
    else:
        replace_constant(layer, 1, weights)


class FoldIntoLinear(RewritePattern):
    """Flattening a transposed image is a permutation of the columns of the linear layers after it."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: nn.ReshapeOp, rewriter: PatternRewriter) -> None:
        transpose = op.input.owner
        shape = shape_of(op.result.type)
        if not isinstance(transpose, nn.TransposeOp) or len(shape) != 2 or shape[0] != 1:
            return
        found: list[tuple[nn.LinearOp, int]] = []
        for reader in readers(op.result):
            if reader is None:
                return
            found.append(reader)
        source = np.arange(shape[1]).reshape(shape_of(transpose.input.type))
        order = source.transpose(permutation_of(transpose)).ravel()
        for layer, start in found:
            permute_columns(layer, start, order)
            note_move(layer, REORDERED)
        new = nn.ReshapeOp(transpose.input, shape)
        new.attributes.update(op.attributes)
        rewriter.replace(op, new)


@dataclass(frozen=True)
class FoldTransposePass(ModulePass):
    """Removes the transposes that nobody needs."""

    name = "fold-transpose"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns: list[RewritePattern] = [
            SimplifyTranspose(),
            SinkBelowElementwise(),
            SinkBelowPad(),
            SinkBelowSlice(),
            SinkBelowGather(),
            SinkBelowJoin(),
            FoldIntoLinear(),
        ]
        PatternRewriteWalker(GreedyRewritePatternApplier(patterns)).rewrite_module(op)
