# SPDX-License-Identifier: Apache-2.0
"""The layouts of nm and block."""

from typing import Any

import numpy as np
import pytest

from sparsec.formats import Block, Delta8, Nm


def components_of(**arrays: tuple[list[int], type[np.generic]]) -> dict[str, Any]:
    return {name: np.array(elements, dtype) for name, (elements, dtype) in arrays.items()}


def test_nm_layout() -> None:
    """Two groups of four columns and one of two; groups with fewer non-zeros are filled up."""
    dense = np.array([[0, 5, 0, 6, 0, 0, 7, 0, 0, 8], [0] * 10], np.int8)
    components = Nm(2, 4).pack(dense)
    assert list(components) == ["values", "offsets"]
    assert components["values"].tolist() == [5, 6, 0, 7, 0, 8] + [0] * 6
    # offsets 1 3, 0 2, 0 1 and 0 1, 0 1, 0 1, two bits each, the first lowest
    assert components["offsets"].tolist() == [0b10_00_11_01, 0b01_00, 0b01_00_01_00, 0b01_00]
    assert Nm(2, 4).stored_bytes(dense) == 12 + 4


@pytest.mark.parametrize(
    ("n", "m", "bits"),
    [(1, 2, 1), (2, 3, 2), (1, 4, 2), (1, 5, 3), (1, 8, 3), (1, 16, 4), (1, 17, 5), (9, 256, 8)],
)
def test_nm_takes_as_few_bits_as_it_can(n: int, m: int, bits: int) -> None:
    dense = np.zeros((3, 8 * m), np.int8)
    dense[:, m - 1] = 1
    assert Nm(n, m).stored_bytes(dense) == 3 * 8 * n + 3 * n * bits


def test_nm_with_a_short_last_group() -> None:
    """A group of one column has one entry, also where n is 2."""
    dense = np.array([[0, 0, 1, 2, 3]], np.int8)
    assert Nm(2, 4).pack(dense)["values"].tolist() == [1, 2, 3]
    assert Nm(2, 4).pack(dense[:, :1])["values"].tolist() == [0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([0, 1, 3], "row 1 has 3 non-zeros in columns 0 to 3, more than 2 of 4"),
        ([4, 5, 6], "row 1 has 3 non-zeros in columns 4 to 6, more than 2 of 4"),
    ],
)
def test_nm_refuses_a_group_with_too_many_weights(columns: list[int], message: str) -> None:
    dense = np.zeros((2, 7), np.int8)
    dense[1, columns] = 1
    with pytest.raises(ValueError, match=message):
        Nm(2, 4).pack(dense)
    with pytest.raises(ValueError, match=message):
        Nm(2, 4).stored_bytes(dense)


