# SPDX-License-Identifier: Apache-2.0
"""The largest live set."""

from hypothesis import given
from hypothesis import strategies as st

from sparsec.planning.arena import Buffer, lower_bound


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 10), st.integers(0, 5)), max_size=12))
def test_the_lower_bound_is_the_largest_live_set(given: list[tuple[int, int, int]]) -> None:
    buffers = [Buffer(size, first, first + more) for size, first, more in given]
    live = [sum(b.size for b in buffers if b.first <= time <= b.last) for time in range(20)]
    assert lower_bound(buffers) == max(live)
