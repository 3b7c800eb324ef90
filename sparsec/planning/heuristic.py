# SPDX-License-Identifier: Apache-2.0
"""A good plan in little time: greedy placement in several orders, then local search.

Sources: Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference (2020), for
the greedy orders by size and by breadth. The rule of this file: the same input gives the same plan.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import TypeAlias

from sparsec.planning.arena import Buffer

_MOST_ATTEMPTS = 400

_WORK = 500_000
"""Neighbours that local search may look at."""

Place: TypeAlias = Callable[[Sequence[int], bool, float], list[int] | None]
"""Offsets for buffers that are placed in an order, each in its lowest gap or, if told so, in the one that fits best; None as
soon as one of them ends behind so many bytes."""


def place_in_order(
    buffers: Sequence[Buffer],
    pins: Mapping[int, int],
    neighbours: Sequence[Sequence[int]],
    order: Sequence[int],
    best_fit: bool = False,
    most: float = inf,
) -> list[int] | None:
    """Offsets: each buffer in turn in the lowest gap that holds it, or the smallest (`best_fit`); None if one ends behind
    `most` bytes.

    `pins` gives the offsets of some buffers, `neighbours` those that are live together with each.
    """
    offsets = [-1] * len(buffers)
    for j, offset in pins.items():
        offsets[j] = offset
    for j in order:
        if j in pins:
            continue
        size, alignment = buffers[j].size, buffers[j].alignment
        taken = sorted(
            (offsets[k], offsets[k] + buffers[k].size) for k in neighbours[j] if offsets[k] >= 0
        )
        bottom, found, smallest = 0, -1, -1
        for start, end in taken:
            gap = start - bottom
            if gap >= size and (found < 0 or gap < smallest):
                found, smallest = bottom, gap
                if not best_fit:
                    break
            bottom = max(bottom, -(-end // alignment) * alignment)
        offsets[j] = bottom if found < 0 else found
        if offsets[j] + size > most:
            return None
    return offsets


def arena_bytes(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """The bytes of the whole arena."""
    ends = (offset + buffer.size for offset, buffer in zip(offsets, buffers, strict=True))
    return max(ends, default=0)


def orders(buffers: Sequence[Buffer], peaks: Sequence[int]) -> list[list[int]]:
    """The orders worth trying, ties broken by number; `peaks`: the most bytes live with each."""
    keys: tuple[Callable[[Buffer, int], tuple[int, ...]], ...] = (
        lambda b, peak: (-b.size, b.first),
        lambda b, peak: (-b.size * (b.last - b.first + 1), b.first),
        lambda b, peak: (b.first - b.last, -b.size),
        lambda b, peak: (b.first, -b.size),
        lambda b, peak: (-peak, b.first - b.last, -b.size),
        lambda b, peak: (-peak, -b.size * (b.last - b.first + 1)),
        lambda b, peak: (-b.last, -b.size),
    )

    def key(of: Callable[[Buffer, int], tuple[int, ...]]) -> Callable[[int], tuple[int, ...]]:
        return lambda j: (*of(buffers[j], peaks[j]), j)

    return [sorted(range(len(buffers)), key=key(of)) for of in keys]


def plan_greedily(
    buffers: Sequence[Buffer], peaks: Sequence[int], place: Place, goal: int
) -> tuple[list[int], list[int]]:
    """The best of several greedy plans, or the first within `goal` bytes, and its order."""
    best: tuple[int, list[int], list[int]] | None = None
    for order in orders(buffers, peaks):
        for best_fit in (False, True):
            offsets = place(order, best_fit, inf if best is None else best[0] - 1)
            if offsets is None:  # no better
                continue
            total = arena_bytes(buffers, offsets)
            if best is None or total < best[0]:
                best = (total, offsets, order)
            if total <= goal:
                return offsets, order
    assert best is not None
    return best[1], best[2]


def attempts_for(wanted: int, neighbours: Sequence[Sequence[int]]) -> int:
    """How often local search may place all buffers: what is `wanted`, within `_WORK`."""
    return min(_MOST_ATTEMPTS, wanted, _WORK // (1 + sum(map(len, neighbours))))


def improve(
    buffers: Sequence[Buffer],
    neighbours: Sequence[Sequence[int]],
    place: Place,
    offsets: list[int],
    order: Sequence[int],
    goal: int,
    attempts: int,
    seed: int = 0,
) -> list[int]:
    """Local search over the order: a buffer at the peak, or one below it, is placed earlier.

    Stops within `goal` bytes or after `attempts`; never worse than `offsets`.
    """
    chance = random.Random(seed)
    best, order = offsets, list(order)
    total = now = arena_bytes(buffers, offsets)
    for _ in range(attempts):
        if total <= goal:
            break
        at_peak = [j for j in order if offsets[j] + buffers[j].size == now]
        j = chance.choice(at_peak)
        if neighbours[j] and chance.random() < 0.5:
            j = chance.choice(neighbours[j])
        trial = [k for k in order if k != j]
        trial.insert(chance.randrange(order.index(j) + 1), j)
        placed = place(trial, chance.random() < 0.2, now)
        if placed is None:
            continue
        order, offsets, now = trial, placed, arena_bytes(buffers, placed)
        if now < total:
            best, total = offsets, now
    return best