@pytest.mark.parametrize(
    ("n", "m", "message"),
    [
        (0, 4, r"n of nm with m = 4 is a whole number in 1\.\.3, not 0"),
        (4, 4, r"n of nm with m = 4 is a whole number in 1\.\.3, not 4"),
        (1.5, 4, "n of nm with m = 4 is a whole number"),
        (1, 1, r"m of nm is a whole number in 2\.\.256, not 1"),
        (1, 257, "m of nm is a whole number"),
        (1, 4.0, "m of nm is a whole number"),
    ],
)
def test_nm_refuses_parameters(n: int, m: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Nm(n, m)


@pytest.mark.parametrize(
    ("values", "offsets", "message"),
    [
        ([1, 2], [0b10_00], "values of nm.1:3. has 2 elements, this matrix takes 3"),
        ([1, 2, 3], [0, 0], "offsets of nm.1:3. has 2 elements, this matrix takes 1"),
        ([1, 2, 3], [0b00_00_11], "leaves its group"),
        ([1, 2, 3], [0b10_00_00], "leaves its group"),  # beyond the last column
        ([1, 2, 3], [0b01_00_00_00], "offsets is not how"),
        ([0, 2, 3], [0b00_00_01], "offsets is not how"),
    ],
)
def test_nm_refuses_components(values: list[int], offsets: list[int], message: str) -> None:
    components = components_of(values=(values, np.int8), offsets=(offsets, np.uint8))
    with pytest.raises(ValueError, match=message):
        Nm(1, 3).unpack(components, (1, 8))


def test_nm_refuses_offsets_that_do_not_grow() -> None:
    components = components_of(values=([1, 2], np.int8), offsets=([0b01_10], np.uint8))
    with pytest.raises(ValueError, match="do not grow within a group"):
        Nm(2, 4).unpack(components, (1, 4))


def test_block_of_one_row_is_a_stream_of_steps_and_weights() -> None:
    dense = np.zeros((3, 4 * 258 + 1), np.int8)  # the last block has one column
    dense[0, [4, 7, 8]] = [1, -1, 2]
    dense[2, -1] = 3  # block 258, 255 and 3 from the first
    components = Block(1, 4).pack(dense)
    assert list(components) == ["entries", "counts"]
    assert components["entries"].reshape(-1, 5).tolist() == [
        [1, 1, 0, 0, 255], [1, 2, 0, 0, 0], [255, 0, 0, 0, 0], [3, 3, 0, 0, 0]
    ]  # fmt: skip
    assert components["counts"].tolist() == [2, 0, 2]


def test_block_of_one_weight_is_delta8() -> None:
    rng = np.random.default_rng(5)
    dense = (rng.integers(-128, 128, (4, 900)) * (rng.random((4, 900)) < 0.01)).astype(np.int8)
    packed, expected = Block(1, 1).pack(dense), Delta8().pack(dense)
    assert list(packed) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(packed[name], array)


def test_block_of_one_column_goes_in_pairs() -> None:
    """The rows of a pair are interleaved as SXTB16 takes them apart; an odd last one is filled up."""
    dense = np.zeros((6, 9), np.int8)
    dense[:4, 2] = [1, 2, 3, 4]
    dense[:4, 5] = [11, 12, 13, 14]
    dense[:4, 8] = [21, 22, 23, 24]
    dense[5, 0] = 7  # the second block row has two rows only
    components = Block(4, 1).pack(dense)
    assert list(components) == ["values", "indices", "counts"]
    assert components["values"].reshape(-1, 8).tolist() == [
        [1, 2, 11, 12, 3, 4, 13, 14], [21, 22, 0, 0, 23, 24, 0, 0], [0, 7, 0, 0, 0, 0, 0, 0]
    ]  # fmt: skip
    assert components["indices"].tolist() == [2, 5, 8, 0, 0, 0]
    assert components["counts"].tolist() == [4, 2]


def test_block_of_16_bits_keeps_the_columns_of_a_pair_together() -> None:
    dense = np.zeros((6, 300), np.int8)
    dense[:4, 2] = [1, -2, 3, 4]
    dense[:4, 299] = [11, 12, -128, 14]
    dense[5, 0] = 7
    components = Block(4, 1, 16).pack(dense)
    assert components["values"].dtype == np.int16
    assert components["values"].reshape(-1, 8).tolist() == [
        [1, 11, -2, 12, 3, -128, 4, 14], [0, 0, 7, 0, 0, 0, 0, 0]
    ]  # fmt: skip
    assert components["indices"].tolist() == [2, 299, 0, 0]
    more = Block(4, 1, 16).stored_bytes(dense) - Block(4, 1).stored_bytes(dense)
    assert more == 16
    narrow = components | {"values": components["values"] + np.int16(256)}
    with pytest.raises(ValueError, match=r"values is not how block\(4x1,int16\) stores any"):
        Block(4, 1, 16).unpack(narrow, dense.shape)


@pytest.mark.parametrize(
    ("rows", "columns", "bits", "message"),
    [
        (4, 1, 12, "bits of block are 8 or 16, not 12"),
        (1, 4, 16, "only blocks of one column and an even number of rows .* not 1x4"),
        (3, 1, 16, "not 3x1"),
    ],
)
def test_block_refuses_bits(rows: int, columns: int, bits: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Block(rows, columns, bits)


@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (3, 1), (64, 32)])
def test_other_blocks_are_row_major(rows: int, columns: int) -> None:
    rng = np.random.default_rng(1)
    dense = np.zeros((2 * rows - 1, 3 * columns + 1), np.int8)
    dense[:rows, columns : 2 * columns] = rng.integers(1, 128, (rows, columns))
    dense[-1, -1] = 9
    components = Block(rows, columns).pack(dense)
    first, last = components["values"].reshape(-1, rows, columns)
    np.testing.assert_array_equal(first, dense[:rows, columns : 2 * columns])
    assert (last[rows - 2, 0], np.count_nonzero(last)) == (9, 1)
    assert components["indices"].tolist() == [1, 3]
    assert components["counts"].tolist() == [1, 1]


