"""Offsets where an output may lie over its dying input: how far apart two buffers are depends on the pair.

A plan says of every two buffers that are live together which one begins first, and from such an order the least offsets
follow, each buffer on top of those before it. So it is enough to look at orders: some greedy ones, then local search,
then, for networks of up to `_LARGEST_SEARCH` buffers, all that can beat the best (branch and bound by offset).
The rule of this file: a bound is claimed only for what holds in every plan.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import gcd, inf, lcm
from types import MappingProxyType
from typing import TypeAlias

from sparsec.planning.arena import Buffer
from sparsec.planning.exact import Clock, neighbours, sections
from sparsec.planning.heuristic import arena_bytes, improve, plan_greedily
from sparsec.planning.offsets import Assignment, assign_offsets
from sparsec.planning.overlap import Overlap

Overlaps: TypeAlias = Mapping[tuple[int, int], Overlap]
"""What may overlap, by the numbers of (output, input)."""

_LARGEST_GROUP = 6
"""Buffers whose orders are all tried for a bound."""

_LARGEST_SEARCH = 80

_FEW = 16
"""Buffers round another one whose corners are all tried."""

_WORK = 500_000
"""Neighbours that local search may look at."""

_NODES_BETWEEN_LOOKS = 64

_WINDOWS = (2, 3, 4, 6)
"""Sections that are looked at together for a better bound, and the nodes that one search for it may take."""
_WINDOW_NODES = 5000


def assign_overlapping(
    buffers: Sequence[Buffer],
    overlaps: Overlaps = MappingProxyType({}),
    *,
    seconds: float = 10.0,
    seed: int = 0,
) -> Assignment:
    """Places `buffers` in the smallest arena found within `seconds`, as `assign_offsets` does, but lets the pairs of
    `overlaps` share bytes. Never more than without them.
    """
    apart = assign_offsets(buffers, seconds=seconds / 2 if overlaps else seconds, seed=seed)
    if not overlaps:
        return apart
    clock = Clock(seconds - apart.seconds)
    layout = Layout(buffers, overlaps)
    bound = layout.bound
    best = min(
        list(apart.offsets),
        improved(layout, seed),
        key=lambda each: arena_bytes(buffers, each),
    )
    if bound < arena_bytes(buffers, best) and len(buffers) <= _LARGEST_SEARCH:
        bound = layout.raised_bound(best, clock)
        best, bound = Search(layout, best, bound, clock).run()
    return Assignment(
        tuple(best), arena_bytes(buffers, best), bound, apart.seconds + clock.elapsed()
    )


def quick_bytes(buffers: Sequence[Buffer], overlaps: Overlaps) -> int:
    """The arena of a plan made in little time."""
    if not buffers:
        return 0
    return arena_bytes(buffers, improved(Layout(buffers, overlaps), seed=0))


def improved(layout: "Layout", seed: int) -> list[int]:
    """Offsets by the best greedy order and local search."""
    buffers, bound, place = layout.buffers, layout.bound, layout.place_in_order
    offsets, order = plan_greedily(buffers, layout.peaks, place, bound)
    attempts = min(400, 10 * len(buffers), _WORK // (1 + sum(map(len, layout.neighbours))))
    return improve(
        buffers, layout.neighbours, place, offsets, order, bound, attempts, lambda: False, seed
    )


def least_bytes(buffers: Sequence[Buffer], overlaps: Overlaps) -> int:
    """Bytes that no plan of `buffers`, all live at once, goes below."""
    return Layout(buffers, overlaps).bound if buffers else 0


class Layout:
    """The distances between the buffers of a problem, and what follows from them."""

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
        first, end = sections(buffers)
        self.neighbours = neighbours(first, end)
        spans = [range(f, e) for f, e in zip(first, end, strict=True)]
        live: list[list[int]] = [[] for _ in range(max(end))]
        for j, span in enumerate(spans):
            for section in span:
                live[section].append(j)
        self.sections = [frozenset(each) for each in live]
        self.sections_of = spans
        self.least = cache(self._least)
        bounds = [self.least(each) for each in self.sections]
        self.peaks = [max(bounds[s] for s in span) for span in spans]
        self.bound = max(bounds)

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

    def distance(self, low: int, high: int) -> int:
        """The least bytes from the begin of `low` to that of `high` behind it, steps aside."""
        if overlap := self._overlaps.get((low, high)):
            return overlap.below
        if overlap := self._overlaps.get((high, low)):
            return overlap.above
        return self.buffers[low].size

    def raised_bound(self, offsets: Sequence[int], clock: Clock) -> int:
        """A bound that a plan for the buffers of a few sections in a row may prove, where `offsets` are a plan for all."""
        bound = self.bound
        for width in _WINDOWS:
            for start in range(len(self.sections) - width + 1):
                members = sorted({j for each in self.sections[start : start + width] for j in each})
                buffers = [self.buffers[j] for j in members]
                best = [offsets[j] for j in members]
                if arena_bytes(buffers, best) <= bound or clock.is_over():
                    continue
                numbers = {j: number for number, j in enumerate(members)}
                pairs = {
                    (numbers[output], numbers[input]): overlap
                    for (output, input), overlap in self._overlaps.items()
                    if output in numbers and input in numbers
                }
                part = Layout(buffers, pairs)
                _, proven = Search(part, best, part.bound, clock, _WINDOW_NODES).run()
                bound = max(bound, proven)
        return bound

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
        while not all(self.allows(j, offset, k, placed[k]) for k in stepping):
            offset += alignment
        return offset

    def place_in_order(self, order: Sequence[int], best_fit: bool) -> list[int]:
        """Offsets: each buffer in turn in the lowest gap that holds it or, with `best_fit`, where it fits best: at the
        highest corner below the top so far or, among many others, where it has least room."""
        placed: dict[int, int] = {}
        top = 0
        for j in order:
            others = [k for k in self.neighbours[j] if k in placed]
            # j lies below k up to the first number, above it from the second one on.
            taken = [
                (placed[k] - self.distance(j, k), placed[k] + self.distance(k, j)) for k in others
            ]
            gaps = self._gaps(j, taken)
            places = [gaps[0][0]]
            if self._partners[j]:
                places += self._on_a_step(j, others, placed)
            if best_fit and len(others) > _FEW:
                places = [min(gaps, key=lambda gap: gap[1])[0]]
            elif best_fit:
                places += self._corners(j, others, placed)
            fitting = [place for place in places if place + self.buffers[j].size <= top]
            placed[j] = max(fitting, default=min(places)) if best_fit else min(places)
            top = max(top, placed[j] + self.buffers[j].size)
        return [placed[j] for j in range(len(self.buffers))]

    def _corners(self, j: int, others: Sequence[int], placed: Mapping[int, int]) -> list[int]:
        """The places of j that touch the arena's begin or one of `others`."""
        alignment = self.buffers[j].alignment
        corners = {0}
        for k in others:
            above = placed[k] + self.distance(k, j)
            below = placed[k] - self.distance(j, k)
            corners |= {-(-above // alignment) * alignment, below // alignment * alignment}
        return [
            place
            for place in corners
            if place >= 0 and all(self.allows(j, place, k, placed[k]) for k in others)
        ]

    def _gaps(self, j: int, taken: Sequence[tuple[int, int]]) -> list[tuple[int, float]]:
        """The lowest place of j in each gap between intervals, and by how much it could move up there."""
        alignment = self.buffers[j].alignment
        gaps: list[tuple[int, float]] = []
        place = 0
        for begin, end in sorted(taken):
            if place <= begin:
                gaps.append((place, begin - place))
            if place < end:
                place = -(-end // alignment) * alignment
        return [*gaps, (place, inf)]

    def _on_a_step(self, j: int, others: Sequence[int], placed: Mapping[int, int]) -> list[int]:
        """The places of j where it begins or ends with a buffer at a step of which it may lie."""
        found: list[int] = []
        for k in others:
            if self.step(j, k):
                end = placed[k] + self.buffers[k].size - self.buffers[j].size
                found += [
                    place
                    for place in (placed[k], end)
                    if place >= 0
                    and place % self.buffers[j].alignment == 0
                    and all(self.allows(j, place, other, placed[other]) for other in others)
                ]
        return found

    def _least(self, together: frozenset[int]) -> int:
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


class Search:
    """Branch and bound: buffers are placed by offset, each as low as those before it let it."""

    def __init__(
        self, layout: Layout, best: list[int], bound: int, clock: Clock, nodes: int | None = None
    ) -> None:
        self._layout = layout
        self._buffers = layout.buffers
        self._best = best
        self._least = arena_bytes(layout.buffers, best)
        self._bound = bound
        self._most_nodes = nodes
        self._clock = clock
        self._grid = lcm(*(buffer.alignment for buffer in layout.buffers))
        self._nodes = 0
        self._over = False

    def run(self) -> tuple[list[int], int]:
        """The best offsets and the bound: the one known before if time or nodes were up, else their arena."""
        self._visit({}, 0, -1)
        return self._best, self._bound if self._over else self._least

    def _visit(self, placed: dict[int, int], last: int, chosen: int) -> None:
        self._nodes += 1
        if self._nodes % _NODES_BETWEEN_LOOKS == 0 and self._clock.is_over():
            self._over = True
        if self._nodes == self._most_nodes:
            self._over = True
        if self._over or self._least == self._bound:
            return
        layout, count = self._layout, len(self._buffers)
        if len(placed) == count:
            self._best = [placed[j] for j in range(count)]
            self._least = arena_bytes(self._buffers, self._best)
            return
        lowest: dict[int, int] = {}
        for j in range(count):
            if j not in placed:
                lowest[j] = layout.on_top(j, placed)
                if max(lowest[j], last) + self._buffers[j].size >= self._least:
                    return
        for section in layout.sections:
            rest = section.difference(placed)
            if rest:
                # From a multiple of all alignments on, buffers lie as from 0 on.
                floor = max(last, min(lowest[j] for j in rest)) // self._grid * self._grid
                if floor + layout.least(rest) >= self._least:
                    return
        for j in sorted(lowest, key=lambda j: (lowest[j], -self._buffers[j].size, j)):
            offset = lowest[j]
            late = offset == last and j < chosen and chosen not in layout.neighbours[j]
            if offset >= last and not late:
                self._visit({**placed, j: offset}, offset, j)
