# SPDX-License-Identifier: Apache-2.0
"""`fuse-attention`: two products with a softmax between become one attention, of which the scores are never whole.

    %s = qnn.matmul %q, %k transposed
    %p = qnn.softmax %s
    %y = qnn.matmul %p, %v
becomes
    %y = qnn.attention %qkv, %qkv, %qkv over <heads = .., query = [..], ..>

byte for byte. Reshapes, transposes and slices that only regroup heads become offsets and distances (`rewriting/head_places.py`).
Products whose scores or probabilities others read stay what they are, and so do those of more keys than the kernel takes or of
matrices that lie transposed wherever they come from. Where a bias is added to the scores, which nothing else does, each reader
computes them, and matrices are moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import copy_layer, layer_of
from sparsec.ir.shapes import shape_of
from sparsec.kernels.attention import MOST_KEYS
from sparsec.quantization.attention import HIDDEN, PROBABILITY_ZP, Attention, Place
from sparsec.rewriting.head_places import Seen, deepest, numbered, sources, targets

Probabilities: TypeAlias = qnn.SoftmaxOp | qnn.MaskedSoftmaxOp


@dataclass(frozen=True)
class Side:
    """Matrices of queries, keys or values, the rows of which are the columns of `value` if it is transposed."""

    value: SSAValue
    transposed: bool

    @property
    def rows(self) -> list[Seen]:
        """Their rows, one matrix behind the other."""
        indices = numbered(self.value)
        each = indices.swapaxes(-1, -2) if self.transposed else indices
        return list(sources(self.value, each.reshape(-1)))


@dataclass(frozen=True)
class Found:
    """An attention in three steps."""

    scores: qnn.MatmulOp
    softmax: Probabilities
    values: qnn.MatmulOp

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Queries, keys, width and value width."""
        queries, keys = shape_of(self.scores.result.type)[-2:]
        return queries, keys, self.scores.depth, shape_of(self.values.result.type)[-1]

    @property
    def sides(self) -> tuple[Side, Side, Side]:
        """Queries, keys and values."""
        scores, values = self.scores, self.values
        return (
            Side(scores.lhs, scores.transposed[0]),
            # The product reads the columns of its right side.
            Side(scores.rhs, not scores.transposed[1]),
            Side(values.rhs, values.transposed[1]),
        )

    @property
    def heads(self) -> int:
        """How many there are, of all axes in front together."""
        return prod(shape_of(self.values.result.type)[:-2])


@dataclass(frozen=True)
class Layout:
    """Where everything lies, for one way to count the heads along two axes; `depth` is how much movement it takes in."""

    outer: int
    heads: int
    tensors: tuple[SSAValue, SSAValue, SSAValue, SSAValue]
    places: tuple[Place, Place, Place, Place]
    depth: int


def found_in(op: Operation) -> Found | None:
    """The attention that ends in `op`."""
    if not isinstance(op, qnn.MatmulOp) or op.lhs_transposed is not None or op.addend is not None:
        return None
    if op.params.data.lhs_zp != PROBABILITY_ZP:
        return None
    behind = _through_reshapes(op.lhs)
    softmax = behind[-1].owner
    if not isinstance(softmax, Probabilities):
        return None
    before = _through_reshapes(softmax.input)
    scores = before[-1].owner
    if not isinstance(scores, qnn.MatmulOp):
        return None
    values = [*behind, *before]
    # What regroups heads keeps the matrices.
    matrices = {shape_of(value.type)[-2:] for value in values}
    is_shared = not all(value.has_one_use() for value in values)
    stays = is_shared or op.depth > MOST_KEYS
    if len(matrices) > 1 or (stays and scores.addend is None):
        return None
    return Found(scores, softmax, op)


def _through_reshapes(value: SSAValue) -> list[SSAValue]:
    found = [value]
    while isinstance(owner := found[-1].owner, qnn.ReshapeOp):
        found.append(owner.input)
    return found


def straight(side: Side, found: Found) -> Side:
    """The same matrices with their rows one behind the other: constants, and any where a bias is added to the scores."""
    if not side.transposed:
        return side
    array = constant_array(side.value)
    if array is not None:
        assert isinstance(side.value.owner, qnn.ConstantOp)
        label = side.value.owner.label
        op = qnn.ConstantOp(np.ascontiguousarray(array.swapaxes(-1, -2)), label)
    elif found.scores.addend is not None:
        *first, rows, columns = range(len(shape_of(side.value.type)))
        op = qnn.TransposeOp(side.value, [*first, columns, rows])
        copy_layer(found.values, op)
    else:
        return side
    Rewriter.insert_op(op, InsertPoint.before(found.values))
    return Side(op.result, False)


