# SPDX-License-Identifier: Apache-2.0
"""The layouts that the fully connected kernels compute on.

A storage format says which weights are kept; a layout is the flash that a kernel of the runtime reads, for every core
the same. `unpack` is the proof that a layout holds what it was made of.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, check_matrix
from sparsec.layouts.linear_rows import (
    FULL_CLAMP,
    MAX_BYTE,
    Int8Array,
    MatrixSum,
    Reader,
    RowNumbers,
    is_saturating,
    joined_bytes,
    joined_words,
    place_type,
    read_row_words,
    row_words,
    side_by_side,
)

__all__ = [
    "FULL_CLAMP",
    "ColumnBlockLayout",
    "DenseLayout",
    "FcLayout",
    "RowBlockLayout",
    "RowNumbers",
    "TableLayout",
    "is_saturating",
    "pack_proven",
]

BLOCK = 4
MAX_COLUMNS = 65536


@dataclass(frozen=True)
class FcLayout(ABC):
    """The arrays of one kernel, in the order of its arguments. The first, `rows`, is int32 [rows, 3]: the bias; the
    groups, the left-over entries and ~shift; the multiplier.

    `group` is how many entries the kernel's loop takes at a time, `wide` below whether places take two bytes.
    """

    name: ClassVar[str]
    group: ClassVar[int]

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError when a matrix of this shape [rows, columns] has no such layout."""
        check_matrix(shape)
        if shape[1] > MAX_COLUMNS:
            raise ValueError(f"{shape[1]} columns are more than the {MAX_COLUMNS} of two bytes")

    @abstractmethod
    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        """The arrays for the weights `dense`, int8 [rows, columns]. Raises ValueError as `check` does."""

    @abstractmethod
    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        """The inverse of `pack`. Raises ValueError when the arrays do not make a matrix of this shape."""


@dataclass(frozen=True)
class TableLayout(FcLayout):
    """Single weights. `groups`: eight columns and eight int8 weights, for each group; `left_over`, uint8: a column and
    a weight for each entry that fills no group. Columns are bytes up to 256 of them, else two bytes."""

    name: ClassVar[str] = "table rows"
    group: ClassVar[int] = 8

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        self.check(dense.shape)
        place = place_type(dense.shape[1])
        counts: list[int] = []
        groups: list[NDArray[Any]] = []
        left_over: list[NDArray[Any]] = []
        for row in dense:
            (columns,) = np.nonzero(row)
            entries = [columns.astype(place), row[columns]]
            left = len(columns) % self.group
            counts.append(len(columns))
            left_over.append(side_by_side([part[:left, np.newaxis] for part in entries]))
            groups.append(side_by_side([part[left:].reshape(-1, self.group) for part in entries]))
        return {
            "rows": row_words(numbers, np.array(counts), self.group),
            "groups": joined_words(groups),
            "left_over": joined_bytes(left_over),
        }

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        place = np.dtype(place_type(shape[1]))
        numbers, groups, left_over = read_row_words(components["rows"], shape[0])
        grouped = Reader(components["groups"], "groups")
        single = Reader(components["left_over"], "left_over")
        dense = MatrixSum(shape)
        for row in range(shape[0]):
            for reader, count, size in (
                (single, left_over[row], 1),
                (grouped, groups[row], self.group),
            ):
                entry = np.dtype([("columns", place, (size,)), ("weights", np.int8, (size,))])
                taken = reader.take(entry, count)
                dense.add([row], taken["columns"], taken["weights"])
        single.end()
        grouped.end()
        return dense.matrix(), numbers


