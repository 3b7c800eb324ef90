# SPDX-License-Identifier: Apache-2.0
"""Reshapes in memory against numpy: for every order of the axes, and what stays where it lies."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.frontends.reshaping import axis_groups, reshape_of


@st.composite
def shapes(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two shapes of as many elements, with axes of one element anywhere."""
    factors = draw(st.lists(st.sampled_from([2, 2, 3]), max_size=5))

    def shape() -> list[int]:
        cuts = sorted(draw(st.lists(st.integers(0, len(factors)), max_size=4)))
        ends = zip([0, *cuts], [*cuts, len(factors)], strict=True)
        return [prod(factors[start:end]) for start, end in ends]

    return shape(), shape()


@settings(max_examples=300)
@given(shapes(), st.data())
def test_the_elements_are_those_of_numpy(
    pair: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    old, new = pair
    order = tuple(data.draw(st.permutations(range(len(old)))))
    plan = reshape_of(old, order, new)
    assert sorted(plan.before) == list(range(len(old)))
    assert sorted(plan.after) == list(range(len(new)))
    x = np.arange(prod(old)).reshape(old)
    stored = x.transpose(plan.before).reshape([new[axis] for axis in plan.after])
    back = [plan.after.index(axis) for axis in range(len(new))]
    np.testing.assert_array_equal(stored.transpose(back), x.reshape(new))


def test_groups() -> None:
    assert axis_groups((1, 6, 4, 5), (1, 2, 3, 20)) == [([1], [1, 2]), ([2, 3], [3])]
    assert axis_groups((6, 4), (4, 6)) == [([0, 1], [0, 1])]
    assert axis_groups((1, 1), (1,)) == []


NHWC = (0, 2, 3, 1)
STAYS = [
    ((1, 6, 4, 5), NHWC, (1, 6, 20), (0, 2, 1)),
    ((1, 6, 4, 5), NHWC, (1, 2, 3, 4, 5), (0, 3, 4, 1, 2)),
    ((1, 6, 5), (0, 2, 1), (1, 6, 1, 5), (0, 2, 3, 1)),
    ((1, 6, 5), (0, 2, 1), (1, 6, 5, 1), (0, 2, 3, 1)),
    ((1, 1, 4, 5), NHWC, (1, 4, 5), (0, 1, 2)),
]


@pytest.mark.parametrize(("shape", "order", "new", "after"), STAYS)
def test_what_stays_where_it_lies(
    shape: tuple[int, ...], order: tuple[int, ...], new: tuple[int, ...], after: tuple[int, ...]
) -> None:
    plan = reshape_of(shape, order, new)
    assert (plan.before, plan.after) == (order, after)


def test_what_has_to_move_becomes_an_image_in_its_order() -> None:
    plan = reshape_of((1, 3, 4, 2, 5, 2), (0, 2, 4, 1, 3, 5), (1, 3, 8, 10))
    assert (plan.before, plan.after) == ((0, 2, 3, 4, 5, 1), NHWC)
    assert reshape_of((1, 6, 4, 5), NHWC, (1, 24, 5)).after == (0, 1, 2)
