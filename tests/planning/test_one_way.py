# SPDX-License-Identifier: Apache-2.0
"""Overlaps of kernels that work in one order, against playing them byte by byte."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning.one_way import (
    NOTHING,
    Spans,
    broadcast,
    channel_by_channel,
    one_way,
    read_first,
    repeated,
    spans,
    window_spans,
)
from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Pool

MANY = settings(max_examples=500)


@st.composite
def steps(draw: st.DrawFn) -> tuple[Spans, Spans]:
    """Reads in any order, some of nothing; writes that ascend."""
    count, size = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    places = draw(st.lists(st.integers(0, 12), min_size=count, max_size=count))
    reads = spans(np.array(places), draw(st.integers(1, 4)))
    for step in draw(st.sets(st.integers(1, max(count - 1, 1)), max_size=2)):
        if step < count:
            reads[step] = NOTHING
    return reads, spans(np.arange(count) * size, size)


def survives(reads: Spans, writes: Spans, distance: int, first: bool) -> bool:
    """Whether each step reads what was there at first; `first` if it writes after all of its reads."""
    gone: set[int] = set()
    for read, write in zip(reads.tolist(), writes.tolist(), strict=True):
        own = set(range(distance + write[0], distance + write[1]))
        if (gone if first else gone | own) & set(range(*read)):
            return False
        gone |= own
    return True


@MANY
@given(steps(), st.booleans())
def test_the_limits_are_exact(found: tuple[Spans, Spans], first: bool) -> None:
    reads, writes = found
    overlap = (read_first if first else one_way)(reads, writes)
    for distance in range(-overlap.below - 9, overlap.above + 10):
        assert survives(reads, writes, distance, first) or not overlap.allows(distance)
    if overlap.below > 0:
        assert not survives(reads, writes, 1 - overlap.below, first)
    if overlap.above > 0:
        assert not survives(reads, writes, overlap.above - 1, first)


def test_a_repeated_operand_keeps_what_its_last_round_reads() -> None:
    assert repeated(12, 12) == Overlap(0, 12)
    assert repeated(12, 4) == Overlap(8, 4)
    assert repeated(12, 4).bytes(12, 4) == 4


def test_an_operand_that_broadcasts_keeps_what_is_read_again() -> None:
    assert broadcast((3, 4), (3, 4)) == repeated(12, 12)
    assert broadcast((3, 4), (4,)) == broadcast((3, 4), (1, 4)) == repeated(12, 4)
    assert broadcast((3, 4), (1, 1)) == repeated(12, 1)
    # One for each row: where the output begins 9 bytes before, its last row overwrites none that is still read.
    assert broadcast((3, 4), (3, 1)) == Overlap(9, 3)


def test_windows_of_two_by_two() -> None:
    reads, writes = window_spans(Pool((2, 2), kernel=(2, 2)), (4, 6), (2, 3), 5)
    assert reads[:2].tolist() == [[0, 40], [10, 50]]
    assert writes[-1].tolist() == [25, 30]
    # A pixel is gathered before the input, or in its first pixel's place channel by channel.
    assert one_way(reads, writes) == Overlap(5, 120)
    assert channel_by_channel(reads, writes) == Overlap(0, 120)
