# SPDX-License-Identifier: Apache-2.0
"""Where the inputs and results of a model have their batch; `main` takes one sample, with an axis of one in front.

`axis` is the batch's among torch's, None where the tensor as a whole is one sample.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from sparsec.frontends.builder import Builder, Kind, Layout, entry_order
from sparsec.frontends.errors import UnsupportedModelError
from sparsec.frontends.operators.shape import permuted, with_axis, without_axes
from sparsec.frontends.tensors import Activation, Array, Tensor

T = TypeVar("T")

MIXED = "it mixes the batch with other dimensions"


def argument(
    builder: Builder, name: str, shape: tuple[int, ...], axis: int | None, kind: Kind = "float32"
) -> Tensor:
    """A new input of `main`, as the model sees it: `shape`, a batch of one at `axis`."""
    if axis is None:
        return without_axes(builder, builder.argument(name, (1, *shape), kind), {0})
    others = [a for a in range(len(shape)) if a != axis]
    value = builder.argument(name, (shape[axis], *(shape[a] for a in others)), kind)
    if axis == 0:
        return value
    return permuted(value, [[axis, *others].index(a) for a in range(len(shape))])


def result(builder: Builder, value: Tensor, axis: int | None) -> Tensor:
    """What `main` gives for a result of the model; constants are given as they are."""
    if not isinstance(value, Activation) or axis == 0:
        return value
    if axis is None:
        return with_axis(builder, value, 0)
    return permuted(value, [axis, *(a for a in range(len(value.shape)) if a != axis)])


def samples(array: Array, axis: int | None) -> Array:
    """An input or result of torch as samples [N, ..]."""
    return array[np.newaxis] if axis is None else np.moveaxis(array, axis, 0)


def as_taken(
    arrays: Sequence[Array], axes: Sequence[int | None], layout: Layout
) -> list[Array] | None:
    """Inputs of torch as `main` takes them in `layout`, [N, ..]; None if their batches differ.

    What is one sample for all is repeated.
    """
    each = [samples(array, axis) for array, axis in zip(arrays, axes, strict=True)]
    count = max(map(len, each))
    if any(len(array) not in (1, count) for array in each):
        return None
    repeated = [np.broadcast_to(array, (count, *array.shape[1:])) for array in each]
    return [
        np.ascontiguousarray(array.transpose(entry_order(array.ndim, layout))) for array in repeated
    ]


def own_axis(shape: tuple[int, ...]) -> int | None:
    """The axis for a tensor of a model without a batch: one of one element in front will do."""
    return 0 if shape[:1] == (1,) else None


def in_either_way(read: Callable[[bool], T], whole: bool) -> T:
    """`read(whole)`, where a model that mixes its first axis with others is read as a whole.

    Raises the error that lists fewer operations if both fail.
    """
    try:
        return read(whole)
    except UnsupportedModelError as error:
        if whole:
            raise
        try:
            return read(True)
        except UnsupportedModelError as other:
            raise min(error, other, key=lambda each: len(each.operations)) from None
