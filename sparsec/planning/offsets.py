# SPDX-License-Identifier: Apache-2.0
"""Offsets for buffers in one arena, with what is known of the least arena that there is.

The rule of this file: it never claims more than it has shown. A plan is optimal if its arena is as
large as the bound, which is the largest live set or what a complete search has raised it to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import gcd
from types import MappingProxyType
from typing import Literal, Protocol

from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.exact import DEAD, FOUND, Portfolio, neighbours, sections
from sparsec.planning.heuristic import (
    arena_bytes,
    attempts_for,
    improve,
    place_in_order,
    plan_greedily,
)

_LARGEST_SEARCH = 1500
"""Buffers beyond which the search's memory, which grows with the square, is not worth it."""


_BETWEEN = 8
"""Of the effort for what is wanted most, the part for a capacity between that and the best plan."""


@dataclass(frozen=True)
class Assignment:
    """An offset for each buffer; arena and lower bound in bytes, and the seconds it took."""

    offsets: tuple[int, ...]
    arena_bytes: int
    lower_bound: int
    seconds: float

    @property
    def status(self) -> Literal["optimal", "feasible"]:
        """Whether no arena is smaller, or none is known."""
        return "optimal" if self.arena_bytes == self.lower_bound else "feasible"

    @property
    def gap(self) -> float:
        """How much of the arena might be saved at most: 0 is optimal, 0.1 is a tenth."""
        return 1 - self.lower_bound / self.arena_bytes if self.arena_bytes else 0.0


def assign_offsets(
    buffers: Sequence[Buffer],
    pins: Mapping[int, int] = MappingProxyType({}),
    *,
    capacity: int | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Assignment:
    """Places `buffers` in the smallest arena found within `budget`.

    `pins` maps the number of a buffer to the offset that it must have. Stops early when the plan is
    optimal or within `capacity` bytes. Greedy plans and local search come first, then the exact
    search. Raises ValueError for a pin that cannot be.
    """
    budget = Budget() if budget is None else budget
    check(buffers, pins)
    if not buffers:
        return Assignment((), 0, 0, budget.elapsed())
    first, end = sections(buffers)
    adjacent = neighbours(first, end)
    lives = live_bytes(buffers, first, end)
    bound = max(*lives, *(buffers[j].size for j in range(len(buffers))))
    bound = max(bound, *(pins[j] + buffers[j].size for j in pins), 0)
    grain = gcd(*(gcd(b.size, b.alignment) for b in buffers), *pins.values())
    bound = -(-bound // grain) * grain

    goal = max(bound, capacity or 0)
    peaks = [max(lives[first[j] : end[j]]) for j in range(len(buffers))]

    place = partial(place_in_order, buffers, pins, adjacent)

    offsets, order = plan_greedily(buffers, peaks, place, goal)
    attempts = attempts_for(4 * len(buffers), adjacent)  # few buffers are for the exact search
    offsets = improve(buffers, adjacent, place, offsets, order, goal, attempts, seed)
    if arena_bytes(buffers, offsets) > goal and len(buffers) <= _LARGEST_SEARCH:
        portfolio = Portfolio(buffers, pins)
        offsets, bound = close_gap(buffers, portfolio, offsets, bound, capacity or 0, grain, budget)
    return Assignment(tuple(offsets), arena_bytes(buffers, offsets), bound, budget.elapsed())


class Searcher(Protocol):
    """What looks for a plan within a capacity; it knows of no plan with less than `least` bytes."""

    least: int

    def run(self, capacity: int, effort: int, budget: Budget) -> tuple[int, list[int]]:
        """FOUND with the offsets, DEAD if there are none, UNKNOWN if effort or budget is too small."""
        ...


def close_gap(
    buffers: Sequence[Buffer],
    searcher: Searcher,
    offsets: list[int],
    bound: int,
    capacity: int,
    grain: int,
    budget: Budget,
) -> tuple[list[int], int]:
    """Better offsets and a better bound, until they meet, the plan fits `capacity` or the budget is spent.

    The capacity or the bound is tried first, then, unless a capacity is wanted, some between it and
    the best plan, with an effort that doubles from round to round.
    """
    best, effort = arena_bytes(buffers, offsets), 400
    while best > max(bound, capacity):
        tried = max(bound, capacity)
        while best > max(bound, capacity) and tried < best:
            share = effort if tried == max(bound, capacity) else effort // _BETWEEN
            result, found = searcher.run(tried, share, budget)
            if result == FOUND:
                offsets, best = found, arena_bytes(buffers, found)
                tried = max(bound, capacity) if best <= max(bound, capacity) else tried
            elif result == DEAD:
                bound = max(tried // grain * grain + grain, searcher.least)
            if budget.is_over():
                return offsets, bound
            if capacity >= bound:  # what is wanted: to find something between is no use
                break
            tried = max((tried + best) // 2, tried + grain) // grain * grain
        effort *= 2
    return offsets, bound


def live_bytes(buffers: Sequence[Buffer], first: Sequence[int], end: Sequence[int]) -> list[int]:
    """For each section the bytes below which it cannot be placed.

    Every offset is a multiple of the greatest common divisor of the alignments, so each buffer but
    the highest takes a multiple of it: the highest may be the one with most bytes of padding.
    """
    live: list[list[Buffer]] = [[] for _ in range(max(end, default=0))]
    for buffer, start, stop in zip(buffers, first, end, strict=True):
        for section in live[start:stop]:
            section.append(buffer)
    totals: list[int] = []
    for section in live:
        grain = gcd(*(buffer.alignment for buffer in section))
        padding = [-buffer.size % grain for buffer in section]
        totals.append(sum(b.size for b in section) + sum(padding) - max(padding))
    return totals


def check(buffers: Sequence[Buffer], pins: Mapping[int, int]) -> None:
    """Raises ValueError for a buffer or a pin that makes no sense."""
    for j, buffer in enumerate(buffers):
        if buffer.size < 1 or buffer.alignment < 1 or buffer.last < buffer.first:
            raise ValueError(f"buffer {j} has no place: {buffer}")
    for j, offset in pins.items():
        if not 0 <= j < len(buffers):
            raise ValueError(f"there is no buffer {j} to pin")
        if offset < 0 or offset % buffers[j].alignment:
            raise ValueError(
                f"buffer {j} cannot be pinned at {offset}: its alignment is {buffers[j].alignment}"
            )
        for k, other in pins.items():
            if (
                k < j
                and buffers[j].first <= buffers[k].last
                and buffers[k].first <= buffers[j].last
                and offset < other + buffers[k].size
                and other < offset + buffers[j].size
            ):
                raise ValueError(f"buffers {k} and {j} are pinned to the same bytes")
