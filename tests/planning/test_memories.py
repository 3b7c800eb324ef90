# SPDX-License-Identifier: Apache-2.0
"""Several memories: nothing is lost, every capacity and pin is kept, what is used most lies in the fastest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning import exact
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.certificate import Claim, Part, Region, Step, certify
from sparsec.planning.memories import (
    MemoryPlan,
    place_constants,
    place_in_memories,
    stored_bytes,
)
from sparsec.planning.overlapping import assign_overlapping
from tests.planning.networks import IN_PLACE
from tests.planning.test_overlapping import Network, networks


@pytest.fixture(autouse=True)
def _python_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "has_compiler", lambda: False)


def certify_plan(network: Network, plan: MemoryPlan) -> None:
    """Play it: call t writes buffer t, and reads what dies then."""
    buffers, overlaps = network
    regions = {
        j: Region(plan.offsets[j], buffer.size, buffer.alignment, plan.memories[j])
        for j, buffer in enumerate(buffers)
    }
    steps: list[Step] = []
    for t in range(len(buffers)):
        dying = [j for j, each in enumerate(buffers) if each.first < each.last == t]
        claims = [
            Claim(Part(t), Part(j), overlap.below, overlap.above, overlap.step)
            for j in dying
            if (overlap := overlaps.get((t, j))) is not None
        ]
        steps.append(Step(f"{t}", tuple(map(Part, dying)), (Part(t),), tuple(claims)))
    sizes = [found.arena_bytes for found in plan.assignments]
    certify(sizes, regions, [], steps, [len(buffers) - 1])


@settings(max_examples=300)
@given(networks(most=8), st.data())
def test_every_promise_is_kept(network: Network, data: st.DataObject) -> None:
    buffers, overlaps = network
    total = sum(buffer.size + 7 for buffer in buffers)
    count = data.draw(st.integers(2, 3))
    sizes = st.one_of(st.none(), st.integers(0, total))
    capacities = [data.draw(sizes) for _ in range(count)]
    numbers = st.integers(0, len(buffers) - 1)
    pins = data.draw(st.dictionaries(numbers, st.integers(0, count - 1), max_size=2))
    uses = [data.draw(st.integers(0, 1000)) for _ in buffers]
    plan = place_in_memories(buffers, capacities, uses, overlaps, pins, budget=Budget(0.1))
    assert len(plan.memories) == len(plan.offsets) == len(buffers)
    assert len(plan.assignments) == count and set(plan.memories) <= set(range(count))
    assert all(plan.memories[j] == memory for j, memory in pins.items())
    certify_plan(network, plan)
    within = [
        capacity is None or found.arena_bytes <= capacity
        for found, capacity in zip(plan.assignments, capacities, strict=True)
    ]
    assert (plan.overflowing(capacities) is None) == all(within)
    if not pins and (capacities[-1] is None or capacities[-1] >= total):
        assert all(within)


@settings(max_examples=50)
@given(networks(most=8))
def test_one_memory_is_an_arena(network: Network) -> None:
    buffers, overlaps = network
    plan = place_in_memories(buffers, [None], [1] * len(buffers), overlaps)
    arena = assign_overlapping(buffers, overlaps)
    assert (plan.offsets, plan.assignments[0].arena_bytes) == (arena.offsets, arena.arena_bytes)


def test_what_is_used_most_per_byte_is_in_the_fastest() -> None:
    together = [Buffer(size, 0, 1) for size in (100, 40, 60, 10)]
    plan = place_in_memories(together, [70, None], [300, 200, 60, 100])
    assert plan.memories == (1, 0, 1, 0)
    assert [found.arena_bytes for found in plan.assignments] == [50, 160]


def test_what_lives_one_after_the_other_shares_the_fastest() -> None:
    buffers = [Buffer(60, time, time) for time in range(3)]
    assert place_in_memories(buffers, [60, 60], [1, 2, 3]).memories == (0, 0, 0)


def test_an_overlap_helps_within_one_memory() -> None:
    chain, uses = [Buffer(60, 0, 1), Buffer(60, 1, 2)], [2, 1]
    assert place_in_memories(chain, [60, None], uses).memories == (0, 1)
    assert place_in_memories(chain, [60, None], uses, {(1, 0): IN_PLACE}).memories == (0, 0)
    apart = place_in_memories(chain, [60, None], uses, {(1, 0): IN_PLACE}, {1: 1})
    assert (apart.memories, apart.overflowing([60, None])) == ((0, 1), None)


def test_the_largest_choose_first_where_they_fit_nowhere_else() -> None:
    """By uses the small ones would fill the fast memory, and the large one fits no other."""
    together = [Buffer(90, 0, 1), Buffer(20, 0, 1), Buffer(20, 0, 1)]
    plan = place_in_memories(together, [100, 50], [1, 500, 500])
    assert (plan.memories, plan.overflowing([100, 50])) == ((0, 1, 1), None)


def test_what_fits_nowhere_is_said() -> None:
    together = [Buffer(90, 0, 1), Buffer(90, 0, 1)]
    assert place_in_memories(together, [100, 50], [1, 1]).overflowing([100, 50]) == 1
    pinned = place_in_memories(together, [100, None], [1, 1], pins={0: 0, 1: 0})
    assert pinned.overflowing([100, None]) == 0


def test_constants() -> None:
    """By uses per byte; one that does not fit the fastest goes to the next, or stays in flash."""
    sizes, uses = [100, 10, 50, 7], [1000, 200, 1000, 7]
    assert place_constants(sizes, uses, [64, 100]) == [1, 0, 0, None]
    assert place_constants(sizes, uses, [64, 107]) == [1, 0, 0, None]
    assert place_constants(sizes, uses, [64, 108]) == [1, 0, 0, 1]
    assert place_constants(sizes, uses, [64, 108], {3: 0}) == [None, 1, 0, 0]
    assert place_constants(sizes, uses, []) == [None] * 4


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 99)), max_size=8),
    st.lists(st.integers(0, 100), max_size=3),
)
def test_constants_keep_within_their_memory(
    constants: list[tuple[int, int]], free: list[int]
) -> None:
    sizes, uses = [size for size, _ in constants], [use for _, use in constants]
    found = place_constants(sizes, uses, free)
    left = list(free)
    for size, memory in zip(sizes, found, strict=True):
        if memory is not None:
            left[memory] -= stored_bytes(size)
    assert all(room >= 0 for room in left)
    for size, memory in zip(sizes, found, strict=True):
        assert memory is not None or all(stored_bytes(size) > room for room in left)
