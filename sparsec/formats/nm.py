# SPDX-License-Identifier: Apache-2.0
"""N:M sparsity: at most n non-zeros among any m consecutive columns from a multiple of m on.

The structured sparsity of Mishra et al., "Accelerating Sparse Deep Neural Networks" (2021), there
2:4, for any n and m.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat, check_length, check_number

MAX_M = 256


@dataclass(frozen=True)
class Nm(SparseFormat):
    """Every group of m columns of a row has n entries, so no row needs a length.

    `n` is 1..m-1 and `m` 2..256. A last group of k < m columns has min(n, k) entries. A group with
    fewer non-zeros than entries also has entries of value 0, for its first columns that are zero.
    The entries of a group are by increasing column. The components are

    - `values`: int8 [rows * E], with E = columns // m * n + min(n, columns % m) entries per row;
    - `offsets`: uint8 [rows * ceil(E * b / 8)], the place of each entry in its group, a number of
      b bits, b = ceil(log2(m)); each row starts with a new byte, bit i of the numbers of a row one
      after the other, lowest bit first, is bit i % 8 (bit 0 the lowest) of byte i // 8, and bits
      beyond the last number are zero.
    """

    name: ClassVar[str] = "nm"
    n: int
    m: int

    def __post_init__(self) -> None:
        check_number(self.m, 2, MAX_M, "m of nm")
        check_number(self.n, 1, self.m - 1, f"n of nm with m = {self.m}")

    @property
    def label(self) -> str:
        return f"nm({self.n}:{self.m})"

    @property
    def group(self) -> int:
        return self.m

    @property
    def offset_bits(self) -> int:
        """The bits of an offset."""
        return (self.m - 1).bit_length()

    def row_entries(self, columns: int) -> int:
        """The entries of a row of so many columns."""
        return columns // self.m * self.n + min(self.n, columns % self.m)

    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        return {"values": np.int8, "offsets": np.uint8}

    def stored_bytes(self, dense: NDArray[np.int8]) -> int:
        self._check_groups(self._grouped(self._checked(dense)), dense.shape[1])
        entries = self.row_entries(dense.shape[1])
        return len(dense) * (entries + -(-entries * self.offset_bits // 8))

    def check_values(self, dense: NDArray[np.int8]) -> None:
        self._check_groups(self._grouped(dense), dense.shape[1])

    def _encode(self, dense: NDArray[np.int8]) -> Components:
        columns = dense.shape[1]
        groups = self._grouped(dense)
        self._check_groups(groups, columns)
        # The columns of a group in the order in which they get its entries: those beyond the
        # matrix come last, so a short group keeps its places for them at the end of the row.
        zero = groups == 0
        zero_or_beyond = zero.astype(np.uint8)
        zero_or_beyond[:, columns:] = 2
        order = zero_or_beyond.reshape(len(dense), -1, self.m).argsort(axis=2, kind="stable")
        offsets = np.sort(order[:, :, : self.n], axis=2)
        values = np.take_along_axis(groups.reshape(order.shape), offsets, axis=2)
        entries = self.row_entries(columns)
        offsets = offsets.reshape(len(dense), -1)[:, :entries]
        bits = offsets[:, :, None] >> np.arange(self.offset_bits) & 1
        packed = np.packbits(
            bits.reshape(len(dense), -1).astype(np.uint8), axis=1, bitorder="little"
        )
        return {
            "values": values.reshape(len(dense), -1)[:, :entries].flatten(),
            "offsets": packed.flatten(),
        }

    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        rows, columns = shape
        entries = self.row_entries(columns)
        row_bytes = -(-entries * self.offset_bits // 8)
        check_length(components["values"], rows * entries, f"values of {self.label}")
        check_length(components["offsets"], rows * row_bytes, f"offsets of {self.label}")
        bits = np.unpackbits(
            components["offsets"].reshape(rows, row_bytes),
            axis=1,
            count=entries * self.offset_bits,
            bitorder="little",
        )
        weights = 1 << np.arange(self.offset_bits)
        offsets = bits.reshape(rows, entries, -1) @ weights
        places = np.arange(entries) // self.n * self.m + offsets
        if (offsets >= self.m).any() or (places >= columns).any():
            raise ValueError(f"an offset of {self.label} leaves its group")
        if (np.diff(places, axis=1) <= 0).any():
            raise ValueError(f"offsets of {self.label} do not grow within a group")
        dense = np.zeros(shape, np.int8)
        np.put_along_axis(dense, places, components["values"].reshape(rows, entries), axis=1)
        return dense

    def _grouped(self, dense: NDArray[np.int8]) -> NDArray[np.int8]:
        """`dense` with zero columns at the end that fill its last group."""
        return np.pad(dense, ((0, 0), (0, -dense.shape[1] % self.m)))

    def _check_groups(self, groups: NDArray[np.int8], columns: int) -> None:
        """Raise ValueError when a group has too many non-zeros."""
        counts = np.count_nonzero(groups.reshape(len(groups), -1, self.m), axis=2)
        row, group = np.unravel_index(int(counts.argmax()), counts.shape)
        if counts[row, group] > self.n:
            last = min((group + 1) * self.m, columns) - 1
            raise ValueError(
                f"row {row} has {counts[row, group]} non-zeros in columns {group * self.m} to "
                f"{last}, more than {self.n} of {self.m}"
            )