@pytest.mark.parametrize(("columns", "index"), [(512, np.uint8), (513, np.uint16)])
def test_width_of_block_indices(columns: int, index: type[np.generic]) -> None:
    dense = np.ones((2, columns), np.int8)
    indices = Block(2, 2).pack(dense)["indices"]
    assert indices.dtype == index
    assert indices.tolist() == list(range(-(-columns // 2)))


def test_block_refuses_more_columns_than_an_index_names() -> None:
    Block(4, 1).check((4, 65_536))
    Block(4, 2).check((4, 131_072))
    Block(1, 4).check((4, 10**6))
    message = r"the indices of block\(4x1\) reach 65536 columns, this matrix has 65537"
    with pytest.raises(ValueError, match=message):
        Block(4, 1).check((4, 65_537))


def test_block_refuses_a_row_whose_count_does_not_fit() -> None:
    dense = np.ones((3, 65_536), np.int8)
    with pytest.raises(ValueError, match=r"row 0 needs 65536 block\(2x1\) blocks"):
        Block(2, 1).pack(dense)


@pytest.mark.parametrize("side", [0, 257, 1.5, -1])
def test_block_refuses_parameters(side: int) -> None:
    with pytest.raises(ValueError, match=r"rows of block is a whole number in 1\.\.256"):
        Block(side, 1)
    with pytest.raises(ValueError, match=r"columns of block is a whole number in 1\.\.256"):
        Block(1, side)


@pytest.mark.parametrize(
    ("entries", "counts", "message"),
    [
        ([0, 1, 2, 0], [1, 0], r"4 bytes are no list of whole block\(1x2\) entries"),
        ([0, 1, 2], [0, 0], "do not make a matrix"),
        ([4, 1, 2], [1, 0], "row 0 reaches column 4 of 4"),
        ([1, 1, 2, 0, 3, 4], [2, 0], "entries is not how"),
        ([3, 0, 2], [1, 0], "entries is not how"),  # beyond the last column
        ([1, 0, 0], [1, 0], "entries is not how"),
    ],
)
def test_block_of_one_row_refuses(entries: list[int], counts: list[int], message: str) -> None:
    components = components_of(entries=(entries, np.uint8), counts=(counts, np.uint16))
    with pytest.raises(ValueError, match=message):
        Block(1, 2).unpack(components, (2, 7))


@pytest.mark.parametrize(
    ("values", "indices", "counts", "message"),
    [
        ([1, 2, 3], [0, 1], [2], r"values of block\(2x1\) has 3 elements, this matrix takes 4"),
        ([1, 2, 3, 4], [0, 1], [2, 0], "do not make a matrix"),
        ([1, 2, 3, 4], [0, 3], [2], "row 0 reaches column 3 of 3"),
        ([1, 2], [0], [1], "1 blocks .* are no pairs"),
        ([1, 2, 3, 4], [1, 1], [2], "is not how"),
        ([1, 2, 3, 4], [1, 0], [2], "values is not how"),
        ([1, 2, 0, 0], [1, 1], [2], "indices is not how"),
    ],
)
def test_block_in_pairs_refuses(
    values: list[int], indices: list[int], counts: list[int], message: str
) -> None:
    components = components_of(
        values=(values, np.int8), indices=(indices, np.uint8), counts=(counts, np.uint16)
    )
    with pytest.raises(ValueError, match=message):
        Block(2, 1).unpack(components, (2, 3))
