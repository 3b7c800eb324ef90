# SPDX-License-Identifier: Apache-2.0
"""Reductions along any axes: sums, means, extremes, and what is made of them.

The one rule: axes that are reduced are put next to each other in memory, and nothing moves where they are.
"""

import math
from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.elementwise import (
    X,
    applied,
    difference,
    larger,
    operand,
    scaled,
    smaller,
)
from sparsec.frontends.operators.parts import not_the_batch, part
from sparsec.frontends.operators.shape import without_axes
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Activation, Order, Parameter, Tensor, as_in_torch
from sparsec.ir import nn
from sparsec.ir.expression import apply

Make = type[nn.ReduceOp]


def reduced_axes(call: Call, value: Activation) -> set[int]:
    """The axes that a call reduces: all of them if it names none."""
    rank = len(value.shape)
    named = call.integers("dim") if call.given("dim") else []
    if any(not -rank <= axis < rank for axis in named):
        raise UnsupportedError(f"a tensor of {rank} dimensions has no dimension of {named}")
    axes = {axis % rank for axis in named} or set(range(rank))
    if 0 in axes and value.shape[0] == 1 and rank > 1:
        raise UnsupportedError("it reduces the batch: name the other dimensions")
    return axes


def side_by_side(value: Activation, axes: set[int]) -> Order:
    """The order of `value`, or one in which nothing of more than one element lies between `axes`."""
    places = [place for place, axis in enumerate(value.order) if axis in axes]
    between = value.order[places[0] : places[-1]]
    if all(axis in axes or value.shape[axis] == 1 for axis in between):
        return value.order
    return (*(axis for axis in value.order if axis not in axes), *sorted(axes))


def reduced(
    builder: Builder, make: Make, value: Activation, axes: set[int], keep: bool = True
) -> Activation:
    """`value` with one element along each of `axes`, or without them."""
    order = side_by_side(value, axes)
    shape = [1 if axis in axes else value.shape[axis] for axis in order]
    found = builder.add(make(builder.ssa(value, order), nn.float_type(shape)), order)
    if keep:
        return found
    left = without_axes(builder, found, axes)
    assert isinstance(left, Activation)
    return left


def without_dtype(call: Call) -> None:
    """Refuse a result of another type than float32."""
    if call.given("dtype") and call.arguments["dtype"] not in (6, 7):
        raise UnsupportedError("a result of another type than float32")


def reduction(make: Make) -> Operator:
    """sum, mean, amax and amin."""

    def build(builder: Builder, call: Call) -> Tensor:
        without_dtype(call)
        value = call.activation("self")
        return reduced(builder, make, value, reduced_axes(call, value), call.flag("keepdim"))

    return build


def extreme(make: Make, of_two: Callable[[Builder, Tensor, Tensor], Tensor]) -> Operator:
    """max and min: of two tensors, along one axis with where they lie, or along all of them."""

    def build(builder: Builder, call: Call) -> object:
        if call.given("other"):
            return of_two(builder, operand(call, "self"), operand(call, "other"))
        value = call.activation("self")
        found = reduced(builder, make, value, reduced_axes(call, value), call.flag("keepdim"))
        if not call.given("dim"):
            return found
        return [found, index_of_extreme(ARGUMENTS[make])(builder, call)]

    return build


ARGUMENTS: Mapping[Make, type[nn.ArgOp]] = {
    nn.ReduceMaxOp: nn.ArgMaxOp,
    nn.ReduceMinOp: nn.ArgMinOp,
}


def index_of_extreme(make: type[nn.ArgOp]) -> Operator:
    """argmax and argmin: of several equal values the first one in torch's order."""

    def build(builder: Builder, call: Call) -> Tensor:
        value, keep = call.activation("self"), call.flag("keepdim")
        axes = reduced_axes(call, value)
        order = value.order
        kept = [axis for axis in order if axis not in axes and value.shape[axis] > 1]
        # Of all axes torch counts in its own order; and what comes out is never transposed.
        if len(axes) > 1 or kept != sorted(kept):
            order = as_in_torch(len(value.shape))
        shape = [1 if axis in axes else value.shape[axis] for axis in order]
        found = builder.add(make(builder.ssa(value, order), shape), order)
        return found if keep else without_axes(builder, found, axes)

    return build


def squared(builder: Builder, value: Tensor) -> Activation:
    found = applied(builder, value, apply("*", X, X))
    assert isinstance(found, Activation)
    return found


def spread(root: bool, with_mean: bool = False) -> Operator:
    """std if `root`, else var: the mean of squared distances from the mean, which may be a second result."""

    def build(builder: Builder, call: Call) -> object:
        value = call.activation("self")
        axes = reduced_axes(call, value)
        correction = call.number("correction") if call.given("correction") else 1.0
        if call.given("unbiased"):
            correction = float(call.flag("unbiased"))
        count = prod(value.shape[axis] for axis in axes)
        if count <= correction:
            raise UnsupportedError(
                f"the spread of {count} values with a correction of {correction}"
            )
        mean = reduced(builder, nn.MeanOp, value, axes)
        distances = squared(builder, difference(builder, value, mean, 1))
        keep = call.flag("keepdim")
        mean_square = reduced(builder, nn.MeanOp, distances, axes, keep)
        found = scaled(builder, mean_square, count / (count - correction))
        found = applied(builder, found, apply("sqrt", X)) if root else found
        if not with_mean:
            return found
        return [found, mean if keep else without_axes(builder, mean, axes)]

    return build


