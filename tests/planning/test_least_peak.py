# SPDX-License-Identifier: Apache-2.0
"""Against all picks there are."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.planning.choice import Option
from sparsec.planning.least_peak import least_peak

OPTIONS = st.builds(Option, st.integers(0, 20), st.integers(0, 20))
PARTS = st.lists(st.lists(OPTIONS, min_size=1, max_size=4), min_size=1, max_size=4)


def totals(parts: list[list[Option]], picks: tuple[int, ...]) -> tuple[int, int]:
    taken = [options[pick] for options, pick in zip(parts, picks, strict=True)]
    return max(option.bytes for option in taken), sum(option.time for option in taken)


def every(parts: list[list[Option]]) -> list[tuple[int, int]]:
    return [totals(parts, picks) for picks in product(*(range(len(each)) for each in parts))]


@settings(max_examples=400)
@given(PARTS, st.integers(0, 60))
def test_the_least_peak_in_time(parts: list[list[Option]], most: int) -> None:
    peak, time = totals(parts, least_peak(parts, most))
    fast = [(p, t) for p, t in every(parts) if t <= most]
    if fast:
        assert (peak, time) == min(fast)
    else:  # as fast as it goes
        assert time == min(t for _, t in every(parts))


@settings(max_examples=200)
@given(PARTS)
def test_at_any_price(parts: list[list[Option]]) -> None:
    assert totals(parts, least_peak(parts, None)) == min(every(parts))


@settings(max_examples=300)
@given(PARTS, st.integers(0, 60), st.integers(0, 20))
def test_a_budget_is_harder_than_time(parts: list[list[Option]], most: int, enough: int) -> None:
    peak, time = totals(parts, least_peak(parts, most, enough))
    small = [(t, p) for p, t in every(parts) if p <= enough]
    if small:
        assert peak <= enough
        assert time <= most or time == min(small)[0]
    else:
        assert peak == min(p for p, _ in every(parts))


def test_nothing_to_choose() -> None:
    assert least_peak([], 3) == ()
    with pytest.raises(ValueError, match="part 1 has no option"):
        least_peak([[Option(1, 1)], []], None)
