# SPDX-License-Identifier: Apache-2.0
"""Masks: what compares numbers, what joins comparisons, and what is chosen by them.

The one rule: a mask is a tensor of 0 and 1.
"""

from collections.abc import Mapping

import numpy as np

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.elementwise import (
    X,
    aligned,
    applied,
    difference,
    is_number,
    operand,
    summed,
)
from sparsec.frontends.operators.masked_softmax import FILLS_WITH_INFINITY, masked
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Activation, Parameter, Tensor
from sparsec.ir import nn
from sparsec.ir.expression import COMPARISONS, Apply, apply

MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def compared(sign: str) -> Operator:
    """A comparison of a tensor with a number, or with a tensor by their difference."""

    def build(builder: Builder, call: Call) -> Tensor:
        left, right = operand(call, "self"), operand(call, "other")
        if is_number(right, left):
            return applied(builder, left, apply(sign, X, float(right.array.item())))
        if is_number(left, right):
            return applied(builder, right, apply(MIRRORED[sign], X, float(left.array.item())))
        return applied(builder, difference(builder, left, right, 1), apply(sign, X, 0))

    return build


def as_mask(builder: Builder, value: Tensor) -> Tensor:
    """1 where a value is not 0."""
    if isinstance(value, Parameter):
        return Parameter(value.name, (value.values() != 0).astype(np.float32))
    owner = value.ssa.owner
    if isinstance(owner, nn.ActivationOp):
        term = owner.term
        if isinstance(term, Apply) and term.name in COMPARISONS:
            return value
    return applied(builder, value, apply("!=", X, 0))


def joined_by(sign: str, number: float) -> Operator:
    """1 where the sum of two masks compares so with a number."""

    def build(builder: Builder, call: Call) -> Tensor:
        left, right = (as_mask(builder, operand(call, name)) for name in ("self", "other"))
        return applied(builder, summed(builder, left, right), apply(sign, X, number))

    return build


def differing(builder: Builder, call: Call) -> Tensor:
    """1 where one of two masks is set."""
    left, right = (as_mask(builder, operand(call, name)) for name in ("self", "other"))
    apart = apply("abs", X)
    return applied(builder, difference(builder, left, right, 1), apply(">", apart, 0.5))


def negated(builder: Builder, call: Call) -> Tensor:
    """1 where a value is 0."""
    return applied(builder, operand(call, "self"), apply("==", X, 0))


def selected(builder: Builder, mask: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """`left` where the mask is set, else `right`."""
    if isinstance(mask, Parameter):
        shape = np.broadcast_shapes(mask.shape, left.shape, right.shape)
        for value, is_whole in ((left, mask.array.all()), (right, not mask.array.any())):
            if isinstance(value, Activation) and is_whole and value.shape == shape:
                return value
        for value, fill, allowed in (
            (left, right, mask.array != 0),
            (right, left, mask.array == 0),
        ):
            if isinstance(value, Activation) and is_number(fill, value) and np.isneginf(fill.array):
                return masked(builder, value, allowed)
    if any(np.isinf(value.array).any() for value in (left, right) if isinstance(value, Parameter)):
        raise UnsupportedError(FILLS_WITH_INFINITY)
    values = [mask, left, right]
    rank = max(len(value.shape) for value in values)
    values = [aligned(builder, value, rank) for value in values]
    activations = [value for value in values if isinstance(value, Activation)]
    order = max(activations, key=lambda value: np.prod(value.shape, dtype=np.int64)).order
    condition = builder.ssa(as_mask(builder, values[0]), order)
    first, second = (builder.ssa(value, order) for value in values[1:])
    return builder.add(nn.SelectOp(condition, first, second), order)


def where(builder: Builder, call: Call) -> Tensor:
    """One of two tensors, element by element."""
    if not call.given("self"):
        raise UnsupportedError("where its condition holds is not told: give it two tensors")
    return selected(
        builder, operand(call, "condition"), operand(call, "self"), operand(call, "other")
    )


def masked_fill(builder: Builder, call: Call) -> Tensor:
    """A number where the mask is set."""
    return selected(builder, operand(call, "mask"), operand(call, "value"), operand(call, "self"))


SIGNS = {
    **{"gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "==", "ne": "!="},
    **{"greater": ">", "less": "<", "greater_equal": ">=", "less_equal": "<=", "not_equal": "!="},
}

MASKS: Mapping[str, Operator] = {
    **{f"aten.{name}": compared(sign) for name, sign in SIGNS.items()},
    "aten.logical_and": joined_by(">", 1.5),
    "aten.bitwise_and": joined_by(">", 1.5),
    "aten.__and__": joined_by(">", 1.5),
    "aten.logical_or": joined_by(">", 0.5),
    "aten.bitwise_or": joined_by(">", 0.5),
    "aten.__or__": joined_by(">", 0.5),
    "aten.logical_xor": differing,
    "aten.bitwise_xor": differing,
    "aten.__xor__": differing,
    "aten.logical_not": negated,
    "aten.bitwise_not": negated,
    "aten.where": where,
    "aten.masked_fill": masked_fill,
}
