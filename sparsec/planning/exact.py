# SPDX-License-Identifier: Apache-2.0
"""Offsets within a capacity, or the proof that there are none: a portfolio of canonical searches.

One order of the buffers suits one network, another the next, so several are tried with small
budgets that grow. Half of each budget goes to orders that learn: a buffer that led to dead ends
moves up (Joslin and Clements, Squeaky Wheel Optimization, 1999). The rule of this file: what is
found first does not depend on the machine; the budget only says when to stop.

Compiled by numba if it is installed, which is some thirty times faster than Python.
"""

import importlib
import importlib.util
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from math import gcd
from typing import Any, cast

import numpy as np

from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.canonical import (
    BEGINNING,
    DEAD,
    FOUND,
    FRAME,
    HELPERS,
    TASK,
    UNKNOWN,
    Ints,
    Problem,
    State,
    search,
)

Search = Callable[[Problem, State, int, int, int], int]

_MEMORY = 1 << 16

_PATIENCE = 0.5
"""Seconds after which compiled code is used, which takes a second or two to load."""

_LEARNERS = ((0, 0.2, 0.9), (1, 0.2, 0.9), (0, 0.15, 0.8), (1, 0.3, 0.8))
"""The order that each begins with, how far a lesson moves a buffer, what is kept of the last."""

_LESSON_NODES = 400

_CHUNK = 20
"""Nodes between two looks at the budget, and the steps that a node counts for each buffer: it is that much slower."""
_STEPS = 3


def has_compiler() -> bool:
    """Whether numba is there to make the search fast."""
    return importlib.util.find_spec("numba") is not None


@cache
def compiled_search() -> Search:
    """The search as machine code: compiled at the first call, from numba's cache thereafter."""
    numba: Any = importlib.import_module("numba")
    extending: Any = importlib.import_module("numba.extending")
    for helper in HELPERS:
        extending.register_jitable(helper)
    return cast(Search, numba.njit(cache=True)(search))


