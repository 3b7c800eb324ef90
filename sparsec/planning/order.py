# SPDX-License-Identifier: Apache-2.0
"""The order of execution in which the fewest bytes are live at once.

The rule: the order given is kept unless another one is better, and "least" is only said of what is proven.

Operations that every order runs before all others, or behind them, cut a network into sections, each with a least
order of its own; that of a network is the largest of theirs. A section is searched from both ends by turns, with an
effort that doubles, for less than the best order so far: a beam finds good orders early, a complete search (see
`order_search`) proves that none is better.
"""

import time
from dataclasses import dataclass
from itertools import pairwise

from sparsec.planning.dataflow import Dataflow
from sparsec.planning.order_search import Backward, Forward

EFFORT = 2_000_000
"""Steps looked at before the search is given up: a few seconds. Not seconds, so that the order is always the same."""

_FIRST_EFFORT = 4_000


@dataclass(frozen=True)
class Ordering:
    """Operations by number as they run; the bytes live at most, a lower bound of them, and the seconds it took."""

    order: tuple[int, ...]
    peak: int
    lower_bound: int
    seconds: float

    @property
    def is_proven(self) -> bool:
        """Whether no order has a smaller peak."""
        return self.peak == self.lower_bound

    @property
    def gap(self) -> float:
        """How much of the peak might be saved at most: 0 is proven, 0.1 is a tenth."""
        return 1 - self.lower_bound / self.peak if self.peak else 0.0


def least_order(flow: Dataflow, effort: int = EFFORT) -> Ordering:
    """The order of least peak, or the best found with `effort`; that given unless another one is better."""
    begin = time.monotonic()
    given = range(len(flow.operations))
    order = list(given)
    live = flow.live(given)
    sections = [s for s in sections_of(flow) if len(s) > 1]
    sections.sort(key=lambda section: max(live[section.start : section.stop]), reverse=True)
    peak = max([flow.input_bytes, *(live[i] for i in given if not any(i in s for s in sections))])
    bound = peak
    for number, section in enumerate(sections):
        part = flow.part(section.start, section.stop)
        here = max(live[section.start : section.stop])
        if here > peak:
            share = effort // (len(sections) - number)
            found, part_bound, spent = improve(part, here, peak, share)
            effort -= spent
            order[section.start : section.stop] = [section.start + i for i in found]
            bound = max(bound, part_bound)
            peak = max(peak, part.peak(found))
        else:
            break
    if peak >= flow.peak(given):
        order = list(given)
    return Ordering(tuple(order), peak, bound, time.monotonic() - begin)


def sections_of(flow: Dataflow) -> list[range]:
    """Operations in a row that no other operation can come between, as short as they can be."""
    ends: list[int] = []
    common = -1
    for number in reversed(range(len(flow.operations))):
        common &= flow.before[number]
        if not ~common & ((1 << number) - 1):
            ends.append(number)
    borders = [*reversed(ends), len(flow.operations)]
    return [range(first, end) for first, end in pairwise(borders)]


def improve(flow: Dataflow, peak: int, enough: int, effort: int) -> tuple[list[int], int, int]:
    """An order with fewer than `peak` bytes, those of the order given, or that; a lower bound, and the steps looked at.

    Stops at `enough` bytes, or when no order has fewer.
    """
    best, bound = list(range(len(flow.operations))), flow.lower_bound
    sides = (Forward(flow), Backward(flow))
    turn = 0
    while peak > max(bound, enough):
        for side in sides:
            left = effort - sum(each.tried for each in sides)
            if left <= 0 or peak <= max(bound, enough):
                return best, bound, effort - left
            found = side.beam(1 << turn, peak - 1, left)
            if found is not None:
                best, peak = side.order(found), found.peak
            is_complete = True
            while is_complete and peak > max(bound, enough):
                found, is_complete = side.search(peak - 1, min(left, _FIRST_EFFORT << turn))
                if found is not None:
                    best, peak = side.order(found), found.peak
                elif is_complete:
                    bound = peak
        turn += 1
    return best, bound, sum(each.tried for each in sides)
