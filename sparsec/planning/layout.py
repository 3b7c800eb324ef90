# SPDX-License-Identifier: Apache-2.0
"""Buffers of which some may overlap: how far apart two of them are depends on the pair.

The rule: a bound is claimed only for what holds in every plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import gcd, inf
from typing import TypeAlias

from sparsec.planning.arena import Buffer
from sparsec.planning.exact import neighbours, sections
from sparsec.planning.overlap import Overlap

Overlaps: TypeAlias = Mapping[tuple[int, int], Overlap]
"""What may overlap, by the numbers of (output, input)."""

_LARGEST_GROUP = 6
"""Buffers whose orders are all tried for a bound."""

_FEW = 16
"""Buffers round another one whose corners are all tried."""

_NOWHERE = -1
"""The offset of a buffer that is not placed yet."""


class Distances:
    """How far apart buffers are that are live together, and the bytes that they take at least."""

    def __init__(self, buffers: Sequence[Buffer], overlaps: Overlaps) -> None:
        self.buffers = buffers
        self._overlaps = {
            (output, input): overlap.within(buffers[output].size, buffers[input].size)
            for (output, input), overlap in overlaps.items()
            if overlap.bytes(buffers[output].size, buffers[input].size)
        }
        self._partners: list[set[int]] = [set() for _ in buffers]
        """For each buffer those that it may overlap."""
        for output, input in self._overlaps:
            self._partners[output].add(input)
            self._partners[input].add(output)

    def allows(self, j: int, offset: int, k: int, other: int) -> bool:
        """Whether j may begin at `offset` and k, live together with it, at `other`."""
        if overlap := self._overlaps.get((j, k)):
            return overlap.allows(offset - other)
        if overlap := self._overlaps.get((k, j)):
            return overlap.allows(other - offset)
        return offset + self.buffers[j].size <= other or other + self.buffers[k].size <= offset

    def step(self, j: int, k: int) -> int:
        """The step of their overlap, 0 if they have none."""
        overlap = self._overlaps.get((j, k)) or self._overlaps.get((k, j))
        return overlap.step if overlap else 0

    def step_apart(self, j: int, k: int) -> int:
        """Their step if it leads anywhere but to the place of the other, else 0: then it is met by who comes second."""
        overlap = self._overlaps.get((j, k)) or self._overlaps.get((k, j))
        return overlap.step if overlap and overlap.step < max(overlap.below, overlap.above) else 0

    def distance(self, low: int, high: int) -> int:
        """The least bytes from the begin of `low` to that of `high` behind it, steps aside."""
        if overlap := self._overlaps.get((low, high)):
            return overlap.below
        if overlap := self._overlaps.get((high, low)):
            return overlap.above
        return self.buffers[low].size

    def least(self, together: frozenset[int]) -> int:
        """Bytes that buffers live together take at least.

        One that overlaps no other parts what begins before it from what begins behind, so groups without overlaps between
        them add up, each to a multiple of what all alignments have in common, but for the one on top.
        """
        grain = gcd(*(self.buffers[j].alignment for j in together))
        sizes = [self._stack_of(group, grain) for group in self._groups(together)]
        padding = [-size % grain for size in sizes]
        return sum(sizes) + sum(padding) - max(padding, default=0)

    def _groups(self, together: frozenset[int]) -> list[list[int]]:
        """The members in groups that overlaps connect, the largest first in each."""
        groups: list[list[int]] = []
        rest = set(together)
        while rest:
            found = [rest.pop()]
            for j in found:
                more = self._partners[j] & rest
                rest -= more
                found += sorted(more)
            groups.append(sorted(found, key=lambda j: (-self.buffers[j].size, j)))
        return groups

    def _stack_of(self, group: Sequence[int], grain: int) -> int:
        """Bytes that a group takes at least whose offsets are multiples of `grain`."""
        sizes = [self.buffers[j].size for j in group]
        if len(group) <= _LARGEST_GROUP:
            return _least_stack(
                sizes,
                grain,
                [[0 if self.step(k, j) else self.distance(k, j) for k in group] for j in group],
            )
        shared = sum(
            overlap.bytes(self.buffers[output].size, self.buffers[input].size)
            for (output, input), overlap in self._overlaps.items()
            if output in group and input in group
        )
        return max(sum(sizes) - shared, *sizes)


class Layout(Distances):
    """Buffers with their lifetimes, and what follows from them."""

    def __init__(self, buffers: Sequence[Buffer], overlaps: Overlaps) -> None:
        super().__init__(buffers, overlaps)
        first, end = sections(buffers)
        self.neighbours = neighbours(first, end)
        spans = [range(f, e) for f, e in zip(first, end, strict=True)]
        live: list[list[int]] = [[] for _ in range(max(end))]
        for j, span in enumerate(spans):
            for section in span:
                live[section].append(j)
        self._around = [
            [(k, self.distance(j, k), self.distance(k, j)) for k in row]
            for j, row in enumerate(self.neighbours)
        ]
        """For each buffer its neighbours, with the distances below and above them."""
        self._stepping = [
            [k for k in row if self.step(j, k)] if self._partners[j] else []
            for j, row in enumerate(self.neighbours)
        ]
        """For each buffer the neighbours at a step of which it may lie."""
        self.sections = [frozenset(each) for each in live]
        self.sections_of = spans
        self._bounds: dict[frozenset[int], int] = {}
        bounds = [self.least(each) for each in self.sections]
        self.peaks = [max(bounds[s] for s in span) for span in spans]
        self.bound = max(bounds)

    def least(self, together: frozenset[int]) -> int:
        """As that of `Distances`, which is asked once."""
        if together not in self._bounds:
            self._bounds[together] = super().least(together)
        return self._bounds[together]

    @property
    def has_steps(self) -> bool:
        """Whether some may lie steps apart that share bytes."""
        return any(self.step_apart(*pair) for pair in self._overlaps)

    def without_steps(self) -> "Layout":
        """The same, but where there is a step any place will do."""
        return Layout(
            self.buffers,
            {
                pair: replace(overlap, step=1) if overlap.step else overlap
                for pair, overlap in self._overlaps.items()
            },
        )

    def on_top(self, j: int, placed: Mapping[int, int]) -> int:
        """The least place of j among those that begin above, or where, its `placed` neighbours begin."""
        alignment = self.buffers[j].alignment
        offset = 0
        stepping: list[int] = []
        for k in self.neighbours[j]:
            if k in placed:
                step = self.step(j, k)
                offset = max(offset, placed[k] + (0 if step else self.distance(k, j)))
                stepping += [k] if step else []
        offset = -(-offset // alignment) * alignment
        moved = bool(stepping)
        while moved:
            before = offset
            for k in stepping:
                offset = self._next_allowed(j, offset, k, placed[k])
            moved = offset != before
        return offset

    def _next_allowed(self, j: int, offset: int, k: int, other: int) -> int:
        """The least aligned place of j from `offset` on, which is above, or where, k lies: at a step from it or apart."""
        alignment, step = self.buffers[j].alignment, self.step(j, k)
        apart = other + self.distance(k, j)
        for place in range(other + -(-(offset - other) // step) * step, apart, step):
            if place % alignment == 0:
                return place
        return max(offset, -(-apart // alignment) * alignment)

    def place_in_order(
        self,
        order: Sequence[int],
        best_fit: bool,
        most: float = inf,
    ) -> list[int] | None:
        """Offsets: each buffer in turn in the lowest gap that holds it or, with `best_fit`, where it fits best: at the
        highest corner below the top so far or, among many others, where it has least room. None as soon as one ends
        behind `most` bytes."""
        placed = [_NOWHERE] * len(self.buffers)
        top = 0
        for j in order:
            # j lies below another one up to the first number, above it from the second one on.
            taken = [
                (begin - below, begin + above)
                for k, below, above in self._around[j]
                if (begin := placed[k]) != _NOWHERE
            ]
            places = self._on_a_step(j, taken, placed) if self._stepping[j] else []
            if not best_fit:
                placed[j] = min([self._lowest_gap(j, taken), *places])
            else:
                if len(taken) > _FEW:
                    places = [self._least_gap(j, taken)]
                else:
                    places += [self._lowest_gap(j, taken), *self._corners(j, taken, placed)]
                highest = top - self.buffers[j].size
                fitting = [place for place in places if place <= highest]
                placed[j] = max(fitting, default=min(places))
            top = max(top, placed[j] + self.buffers[j].size)
            if top > most:
                return None
        return placed

    def _allowed(
        self, j: int, place: int, taken: Sequence[tuple[int, int]], placed: Sequence[int]
    ) -> bool:
        """Whether j may begin at `place`: outside all intervals or, where there is a step, on it."""
        if all(place <= begin or place >= end for begin, end in taken):
            return True
        return bool(self._stepping[j]) and all(
            self.allows(j, place, k, placed[k]) for k in self.neighbours[j] if placed[k] != _NOWHERE
        )

    def _corners(
        self, j: int, taken: Sequence[tuple[int, int]], placed: Sequence[int]
    ) -> list[int]:
        """The places of j that touch the arena's begin or a neighbour."""
        alignment = self.buffers[j].alignment
        corners = {0}
        for below, above in taken:
            corners |= {-(-above // alignment) * alignment, below // alignment * alignment}
        return [place for place in corners if place >= 0 and self._allowed(j, place, taken, placed)]

    def _lowest_gap(self, j: int, taken: Sequence[tuple[int, int]]) -> int:
        """The lowest place of j between intervals."""
        alignment = self.buffers[j].alignment
        place = 0
        for begin, end in sorted(taken):
            if place <= begin:
                break
            if place < end:
                place = -(-end // alignment) * alignment
        return place

    def _least_gap(self, j: int, taken: Sequence[tuple[int, int]]) -> int:
        """The place of j between intervals from which it could move up least, of equals the lowest."""
        alignment = self.buffers[j].alignment
        found, least, place = _NOWHERE, inf, 0
        for begin, end in sorted(taken):
            if place <= begin and begin - place < least:
                found, least = place, begin - place
            if place < end:
                place = -(-end // alignment) * alignment
        return place if found == _NOWHERE else found

    def _on_a_step(
        self, j: int, taken: Sequence[tuple[int, int]], placed: Sequence[int]
    ) -> list[int]:
        """The places of j where it begins or ends with a buffer at a step of which it may lie."""
        found: list[int] = []
        for k in self._stepping[j]:
            if placed[k] != _NOWHERE:
                end = placed[k] + self.buffers[k].size - self.buffers[j].size
                found += [
                    place
                    for place in (placed[k], end)
                    if place >= 0
                    and place % self.buffers[j].alignment == 0
                    and self._allowed(j, place, taken, placed)
                ]
        return found


def _least_stack(sizes: Sequence[int], grain: int, gaps: Sequence[Sequence[int]]) -> int:
    """The least top of buffers that begin one after another at multiples of `grain`, in any order; `gaps[j][k]` are the
    bytes from the begin of k to that of j behind it at least. A step is taken for any place."""
    least = sum(sizes) + grain * len(sizes)

    def visit(begins: dict[int, int], top: int) -> None:
        nonlocal least
        if len(begins) == len(sizes):
            least = top
        for j, size in enumerate(sizes):
            if j in begins:
                continue
            begin = max((other + gaps[j][k] for k, other in begins.items()), default=0)
            begin = -(-begin // grain) * grain
            if max(top, begin + size) < least:
                visit({**begins, j: begin}, max(top, begin + size))

    visit({}, 0)
    return least
