# SPDX-License-Identifier: Apache-2.0
"""Where elements lie: reshapes, permutations, borders and concatenation; and what does nothing."""

from collections.abc import Collection, Mapping, Sequence
from math import prod

import numpy as np
from xdsl.dialects.builtin import i32

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.reshaping import reshape_of
from sparsec.frontends.tensors import Activation, Parameter, Tensor
from sparsec.ir import nn
from sparsec.ir.shapes import element_type


def reshaped(builder: Builder, value: Tensor, shape: Sequence[int]) -> Tensor:
    """`value` row by row in another shape."""
    if value.shape == tuple(shape):
        return value
    if isinstance(value, Parameter):
        if value.quantization is not None and value.quantization.axis is not None:
            raise UnsupportedError("the reshape of a constant with a scale for each channel")
        return Parameter(value.name, value.array.reshape(shape), value.quantization)
    plan = reshape_of(value.shape, value.order, shape)
    ssa = builder.reshape(builder.ssa(value, plan.before), [shape[axis] for axis in plan.after])
    return Activation(ssa, tuple(shape), plan.after)


def reshape(builder: Builder, call: Call) -> Tensor:
    """reshape and view; a size of the exported batch in front stands for the batch."""
    value = call.tensor("self")
    sizes = call.integers("shape" if call.given("shape") else "size")
    if isinstance(value, Activation) and sizes and sizes[0] == call.exported_batch:
        sizes = [1, *sizes[1:]]
    if -1 in sizes:
        known = -prod(sizes)
        if known == 0 or prod(value.shape) % known:
            raise UnsupportedError(f"{prod(value.shape)} elements do not fit {sizes}")
        sizes = [prod(value.shape) // known if n == -1 else n for n in sizes]
    if prod(sizes) != prod(value.shape):
        raise UnsupportedError(
            f"shape {sizes} does not fit a batch of 1, which has {prod(value.shape)} elements: "
            "write it with -1 or x.shape[0] in place of the batch"
        )
    return reshaped(builder, value, sizes)


def flatten(builder: Builder, call: Call) -> Tensor:
    """Axes from start_dim to end_dim as one."""
    value = call.tensor("self", "input")
    rank = max(len(value.shape), 1)
    start, end = call.integer("start_dim", 0) % rank, call.integer("end_dim", -1) % rank
    middle = prod(value.shape[start : end + 1])
    return reshaped(builder, value, (*value.shape[:start], middle, *value.shape[end + 1 :]))


def unflatten(builder: Builder, call: Call) -> Tensor:
    """One axis as several."""
    value = call.tensor("self")
    axis = call.integer("dim") % len(value.shape)
    sizes = call.integers("sizes")
    if -1 in sizes:
        sizes = [value.shape[axis] // -prod(sizes) if n == -1 else n for n in sizes]
    return reshaped(builder, value, (*value.shape[:axis], *sizes, *value.shape[axis + 1 :]))


def without_axes(builder: Builder, value: Tensor, axes: Collection[int]) -> Tensor:
    """`value` without some axes of one element; nothing moves."""
    kept = [axis for axis in range(len(value.shape)) if axis not in axes]
    shape = [value.shape[axis] for axis in kept]
    if isinstance(value, Parameter) or not kept:
        return reshaped(builder, value, shape)
    order = tuple(kept.index(axis) for axis in value.order if axis in kept)
    ssa = builder.reshape(value.ssa, [shape[axis] for axis in order])
    return Activation(ssa, tuple(shape), order)


def with_axis(builder: Builder, value: Tensor, axis: int) -> Tensor:
    """`value` with an axis of one element more, which will be torch's `axis`; nothing moves.

    In memory it lies before the axis that follows it, or behind the last one.
    """
    shape = (*value.shape[:axis], 1, *value.shape[axis:])
    if isinstance(value, Parameter) or not value.shape:
        return reshaped(builder, value, shape)
    order = [other + (other >= axis) for other in value.order]
    place = order.index(axis + 1) if axis < len(value.shape) else order.index(axis - 1) + 1
    order.insert(place, axis)
    ssa = builder.reshape(value.ssa, [shape[other] for other in order])
    return Activation(ssa, shape, tuple(order))


def squeeze(builder: Builder, call: Call) -> Tensor:
    """Without axes of one element; the batch stays, as it is one only here."""
    value = call.tensor("self")
    rank = len(value.shape)
    axes = [n % rank for n in call.integers("dim", list(range(rank)))]
    keep_batch = call.exported_batch != 1 and isinstance(value, Activation)
    gone = {axis for axis in axes if value.shape[axis] == 1 and not (keep_batch and axis == 0)}
    return without_axes(builder, value, gone) if gone else value


def unsqueeze(builder: Builder, call: Call) -> Tensor:
    """With one more axis of one element."""
    value = call.tensor("self")
    return with_axis(builder, value, call.integer("dim") % (len(value.shape) + 1))


def permuted(value: Tensor, axes: Sequence[int]) -> Tensor:
    """torch's axes in another order: nothing moves, the order in memory is only named anew."""
    if isinstance(value, Parameter):
        return value.permuted(axes)
    shape = tuple(value.shape[axis] for axis in axes)
    order = tuple(axes.index(axis) for axis in value.order)
    return Activation(value.ssa, shape, order, value.is_argument)


def permute(builder: Builder, call: Call) -> Tensor:
    """permute(dims)."""
    value = call.tensor("self")
    return permuted(value, [axis % len(value.shape) for axis in call.integers("dims")])


def transpose(builder: Builder, call: Call) -> Tensor:
    """Two axes exchanged; `t` exchanges those of a matrix."""
    value = call.tensor("self")
    rank = len(value.shape)
    axes = list(range(rank))
    if rank > 1:
        first, second = call.integer("dim0", 0) % rank, call.integer("dim1", 1) % rank
        axes[first], axes[second] = axes[second], axes[first]
    return permuted(value, axes)


def identity(builder: Builder, call: Call) -> Tensor:
    """What changes neither values nor shape."""
    return call.tensor("self", "input")


def empty_like(builder: Builder, call: Call) -> Tensor:
    """A tensor with whatever in it, which is zero here."""
    return Parameter(f"{call.place.layer}.empty", np.zeros(call.tensor("self").shape, np.float32))


def copy(builder: Builder, call: Call) -> Tensor:
    """`src` in the shape of what it is copied into."""
    shape, source = call.tensor("self").shape, call.tensor("src")
    if source.shape == shape:
        return source
    if isinstance(source, Activation):
        raise UnsupportedError(f"a copy of shape {source.shape} into shape {shape}")
    return Parameter(source.name, np.broadcast_to(source.values(), shape))


def fill(builder: Builder, call: Call) -> Tensor:
    """One number everywhere; `zero_` has no number."""
    number = call.number("value", 0.0)
    shape = call.tensor("self").shape
    return Parameter(f"{call.place.layer}.filled", np.full(shape, number, np.float32))


def dropout(builder: Builder, call: Call) -> Tensor:
    """Nothing, once training is over."""
    if call.flag("train") and call.number("p", 0.5) > 0:
        raise UnsupportedError("it is in training mode: call model.eval() before the export")
    return call.tensor("input", "self")


FLOAT32, INT32, INT64 = 6, 3, 4
"""torch's numbers of these types."""


def to(builder: Builder, call: Call) -> Tensor:
    """A conversion to what the value already is."""
    value, dtype = call.tensor("self"), call.arguments.get("dtype")
    if isinstance(value, Parameter) and value.array.dtype == np.int64 and dtype == INT64:
        return value
    if isinstance(value, Activation) and element_type(value.ssa.type) == i32:
        if dtype not in (None, INT32, INT64):
            raise UnsupportedError("integers that pick rows of a table become real numbers")
        return value
    if dtype is not None and dtype != FLOAT32:
        raise UnsupportedError("a conversion to a type other than float32")
    return value


def concatenate(builder: Builder, call: Call) -> Tensor:
    """Tensors side by side along one axis."""
    values = [value for value in call.tensors("tensors") if value.shape != (0,)]
    axis = call.integer("dim", 0) % max(len(values[0].shape), 1) if values else 0
    return joined(builder, values, axis)


def stack(builder: Builder, call: Call) -> Tensor:
    """Tensors of one shape side by side along a new axis."""
    values = call.tensors("tensors")
    axis = call.integer("dim", 0) % (len(values[0].shape) + 1)
    return joined(builder, [with_axis(builder, value, axis) for value in values], axis)


def joined(builder: Builder, values: Sequence[Tensor], axis: int) -> Tensor:
    """Tensors side by side along `axis`."""
    activations = [value for value in values if isinstance(value, Activation)]
    if not activations:
        raise UnsupportedError("a concatenation of constants")
    if len(values) == 1:
        return values[0]
    order = activations[0].order
    if axis == 0:
        raise UnsupportedError("a concatenation of batches")
    shape = list(activations[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    type = nn.float_type([shape[a] for a in order])
    inputs = [builder.ssa(value, order) for value in values]
    return builder.add(nn.ConcatOp(inputs, order.index(axis), type), order)


SHAPE: Mapping[str, Operator] = {
    "aten.reshape": reshape,
    "aten.view": reshape,
    "aten._unsafe_view": reshape,
    "aten.flatten": flatten,
    "aten.unflatten": unflatten,
    "aten.squeeze": squeeze,
    "aten.unsqueeze": unsqueeze,
    "aten.permute": permute,
    "aten.transpose": transpose,
    "aten.t": transpose,
    "aten.cat": concatenate,
    "aten.concat": concatenate,
    "aten.concatenate": concatenate,
    "aten.stack": stack,
    "aten.to": to,
    "aten._to_copy": to,
    "aten.dropout": dropout,
    "aten.feature_dropout": dropout,
    "aten.alpha_dropout": dropout,
    "aten.native_dropout": dropout,
    "aten.empty_like": empty_like,
    "aten.copy": copy,
    "aten.fill": fill,
    "aten.zero": fill,
    "aten.contiguous": identity,
    "aten.clone": identity,
    "aten.alias": identity,
    "aten.detach": identity,
    "aten.lift_fresh_copy": identity,
}
