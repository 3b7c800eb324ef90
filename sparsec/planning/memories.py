# SPDX-License-Identifier: Apache-2.0
"""Which buffer lies in which memory, where there are several: what is used most per byte in the fastest.

Greedy, memory by memory from the fastest on: each buffer in turn, by uses per byte, stays if all that stay can be placed
within the capacity. The last memory takes the rest. The rule: a buffer lies in one memory as a whole, and only there may
it overlap another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType

from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.heuristic import arena_bytes
from sparsec.planning.layout import Layout, Overlaps
from sparsec.planning.offsets import Assignment
from sparsec.planning.overlapping import assign_overlapping

CONSTANT_ALIGNMENT = 4
"""Bytes to which compilers align arrays at least."""


@dataclass(frozen=True)
class MemoryPlan:
    """For each buffer the number of its memory and its offset there; for each memory how good its plan is."""

    memories: tuple[int, ...]
    offsets: tuple[int, ...]
    assignments: tuple[Assignment, ...]

    def overflowing(self, capacities: Sequence[int | None]) -> int | None:
        """The first memory that is too small, None if all hold what lies there."""
        for memory, (found, capacity) in enumerate(zip(self.assignments, capacities, strict=True)):
            if not fits(found.arena_bytes, capacity):
                return memory
        return None


def fits(bytes: int, capacity: int | None) -> bool:
    """Whether a memory has that many bytes; None is one without a limit."""
    return capacity is None or bytes <= capacity


def place_in_memories(
    buffers: Sequence[Buffer],
    capacities: Sequence[int | None],
    uses: Sequence[float],
    overlaps: Overlaps = MappingProxyType({}),
    pins: Mapping[int, int] = MappingProxyType({}),
    *,
    budget: Budget | None = None,
) -> MemoryPlan:
    """Places `buffers` in memories of `capacities` bytes, the fastest first, within about `budget`.

    `uses` are the bytes that are read from and written to each buffer, `pins` maps the number of a buffer to that of the
    memory where it must lie. If the greedy choice leaves too much to some memory, the largest buffers choose first. A
    plan that overflows even then is returned as it is.
    """
    budget = Budget() if budget is None else budget
    if len(capacities) == 1:
        found = assign_overlapping(buffers, overlaps, budget=budget)
        return MemoryPlan((0,) * len(buffers), found.offsets, (found,))
    numbers = range(len(buffers))
    by_use = sorted(numbers, key=lambda j: (-uses[j] / buffers[j].size, -buffers[j].size, j))
    by_size = sorted(numbers, key=lambda j: (-buffers[j].size, j))
    plans: list[MemoryPlan] = []
    for order in (by_use, by_size):
        choice = _Choice(buffers, overlaps, capacities, budget.part(0.5))
        choice.fill(order, pins)
        plans.append(choice.plan(budget.part(0.5)))
        if plans[-1].overflowing(capacities) is None:
            return plans[-1]
    return plans[0]


class _Choice:
    """The buffers of each memory, and offsets that are known to fit; searches take `budget` together."""

    def __init__(
        self,
        buffers: Sequence[Buffer],
        overlaps: Overlaps,
        capacities: Sequence[int | None],
        budget: Budget,
    ) -> None:
        self._buffers = buffers
        self._overlaps = overlaps
        self._capacities = capacities
        self._budget = budget
        self._share = 1 / max(len(buffers), 1)
        self._members: list[list[int]] = [[] for _ in capacities]
        self._known: list[list[int] | None] = [None for _ in capacities]

    def fill(self, order: Sequence[int], pins: Mapping[int, int]) -> None:
        """Choose a memory for each buffer, in this order."""
        for j, memory in pins.items():
            self._members[memory].append(j)
        rest = [j for j in order if j not in pins]
        last = len(self._capacities) - 1
        for memory in range(last):
            waiting = rest
            rest = []
            for j in waiting:
                members = [*self._members[memory], j]
                known = self._within(members, self._capacities[memory])
                if known is None:
                    rest.append(j)
                else:
                    self._members[memory], self._known[memory] = members, known
        self._members[last] += rest

    def plan(self, budget: Budget) -> MemoryPlan:
        """The best offsets found for that choice."""
        memories = [0] * len(self._buffers)
        offsets = [0] * len(self._buffers)
        assignments: list[Assignment] = []
        for memory, members in enumerate(self._members):
            found = self._assigned(memory, budget.part(1 / (len(self._members) - memory)))
            assignments.append(found)
            for j, offset in zip(members, found.offsets, strict=True):
                memories[j], offsets[j] = memory, offset
        return MemoryPlan(tuple(memories), tuple(offsets), tuple(assignments))

    def _assigned(self, memory: int, budget: Budget) -> Assignment:
        buffers, overlaps = self._part(self._members[memory])
        found = assign_overlapping(buffers, overlaps, budget=budget)
        known = self._known[memory]
        if known is None or arena_bytes(buffers, known) >= found.arena_bytes:
            return found
        return replace(found, offsets=tuple(known), arena_bytes=arena_bytes(buffers, known))

    def _within(self, members: Sequence[int], capacity: int | None) -> list[int] | None:
        """Offsets for `members` within `capacity`, None if none are known."""
        buffers, overlaps = self._part(members)
        largest = max(buffer.size for buffer in buffers)
        if not fits(largest, capacity) or self._budget.is_over():
            return None
        layout = Layout(buffers, overlaps)
        if not fits(layout.bound, capacity):
            return None
        as_given = list(range(len(buffers)))
        for order in (as_given, sorted(as_given, key=lambda j: -buffers[j].size)):
            offsets = layout.place_in_order(order, False, inf if capacity is None else capacity)
            if offsets is not None:
                return offsets
        found = assign_overlapping(buffers, overlaps, budget=self._budget.part(self._share))
        return list(found.offsets) if fits(found.arena_bytes, capacity) else None

    def _part(self, members: Sequence[int]) -> tuple[list[Buffer], Overlaps]:
        """Some of the buffers, numbered anew, and what may overlap of them."""
        numbers = {j: number for number, j in enumerate(members)}
        overlaps = {
            (numbers[output], numbers[input]): overlap
            for (output, input), overlap in self._overlaps.items()
            if output in numbers and input in numbers
        }
        return [self._buffers[j] for j in members], overlaps


def place_constants(
    sizes: Sequence[int],
    uses: Sequence[float],
    free: Sequence[int],
    pins: Mapping[int, int] = MappingProxyType({}),
) -> list[int | None]:
    """For each constant of `sizes` bytes the memory that it is copied to, None for flash.

    `free` are the bytes left in each memory that may be chosen, the fastest first. Pinned constants come first, then those
    with most uses per byte. Raises ValueError, naming the number, for a pin that does not fit.
    """
    room = list(free)
    found: list[int | None] = [None] * len(sizes)
    for number, memory in pins.items():
        found[number] = memory
        room[memory] -= stored_bytes(sizes[number])
    order = sorted(range(len(sizes)), key=lambda k: (-uses[k] / max(sizes[k], 1), -sizes[k], k))
    for number in order:
        bytes = stored_bytes(sizes[number])
        fitting = [memory for memory, left in enumerate(room) if bytes <= left]
        if number not in pins and fitting:
            found[number] = fitting[0]
            room[fitting[0]] -= bytes
    return found


def stored_bytes(size: int) -> int:
    """What a constant of `size` bytes takes of a memory, the gap to the next one included."""
    return -(-size // CONSTANT_ALIGNMENT) * CONSTANT_ALIGNMENT
