# SPDX-License-Identifier: Apache-2.0
"""What a search may do: steps, the same on every machine, or seconds for who asks for them."""

import random
import time

import pytest

from sparsec.planning import exact
from sparsec.planning.arena import Buffer
from sparsec.planning.budget import Budget
from sparsec.planning.overlap import Overlap
from sparsec.planning.overlapping import assign_overlapping


def test_steps_are_counted_for_the_whole_too() -> None:
    whole = Budget(work=100)
    part = whole.part(0.25)
    part.spend(24)
    assert not part.is_over()
    part.spend(1)
    assert part.is_over() and not whole.is_over()
    whole.part(1).spend(75)
    assert whole.is_over()


def test_seconds_are_no_steps() -> None:
    patient = Budget(3600)
    patient.spend(1 << 60)
    assert not patient.is_over() and not patient.part(0.5).is_over()
    assert Budget(0).is_over() and Budget(0).part(0.5).is_over()


def network() -> tuple[list[Buffer], dict[tuple[int, int], Overlap]]:
    """Sixty buffers in which about half may overlap."""
    rng = random.Random(1)
    buffers = [Buffer(rng.randrange(1, 999), t, t + rng.randrange(1, 8), 4) for t in range(60)]
    overlaps = {
        (t, r): Overlap(buffers[t].size // 2, buffers[r].size // 2)
        for t in range(60)
        for r in range(max(0, t - 8), t)
        if buffers[r].last == t
    }
    return buffers, overlaps


def test_a_slow_machine_finds_the_same_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "has_compiler", lambda: False)
    buffers, overlaps = network()
    plan = assign_overlapping(buffers, overlaps, budget=Budget(work=30_000))
    assert plan.status == "feasible"  # the steps were up
    now = 0.0

    def later() -> float:
        nonlocal now
        now += 60.0
        return now

    monkeypatch.setattr(time, "monotonic", later)
    slow = assign_overlapping(buffers, overlaps, budget=Budget(work=30_000))
    assert (slow.offsets, slow.lower_bound) == (plan.offsets, plan.lower_bound)


def test_a_tight_begin_is_planned_whatever_comes_behind_it() -> None:
    """Person detection on a Helium core: its first layers take it all, the others fit in many ways."""
    sizes = [27648, 18432, 18432, *[9216, 9216] * 8, *[4608] * 12]
    scratch = [128, 7816, 6768, *[4464] * (len(sizes) - 4)]
    chain = [Buffer(size, t, t + 1, 4) for t, size in enumerate(sizes)]
    chain += [Buffer(size, t, t, 8) for t, size in enumerate(scratch, 1)]
    overlaps = {(1, 0): Overlap(384, 9696), (2, 1): Overlap(18424, 18432, 8)}
    overlaps |= {(t, t - 1): Overlap(0, sizes[t - 1]) for t in range(3, len(sizes), 2)}
    budget = Budget(work=20_000)
    plan = assign_overlapping(chain, overlaps, budget=budget)
    assert (plan.arena_bytes, plan.status) == (28160, "optimal")
    assert not budget.is_over()
