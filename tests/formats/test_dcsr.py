# SPDX-License-Identifier: Apache-2.0
"""dcsr: to the bit as published, and right where the published encoder is not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.formats import Dcsr
from sparsec.formats.dcsr import Row, encode_row, group_lanes
from tests.formats.decoders import decode
from tests.formats.test_unstructured import GOLDEN

Components = dict[str, Any]


def test_golden_vector() -> None:
    """What the published encoder gives; the second row needs an explicit zero in its widest gap."""
    components = Dcsr().pack(GOLDEN)
    assert {name: array.tolist() for name, array in components.items()} == {
        "values": [*range(1, 18), -1, -2, 0, -3],
        "row_offsets": [7, -6],
        "delta_indices": [
            *(48, 32, 0, 0, 16, 48, 16, 96, 64, 112, 64, 96, 80, 96, 80, 64),
            *(0, 192, 192, 192, *[0] * 12),
        ],
        "group_minimums": [-3, 2, 2],
        "bitmaps": [0, 0],
        "bitmasks": [],
        "nnze": [21],
    }
    assert Dcsr().stored_bytes(GOLDEN) == 21 + 2 * 2 + 32 + 3 + 2 + 4


def test_extension_of_deltas() -> None:
    """Sixteen elements in 16 columns but the last: slope 2, residuals 0, -1, .. -14 and 1."""
    dense = np.zeros((1, 32), np.int8)
    dense[0, [*range(15), 31]] = 1
    components = Dcsr().pack(dense)
    assert components["group_minimums"].tolist() == [-14]
    # deltas 14, 13, .. 0 and 15 in the upper halves
    assert components["delta_indices"].tolist() == [16 * d for d in [*range(14, -1, -1), 15]]
    assert components["bitmaps"].tolist() == [0]
    wide = np.zeros((1, 64), np.int8)
    wide[0, [*range(15), 63]] = 1  # slope 4, residuals 0, -3, .. -42 and 3: deltas 42, .. 0 and 45
    components = Dcsr().pack(wide)
    deltas = [*range(42, -1, -3), 45]
    assert components["delta_indices"].tolist() == [16 * (d & 15) for d in deltas]
    assert components["bitmaps"].tolist() == [0b0011_0000]
    assert components["bitmasks"].tolist() == [
        sum((d >> bit & 1) << lane for lane, d in enumerate(deltas)) for bit in (4, 5)
    ]


def test_gap_that_wraps_in_the_published_encoder() -> None:
    """Many elements make the slope small, and a gap over 255 columns lies within a group."""
    for start in range(1_351, 2_040, 27):
        dense = np.zeros((1, 2_048), np.int8)
        dense[0, :1_096] = 1
        dense[0, start : start + 8] = 2
        components = Dcsr().pack(dense)
        np.testing.assert_array_equal(decode(Dcsr(), components, dense.shape), dense)
        assert len(components["values"]) > np.count_nonzero(dense)


@given(
    runs=st.lists(
        st.tuples(st.integers(0, 700), st.integers(1, 60), st.integers(1, 20)),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=40)
def test_clusters(runs: list[tuple[int, int, int]]) -> None:
    """Runs (gap before it, length, step) of elements in one row."""
    columns: list[int] = []
    column = -1
    for gap, length, step in runs:
        column += gap
        for _ in range(length):
            column += step
            columns.append(column)
    dense = np.zeros((1, columns[-1] + 3), np.int8)
    dense[0, columns] = 1
    components = Dcsr().pack(dense)
    np.testing.assert_array_equal(Dcsr().unpack(components, dense.shape), dense)
    np.testing.assert_array_equal(decode(Dcsr(), components, dense.shape), dense)
    # The rule to the letter: one zero at a time, and after each a look at the whole row.
    stored = dense[0] != 0
    while not isinstance(row := group_lanes(np.flatnonzero(stored), len(stored)), Row):
        edges = np.concatenate([[0], np.flatnonzero(stored), [len(stored)]])
        single = np.count_nonzero(stored) == 1 and not stored[0]
        widest = 0 if single else np.diff(edges).argmax()
        stored[(edges[widest] + edges[widest + 1]) // 2] = True
    np.testing.assert_array_equal(encode_row(dense[0] != 0).columns, row.columns)


@pytest.mark.parametrize("column", [0, 126, 127, 128, 255, 256, 9_999])
def test_one_element_in_a_wide_row(column: int) -> None:
    dense = np.zeros((2, 10_000), np.int8)
    dense[1, column] = -7
    components = Dcsr().pack(dense)
    np.testing.assert_array_equal(Dcsr().unpack(components, dense.shape), dense)
    # Lane 15 reaches no further than 255, so a row has an element every 17 columns at least.
    assert 10_000 // 18 < len(components["values"]) < 10_000 // 8


def test_a_zero_in_the_place_of_an_element_is_read() -> None:
    """The published encoder begins with one where the single element of a row is in column 0; `pack` never does."""
    dense = np.zeros((2, 64), np.int8)
    dense[0, 0], dense[1, [3, 40]] = -7, (1, 2)
    published: Components = {
        "values": np.array([0, -7, 0, 0, 1, 0, 2, 0], np.int8),
        "row_offsets": np.array([0, 0], np.int16),
        "delta_indices": np.array([0, 2, 5, 1, *[0] * 12], np.uint8),
        "group_minimums": np.array([-16, 3], np.int8),
        "bitmaps": np.array([16], np.uint8),
        "bitmasks": np.array([1], np.uint16),
        "nnze": np.array([8], np.uint32),
    }
    np.testing.assert_array_equal(Dcsr().read(published, dense.shape), dense)
    with pytest.raises(ValueError, match="is not how dcsr stores any matrix"):
        Dcsr().unpack(published, dense.shape)
    published["values"][0] = 1
    with pytest.raises(ValueError, match="row 0 of dcsr leaves its 64 columns"):
        Dcsr().read(published, dense.shape)


def test_rows_of_too_different_length_are_refused() -> None:
    dense = np.zeros((3, 60_000), np.int8)
    dense[1] = 1
    with pytest.raises(ValueError, match="the lengths of the rows differ by more than dcsr can"):
        Dcsr().pack(dense)


@pytest.mark.parametrize(
    ("name", "elements", "message"),
    [
        ("nnze", [20], "values of dcsr has 21 elements, this matrix takes 20"),
        ("nnze", [21, 21], "nnze of dcsr has 2 elements, this matrix takes 1"),
        ("row_offsets", [7], "row_offsets of dcsr has 1 elements"),
        ("row_offsets", [7, -7], "do not add up to nnze"),
        ("row_offsets", [12, -11], "do not add up to nnze"),
        ("row_offsets", [-6, 7], "leaves its 64 columns"),
        ("group_minimums", [-3, 2], "group_minimums of dcsr has 2 elements, this matrix takes 3"),
        ("group_minimums", [-4, 2, 2], "row 0 of dcsr leaves its 64 columns"),
        ("group_minimums", [-3, 3, 2], "row 0 of dcsr leaves its 64 columns"),
        ("group_minimums", [-3, -2, 2], "row 0 of dcsr leaves its 64 columns"),  # not increasing
        ("delta_indices", [0] * 31, "delta_indices of dcsr has 31 elements"),
        ("bitmaps", [0], "bitmaps of dcsr has 1 elements"),
        ("bitmaps", [1, 0], "bitmasks of dcsr has 0 elements, this matrix takes 1"),
        ("bitmaps", [0, 1], "bitmaps is not how dcsr stores any matrix"),
        ("bitmasks", [1], "bitmasks of dcsr has 1 elements, this matrix takes 0"),
    ],
)
def test_changed_components_are_refused(name: str, elements: list[int], message: str) -> None:
    components = Dcsr().pack(GOLDEN)
    components[name] = np.array(elements, components[name].dtype)
    with pytest.raises(ValueError, match=message):
        Dcsr().unpack(components, GOLDEN.shape)
