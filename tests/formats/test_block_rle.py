# SPDX-License-Identifier: Apache-2.0
"""block-rle: the published stream, and right where the published encoder is not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsec.formats import BlockRle


def stream_of(size: int, dense: NDArray[np.int8]) -> list[int]:
    components = BlockRle(size).pack(dense)
    assert list(components) == ["stream"]
    return components["stream"].tolist()


def test_golden_vectors() -> None:
    """What the published encoder gives."""
    dense = np.zeros((2, 64), np.int8)
    dense[0, [0, 1, 20, 21, 40, 41]] = [1, 2, 3, 4, 5, 6]
    dense[1, [62, 63]] = [7, 8]
    assert stream_of(2, dense) == [-128, 1, 2, -109, 3, 4, -109, 5, 6, -43, 7, 8]
    dense = np.zeros((1, 700), np.int8)
    dense[0, [3, 4, 600, 601]] = [5, 6, 9, -9]
    assert stream_of(2, dense) == [-125, 5, 6, 127, 0, 127, 0, -42, 9, -9]


def test_size_1_steps_from_element_to_element() -> None:
    """The published encoder stores absolute positions there, which it cannot read back."""
    dense = np.zeros((2, 100), np.int8)
    dense[0, [2, 3]] = [5, 6]
    dense[1, 3] = -7
    assert stream_of(1, dense) == [-126, 5, -127, 6, -28, -7]


def test_records_cross_rows_and_the_last_is_filled_up() -> None:
    dense = np.zeros((2, 5), np.int8)
    dense[0, 4] = 1
    dense[1, [1, 4]] = [2, 3]
    assert stream_of(4, dense) == [4 - 128, 1, 0, 2, 0, 2 - 128, 3, 0, 0, 0]
    assert BlockRle(4).stored_bytes(dense) == 10


def test_a_record_starts_at_the_first_nonzero_after_the_one_before() -> None:
    dense = np.array([[0, 1, 2, 0, 3, 4]], np.int8)
    assert stream_of(3, dense) == [1 - 128, 1, 2, 0, 1 - 128, 3, 4, 0]


@pytest.mark.parametrize(
    ("place", "stream"),
    [
        (0, [-128, 1]),
        (255, [127, 1]),
        (256, [127, 0, -127, 1]),
        (257, [127, 0, -126, 1]),
        (510, [127, 0, 127, 1]),
        (511, [127, 0, 127, 0, -127, 1]),
    ],
)
def test_long_steps(place: int, stream: list[int]) -> None:
    dense = np.zeros((3, 200), np.int8)
    dense.reshape(-1)[place] = 1
    assert stream_of(1, dense) == stream


def test_nothing_is_stored_of_zeros() -> None:
    assert stream_of(2, np.zeros((3, 5), np.int8)) == []


@pytest.mark.parametrize("size", [0, 257, 1.5])
def test_parameters(size: int) -> None:
    with pytest.raises(ValueError, match=r"size of block-rle is a whole number in 1\.\.256"):
        BlockRle(size)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ([-128], "ends within a record"),
        ([-128, 1], "ends within a record"),
        ([-128, 1, 2, 127], "ends within a record"),
        ([-118, 1, 2], r"block-rle\(2\) reaches element 10 of 10"),
        ([127, 0, -128, 1, 2], "reaches element 255 of 10"),
        ([-128, 1, 2, -128, 3, 4], "stream is not how"),  # overlaps the record before
        ([-128, 0], "stream is not how"),
        ([127, 0], "stream is not how"),
        ([-119, 1, 2], "stream is not how"),  # a value beyond the last element
    ],
)
def test_changed_streams_are_refused(stream: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BlockRle(2).unpack({"stream": np.array(stream, np.int8)}, (2, 5))
