# SPDX-License-Identifier: Apache-2.0
"""Editing a `qnn` function: channels out of every tensor at once, and new arrays for a layer."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from sparsec.analysis.values.dead_channels import (
    Masks,
    activation_operands,
    channels_of,
    joins_channels,
)
from sparsec.analysis.values.movement import channels_read
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.moved import note_move
from sparsec.ir.shapes import shape_of
from sparsec.ir.window import BorderAttr, SliceAttr
from sparsec.quantization.window import Border, Slice

Array: TypeAlias = np.ndarray[Any, Any]
Indices: TypeAlias = npt.NDArray[np.intp]


def set_array(op: qnn.WeightedOp, index: int, array: Array) -> None:
    """Operand `index` of `op`, a constant, becomes `array` under the same name.

    The old constant stays for others that read it; `erase_dead_code` erases it otherwise.
    """
    old = op.operands[index].owner
    assert isinstance(old, qnn.ConstantOp)
    new = qnn.ConstantOp(array.astype(old.array.dtype), old.label)
    new.result.name_hint = old.result.name_hint
    Rewriter.insert_op(new, InsertPoint.before(op))
    op.operands[index] = new.result


def set_weights(op: qnn.WeightedOp, weights: Array, bias: Array) -> None:
    """Give `op` the weights [O, kh, kw, I] and bias of a `WeightedLayer`."""
    if isinstance(op, qnn.DepthwiseConv2dOp):
        weights = weights.transpose(3, 1, 2, 0)
    set_array(op, 1, weights.reshape(shape_of(op.weights.type)))
    set_array(op, 2, bias)


def erase_dead_code(block: Block) -> None:
    """Erase the operations whose results nothing reads."""
    for op in reversed(list(block.ops)):
        if op.results and not any(result.uses for result in op.results):
            Rewriter.erase_op(op)


def unshare_constants(block: Block) -> None:
    """Each place of a constant among the activations has its own, so that channels go from it alone."""
    for op in list(block.ops):
        if not isinstance(op, qnn.ConstantOp):
            continue
        uses = list(op.result.uses)
        activations = [use for use in uses if op.result in activation_operands(use.operation)]
        if len(activations) == len(uses):  # one of them keeps the constant as it is
            del activations[0:1]
        for use in activations:
            own = op.clone()
            own.result.name_hint = op.result.name_hint
            Rewriter.insert_op(own, InsertPoint.after(op))
            use.operation.operands[use.index] = own.result


def cut_channels(block: Block, gone: Masks) -> None:
    """Take the channels that `gone` marks out of the tensors of a function.

    `gone` is that of `removable_channels`: channels that depend on each other go together. A tensor
    that loses all its channels vanishes with the operation that makes it.
    """
    kept = {value: np.flatnonzero(~mask) for value, mask in gone.items()}
    for op in list(block.ops):
        match op:
            case qnn.WeightedOp():
                _cut_layer(op, kept)
            case qnn.PadOp() if op.result in kept:
                _cut_border(op, kept[op.result])
            case qnn.SliceOp() if op.input in kept or op.result in kept:
                _cut_slice(op, kept)
            case qnn.ConcatOp() if joins_channels(op):
                op.operands = [v for v in op.inputs if v not in kept or kept[v].size]
            case _:
                pass
    for op in reversed(list(block.ops)):
        if any(result in kept and not kept[result].size for result in op.results):
            Rewriter.erase_op(op)
    for value, channels in kept.items():
        if channels.size:
            _cut_value(value, channels)
    for op in list(block.ops):
        if isinstance(op, qnn.ConcatOp) and len(op.inputs) == 1:
            Rewriter.replace_op(op, (), (op.inputs[0],))
        if isinstance(op, qnn.SliceOp) and op.input in kept and _takes_all(op):
            Rewriter.replace_op(op, (), (op.input,))


def _cut_value(value: SSAValue, channels: Indices) -> None:
    if isinstance(value.owner, qnn.ConstantOp):
        constant = qnn.ConstantOp(value.owner.array[..., channels], value.owner.label)
        Rewriter.replace_op(value.owner, constant)
        return
    shape = (*shape_of(value.type)[:-1], len(channels))
    Rewriter.replace_value_with_new_type(value, TensorType(i8, shape))


def _cut_layer(op: qnn.WeightedOp, kept: dict[SSAValue, Indices]) -> None:
    weights = constant_array(op.weights)
    if weights is None or (op.result in kept and not kept[op.result].size):
        return
    if op.input in kept and not isinstance(op, qnn.DepthwiseConv2dOp):
        _note_cut(op, kept[op.input], weights.shape[-1], "inputs")
        weights = weights[..., kept[op.input]]
    if op.result in kept:
        outputs = kept[op.result]
        axis = 3 if isinstance(op, qnn.DepthwiseConv2dOp) else 0
        _note_cut(op, outputs, weights.shape[axis], "outputs")
        weights = weights.take(outputs, axis)
        for index in (2, 3, 4):
            array = constant_array(op.operands[index])
            assert array is not None
            if len(array) == channels_of(op.result):
                set_array(op, index, array[outputs])
    if weights.shape != shape_of(op.weights.type):
        set_array(op, 1, weights)


def _note_cut(op: qnn.WeightedOp, kept: Indices, count: int, what: str) -> None:
    note_move(op, f"eliminate-dead-channels removed {count - len(kept)} of its {count} {what}")


def _cut_border(op: qnn.PadOp, kept: Indices) -> None:
    """The border may lie on the channels too."""
    border, channels = op.border.data, channels_of(op.input)
    low = int(np.count_nonzero(kept < border.low[-1]))
    high = int(np.count_nonzero(kept >= border.low[-1] + channels))
    op.border = BorderAttr(Border((*border.low[:-1], low), (*border.high[:-1], high)))


def _cut_slice(op: qnn.SliceOp, kept: dict[SSAValue, Indices]) -> None:
    """The channels it takes are beside each other, and go in the input and the result alike."""
    taken, where = channels_read(op), op.where.data
    if taken is None:
        return
    if op.result in kept:
        taken = taken[kept[op.result]]
    if not taken.size:
        return
    begin = int(taken[0])
    if op.input in kept:
        begin = int(np.searchsorted(kept[op.input], begin))
    op.where = SliceAttr(Slice((*where.begin[:-1], begin), where.strides))


def _takes_all(op: qnn.SliceOp) -> bool:
    where = op.where.data
    return op.input.type == op.result.type and not any(where.begin) and min(where.strides) > 0
