# SPDX-License-Identifier: Apache-2.0
"""Networks to order: small ones that hypothesis draws, and chains side by side."""

from random import Random

from hypothesis import strategies as st

from sparsec.planning.dataflow import Dataflow, Operation
from sparsec.planning.overlap import Overlap

IN_PLACE = Overlap(0, 1 << 62)
"""Each element is written where it, or one before it, was read: the output may begin where the input does, or before."""


@st.composite
def small_flows(draw: st.DrawFn, most: int = 6) -> Dataflow:
    """Up to `most` operations with everything that an operation can have."""
    sizes = draw(st.lists(st.integers(0, 20), min_size=1, max_size=3))
    inputs = range(len(sizes))
    operations: list[Operation] = []
    for _ in range(draw(st.integers(0, most))):
        reads = draw(st.lists(st.integers(0, len(sizes) - 1), max_size=3, unique=True))
        count = draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
        writes = range(len(sizes), len(sizes) + count)
        sizes += [draw(st.integers(0, 20)) for _ in writes]
        written = sum(sizes[t] for t in writes)
        shares = {
            t: draw(st.integers(0, min(written, sizes[t]))) for t in reads if draw(st.booleans())
        }
        scratch = draw(st.sampled_from([0, 0, draw(st.integers(0, 20))]))
        operations.append(Operation(tuple(reads), tuple(writes), scratch, shares))
    outputs = draw(st.lists(st.integers(0, len(sizes) - 1), max_size=3, unique=True))
    return Dataflow(tuple(sizes), tuple(operations), tuple(inputs), tuple(outputs))


def chains_flow(chains: int, length: int, random: Random) -> Dataflow:
    """Chains from one input that end in small tensors, which are added up two by two."""
    sizes = [1024]
    operations: list[Operation] = []

    def new(reads: tuple[int, ...], size: int) -> int:
        operations.append(Operation(reads, (len(sizes),)))
        sizes.append(size)
        return len(sizes) - 1

    ends: list[int] = []
    for _ in range(chains):
        tensor = 0
        for _ in range(length - 1):
            tensor = new((tensor,), 64 * random.randrange(1, 65))
        ends.append(new((tensor,), 64 * random.randrange(1, 10)))
    while len(ends) > 1:
        ends = [*ends[2:], new((ends[0], ends[1]), 64)]
    return Dataflow(tuple(sizes), tuple(operations), (0,), (ends[0],))
