# SPDX-License-Identifier: Apache-2.0
"""Unstructured sparsity as one bit per weight and the values that are not zero.

The smallest format for less than about three quarters of zeros. The layout is that of the
compressed weights of many accelerators, among others SCNN's and NVDLA's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparsec.formats.base import Components, SparseFormat, check_length


@dataclass(frozen=True)
class Bitmap(SparseFormat):
    """A row is decoded from its bits; how many are set says how many values are its own.

    - `values`: int8 [number of non-zeros], row after row, by increasing column;
    - `bits`: uint8 [rows * ceil(columns / 8)]; each row starts with a new byte, column c is bit
      c % 8 (bit 0 the lowest) of byte c // 8 of its row, and bits beyond the last column are zero.
    """

    name: ClassVar[str] = "bitmap"

    def element_types(self, shape: tuple[int, ...]) -> dict[str, type[np.integer[Any]]]:
        return {"values": np.int8, "bits": np.uint8}

    def stored_bytes(self, dense: NDArray[np.int8]) -> int:
        rows, columns = self._checked(dense).shape
        return int(np.count_nonzero(dense)) + rows * -(-columns // 8)

    def _encode(self, dense: NDArray[np.int8]) -> Components:
        bits = np.packbits(dense != 0, axis=1, bitorder="little")
        return {"values": dense[dense != 0], "bits": bits.reshape(-1)}

    def _decode(
        self, components: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.int8]:
        rows, columns = shape
        row_bytes = -(-columns // 8)
        check_length(components["bits"], rows * row_bytes, "bits of bitmap")
        bits = components["bits"].reshape(rows, row_bytes)
        stored = np.unpackbits(bits, axis=1, count=columns, bitorder="little").astype(np.bool_)
        check_length(components["values"], int(np.count_nonzero(stored)), "values of bitmap")
        dense = np.zeros(shape, np.int8)
        dense[stored] = components["values"]
        return dense
