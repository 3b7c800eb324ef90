# SPDX-License-Identifier: Apache-2.0
"""Runs of non-zeros in a byte stream over the whole matrix, without row lengths.

The layout of sparse-engine, the deployment tool of TinyFormer (Yang et al., "TinyFormer: Efficient
Transformer Design and Deployment on Tiny Devices", 2023).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat, check_number

MAX_SIZE = 256
LONGEST = 255
BIAS = 128
"""What is subtracted from a step to store it as a signed byte."""


@dataclass(frozen=True)
class BlockRle(SparseFormat):
    """The matrix is one sequence of elements, row after row. The one component is

    - `stream`: int8. A record is a byte d - 128 and then the `size` elements from position p on,
      where d is p less the position of the last element of the record before (0 for the first
      record). A d over 255 is preceded by pairs of bytes (127, 0) that take 255 from it each.

    Records are made from the first to the last: each starts at the first non-zero after the one
    before, so their first element is never zero and a zero there marks a pair (127, 0). A record
    may cross rows. One that would leave the matrix is filled up with zeros; the published encoder
    cuts it off, and its kernels read beyond the stream. `size` is 1..256.
    """

    name: ClassVar[str] = "block-rle"
    size: int

    def __post_init__(self) -> None:
        check_number(self.size, 1, MAX_SIZE, "size of block-rle")

    @property
    def label(self) -> str:
        return f"block-rle({self.size})"

    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        return {"stream": np.int8}

    def _encode(self, dense: NDArray[np.int8]) -> Components:
        flat = np.append(dense.reshape(-1), np.zeros(self.size, np.int8))
        starts = self._record_starts(np.flatnonzero(flat))
        steps = starts - np.append(0, starts[:-1] + self.size - 1)[: len(starts)]
        escapes = np.maximum(steps - 1, 0) // LONGEST

        lengths = 2 * escapes + 1 + self.size
        records = np.cumsum(lengths) - 1 - self.size  # where the byte of the step is
        stream = np.zeros(int(lengths.sum()), np.int8)
        first_escape = np.repeat(records - 2 * escapes, escapes)
        before = np.cumsum(escapes) - escapes
        stream[first_escape + 2 * (np.arange(len(first_escape)) - np.repeat(before, escapes))] = (
            LONGEST - BIAS
        )
        stream[records] = steps - LONGEST * escapes - BIAS
        inside = np.arange(self.size)
        stream[records[:, None] + 1 + inside] = flat[starts[:, None] + inside]
        return {"stream": stream}

    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        stream = components["stream"]
        heads = self._heads(stream)
        is_record = stream[heads + 1] != 0
        ends = np.cumsum(stream[heads].astype(np.int64) + BIAS + is_record * (self.size - 1))
        starts = ends[is_record] - (self.size - 1)
        total = shape[0] * shape[1]
        if len(starts) and starts[-1] >= total:
            raise ValueError(f"{self.label} reaches element {starts[-1]} of {total}")
        flat = np.zeros(total + self.size, np.int8)
        inside = np.arange(self.size)
        flat[starts[:, None] + inside] = stream[heads[is_record][:, None] + 1 + inside]
        return flat[:total].reshape(shape)

    def _record_starts(self, nonzero: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions where records start, given those of the non-zeros."""
        if self.size == 1:
            return nonzero
        following = np.searchsorted(nonzero, nonzero + self.size).tolist()
        return nonzero[chain(following, len(nonzero))]

    def _heads(self, stream: NDArray[np.int8]) -> NDArray[np.int64]:
        """Where the records and the pairs (127, 0) of `stream` start."""
        places = np.arange(len(stream))
        is_record = np.append(stream[1:], 1) != 0
        following = np.where(is_record, places + 1 + self.size, places + 2)
        heads = chain(following.tolist(), len(stream))
        if len(heads) and following[heads[-1]] != len(stream):
            raise ValueError(f"the stream of {self.label} ends within a record")
        return heads


def chain(following: list[int], length: int) -> NDArray[np.int64]:
    """0, following[0], following[following[0]] and so on, while it is less than `length`."""
    found: list[int] = []
    place = 0
    while place < length:
        found.append(place)
        place = following[place]
    return np.array(found, np.int64)
