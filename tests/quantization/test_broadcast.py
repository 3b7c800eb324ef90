# SPDX-License-Identifier: Apache-2.0
"""Merged axes: the same elements meet, and no two neighbouring axes could be one."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.quantization.broadcast import broadcast_shape, merged

SIZES = st.lists(st.integers(1, 3), max_size=5)


@given(SIZES, st.data())
def test_the_same_elements_meet(sizes: list[int], data: st.DataObject) -> None:
    shapes: list[tuple[int, ...]] = []
    for _ in range(2):
        kept = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
        shape = [n if own else 1 for n, own in zip(sizes, kept, strict=True)]
        shapes.append(tuple(shape[data.draw(st.integers(0, len(shape))) :]))
    arrays = [np.arange(np.prod(shape, dtype=np.int64)).reshape(shape) for shape in shapes]
    found = merged(*shapes)
    assert len(found[0]) == len(found[1])
    pairs = zip(arrays, found, strict=True)
    again = np.broadcast_arrays(*(array.reshape(shape) for array, shape in pairs))
    for before, after in zip(np.broadcast_arrays(*arrays), again, strict=True):
        np.testing.assert_array_equal(before.ravel(), after.ravel())
    kinds = [(n != 1, m != 1) for n, m in zip(*found, strict=True)]
    assert all(a != b for a, b in itertools.pairwise(kinds))


def test_axes_become_one() -> None:
    assert merged((1, 4, 5, 3), (1, 1, 1, 3)) == ((20, 3), (1, 3))
    assert merged((1, 4, 5, 3), (1, 4, 5, 1)) == ((20, 3), (20, 1))
    assert merged((2, 1), (3,)) == ((2, 1), (1, 3))
    assert merged((), (1, 1)) == ((1,), (1,))


def test_what_does_not_go_together() -> None:
    with pytest.raises(ValueError, match="shapes 2x3 and 2 cannot be broadcast"):
        broadcast_shape((2, 3), (2,))
