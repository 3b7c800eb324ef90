# SPDX-License-Identifier: Apache-2.0
"""Which channel each element of a tensor belongs to, and which channels can only go together.

A label tensor has the shape of an activation and holds for each element the number of a channel, 0 where it is nobody's
and its place is fixed. The one rule: of every tensor whole slices of one axis go, or nothing, so labels lie along one
axis; what would break that ties channels together or protects them.
"""

from collections.abc import Iterable
from typing import cast

import numpy
import torch
from torch import Tensor

FIXED = "it meets an input, a constant or another axis of the network, whose size is fixed"


class Ties:
    """Channels by number, from 1 on: which are tied, so that they go together, and which may not go, and why."""

    def __init__(self) -> None:
        self._parents = [0]
        self._reasons: dict[int, str] = {}
        self._assumed: dict[int, str] = {}
        self._roots: Tensor | None = None

    def new(self, count: int) -> Tensor:
        """Numbers of `count` new channels."""
        first = len(self._parents)
        self._parents += range(first, first + count)
        self._roots = None
        return torch.arange(first, first + count)

    def find(self, channel: int) -> int:
        """The number that stands for all that are tied to `channel`."""
        while self._parents[channel] != channel:
            self._parents[channel] = self._parents[self._parents[channel]]
            channel = self._parents[channel]
        return channel

    def roots(self, labels: Tensor) -> Tensor:
        """`labels` with equal numbers where channels are tied."""
        if self._roots is None:
            self._roots = torch.tensor([self.find(each) for each in range(len(self._parents))])
        return self._roots[labels]

    def protect(self, labels: Tensor, reason: str) -> None:
        """These channels may not go; the first reason is kept."""
        for root in numbers(self.roots(labels)):
            self._reasons.setdefault(root, reason)

    def reason(self, channel: int) -> str | None:
        """Why a channel may not go; None where it may."""
        return self._reasons.get(self.find(channel))

    def assumption(self, channel: int) -> str | None:
        """What the network's code is taken to do with the sizes when this channel goes, where that cannot be seen."""
        return self._assumed.get(self.find(channel))

    def tie(
        self, first: Tensor, second: Tensor, reason: str = FIXED, assumed: str | None = None
    ) -> None:
        """Channels at the same place go together; what is at one with nobody's is protected."""
        shape = together(first.shape, second.shape)
        one, other = self.roots(first).expand(shape), self.roots(second).expand(shape)
        many = len(self._parents)
        for pair in distinct(one * many + other):
            left, right = divmod(pair, many)
            if left and right:
                self._unite(left, right, assumed)
            elif pair:
                self._reasons.setdefault(self.find(left or right), reason)

    def _unite(self, one: int, other: int, assumed: str | None) -> None:
        one, other = self.find(one), self.find(other)
        if assumed is not None:
            self._assumed.setdefault(one, assumed)
        if one == other:
            return
        one, other = sorted((one, other))
        self._parents[other] = one
        self._roots = None
        for notes in (self._reasons, self._assumed):
            if (note := notes.pop(other, None)) is not None:
                notes.setdefault(one, note)

    def settle(self, labels: Tensor) -> tuple[Tensor, int | None]:
        """`labels` along one axis, and this axis; None where all elements are one channel's or nobody's.

        Of several axes the one stays along which most can go on their own, of equal ones the one whose slices are all
        on their own, then the last: of [group, channel of the group] the second. All others are taken as fixed.
        """
        labels = self.roots(labels)
        axes = varying(labels)
        if len(axes) < 2:
            return labels, axes[0] if axes else None
        parts = {axis: self._parts(labels, axis) for axis in axes}
        return self.settle_along(
            labels, max(axes, key=lambda a: (parts[a], parts[a] == labels.size(a), a))
        )

    def settle_along(self, labels: Tensor, axis: int) -> tuple[Tensor, int | None]:
        """`settle` along this axis."""
        labels = self.roots(labels)
        for slice in labels.unbind(axis):
            whole = slice.amax().expand(slice.shape)
            self.tie(
                slice, whole, assumed=f"it keeps every axis of {list(labels.shape)} but {axis}"
            )
        labels = self.roots(labels)
        others = [a for a in range(labels.ndim) if a != axis]
        labels = labels.amax(others, keepdim=True).expand(labels.shape)
        return labels, axis if varying(labels) else None

    @staticmethod
    def _parts(labels: Tensor, axis: int) -> int:
        """How many sets of slices of `axis` share no channel."""
        parts: list[set[int]] = []
        for slice in labels.unbind(axis):
            mine = set(numbers(slice))
            apart = [part for part in parts if not part & mine]
            parts = [*apart, mine.union(*(part for part in parts if part & mine))]
        return len(parts)

    def line(self, labels: Tensor, axis: int, reason: str) -> Tensor:
        """The channel of each slice of `axis`; where labels lie along another one they are protected."""
        labels, along = self.settle(labels)
        if along not in (None, axis):
            self.protect(labels, reason)
            return torch.zeros(labels.size(axis), dtype=torch.int64)
        return labels.movedim(axis, 0).reshape(labels.size(axis), -1)[:, 0]

    def join(self, one: Tensor, other: Tensor) -> Tensor:
        """Of an operation on the elements of both: what meets along the same axis is tied."""
        shape = together(one.shape, other.shape)
        (a, i), (b, j) = (self._along(each, len(shape)) for each in (one, other))
        if i is not None and i == j:
            a, b = (each.movedim(i, 0).reshape(shape[i], -1)[:, 0] for each in (a, b))
            self.tie(a, b)
            return along(self.roots(torch.where(a != 0, a, b)), i, shape)
        bound, also = i is not None and b.size(i) > 1, j is not None and a.size(j) > 1
        if bound:
            self.protect(a, FIXED)
        if also or (i is not None and j is not None and not bound):
            self.protect(b, FIXED)  # of two that each are spread over the other only one can go
            also = True
        if i is not None and not bound:
            return a.expand(shape)
        return (b if j is not None and not also else torch.zeros_like(b)).expand(shape)

    def _along(self, labels: Tensor, rank: int) -> tuple[Tensor, int | None]:
        labels, axis = self.settle(labels.reshape((1,) * (rank - labels.ndim) + labels.shape))
        if axis is None:
            self.protect(labels, "it is the only channel of its layer, or all of them go together")
            labels = torch.zeros_like(labels)
        return labels, axis


def numbers(labels: Tensor) -> list[int]:
    """The channels in `labels`, each once, without 0."""
    return [each for each in distinct(labels) if each]


def listed(values: Tensor) -> list[int]:
    """The whole numbers of a tensor."""
    return [int(each) for each in values.reshape(-1)]


def distinct(values: Tensor) -> list[int]:
    """The whole numbers of a tensor, each once, in order."""
    return listed(cast(Tensor, values.unique()))


def together(*shapes: Iterable[int]) -> tuple[int, ...]:
    """The shape of what an operation on the elements of tensors of `shapes` gives."""
    return numpy.broadcast_shapes(*(tuple(shape) for shape in shapes))


def varying(labels: Tensor) -> list[int]:
    """The axes along which labels differ."""
    return [
        axis
        for axis in range(labels.ndim)
        if labels.size(axis) > 1 and bool((labels != labels.narrow(axis, 0, 1)).any())
    ]


def along(line: Tensor, axis: int, shape: Iterable[int]) -> Tensor:
    """A tensor of `shape` whose slices of `axis` have the labels of `line`."""
    shape = tuple(shape)
    axis %= len(shape)
    return line.reshape([-1 if a == axis else 1 for a in range(len(shape))]).expand(shape)
