# SPDX-License-Identifier: Apache-2.0
"""Offsets where an output may lie over its dying input.

A plan says of every two buffers that are live together which one begins first, and from such an order the least offsets
follow, each buffer on top of those before it. So it is enough to look at orders: some greedy ones, then local search,
then, for networks of up to `_LARGEST_SEARCH` buffers, all that can beat the best (see `layout_search`).

Distances belong to pairs here, where `offsets.py` places buffers that lie apart, in canonical orders after MiniMalloc. A bound
is that of groups which overlaps connect, or what a complete search of a few sections in a row has proven.
"""

from collections.abc import Sequence
from math import gcd
from types import MappingProxyType

from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.exact import FOUND
from sparsec.planning.heuristic import arena_bytes, attempts_for, improve, plan_greedily
from sparsec.planning.layout import Distances, Layout, Overlaps
from sparsec.planning.layout_search import LayoutPortfolio
from sparsec.planning.offsets import Assignment, assign_offsets, close_gap

_LARGEST_SEARCH = 200

_SOON = 2000
"""Steps of a search that comes before local search."""


def assign_overlapping(
    buffers: Sequence[Buffer],
    overlaps: Overlaps = MappingProxyType({}),
    *,
    budget: Budget | None = None,
    seed: int = 0,
) -> Assignment:
    """Places `buffers` in the smallest arena found within `budget`, as `assign_offsets` does, but lets the pairs of
    `overlaps` share bytes. Never more than without them.
    """
    budget = Budget() if budget is None else budget
    apart = assign_offsets(buffers, budget=budget.part(0.25) if overlaps else budget, seed=seed)
    if not overlaps:
        return apart
    layout = Layout(buffers, overlaps)
    best = min(
        list(apart.offsets),
        improved(layout, seed),
        key=lambda each: arena_bytes(buffers, each),
    )
    bound = layout.bound
    if bound < arena_bytes(buffers, best) and len(buffers) <= _LARGEST_SEARCH:
        grain = gcd(*(gcd(buffer.size, buffer.alignment) for buffer in buffers))
        best, bound = close_gap(buffers, LayoutPortfolio(layout), best, bound, 0, grain, budget)
    return Assignment(tuple(best), arena_bytes(buffers, best), bound, budget.elapsed())


def quick_bytes(buffers: Sequence[Buffer], overlaps: Overlaps) -> int:
    """The arena of a plan made in little time."""
    if not buffers:
        return 0
    return arena_bytes(buffers, improved(Layout(buffers, overlaps), seed=0))


def improved(layout: Layout, seed: int) -> list[int]:
    """Offsets by the best greedy order, else what is soon found within the bound, else local search."""
    buffers, bound, place = layout.buffers, layout.bound, layout.place_in_order
    offsets, order = plan_greedily(buffers, layout.peaks, place, bound)
    if arena_bytes(buffers, offsets) > bound and len(buffers) <= _LARGEST_SEARCH:
        result, found = LayoutPortfolio(layout).run(bound, _SOON, Budget(work=_SOON))
        if result == FOUND:
            return found
    attempts = attempts_for(10 * len(buffers), layout.neighbours)
    return improve(buffers, layout.neighbours, place, offsets, order, bound, attempts, seed)


def least_bytes(buffers: Sequence[Buffer], overlaps: Overlaps) -> int:
    """Bytes that no plan of `buffers`, all live at once, goes below."""
    return Distances(buffers, overlaps).least(frozenset(range(len(buffers)))) if buffers else 0
