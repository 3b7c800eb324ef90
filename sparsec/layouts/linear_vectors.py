# SPDX-License-Identifier: Apache-2.0
"""The layouts that the fully connected kernels for Helium compute on: lists that vectors are filled from.

`rows` is int32 [rows, 3] as in `layouts/linear.py`, but of the twelve words of four rows the first four are biases, then
come four times the entries in the upper and the shift in the lower half, then four multipliers. Rows are filled up to four.
"""

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components
from sparsec.layouts.linear import FcLayout
from sparsec.layouts.linear_rows import (
    MAX_BYTE,
    Int8Array,
    Int32Array,
    MatrixSum,
    Reader,
    RowNumbers,
    joined_bytes,
    joined_words,
)

FOUR = 4
MOST_ENTRIES = 65535
WORD = 4
VECTOR = 16


@dataclass(frozen=True)
class VectorLayout(FcLayout, ABC):
    """`group` is how many entries are done at a time; the last ones of a row may be fewer."""

    def check(self, shape: tuple[int, ...]) -> None:
        super().check(shape)
        if shape[1] > MOST_ENTRIES:
            raise ValueError(f"{shape[1]} columns are more than the {MOST_ENTRIES} of two bytes")


@dataclass(frozen=True)
class GatherLayout(VectorLayout):
    """Single weights. `entries`, uint8: the weights of a row, then the column of each; with more than 256 columns they
    are relative to the base of their 16 entries, in `bases`, uint16. Where 16 entries would reach further than 256
    columns, they are filled up with zeros."""

    name: ClassVar[str] = "gathered bytes"
    group: ClassVar[int] = VECTOR

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        self.check(dense.shape)
        entries: list[NDArray[Any]] = []
        bases: list[NDArray[Any]] = []
        counts: list[int] = []
        for row in dense:
            (columns,) = np.nonzero(row)
            weights = row[columns]
            if dense.shape[1] > MAX_BYTE:
                columns, weights, starts = within_reach(columns, weights)
                bases.append(starts.astype("<u2"))
            counts.append(len(columns))
            entries += [weights, columns.astype(np.uint8)]
        return {
            "rows": four_row_words(numbers, np.array(counts)),
            "entries": joined_bytes(entries),
            "bases": joined_halves(bases),
        }

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        numbers, counts = read_four_row_words(components["rows"], shape[0])
        entries = Reader(components["entries"], "entries")
        bases = Reader(components["bases"], "bases")
        dense = MatrixSum(shape)
        for row, count in enumerate(counts.tolist()):
            weights = entries.take(np.dtype(np.int8), count)
            columns = entries.take(np.dtype(np.uint8), count).astype(np.int64)
            if shape[1] > MAX_BYTE:
                starts = bases.take(np.dtype("<u2"), -(-count // VECTOR)).astype(np.int64)
                columns += np.repeat(starts, VECTOR)[:count]
            dense.add([row], columns, weights)
        entries.end()
        bases.end()
        return dense.matrix(), numbers


@dataclass(frozen=True)
class WordLayout(VectorLayout):
    """Blocks of four columns, which tile them. `entries`: four int8 weights for each block of a row, then the number of
    each, a byte up to 256 of them, else two; as words, the last of which is filled up."""

    name: ClassVar[str] = "gathered words"
    group: ClassVar[int] = WORD

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        self.check(dense.shape)
        wide = np.pad(dense, ((0, 0), (0, -dense.shape[1] % WORD)))
        blocks = wide.reshape(len(wide), -1, WORD)
        stored: NDArray[np.bool_] = np.asarray(blocks.any(axis=2))
        parts: list[NDArray[Any]] = []
        for row, kept in zip(blocks, stored, strict=True):
            (places,) = np.nonzero(kept)
            parts += [row[kept], places.astype(block_type(dense.shape[1]))]
        filled = joined_bytes(parts)
        filled = np.pad(filled, (0, -len(filled) % WORD))
        return {
            "rows": four_row_words(numbers, stored.sum(axis=1)),
            "entries": joined_words([filled]),
        }

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        numbers, counts = read_four_row_words(components["rows"], shape[0])
        entries = Reader(components["entries"], "entries")
        dense = MatrixSum((shape[0], shape[1] + -shape[1] % WORD))
        taken = 0
        for row, count in enumerate(counts.tolist()):
            weights = entries.take(np.dtype(np.int8), WORD * count)
            places = entries.take(np.dtype(block_type(shape[1])), count).astype(np.int64)
            dense.add([row], WORD * places[:, np.newaxis] + np.arange(WORD), weights)
            taken += weights.nbytes + count * np.dtype(block_type(shape[1])).itemsize
        entries.take(np.dtype(np.uint8), -taken % WORD)
        entries.end()
        matrix = dense.matrix()
        if matrix[:, shape[1] :].any():
            raise ValueError("weights lie behind the last column")
        return matrix[:, : shape[1]], numbers


@dataclass(frozen=True)
class ContiguousLayout(VectorLayout):
    """Blocks of 16 columns, which tile them but for the last: it ends with the last column, where its weights for columns
    of the one before are zero. `blocks`: 16 int8 for each; `places`, uint16: its first
    column."""

    name: ClassVar[str] = "vectors"
    group: ClassVar[int] = 1

    def check(self, shape: tuple[int, ...]) -> None:
        super().check(shape)
        if shape[1] < VECTOR:
            raise ValueError(f"{shape[1]} columns are fewer than the {VECTOR} of a vector")

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        self.check(dense.shape)
        columns = dense.shape[1]
        whole = columns // VECTOR * VECTOR
        blocks = dense[:, :whole].reshape(len(dense), -1, VECTOR)
        starts = list(range(0, whole, VECTOR))
        if columns % VECTOR:
            last = dense[:, -VECTOR:].copy()
            last[:, : -(columns % VECTOR)] = 0
            blocks = np.concatenate([blocks, last[:, np.newaxis]], axis=1)
            starts.append(columns - VECTOR)
        stored: NDArray[np.bool_] = np.asarray(blocks.any(axis=2))
        places = np.broadcast_to(np.array(starts), stored.shape)[stored]
        weights = np.frombuffer(joined_bytes([blocks[stored]]).tobytes(), np.int8)
        return {
            "rows": four_row_words(numbers, stored.sum(axis=1)),
            "blocks": weights,
            "places": joined_halves([places.astype("<u2")]),
        }

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        numbers, counts = read_four_row_words(components["rows"], shape[0])
        weights = Reader(components["blocks"], "blocks")
        places = Reader(components["places"], "places")
        dense = MatrixSum(shape)
        for row, count in enumerate(counts.tolist()):
            starts = places.take(np.dtype("<u2"), count).astype(np.int64)
            taken = weights.take(np.dtype(np.int8), VECTOR * count)
            dense.add([row], starts[:, np.newaxis] + np.arange(VECTOR), taken)
        weights.end()
        places.end()
        return dense.matrix(), numbers


def within_reach(
    columns: NDArray[np.integer[Any]], weights: Int8Array
) -> tuple[NDArray[np.int64], Int8Array, NDArray[np.int64]]:
    """Columns relative to the first of their 16, their weights and these firsts. Where the next column is 256 or more
    behind the first, the 16 are filled up with zeros."""
    places: list[int] = []
    values: list[int] = []
    starts: list[int] = []
    for column, weight in zip(columns.tolist(), weights.tolist(), strict=True):
        if places and column - starts[-1] >= MAX_BYTE:
            missing = -len(places) % VECTOR
            places += [0] * missing
            values += [0] * missing
        if len(places) % VECTOR == 0:
            starts.append(column)
        places.append(column - starts[-1])
        values.append(weight)
    return np.array(places, np.int64), np.array(values, np.int8), np.array(starts, np.int64)


def block_type(columns: int) -> str:
    """Of the number of a block of four columns."""
    return "<u2" if columns > WORD * MAX_BYTE else "u1"


def joined_halves(parts: list[NDArray[Any]]) -> NDArray[np.uint16]:
    """Arrays of uint16 as one, a zero where they are empty: C has no empty arrays."""
    joined = np.concatenate([np.zeros(0, np.uint16), *parts])
    return joined.astype(np.uint16) if len(joined) else np.zeros(1, np.uint16)


def four_row_words(numbers: RowNumbers, counts: NDArray[np.integer[Any]]) -> Int32Array:
    """The array `rows`."""
    below = -len(counts) % FOUR
    words = counts.astype(np.int64) << 16 | numbers.shift.astype(np.int64) & 0xFFFF
    columns = [numbers.bias, words.astype(np.uint32).view(np.int32), numbers.multiplier]
    filled = [np.pad(column, (0, below)).reshape(-1, FOUR) for column in columns]
    return np.stack(filled, axis=1).reshape(-1, 3).astype(np.int32)


def read_four_row_words(rows: NDArray[Any], height: int) -> tuple[RowNumbers, NDArray[np.int64]]:
    """The numbers and entries of the `height` rows in the array `rows`."""
    if rows.shape != (height + -height % FOUR, 3):
        raise ValueError(f"rows of shape {list(rows.shape)} are not those of {height} rows")
    columns = rows.reshape(-1, 3, FOUR).transpose(1, 0, 2).reshape(3, -1)
    if columns[:, height:].any():
        raise ValueError("there are numbers below the last row")
    bias, words, multiplier = columns[:, :height]
    packed = words.astype(np.int64) & 0xFFFFFFFF
    shift = (packed & 0xFFFF).astype(np.uint16).view(np.int16).astype(np.int32)
    return RowNumbers(bias, multiplier, shift), packed >> 16