def norm(builder: Builder, call: Call) -> Tensor:
    """The norm of order 1, 2, another one or infinity of the values along some axes."""
    value = call.activation("self")
    axes, keep = reduced_axes(call, value), call.flag("keepdim")
    name = "ord" if "ord" in call.arguments else "p"
    order = call.number(name) if call.given(name) else 2.0
    sizes = applied(builder, value, apply("abs", X))
    assert isinstance(sizes, Activation)
    if math.isinf(order):
        return reduced(builder, nn.ReduceMaxOp if order > 0 else nn.ReduceMinOp, sizes, axes, keep)
    if order == 1:
        return reduced(builder, nn.SumOp, sizes, axes, keep)
    if order == 2:
        total = reduced(builder, nn.SumOp, squared(builder, value), axes, keep)
        return applied(builder, total, apply("sqrt", X))
    if order <= 0:
        raise UnsupportedError(f"a norm of order {order}")
    powers = applied(builder, sizes, apply("pow", X, order))
    assert isinstance(powers, Activation)
    total = reduced(builder, nn.SumOp, powers, axes, keep)
    return applied(builder, total, apply("pow", X, 1 / order))


def log_softmax(builder: Builder, call: Call) -> Tensor:
    """x - max - log(sum of exp(x - max)) along one axis."""
    value = call.activation("self", "input")
    axes = {call.integer("dim") % len(value.shape)}
    largest = reduced(builder, nn.ReduceMaxOp, value, axes)
    distances = difference(builder, value, largest, 1)
    exponentials = applied(builder, distances, apply("exp", X))
    assert isinstance(exponentials, Activation)
    total = reduced(builder, nn.SumOp, exponentials, axes)
    return difference(builder, distances, applied(builder, total, apply("log", X)), 1)


MOST_SUMMED = 128
"""Elements of the longest axis along which sums are running: they take the square of it in flash."""


def running_sum(builder: Builder, call: Call) -> Tensor:
    """cumsum: a linear layer with a triangle of ones, over the axis as the last one in memory."""
    without_dtype(call)
    value = call.activation("self")
    axis = call.integer("dim") % len(value.shape)
    size = value.shape[axis]
    if axis == 0 or size > MOST_SUMMED:
        raise UnsupportedError(
            f"running sums over {size} elements of dimension {axis}: at most {MOST_SUMMED} are "
            "possible, and none over the batch"
        )
    order = (*(other for other in value.order if other != axis), axis)
    name = builder.place.layer
    weights = Parameter(f"{name}.triangle", np.tri(size, dtype=np.float32))
    bias = Parameter(f"{name}.zero", np.zeros(size, np.float32))
    stored = builder.ssa(value, order)
    op = nn.LinearOp(stored, builder.ssa(weights), builder.ssa(bias), stored.type)
    return builder.add(op, order)


def neighbours(builder: Builder, call: Call) -> Tensor:
    """diff: each element of an axis less the one before it, so many times."""
    value, times = call.tensor("self"), call.integer("n", 1)
    axis = call.integer("dim", -1) % len(value.shape)
    if call.given("prepend") or call.given("append"):
        raise UnsupportedError("it puts numbers before or behind: join them by torch.cat")
    not_the_batch(value, [axis], "takes differences along")
    for _ in range(times):
        size = value.shape[axis]
        behind, front = (
            part(builder, value, {axis: along}) for along in (range(1, size), range(size - 1))
        )
        value = difference(builder, behind, front, 1)
    return value


REDUCTIONS: Mapping[str, Operator] = {
    "aten.mean": reduction(nn.MeanOp),
    "aten.sum": reduction(nn.SumOp),
    "aten.amax": reduction(nn.ReduceMaxOp),
    "aten.amin": reduction(nn.ReduceMinOp),
    "aten.max": extreme(nn.ReduceMaxOp, larger),
    "aten.min": extreme(nn.ReduceMinOp, smaller),
    "aten.argmax": index_of_extreme(nn.ArgMaxOp),
    "aten.argmin": index_of_extreme(nn.ArgMinOp),
    "aten.std": spread(root=True),
    "aten.var": spread(root=False),
    "aten.std_mean": spread(root=True, with_mean=True),
    "aten.var_mean": spread(root=False, with_mean=True),
    "aten.norm": norm,
    "aten.linalg_vector_norm": norm,
    "aten.cumsum": running_sum,
    "aten.diff": neighbours,
    "aten.log_softmax": log_softmax,
    "aten._log_softmax": log_softmax,
}
