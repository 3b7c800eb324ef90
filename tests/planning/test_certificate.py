# SPDX-License-Identifier: Apache-2.0
"""The checker: it accepts what runs right and finds every kind of clash."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.planning.arena import Buffer
from sparsec.planning.certificate import Claim, Part, Region, Step
from sparsec.planning.certificate import certify as certify_memories
from sparsec.planning.offsets import assign_offsets


def step(name: str, reads: tuple[int, ...], writes: tuple[int, ...]) -> Step:
    """A call that uses whole buffers."""
    return Step(name, tuple(map(Part, reads)), tuple(map(Part, writes)))


def certify(
    arena_bytes: int,
    regions: dict[int, Region],
    inputs: list[int],
    steps: list[Step],
    outputs: list[int],
) -> None:
    """With one memory."""
    certify_memories([arena_bytes], regions, inputs, steps, outputs)


A, B, C = Region(0, 8), Region(8, 8), Region(16, 8)
CHAIN = [step("first", (0,), (1,)), step("second", (1,), (2,))]


def test_a_right_plan_passes() -> None:
    certify(24, {0: A, 1: B, 2: C}, [0], CHAIN, [2])
    certify(16, {0: A, 1: B, 2: A}, [0], CHAIN, [2])  # the input is dead by then


def test_a_buffer_written_in_parts_passes() -> None:
    steps = [step("left", (0,), (2,)), step("right", (1,), (2,))]
    certify(24, {0: A, 1: B, 2: C}, [0, 1], steps, [2])


@pytest.mark.parametrize(
    ("regions", "steps", "outputs", "message"),
    [
        ({0: A, 1: B, 2: Region(20, 8)}, CHAIN, [2], "outside the arena"),
        ({0: A, 1: B, 2: Region(17, 7, 8)}, CHAIN, [2], "not aligned to 8"),
        ({0: A, 1: Region(7, 8), 2: C}, CHAIN, [2], "first: buffers 1 and 0 overlap"),
        ({0: A, 1: B, 2: C}, [step("only", (1,), (2,))], [2], "read before it is written"),
        ({0: A, 1: B, 2: C}, CHAIN[:1], [2], "output buffer 2 is never written"),
        (
            {0: A, 1: B, 2: C},
            [step("in place", (0,), (0,))],
            [0],
            "in place: buffers 0 and 0 overlap",
        ),
        (
            {0: A, 1: B, 2: Region(4, 8)},
            [*CHAIN[:1], step("third", (1,), (2,))],
            [1],
            "buffers 2 and 1 overlap",
        ),
        (
            {0: A, 1: B, 2: Region(4, 4)},
            [*CHAIN, step("late", (0,), (1,))],
            [2],
            "late: buffer 0 no longer holds",
        ),
        (
            {0: A, 1: B, 2: B, 3: C},
            [step("x", (0,), (1,)), step("y", (0,), (2,)), step("z", (1,), (3,))],
            [3],
            "z: buffer 1 no longer holds",
        ),
        (
            {0: A, 1: B, 2: Region(8, 4), 3: C},
            [step("x", (0,), (1,)), step("y", (0,), (2,)), step("z", (0,), (1,))],
            [1],
            "z: buffer 1 no longer holds",
        ),
        ({0: A, 1: B, 2: B}, [step("x", (0,), (1,)), step("y", (0,), (2,))], [1], "at the end"),
    ],
)
def test_every_clash_is_found(
    regions: dict[int, Region], steps: list[Step], outputs: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        certify(24, regions, [0], steps, outputs)


def strip(distance: int) -> tuple[dict[int, Region], list[Step]]:
    """A call whose output of 8 bytes begins `distance` bytes behind its input of 12."""
    regions = {0: Region(20, 12), 1: Region(20 + distance, 8)}
    claim = Claim(Part(1), Part(0), below=4, above=10, step=6)
    return regions, [Step("strips", (Part(0),), (Part(1),), (claim,))]


@pytest.mark.parametrize("distance", [-20, -8, -5, -4, 0, 6, 10, 12])
def test_a_claimed_overlap_passes(distance: int) -> None:
    regions, steps = strip(distance)
    certify(60, regions, [0], steps, [1])


@pytest.mark.parametrize("distance", [-3, -1, 1, 5, 7, 9])
def test_one_byte_more_than_claimed_is_found(distance: int) -> None:
    regions, steps = strip(distance)
    with pytest.raises(ValueError, match="strips: buffers 1 and 0 overlap"):
        certify(60, regions, [0], steps, [1])


def test_an_input_that_was_written_over_cannot_be_read_again() -> None:
    regions, steps = strip(-4)
    late = Step("late", (Part(0),), (Part(2),))
    with pytest.raises(ValueError, match="late: buffer 0 no longer holds"):
        certify(60, {**regions, 2: Region(40, 4)}, [0], [*steps, late], [1])


def test_a_claim_holds_for_its_pair_alone() -> None:
    regions, (call,) = strip(-4)
    both = Step("both", (Part(0), Part(2)), call.writes, call.claims)
    with pytest.raises(ValueError, match="both: buffers 1 and 2 overlap"):
        certify(60, {**regions, 2: Region(16, 4)}, [0, 2], [both], [1])


def test_parts_of_a_buffer_are_written_and_read_alone() -> None:
    regions = {0: A, 1: Region(8, 16), 2: C}
    left, right = Part(1, 0, 8), Part(1, 8, 8)
    steps = [Step("a", (Part(0),), (left,)), Step("b", (left,), (right,))]
    certify(24, regions, [0], steps, [1])
    with pytest.raises(ValueError, match="a: buffer 1 is read before"):
        certify(24, regions, [0], [Step("a", (right,), (Part(0),))], [0])
    with pytest.raises(ValueError, match="output buffer 1|buffer 1 is read before"):
        certify(24, regions, [0], steps[:1], [1])
    with pytest.raises(ValueError, match="b: buffers 1 and 1 overlap"):
        certify(24, regions, [0], [steps[0], Step("b", (left,), (Part(1, 7, 2),))], [1])
    with pytest.raises(ValueError, match="not a part of a buffer of 16 bytes"):
        certify(24, regions, [0], [Step("a", (Part(0),), (Part(1, 9, 8),))], [1])
    lost = Step("lost", (Part(0),), (Part(2),))
    with pytest.raises(ValueError, match="at the end: buffer 1 no longer holds"):
        certify(24, regions, [0], [*steps, lost], [1])


def test_memories_are_apart() -> None:
    regions = {0: Region(0, 8, memory=0), 1: Region(0, 8, memory=1)}
    certify_memories([8, 8], regions, [0], [step("x", (0,), (1,))], [1])
    with pytest.raises(ValueError, match="outside the arena of 4 bytes"):
        certify_memories([8, 4], regions, [0], [step("x", (0,), (1,))], [1])


def random_steps(random: Random) -> tuple[list[Step], int]:
    """Calls that read any earlier buffers and write a new one; returns the number of buffers."""
    steps: list[Step] = []
    count = 1
    for number in range(random.randint(1, 8)):
        reads = tuple(sorted({random.randrange(count) for _ in range(2)}))
        steps.append(step(f"step {number}", reads, (count,)))
        count += 1
    return steps, count


@given(st.randoms(use_true_random=False))
def test_it_agrees_with_the_planner(random: Random) -> None:
    steps, count = random_steps(random)
    last = {0: 0}
    for time, call in enumerate(steps, start=1):
        last |= dict.fromkeys((part.buffer for part in (*call.reads, *call.writes)), time)
    last[count - 1] = len(steps) + 1
    buffers = [
        Buffer(random.randint(1, 30), i, last[i], random.choice([1, 8])) for i in range(count)
    ]
    layout = assign_offsets(buffers)
    regions = {
        i: Region(offset, buffer.size, buffer.alignment)
        for i, (offset, buffer) in enumerate(zip(layout.offsets, buffers, strict=True))
    }
    certify(layout.arena_bytes, regions, [0], steps, [count - 1])

    # Moved onto a buffer that is live together with it, a buffer has to be found.
    for i, buffer in enumerate(buffers):
        for j, other in enumerate(buffers[:i]):
            if buffer.first <= other.last and other.first <= buffer.last:
                moved = {**regions, i: Region(regions[j].offset, buffer.size)}
                with pytest.raises(ValueError, match="buffer"):
                    certify(10_000, moved, [0], steps, [count - 1])
                return
