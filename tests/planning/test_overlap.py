# SPDX-License-Identifier: Apache-2.0
"""Overlaps against playing them: a strip scribbles over all it writes before it reads."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning.overlap import Overlap, Strip, apart, overlap_of, row_strips
from tests.planning.networks import IN_PLACE


def survives(strips: list[Strip], distance: int) -> bool:
    """Whether every strip reads what was there at first, in the order that the distance asks for."""
    written: set[int] = set()
    for strip in strips if distance <= 0 else reversed(strips):
        written |= set(range(distance + strip.writes[0], distance + strip.writes[1]))
        if written & set(range(*strip.reads)):
            return False
    return True


@st.composite
def windows(draw: st.DrawFn) -> list[Strip]:
    height, stride, kernel = (
        draw(st.integers(1, 9)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 4)),
    )
    padding = draw(st.integers(0, kernel - 1))
    most = (height + 2 * padding - kernel) // stride + 1
    rows = draw(st.integers(1, max(1, most)))
    sizes = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return row_strips(
        (height, sizes[0]), (rows, sizes[1]), stride, padding, kernel, draw(st.integers(1, 4))
    )


@settings(max_examples=500)
@given(windows())
def test_an_overlap_is_safe_and_no_byte_more_is(strips: list[Strip]) -> None:
    overlap = overlap_of(strips)
    assert survives(strips, -overlap.below)
    assert survives(strips, overlap.above)
    for distance in range(-overlap.below - 5, overlap.above + 6):
        # Where input and output begin together no order is the right one.
        assert survives(strips, distance) or not overlap.allows(distance)
    if overlap.below > 1:
        assert not survives(strips, -overlap.below + 1)
    if overlap.above > 1:
        assert not survives(strips, overlap.above - 1)


def test_rows_of_a_window() -> None:
    strips = row_strips((4, 10), (4, 20), stride=1, padding=1, reach=3, rows=2)
    assert strips == [Strip((0, 30), (0, 40)), Strip((10, 40), (40, 80))]
    # 80 - 10 bytes before; 40 - 40 and 30 - 0 behind.
    assert overlap_of(strips) == Overlap(70, 30)


def test_output_and_input_that_begin_together() -> None:
    # The first strips read padding only, so that going down would be safe: but there the strips go up.
    strips = row_strips((4, 10), (8, 10), stride=1, padding=4, reach=1, rows=1)
    assert overlap_of(strips) == Overlap(50, 1)
    assert not survives(strips, 0) and survives(strips, 1)


def test_what_an_overlap_allows() -> None:
    assert [d for d in range(-5, 6) if Overlap(4, 3).allows(d)] == [-5, -4, 3, 4, 5]
    assert [d for d in range(-5, 6) if Overlap(5, 5, 2).allows(d)] == [-5, -4, -2, 0, 2, 4, 5]
    assert IN_PLACE.allows(0) and IN_PLACE.allows(-1) and not IN_PLACE.allows(1)
    with pytest.raises(ValueError, match="distances cannot be negative"):
        Overlap(-1, 0)


def test_bytes_that_are_shared_at_most() -> None:
    assert apart(8, 4).bytes(8, 4) == 0
    assert Overlap(3, 4).bytes(8, 4) == 4
    assert Overlap(7, 3).bytes(8, 4) == 1
    assert Overlap(8, 4, 2).bytes(8, 4) == 4
    assert IN_PLACE.bytes(8, 8) == 8
