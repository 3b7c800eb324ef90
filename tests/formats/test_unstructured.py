# SPDX-License-Identifier: Apache-2.0
"""The layouts of delta4, bitmap and csr."""

import numpy as np
import pytest

from sparsec.formats import Bitmap, Csr, Delta4

GOLDEN_COLUMNS = [0, 3, 5, 9, 14, 20, 22, 31, 33, 40, 41, 47, 50, 55, 58, 61, 63]
GOLDEN = np.zeros((2, 64), np.int8)
GOLDEN[0, GOLDEN_COLUMNS] = np.arange(1, 18)
GOLDEN[1, [2, 30, 62]] = [-1, -2, -3]


def test_delta4_is_the_reference_of_dcsr() -> None:
    """What its RLE-4 encoder gives for this matrix."""
    components = Delta4().pack(GOLDEN)
    assert list(components) == ["values", "steps", "counts"]
    assert components["values"].tolist() == [*range(1, 18), -1, 0, -2, 0, 0, -3]
    assert components["steps"].tolist() == [3, 36, 86, 41, 39, 22, 53, 51, 34, 253, 255, 32]
    assert components["counts"].tolist() == [17, 6]


@pytest.mark.parametrize(
    ("column", "steps", "values"),
    [
        (0, [0x00], [5]),
        (14, [0xE0], [5]),
        (15, [0xF0], [0, 5]),  # a bridge, then step 0
        (16, [0xF1], [0, 5]),
        (17, [0xF2], [0, 5]),
        (30, [0xFF, 0x00], [0, 0, 5]),
    ],
)
def test_delta4_bridges(column: int, steps: list[int], values: list[int]) -> None:
    dense = np.zeros((1, 40), np.int8)
    dense[0, column] = 5
    components = Delta4().pack(dense)
    assert components["steps"].tolist() == steps
    assert components["values"].tolist() == values


@pytest.mark.parametrize(
    ("values", "steps", "counts", "message"),
    [
        ([1, 2], [0x11], [2], "do not make a matrix"),
        ([1, 2], [0x11], [2, 1], "do not make a matrix"),
        ([1, 2], [0x11, 0], [1, 1], "steps of delta4 has 2 elements, this matrix takes 1"),
        ([1], [0x80], [1, 0], "row 0 reaches column 8 of 8"),
        ([1, 2], [0x17], [0, 2], "row 1 reaches column 8 of 8"),
        ([1], [0x11], [1, 0], "steps is not how delta4 stores any matrix"),
        ([0], [0x10], [1, 0], "values is not how"),
        ([1, 2], [0x10], [2, 0], "values is not how"),
    ],
)
def test_delta4_refuses(
    values: list[int], steps: list[int], counts: list[int], message: str
) -> None:
    components = {
        "values": np.array(values, np.int8),
        "steps": np.array(steps, np.uint8),
        "counts": np.array(counts, np.uint16),
    }
    with pytest.raises(ValueError, match=message):
        Delta4().unpack(components, (2, 8))


def test_delta4_refuses_a_row_whose_count_does_not_fit() -> None:
    dense = np.zeros((2, 65_536), np.int8)
    dense[1] = 1
    with pytest.raises(ValueError, match="row 1 needs 65536 delta4 entries, more than 65535"):
        Delta4().pack(dense)


def test_bitmap_layout() -> None:
    dense = np.zeros((2, 11), np.int8)
    dense[0, [0, 3, 8]] = [1, -2, 3]
    dense[1, [7, 10]] = [4, -128]
    components = Bitmap().pack(dense)
    assert list(components) == ["values", "bits"]
    assert components["values"].tolist() == [1, -2, 3, 4, -128]
    assert components["bits"].tolist() == [0b0000_1001, 0b001, 0b1000_0000, 0b100]
    assert Bitmap().stored_bytes(dense) == 5 + 4


@pytest.mark.parametrize(
    ("values", "bits", "message"),
    [
        ([1], [1, 0, 0], "bits of bitmap has 3 elements, this matrix takes 4"),
        ([1], [1, 0, 1, 0], "values of bitmap has 1 elements, this matrix takes 2"),
        ([1], [1, 8, 0, 0], "bits is not how bitmap stores any matrix"),
        ([0], [1, 0, 0, 0], "values is not how bitmap stores any matrix"),
    ],
)
def test_bitmap_refuses(values: list[int], bits: list[int], message: str) -> None:
    components = {"values": np.array(values, np.int8), "bits": np.array(bits, np.uint8)}
    with pytest.raises(ValueError, match=message):
        Bitmap().unpack(components, (2, 11))


@pytest.mark.parametrize(
    ("shape", "coordinates", "positions"),
    [
        ((3, 256), np.uint8, np.uint16),
        ((3, 257), np.uint16, np.uint16),
        ((255, 257), np.uint16, np.uint16),
        ((256, 256), np.uint8, np.uint32),
    ],
)
def test_csr_layout(
    shape: tuple[int, int], coordinates: type[np.generic], positions: type[np.generic]
) -> None:
    dense = np.zeros(shape, np.int8)
    dense[0, [1, -1]] = [5, -6]
    dense[2, 0] = 7
    components = Csr().pack(dense)
    assert list(components) == ["values", "coordinates", "positions"]
    assert components["values"].tolist() == [5, -6, 7]
    assert components["coordinates"].tolist() == [1, shape[1] - 1, 0]
    assert components["positions"].tolist() == [0, 2, 2] + [3] * (shape[0] - 2)
    assert components["coordinates"].dtype == coordinates
    assert components["positions"].dtype == positions


def test_csr_holds_as_many_columns_as_it_can_name() -> None:
    Csr().check((1, 65_536))
    with pytest.raises(ValueError, match="reach 65536 columns, this matrix has 65537"):
        Csr().check((1, 65_537))
    Csr().check((65_535, 65_536))
    with pytest.raises(ValueError, match="the positions of csr do not reach 4294967296 elements"):
        Csr().check((65_536, 65_536))


@pytest.mark.parametrize(
    ("coordinates", "positions", "message"),
    [
        ([0], [0, 1, 2], "coordinates of csr has 1 elements, this matrix takes 2"),
        ([0, 1], [0, 2], "positions of csr has 2 elements, this matrix takes 3"),
        ([0, 1], [1, 1, 2], "do not grow from 0"),
        ([0, 1], [0, 3, 2], "do not grow from 0"),
        ([0, 1], [0, 1, 1], "do not make a matrix"),
        ([0, 8], [0, 1, 2], "row 1 reaches column 8 of 8"),
        ([1, 0], [0, 2, 2], "values is not how csr stores any matrix"),
        ([1, 1], [0, 2, 2], "values is not how csr stores any matrix"),
    ],
)
def test_csr_refuses(coordinates: list[int], positions: list[int], message: str) -> None:
    components = {
        "values": np.array([1, 2], np.int8),
        "coordinates": np.array(coordinates, np.uint8),
        "positions": np.array(positions, np.uint16),
    }
    with pytest.raises(ValueError, match=message):
        Csr().unpack(components, (2, 8))
