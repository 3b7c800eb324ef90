# SPDX-License-Identifier: Apache-2.0
"""Products of two matrices that are both computed, and attention, which is two of them and a softmax.

The one rule: what a mask shuts out gets no probability at all, so it is a mask of the softmax and not a number that is added.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.elementwise import X, applied, summed
from sparsec.frontends.operators.masked_softmax import masked, softmax_of
from sparsec.frontends.operators.picking import picked
from sparsec.frontends.operators.shape import permuted, with_axis, without_axes
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.operators.weighted import fully_connected
from sparsec.frontends.tensors import Activation, Order, Parameter, Tensor, as_in_torch
from sparsec.ir import nn
from sparsec.ir.expression import apply


def swapped(value: Tensor) -> Tensor:
    """Matrices transposed; nothing moves."""
    rank = len(value.shape)
    return permuted(value, [*range(rank - 2), rank - 1, rank - 2])


def matrices(value: Tensor) -> tuple[Order, bool]:
    """The order in which the matrices of `value` are read, and whether they lie transposed there."""
    rank = len(value.shape)
    order = as_in_torch(rank)
    if isinstance(value, Parameter) or value.order.index(rank - 2) < value.order.index(rank - 1):
        return order, False
    return (*order[:-2], rank - 1, rank - 2), True


def repeated(builder: Builder, value: Tensor, shape: Sequence[int]) -> Tensor:
    """`value` with axes of one element repeated to `shape`, the axes in front of its matrices."""
    while len(value.shape) < len(shape) + 2:
        value = with_axis(builder, value, 0)
    again = {
        axis: np.zeros(size, np.int64)
        for axis, size in enumerate(shape)
        if value.shape[axis] != size
    }
    if any(value.shape[axis] != 1 for axis in again):
        raise UnsupportedError(f"{value.shape} does not have matrices for each of {tuple(shape)}")
    return picked(builder, value, again) if again else value


def product_of(builder: Builder, left: Tensor, right: Tensor) -> Tensor:
    """The product of two tensors of matrices, one of which may be constant, as numpy broadcasts them."""
    if isinstance(right, Parameter) and len(right.shape) == 2 and isinstance(left, Activation):
        return fully_connected(builder, left, right.permuted((1, 0)), None)
    if isinstance(left, Parameter) and len(left.shape) == 2 and isinstance(right, Activation):
        value = swapped(right)
        assert isinstance(value, Activation)
        return swapped(fully_connected(builder, value, left, None))
    if min(len(left.shape), len(right.shape)) < 2:
        raise UnsupportedError(f"a product of shapes {left.shape} and {right.shape}")
    if left.shape[-1] != right.shape[-2]:
        raise UnsupportedError(f"a product of matrices {left.shape[-2:]} and {right.shape[-2:]}")
    try:
        shape = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError as error:
        raise UnsupportedError(f"a product of shapes {left.shape} and {right.shape}") from error
    left, right = repeated(builder, left, shape), repeated(builder, right, shape)
    (before, first), (after, second) = matrices(left), matrices(right)
    result = nn.float_type((*shape, left.shape[-2], right.shape[-1]))
    op = nn.MatmulOp(builder.ssa(left, before), builder.ssa(right, after), (first, second), result)
    return builder.add(op, as_in_torch(len(shape) + 2))


def product_with_vectors(builder: Builder, left: Tensor, right: Tensor) -> Tensor:
    """torch.matmul: a vector is a matrix of one row on the left, of one column on the right."""
    if len(left.shape) == 1:
        found = product_with_vectors(builder, with_axis(builder, left, 0), right)
        return without_axes(builder, found, {len(found.shape) - 2})
    if len(right.shape) == 1:
        found = product_of(builder, left, with_axis(builder, right, 1))
        return without_axes(builder, found, {len(found.shape) - 1})
    return product_of(builder, left, right)


def matmul(builder: Builder, call: Call) -> Tensor:
    """x @ y, as mm, bmm and matmul have it."""
    return product_with_vectors(builder, call.tensor("self"), call.tensor("mat2", "other"))


def scaled(builder: Builder, value: Tensor, factor: float) -> Tensor:
    """`value` times a number."""
    return value if factor == 1 else applied(builder, value, apply("*", X, factor))


def baddbmm(builder: Builder, call: Call) -> Tensor:
    """beta * self + alpha * batch1 @ batch2."""
    found = product_of(builder, call.tensor("batch1"), call.tensor("batch2"))
    found = scaled(builder, found, call.number("alpha", 1))
    beta = call.number("beta", 1)
    return (
        found if beta == 0 else summed(builder, found, scaled(builder, call.tensor("self"), beta))
    )


def mask_of(call: Call, shape: Sequence[int]) -> Parameter | None:
    """The mask of an attention of scores of `shape`, None if it has none."""
    if call.flag("is_causal"):
        if call.given("attn_mask"):
            raise UnsupportedError("it has a mask and is causal too")
        return Parameter(f"{call.place.layer}.causal", np.tri(*shape[-2:], dtype=np.bool_))
    if not call.given("attn_mask"):
        return None
    mask = call.tensor("attn_mask")
    if isinstance(mask, Activation):
        raise UnsupportedError("its mask is computed: only a constant one is compiled")
    if mask.array.dtype.kind not in "bf":
        raise UnsupportedError(f"its mask is {mask.array.dtype}: a mask is boolean or float")
    try:
        fits = np.broadcast_shapes(mask.shape, tuple(shape)) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise UnsupportedError(f"its mask {mask.shape} does not fit scores {tuple(shape)}")
    return mask


def of_each_head(builder: Builder, value: Tensor, heads: int) -> Tensor:
    """Keys or values of which several query heads share one."""
    own = value.shape[-3]
    if heads % own:
        raise UnsupportedError(f"{heads} heads cannot share {own}")
    axis = len(value.shape) - 3
    return picked(builder, value, {axis: np.repeat(np.arange(own), heads // own)})


def attention(builder: Builder, call: Call) -> Tensor:
    """scaled_dot_product_attention."""
    query, key, value = (call.tensor(name) for name in ("query", "key", "value"))
    if call.number("dropout_p", 0.0) > 0:
        raise UnsupportedError("it drops out: call model.eval() before the export")
    if min(len(each.shape) for each in (query, key, value)) < 2:
        raise UnsupportedError("its query, key and value must be matrices")
    if key.shape[-2] != value.shape[-2]:
        raise UnsupportedError(
            f"it has {key.shape[-2]} keys and {value.shape[-2]} values: there must be one for each"
        )
    if query.shape[-1] != key.shape[-1]:
        raise UnsupportedError(
            f"its queries are {query.shape[-1]} wide and its keys {key.shape[-1]}"
        )
    if call.flag("enable_gqa"):
        key, value = (of_each_head(builder, each, query.shape[-3]) for each in (key, value))
    given = call.given("scale")
    scale = call.number("scale") if given else 1 / math.sqrt(query.shape[-1])
    scores = scaled(builder, product_of(builder, query, swapped(key)), scale)
    mask = mask_of(call, scores.shape)
    assert isinstance(scores, Activation)
    if mask is not None:
        if mask.array.dtype == np.bool_:
            scores = masked(builder, scores, mask.array)
        else:
            scores = summed(builder, scores, mask)
    assert isinstance(scores, Activation)
    weights = softmax_of(builder, scores, len(scores.shape) - 1)
    return product_of(builder, weights, value)


ATTENTION: Mapping[str, Operator] = {
    "aten.matmul": matmul,
    "aten.mm": matmul,
    "aten.bmm": matmul,
    "aten.baddbmm": baddbmm,
    "aten.scaled_dot_product_attention": attention,
}
