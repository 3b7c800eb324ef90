# SPDX-License-Identifier: Apache-2.0
"""How a normalisation that is written as sums, squares and a root becomes one layer: the rules of `fuse-norms`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.expression import Term, Variable, apply, evaluate, substituted
from sparsec.ir.layer import copy_layer, layer_of
from sparsec.ir.shapes import image_shape, reduction, shape_of
from sparsec.quantization.normalization import MAX_SET, Norm
from sparsec.rewriting.affine_rules import Affining, affine_of
from sparsec.rewriting.function_rules import function_of

Array: TypeAlias = np.ndarray[Any, Any]

X = Variable()
SQUARE = apply("*", X, X)

SAMPLES = np.array([0.0, 1.0, 4.0, 100.0, 1e4, 1e6])
CLOSE = 1e-4
"""How far from 1 / sqrt(a * x + b) a function may be, as a part of it: a small fraction of a step of int8."""


@dataclass(frozen=True)
class Root:
    """factor / sqrt(x + epsilon)."""

    factor: float
    epsilon: float


def root_of(term: Term) -> Root | None:
    """What `term` is as a reciprocal root, as far as numbers tell: then 1 / f(x)^2 is a line."""
    found = evaluate(term, SAMPLES)
    if not np.all(found[1:] > 0):
        return None
    with np.errstate(divide="ignore"):
        line = 1 / found**2
    offset = float(line[0])
    slope = float(line[-1] - offset) / float(SAMPLES[-1])
    if not (slope > 0 and offset >= 0 and np.isfinite([slope, offset]).all()):
        return None
    expected = 1 / np.sqrt(slope * SAMPLES[1:] + offset)
    if np.any(np.abs(found[1:] / expected - 1) > CLOSE):
        return None
    return Root(slope**-0.5, float(np.float32(offset / slope)))


def without_mean(value: SSAValue, squares: nn.ReduceOp) -> SSAValue | None:
    """The tensor of which `value` is what its mean leaves over, along the axes that `squares` reduces."""
    owner = value.owner
    if not isinstance(owner, nn.SubOp) or owner.bounds is not None:
        return None
    mean = owner.rhs.owner
    if not isinstance(mean, nn.MeanOp) or mean.input is not owner.lhs:
        return None
    return owner.lhs if mean.result.type == squares.result.type else None


def same_value(first: SSAValue, second: SSAValue) -> bool:
    """Whether both are one value, or the same difference from the same mean."""
    if first is second:
        return True
    one, other = first.owner, second.owner
    if not isinstance(one, nn.SubOp | nn.MeanOp) or not isinstance(other, type(one)):
        return False
    pairs = zip(one.operands, other.operands, strict=True)
    return (
        first.type == second.type
        and one.properties == other.properties
        and all(same_value(a, b) for a, b in pairs)
    )


def squares_of(square: nn.ActivationOp, value: SSAValue) -> bool:
    """Whether `square` is the square of `value`, or of the function that gives `value`, of the same tensor."""
    if square.term == SQUARE and same_value(value, square.input):
        return True
    function = function_of(value)
    return function.source is square.input and square.term == substituted(SQUARE, function.term)


def normalization(op: nn.MulOp) -> Sequence[Operation] | None:
    """The layer that `op` is the end of."""
    for value, factor in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
        root = factor.owner
        if not isinstance(root, nn.ActivationOp):
            continue
        squares = root.input.owner
        if not isinstance(squares, nn.MeanOp | nn.SumOp):
            continue
        square = squares.input.owner
        found = root_of(root.term)
        if (
            found is None
            or not isinstance(square, nn.ActivationOp)
            or not squares_of(square, value)
        ):
            continue
        outer, count, inner = reduction(squares.input.type, squares.result.type)
        if count > MAX_SET or shape_of(value.type) != shape_of(op.result.type):
            continue
        if isinstance(squares, nn.SumOp):  # count times the mean
            found = Root(found.factor * count**-0.5, found.epsilon / count)
        source = without_mean(value, squares)
        norm = Norm(inner, 0 if source is None else 1, found.epsilon)
        image = (1, outer, count, inner)
        channels = np.full(inner, found.factor, np.float32), np.zeros(inner, np.float32)
        return layer(op, value if source is None else source, image, norm, *channels)
    return None


def layer(
    op: Affining,
    source: SSAValue,
    image: tuple[int, ...],
    norm: Norm,
    scale: Array,
    bias: Array,
) -> Sequence[Operation]:
    """`source`, seen as `image`, normalised, in place of `op`."""
    seen = reshaped(source, image, op)
    constants = [
        nn.ConstantOp(np.asarray(array, np.float32), f"{layer_of(op)}.{name}")
        for name, array in (("weight", scale), ("bias", bias))
    ]
    value = seen[-1].results[0] if seen else source
    found = nn.NormalizeOp(value, constants[0].result, constants[1].result, norm, op.bounds)
    found.attributes.update(op.attributes)
    return [*seen, *constants, found, *reshaped(found.result, shape_of(op.result.type), op)]


def reshaped(value: SSAValue, shape: Sequence[int], layer: Operation) -> list[Operation]:
    """What gives `value` another shape: nothing where it has that already."""
    if shape_of(value.type) == tuple(shape):
        return []
    op = nn.ReshapeOp(value, shape)
    copy_layer(layer, op)
    return [op]


def affine(op: Affining) -> Sequence[Operation] | None:
    """A normalisation that takes in the constants which scale and shift its result."""
    found = affine_of(op)
    if found is None or found.value.type != op.result.type:
        return None
    reshape = found.value.owner
    norm = reshape.input.owner if isinstance(reshape, nn.ReshapeOp) else reshape
    if not isinstance(norm, nn.NormalizeOp) or norm.bounds is not None:
        return None
    if not found.value.has_one_use() or not norm.result.has_one_use():
        return None
    scale, bias = constant_array(norm.scale), constant_array(norm.bias)
    shape = shape_of(op.result.type)
    seen = channels_of(norm, *(np.broadcast_to(a, shape) for a in (found.factor, found.offset)))
    if seen is None or scale is None or bias is None:
        return None
    source = norm.input
    if isinstance(source.owner, nn.ReshapeOp):
        source = source.owner.input
    factor, offset = seen.numbers
    return layer(op, source, seen.image, norm.norm.data, scale * factor, bias * factor + offset)


@dataclass(frozen=True)
class Seen:
    """Numbers for each channel of an image."""

    image: tuple[int, ...]
    numbers: Sequence[Array]


def channels_of(norm: nn.NormalizeOp, *arrays: Array) -> Seen | None:
    """Arrays as large as the result of `norm` as numbers for each of its channels, maybe with more channels."""
    height, width, channels = image_shape(norm.result.type)
    images = [(1, height, width, channels)]
    if norm.norm.data.groups == 1:  # of one set each number may have its own
        images.append((1, height, 1, width * channels))
    for image in images:
        seen = [array.reshape(image) for array in arrays]
        if all(np.array_equal(each, np.broadcast_to(each[:, :1, :1], image)) for each in seen):
            return Seen(image, [each[0, 0, 0] for each in seen])
    return None
