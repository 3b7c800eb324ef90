# SPDX-License-Identifier: Apache-2.0
"""`fold-batch-norm`: batch normalization becomes part of the weights of a neighbour.

    nn.conv2d -> nn.batch_norm        becomes        nn.conv2d with scaled weights and shifted bias

With s = gamma / sqrt(variance + epsilon) and t = beta - mean * s, in float64, the result is x * s + t.
The layer before takes s and t if nothing else reads its result, also where its channels are moved in between, as behind
layers of sequences, and past pools; else the layers after it, if they are all that reads the result and none has a
border; else it becomes a function of each value, if it is the same for all channels, or a
depthwise 1x1 convolution. A constant that is added before it joins t.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import nn
from sparsec.ir.attributes import RANGE
from sparsec.ir.expression import Term, Variable, apply
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of
from sparsec.quantization.window import Window
from sparsec.rewriting.channel_rules import (
    Floats,
    Pooling,
    commutes,
    float64_constant,
    with_scaled_inputs,
    with_scaled_outputs,
)
from sparsec.rewriting.constants import constant_of, erase_unused, replace_weights


def scale_and_shift(op: nn.BatchNormOp) -> tuple[Floats, Floats]:
    """(s, t) of a batch normalization, [C] each. PassFailedException if they are not numbers."""
    arrays = [float64_constant(value) for value in (op.gamma, op.beta, op.mean, op.variance)]
    gamma, beta, mean, variance = arrays
    if gamma is None or beta is None or mean is None or variance is None:
        raise PassFailedException(
            f"{layer_of(op)}: the statistics of its batch normalization are not constants; "
            "export the model in eval mode"
        )
    variance = variance + op.epsilon.value.data
    if not all(np.all(np.isfinite(array)) for array in (gamma, beta, mean, variance)):
        raise PassFailedException(f"{layer_of(op)}: its batch normalization has NaN or infinity")
    if np.any(variance <= 0):
        raise PassFailedException(f"{layer_of(op)}: its variance plus epsilon is not above 0")
    scale = gamma / np.sqrt(variance)
    return scale, beta - mean * scale


def shift_before(op: nn.BatchNormOp, scale: Floats, shift: Floats) -> Floats:
    """The shift of `op` with a constant for each channel that is added in front of it, which goes."""
    add = op.input.owner
    if not isinstance(add, nn.AddOp) or add.bounds is not None or not add.result.has_one_use():
        return shift
    for value, other in ((add.lhs, add.rhs), (add.rhs, add.lhs)):
        array = float64_constant(other)
        if array is None or value.type != add.result.type:
            continue
        if array.size == 1 or array.shape[-1] == array.size == len(scale):
            op.operands[0] = value
            Rewriter.erase_op(add)
            erase_unused((other,))
            return shift + scale * array.reshape(-1)
    return shift


@dataclass(frozen=True)
class Origin:
    """The layer whose output channels a value has, and what moves them on their way, the last first."""

    layer: nn.WeightedOp
    moves: list[Operation]


def origin(value: SSAValue, scale: Floats) -> Origin | None:
    """Where the last axis of `value` comes from; None if that is no layer with weights that it alone reads."""
    axis, moves = len(shape_of(value.type)) - 1, list[Operation]()
    while value.has_one_use():
        match value.owner:
            case nn.WeightedOp() as layer if axis == len(shape_of(value.type)) - 1:
                return Origin(layer, moves)
            case nn.TransposeOp() as op:
                axis = op.permutation.get_values()[axis]
            case nn.ReshapeOp() as op:
                found = axis_before(shape_of(op.input.type), shape_of(value.type), axis)
                if found is None:
                    return None
                axis = found
            case nn.Pool2dOp() | nn.ResizeNearestOp() | nn.ResampleOp() as op:
                if axis != 3 or not commutes(op, scale):
                    return None
            case _:
                return None
        moves.append(op)
        value = op.input
    return None


def axis_before(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """The axis of shape `before` that a reshape to `after` makes its `axis`; None if that is made of others."""
    for candidate, size in enumerate(before):
        outside = prod(before[:candidate]) == prod(after[:axis])
        if outside and size == after[axis]:
            return candidate
    return None


def fold_backward(op: nn.BatchNormOp, scale: Floats, shift: Floats) -> bool:
    """Scale the output channels of the layer before `op`; False where there is no such layer."""
    found = origin(op.input, scale)
    if found is None or found.layer.bounds is not None:
        return False
    numbers = with_scaled_outputs(found.layer, scale, shift)
    if numbers is None:
        return False
    replace_weights(found.layer, *numbers)
    measured = op.attributes.get(RANGE)
    for each in (*found.moves, found.layer):
        each.attributes.pop(RANGE, None)
        if measured is not None:
            each.attributes[RANGE] = measured
        if isinstance(each, Pooling):  # in front of it other values were seen
            measured = None
    op.result.replace_all_uses_with(op.input)
    return True


def fold_forward(op: nn.BatchNormOp, scale: Floats, shift: Floats) -> bool:
    """Scale the input channels of the layers after `op`; False where others read it too, or see a border."""
    layers = [use.operation for use in op.result.uses if use.index == 0]
    found = [(layer, with_scaled_inputs(layer, scale, shift)) for layer in layers]
    if not found or len(found) != op.result.uses.get_length():
        return False
    if any(numbers is None for _, numbers in found):
        return False
    for layer, numbers in found:
        assert isinstance(layer, nn.WeightedOp) and numbers is not None
        replace_weights(layer, *numbers)
        layer.operands[0] = op.input
    return True


def to_function(op: nn.BatchNormOp, scale: Floats, shift: Floats) -> bool:
    """Replace `op` by a function of each value; False if it is another one for other channels."""
    if np.any(scale != scale[:1]) or np.any(shift != shift[:1]) or not scale.size:
        return False
    factor, offset = float(scale[0]), float(shift[0])
    term: Term = Variable()
    if factor != 1:
        term = apply("*", term, factor)
    if offset != 0:
        term = apply("+", term, offset)
    result: SSAValue = op.input
    if term != Variable():
        new = nn.ActivationOp(term, op.input)
        new.attributes.update(op.attributes)
        Rewriter.insert_op(new, InsertPoint.before(op))
        result = new.result
    op.result.replace_all_uses_with(result)
    return True


def to_depthwise(op: nn.BatchNormOp, scale: Floats, shift: Floats) -> None:
    """Replace `op` by a depthwise 1x1 convolution, with reshapes where it is not on an image."""
    shape = shape_of(op.input.type)
    if len(shape) not in (2, 3, 4) or shape[0] != 1:
        raise PassFailedException(
            f"{layer_of(op)}: batch normalization of {op.input.type} is not supported, "
            "it takes one sample of features, of a sequence or of an image"
        )
    layer = layer_of(op)
    weights = constant_of(scale.reshape(1, 1, 1, -1), np.float32, f"{layer}.weight")
    bias = constant_of(shift, np.float32, f"{layer}.bias")
    new_ops: list[Operation] = [weights, bias]
    image = (1, *shape[1:-1], *[1] * (4 - len(shape)), shape[-1])
    input = op.input
    if image != shape:
        new_ops.append(nn.ReshapeOp(input, image))
        input = new_ops[-1].results[0]
    new_ops.append(nn.DepthwiseConv2dOp(input, weights.result, bias.result, Window(), input.type))
    new_ops[-1].attributes.update(op.attributes)
    if image != shape:
        new_ops.append(nn.ReshapeOp(new_ops[-1].results[0], shape))
        new_ops[-1].attributes.update(op.attributes)
    Rewriter.insert_op(new_ops, InsertPoint.before(op))
    op.result.replace_all_uses_with(new_ops[-1].results[0])


@dataclass(frozen=True)
class FoldBatchNormPass(ModulePass):
    """Removes every `nn.batch_norm`. PassFailedException, naming the layer, where that fails."""

    name = "fold-batch-norm"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for norm in [inner for inner in op.walk() if isinstance(inner, nn.BatchNormOp)]:
            scale, shift = scale_and_shift(norm)
            shift = shift_before(norm, scale, shift)
            ways = (fold_backward, fold_forward, to_function)
            if not any(way(norm, scale, shift) for way in ways):
                to_depthwise(norm, scale, shift)
            statistics = (norm.gamma, norm.beta, norm.mean, norm.variance)
            Rewriter.erase_op(norm)
            erase_unused(statistics)
