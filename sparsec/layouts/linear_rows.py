# SPDX-License-Identifier: Apache-2.0
"""What the layouts of the fully connected kernels share: the words of a row, and lists taken apart again.

All words are little-endian, as Arm's are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int8Array = NDArray[np.int8]
Int32Array = NDArray[np.int32]

MAX_BYTE = 256
"""Numbers up to here, it excluded, fit a byte."""
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


class MatrixSum:
    """A matrix to which blocks are added; none may reach beyond it."""

    def __init__(self, shape: tuple[int, ...]):
        self._values = np.zeros(shape, np.int64)

    def add(self, rows: Sequence[int], columns: NDArray[Any], weights: NDArray[Any]) -> None:
        """Add weights [rows, ..], of any shape, to these columns, in which a column may come again."""
        columns = columns.reshape(-1).astype(np.int64)
        if columns.max(initial=-1) >= self._values.shape[1]:
            raise ValueError(f"column {columns.max()} of {self._values.shape[1]} is named")
        summands = weights.reshape(len(rows), -1)
        np.add.at(self._values, np.ix_(np.asarray(rows), columns), summands)

    def matrix(self) -> Int8Array:
        if np.abs(self._values).max() > 128 or self._values.max() > 127:
            raise ValueError("a weight leaves int8")
        return self._values.astype(np.int8)


class Reader:
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


def place_type(columns: int) -> str:
    return "<u2" if columns > MAX_BYTE else "u1"


def side_by_side(parts: list[NDArray[Any]]) -> NDArray[np.uint8]:
    """Arrays [n, ..] as bytes [n, bytes of all]."""
    flat = [np.ascontiguousarray(part) for part in parts]
    return np.concatenate(
        [a.view(np.uint8).reshape(len(a), a.shape[1] * a.itemsize) for a in flat], axis=1
    )


def joined_bytes(parts: list[NDArray[Any]]) -> NDArray[np.uint8]:
    joined = np.frombuffer(
        b"".join(np.ascontiguousarray(part).tobytes() for part in parts), np.uint8
    )
    return joined if len(joined) else np.zeros(1, np.uint8)


def joined_words(parts: list[NDArray[Any]]) -> Int32Array:
    joined = joined_bytes(parts)
    return joined.view("<i4").astype(np.int32) if len(joined) > 1 else np.zeros(1, np.int32)


def row_words(numbers: RowNumbers, counts: NDArray[np.integer[Any]], group: int) -> Int32Array:
    """The array `rows`."""
    groups, left_over = np.divmod(counts.astype(np.int64), group)
    packed = groups << 16 | left_over << 8 | (~numbers.shift.astype(np.int64) & 0xFF)
    words = packed.astype(np.uint32).view(np.int32)
    return np.stack([numbers.bias, words, numbers.multiplier], axis=1).astype(np.int32)


def read_row_words(
    rows: NDArray[Any], height: int
) -> tuple[RowNumbers, NDArray[np.int64], NDArray[np.int64]]:
    """The numbers, groups and left-over entries of the array `rows`."""
    if rows.shape != (height, 3):
        raise ValueError(f"rows of shape {list(rows.shape)} are not those of {height} rows")
    packed = rows[:, 1].astype(np.int64) & 0xFFFFFFFF
    shift = ~(packed & 0xFF).astype(np.uint8).view(np.int8).astype(np.int32)
    return RowNumbers(rows[:, 0], rows[:, 2], shift), packed >> 16, packed >> 8 & 0xFF
