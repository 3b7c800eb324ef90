# SPDX-License-Identifier: Apache-2.0
"""Elements picked by constant indices, repetitions, and the rows of a table.

The one rule: what is picked is known as numbers, axis by axis; only the rows of a table are picked by given ones.
"""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
from xdsl.dialects.builtin import i32

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.parts import axis_of, not_the_batch, part
from sparsec.frontends.operators.shape import permuted, reshaped, with_axis
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import (
    CHANNELS_LAST,
    Activation,
    Array,
    Parameter,
    Tensor,
    as_in_torch,
)
from sparsec.ir import nn
from sparsec.ir.shapes import element_type
from sparsec.quantization.scheme import Quantization

Picked = Mapping[int, Array]
"""For axes of torch the indices of what is picked along them."""


def picked(builder: Builder, value: Tensor, indices: Picked) -> Tensor:
    """Along each axis in `indices` the elements at these, and all of the others."""
    if any(along.size == 0 for along in indices.values()):
        raise UnsupportedError("it takes a part without elements")
    if isinstance(value, Parameter):
        return picked_of_constant(value, indices)
    regular = {axis: found for axis, along in indices.items() if (found := as_range(along))}
    value = part_of(builder, value, regular)
    left = {axis: along for axis, along in indices.items() if axis not in regular}
    if set(left) == {2, 3} and len(value.shape) == 4:
        rows, columns = (builder.indices(left[axis]) for axis in (2, 3))
        order = CHANNELS_LAST[4]
        return builder.add(nn.ResizeNearestOp(builder.ssa(value, order), rows, columns), order)
    for axis, along in left.items():
        op = nn.GatherOp(value.ssa, builder.indices(along), value.order.index(axis))
        value = builder.add(op, value.order)
    return value


def part_of(builder: Builder, value: Activation, indices: Mapping[int, range]) -> Activation:
    """`part` of an activation."""
    result = part(builder, value, indices)
    assert isinstance(result, Activation)
    return result


def as_range(indices: Array) -> range | None:
    """The same indices as a range, None if they are not at one distance."""
    first = int(indices[0])
    if len(indices) == 1:
        return range(first, first + 1)
    step = int(indices[1]) - first
    if step == 0 or np.any(np.diff(indices) != step):
        return None
    return range(first, first + step * len(indices), step)


def picked_of_constant(value: Parameter, indices: Picked) -> Parameter:
    """The same of a constant, with the scales of what is picked."""
    array, scheme = value.array, value.quantization
    for axis, along in indices.items():
        array = array.take(along, axis)
    if scheme is not None and scheme.axis is not None and scheme.axis in indices:
        scales = tuple(np.array(scheme.scales)[indices[scheme.axis]].tolist())
        scheme = Quantization(scales, scheme.zero_point, scheme.axis)
    return Parameter(value.name, array, scheme)


def constant_indices(value: object, size: int) -> Array:
    """The indices in a constant tensor, negative ones counted from the end, a mask as those that are set."""
    if not isinstance(value, Parameter) or value.quantization is not None:
        raise UnsupportedError("its indices are not constant")
    array = value.array
    if array.dtype == np.bool_ or array.dtype == np.uint8:
        if array.shape != (size,):
            raise UnsupportedError("its mask is not one of a single axis")
        return np.flatnonzero(array)
    if not np.array_equal(array, np.trunc(array)):
        raise UnsupportedError("its indices are not whole numbers")
    indices = array.astype(np.int64)
    if np.any(indices < -size) or np.any(indices >= size):
        raise UnsupportedError(f"an index is not one of {size} elements")
    return indices % size


def index_select(builder: Builder, call: Call) -> Tensor:
    """The elements of one axis that a list names."""
    value = call.tensor("self")
    axis = axis_of(call, value)
    indices = constant_indices(call.arguments.get("index"), value.shape[axis])
    not_the_batch(value, [axis], "picks from")
    return picked(builder, value, {axis: indices.reshape(-1)})


def picked_apart(builder: Builder, value: Tensor, first: int, places: Sequence[Array]) -> Tensor:
    """The elements that indices of several axes beside each other, from `first` on, name one by one.

    `places` has an array for each of these axes, all of one shape, which takes the place of the axes.
    """
    before, behind = value.shape[:first], value.shape[first + len(places) :]
    sizes = value.shape[first : first + len(places)]
    row = reshaped(builder, value, (*before, prod(sizes), *behind))
    flat = np.ravel_multi_index(tuple(places), sizes).reshape(-1)
    return reshaped(
        builder, picked(builder, row, {first: flat}), (*before, *places[0].shape, *behind)
    )