@dataclass(frozen=True)
class RowBlockLayout(FcLayout):
    """1x4 blocks. `places`, uint8: the number of each block, or with columns that four does not divide, or over 1024
    of them, its first column in two bytes. `weights`: four int8 weights of each block.

    The last block of a row of such columns begins four before the end, with zeros for what its neighbour holds.
    """

    name: ClassVar[str] = "row blocks"
    group: ClassVar[int] = 4

    def check(self, shape: tuple[int, ...]) -> None:
        super().check(shape)
        if shape[1] < BLOCK:
            raise ValueError(f"a 1x4 block does not fit into {shape[1]} columns")

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        self.check(dense.shape)
        rows, columns = dense.shape
        blocks = np.pad(dense, ((0, 0), (0, -columns % BLOCK))).reshape(rows, -1, BLOCK)
        # What the last block is filled up with moves to its front.
        blocks[:, -1] = np.roll(blocks[:, -1], -columns % BLOCK, axis=1)
        kept = blocks.any(axis=2)
        _, numbers_of = np.nonzero(kept)
        wide = blocks_are_wide(columns)
        starts = np.minimum(BLOCK * numbers_of, columns - BLOCK)
        places: NDArray[Any] = (starts if wide else numbers_of).astype("<u2" if wide else np.uint8)
        return {
            "rows": row_words(numbers, kept.sum(axis=1), self.group),
            "places": joined_bytes([places]),
            "weights": joined_words([blocks[kept]]),
        }

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        wide = blocks_are_wide(shape[1])
        numbers, groups, left_over = read_row_words(components["rows"], shape[0])
        places = Reader(components["places"], "places")
        weights = Reader(components["weights"], "weights")
        dense = MatrixSum(shape)
        place = np.dtype("<u2" if wide else np.uint8)
        for row in range(shape[0]):
            count = left_over[row] + self.group * groups[row]
            first = (1 if wide else BLOCK) * places.take(place, count).astype(np.int64)
            columns = first[:, np.newaxis] + np.arange(BLOCK)
            dense.add([row], columns, weights.take(np.dtype(np.int8), count * BLOCK))
        places.end()
        weights.end()
        return dense.matrix(), numbers


