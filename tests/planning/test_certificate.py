"""The checker: it accepts what runs right and finds every kind of clash."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.planning.arena import Buffer, plan
from sparsec.planning.certificate import Region, Step, certify

A, B, C = Region(0, 8), Region(8, 8), Region(16, 8)
CHAIN = [Step("first", (0,), (1,)), Step("second", (1,), (2,))]


def test_a_right_plan_passes() -> None:
    certify(24, {0: A, 1: B, 2: C}, [0], CHAIN, [2])
    certify(16, {0: A, 1: B, 2: A}, [0], CHAIN, [2])  # the input is dead by then


def test_a_buffer_written_in_parts_passes() -> None:
    steps = [Step("left", (0,), (2,)), Step("right", (1,), (2,))]
    certify(24, {0: A, 1: B, 2: C}, [0, 1], steps, [2])


@pytest.mark.parametrize(
    ("regions", "steps", "outputs", "message"),
    [
        ({0: A, 1: B, 2: Region(20, 8)}, CHAIN, [2], "outside the arena"),
        ({0: A, 1: B, 2: Region(17, 7, 8)}, CHAIN, [2], "not aligned to 8"),
        ({0: A, 1: Region(7, 8), 2: C}, CHAIN, [2], "first: buffers 1 and 0 overlap"),
        ({0: A, 1: B, 2: C}, [Step("only", (1,), (2,))], [2], "read before it is written"),
        ({0: A, 1: B, 2: C}, CHAIN[:1], [2], "output buffer 2 is never written"),
        ({0: A, 1: B, 2: C}, [Step("in place", (0,), (0,))], [0], "used twice"),
        (
            {0: A, 1: B, 2: Region(4, 8)},
            [*CHAIN[:1], Step("third", (1,), (2,))],
            [1],
            "buffers 2 and 1 overlap",
        ),
        (
            {0: A, 1: B, 2: Region(4, 4)},
            [*CHAIN, Step("late", (0,), (1,))],
            [2],
            "late: buffer 0 no longer holds",
        ),
        (
            {0: A, 1: B, 2: B, 3: C},
            [Step("x", (0,), (1,)), Step("y", (0,), (2,)), Step("z", (1,), (3,))],
            [3],
            "z: buffer 1 no longer holds",
        ),
        (
            {0: A, 1: B, 2: Region(8, 4), 3: C},
            [Step("x", (0,), (1,)), Step("y", (0,), (2,)), Step("z", (0,), (1,))],
            [1],
            "z: buffer 1 no longer holds",
        ),
        ({0: A, 1: B, 2: B}, [Step("x", (0,), (1,)), Step("y", (0,), (2,))], [1], "at the end"),
    ],
)
def test_every_clash_is_found(
    regions: dict[int, Region], steps: list[Step], outputs: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        certify(24, regions, [0], steps, outputs)


def random_steps(random: Random) -> tuple[list[Step], int]:
    """Calls that read any earlier buffers and write a new one; returns the number of buffers."""
    steps: list[Step] = []
    count = 1
    for number in range(random.randint(1, 8)):
        reads = tuple(sorted({random.randrange(count) for _ in range(2)}))
        steps.append(Step(f"step {number}", reads, (count,)))
        count += 1
    return steps, count


@given(st.randoms(use_true_random=False))
def test_it_agrees_with_the_planner(random: Random) -> None:
    steps, count = random_steps(random)
    last = {0: 0}
    for time, step in enumerate(steps, start=1):
        last |= dict.fromkeys((*step.reads, *step.writes), time)
    last[count - 1] = len(steps) + 1
    buffers = [
        Buffer(random.randint(1, 30), i, last[i], random.choice([1, 8])) for i in range(count)
    ]
    layout = plan(buffers)
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
