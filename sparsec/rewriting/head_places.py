# SPDX-License-Identifier: Apache-2.0
"""Where the matrices of an attention lie in the tensors from which they are cut: rules of `fuse-attention`.

The one rule: movement is followed on numbers. Each element of a tensor is given its place in the tensor further up, and what is
found there must be an offset and distances.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.quantization.attention import Place

Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """The elements of a tensor that some value has, in the order of the value's."""

    tensor: SSAValue
    indices: Indices


def numbered(value: SSAValue) -> Indices:
    """The places of the elements of `value`, in its shape."""
    return np.arange(prod(shape_of(value.type))).reshape(shape_of(value.type))


def moved(op: Operation, array: NDArray[Any]) -> NDArray[Any] | None:
    """What `op` makes of `array`; None if it is no operation that picks or orders elements."""
    match op:
        case qnn.ReshapeOp():
            return array.reshape(shape_of(op.result.type))
        case qnn.TransposeOp():
            return array.transpose(op.permutation.get_values())
        case qnn.SliceOp():
            return array[op.where.data.index(shape_of(op.result.type))]
        case _:
            return None


def sources(value: SSAValue, indices: Indices) -> Iterator[Seen]:
    """Those elements of `value` in it, and in each tensor further up from which it is picked."""
    yield Seen(value, indices)
    while isinstance(owner := value.owner, Operation):
        if not isinstance(owner, qnn.ReshapeOp | qnn.TransposeOp | qnn.SliceOp):
            return
        found = moved(owner, numbered(owner.input))
        assert found is not None
        value, indices = owner.input, found.reshape(-1)[indices]
        yield Seen(value, indices)


def targets(value: SSAValue) -> Iterator[Seen]:
    """Where each element of `value` goes: in it, and in each tensor further down that is only made of it."""
    indices = numbered(value).reshape(-1)
    yield Seen(value, indices)
    while value.has_one_use():
        (use,) = value.uses
        user = use.operation
        if not isinstance(user, qnn.ReshapeOp | qnn.TransposeOp):
            return
        found = moved(user, numbered(value))
        assert found is not None
        value, before = user.result, indices
        places = np.empty_like(indices)
        places[found.reshape(-1)] = np.arange(len(places))
        indices = places[before]
        yield Seen(value, indices)


def place_of(indices: Indices) -> Place | None:
    """An offset and the distances of [outer, heads, rows, columns] elements; None where there are none, or rows are torn."""
    offset = int(indices.flat[0])
    distances: list[int] = []
    for axis, size in enumerate(indices.shape):
        at = [0] * indices.ndim
        at[axis] = min(1, size - 1)
        distances.append(int(indices[tuple(at)]) - offset)
    expected = np.full(indices.shape, offset)
    for numbers, distance in zip(np.indices(indices.shape), distances, strict=True):
        expected += numbers * distance
    torn = indices.shape[-1] > 1 and distances[-1] != 1
    if torn or min(distances) < 0 or not np.array_equal(indices, expected):
        return None
    return offset, *distances[:-1]


def deepest(found: Sequence[Seen], shape: Sequence[int]) -> tuple[int, SSAValue, Place] | None:
    """The last of the tensors in which matrices of `shape` lie at distances, with its number."""
    for number, seen in reversed(list(enumerate(found))):
        place = place_of(seen.indices.reshape(shape))
        if place is not None:
            return number, seen.tensor, place
    return None
