# SPDX-License-Identifier: Apache-2.0
"""The kernels' layouts hold what they were made of, and nothing else is taken for a layout."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.layouts.linear import (
    FULL_CLAMP,
    ColumnBlockLayout,
    DenseLayout,
    FcLayout,
    RowBlockLayout,
    RowNumbers,
    TableLayout,
    is_saturating,
    pack_proven,
)

LAYOUTS: dict[str, FcLayout] = {
    "table": TableLayout(),
    "1x4": RowBlockLayout(),
    "4x1": ColumnBlockLayout(),
    "4x1_w16": ColumnBlockLayout(weight_bytes=2),
}
EACH_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def numbers(rows: int, seed: int = 0) -> RowNumbers:
    rng = np.random.default_rng(seed)
    return RowNumbers(
        rng.integers(-(2**31), 2**31, rows).astype(np.int32),
        rng.integers(0, 2**31, rows).astype(np.int32),
        rng.integers(-31, 31, rows).astype(np.int32),
    )


def matrix(rows: int, columns: int, density: float, seed: int = 0) -> NDArray[np.int8]:
    rng = np.random.default_rng(seed)
    values = rng.integers(-128, 128, (rows, columns))
    return np.where(rng.random((rows, columns)) < density, values, 0).astype(np.int8)


@EACH_LAYOUT
@settings(max_examples=60)
@given(
    rows=st.integers(1, 9),
    columns=st.one_of(st.integers(4, 40), st.integers(250, 262), st.integers(1020, 1030)),
    density=st.sampled_from([0.0, 0.03, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip(layout: FcLayout, rows: int, columns: int, density: float, seed: int) -> None:
    pack_proven(layout, matrix(rows, columns, density, seed), numbers(rows, seed))


@EACH_LAYOUT
@pytest.mark.parametrize("columns", [4, 255, 256, 257, 10_000, 65_536])
def test_adversarial(layout: FcLayout, columns: int) -> None:
    dense = np.zeros((6, columns), np.int8)
    dense[1, -1] = -128
    dense[2, :2] = 127
    dense[4, -2:] = -1
    pack_proven(layout, dense, numbers(6))


def test_bytes() -> None:
    """Two bytes for each weight in the table, three with more than 256 columns; one and a quarter in blocks."""
    for columns, each in ((256, 2), (257, 3)):
        dense = matrix(8, columns, 0.3)
        arrays = TableLayout().pack(dense, numbers(8))
        stored = arrays["groups"].nbytes + arrays["left_over"].nbytes
        assert stored == each * np.count_nonzero(dense)
    full = np.full((4, 64), 3, np.int8)
    blocks = RowBlockLayout().pack(full, numbers(4))
    assert blocks["places"].nbytes + blocks["weights"].nbytes == 320
    assert ColumnBlockLayout().pack(full, numbers(4))["groups"].nbytes == 320
    assert ColumnBlockLayout(weight_bytes=2).pack(full, numbers(4))["groups"].nbytes == 576


def test_dense() -> None:
    """As many bytes as weights; what the kernel could not tell apart is refused."""
    for rows, columns in ((1, 1), (4, 8), (5, 21), (8, 300)):
        dense = np.maximum(matrix(rows, columns, 1.0), -127)
        arrays = pack_proven(DenseLayout(), dense, numbers(rows))
        assert arrays["weights"].nbytes == (rows + -rows % 4) * columns
    pack_proven(DenseLayout(), np.full((2, 516), [[127], [-127]], np.int8), numbers(2))
    with pytest.raises(ValueError, match="24 bits"):
        DenseLayout().pack(np.full((2, 517), [[127], [-127]], np.int8), numbers(2))
    pack_proven(DenseLayout(), np.array([[0], [-128]], np.int8), numbers(2))
    with pytest.raises(ValueError, match="16 bits"):
        DenseLayout().pack(np.array([[-1], [-128]], np.int8), numbers(2))


def test_words_of_a_row() -> None:
    rows = TableLayout().pack(
        np.ones((1, 21), np.int8), RowNumbers(*np.array([[7], [9], [-3]], np.int32))
    )["rows"]
    assert rows.tolist() == [[7, 2 << 16 | 5 << 8 | 2, 9]]


@EACH_LAYOUT
def test_refused(layout: FcLayout) -> None:
    with pytest.raises(ValueError, match="65537 columns"):
        layout.check((1, 65_537))
    if isinstance(layout, RowBlockLayout):
        with pytest.raises(ValueError, match="does not fit into 3 columns"):
            layout.pack(np.ones((2, 3), np.int8), numbers(2))
    with pytest.raises(ValueError, match="shift"):
        RowNumbers(*(np.array([value], np.int32) for value in (0, 0, -32)))


@EACH_LAYOUT
def test_broken(layout: FcLayout) -> None:
    dense = matrix(4, 21, 0.5, 3)
    arrays = layout.pack(dense, numbers(4))

    def unpack(**changed: NDArray[Any]) -> None:
        layout.unpack({**arrays, **changed}, (4, 21))

    for name in list(arrays)[1:]:
        with pytest.raises(ValueError, match="ends early"):
            unpack(**{name: arrays[name][:-1]})
        with pytest.raises(ValueError, match="goes on"):
            unpack(**{name: np.append(arrays[name], arrays[name].dtype.type(1))})
    with pytest.raises(ValueError, match="rows of shape"):
        unpack(rows=arrays["rows"][:-1])
    with pytest.raises(ValueError, match=r"column \d+ of 5"):
        layout.unpack(arrays, (4, 5))


def test_is_saturating() -> None:
    """The bounds are sharp."""
    weights = np.array([[-128, 127]], np.int8)
    most = 2**30 - 1 - 128 * 255

    def saturating(bias: int, shift: int = -1, multiplier: int = 2**30) -> bool:
        row = RowNumbers(*(np.array([value], np.int32) for value in (bias, multiplier, shift)))
        return is_saturating(weights, row, FULL_CLAMP)

    assert saturating(most)
    assert saturating(-most, shift=-22, multiplier=0)
    assert not saturating(most + 1)
    assert not saturating(-most - 1)
    assert not saturating(0, shift=0)
    assert not saturating(0, shift=-23)
    assert not saturating(0, multiplier=-1)
    assert not is_saturating(weights, numbers(1), (-128, 126))
