# SPDX-License-Identifier: Apache-2.0
"""Exact offsets: as good as trying everything, never below the bound, the same every time."""

import random
import time
from itertools import pairwise, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning import exact
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.certificate import Part, Region, Step, certify
from sparsec.planning.exact import DEAD, FOUND, Portfolio, has_compiler
from sparsec.planning.offsets import assign_offsets


@pytest.fixture(autouse=True)
def _python_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling would take longer than all these tests."""
    monkeypatch.setattr(exact, "has_compiler", lambda: False)


@st.composite
def buffers(draw: st.DrawFn, most: int = 12, largest: int = 100) -> list[Buffer]:
    alignments = draw(st.sampled_from([(1,), (4,), (1, 4, 8), (6, 4)]))
    result: list[Buffer] = []
    for _ in range(draw(st.integers(1, most))):
        first = draw(st.integers(0, 8))
        last = first + draw(st.integers(0, 5))
        alignment = draw(st.sampled_from(alignments))
        result.append(Buffer(draw(st.integers(1, largest)), first, last, alignment))
    return result


def together(a: Buffer, b: Buffer) -> bool:
    return a.first <= b.last and b.first <= a.last


def are_apart(buffers: list[Buffer], offsets: tuple[int, ...]) -> bool:
    placed = list(zip(buffers, offsets, strict=True))
    return all(
        not together(a, b) or start + a.size <= other or other + b.size <= start
        for i, (a, start) in enumerate(placed)
        for b, other in placed[:i]
    )


def least_by_order(buffers: list[Buffer]) -> int:
    """The least arena: some order of placing buffers on top of their neighbours gives it."""
    least = sum(buffer.size + buffer.alignment for buffer in buffers)
    for order in permutations(range(len(buffers))):
        tops: dict[int, int] = {}
        for j in order:
            below = [top for k, top in tops.items() if together(buffers[j], buffers[k])]
            bottom = -(-max(below, default=0) // buffers[j].alignment) * buffers[j].alignment
            tops[j] = bottom + buffers[j].size
        least = min(least, max(tops.values()))
    return least


def least_by_offset(buffers: list[Buffer], pins: dict[int, int], most: int) -> int | None:
    """The least arena of all offsets, None if it takes more than `most` bytes."""
    choices = [
        [pins[j]] if j in pins else range(0, most - b.size + 1, b.alignment)
        for j, b in enumerate(buffers)
    ]
    sizes = [
        max(offset + b.size for offset, b in zip(offsets, buffers, strict=True))
        for offsets in product(*choices)
        if are_apart(buffers, offsets)
    ]
    return min(sizes, default=None)


@settings(max_examples=800)
@given(buffers(most=9))
def test_a_plan_keeps_every_promise(given: list[Buffer]) -> None:
    plan = assign_offsets(given)
    assert are_apart(given, plan.offsets)
    assert all(o >= 0 and o % b.alignment == 0 for o, b in zip(plan.offsets, given, strict=True))
    assert plan.arena_bytes == max(o + b.size for o, b in zip(plan.offsets, given, strict=True))
    live = [sum(b.size for b in given if b.first <= t <= b.last) for t in range(20)]
    assert max(live) <= plan.lower_bound <= plan.arena_bytes
    assert plan.status == "optimal" and plan.gap == 0
    assert assign_offsets(list(given)).offsets == plan.offsets


@settings(max_examples=500)
@given(buffers(most=6, largest=30))
def test_an_optimal_plan_is_the_least_there_is(given: list[Buffer]) -> None:
    plan = assign_offsets(given)
    assert (plan.status, plan.arena_bytes) == ("optimal", least_by_order(given))


@settings(max_examples=400)
@given(buffers(most=7, largest=20), st.integers(-9, 3))
def test_the_search_alone_knows_what_fits(given: list[Buffer], more: int) -> None:
    least = least_by_order(given) if len(given) < 7 else assign_offsets(given).arena_bytes
    result, offsets = Portfolio(given, {}).run(least + more, 4000, Budget(60))
    assert result == (DEAD if more < 0 else FOUND)
    if result == FOUND:
        assert are_apart(given, tuple(offsets))
        assert all(o % b.alignment == 0 for o, b in zip(offsets, given, strict=True))


@settings(max_examples=300)
@given(buffers(most=4, largest=5), st.lists(st.integers(0, 6), max_size=2))
def test_pins_hold_and_cost_no_more_than_they_must(given: list[Buffer], wanted: list[int]) -> None:
    pins = {j: o * given[j].alignment for j, o in enumerate(wanted[: len(given)])}
    pinned = [(given[j], pins[j]) for j in pins]
    if not are_apart([b for b, _ in pinned], tuple(o for _, o in pinned)):
        with pytest.raises(ValueError, match="buffers 0 and 1 are pinned to the same bytes"):
            assign_offsets(given, pins)
        return
    plan = assign_offsets(given, pins)
    assert all(plan.offsets[j] == offset for j, offset in pins.items())
    assert are_apart(given, plan.offsets)
    assert plan.status == "optimal"
    if plan.arena_bytes <= 24:
        assert plan.arena_bytes == least_by_offset(given, pins, plan.arena_bytes)


def test_a_pin_that_cannot_be_is_refused() -> None:
    one = [Buffer(4, 0, 1, 4)]
    with pytest.raises(ValueError, match="buffer 0 cannot be pinned at 6: its alignment is 4"):
        assign_offsets(one, {0: 6})
    with pytest.raises(ValueError, match="there is no buffer 1 to pin"):
        assign_offsets(one, {1: 0})
    with pytest.raises(ValueError, match="buffer 0 has no place"):
        assign_offsets([Buffer(4, 2, 1)])


def test_the_bound_rises_when_the_largest_live_set_cannot_be_reached() -> None:
    given = [Buffer(5, 0, 0, 8), Buffer(5, 0, 0, 12), Buffer(5, 0, 0, 12)]
    plan = assign_offsets(given)
    largest_live_set = 8 + 8 + 5
    assert plan.status == "optimal"
    assert plan.lower_bound == plan.arena_bytes == least_by_order(given) == 29 > largest_live_set
    unfinished = assign_offsets(given, budget=Budget(0.0))
    assert (unfinished.status, unfinished.lower_bound) == ("feasible", largest_live_set)
    assert unfinished.gap > 0


def test_a_capacity_is_enough() -> None:
    rng = random.Random(1)
    given = [Buffer(rng.randrange(1, 99), t := rng.randrange(60), t + 9) for _ in range(100)]
    loose = assign_offsets(given, capacity=10_000)
    assert loose.arena_bytes <= 10_000
    assert loose.arena_bytes >= loose.lower_bound


def test_chains_are_proven_at_once() -> None:
    chains = {
        "fully connected": [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640],
        "depthwise": [490, *[8000] * 9, 64, 12, 12],
        "residual": [3072, 16384, 16384, 16384, 16384, 8192, 8192, 4096, 64, 10],
        "mobile": [27648, 18432, 36864, 9216, 18432, 18432, 4608, 9216, 9216, 2304, 256, 2],
    }
    for sizes in chains.values():
        chain = [Buffer(size, time, time + 1, 4) for time, size in enumerate(sizes)]
        plan = assign_offsets(chain)
        assert plan.status == "optimal" and plan.seconds < 1
        assert plan.arena_bytes == max(-(-a // 4) * 4 + b for a, b in pairwise(sizes))


def test_a_thousand_operations_are_planned_in_time_with_their_gap() -> None:
    rng = random.Random(0)
    given = [
        Buffer(16 * rng.randrange(1, 500), t, min(999, t + 1 + int(rng.expovariate(0.15))), 16)
        for t in range(1000)
    ]
    begin = time.monotonic()
    plan = assign_offsets(given, budget=Budget(2.0))
    assert time.monotonic() - begin < 10
    assert are_apart(given, plan.offsets)
    assert plan.gap == 1 - plan.lower_bound / plan.arena_bytes < 0.1


def test_the_certificate_agrees() -> None:
    rng = random.Random(5)
    for _ in range(50):
        reads = [sorted({rng.randrange(max(0, t - 4), t) for _ in range(2)}) for t in range(1, 12)]
        last = {r: t for t, row in enumerate(reads, 1) for r in row}
        given = [Buffer(rng.randrange(1, 64), t, last.get(t, t), 4) for t in range(12)]
        plan = assign_offsets(given)
        regions = {
            j: Region(o, b.size, b.alignment)
            for j, (o, b) in enumerate(zip(plan.offsets, given, strict=True))
        }
        steps = [
            Step(f"op {t}", tuple(map(Part, row)), (Part(t),)) for t, row in enumerate(reads, 1)
        ]
        certify([plan.arena_bytes], regions, [0], steps, [11])


@pytest.mark.slow
@pytest.mark.skipif(not has_compiler(), reason="numba is not installed")
def test_compiled_code_finds_the_same_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    given = [
        Buffer(rng.randrange(1, 50), t := rng.randrange(40), t + rng.randrange(15), 4)
        for _ in range(60)
    ]
    slow = assign_offsets(given, budget=Budget(5))
    for more in (-8, 0):
        capacity = slow.arena_bytes + more
        interpreted = Portfolio(given, {}).run(capacity, 400, Budget(60))
        monkeypatch.setattr(exact, "_PATIENCE", -1.0)
        monkeypatch.setattr(exact, "has_compiler", lambda: True)
        assert Portfolio(given, {}).run(capacity, 400, Budget(60)) == interpreted
        monkeypatch.setattr(exact, "has_compiler", lambda: False)