class Portfolio:
    """Searches for the offsets of `buffers`, those in `pins` given, that learn from one another."""

    def __init__(self, buffers: Sequence[Buffer], pins: Mapping[int, int]) -> None:
        self.least = 0
        """Bytes that no plan goes below, as far as is known: what is dead says no more than the capacity."""
        self.buffers = buffers
        self.pins = pins
        self.grain = gcd(*(buffer.alignment for buffer in buffers))
        """Bytes that every offset is a multiple of."""
        self._first, self._end = sections(buffers)
        count = len(buffers)
        width = np.array([b.last - b.first + 1 for b in buffers], float)
        size = np.array([b.size for b in buffers], float)
        span = np.array(self._end, float) - np.array(self._first, float)
        self._weight = [-(-b.size // self.grain) * self.grain for b in buffers]
        live = np.zeros(max(self._end, default=0), np.int64)
        for j in range(count):
            live[self._first[j] : self._end[j]] += self._weight[j]
        self._live = [int(total) for total in live]
        peak = np.array([live[self._first[j] : self._end[j]].max() for j in range(count)], float)
        orders = (
            (peak, width, size),
            (peak, span, size),
            (peak, width * size, width),
            (width * size, width, width),
            (peak, span * size, width),
            (width, width * size, peak),
        )
        keys = [np.lexsort((np.arange(count), -c, -b, -a)) for a, b, c in orders]
        self._orders = [np.argsort(key).astype(float) for key in keys]
        self._lessons = [np.zeros(count) for _ in _LEARNERS]
        self._neighbours = neighbours(self._first, self._end)
        starts = np.cumsum([0, *(len(row) for row in self._neighbours)])
        self._starts = [int(start) for start in starts]
        self._by_first = sorted(range(count), key=lambda j: (self._first[j], j))

    def run(self, capacity: int, effort: int, budget: Budget) -> tuple[int, list[int]]:
        """FOUND with the offsets, DEAD if there are none, UNKNOWN if effort or budget is too small.

        Tries each order for `effort` nodes, and those that learn for rounds of `_LESSON_NODES`.
        """
        for position in self._orders:
            result, offsets, _ = self._search(position, capacity, effort, budget)
            if result != UNKNOWN or budget.is_over():
                return result, offsets
        for _ in range(2 * effort // _LESSON_NODES):
            for learner, (order, gain, kept) in enumerate(_LEARNERS):
                position = self._orders[order] - self._lessons[learner]
                result, offsets, blame = self._search(position, capacity, _LESSON_NODES, budget)
                if result != UNKNOWN or budget.is_over():
                    return result, offsets
                self._lessons[learner] *= kept
                self._lessons[learner] += gain * self._lesson(blame)
        return UNKNOWN, []

    def _lesson(self, blame: np.ndarray) -> np.ndarray:
        """How far each buffer moves up."""
        sections, buffers = blame[: len(self._live)], blame[len(self._live) :]
        in_sections = [sections[f:e].max() for f, e in zip(self._first, self._end, strict=True)]
        share = buffers.sum() / max(1, blame.sum())
        of_buffers = np.sqrt(buffers / max(1, buffers.sum()))
        of_sections = np.sqrt(np.array(in_sections) / max(1, sections.sum()))
        return len(buffers) * (share * of_buffers + 0.3 * (1 - share) * of_sections)

    def _search(
        self, position: np.ndarray, capacity: int, nodes: int, budget: Budget
    ) -> tuple[int, list[int], np.ndarray]:
        order = [int(j) for j in np.argsort(position, kind="stable")]
        problem = self._problem(order)
        if (
            budget.elapsed() > _PATIENCE and has_compiler()
        ):  # wants arrays, while Python is faster on lists
            run = compiled_search()
            problem = Problem(*(cast(Ints, np.array(field, np.int64)) for field in problem))
            state = self._state(lambda count: cast(Ints, np.zeros(count, np.int64)), _MEMORY)
        else:
            run = search
            state = self._state(lambda count: [0] * count, _MEMORY)
        limit = -(-capacity // self.grain) * self.grain
        result, done = UNKNOWN, 0
        while result == UNKNOWN and done < nodes and not budget.is_over():
            result = run(problem, state, capacity, limit, min(_CHUNK, nodes - done))
            budget.spend(_CHUNK * _STEPS * len(order))
            done += _CHUNK
        offsets = [int(offset) for offset in state.offset] if result == FOUND else []
        return result, offsets, np.array(state.blame, float)

    def _problem(self, order: Sequence[int]) -> Problem:
        count = len(order)
        rank, twin = [0] * count, [-1] * count
        equal: dict[Buffer, int] = {}
        for place, j in enumerate(order):
            rank[j] = place
            if j not in self.pins:
                twin[j] = equal.get(self.buffers[j], -1)
                equal[self.buffers[j]] = j
        return Problem(
            first=self._first,
            end=self._end,
            size=[buffer.size for buffer in self.buffers],
            weight=self._weight,
            alignment=[buffer.alignment for buffer in self.buffers],
            pinned=[int(j in self.pins) for j in range(count)],
            rank=rank,
            twin=twin,
            neighbour_start=self._starts,
            neighbours=[*chain(*self._neighbours), 0],
        )

    def _state(self, zeros: Callable[[int], Ints], memory: int) -> State:
        count = len(self.buffers)
        state = State(
            offset=zeros(count),
            placed=zeros(count),
            passed=zeros(count),
            rest=zeros(len(self._live)),
            floor=zeros(len(self._live)),
            blame=zeros(len(self._live) + count),
            members=zeros(count * count + count),
            candidates=zeros(count * count + 1),
            undo_buffer=zeros(count * count + 1),
            undo_offset=zeros(count * count + 1),
            memory=zeros(memory),
            frames=zeros(FRAME * (count + 2)),
            agenda=zeros(TASK * (count + 2)),
            registers=zeros(len(BEGINNING)),
        )
        for j, offset in self.pins.items():
            state.offset[j] = offset
        state.rest[:] = self._live
        state.members[:count] = self._by_first
        state.registers[:] = [count if entry is None else entry for entry in BEGINNING]
        return state


def sections(buffers: Sequence[Buffer]) -> tuple[list[int], list[int]]:
    """For each buffer its sections [first, end): only the largest live sets are counted."""
    starts = sorted({buffer.first for buffer in buffers})
    lasts = sorted(buffer.last for buffer in buffers)
    # A live set is the largest one around if a buffer dies before the next is born.
    kept = [
        start
        for start, following in zip(starts, [*starts[1:], None], strict=True)
        if following is None or bisect_left(lasts, start) < bisect_left(lasts, following)
    ]
    first = [bisect_left(kept, buffer.first) for buffer in buffers]
    end = [bisect_right(kept, buffer.last) for buffer in buffers]
    return first, end


def neighbours(first: Sequence[int], end: Sequence[int]) -> list[list[int]]:
    """For each buffer those that share a section with it."""
    starts, ends = np.array(first), np.array(end)
    rows: list[list[int]] = []
    for j in range(len(first)):
        together = (starts < ends[j]) & (starts[j] < ends)
        together[j] = False
        rows.append([int(k) for k in np.flatnonzero(together)])
    return rows


__all__ = [
    "DEAD",
    "FOUND",
    "UNKNOWN",
    "Portfolio",
    "has_compiler",
    "neighbours",
    "sections",
]
