# SPDX-License-Identifier: Apache-2.0
"""The layouts for Helium hold what they were made of, and nothing else is taken for a layout."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.layouts.linear import RowNumbers, pack_proven
from sparsec.layouts.linear_vectors import (
    ContiguousLayout,
    GatherLayout,
    VectorLayout,
    WordLayout,
    within_reach,
)
from tests.layouts.test_linear import matrix, numbers

LAYOUTS: tuple[VectorLayout, ...] = (GatherLayout(), WordLayout(), ContiguousLayout())
EACH_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)


@EACH_LAYOUT
@settings(max_examples=40)
@given(
    rows=st.integers(1, 9),
    columns=st.one_of(st.integers(16, 50), st.integers(250, 262), st.integers(1020, 1030)),
    density=st.sampled_from([0.0, 0.03, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip(
    layout: VectorLayout, rows: int, columns: int, density: float, seed: int
) -> None:
    pack_proven(layout, matrix(rows, columns, density, seed), numbers(rows, seed))


@EACH_LAYOUT
@pytest.mark.parametrize("columns", [16, 255, 256, 257, 10_000, 65_535])
def test_adversarial(layout: VectorLayout, columns: int) -> None:
    dense = np.zeros((6, columns), np.int8)
    dense[1, -1] = -128
    dense[2, :2] = 127
    dense[3, [0, -1]] = 1
    dense[4, -2:] = -1
    pack_proven(layout, dense, numbers(6))


def test_reach() -> None:
    """Zeros fill a vector only where its next column is too far away."""
    columns, weights = np.array([3, 258, 259, 700]), np.array([1, 2, 3, 4], np.int8)
    places, values, starts = within_reach(columns, weights)
    assert starts.tolist() == [3, 259, 700]
    assert places.tolist() == [0, 255, *[0] * 14, 0, *[0] * 15, 0]
    assert values.tolist() == [1, 2, *[0] * 14, 3, *[0] * 15, 4]


def test_bytes() -> None:
    dense = matrix(8, 256, 0.3)
    arrays = GatherLayout().pack(dense, numbers(8))
    assert arrays["entries"].nbytes == 2 * np.count_nonzero(dense)
    full = np.full((4, 64), 3, np.int8)
    assert WordLayout().pack(full, numbers(4))["entries"].nbytes == 5 * 64
    arrays = ContiguousLayout().pack(full, numbers(4))
    assert (arrays["blocks"].nbytes, arrays["places"].nbytes) == (256, 32)


def test_words_of_four_rows() -> None:
    given = RowNumbers(*np.array([[7, 8], [9, 10], [-3, 2]], np.int32))
    rows = ContiguousLayout().pack(np.ones((2, 21), np.int8), given)["rows"]
    assert rows.reshape(-1).tolist() == [
        7,
        8,
        0,
        0,
        2 << 16 | 0xFFFD,
        2 << 16 | 2,
        0,
        0,
        9,
        10,
        0,
        0,
    ]


@EACH_LAYOUT
def test_refused(layout: VectorLayout) -> None:
    with pytest.raises(ValueError, match="65536 columns"):
        layout.check((1, 65_536))
    if isinstance(layout, ContiguousLayout):
        with pytest.raises(ValueError, match="15 columns are fewer than the 16"):
            layout.pack(np.ones((2, 15), np.int8), numbers(2))


@EACH_LAYOUT
def test_broken(layout: VectorLayout) -> None:
    dense = matrix(4, 301, 0.5, 3)
    arrays = layout.pack(dense, numbers(4))

    def unpack(**changed: NDArray[Any]) -> None:
        layout.unpack({**arrays, **changed}, (4, 301))

    for name in list(arrays)[1:]:
        with pytest.raises(ValueError, match="ends early"):
            unpack(**{name: arrays[name][:-1]})
        with pytest.raises(ValueError, match="goes on"):
            unpack(**{name: np.append(arrays[name], arrays[name].dtype.type(1))})
    with pytest.raises(ValueError, match="rows of shape"):
        unpack(rows=arrays["rows"][:-1])
    below = layout.pack(dense[:3], numbers(3))
    below["rows"][3, 2] = 5
    with pytest.raises(ValueError, match="below the last row"):
        layout.unpack(below, (3, 301))
    with pytest.raises(ValueError, match=r"column \d+ of (299|300)"):
        layout.unpack(arrays, (4, 299))
