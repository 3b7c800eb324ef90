"""Offsets within a capacity where pairs of buffers may overlap, or the proof that there are none.

Buffers are placed by offset, each as low as those before it let it. In a plan whose offsets have the least sum no buffer
can drop, so it is enough to look for such plans: one that could take the place below another is placed first, and one
that was passed over must be blocked by what comes later. What is left falls apart where no buffer crosses; parts know
nothing of each other, so each is searched by itself, the largest first, and what is dead once is dead for ever. All this
is as in `canonical`, with distances that belong to pairs.

Steps are the exception: a buffer that another may begin at a multiple of bytes from can be too low for it. So a search
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
        self._quick = _Search(layout, tries_steps=False)
        self._proofs = [self._quick]
        if layout.has_steps:
            without = _Search(layout.without_steps(), tries_steps=False)
            self._proofs = [without, _Search(layout, tries_steps=True)]

    def run(self, capacity: int, effort: int, budget: Budget) -> tuple[int, list[int]]:
        """FOUND with the offsets, DEAD if there are none within `capacity` bytes, UNKNOWN after `effort` steps."""
        result, offsets = self._quick.run(capacity, effort, budget)
        if result != DEAD or self._quick in self._proofs:
            return result, offsets
        without, complete = self._proofs
        result, _ = without.run(capacity, effort, budget)
        return (DEAD, []) if result == DEAD else complete.run(capacity, effort, budget)


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
        """Parts that cannot be completed, and the largest capacity for which that is known."""
        self._capacity = 0
        self._effort = 0
        self._budget = Budget()

    def run(self, capacity: int, effort: int, budget: Budget) -> tuple[int, list[int]]:
        """As `LayoutPortfolio.run`."""
        self._capacity, self._effort, self._budget = capacity, effort, budget
        self._placed.clear()
        try:
            found = all(self._complete(part, 0, -1) for part in self._parts(self._by_first))
        except _Over:
            return UNKNOWN, []
        if not found:
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

    def _complete(self, members: Sequence[int], last: int, chosen: int) -> bool:
        """Place a part behind `chosen`, which lies at `last`; nothing of it is placed if that cannot be."""
        self._effort -= len(members)
        self._budget.spend(len(members))
        if self._effort < 0 or self._budget.is_over():
            raise _Over
        layout, placed = self._layout, self._placed
        lowest = {j: layout.on_top(j, placed) for j in members}
        if not self._has_room(lowest, last):
            return False
        partners = (placed.get(k) for j in members for k in self._stepping[j])
        key = (*lowest.items(), last, chosen, *partners)
        if self._dead.get(key, -1) >= self._capacity:
            return False
        for offset, j in self._places(lowest, last):
            if offset == last and j < chosen and chosen not in layout.neighbours[j]:
                continue
            placed[j] = offset
            rest = self._parts(k for k in members if k != j)
            if all(self._complete(part, offset, j) for part in rest):
                return True
            for k in members:
                placed.pop(k, None)
        self._dead[key] = self._capacity
        return False

    def _places(self, lowest: Mapping[int, int], last: int) -> Iterator[tuple[int, int]]:
        """The next buffer, and where it may lie: the lowest first."""
        buffers = self._buffers
        free = [j for j in lowest if self._stride(j, lowest) == buffers[j].alignment]
        # Behind the top of one that is free to drop nothing comes before it.
        top = min((lowest[j] + buffers[j].size for j in free), default=_NEVER)
        found = [
            (offset, -buffers[j].size, j)
            for j, low in lowest.items()
            for offset in range(low, low + self._stride(j, lowest), buffers[j].alignment)
            if last <= offset < top and offset + buffers[j].size <= self._capacity
            if self._keeps_steps(j, offset)
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
        return lcm(alignment, *(self._layout.step(j, k) for k in self._stepping[j] if k in lowest))

    def _has_room(self, lowest: Mapping[int, int], last: int) -> bool:
        """Whether each buffer of a part, and each section, may still fit where nothing begins below `last`."""
        layout, buffers, capacity = self._layout, self._buffers, self._capacity
        least: dict[int, int] = {}
        for j, offset in lowest.items():
            highest = offset + self._stride(j, lowest) - buffers[j].alignment
            least[j] = offset if highest >= last else self._blocked(j, lowest, last)
            if max(least[j], last) + buffers[j].size > capacity:
                return False
        begin = min(self._first[j] for j in lowest)
        end = max(self._end[j] for j in lowest)
        for section in layout.sections[begin:end]:
            rest = section & lowest.keys()
            if rest:
                # From a multiple of all alignments on, buffers lie as from 0 on.
                floor = max(last, min(least[j] for j in rest)) // self._grid * self._grid
                if floor + layout.least(frozenset(rest)) > capacity:
                    return False
        return True

    def _blocked(self, j: int, lowest: Mapping[int, int], last: int) -> int:
        """Where a buffer that was passed over may begin: one not yet placed must lie in its way."""
        layout, alignment = self._layout, self._buffers[j].alignment
        above = [
            max(lowest[k], last) + (0 if layout.step(j, k) else layout.distance(k, j))
            for k in layout.neighbours[j]
            if k in lowest
        ]
        return -(-min(above, default=_NEVER) // alignment) * alignment