def index(builder: Builder, call: Call) -> Tensor:
    """value[.., indices, ..] with constant indices of axes beside each other."""
    value = call.tensor("self")
    found = {
        axis: constant_indices(each, value.shape[axis])
        for axis, each in enumerate(call.items("indices"))
        if each is not None
    }
    axes = list(found)
    not_the_batch(value, axes, "picks from")
    if axes != list(range(axes[0], axes[0] + len(axes))):
        raise UnsupportedError("it indexes axes that are not beside each other")
    try:
        grid = np.broadcast_arrays(*found.values())
    except ValueError as error:
        raise UnsupportedError("its indices do not fit each other") from error
    lists = along_axes(dict(zip(axes, grid, strict=True)))
    if lists is None:
        return picked_apart(builder, value, axes[0], grid)
    result = picked(builder, value, lists)
    shape = (*value.shape[: axes[0]], *grid[0].shape, *value.shape[axes[-1] + 1 :])
    return reshaped(builder, result, shape)


def along_axes(grid: Picked) -> Picked | None:
    """The indices of each axis, where those of all of them are a grid."""
    (first, *_), count = grid.values(), len(grid)
    if count == 1:
        return {axis: indices.reshape(-1) for axis, indices in grid.items()}
    # That of the n-th axis changes along the n-th dimension alone.
    if first.ndim == count:
        lists = {
            axis: indices[tuple(slice(None) if n == place else 0 for n in range(count))]
            for place, (axis, indices) in enumerate(grid.items())
        }
        whole = np.meshgrid(*lists.values(), indexing="ij")
        if all(map(np.array_equal, whole, grid.values())):
            return lists
    return None


def picked_along(builder: Builder, value: Tensor, axis: int, indices: Array) -> Tensor:
    """For each element of `indices`, which has the rank of `value`, the one at that index of `axis` and its own of the others,
    of which those of one element go with all.

    `indices` has a batch of one, or says the same for each sample.
    """
    if indices.ndim != len(value.shape) or np.any(indices != indices[:1]):
        raise UnsupportedError("its indices differ between samples, or their rank from the input's")
    not_the_batch(value, [axis], "picks from")
    indices = indices[:1]
    one_list = np.moveaxis(indices, axis, 0).reshape(indices.shape[axis], -1)
    rest = [n for other, n in enumerate(indices.shape) if other != axis]
    if rest == [n for other, n in enumerate(value.shape) if other != axis]:
        if np.all(one_list == one_list[:, :1]):
            return picked(builder, value, {axis: one_list[:, 0]})
    grid = np.meshgrid(*map(np.arange, indices.shape), indexing="ij")
    places: list[Array] = [
        place if size > 1 else np.zeros_like(place)
        for place, size in zip(grid, value.shape, strict=True)
    ]
    places[axis] = indices
    result = picked_apart(builder, value, 1, [place[0] for place in places[1:]])
    return reshaped(builder, result, indices.shape)


def gather(builder: Builder, call: Call) -> Tensor:
    """gather by constant indices."""
    value = call.tensor("self")
    axis = axis_of(call, value)
    indices = constant_indices(call.arguments.get("index"), value.shape[axis])
    return picked_along(builder, value, axis, indices)


def take_along_dim(builder: Builder, call: Call) -> Tensor:
    """As `gather`, with an input and indices that broadcast."""
    value = call.tensor("self")
    if not call.given("dim"):
        raise UnsupportedError("only along a named axis is supported")
    axis = axis_of(call, value)
    indices = constant_indices(call.arguments.get("indices"), value.shape[axis])
    if indices.ndim == len(value.shape):
        shape = [
            indices.shape[axis] if each == axis else max(n, size)
            for each, (n, size) in enumerate(zip(indices.shape, value.shape, strict=True))
        ]
        indices = np.broadcast_to(indices, shape)
    return picked_along(builder, value, axis, indices)


def embedding(builder: Builder, call: Call) -> Tensor:
    """The rows of a table at computed or given indices."""
    table, indices = call.parameter("weight"), call.activation("indices")
    if element_type(indices.ssa.type) != i32:
        raise UnsupportedError("its indices are real numbers: give the model an integer input")
    if table.quantization is not None and table.quantization.axis is not None:
        table = Parameter(table.name, table.values())
    op = nn.EmbeddingOp(builder.ssa(table), builder.ssa(indices))
    return builder.add(op, as_in_torch(len(indices.shape) + 1))


