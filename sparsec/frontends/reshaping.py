# SPDX-License-Identifier: Apache-2.0
"""How a reshape of torch shows in memory: axes that are not torn apart or joined stay where they lie.

The one rule: nothing is moved that need not be. What must be is put channels last where it becomes
an image, else in torch's order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from sparsec.frontends.tensors import CHANNELS_LAST, Order, as_in_torch

Shape = Sequence[int]


@dataclass(frozen=True)
class Reshape:
    """The order in which the elements have to lie before, and that of the axes that they then have."""

    before: Order
    after: Order


def axis_groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """The axes of `old` and those of `new` that hold the same elements, without axes of one element.

    `old` and `new` have as many elements, and at least one.
    """
    left = [axis for axis, size in enumerate(old) if size != 1]
    right = [axis for axis, size in enumerate(new) if size != 1]
    groups: list[tuple[list[int], list[int]]] = []
    while left:
        ins, outs = [left.pop(0)], [right.pop(0)]
        while (before := prod(old[a] for a in ins)) != (after := prod(new[a] for a in outs)):
            (ins if before < after else outs).append((left if before < after else right).pop(0))
        groups.append((ins, outs))
    return groups


def with_single_axes(order: Sequence[int], shape: Shape) -> Order:
    """`order` with the axes of one element: those in front first, others before the axis that follows in torch."""
    found, rank = list(order), len(shape)
    if not found:
        return as_in_torch(rank)
    first, last = min(found), max(found)
    for axis in range(last + 1, rank):  # those that nothing follows
        found.insert(found.index(axis - 1) + 1, axis)
    for axis in reversed(range(first, last)):
        if axis not in found:
            found.insert(found.index(axis + 1), axis)
    return (*range(first), *found)


def reshape_of(shape: Shape, order: Order, new: Shape) -> Reshape:
    """How a tensor of `shape` that lies in `order` takes the shape `new`."""
    groups = axis_groups(shape, new)
    place = {axis: i for i, axis in enumerate(order)}
    groups.sort(key=lambda group: place[group[0][0]])
    lies = [axis for axis in order if shape[axis] != 1]
    if lies == [axis for ins, _ in groups for axis in ins]:
        return Reshape(order, with_single_axes([a for _, outs in groups for a in outs], new))
    singles = [axis for axis, size in enumerate(shape) if size == 1]
    wanted = [CHANNELS_LAST[4], as_in_torch(4)] if len(new) == 4 else [as_in_torch(len(new))]
    for target in wanted:
        groups.sort(key=lambda group: target.index(group[1][0]))
        after = [axis for _, outs in groups for axis in outs]
        if after == [axis for axis in target if axis in after]:
            before = [axis for ins, _ in groups for axis in ins]
            return Reshape((*singles, *before), with_single_axes(after, new))
    raise AssertionError("torch's own order always fits")
