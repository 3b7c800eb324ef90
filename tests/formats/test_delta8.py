# SPDX-License-Identifier: Apache-2.0
"""The layout that the kernels of delta8 read."""

import numpy as np
import pytest

from sparsec.formats import Delta8


def test_layout() -> None:
    dense = np.zeros((3, 600), np.int8)
    dense[0, [0, 1, 256, 512]] = [1, -1, 127, -128]  # steps 0, 1, 255 and 256 = 255 + 1
    dense[2, 599] = 5  # 599 = 255 + 255 + 89
    components = Delta8().pack(dense)
    assert list(components) == ["entries", "counts"]
    assert components["entries"].dtype == np.uint8
    assert components["counts"].dtype == np.uint16
    assert components["counts"].tolist() == [5, 0, 3]
    assert components["entries"].reshape(-1, 2).tolist() == [
        [0, 1], [1, 255], [255, 127], [255, 0], [1, 128], [255, 0], [255, 0], [89, 5]
    ]  # fmt: skip
    assert Delta8().stored_bytes(dense) == 2 * 8 + 2 * 3


@pytest.mark.parametrize(("gap", "entries"), [(254, 1), (255, 1), (256, 2), (510, 2), (511, 3)])
def test_bridges_a_gap_with_as_few_entries_as_it_can(gap: int, entries: int) -> None:
    dense = np.zeros((1, 600), np.int8)
    dense[0, gap] = 3
    assert Delta8().pack(dense)["counts"].tolist() == [entries]


def test_refuses_a_row_whose_count_does_not_fit() -> None:
    dense = np.zeros((2, 65_536), np.int8)
    dense[1, :65_535] = 1
    np.testing.assert_array_equal(Delta8().unpack(Delta8().pack(dense), dense.shape), dense)
    dense[1, 65_535] = 1
    with pytest.raises(ValueError, match="row 1 needs 65536 delta8 entries"):
        Delta8().pack(dense)


@pytest.mark.parametrize(
    ("entries", "counts", "message"),
    [
        ([0, 1], [1], "do not make a matrix"),
        ([0, 1], [1, 1], "do not make a matrix"),
        ([9, 1], [1, 0], "reaches column 9 of 8"),
        ([1, 1, 0, 2], [2, 0], "names a column twice"),
        ([1, 1, 3], [1, 0], "3 bytes are no list of delta8 entries"),
        ([1, 0], [1, 0], "entries is not how delta8 stores any matrix"),
    ],
)
def test_refuses_components_of_another_matrix(
    entries: list[int], counts: list[int], message: str
) -> None:
    components = {"entries": np.array(entries, np.uint8), "counts": np.array(counts, np.uint16)}
    with pytest.raises(ValueError, match=message):
        Delta8().unpack(components, (2, 8))