def layout_of(found: Found, sides: Sequence[Side]) -> Layout | None:
    """The way to count heads that takes in most of the movement; None if rows are torn apart."""
    queries, keys, width, value_width = found.sizes
    shapes = (queries, width), (keys, width), (keys, value_width), (queries, value_width)
    matrices = [*(side.rows for side in sides), list(targets(found.values.result))]
    parts = list(zip(matrices, shapes, strict=True))
    layouts: list[Layout] = []
    for heads in (n for n in range(found.heads, 0, -1) if found.heads % n == 0):
        outer = found.heads // heads
        each = [deepest(seen, (outer, heads, *shape)) for seen, shape in parts]
        if None in each:
            continue
        numbers, tensors, places = zip(*(e for e in each if e is not None), strict=True)
        layouts.append(Layout(outer, heads, tensors, places, sum(numbers)))
    return max(layouts, key=lambda layout: layout.depth, default=None)


def mask_of(found: Found, a: Attention) -> tuple[NDArray[np.int8] | None, int]:
    """The mask of an attention, with what is added to its scores, and whether it is causal by itself.

    PassFailedException if a mask is computed.
    """
    added = whole_of(found, found.scores.addend, found.scores.result, a)
    mask = found.softmax.mask if isinstance(found.softmax, qnn.MaskedSoftmaxOp) else None
    seen = whole_of(found, mask, found.softmax.input, a)
    is_causal = 0
    if seen is not None:
        causal = np.tri(a.queries, a.keys, a.keys - a.queries, dtype=np.bool_)
        if a.queries <= a.keys and ((seen != 0) == causal).all():
            seen, is_causal = None, 1
    if added is None and seen is None:
        return None, is_causal
    zero = np.zeros(a.mask_shape, np.int8)
    whole = zero if added is None else added
    whole = whole if seen is None else np.where(seen, whole, np.int8(HIDDEN))
    for axis in range(3):
        if (whole == (first := whole.take([0], axis))).all():
            whole = first
    return np.ascontiguousarray(whole), is_causal


def whole_of(
    found: Found, value: SSAValue | None, scores: SSAValue, a: Attention
) -> NDArray[np.int8] | None:
    """What is said of each of the scores, None if nothing is. PassFailedException if it is computed."""
    if value is None:
        return None
    array = constant_array(value)
    if array is None:
        layer = layer_of(found.softmax)
        raise PassFailedException(f"{layer}: the mask of an attention must be constant")
    return np.broadcast_to(array, shape_of(scores.type)).reshape(a.mask_shape)


def fuse(found: Found) -> None:
    """Put one operation in the place of `found`, if matrices lie so that it can read them."""
    scores, softmax, values = found.scores, found.softmax, found.values
    queries, keys, width, value_width = found.sizes
    layout = layout_of(found, found.sides)
    if layout is None:
        layout = layout_of(found, [straight(side, found) for side in found.sides])
    if layout is None:
        return
    sizes = (layout.outer, layout.heads, queries, keys, width, value_width)
    mask, causal = mask_of(found, Attention(*sizes, *layout.places))
    factor = scores.params.data.addend_factor
    query, key, value, result = layout.tensors
    constant: qnn.ConstantOp | None = None
    if mask is not None:
        constant = qnn.ConstantOp(mask, f"{layer_of(values)}.mask")
        Rewriter.insert_op(constant, InsertPoint.before(values))
    new = qnn.AttentionOp(
        (query, key, value, None if constant is None else constant.result),
        Attention(*sizes, *layout.places, mask_factor=factor, causal=causal),
        replace(scores.params.data, addend_factor=0),
        softmax.params.data,
        values.params.data,
        result.type,
    )
    copy_layer(values, new)
    new.result.name_hint = result.name_hint
    Rewriter.insert_op(new, InsertPoint.before(values))
    result.replace_all_uses_with(new.result)
    for op in _dead(values, result):
        Rewriter.erase_op(op)


def _dead(values: qnn.MatmulOp, result: SSAValue) -> list[Operation]:
    """The product and what moved its result, the last first."""
    found: list[Operation] = []
    while True:
        owner = result.owner
        assert isinstance(owner, Operation)
        found.append(owner)
        if owner is values:
            return found
        result = owner.operands[0]


@dataclass(frozen=True)
class FuseAttentionPass(ModulePass):
    """Makes one attention of two products and a softmax; what only they read goes with `dce`."""

    name = "fuse-attention"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for each in list(op.walk()):
            found = found_in(each)
            if found is not None:
                fuse(found)
