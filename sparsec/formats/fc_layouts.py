"""The layouts that the sparse fully connected kernels compute on.

A storage format says which weights are kept; a layout is the flash that a kernel of the runtime reads, for every core
the same. `unpack` is the proof that a layout holds what it was made of. All words are little-endian, as Arm's are.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, check_matrix

Int8Array = NDArray[np.int8]
Int32Array = NDArray[np.int32]

BLOCK = 4
MAX_BYTE = 256
"""Numbers up to here, it excluded, fit a byte."""
MAX_COLUMNS = 65536
MAX_SATURATING_ACC = 2**30
SATURATING_SHIFTS = range(-22, 0)
FULL_CLAMP = (-128, 127)


@dataclass(frozen=True)
class RowNumbers:
    """What a fully connected layer has besides its weights: int32 [rows] each.

    The bias has the input offset folded in. Raises ValueError when a shift is not in -31..30.
    """

    bias: Int32Array
    multiplier: Int32Array
    shift: Int32Array

    def __post_init__(self) -> None:
        if len({len(self.bias), len(self.multiplier), len(self.shift)}) != 1:
            raise ValueError("bias, multiplier and shift need one number for each row")
        if len(self.shift) and (self.shift.min() < -31 or self.shift.max() > 30):
            raise ValueError("a shift must be from -31 to 30")

    def equals(self, other: "RowNumbers") -> bool:
        """Whether all numbers are the same."""
        mine, theirs = vars(self).values(), vars(other).values()
        return all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))


def is_saturating(dense: Int8Array, numbers: RowNumbers, clamp: tuple[int, int]) -> bool:
    """Whether the kernels may use their short requantization (`saturating` in sparsec.h).

    It is exact if every sum t of the rounded product, the rounding half and the output offset fits int32, and if
    saturation to int8 is the clamp: |acc| < 2**30 for every input, a shift to the right by 1 to 22.
    """
    bound = np.abs(numbers.bias.astype(np.int64)) + 128 * np.abs(dense.astype(np.int64)).sum(axis=1)
    return bool(
        clamp == FULL_CLAMP
        and (numbers.multiplier >= 0).all()
        and np.isin(numbers.shift, SATURATING_SHIFTS).all()
        and (bound < MAX_SATURATING_ACC).all()
    )


@dataclass(frozen=True)
class FcLayout(ABC):
    """The arrays of one kernel, in the order of its arguments. The first, `rows`, is int32 [rows, 3]: the bias; the
    groups, the left-over entries and ~shift; the multiplier.

    `group` is how many entries the kernel's loop takes at a time, `wide` below whether places take two bytes.
    """

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

    group: ClassVar[int] = 8

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        self.check(dense.shape)
        place = _place_type(dense.shape[1])
        counts: list[int] = []
        groups: list[NDArray[Any]] = []
        left_over: list[NDArray[Any]] = []
        for row in dense:
            (columns,) = np.nonzero(row)
            entries = [columns.astype(place), row[columns]]
            left = len(columns) % self.group
            counts.append(len(columns))
            left_over.append(_side_by_side([part[:left, np.newaxis] for part in entries]))
            groups.append(_side_by_side([part[left:].reshape(-1, self.group) for part in entries]))
        return {
            "rows": _rows(numbers, np.array(counts), self.group),
            "groups": _words(groups),
            "left_over": _bytes(left_over),
        }

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        place = np.dtype(_place_type(shape[1]))
        numbers, groups, left_over = _read_rows(components["rows"], shape[0])
        grouped = _Reader(components["groups"], "groups")
        single = _Reader(components["left_over"], "left_over")
        dense = _Sum(shape)
        for row in range(shape[0]):
            for reader, count, size in (
                (single, left_over[row], 1),
                (grouped, groups[row], self.group),
            ):
                for _ in range(count):
                    columns = reader.take(place, size)
                    dense.add([row], columns, reader.take(np.dtype(np.int8), size)[np.newaxis])
        single.end()
        grouped.end()
        return dense.matrix(), numbers


@dataclass(frozen=True)
class RowBlockLayout(FcLayout):
    """1x4 blocks. `places`, uint8: the number of each block, or with columns that four does not divide, or over 1024
    of them, its first column in two bytes. `weights`: four int8 weights of each block.

    The last block of a row of such columns begins four before the end, with zeros for what its neighbour holds.
    """

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
        wide = _blocks_are_wide(columns)
        starts = np.minimum(BLOCK * numbers_of, columns - BLOCK)
        places: NDArray[Any] = (starts if wide else numbers_of).astype("<u2" if wide else np.uint8)
        return {
            "rows": _rows(numbers, kept.sum(axis=1), self.group),
            "places": _bytes([places]),
            "weights": _words([blocks[kept]]),
        }

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        wide = _blocks_are_wide(shape[1])
        numbers, groups, left_over = _read_rows(components["rows"], shape[0])
        places = _Reader(components["places"], "places")
        weights = _Reader(components["weights"], "weights")
        dense = _Sum(shape)
        for row in range(shape[0]):
            for _ in range(left_over[row] + self.group * groups[row]):
                (place,) = places.take(np.dtype("<u2" if wide else np.uint8), 1).astype(np.int64)
                columns = (1 if wide else BLOCK) * place + np.arange(BLOCK)
                dense.add([row], columns, weights.take(np.dtype(np.int8), BLOCK)[np.newaxis])
        places.end()
        weights.end()
        return dense.matrix(), numbers


@dataclass(frozen=True)
class ColumnBlockLayout(FcLayout):
    """4x1 blocks in pairs of columns (see sparsec.h): four rows share their columns, an odd number of which is filled up
    by a block of zeros. `weight_bytes` is 1, or 2 for twice the bytes and fewer instructions."""

    group: ClassVar[int] = 2
    weight_bytes: Literal[1, 2] = 1

    @property
    def _weight(self) -> np.dtype[Any]:
        return np.dtype(f"<i{self.weight_bytes}")

    def pack(self, dense: Int8Array, numbers: RowNumbers) -> Components:
        self.check(dense.shape)
        place = _place_type(dense.shape[1])
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
            one = _side_by_side([tiles[:left], places[:left]])
            words.append(np.pad(one, ((0, 0), (0, -one.shape[1] % 4))))
            two, two_places = tiles[left:].reshape(-1, 2, tiles.shape[1]), places[left:]
            words.append(_side_by_side([two[:, 1], two[:, 0], two_places.reshape(-1, 4)]))
        filled = RowNumbers(*(np.pad(a, (0, -len(dense) % BLOCK)) for a in vars(numbers).values()))
        return {"rows": _rows(filled, np.array(counts), self.group), "groups": _words(words)}

    def _tiles(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Weights [4 rows, pairs, 2] as the kernel reads them, [pairs, 8]."""
        by_pair = weights.transpose(1, 0, 2)
        if self.weight_bytes == 1:
            by_pair = by_pair.reshape(-1, 2, 2, 2).transpose(0, 1, 3, 2)
        return np.ascontiguousarray(by_pair).reshape(-1, 8)

    def _untiled(self, tile: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `_tiles` for one pair: [4 rows, 2]."""
        if self.weight_bytes == 1:
            return tile.reshape(2, 2, 2).transpose(0, 2, 1).reshape(BLOCK, 2)
        return tile.reshape(BLOCK, 2)

    def unpack(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, int]
    ) -> tuple[Int8Array, RowNumbers]:
        self.check(shape)
        place, weight = np.dtype(_place_type(shape[1])), self._weight
        height = shape[0] + -shape[0] % BLOCK
        numbers, groups, left_over = _read_rows(components["rows"], height)
        reader = _Reader(components["groups"], "groups")
        dense = _Sum((height, shape[1]))
        for top in range(0, height, BLOCK):
            rows = range(top, top + BLOCK)
            if left_over[top]:
                tile = reader.take(weight, 8)
                dense.add(rows, reader.take(place, 2), self._untiled(tile))
                reader.take(np.dtype(np.uint8), -2 * place.itemsize % 4)
            for _ in range(groups[top]):
                tiles = [reader.take(weight, 8), reader.take(weight, 8)]
                dense.add(rows, reader.take(place, 2), self._untiled(tiles[1]))
                dense.add(rows, reader.take(place, 2), self._untiled(tiles[0]))
        reader.end()
        matrix = dense.matrix()
        if matrix[shape[0] :].any():
            raise ValueError("weights lie below the last row")
        return matrix[: shape[0]], RowNumbers(*(a[: shape[0]] for a in vars(numbers).values()))


def pack_proven(layout: FcLayout, dense: Int8Array, numbers: RowNumbers) -> Components:
    """`layout.pack`, unpacked again and compared: AssertionError if it holds anything else."""
    components = layout.pack(dense, numbers)
    unpacked, read = layout.unpack(components, (dense.shape[0], dense.shape[1]))
    if not np.array_equal(unpacked, dense) or not read.equals(numbers):
        raise AssertionError(f"{type(layout).__name__} does not hold the layer it was given")
    return components


class _Sum:
    """A matrix to which blocks are added; none may reach beyond it."""

    def __init__(self, shape: tuple[int, ...]):
        self._values = np.zeros(shape, np.int64)

    def add(self, rows: Any, columns: NDArray[Any], weights: NDArray[Any]) -> None:
        if columns.max() >= self._values.shape[1]:
            raise ValueError(f"column {columns.max()} of {self._values.shape[1]} is named")
        np.add.at(self._values, np.ix_(np.asarray(rows), columns.astype(np.int64)), weights)

    def matrix(self) -> Int8Array:
        if np.abs(self._values).max() > 128 or self._values.max() > 127:
            raise ValueError("a weight leaves int8")
        return self._values.astype(np.int8)


class _Reader:
    """Takes an array apart from its first byte on."""

    def __init__(self, array: NDArray[Any], what: str):
        self._bytes = np.ascontiguousarray(array).tobytes()
        self._at = 0
        self._what = what

    def take(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        end = self._at + count * dtype.itemsize
        if end > len(self._bytes):
            raise ValueError(f"{self._what} ends early")
        values = np.frombuffer(self._bytes[self._at : end], dtype)
        self._at = end
        return values

    def end(self) -> None:
        # An empty list is stored as one zero: C has no empty arrays.
        if self._at != len(self._bytes) and (self._at or any(self._bytes)):
            raise ValueError(f"{self._what} goes on behind the last row")


def _place_type(columns: int) -> str:
    return "<u2" if columns > MAX_BYTE else "u1"


def _blocks_are_wide(columns: int) -> bool:
    return columns % BLOCK != 0 or columns > MAX_BYTE * BLOCK


def _side_by_side(parts: list[NDArray[Any]]) -> NDArray[np.uint8]:
    """Arrays [n, ..] as bytes [n, bytes of all]."""
    flat = [np.ascontiguousarray(part) for part in parts]
    return np.concatenate(
        [a.view(np.uint8).reshape(len(a), a.shape[1] * a.itemsize) for a in flat], axis=1
    )


def _bytes(parts: list[NDArray[Any]]) -> NDArray[np.uint8]:
    joined = np.frombuffer(
        b"".join(np.ascontiguousarray(part).tobytes() for part in parts), np.uint8
    )
    return joined if len(joined) else np.zeros(1, np.uint8)


def _words(parts: list[NDArray[Any]]) -> Int32Array:
    joined = _bytes(parts)
    return joined.view("<i4").astype(np.int32) if len(joined) > 1 else np.zeros(1, np.int32)


def _rows(numbers: RowNumbers, counts: NDArray[np.integer[Any]], group: int) -> Int32Array:
    """The array `rows`."""
    groups, left_over = np.divmod(counts.astype(np.int64), group)
    packed = groups << 16 | left_over << 8 | (~numbers.shift.astype(np.int64) & 0xFF)
    words = packed.astype(np.uint32).view(np.int32)
    return np.stack([numbers.bias, words, numbers.multiplier], axis=1).astype(np.int32)


def _read_rows(
    rows: NDArray[Any], height: int
) -> tuple[RowNumbers, NDArray[np.int64], NDArray[np.int64]]:
    """The numbers, groups and left-over entries of the array `rows`."""
    if rows.shape != (height, 3):
        raise ValueError(f"rows of shape {list(rows.shape)} are not those of {height} rows")
    packed = rows[:, 1].astype(np.int64) & 0xFFFFFFFF
    shift = ~(packed & 0xFF).astype(np.uint8).view(np.int8).astype(np.int32)
    return RowNumbers(rows[:, 0], rows[:, 2], shift), packed >> 16, packed >> 8 & 0xFF