@dataclass(frozen=True)
class ColumnBlockLayout(FcLayout):
    """4x1 blocks in pairs of columns (see sparsec.h): four rows share their columns, an odd number of which is filled up
    by a block of zeros. `weight_bytes` is 1, or 2 for twice the bytes and fewer instructions."""

    name: ClassVar[str] = "column blocks"
    group: ClassVar[int] = 2
    weight_bytes: Literal[1, 2] = 1

    @property
    def _weight(self) -> np.dtype[Any]:
        return np.dtype(f"<i{self.weight_bytes}")

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        self.check(dense.shape)
        place = place_type(dense.shape[1])
        padded = np.pad(dense, ((0, -len(dense) % BLOCK), (0, 0)))
        counts: list[int] = []
        words: list[NDArray[Any]] = []
        for block_row in padded.reshape(-1, BLOCK, dense.shape[1]):
            columns: NDArray[Any] = np.flatnonzero(block_row.any(axis=0))
            weights: NDArray[Any] = block_row[:, columns].astype(self._weight)
            if len(columns) % 2:
                columns = np.append(columns, columns[-1])
                weights = np.pad(weights, ((0, 0), (0, 1)))
            pairs = len(columns) // 2
            counts += [pairs, 0, 0, 0]
            places = columns.astype(place).reshape(pairs, 2)
            tiles = self._tiles(weights.reshape(BLOCK, pairs, 2))
            left = pairs % self.group
            one = side_by_side([tiles[:left], places[:left]])
            words.append(np.pad(one, ((0, 0), (0, -one.shape[1] % 4))))
            two, two_places = tiles[left:].reshape(-1, 2, tiles.shape[1]), places[left:]
            words.append(side_by_side([two[:, 1], two[:, 0], two_places.reshape(-1, 4)]))
        filled = RowNumbers(*(np.pad(a, (0, -len(dense) % BLOCK)) for a in vars(numbers).values()))
        return {
            "rows": row_words(filled, np.array(counts), self.group),
            "groups": joined_words(words),
        }

    def _tiles(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Weights [4 rows, pairs, 2] as the kernel reads them, [pairs, 8]."""
        by_pair = weights.transpose(1, 0, 2)
        if self.weight_bytes == 1:
            by_pair = by_pair.reshape(-1, 2, 2, 2).transpose(0, 1, 3, 2)
        return np.ascontiguousarray(by_pair).reshape(-1, 8)

    def _untiled(self, tiles: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `_tiles`: from [pairs, 8] to [4 rows, pairs, 2]."""
        if self.weight_bytes == 1:
            tiles = tiles.reshape(-1, 2, 2, 2).transpose(0, 1, 3, 2)
        return tiles.reshape(-1, BLOCK, 2).transpose(1, 0, 2)

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        place, weight = np.dtype(place_type(shape[1])), self._weight
        height = shape[0] + -shape[0] % BLOCK
        numbers, groups, left_over = read_row_words(components["rows"], height)
        reader = Reader(components["groups"], "groups")
        dense = MatrixSum((height, shape[1]))
        for top in range(0, height, BLOCK):
            rows = range(top, top + BLOCK)
            if left_over[top]:
                tile = reader.take(weight, 8)
                dense.add(rows, reader.take(place, 2), self._untiled(tile))
                reader.take(np.dtype(np.uint8), -2 * place.itemsize % 4)
            taken = reader.take(
                np.dtype([("tiles", weight, (2, 8)), ("places", place, (2, 2))]), groups[top]
            )
            for first, second in ((0, 1), (1, 0)):
                tiles = self._untiled(taken["tiles"][:, second])
                dense.add(rows, taken["places"][:, first], tiles)
        reader.end()
        matrix = dense.matrix()
        if matrix[shape[0] :].any():
            raise ValueError("weights lie below the last row")
        return matrix[: shape[0]], RowNumbers(*(a[: shape[0]] for a in vars(numbers).values()))


@dataclass(frozen=True)
class DenseLayout(FcLayout):
    """Every weight, four rows at a time (see sparsec.h): two rows share halves r0 + 256 * r1.

    ValueError where a half leaves 16 bits or the kernel could not tell the sum of r1.
    """

    name: ClassVar[str] = "four rows"
    group: ClassVar[int] = 8

    def check_weights(self, dense: Int8Array) -> None:
        """Raise ValueError unless the layout can hold `dense`, int8 [rows, columns]."""
        self.halves(dense)

    def halves(self, dense: Int8Array) -> NDArray[np.int64]:
        """r0 + 256 * r1 of each pair of rows, the last ones filled with zeros up to four."""
        self.check((dense.shape[0], dense.shape[1]))
        tall = np.pad(dense, ((0, -len(dense) % BLOCK), (0, 0))).astype(np.int64)
        if np.abs(tall[1::2]).sum(axis=1).max() >= MAX_COLUMNS:
            raise ValueError("the sum of an odd row can leave 24 bits")
        halves = tall[0::2] + 256 * tall[1::2]
        if np.abs(halves + 0.5).max() > 2**15:
            raise ValueError("a weight of -128 in an odd row and a negative one leave 16 bits")
        return halves

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        halves = self.halves(dense)
        tall = np.pad(dense, ((0, -len(dense) % BLOCK), (0, 0)))
        whole = dense.shape[1] // self.group * self.group
        groups = len(tall) // BLOCK
        # [four rows, eight columns, quad, pair, two rows, column of the pair]
        tiles = halves[:, :whole].reshape(groups, 2, -1, 2, 2, 2).transpose(0, 2, 3, 5, 1, 4).copy()
        tiles[:, :, 0] = tiles[:, :, 0, ::-1]
        left = tall[:, whole:].reshape(groups, BLOCK, -1).transpose(0, 2, 1)
        parts = [tiles.astype("<i2").reshape(groups, -1), left.astype(np.int8).reshape(groups, -1)]
        filled = RowNumbers(*(np.pad(a, (0, -len(dense) % BLOCK)) for a in vars(numbers).values()))
        rows = row_words(filled, np.zeros(len(tall), np.int64), self.group)
        return {"rows": rows, "weights": joined_words([side_by_side(parts)])}

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        height, columns = shape[0] + -shape[0] % BLOCK, shape[1]
        numbers, _, _ = read_row_words(components["rows"], height)
        reader = Reader(components["weights"], "weights")
        whole = columns // self.group * self.group
        matrix = np.zeros((height, columns), np.int8)
        for top in range(0, height, BLOCK):
            tiles = reader.take(np.dtype("<i2"), 2 * whole).reshape(-1, 2, 2, 2, 2).copy()
            tiles[:, 0] = tiles[:, 0, ::-1]
            halves = tiles.transpose(3, 0, 1, 4, 2).reshape(2, whole).astype(np.int64)
            even = (halves & 0xFF).astype(np.uint8).view(np.int8)
            matrix[top : top + BLOCK : 2, :whole] = even
            matrix[top + 1 : top + BLOCK : 2, :whole] = (halves - even) >> 8
            left = reader.take(np.dtype(np.int8), BLOCK * (columns - whole))
            matrix[top : top + BLOCK, whole:] = left.reshape(-1, BLOCK).T
        reader.end()
        if matrix[shape[0] :].any():
            raise ValueError("weights lie below the last row")
        return matrix[: shape[0]], RowNumbers(*(a[: shape[0]] for a in vars(numbers).values()))


def blocks_are_wide(columns: int) -> bool:
    return columns % BLOCK != 0 or columns > MAX_BYTE * BLOCK


def pack_proven(layout: FcLayout, dense: Int8Array, numbers: RowNumbers) -> Components:
    """`layout.pack`, unpacked again and compared: AssertionError if it holds anything else."""
    components = layout.pack(dense, numbers)
    unpacked, read = layout.unpack(components, (dense.shape[0], dense.shape[1]))
    if not np.array_equal(unpacked, dense) or not read.equals(numbers):
        raise AssertionError(f"{type(layout).__name__} does not hold the layer it was given")
    return components
