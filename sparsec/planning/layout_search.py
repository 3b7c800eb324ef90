# SPDX-License-Identifier: Apache-2.0
"""Offsets within a capacity where pairs of buffers may overlap, or the proof that there are none.

Buffers are placed by offset, each as low as those before it let it. In a plan whose offsets have the least sum no buffer
can drop, so it is enough to look for such plans: one that could take the place below another is placed first, and one
that was passed over must be blocked by what comes later. What is left falls apart where no buffer crosses; parts know
nothing of each other, so each is searched by itself, the largest first, and what is dead once is dead for ever. All this
is as in `canonical`, with distances that belong to pairs.

Steps are the exception, unless they are so long that they allow the same place alone: a buffer that another may begin
at a multiple of bytes from can be too low for it. So a search
that takes lowest places alone finds plans but proves nothing there. What takes a step for any place proves what it
cannot find, and a search that tries all places up to the next step is complete.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import lcm

from sparsec.planning.budget import Budget
from sparsec.planning.exact import DEAD, FOUND, UNKNOWN
from sparsec.planning.layout import Layout

_NEVER = 1 << 60


class _Over(Exception):
    """The effort is spent."""


class LayoutPortfolio:
    """Searches one layout again and again, and remembers what led nowhere."""

    def __init__(self, layout: Layout) -> None:
        self.least = 0
        """Bytes that no plan goes below, as far as is known."""
        self._quick = _Search(layout, tries_steps=False)
        self._proofs = [self._quick]
        if layout.has_steps:
            without = _Search(layout.without_steps(), tries_steps=False)
            self._proofs = [without, _Search(layout, tries_steps=True)]

    def run(self, capacity: int, effort: int, budget: Budget) -> tuple[int, list[int]]:
        """FOUND with the offsets, DEAD if there are none within `capacity` bytes, UNKNOWN after `effort` steps."""
        result, offsets = self._quick.run(capacity, effort, budget)
        if result != DEAD:
            return result, offsets
        for search in self._proofs:
            if search is not self._quick:
                result, offsets = search.run(capacity, effort, budget)
            if result == DEAD:
                self.least = max(self.least, search.least)
                break
        return result, offsets


class _Search:
    """One way to look for places; with `tries_steps` also those up to the next step."""

    def __init__(self, layout: Layout, tries_steps: bool) -> None:
        self._layout = layout
        self._buffers = layout.buffers
        self._tries_steps = tries_steps
        self._grid = lcm(*(buffer.alignment for buffer in layout.buffers))
        self._first = [span.start for span in layout.sections_of]
        self._end = [span.stop for span in layout.sections_of]
        numbers = range(len(layout.buffers))
        self._by_first = sorted(numbers, key=lambda j: (self._first[j], j))
        self._stepping = [[k for k in layout.neighbours[j] if layout.step(j, k)] for j in numbers]
        self._placed: dict[int, int] = {}
        self._dead: dict[tuple[object, ...], int] = {}
        """Parts that could not be completed, and the bytes that they need at least."""
        self.least = 0
        """The bytes that all need at least, after a search that found nothing."""
        self._capacity = 0
        self._effort = 0
        self._budget = Budget()

    def run(self, capacity: int, effort: int, budget: Budget) -> tuple[int, list[int]]:
        """As `LayoutPortfolio.run`."""
        self._capacity, self._effort, self._budget = capacity, effort, budget
        self._placed.clear()
        try:
            self.least = self._complete_all(self._parts(self._by_first), 0, -1)
        except _Over:
            return UNKNOWN, []
        if self.least:
            return DEAD, []
        return FOUND, [self._placed[j] for j in range(len(self._buffers))]

    def _parts(self, members: Iterable[int]) -> list[list[int]]:
        """What is left, by first section, in parts that no buffer connects: that with the largest live set first."""
        parts: list[list[int]] = []
        reach = -1
        for j in members:
            if self._first[j] >= reach:
                parts.append([])
            parts[-1].append(j)
            reach = max(reach, self._end[j])
        return sorted(parts, key=lambda part: -max(self._layout.peaks[j] for j in part))

    def _complete_all(self, parts: Iterable[Sequence[int]], last: int, chosen: int) -> int:
        """Place all, as `_complete` does."""
        return next((need for part in parts if (need := self._complete(part, last, chosen))), 0)

    def _complete(self, members: Sequence[int], last: int, chosen: int) -> int:
        """Place a part behind `chosen`, which lies at `last`; 0 if that was possible.

        Else nothing of it is placed, and the result are bytes that it needs at least, more than there are.
        """
        self._spend(len(members))
        layout, placed = self._layout, self._placed
        lowest = {j: layout.on_top(j, placed) for j in members}
        if need := self._bytes_missing(lowest, last):
            return need
        partners = (placed.get(k) for j in members for k in self._stepping[j])
        key = (*lowest.items(), last, chosen, *partners)
        if self._dead.get(key, 0) > self._capacity:
            return self._dead[key]
        least = _NEVER
        for offset, j in self._places(lowest, last):
            if offset == last and j < chosen and chosen not in layout.neighbours[j]:
                continue
            if offset + self._buffers[j].size > self._capacity:
                least = min(least, offset + self._buffers[j].size)
                continue
            placed[j] = offset
            rest = self._parts(k for k in members if k != j)
            need = self._complete_all(rest, offset, j)
            if not need:
                return 0
            least = min(least, need)
            for k in members:
                placed.pop(k, None)
        self._dead[key] = least
        return least

    def _spend(self, steps: int) -> None:
        self._effort -= steps
        self._budget.spend(steps)
        if self._effort < 0 or self._budget.is_over():
            raise _Over

    def _places(self, lowest: Mapping[int, int], last: int) -> Iterator[tuple[int, int]]:
        """The next buffer, and where it may lie: the lowest first."""
        buffers = self._buffers
        if self._tries_steps:
            self._spend(sum(self._stride(j, lowest) // buffers[j].alignment for j in lowest))
        free = [j for j in lowest if self._stride(j, lowest) == buffers[j].alignment]
        # Behind the top of one that is free to drop nothing comes before it.
        top = min((lowest[j] + buffers[j].size for j in free), default=_NEVER)
        found = [
            (offset, -buffers[j].size, j)
            for j, low in lowest.items()
            for offset in range(low, low + self._stride(j, lowest), buffers[j].alignment)
            if last <= offset < top and self._keeps_steps(j, offset)
        ]
        return ((offset, j) for offset, _, j in sorted(found))

    def _keeps_steps(self, j: int, offset: int) -> bool:
        """Whether those placed allow it that are passed in steps; `offset` is above the others."""
        placed = self._placed
        return all(
            self._layout.allows(j, offset, k, placed[k]) for k in self._stepping[j] if k in placed
        )

    def _stride(self, j: int, lowest: Mapping[int, int]) -> int:
        """The bytes by which a buffer can drop if only those stand against it that lie lower."""
        alignment = self._buffers[j].alignment
        if not self._tries_steps:
            return alignment
        steps = (self._layout.step_apart(j, k) for k in self._stepping[j] if k in lowest)
        return lcm(alignment, *filter(None, steps))

    def _bytes_missing(self, lowest: Mapping[int, int], last: int) -> int:
        """Bytes that a buffer of a part, or a section, needs at least where nothing begins below `last`; 0 if there is room."""
        layout, buffers, capacity = self._layout, self._buffers, self._capacity
        least: dict[int, int] = {}
        for j, offset in lowest.items():
            highest = offset + self._stride(j, lowest) - buffers[j].alignment
            least[j] = offset if highest >= last else self._blocked(j, lowest, last)
            if max(least[j], last) + buffers[j].size > capacity:
                return max(least[j], last) + buffers[j].size
        begin = min(self._first[j] for j in lowest)
        end = max(self._end[j] for j in lowest)
        for section in layout.sections[begin:end]:
            rest = section & lowest.keys()
            if rest:
                # From a multiple of all alignments on, buffers lie as from 0 on.
                floor = max(last, min(least[j] for j in rest)) // self._grid * self._grid
                if floor + layout.least(frozenset(rest)) > capacity:
                    return floor + layout.least(frozenset(rest))
        return 0

    def _blocked(self, j: int, lowest: Mapping[int, int], last: int) -> int:
        """Where a buffer that was passed over may begin: one not yet placed must lie in its way."""
        layout, alignment = self._layout, self._buffers[j].alignment
        above = [
            max(lowest[k], last) + (0 if layout.step(j, k) else layout.distance(k, j))
            for k in layout.neighbours[j]
            if k in lowest
        ]
        return -(-min(above, default=_NEVER) // alignment) * alignment