def unfold(builder: Builder, call: Call) -> Tensor:
    """Windows of an axis at equal distances, say frames of a signal: their elements are a last axis."""
    value = call.tensor("self")
    rank, size, step = len(value.shape), call.integer("size"), call.integer("step")
    axis = call.integer("dimension") % rank
    not_the_batch(value, [axis], "takes windows of")
    if size < 1 or step < 1:
        raise UnsupportedError(f"its windows have {size} elements, {step} apart")
    first = np.arange(0, value.shape[axis] - size + 1, step)
    result = picked(builder, value, {axis: (first[:, np.newaxis] + np.arange(size)).reshape(-1)})
    shape = (*value.shape[:axis], len(first), size, *value.shape[axis + 1 :])
    others = [each for each in range(rank + 1) if each != axis + 1]
    return permuted(reshaped(builder, result, shape), [*others, axis + 1])


def roll(builder: Builder, call: Call) -> Tensor:
    """What leaves an axis at one end comes back at the other."""
    value = call.tensor("self")
    rank = len(value.shape)
    axes = [axis % rank for axis in call.integers("dims", [])]
    shifts = call.integers("shifts")
    if len(axes) != len(shifts):
        raise UnsupportedError("only a roll along named axes is supported")
    not_the_batch(value, axes, "rolls")
    total: dict[int, int] = {}
    for axis, shift in zip(axes, shifts, strict=True):
        total[axis] = total.get(axis, 0) + shift
    rolled = {axis: np.roll(np.arange(value.shape[axis]), n) for axis, n in total.items()}
    return picked(builder, value, rolled)


def repeated(builder: Builder, value: Tensor, counts: Sequence[int]) -> Tensor:
    """`value` so many times along each axis; more counts than axes are for new ones in front."""
    if len(counts) < len(value.shape) or min(counts, default=1) < 1:
        raise UnsupportedError(f"it repeats {len(value.shape)} axes {list(counts)} times")
    for _ in range(len(counts) - len(value.shape)):
        value = with_axis(builder, value, 0)
    not_the_batch(value, [axis for axis, n in enumerate(counts) if n > 1], "repeats")
    indices = {
        axis: np.tile(np.arange(value.shape[axis]), n) for axis, n in enumerate(counts) if n > 1
    }
    return picked(builder, value, indices)


def repeat(builder: Builder, call: Call) -> Tensor:
    """repeat."""
    return repeated(builder, call.tensor("self"), call.integers("repeats"))


def tile(builder: Builder, call: Call) -> Tensor:
    """As `repeat`, with as many counts as there are, for the last axes."""
    value, counts = call.tensor("self"), call.integers("dims")
    return repeated(builder, value, [1] * (len(value.shape) - len(counts)) + counts)


def repeat_interleave(builder: Builder, call: Call) -> Tensor:
    """Each element of an axis so many times."""
    value = call.tensor("self")
    if not call.given("dim"):
        raise UnsupportedError("only a repetition along a named axis is supported")
    axis = axis_of(call, value)
    not_the_batch(value, [axis], "repeats")
    counts = call.arguments.get("repeats")
    times = counts.array.reshape(-1) if isinstance(counts, Parameter) else call.integer("repeats")
    return picked(builder, value, {axis: np.repeat(np.arange(value.shape[axis]), times)})


def expanded(builder: Builder, value: Tensor, sizes: Sequence[int], batch: int) -> Tensor:
    """`value` with axes of one element repeated; -1 leaves an axis as it is."""
    for _ in range(len(sizes) - len(value.shape)):
        value = with_axis(builder, value, 0)
    repeats: dict[int, Array] = {}
    for axis, (size, n) in enumerate(zip(sizes, value.shape, strict=True)):
        is_batch = axis == 0 and isinstance(value, Activation) and n == 1 and size == batch
        if size in (-1, n) or is_batch:
            continue
        if n != 1 or size < 1:
            raise UnsupportedError(f"a tensor of shape {value.shape} is expanded to {list(sizes)}")
        repeats[axis] = np.zeros(size, np.int64)
    not_the_batch(value, list(repeats), "repeats")
    return picked(builder, value, repeats)


def expand(builder: Builder, call: Call) -> Tensor:
    """expand and broadcast_to."""
    return expanded(builder, call.tensor("self"), call.integers("size"), call.exported_batch)


def expand_as(builder: Builder, call: Call) -> Tensor:
    """To the shape of another tensor."""
    return expanded(builder, call.tensor("self"), call.tensor("other").shape, 1)


PICKING: Mapping[str, Operator] = {
    "aten.gather": gather,
    "aten.take_along_dim": take_along_dim,
    "aten.index_select": index_select,
    "aten.index": index,
    "aten._unsafe_index": index,
    "aten.embedding": embedding,
    "aten.roll": roll,
    "aten.unfold": unfold,
    "aten.repeat": repeat,
    "aten.tile": tile,
    "aten.repeat_interleave": repeat_interleave,
    "aten.expand": expand,
    "aten.broadcast_to": expand,
    "aten.expand_as": expand_as,
}
