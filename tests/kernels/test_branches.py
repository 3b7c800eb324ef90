# SPDX-License-Identifier: Apache-2.0
"""What is expected of a counter of two bits, next to one that goes through random branches."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from sparsec.kernels.branches import Lists, in_jumps, in_loops, of_choice, of_jump, of_loop

RUNS = 20_000


def wrong(branches: Iterable[bool], skipped: int = 0) -> int:
    """How many branches behind `skipped` ones a counter predicts wrongly: run/harness/count_blocks.c."""
    state = 1
    count = 0
    for number, taken in enumerate(branches):
        count += number >= skipped and taken != (state >= 2)
        state = min(3, state + 1) if taken else max(0, state - 1)
    return count


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5, 0.9, 1.0])
def test_choices(share: float) -> None:
    taken = np.random.default_rng(1).random(RUNS) < share
    assert of_choice(share) == pytest.approx(wrong(taken.tolist()) / RUNS, abs=0.01)


@pytest.mark.parametrize(
    "passes",
    [
        [0.0, 1.0],
        [1.0],
        [0.0, 0.5, 0.5],
        [0.2, 0.3, 0.1, 0.4],
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        [0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5],
    ],
)
def test_loops(passes: Sequence[float]) -> None:
    runs = np.random.default_rng(2).choice(len(passes), RUNS, p=passes)
    branches = branches_of(runs.tolist())
    assert of_loop(np.array(passes)) == pytest.approx(wrong(branches) / RUNS, abs=0.02)


def branches_of(passes: Iterable[int]) -> list[bool]:
    """At the end of a loop that has so many passes by turns."""
    return [turn < each - 1 for each in passes for turn in range(each)]


@pytest.mark.parametrize("passes", [[3], [1, 1, 5], [4, 0, 2, 2, 7, 1], [2, 1], []])
def test_known_loops(passes: list[int]) -> None:
    once = branches_of(passes)
    assert in_loops(passes) == wrong(once + once, skipped=len(once))


def test_known_jumps() -> None:
    assert in_jumps([1, 1, 2, 2, 1]) == 2 and in_jumps([1, 2]) == 2
    assert in_jumps([5, 5]) == in_jumps([]) == 0


def test_jumps() -> None:
    assert of_jump(np.array([1.0, 0.0])) == 0
    assert of_jump(np.array([0.5, 0.25, 0.25])) == 1 - 0.25 - 0.0625 - 0.0625


def test_what_lists_hold() -> None:
    lists = Lists.of(300, rows=20, places=50)
    assert lists.counts.sum() == pytest.approx(1)
    assert lists.counts @ np.arange(51) == pytest.approx(15)
    held = np.random.default_rng(3).binomial(50, 0.3, RUNS)
    groups, left = lists.in_groups(4)
    assert groups[3] == pytest.approx(np.count_nonzero(held // 4 == 3) / RUNS, abs=0.01)
    assert left[1] == pytest.approx(np.count_nonzero(held % 4 == 1) / RUNS, abs=0.01)
    passes = ((held + 15) // 16).sum() / RUNS
    assert lists.mean((np.arange(51) + 15) // 16) == pytest.approx(passes, abs=0.01)


def test_full_and_empty_lists() -> None:
    full, empty = Lists.of(12, 3, 4), Lists.of(0, 3, 4)
    assert full.counts.tolist() == [0, 0, 0, 0, 1] and full.used == 3
    assert empty.counts.tolist() == [1, 0, 0, 0, 0] and empty.used == 0
    # Zeros of a format that has to store them can be more than there are places.
    assert Lists.of(100, 3, 4).share == 1
