# SPDX-License-Identifier: Apache-2.0
"""How a kernel would read each format: one element after the other, as its docstring says.

They share no code with the formats, so that a mistake cannot hide in both directions.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsec.formats import (
    Bitmap,
    Block,
    BlockRle,
    Csr,
    Dcsr,
    Delta4,
    Delta8,
    Nm,
    SparseFormat,
)

Arrays = Mapping[str, NDArray[Any]]
Place = tuple[int, int, int]
"""Row, column and value of a weight."""


def numbers(array: NDArray[Any]) -> list[int]:
    return [int(element) for element in array]


def signed(byte: int) -> int:
    return byte - 256 if byte >= 128 else byte


def delta8(delta8: Delta8, arrays: Arrays, shape: tuple[int, ...]) -> Iterator[Place]:
    entries = iter(numbers(arrays["entries"]))
    for row, count in enumerate(numbers(arrays["counts"])):
        column = 0
        for _ in range(count):
            column += next(entries)
            yield row, column, signed(next(entries))


def delta4(delta4: Delta4, arrays: Arrays, shape: tuple[int, ...]) -> Iterator[Place]:
    steps = numbers(arrays["steps"])
    entry = 0
    for row, count in enumerate(numbers(arrays["counts"])):
        column = 0
        for _ in range(count):
            byte = steps[entry // 2]
            column += byte & 15 if entry % 2 else byte >> 4
            yield row, column, int(arrays["values"][entry])
            entry += 1


def bitmap(bitmap: Bitmap, arrays: Arrays, shape: tuple[int, ...]) -> Iterator[Place]:
    values = iter(numbers(arrays["values"]))
    row_bytes = (shape[1] + 7) // 8
    for row in range(shape[0]):
        for column in range(shape[1]):
            if arrays["bits"][row * row_bytes + column // 8] & (1 << column % 8):
                yield row, column, next(values)


def csr(csr: Csr, arrays: Arrays, shape: tuple[int, ...]) -> Iterator[Place]:
    for row in range(shape[0]):
        for entry in range(int(arrays["positions"][row]), int(arrays["positions"][row + 1])):
            yield row, int(arrays["coordinates"][entry]), int(arrays["values"][entry])


def nm(nm: Nm, arrays: Arrays, shape: tuple[int, ...]) -> Iterator[Place]:
    width = 0
    while 2**width < nm.m:
        width += 1
    values = iter(numbers(arrays["values"]))
    offset_bytes = numbers(arrays["offsets"])
    first_byte = 0
    for row in range(shape[0]):
        bit = 0
        for start in range(0, shape[1], nm.m):
            for _ in range(min(nm.n, shape[1] - start)):
                offset = 0
                for place in range(width):
                    set_bit = offset_bytes[first_byte + bit // 8] >> bit % 8 & 1
                    offset += set_bit << place
                    bit += 1
                yield row, start + offset, next(values)
        first_byte += (bit + 7) // 8


def block(block: Block, arrays: Arrays, shape: tuple[int, ...]) -> Iterator[Place]:
    if block.rows == 1:
        entries = iter(numbers(arrays["entries"]))
        for row, count in enumerate(numbers(arrays["counts"])):
            column = 0
            for _ in range(count):
                column += next(entries)
                for inside in range(block.columns):
                    yield row, column * block.columns + inside, signed(next(entries))
        return
    indices, values = iter(numbers(arrays["indices"])), iter(numbers(arrays["values"]))
    for block_row, count in enumerate(numbers(arrays["counts"])):
        first_row = block_row * block.rows
        if block.columns == 1 and block.rows % 2 == 0:
            for _ in range(count // 2):
                i, j = next(indices), next(indices)
                height = 16 // block.bits  # rows whose values of a column lie together
                for row in range(first_row, first_row + block.rows, height):
                    for column in (i, j):
                        for inside in range(height):
                            yield row + inside, column, next(values)
            continue
        for _ in range(count):
            first_column = next(indices) * block.columns
            for row in range(first_row, first_row + block.rows):
                for column in range(first_column, first_column + block.columns):
                    yield row, column, next(values)


def dcsr(dcsr: Dcsr, arrays: Arrays, shape: tuple[int, ...]) -> Iterator[Place]:
    rows, columns = shape
    values = iter(numbers(arrays["values"]))
    minimums = iter(numbers(arrays["group_minimums"]))
    bitmasks = iter(numbers(arrays["bitmasks"]))
    group = 0
    for row in range(rows):
        count = int(arrays["nnze"][0]) // rows + int(arrays["row_offsets"][row])
        base, slope = 0, (columns + count // 2) // count if count else 0
        for first in range(0, count, 16):
            base += next(minimums) + (16 * slope if first else 0)
            shift = 0 if group % 2 else 4
            packed = numbers(arrays["delta_indices"][group // 2 * 16 :][:16])
            deltas = [byte >> shift & 15 for byte in packed]
            for bit in range(4):
                if arrays["bitmaps"][group // 2] >> shift & 1 << bit:
                    mask = next(bitmasks)
                    deltas = [d + ((mask >> lane & 1) << 4 + bit) for lane, d in enumerate(deltas)]
            # A kernel computes the 16 indices in bytes.
            assert all(slope * lane + delta < 256 for lane, delta in enumerate(deltas))
            for lane in range(min(16, count - first)):
                yield row, base + slope * lane + deltas[lane], next(values)
            group += 1


def block_rle(block_rle: BlockRle, arrays: Arrays, shape: tuple[int, ...]) -> Iterator[Place]:
    stream = numbers(arrays["stream"])
    place, last = 0, 0
    while place < len(stream):
        last += stream[place] + 128
        if stream[place + 1] == 0:
            place += 2
            continue
        for inside in range(block_rle.size):
            yield *divmod(last + inside, shape[1]), stream[place + 1 + inside]
        last += block_rle.size - 1
        place += 1 + block_rle.size


DECODERS: dict[type[SparseFormat], Callable[..., Iterator[Place]]] = {
    Delta8: delta8,
    Delta4: delta4,
    Bitmap: bitmap,
    Csr: csr,
    Nm: nm,
    Block: block,
    Dcsr: dcsr,
    BlockRle: block_rle,
}


def decode(sparse_format: SparseFormat, arrays: Arrays, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """The matrix of `shape` as a kernel reads it."""
    dense = np.zeros(shape, np.int64)
    for row, column, value in DECODERS[type(sparse_format)](sparse_format, arrays, shape):
        if row < shape[0] and column < shape[1]:
            dense[row, column] += value
        else:
            assert value == 0, "only zeros fill blocks up"
    return dense.astype(np.int8)
