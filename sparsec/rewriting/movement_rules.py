# SPDX-License-Identifier: Apache-2.0
"""How layers that move data make way: rules of `fuse-layers` as those of `fusion_rules`.

What they move towards is the layer that may take the other one in.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.shapes import shape_of
from sparsec.quantization.broadcast import broadcast_shape
from sparsec.quantization.window import Border, Slice
from sparsec.rewriting.fusion_rules import Bounded, clamped_range, take_range

Mover: TypeAlias = nn.SliceOp | nn.PadOp
Picker: TypeAlias = nn.GatherOp | nn.ResizeNearestOp


def _axes_before(reshape: nn.ReshapeOp) -> list[int | None] | None:
    """For each axis in front of a reshape the one it is behind it, None for one of one element; None if the reshape
    does more than to put such axes in and take them out."""
    before, after = shape_of(reshape.input.type), shape_of(reshape.result.type)
    kept = [axis for axis, size in enumerate(after) if size != 1]
    if [after[axis] for axis in kept] != [size for size in before if size != 1]:
        return None
    left = iter(kept)
    return [None if size == 1 else next(left) for size in before]


def _in_front(
    reshape: nn.ReshapeOp, mover: Mover, make: Callable[[SSAValue], Operation]
) -> Sequence[Operation]:
    """`mover`, as `make` makes it of what is in front of the reshape, then the reshape."""
    moved = make(reshape.input)
    moved.attributes.update(mover.attributes)
    shaped = nn.ReshapeOp(moved.results[0], shape_of(mover.result.type))
    shaped.attributes.update(reshape.attributes)
    take_range(shaped, mover.result)
    return [moved, shaped]


def slice_before_reshape(reshape: nn.ReshapeOp, slice: nn.SliceOp) -> Sequence[Operation] | None:
    """The slice moves towards the layer that may do without what it leaves out."""
    axes, where = _axes_before(reshape), slice.where.data
    if axes is None:
        return None
    sizes = shape_of(slice.result.type)
    before = Slice(
        tuple(0 if axis is None else where.begin[axis] for axis in axes),
        tuple(1 if axis is None else where.strides[axis] for axis in axes),
    )
    left = [1 if axis is None else sizes[axis] for axis in axes]
    return _in_front(reshape, slice, lambda value: nn.SliceOp(value, before, left))


def pad_before_reshape(reshape: nn.ReshapeOp, pad: nn.PadOp) -> Sequence[Operation] | None:
    """The border moves out of the way of the layer that may take it as its padding."""
    axes, border = _axes_before(reshape), pad.border.data
    if axes is None or any(
        border.low[axis] + border.high[axis] for axis in range(len(border.low)) if axis not in axes
    ):
        return None
    around = Border(
        tuple(0 if axis is None else border.low[axis] for axis in axes),
        tuple(0 if axis is None else border.high[axis] for axis in axes),
    )
    return _in_front(reshape, pad, lambda value: nn.PadOp(value, pad.value.value.data, around))


def clamp_before_slice(slice: nn.SliceOp, clamp: nn.ClampOp) -> Sequence[Operation] | None:
    """The clamp moves to a layer that takes it."""
    source = slice.input
    if not isinstance(source.owner, Bounded) or not source.has_one_use():
        return None
    clamped = nn.ClampOp(source, clamp.bounds.data)
    clamped.attributes.update(clamp.attributes)
    take_range(clamped, source, clamp.bounds.data)
    moved = slice.clone({source: clamped.result})
    clamped_range(moved, slice.result, clamp)
    return [clamped, moved]


def slice_in_window(layer: nn.ConvolutionOp, slice: nn.SliceOp) -> Sequence[Operation] | None:
    """A convolution does without the pixels at its border that are cut off, if they come of its padding alone."""
    where, window, sizes = slice.where.data, layer.window.data, shape_of(slice.result.type)
    channels = shape_of(layer.result.type)[3]
    if set(where.strides) != {1} or where.begin[3] or sizes[3] != channels:
        return None
    low = (window.padding[0], window.padding[1])
    before: list[int] = []
    after: list[int] = []
    for axis in (0, 1):
        size, kernel = shape_of(layer.input.type)[1 + axis], shape_of(layer.weights.type)[1 + axis]
        span = window.dilations[axis] * (kernel - 1) + 1
        stride = window.strides[axis]
        before.append(low[axis] - where.begin[1 + axis] * stride)
        after.append((sizes[1 + axis] - 1) * stride + span - size - before[-1])
    if min(*before, *after) < 0:
        return None
    padding = (before[0], before[1], after[0], after[1])
    kind = type(layer)
    smaller = dataclasses.replace(window, padding=padding)
    new = kind(layer.input, layer.weights, layer.bias, smaller, slice.result.type, layer.bounds)
    new.attributes.update(layer.attributes)
    take_range(new, slice.result)
    return [new]


def clamp_before_reshape(reshape: nn.ReshapeOp, clamp: nn.ClampOp) -> Sequence[Operation]:
    """The clamp moves towards the layer that may take it."""
    clamped = nn.ClampOp(reshape.input, clamp.bounds.data)
    clamped.attributes.update(clamp.attributes)
    moved = nn.ReshapeOp(clamped.result, shape_of(reshape.result.type))
    moved.attributes.update(reshape.attributes)
    clamped_range(moved, reshape.result, clamp)
    return [clamped, moved]


def repeats(pick: Picker) -> bool:
    """Whether `pick` only repeats what is a single element along an axis."""
    shape = shape_of(pick.input.type)
    if isinstance(pick, nn.GatherOp):
        return shape[pick.axis.value.data] == 1
    kept = (constant_array(value) for value in (pick.rows, pick.columns))
    return all(
        size == 1 or (indices is not None and np.array_equal(indices, np.arange(size)))
        for size, indices in zip(shape[1:3], kept, strict=True)
    )


def activation_before_repeat(pick: Picker, op: nn.ActivationOp) -> Sequence[Operation] | None:
    """A function of what is repeated is computed once."""
    if not repeats(pick):
        return None
    first = nn.ActivationOp(op.term, pick.input)
    first.attributes.update(op.attributes)
    again = pick.clone()
    again.operands[0] = first.result
    again.attributes.update(op.attributes)
    return [first, again]


def broadcast_for_repeat(pick: Picker, op: nn.ElementwiseOp) -> Sequence[Operation] | None:
    """What is repeated to be combined with a larger tensor is that by itself."""
    operands = [pick.input if value is pick.result else value for value in op.operands]
    shapes = (shape_of(value.type) for value in operands)
    if not repeats(pick) or broadcast_shape(*shapes) != shape_of(op.result.type):
        return None
    new = op.clone()
    new.operands = operands
    return [new]
