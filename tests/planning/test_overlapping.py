# SPDX-License-Identifier: Apache-2.0
"""Plans with overlaps: as good as trying everything, safe when played, never below the bound."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning import exact
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.offsets import assign_offsets
from sparsec.planning.overlap import Overlap
from sparsec.planning.overlapping import assign_overlapping
from tests.planning.networks import IN_PLACE

Network = tuple[list[Buffer], dict[tuple[int, int], Overlap]]


@pytest.fixture(autouse=True)
def _python_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling would take longer than all these tests."""
    monkeypatch.setattr(exact, "has_compiler", lambda: False)


@st.composite
def networks(draw: st.DrawFn, most: int = 10, largest: int = 60) -> Network:
    """Operation t writes buffer t, reads up to two of the last three, and may write over what dies there."""
    count = draw(st.integers(1, most))
    alignments = draw(st.sampled_from([(1,), (4,), (1, 4, 8)]))
    reads = [
        sorted({draw(st.integers(max(0, t - 3), t - 1)) for _ in range(draw(st.integers(1, 2)))})
        for t in range(1, count)
    ]
    last = {r: t for t, row in enumerate(reads, 1) for r in row}
    sizes = [draw(st.integers(1, largest)) for _ in range(count)]
    buffers = [
        Buffer(
            sizes[t],
            t,
            count if t == count - 1 else last.get(t, t),
            draw(st.sampled_from(alignments)),
        )
        for t in range(count)
    ]
    overlaps: dict[tuple[int, int], Overlap] = {}
    for t, row in enumerate(reads, 1):
        for r in row:
            if last[r] == t and draw(st.booleans()):
                below = draw(st.integers(0, sizes[t]))
                above = draw(st.integers(max(0, 1 - below), sizes[r]))
                step = draw(st.sampled_from([0, 0, 4, 12]))
                overlaps[t, r] = draw(st.sampled_from([Overlap(below, above, step), IN_PLACE]))
    return buffers, overlaps


def is_safe(network: Network, offsets: tuple[int, ...]) -> bool:
    buffers, overlaps = network
    for i, a in enumerate(buffers):
        for j, b in enumerate(buffers[:i]):
            if a.first > b.last or b.first > a.last:
                continue
            distance = offsets[i] - offsets[j]
            allowed = overlaps.get((i, j), Overlap(a.size, b.size))
            if not (
                distance <= -min(allowed.below, a.size)
                or distance >= min(allowed.above, b.size)
                or (allowed.step and distance % allowed.step == 0)
            ):
                return False
    return True


@settings(max_examples=700)
@given(networks())
def test_a_plan_keeps_every_promise(network: Network) -> None:
    buffers, overlaps = network
    plan = assign_overlapping(buffers, overlaps)
    assert is_safe(network, plan.offsets)
    assert all(o >= 0 and o % b.alignment == 0 for o, b in zip(plan.offsets, buffers, strict=True))
    assert plan.arena_bytes == max(o + b.size for o, b in zip(plan.offsets, buffers, strict=True))
    assert max(b.size for b in buffers) <= plan.lower_bound <= plan.arena_bytes
    assert plan.arena_bytes <= assign_offsets(buffers).arena_bytes
    assert plan.status == "optimal"
    assert assign_overlapping(list(buffers), dict(overlaps)).offsets == plan.offsets


@settings(max_examples=150)
@given(networks(most=4, largest=7))
def test_an_optimal_plan_is_the_least_there_is(network: Network) -> None:
    buffers, overlaps = network
    plan = assign_overlapping(buffers, overlaps)
    ranges = [range(0, plan.arena_bytes - b.size + 1, b.alignment) for b in buffers]
    sizes = [
        max(o + b.size for o, b in zip(offsets, buffers, strict=True))
        for offsets in product(*ranges)
        if is_safe(network, offsets)
    ]
    assert min(sizes) == plan.arena_bytes


def test_a_chain_in_strips_takes_its_largest_buffer_and_the_distance() -> None:
    sizes = [490, *[8000] * 9, 64, 12]
    chain = [Buffer(size, t, t + 1, 4) for t, size in enumerate(sizes)]
    overlaps = {(t, t - 1): Overlap(320, 320) for t in range(2, 10)}
    plan = assign_overlapping(chain, overlaps)
    assert (plan.status, plan.arena_bytes) == ("optimal", 8000 + 490)
    overlaps[1, 0] = Overlap(7800, 490)
    assert assign_overlapping(chain, overlaps).arena_bytes == 8000 + 320


def test_element_by_element_nothing_is_added() -> None:
    given = [Buffer(100, 0, 2), Buffer(100, 1, 2), Buffer(100, 2, 3), Buffer(100, 3, 4)]
    overlaps = {(2, 0): IN_PLACE, (2, 1): IN_PLACE, (3, 2): IN_PLACE}
    assert assign_overlapping(given).arena_bytes == 300
    plan = assign_overlapping(given, overlaps)
    assert (plan.arena_bytes, plan.status) == (200, "optimal")


def test_steps_are_kept() -> None:
    given = [Buffer(64, 0, 1, 4), Buffer(16, 1, 2, 4), Buffer(60, 0, 2, 4)]
    plan = assign_overlapping(given, {(1, 0): Overlap(16, 64, 16)})
    assert plan.arena_bytes == 124 and (plan.offsets[1] - plan.offsets[0]) % 16 == 0


def test_without_time_the_bound_is_not_claimed() -> None:
    rng = random.Random(0)
    given = [Buffer(rng.randrange(1, 500), t, t + rng.randrange(12)) for t in range(300)]
    overlaps = {
        (t, r): Overlap(given[t].size // 2, given[r].size // 2)
        for t in range(300)
        for r in range(max(0, t - 12), t)
        if given[r].last == t
    }
    plan = assign_overlapping(given, overlaps, budget=Budget(0.0))
    assert plan.lower_bound <= plan.arena_bytes
    assert is_safe((given, overlaps), plan.offsets)
    assert plan.arena_bytes <= assign_offsets(given, budget=Budget(0.0)).arena_bytes


def test_a_long_step_allows_the_same_place_alone() -> None:
    """A step as long as both buffers has no multiple at which they would share bytes; it is not to be tried byte by byte."""
    sizes = [490, 8000, 8000, 7750, 7750, 7625, 7625, 7500, 7500, 6750, 54]
    scratch = {1: 324, 2: 200, 3: 1088, 4: 200, 5: 1056, 6: 200, 7: 1040, 8: 200, 9: 1020, 10: 216}
    buffers = [Buffer(size, t, t + 1, 4) for t, size in enumerate(sizes)]
    buffers += [Buffer(size, t, t, 8) for t, size in scratch.items()]
    overlaps = {(1, 0): Overlap(7720, 360)}
    overlaps |= {(t, t - 1): Overlap(sizes[t] - 60, sizes[t], sizes[t]) for t in (2, 4, 6, 8)}
    for t, overlap in ((3, (496, 736)), (5, (976, 1088)), (7, (960, 1072)), (9, (864, 1536))):
        overlaps[t, t - 1] = Overlap(*overlap)
    overlaps[10, 9] = Overlap(0, 6750)
    plan = assign_overlapping(buffers, overlaps)
    assert (plan.arena_bytes, plan.status) == (9776, "optimal")
